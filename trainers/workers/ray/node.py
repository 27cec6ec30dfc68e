"""What a node of the cluster executes: one job, in a data folder of its own, without a database."""

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
from trainers.system.checkpoint_file import CHECKPOINT_FILE
from trainers.system.paths import run_dir
from trainers.workers.ray.shipping import Artifact, FileRef, list_artifacts, sandbox

STOP_POLL_SECONDS = 0.5
MAX_STEPS_PER_SECOND = 5  # as in trainers/workers/execute.py
CHECKPOINT_INTERVAL_SECONDS = 3.0  # as in trainers/training/checkpoint.py
CHECKPOINT_TIME_FRACTION = 0.03  # of a run's time may be spent on sending checkpoints


class TaskOrder(NamedTuple):
    """How a task is to be executed."""

    run: str  # the id under which it leaves files; "": it leaves none
    token: str  # under which `StopSignal` has its requests
    threads: int  # of torch


class TaskStarted(NamedTuple):
    """The first message of a task: it has its node. Sent before anything is imported or read."""

    node_id: str
    torch_version: str


class TaskResult(NamedTuple):
    """The last message of a task that succeeded."""

    value: Any


class TaskError(NamedTuple):
    """The last message of a task that failed."""

    name: str  # of the error's class
    text: str  # for the visitor


class StopSignal:
    """A Ray actor beside the app that nodes poll for stop requests."""

    def __init__(self) -> None:
        self.requests: dict[str, str] = {}

    def set_request(self, token: str, request: str) -> None:
        """Request "stop" (the run still ends with a score) or "cancel" of the task `token`."""
        self.requests[token] = request

    def get_request(self, token: str) -> str:
        """Return what is requested of the task; "" for nothing."""
        return self.requests.get(token, "")

    def discard(self, token: str) -> None:
        """Forget a task that has ended."""
        self.requests.pop(token, None)


# Called with (job, should_stop=…, folder=…).
TaskFunction = Callable[..., Iterator[Event]]
TaskMessage = TaskStarted | Event | Artifact | TaskResult | TaskError


def run_job(job: Any, *, should_stop: Callable[[], bool], folder: Path | None) -> Iterator[Event]:
    """Return the events of `job`, as a worker does."""
    return jobs.run_job(job, should_stop=should_stop, folder=folder)


def run_plan(
    plan: Plan, *, should_stop: Callable[[], bool], folder: Path | None
) -> Iterator[Event]:
    """Return the events of a run that is compared with others."""
    from trainers.training.features import ComputationCache
    from trainers.training.run import run

    return run(plan, should_stop=should_stop, folder=folder, shared=ComputationCache())


def run_subtask(
    subtask: Callable[..., Iterator[Event]],
    job: Any,
    *,
    should_stop: Callable[[], bool],
    folder: Path | None,
) -> Iterator[Event]:
    """Return the events of a part of a larger job, which leaves no files."""
    return subtask(job, should_stop=should_stop)


def run_task(
    call: TaskFunction, job: Any, order: TaskOrder, files: list[FileRef], stop_signal: Any
) -> Iterator[TaskMessage]:
    """Yield `TaskStarted`, the events of `call`, its files, and `TaskResult` or `TaskError`.

    Step events are thinned out. Raises if this node lacks something that Thaw needs.
    """
    import ray

    yield TaskStarted(ray.get_runtime_context().get_node_id(), version("torch"))
    import torch

    from trainers.workers.execute import describe_failure

    torch.set_num_threads(order.threads)
    poller = _StopPoller(lambda: ray.get(stop_signal.get_request.remote(order.token), timeout=5))
    try:
        with sandbox(files, ray.get) as home, poller:
            folder = run_dir(order.run) if order.run else None
            stream = call(job, should_stop=poller.stop_requested.is_set, folder=folder)
            yield from _relay_events(stream, home, files, folder, poller)
    except ray.exceptions.RayError:  # a file did not arrive; trainers/workers/ray/fleet.py says so
        raise
    except Exception as error:  # reported where the store is; nobody reads this log
        logging.exception("A job failed.")
        yield TaskError(type(error).__name__, describe_failure(error))


def _relay_events(
    stream: Iterator[Event],
    home: Path,
    files: list[FileRef],
    folder: Path | None,
    poller: "_StopPoller",
) -> Iterator[TaskMessage]:
    from trainers.store import END_EVENTS  # imports the database library

    checkpoints = folder and _CheckpointSender(folder / CHECKPOINT_FILE, home)
    step_sent_at = 0.0
    try:
        while not poller.cancel_requested.is_set():
            try:
                event = next(stream)
            except StopIteration as end:
                yield from list_artifacts(home, files)
                yield TaskResult(end.value)
                return
            if isinstance(event, Step):
                if time.monotonic() - step_sent_at < 1 / MAX_STEPS_PER_SECOND:
                    continue
                step_sent_at = time.monotonic()
            if type(event) in END_EVENTS:  # whoever reads the end event finds the files there
                yield from list_artifacts(home, files)
            yield event
            if checkpoints:
                yield from checkpoints.read_new()
    finally:
        if hasattr(stream, "close"):
            stream.close()


class _CheckpointSender:
    """Sends the run's checkpoint whenever it was written anew."""

    def __init__(self, file: Path, home: Path) -> None:
        self.file, self.name = file, file.relative_to(home).as_posix()
        self.sent_mtime = self._read_mtime()
        self.next_send_time = 0.0

    def _read_mtime(self) -> int:
        try:
            return self.file.stat().st_mtime_ns
        except OSError:
            return 0

    def read_new(self) -> Iterator[Artifact]:
        """Yield the checkpoint if it is new and the last one was sent long enough ago."""
        started_at = time.monotonic()
        if started_at < self.next_send_time:
            return
        mtime = self._read_mtime()
        if not mtime or mtime == self.sent_mtime:
            return
        self.sent_mtime = mtime
        yield Artifact(self.name, np.fromfile(self.file, np.uint8))
        now = time.monotonic()
        pause = (now - started_at) / CHECKPOINT_TIME_FRACTION
        self.next_send_time = now + max(CHECKPOINT_INTERVAL_SECONDS, pause)


class _StopPoller:
    """A context whose thread polls for stop requests."""

    def __init__(self, get_request: Callable[[], str]) -> None:
        self.get_request = get_request
        self.stop_requested, self.cancel_requested = threading.Event(), threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)

    def _poll(self) -> None:
        while not self._closed.wait(STOP_POLL_SECONDS):
            try:
                request = self.get_request()
            except Exception:  # the actor is away for a moment, or for good: then the task ends
                logging.debug("The stop signal does not answer.", exc_info=True)
                continue
            if request:
                self.stop_requested.set()
            if request == "cancel":
                self.cancel_requested.set()

    def __enter__(self) -> "_StopPoller":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join(timeout=STOP_POLL_SECONDS)


def warm_up(threads: int) -> int:
    """Import and load what the first run needs; return the id of the process."""
    import torch

    from trainers.workers import warmup

    warmup.preload_training()
    torch.set_num_threads(threads)
    warmup.warm_up_images()
    return os.getpid()
