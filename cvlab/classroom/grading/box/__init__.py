"""Where a student's code runs: boxes without network or files; a notebook is replayed in them.

`isolation` builds the walls of a box. `zygote` forks boxes from a process that knows the libraries;
`bubblewrap` makes them where the machine forbids that. `runner` is what executes cells inside.
`replay`, outside, sends it a notebook and its probes, and believes nothing of what it answers.
"""
