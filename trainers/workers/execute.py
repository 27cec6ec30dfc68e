"""Execute one job and write its events to the store; for workers and terminals."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from trainers.events import Event, JobCancelled, JobFailed, RunFinished, Step, ValidationDone
from trainers.jobs import Runner
from trainers.reports import mlflow
from trainers.store import END_EVENTS, Store, resume
from trainers.store.engine import retry
from trainers.system import object_store
from trainers.system.errors import is_out_of_memory, user_message

FLUSH_INTERVAL_SECONDS = 0.1
MAX_STEPS_PER_SECOND = 5  # a page cannot show more
HEARTBEAT_SECONDS = 0.2
WRITE_TIMEOUT_SECONDS = 2.0  # a step waits no longer for the database


def execute(
    store: Store,
    run: str,
    plan: Any,
    runner: Runner,
    folder: Path | None = None,
    *,
    keeps: Callable[[Event], bool] = lambda event: True,
) -> Iterator[Event]:
    """Yield the events of `plan`, and write those for which `keeps` is true to `run` in the store.

    The last event is always an end: `RunFinished` or `JobDone`, `JobFailed` (no error is raised) or
    `JobCancelled`. A thread writes the events, so that Stop and Cancel work in the middle of a long
    step, and earlier events are visible meanwhile.
    """
    writer = EventWriter(store, run)
    started_at = time.monotonic()
    stream = runner(plan, should_stop=writer.stop_requested.is_set, folder=folder)
    uploader = resume.CheckpointUploader(run)
    with writer:
        try:
            if replayed := retry(partial(resume.replayed_events, store, run)):
                writer.write_now(replayed)
                started_at -= replayed[-1].seconds
            yield from replayed
            for event in stream:
                if writer.cancel_requested.is_set():
                    break
                if event is None:  # from a cluster: no news, but a moment to check for Cancel
                    continue
                if (is_kept := keeps(event)) and type(event) in END_EVENTS:
                    writer.finish(event)
                    uploader.close()
                    resume.discard_checkpoint(store, run, event)
                    mlflow.log_finished(store, run, event)
                    if folder and isinstance(event, RunFinished):
                        _upload_model(run)
                    yield event
                    return
                if is_kept:
                    writer.write(event)
                yield event
        except Exception as error:  # whatever happened, the run gets an end
            failed = JobFailed(describe_failure(error), time.monotonic() - started_at)
            writer.finish(failed)
            yield failed
            return
        except (GeneratorExit, KeyboardInterrupt):
            writer.finish(cancelled := JobCancelled(time.monotonic() - started_at))
            uploader.close()
            resume.discard_checkpoint(store, run, cancelled)
            raise
        finally:
            stream.close()
            uploader.close()
        cancelled = JobCancelled(time.monotonic() - started_at)
        writer.finish(cancelled)
        resume.discard_checkpoint(store, run, cancelled)
        yield cancelled


def _upload_model(run: str) -> None:
    try:
        object_store.upload(object_store.RUNS, run)
    except OSError:  # the data folder is read-only: the run keeps its score
        logging.exception("A model could not be uploaded.")


def describe_failure(error: Exception) -> str:
    """Return a sentence for the visitor; Thaw's own errors are written for visitors already."""
    if type(error).__module__.startswith("trainers"):
        return str(error)
    if is_out_of_memory(error):
        return (
            "The memory of this computer was not enough for this run. Use fewer examples or a "
            "smaller backbone."
        )
    if isinstance(error, (OSError, SQLAlchemyError)) and (text := user_message(error)):
        return text
    return (
        f"Something went wrong inside Thaw ({type(error).__name__}: {error}). Nothing is wrong "
        "with what you did. Try again; if it stays, please report it with these settings."
    )


class EventWriter(threading.Thread):
    """Writes a run's events and heartbeats, and polls for Stop and Cancel, while the run lasts.

    Only this thread writes, so a database that is locked or on a full disk delays no step: events
    wait here until they can be written.
    """

    def __init__(self, store: Store, run: str) -> None:
        super().__init__(daemon=True)
        self.store, self.run_id = store, run
        self.stop_requested, self.cancel_requested = threading.Event(), threading.Event()
        self._closed = threading.Event()
        self._condition = threading.Condition()  # guards the following
        self._pending: list[Event] = []
        self._flush_requested = self._is_blocked = False
        self._flushed_at = self._step_written_at = 0.0
        self._started_at = time.monotonic()

    def write(self, event: Event) -> None:
        """Write the event soon; steps above `MAX_STEPS_PER_SECOND` are dropped."""
        now = time.monotonic()
        if isinstance(event, Step):
            if now - self._step_written_at < 1 / MAX_STEPS_PER_SECOND:
                return
            self._step_written_at = now
        if isinstance(event, ValidationDone) or now - self._flushed_at > FLUSH_INTERVAL_SECONDS:
            self.write_now([event])
        else:
            self._pending.append(event)

    def write_now(self, events: Sequence[Event]) -> None:
        """Have `events` written and wait for it, at most once while the database is blocked."""
        with self._condition:
            self._pending += events
            self._flush_requested = True
            self._condition.notify_all()
            if not self._is_blocked:
                self._condition.wait_for(
                    lambda: not self._pending or self._is_blocked, WRITE_TIMEOUT_SECONDS
                )
                self._is_blocked = bool(self._pending)

    def flush(self) -> None:
        """Write the pending events, and a heartbeat."""
        batch = [*self._pending]
        self.store.append(self.run_id, batch)
        with self._condition:
            del self._pending[: len(batch)]  # only after success
            self._is_blocked, self._flushed_at = False, time.monotonic()
            self._condition.notify_all()

    def run(self) -> None:
        """Write and poll until `finish`; called by `threading`."""
        while not self._closed.is_set():
            with self._condition:
                self._condition.wait_for(
                    lambda: self._flush_requested or self._closed.is_set(), HEARTBEAT_SECONDS
                )
                self._flush_requested = False
            try:
                self._poll_and_flush()
            except SQLAlchemyError as error:
                self._mark_blocked(error)
                self._closed.wait(HEARTBEAT_SECONDS)

    def _mark_blocked(self, error: SQLAlchemyError) -> None:
        with self._condition:
            is_news, self._is_blocked = not self._is_blocked, True
            self._condition.notify_all()
        if is_news:
            logging.warning("Events cannot be written now, and wait. %s", user_message(error))

    def _poll_and_flush(self) -> None:
        stop, cancel = self.store.read_flags(self.run_id)
        if stop:
            self.stop_requested.set()
        if cancel and not self.cancel_requested.is_set():
            self.cancel_requested.set()
            # Written now, since the current step may take a while.
            self._pending.append(JobCancelled(time.monotonic() - self._started_at))
        self.flush()

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        if not self._closed.is_set():
            self._close()

    def finish(self, event: Event) -> None:
        """Write the last event; return when it is written."""
        self._pending.append(event)
        self._close()

    def _close(self) -> None:
        with self._condition:
            self._closed.set()
            self._condition.notify_all()
        self.join()
        # The end must not be lost, so the next job waits, too.
        retry(self.flush, (SQLAlchemyError,))
