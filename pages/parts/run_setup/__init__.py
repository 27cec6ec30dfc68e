"""Set up a run: the form, a preview of its data, and the buttons that start it."""
