"""For instructors and maintainers: build the book, derive exercises, check notebooks.

No notebook of the course imports this package.
"""
