"""How many files this process may have open."""

import sys

MAX_OPEN_FILES = 16_384  # a tab takes four (tests/bench/load.py); 1,024 is a common limit. Ours


def raise_open_file_limit() -> None:
    """Raises the limit as far as the system lets us, up to `WANTED`."""
    if sys.platform == "win32":  # where sockets are not counted among the files
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(MAX_OPEN_FILES, hard)
    if resource.RLIM_INFINITY != soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
