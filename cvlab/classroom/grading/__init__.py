"""Grade untrusted notebooks: verdicts are made outside the process that runs the student's code.

`submissions` finds the notebooks of a class, `answers` finds the answers in a notebook. Both read
files as data: nothing here imports, compiles to run, or executes what a student wrote.
"""
