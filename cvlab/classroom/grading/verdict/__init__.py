"""What an answer is worth: the judge."""
