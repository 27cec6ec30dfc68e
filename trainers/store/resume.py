"""An interrupted run, continued: a new run that tells what the first told, and goes on from there.

A run that is over stays as it is: what a lost process still has to say of it is dropped, as ever.
Where several computers share what they have (trainers/system/object_store.py), each can go on
with what
another was at: where a run stands is put there too, now and then.
"""

import logging
import os
import shutil
import threading
import time
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Select, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from trainers.events import Event, RunFinished, RunResumed, RunStarted
from trainers.store import (
    CANCELLED,
    END_EVENTS,
    FAILED,
    HEARTBEAT_TIMEOUT_SECONDS,
    RUNNING,
    RunNotFound,
    Store,
    engine,
)
from trainers.store.tables import resumed_runs, runs
from trainers.system import object_store
from trainers.system.atomic import PARTIAL_SUFFIX
from trainers.system.checkpoint_file import CHECKPOINT_FILE, read_checkpoint_header
from trainers.system.paths import data_dir, data_dir_id, run_dir

# Between two times that it is put where other computers find it, and the most of the time that this
# may take. Ours.
UPLOAD_INTERVAL_SECONDS, UPLOAD_TIME_FRACTION = 10.0, 0.1


class CannotResume(ValueError):
    """The text says why, and what to do."""


class ResumePoint(NamedTuple):
    """Where an interrupted run would go on."""

    phase: int  # from 0
    step: int
    epoch: float
    seconds: float  # on its clock


def find_resume_point(run: str, *, anywhere: bool = True) -> ResumePoint | None:
    """Where `run` would go on; None where it kept nothing, and would start anew. Not `anywhere`:
    as far as this computer knows, which is quickly seen."""
    if anywhere and read_checkpoint_header(run_dir(run)) is None:
        fetch_checkpoint(run)
    facts = read_checkpoint_header(run_dir(run))
    return facts and ResumePoint(*(facts[name] for name in ResumePoint._fields))


def resume_run(store: Store, run: str, visitor: str, *, worker: str | None = None) -> str:
    """Queues a run that goes on where `run` was interrupted, and hands back its id; `worker` as in
    `Store.start`. Raises `NoSuchRun` and `CannotContinue`."""
    found = store.get_run(run)
    if found.visitor != visitor:
        raise CannotResume("Only who started this run can continue it.")
    if found.state == RUNNING:
        raise CannotResume(
            "This run is at work. If its process has just ended, that shows within "
            f"{HEARTBEAT_TIMEOUT_SECONDS} seconds: try again then."
        )
    if found.kind != "run" or found.state != FAILED:
        raise CannotResume(f"This run is {found.state}. Only one that was interrupted can go on.")
    if find_resume_point(run) is None:
        raise CannotResume(
            "This run was interrupted before there was anything to go on from. Run it again."
        )
    # The file first: a worker may claim the run as soon as it is there.
    with store.engine.begin() as sql:
        # Writing first takes the lock: two tabs cannot both find that nobody has.
        sql.execute(update(runs).where(runs.c.id == run).values(heartbeat_at=runs.c.heartbeat_at))
        if sql.scalar(_select_resumed_by(run).where(runs.c.state != CANCELLED)):
            raise CannotResume("It goes on already: see Runs.")
        new = store.enqueue_in(sql, found.job, visitor, worker=worker)
        _link_or_copy(run_dir(run) / CHECKPOINT_FILE, run_dir(new) / CHECKPOINT_FILE)
        if engine.is_shared(store.engine):  # what it goes on from lies here
            sql.execute(update(runs).where(runs.c.id == new).values(host_id=data_dir_id()))
        sql.execute(insert(resumed_runs).values(run_id=new, source_id=run))
    return new


def _link_or_copy(file: Path, to: Path) -> None:
    """The same file twice, where the disk can do that: either run writes a new one in its place."""
    to.parent.mkdir(parents=True, exist_ok=True)
    draft = to.with_name(f"{to.name}.{os.getpid()}{PARTIAL_SUFFIX}")
    try:
        os.link(file, draft)
    except OSError:
        shutil.copy2(file, draft)
    draft.replace(to)
    draft.unlink(missing_ok=True)  # where both are the same file already, that leaves it


def resumed_from(store: Store, run: str) -> str | None:
    """The run that `run` goes on from."""
    with store.engine.connect() as sql:
        return sql.scalar(select(resumed_runs.c.source_id).where(resumed_runs.c.run_id == run))


