"""Every change of the tables, oldest first. A released migration never changes."""
