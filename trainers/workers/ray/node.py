"""What happens on a node of a cluster: one job, in a home of its own. It knows no database."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trainers import jobs
from trainers.events import Event, Step
from trainers.plan import Plan
from trainers.system.paths import run_dir
from trainers.training.checkpoint_file import CHECKPOINT_FILE
from trainers.workers.ray.shipping import Artifact, FileRef, list_artifacts, sandbox

STOP_POLL_SECONDS = 0.5  # between two questions whether it is to stop
MAX_STEPS_PER_SECOND = 5  # as trainers/workers/execute.py writes
CHECKPOINT_INTERVAL_SECONDS, CHECKPOINT_TIME_FRACTION = (
    3.0,
    0.03,
)  # as trainers/training/checkpoint.py keeps: sending takes time, too


class TaskStarted(NamedTuple):
    """The task has its place: the first that it says, before anything is imported or read."""

    node_id: str  # Ray's id of it
    torch_version: str  # its version there


class TaskResult(NamedTuple):
    """What the work hands back in the end."""

    value: Any


class TaskError(NamedTuple):
    """The error that ended it: of ours its name, for others what `reason` says."""

    name: str  # of a class in trainers/training/run.py
    text: str


class StopSignal:
    """Hears who is to stop. An actor beside the app, which nodes ask."""

    def __init__(self) -> None:
        self.requests: dict[str, str] = {}

    def set_request(self, token: str, what: str) -> None:
        """`what`: "stop", with a score, or "cancel"."""
        self.requests[token] = what

    def get_request(self, token: str) -> str:
        return self.requests.get(token, "")

    def discard(self, token: str) -> None:
        self.requests.pop(token, None)


def run_job(job: Any, *, should_stop: Callable[[], bool], folder: Path | None) -> Iterator[Event]:
    """A job as a worker does it."""
    return jobs.run_job(job, should_stop=should_stop, folder=folder)


def run_plan(
    plan: Plan, *, should_stop: Callable[[], bool], folder: Path | None, tests: int | None
) -> Iterator[Event]:
    """A run that is compared with others. `tests` as in `Shared`."""
    from trainers.training.features import ComputationCache
    from trainers.training.run import run

    shared = ComputationCache()
    shared.test_count = tests
    return run(plan, should_stop=should_stop, folder=folder, shared=shared)


def run_subtask(
    work: Callable[..., Iterator[Event]],
    about: Any,
    *,
    should_stop: Callable[[], bool],
    folder: Path | None,
) -> Iterator[Event]:
    """A piece of a larger job, which leaves no files."""
    return work(about, should_stop=should_stop)


TaskFunction = Callable[
    ..., Iterator[Event]
]  # one of the above, called with (about, stop=…, folder=…)
TaskMessage = TaskStarted | Event | Artifact | TaskResult | TaskError


def run_task(
    call: TaskFunction,
    about: Any,
    run: str,
    parcels: list[FileRef],
    ears: Any,
    token: str,
    threads: int,
) -> Iterator[TaskMessage]:
    """`Began`, what `call` tells about, what it leaves on the disk, and in the end `Found` or
    `Raised`. Raises where this node cannot do what Thaw does: something is not installed.

    `run` is the id under which it leaves files, "" where there is none. Steps are thinned out.
    """
    import ray

    yield TaskStarted(ray.get_runtime_context().get_node_id(), version("torch"))
    import torch

    from trainers.workers.execute import describe_failure

    torch.set_num_threads(threads)
    listening = _StopPoller(lambda: ray.get(ears.heard.remote(token), timeout=5))
    try:
        with sandbox(parcels, ray.get) as place, listening:
            folder = run_dir(run) if run else None
            given = {"stop": listening.stop_requested.is_set, "folder": folder}
            yield from _relay_events(call(about, **given), place, parcels, folder, listening)
    except ray.exceptions.RayError:  # of what was to come here; remote.py has words for it
        raise
    except Exception as error:  # said where the store is; here nobody reads it
        logging.exception("A job failed.")
        yield TaskError(type(error).__name__, describe_failure(error))


def _relay_events(
    stream: Iterator[Event],
    place: Path,
    parcels: list[FileRef],
    folder: Path | None,
    listening: "_StopPoller",
) -> Iterator[TaskMessage]:
    from trainers.store import END_EVENTS  # it imports the database's library

    standing = folder and _CheckpointSender(folder / CHECKPOINT_FILE, place)
    stepped = 0.0
    try:
        while not listening.cancel_requested.is_set():
            try:
                event = next(stream)
            except StopIteration as end:
                yield from list_artifacts(place, parcels)
                yield TaskResult(end.value)
                return
            if isinstance(event, Step):
                if time.monotonic() - stepped < 1 / MAX_STEPS_PER_SECOND:
                    continue
                stepped = time.monotonic()
            if type(event) in END_EVENTS:  # whoever reads the end finds the files there
                yield from list_artifacts(place, parcels)
            yield event
            if standing:
                yield from standing.read_new()
    finally:
        if hasattr(stream, "close"):
            stream.close()


class _CheckpointSender:
    """Sends on where a run stands, when that was written anew."""

    def __init__(self, file: Path, place: Path) -> None:
        self.file, self.name = file, file.relative_to(place).as_posix()
        self.last_mtime = self._read_mtime()
        self.next_send_time = 0.0

    def _read_mtime(self) -> int:
        try:
            return self.file.stat().st_mtime_ns
        except OSError:
            return 0

    def read_new(self) -> Iterator[Artifact]:
        began = time.monotonic()
        if (
            began < self.next_send_time
            or (changed := self._read_mtime()) == self.last_mtime
            or not changed
        ):
            return
        self.last_mtime = changed
        yield Artifact(self.name, np.fromfile(self.file, np.uint8))
        now = time.monotonic()
        self.next_send_time = now + max(
            CHECKPOINT_INTERVAL_SECONDS, (now - began) / CHECKPOINT_TIME_FRACTION
        )


class _StopPoller:
    """Asks beside the work whether it is to stop."""

    def __init__(self, ask: Callable[[], str]) -> None:
        self.get_request = ask
        self.stop_requested, self.cancel_requested = threading.Event(), threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)

    def _poll(self) -> None:
        while not self._closed.wait(STOP_POLL_SECONDS):
            try:
                heard = self.get_request()
            except Exception:  # the ears are away for a moment, or for good: then the task ends
                logging.debug("Nobody says whether to stop.", exc_info=True)
                continue
            if heard:
                self.stop_requested.set()
            if heard == "cancel":
                self.cancel_requested.set()

    def __enter__(self) -> "_StopPoller":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join(timeout=STOP_POLL_SECONDS)


def warm_up(threads: int) -> int:
    """Imports what the first run would wait for; the number of the process."""
    import torch

    import trainers.training.shared_cache  # noqa: F401
    from trainers.workers.worker import _warm_up, _warm_up_images

    torch.set_num_threads(threads)
    _warm_up(_warm_up_images)
    return os.getpid()
