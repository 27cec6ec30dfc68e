"""The process that started this one: once it is gone, there is nobody left to work for."""

import os
import time

import psutil

POLL_SECONDS = 0.5  # between two looks


def wait_for_exit(parent: int) -> None:
    """Returns when the process numbered `parent`, which started this one, is no more."""
    # Not by a closing standard input: on Windows a read that waits blocks numpy's import. Nor by
    # the number alone: it may be another process's by now, or a dead one's that nobody asks after.
    while psutil.pid_exists(parent) and (os.name == "nt" or os.getppid() == parent):
        time.sleep(POLL_SECONDS)
