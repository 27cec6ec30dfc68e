"""The commands of `python -m trainers`, a module each: `add` says what it understands, `run` does
it. trainers/__main__.py has the table."""
