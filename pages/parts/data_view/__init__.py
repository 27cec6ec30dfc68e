"""The Data page.

`add` has the ways to add data and the list of what is there, `importing` shows a running import,
`contents` what a dataset contains, `check` whether it is fit to learn from, and `questions` the
guide's advice for it.
"""
