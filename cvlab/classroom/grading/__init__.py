"""Grade untrusted notebooks: verdicts are made outside the process that runs the student's code.

`session` grades a class (`command` and `arguments` are ``cvlab grade``). On the way of a notebook:
`submissions` finds it, `answers` finds the answers in it, `tasks` reads the exercise, `judge`
decides, `sitting` replays the notebook in boxes, `compare` compares values, `records` keeps what
came out, `exports` and `feedback` write it. Boxes come from `zygote`, behind the walls of
`isolation`, or from `bubblewrap`; `runner` answers in them, through `wire`. `verify` tries an
exercise; `plugin` and `parity` are for pytest.

Nothing executes a student's code but `runner`, in a box: all others read it as data.
"""
