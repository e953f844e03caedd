"""Grade untrusted notebooks: verdicts are made outside the process that runs the student's code.

A notebook goes through four rooms: `intake` finds it, the answers in it and the tasks of the
exercise; `box` runs it, walled in; `verdict` decides; `report` keeps what came out and writes it.
Around them stand the ways in. `session` grades a class; `command` is ``cvlab grade``, whose words
`arguments` lists. `verify` tries whether an exercise can be graded. `plugin` grades under pytest,
and `parity` compares boxes with kernels.

What the visible checks of an exercise need as well lies below, in `cvlab.checking`: `wire` brings
values out of a box, `compare` compares them.

Nothing executes a student's code but `box.runner`, in a box: all others read it as data.
"""
