"""Every change of the tables, the oldest first. What is here stays as it is."""
