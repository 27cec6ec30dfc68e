"""The memory limit of a worker: a run that needs more fails with a message.

Without a limit the computer stands still for minutes, and then the system kills some process,
perhaps the app. `THAW_WORKER_MEMORY_GB` sets it; 0: no limit.
"""

import sys
from contextlib import suppress
from pathlib import Path

import psutil

from trainers.system.settings import get_settings

MEMORY_FRACTION = 0.9  # of the computer's memory, for one worker
OOM_SCORE_ADJ = "500"  # of 1,000: the system kills a worker before the app
# A container's limit, in cgroups v2 and v1.
CGROUP_LIMIT_FILES = ("memory.max", "memory/memory.limit_in_bytes")


def limit_bytes() -> int:
    """Return the limit of a worker in bytes; 0: no limit."""
    gigabytes = get_settings().worker_memory_gb
    return int(MEMORY_FRACTION * total_bytes() if gigabytes is None else gigabytes * 1e9)


def total_bytes() -> int:
    """Return the memory of the computer, or of the container that this runs in, in bytes."""
    total = psutil.virtual_memory().total
    for name in CGROUP_LIMIT_FILES:
        with suppress(OSError, ValueError):  # "max": no limit
            total = min(total, int(Path("/sys/fs/cgroup", name).read_text("ascii")))
    return total


def apply() -> None:
    """Limit the memory of this process; only Linux can."""
    if sys.platform != "linux":
        return
    import resource

    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE_ADJ, "ascii")
    limit = limit_bytes()
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if limit and (hard == resource.RLIM_INFINITY or limit < hard):
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
