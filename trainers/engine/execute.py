"""One job, executed into the store: from a worker, or from a terminal."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from trainers import continuing, tracking
from trainers.events import Cancelled, Event, Failed, Step, Validated
from trainers.jobs import Runner
from trainers.store import ENDS, Store

FLUSH_SECONDS = 0.1
STEP_ROWS_A_SECOND = 5  # a page cannot show more
HEART_SECONDS = 0.2


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
    heart = _Heart(store, run)
    began = time.monotonic()
    stream = runner(plan, stop=heart.stop.is_set, folder=folder)
    with heart:
        try:
            if known := continuing.before(store, run):
                store.append(run, known)
                began -= known[-1].seconds
            yield from known
            for event in stream:
                if heart.cancel.is_set():
                    break
                if event is None:  # from afar: nothing new, but a moment to hear Cancel
                    continue
                if kept := keeps(event):
                    heart.write(event)
                if kept and type(event) in ENDS:
                    continuing.settle(store, run, event)
                    tracking.after(store, run, event)
                    yield event
                    return
                yield event
        except Exception as error:  # a run must end with a word, whatever happened in it
            failed = Failed(reason(error), time.monotonic() - began)
            heart.write(failed)
            yield failed
            return
        except (GeneratorExit, KeyboardInterrupt):
            heart.write(cancelled := Cancelled(time.monotonic() - began))
            continuing.settle(store, run, cancelled)
            raise
        finally:
            stream.close()
        cancelled = Cancelled(time.monotonic() - began)
        heart.write(cancelled)
        continuing.settle(store, run, cancelled)
        yield cancelled


def reason(error: Exception) -> str:
    """What to tell the visitor: our own errors are written for them, others are named."""
    if type(error).__module__.startswith("trainers"):
        return str(error)
    if isinstance(error, MemoryError) or "memory" in str(error):
        return (
            "The memory of this computer was not enough for this run. Use fewer examples or a "
            "smaller backbone."
        )
    return (
        f"Something went wrong inside Thaw ({type(error).__name__}: {error}). Nothing is wrong "
        "with what you did. Try again; if it stays, please report it with these settings."
    )


class _Heart(threading.Thread):
    """Beats while a run lasts: writes what waits, listens for Stop and Cancel."""

    def __init__(self, store: Store, run: str) -> None:
        super().__init__(daemon=True)
        self.store, self.run_id = store, run
        self.stop, self.cancel = threading.Event(), threading.Event()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._waiting: list[Event] = []
        self._flushed = self._stepped = 0.0
        self._began = time.monotonic()

    def write(self, event: Event) -> None:
        now = time.monotonic()
        if isinstance(event, Step):
            if now - self._stepped < 1 / STEP_ROWS_A_SECOND:
                return
            self._stepped = now
        with self._lock:
            self._waiting.append(event)
        telling = type(event) in ENDS or isinstance(event, Validated)
        if telling or now - self._flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        with self._lock:
            self.store.append(self.run_id, self._waiting)
            self._waiting = []  # only now: what could not be written waits for the next time
            self._flushed = time.monotonic()

    def run(self) -> None:
        while not self._over.wait(HEART_SECONDS):
            try:
                self._beat()
            except SQLAlchemyError:  # locked, or the disk is full: that passes
                logging.exception("The run's heart missed a beat.")

    def _beat(self) -> None:
        stop, cancel = self.store.asked(self.run_id)
        if stop:
            self.stop.set()
        if cancel and not self.cancel.is_set():
            self.cancel.set()
            # Said here, not when the step in flight ends: that may take a while.
            self.write(Cancelled(time.monotonic() - self._began))
        self.flush()

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()
        self.flush()
