"""What stands behind `cvlab.check`: rules, sources of answers, time, and errors in words."""
