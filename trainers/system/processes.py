"""What a process of Thaw asks of the operating system: how many workers, open files, its parent."""

import os
import sys
import time

import psutil

from trainers.system.settings import get_settings

CORES_PER_WORKER = 2  # two runs on two cores halve each other's speed (measured)
MAX_OPEN_FILES = 16_384  # a browser tab takes four (tests/bench/load.py); 1,024 is a common limit
PARENT_POLL_SECONDS = 0.5


def get_worker_count() -> int:
    """Return `THAW_WORKERS`, by default one worker for every two cores. Raises `BadSetting`."""
    count = get_settings().workers
    return max(1, (os.cpu_count() or 1) // CORES_PER_WORKER) if count is None else count


def raise_open_file_limit() -> None:
    """Raise this process's limit of open files to `MAX_OPEN_FILES`, as far as the system allows."""
    if sys.platform == "win32":  # sockets do not count as files there
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(MAX_OPEN_FILES, hard)
    if resource.RLIM_INFINITY != soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def wait_for_exit(parent: int) -> None:
    """Return when `parent`, the id of the process that started this one, no longer runs."""
    # Not by reading standard input until it closes: on Windows a blocked read holds up the import
    # of numpy. Nor by the id alone: it may be reused, or belong to a zombie that nobody waits for.
    while psutil.pid_exists(parent) and (os.name == "nt" or os.getppid() == parent):
        time.sleep(PARENT_POLL_SECONDS)