def resumed_by(store: Store, run: str) -> str | None:
    """The newest run that goes on from `run`, and is still there."""
    with store.engine.connect() as sql:
        return sql.scalar(_select_resumed_by(run))


def _select_resumed_by(run: str) -> Select:
    """Of the runs that go on from `run` and are still there, the newest first."""
    those = select(runs.c.id).join(resumed_runs, resumed_runs.c.run_id == runs.c.id)
    those = those.where(resumed_runs.c.source_id == run, runs.c.deleted_at.is_(None))
    return those.order_by(runs.c.created_at.desc())


def replayed_events(store: Store, run: str) -> list[Event]:
    """What was told up to where `run` goes on, and that it does; [] of a run that starts anew."""
    of = resumed_from(store, run)
    begun = any(isinstance(event, RunStarted) for _, event in store.read_events(run))
    if begun:  # lost in its midst and queued again: trainers/store/queue.py
        fetch_checkpoint(run)
        return []
    at = of and find_resume_point(run)
    told = [event for _, event in store.read_events(of)] if at else []
    if not told:  # deleted since: then this run is one like any other
        if of:
            (run_dir(run) / CHECKPOINT_FILE).unlink(missing_ok=True)
        return []
    kept = []
    for event in told:
        if type(event) in END_EVENTS or getattr(event, "seconds", 0.0) > at.seconds:
            break
        kept.append(event)
    text = f"This run was interrupted, and goes on here from {at.seconds:.1f} s."
    return [*kept, RunResumed(text, at.seconds, phase=at.phase, step=at.step)]


def discard_checkpoint(store: Store, run: str, end: Event) -> None:
    """Removes what `run` kept to go on from, once that is of no more use: it was cancelled, or has
    its score; then those that it goes on from need theirs no longer either."""
    try:
        over = isinstance(end, RunFinished) or store.get_run(run).state == CANCELLED
        while run and over:
            (run_dir(run) / CHECKPOINT_FILE).unlink(missing_ok=True)
            if _shared_checkpoint_path(run).exists():
                shutil.rmtree(_shared_checkpoint_path(run).parent)
                object_store.delete(object_store.CHECKPOINTS, run)
            run = resumed_from(store, run) if isinstance(end, RunFinished) else None
    except RunNotFound:  # deleted: its folder goes with it
        return
    except (OSError, SQLAlchemyError):  # the run has its end: nothing may take that from it
        logging.exception("What a run kept to go on from could not be removed.")


# --- several computers ----------------------------------------------------------------------------


def _shared_checkpoint_path(run: str) -> Path:
    """What was last put, or came: a file that stays as it is while it travels."""
    return data_dir() / object_store.CHECKPOINTS / run / CHECKPOINT_FILE


def fetch_checkpoint(run: str) -> None:
    """Takes over where `run` stands from where computers share that, if that is further than what
    is known here."""
    if not object_store.download(object_store.CHECKPOINTS, run):
        return
    here, there = run_dir(run), _shared_checkpoint_path(run)
    ours, theirs = read_checkpoint_header(here), read_checkpoint_header(there.parent)
    if theirs and (ours is None or ours["seconds"] < theirs["seconds"]):
        _link_or_copy(there, here / CHECKPOINT_FILE)


class CheckpointUploader:
    """Puts where a run stands to where other computers find it, beside the run, as long as this
    lasts; nothing where there is no such place."""

    def __init__(self, run: str) -> None:
        self.run_id = run
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._upload_loop, daemon=True)
        if object_store.storage_url():
            self._thread.start()

    def _upload_loop(self) -> None:
        file, wait = run_dir(self.run_id) / CHECKPOINT_FILE, UPLOAD_INTERVAL_SECONDS
        last = None
        while not self._closed.wait(wait):
            began = time.monotonic()
            try:
                if (now := file.stat().st_mtime_ns) != last:
                    _link_or_copy(file, _shared_checkpoint_path(self.run_id))
                    object_store.upload(object_store.CHECKPOINTS, self.run_id)
                    last = now
            except FileNotFoundError:  # nothing was kept yet, or it is over
                continue
            except OSError:  # a disk that is full
                logging.warning("Where a run stands could not be shared.", exc_info=True)
            wait = max(UPLOAD_INTERVAL_SECONDS, (time.monotonic() - began) / UPLOAD_TIME_FRACTION)

    def close(self) -> None:
        """Nothing is put after this."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()
