"""A comparison of approaches: its lanes, the verdict, tables, and learning curves."""
