"""The Data page: adding data, its import, what it contains, whether it is fit, and the advice."""
