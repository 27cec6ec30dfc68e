"""The worker processes of this machine: they start and end with the app and are replaced.

Besides the workers that train there is a light one, which imports data and downloads meanwhile.
"""

import logging
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from trainers.store import Store
from trainers.store.requeue import requeue_runs
from trainers.system.errors import user_message
from trainers.system.processes import get_worker_count
from trainers.workers.liveness import CHECK_INTERVAL_SECONDS, LivenessMonitor
from trainers.workers.ray import cluster

ROOT = Path(__file__).parents[2]
# Large memory pages where Linux has them, in place of 4 KB: a training step of MobileNet V2 on one
# image takes 31 instead of 33 ms (measured).
HUGE_PAGES_ENV = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
MIN_RESTART_SECONDS = 10  # a worker that dies sooner is replaced no sooner: it may die again
SHUTDOWN_TIMEOUT_SECONDS = 5


class WorkerSupervisor:
    """A context in which `count` workers are alive.

    Every half second it replaces dead workers, fails the runs of lost ones and calls `sweepers`.
    """

    def __init__(
        self,
        store: Store,
        count: int | None = None,
        sweepers: Sequence[Callable[[], object]] = (),
    ) -> None:
        self.store = store
        self.uses_ray = cluster.is_ray_enabled()  # then one process coordinates the cluster's runs
        asked = get_worker_count() if count is None else count  # a bad setting is an error now
        self.count = 1 if self.uses_ray else asked
        self.processes: dict[str, subprocess.Popen] = {}
        self._started_at: dict[str, float] = {}
        self._sweepers = (LivenessMonitor(store).check, store.purge_deleted, *sweepers)
        self._closed = threading.Event()
        self._watch_thread = threading.Thread(target=self._keep_alive, daemon=True)

    def __enter__(self) -> "WorkerSupervisor":
        for _ in range(self.count):
            self._start_worker()
        self._start_worker(light=True)
        self._watch_thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        if self._watch_thread.is_alive():
            self._watch_thread.join()
        for process in self.processes.values():
            process.terminate()
        for name, process in self.processes.items():
            try:
                process.wait(SHUTDOWN_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            with suppress(SQLAlchemyError):  # locked, or full: the next app cleans up
                self.store.remove_worker(name, "Thaw was closed while this ran.")

    def _start_worker(self, *, light: bool = False) -> None:
        name = ("light-" if light else "") + secrets.token_hex(8)
        threads = max(1, (os.cpu_count() or 1) // max(1, self.count))
        command = [sys.executable, "-m", "trainers", "worker", "--name", name]
        heavy = ["--ray"] if self.uses_ray else ["--threads", str(threads)]
        command += ["--light"] if light else heavy
        self.processes[name] = subprocess.Popen(
            [*command, "--parent", str(os.getpid())],
            cwd=ROOT,
            env=HUGE_PAGES_ENV | os.environ,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal is for the app
        )
        self._started_at[name] = time.monotonic()

    def _keep_alive(self) -> None:
        while not self._closed.wait(CHECK_INTERVAL_SECONDS):
            try:
                self._replace_dead()
                for sweep in self._sweepers:
                    sweep()
            except (SQLAlchemyError, OSError) as error:  # locked, or full: that passes
                logging.warning("Workers are not supervised. %s", user_message(error) or error)

    def _replace_dead(self) -> None:
        for name, process in list(self.processes.items()):
            if process.poll() is None:
                continue
            if self.uses_ray:
                requeue_runs(self.store, name)
            self.store.remove_worker(name, describe_exit(process.returncode))
            if time.monotonic() - self._started_at[name] > MIN_RESTART_SECONDS:
                del self.processes[name]
                self._start_worker(light=name.startswith("light-"))


def describe_exit(code: int) -> str:
    """Return a sentence for the visitor whose worker ended with `code` (negative: a signal)."""
    if code < 0:
        name = signal.Signals(-code).name
        why = f"was ended by the system ({name})"
        if name == "SIGKILL":
            why += ", most likely because the memory was full"
    else:
        why = f"ended with code {code}"
    return (
        f"The process that trained {why}. Another takes its place. If it happens twice, try fewer "
        "examples or a smaller backbone."
    )
