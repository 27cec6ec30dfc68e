"""A comparison of approaches on one dataset.

`lanes` shows the approaches while they run, `verdict` whether the advice was right,
`result` the tables and charts of a finished comparison, and `learning_curves` the accuracy by
number of examples.
"""
