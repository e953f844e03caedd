"""What goes out: the journal of records, grades for the platforms, feedback."""
