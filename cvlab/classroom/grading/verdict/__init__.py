"""What an answer is worth: the judge.

`judge` gives a submission its points. `examiner` replays a notebook and asks its probes; by it,
`references` holds the solution's values and `hearing` compares a submission's with them, task by
task. `referee` runs an instructor's rules in a box of their own. `source` collects the code that an
answer uses, and `rebinding` finds names that later cells bind again.

`outcomes` are what comes out. `reasons` says why an answer earns what it earns, `hints` what the
visible checks say of it, and `flags` what only the instructor is told.
"""
