"""The list of a visitor's runs: rows, what can be done with chosen ones, and two side by side."""
