"""A comparison of approaches on one dataset.

`lanes` shows the approaches while they run, `verdict` who is ahead and whether that is settled,
`result` the tables and charts of a finished comparison, and `learning_curves` the accuracy by
number of examples.
"""
