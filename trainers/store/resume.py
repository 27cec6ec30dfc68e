"""Resume an interrupted run: a new run replays the events of the first, and continues from there.

The interrupted run stays as it is. Where several computers share a storage URL
(trainers/system/object_store.py), checkpoints are uploaded now and then, so that each computer can
resume the runs of another.
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

UPLOAD_INTERVAL_SECONDS = 10.0
UPLOAD_TIME_FRACTION = 0.1  # uploads take at most this share of the time


class CannotResume(ValueError):
    """The text says why, and what to do."""


class ResumePoint(NamedTuple):
    """Where an interrupted run would continue."""

    phase: int  # from 0
    step: int
    epoch: float
    seconds: float  # on its clock


def find_resume_point(run: str, *, anywhere: bool = True) -> ResumePoint | None:
    """Return where `run` would continue; None without a checkpoint.

    `anywhere=False` looks on this computer only, which is fast.
    """
    if anywhere and read_checkpoint_header(run_dir(run)) is None:
        fetch_checkpoint(run)
    header = read_checkpoint_header(run_dir(run))
    return header and ResumePoint(*(header[name] for name in ResumePoint._fields))


def resume_run(store: Store, run: str, visitor: str, *, worker: str | None = None) -> str:
    """Queue a run that continues where `run` was interrupted, and return its id.

    `worker` as in `Store.enqueue`. Raises `RunNotFound` and `CannotResume`.
    """
    source = store.get_run(run)
    if source.visitor != visitor:
        raise CannotResume("Only who started this run can continue it.")
    if source.state == RUNNING:
        raise CannotResume(
            "This run is at work. If its process has just ended, that shows within "
            f"{HEARTBEAT_TIMEOUT_SECONDS} seconds: try again then."
        )
    if source.kind != "run" or source.state != FAILED:
        raise CannotResume(f"This run is {source.state}. Only one that was interrupted can go on.")
    if find_resume_point(run) is None:
        raise CannotResume(
            "This run was interrupted before there was anything to go on from. Run it again."
        )
    with store.engine.begin() as sql:
        # Writing first takes the lock: two tabs cannot both find that nobody has resumed it.
        sql.execute(update(runs).where(runs.c.id == run).values(heartbeat_at=runs.c.heartbeat_at))
        if sql.scalar(_select_resumed_by(run).where(runs.c.state != CANCELLED)):
            raise CannotResume("It goes on already: see Runs.")
        new = store.enqueue_in(sql, source.job, visitor, worker=worker)
        # Before the commit: a worker may claim the run as soon as its row is there.
        _link_or_copy(run_dir(run) / CHECKPOINT_FILE, run_dir(new) / CHECKPOINT_FILE)
        if engine.is_shared(store.engine):  # the checkpoint is in this data folder
            sql.execute(update(runs).where(runs.c.id == new).values(host_id=data_dir_id()))
        sql.execute(insert(resumed_runs).values(run_id=new, source_id=run))
    return new


def _link_or_copy(file: Path, to: Path) -> None:
    """Hard-link `file` if the disk can, else copy it; writers replace checkpoints, never edit."""
    to.parent.mkdir(parents=True, exist_ok=True)
    draft = to.with_name(f"{to.name}.{os.getpid()}{PARTIAL_SUFFIX}")
    try:
        os.link(file, draft)
    except OSError:
        shutil.copy2(file, draft)
    draft.replace(to)
    draft.unlink(missing_ok=True)  # `replace` does nothing if both are links to the same file


def resumed_from(store: Store, run: str) -> str | None:
    """Return the run that `run` continues."""
    with store.engine.connect() as sql:
        return sql.scalar(select(resumed_runs.c.source_id).where(resumed_runs.c.run_id == run))


def resumed_by(store: Store, run: str) -> str | None:
    """Return the newest run that continues `run` and was not deleted."""
    with store.engine.connect() as sql:
        return sql.scalar(_select_resumed_by(run))


def _select_resumed_by(run: str) -> Select:
    resuming = select(runs.c.id).join(resumed_runs, resumed_runs.c.run_id == runs.c.id)
    resuming = resuming.where(resumed_runs.c.source_id == run, runs.c.deleted_at.is_(None))
    return resuming.order_by(runs.c.created_at.desc())


def replayed_events(store: Store, run: str) -> list[Event]:
    """Return the events up to where `run` continues, and a `RunResumed`; [] if it starts anew."""
    if any(isinstance(event, RunStarted) for _, event in store.read_events(run)):
        # Lost while it ran and queued again, see requeue.py: it has these events already.
        fetch_checkpoint(run)
        return []
    source = resumed_from(store, run)
    if source is None:
        return []
    point = find_resume_point(run)
    events = [event for _, event in store.read_events(source)] if point else []
    if not events:  # the source was deleted since
        (run_dir(run) / CHECKPOINT_FILE).unlink(missing_ok=True)
        return []
    replayed = []
    for event in events:
        if type(event) in END_EVENTS or getattr(event, "seconds", 0.0) > point.seconds:
            break
        replayed.append(event)
    text = f"This run was interrupted, and goes on here from {point.seconds:.1f} s."
    return [*replayed, RunResumed(text, point.seconds, phase=point.phase, step=point.step)]


def discard_checkpoint(store: Store, run: str, end: Event) -> None:
    """Delete the checkpoint of `run` if it was cancelled or has its score.

    With a score, the checkpoints of the runs that it continues are deleted too.
    """
    try:
        over = isinstance(end, RunFinished) or store.get_run(run).state == CANCELLED
        while run and over:
            (run_dir(run) / CHECKPOINT_FILE).unlink(missing_ok=True)
            if _shared_checkpoint_path(run).exists():
                shutil.rmtree(_shared_checkpoint_path(run).parent)
                object_store.delete(object_store.CHECKPOINTS, run)
            run = resumed_from(store, run) if isinstance(end, RunFinished) else None
    except RunNotFound:  # deleted: its folder is deleted with it
        return
    except (OSError, SQLAlchemyError):  # the run has its end, which must not fail now
        logging.exception("A checkpoint could not be deleted.")


# --- several computers ----------------------------------------------------------------------------


def _shared_checkpoint_path(run: str) -> Path:
    """Return the copy that is uploaded or was downloaded: it stays the same during a transfer."""
    return data_dir() / object_store.CHECKPOINTS / run / CHECKPOINT_FILE


def fetch_checkpoint(run: str) -> None:
    """Download the shared checkpoint of `run`, and use it if it is further than the local one."""
    if not object_store.download(object_store.CHECKPOINTS, run):
        return
    local_dir, shared_file = run_dir(run), _shared_checkpoint_path(run)
    local = read_checkpoint_header(local_dir)
    shared = read_checkpoint_header(shared_file.parent)
    if shared and (local is None or local["seconds"] < shared["seconds"]):
        _link_or_copy(shared_file, local_dir / CHECKPOINT_FILE)


class CheckpointUploader:
    """Uploads the checkpoint of a run beside it, until closed; idle without a storage URL."""

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
            except FileNotFoundError:  # no checkpoint yet, or no longer
                continue
            except OSError:  # the disk is full
                logging.warning("A checkpoint could not be shared.", exc_info=True)
            wait = max(UPLOAD_INTERVAL_SECONDS, (time.monotonic() - began) / UPLOAD_TIME_FRACTION)

    def close(self) -> None:
        """Stop; nothing is uploaded after this returns."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()
