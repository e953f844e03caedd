"""What comes in: submissions of a platform, the answers in a notebook, the exercise itself."""
