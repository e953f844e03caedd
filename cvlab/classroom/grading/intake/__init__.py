"""What comes in: submissions of a platform, the answers in a notebook, the exercise itself.

Submissions. `submissions` finds those of a class in a `place`, a folder, an archive or one
notebook, which consists of `members`. `folders` walks the one and `zips` reads the other, however
hostile. `platforms` know whose each member is, `names` takes file names apart, and `roster` says
who is in the course. `choice` takes the notebook that counts.

Answers. `ipynb` reads a file into cells. `magics` makes Python of a cell's source, and `syntax`
says which names it binds. `plan` is what the solution says of its tasks, `pieces` are a student's
cells compared with it, and `answers` locates the answer to each task among them.

The exercise. `tasks` reads probes, rules and points from a solution notebook.
"""
