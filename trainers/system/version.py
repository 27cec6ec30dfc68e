"""Thaw's own version."""

from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "thaw-guide"


def get_thaw_version() -> str:
    """Return the version of the installed package; "" if Thaw runs from a folder."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return ""
