"""Where a student's code runs: boxes without network or files; a notebook is replayed in them."""
