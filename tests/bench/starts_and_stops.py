"""What is left of runs that were started and stopped: `python tests/bench/starts_and_stops.py`.

A real worker, as the app starts it, executes `--times` small runs: of four one ends by itself, one
is stopped and one cancelled while it runs, and one is cancelled while it waits. Before (once each
way was gone a few times, so that all is imported) and after: processes, open files and memory of
the process that starts them and of its workers.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

import psutil

from trainers.plan import Plan
from trainers.store import END_STATES, Store, get_store
from trainers.workers.supervisor import WorkerSupervisor

WAYS = ("ends", "stopped", "cancelled", "never begun")
FIRST = 24  # not counted: what is imported and kept once
PATIENCE_SECONDS = 120
SHORT = Plan(data="digits", approach="simple", examples_per_class=5, seconds=2)
LONG = Plan(data="digits", approach="scratch", examples_per_class=2, seconds=60)


class Taken(NamedTuple):
    """By one process."""

    files: int
    megabytes: float  # that are its own
    threads: int

    @classmethod
    def by(cls, pid: int) -> "Taken":
        process = psutil.Process(pid)
        return cls(process.num_fds(), process.memory_info().rss / 2**20, process.num_threads())


def counted(
    times: int, first: int = FIRST
) -> tuple[dict[str, Taken], dict[str, Taken], set[int], set[int]]:
    """What was taken before and after, by role; and the processes before and after."""
    runs = get_store()
    with WorkerSupervisor(runs, 1) as workers:
        _until(lambda: runs.count_ready_workers() == 1)
        for way in islice(cycle(WAYS), first):
            gone(runs, way)
        before, processes = _taken(workers), _processes()
        for way in islice(cycle(WAYS), times):
            gone(runs, way)
        _until(lambda: _processes() <= processes)
        return before, _taken(workers), processes, _processes()


def gone(runs: Store, way: str) -> None:
    """One run, that way."""
    key = runs.enqueue(SHORT if way == "ends" else LONG, "ann")
    if way in ("stopped", "cancelled"):
        _until(lambda: runs.get_run(key).state == "running")
        (runs.request_stop if way == "stopped" else runs.request_cancel)(key)
    elif way == "never begun":
        runs.request_cancel(key)
    _until(lambda: runs.get_run(key).state in END_STATES)


def _until(condition: Callable[[], object]) -> None:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < PATIENCE_SECONDS, "It took too long."
        time.sleep(0.01)


def _taken(workers: WorkerSupervisor) -> dict[str, Taken]:
    found = {"parent": Taken.by(os.getpid())}
    for name, process in workers.processes.items():
        found["light" if name.startswith("light-") else "worker"] = Taken.by(process.pid)
    return found


def _processes() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=1000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["THAW_HOME"] = folder
        began = time.monotonic()
        before, after, first, last = counted(given.times)
        print(f"{given.times:,} runs in {time.monotonic() - began:.0f} s")
        print(f"processes: {len(first)} before, {len(last)} after, the same: {first == last}")
        print("| | open files | memory, MB | threads |\n|---|---|---|---|")
        for role, was in before.items():
            now = after[role]
            files = f"{was.files} -> {now.files}"
            memory = f"{was.megabytes:.0f} -> {now.megabytes:.0f}"
            print(f"| {role} | {files} | {memory} | {was.threads} -> {now.threads} |")
        get_store().engine.dispose()


if __name__ == "__main__":
    main()
