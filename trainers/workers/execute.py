"""One job, executed into the store: from a worker, or from a terminal."""

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
WRITE_TIMEOUT_SECONDS = 2.0  # that a step waits for the database to take what it tells. Ours


def execute(
    store: Store,
    run: str,
    plan: Any,
    runner: Runner,
    folder: Path | None = None,
    *,
    keeps: Callable[[Event], bool] = lambda event: True,
) -> Iterator[Event]:
    """Yield the events of `plan`, and write those that it `keeps` to `run` in the store as they
    come.

    The last one is always an end: `Finished`, `Failed` (an error never leaves here), or
    `Cancelled`. A heart beats beside it, so that Stop and Cancel are heard in the middle of a
    step, and what was yielded before a long step is seen at once.
    """
    heart = _EventWriter(store, run)
    began = time.monotonic()
    stream = runner(plan, should_stop=heart.stop_requested.is_set, folder=folder)
    sharing = resume.CheckpointUploader(run)
    with heart:
        try:
            if known := retry(partial(resume.replayed_events, store, run)):
                heart.write_now(known)
                began -= known[-1].seconds
            yield from known
            for event in stream:
                if heart.cancel_requested.is_set():
                    break
                if event is None:  # from afar: nothing new, but a moment to hear Cancel
                    continue
                if (kept := keeps(event)) and type(event) in END_EVENTS:
                    heart.finish(event)
                    sharing.close()
                    resume.discard_checkpoint(store, run, event)
                    mlflow.log_finished(store, run, event)
                    if folder and isinstance(event, RunFinished):
                        _upload_model(run)
                    yield event
                    return
                if kept:
                    heart.write(event)
                yield event
        except Exception as error:  # a run must end with a word, whatever happened in it
            failed = JobFailed(describe_failure(error), time.monotonic() - began)
            heart.finish(failed)
            yield failed
            return
        except (GeneratorExit, KeyboardInterrupt):
            heart.finish(cancelled := JobCancelled(time.monotonic() - began))
            sharing.close()
            resume.discard_checkpoint(store, run, cancelled)
            raise
        finally:
            stream.close()
            sharing.close()
        cancelled = JobCancelled(time.monotonic() - began)
        heart.finish(cancelled)
        resume.discard_checkpoint(store, run, cancelled)
        yield cancelled


def _upload_model(run: str) -> None:
    try:
        object_store.upload(object_store.RUNS, run)
    except OSError:  # a folder that became read-only: the run has its end, and keeps it
        logging.exception("A model could not be put where other computers find it.")


def describe_failure(error: Exception) -> str:
    """What to tell the visitor: our own errors are written for them, others are named."""
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


class _EventWriter(threading.Thread):
    """Beats while a run lasts: writes what waits, listens for Stop and Cancel.

    It alone writes, so that a database which takes nothing (locked by another program, on a disk
    that is full) holds up no step: what is told waits here, and is written when that has passed.
    """

    def __init__(self, store: Store, run: str) -> None:
        super().__init__(daemon=True)
        self.store, self.run_id = store, run
        self.stop_requested, self.cancel_requested = threading.Event(), threading.Event()
        self._closed = threading.Event()
        self._condition = threading.Condition()  # for what follows
        self._pending: list[Event] = []
        self._flush_requested = self._is_blocked = False
        self._flushed_at = self._step_written_at = 0.0
        self._started_at = time.monotonic()

    def write(self, event: Event) -> None:
        now = time.monotonic()
        if isinstance(event, Step):
            if now - self._step_written_at < 1 / MAX_STEPS_PER_SECOND:
                return
            self._step_written_at = now
        if isinstance(event, ValidationDone) or now - self._flushed_at > FLUSH_INTERVAL_SECONDS:
            self.write_now([event])
        else:
            self._pending.append(event)

    def write_now(self, new: Sequence[Event]) -> None:
        """Has `new` written now, and waits until it is; but not for long, and not again."""
        with self._condition:
            self._pending += new
            self._flush_requested = True
            self._condition.notify_all()
            if not self._is_blocked:
                self._condition.wait_for(
                    lambda: not self._pending or self._is_blocked, WRITE_TIMEOUT_SECONDS
                )
                self._is_blocked = bool(self._pending)

    def flush(self) -> None:
        some = [*self._pending]
        self.store.append(self.run_id, some)
        with self._condition:
            del self._pending[: len(some)]  # only now: else it waits for the next time
            self._is_blocked, self._flushed_at = False, time.monotonic()
            self._condition.notify_all()

    def run(self) -> None:
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
            first, self._is_blocked = not self._is_blocked, True
            self._condition.notify_all()
        if first:
            logging.warning(
                "What a run tells cannot be written now, and waits. %s", user_message(error)
            )

    def _poll_and_flush(self) -> None:
        stop, cancel = self.store.read_flags(self.run_id)
        if stop:
            self.stop_requested.set()
        if cancel and not self.cancel_requested.is_set():
            self.cancel_requested.set()
            # Said here, not when the step in flight ends: that may take a while.
            self._pending.append(JobCancelled(time.monotonic() - self._started_at))
        self.flush()

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        if not self._closed.is_set():
            self._close()

    def finish(self, event: Event) -> None:
        """The last: it is written when this is done."""
        self._pending.append(event)
        self._close()

    def _close(self) -> None:
        with self._condition:
            self._closed.set()
            self._condition.notify_all()
        self.join()
        # The end must not be lost: it waits, and the next job with it.
        retry(self.flush, (SQLAlchemyError,))
