"""Where a student's code runs: boxes without network or files, and the replay of a notebook in them."""
