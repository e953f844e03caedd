"""What goes out: the journal of records, grades for the platforms, feedback.

`harmless` cleans a student's text. `records` are what was found out about each submission, and
`journal` keeps them on disk, so that a run that was killed goes on. `exports` writes grades as the
platforms read them, and `feedback` pages for students and the instructor.
"""
