"""The command line: `thaw …`, or `python -m trainers …`. main.py has the list of commands."""
