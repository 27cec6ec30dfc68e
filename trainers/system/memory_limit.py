"""The most memory that a worker may take: a run that needs more ends in words, and the computer
with its other programs goes on.

Without it the system ends some process when the memory is full, perhaps the app; and for minutes
before that nothing moves. `THAW_WORKER_MEMORY_GB` sets it; 0: none.
"""

import sys
from contextlib import suppress
from pathlib import Path

import psutil

from trainers.system.settings import get_settings

MEMORY_FRACTION = 0.9  # of the computer's memory, for one worker: the rest is for all else. Ours
OOM_SCORE_ADJ = "500"  # of 1,000: where the system must end a process, a worker before the app
CGROUP_LIMIT_FILES = (
    "memory.max",
    "memory/memory.limit_in_bytes",
)  # of a container: cgroups v2 and v1


def limit_bytes() -> int:
    """0: none."""
    gigabytes = get_settings().worker_memory_gb
    return int(MEMORY_FRACTION * total_bytes() if gigabytes is None else gigabytes * 1e9)


def total_bytes() -> int:
    """Of the computer, or of the container that this runs in."""
    most = psutil.virtual_memory().total
    for name in CGROUP_LIMIT_FILES:
        with suppress(OSError, ValueError):  # "max": no limit
            most = min(most, int(Path("/sys/fs/cgroup", name).read_text("ascii")))
    return most


def apply() -> None:
    """Holds this process to it, where the system can: on Linux, data in memory."""
    if sys.platform != "linux":
        return
    import resource

    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE_ADJ, "ascii")
    most = limit_bytes()
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if most and (hard == resource.RLIM_INFINITY or most < hard):
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
