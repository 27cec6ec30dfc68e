"""Runs of a dead coordinator return to the queue, and waiting jobs are told why they wait."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, update

from trainers import jobs
from trainers.events import Event, JobCancelled, Notice
from trainers.store import QUEUED, RUNNING, Store, resume
from trainers.store.tables import runs
from trainers.system.paths import data_dir_id

MAX_REQUEUES = 3  # of one run; afterwards it fails like the run of any lost worker
REQUEUED_TEXT = (
    "The process that looked after this was ended. It waits for the next one, and goes on."
)


def has_waiting_jobs(store: Store) -> bool:
    """Return whether a job waits for a process that trains, here or anywhere."""
    with store.engine.connect() as sql:
        return bool(sql.scalar(select(func.count()).where(_is_waiting())))


def notify_waiting(store: Store, text: str) -> None:
    """Append a notice with `text` to every waiting job whose last event it is not already."""
    with store.engine.connect() as sql:
        keys = sql.scalars(select(runs.c.id).where(_is_waiting())).all()
    for key in keys:
        events = [event for _, event in store.read_events(key)]
        if not events or getattr(events[-1], "text", "") != text:
            store.append(key, [Notice(text, _last_seconds(events), is_limitation=False)])


def requeue_runs(store: Store, worker: str) -> None:
    """Return the runs of the dead `worker` to the queue; the next worker resumes them.

    Comparisons, learning curves and runs that were requeued `MAX_REQUEUES` times stay as they are:
    those cannot be resumed. Cancelled runs end.
    """
    is_resumable = (runs.c.worker_id == worker) & (runs.c.state == RUNNING) & (runs.c.kind == "run")
    with store.engine.connect() as sql:
        rows = sql.execute(select(runs.c.id, runs.c.cancel_requested).where(is_resumable)).all()
    for key, is_cancelled in rows:
        if is_cancelled:
            store.append(key, [cancelled := JobCancelled(0.0)])
            resume.discard_checkpoint(store, key, cancelled)
            continue
        events = [event for _, event in store.read_events(key)]
        requeues = sum(getattr(event, "text", "") == REQUEUED_TEXT for event in events)
        if requeues >= MAX_REQUEUES:
            continue
        store.append(key, [Notice(REQUEUED_TEXT, _last_seconds(events), is_limitation=False)])
        with store.engine.begin() as sql:
            still_running = update(runs).where(runs.c.id == key, runs.c.state == RUNNING)
            sql.execute(still_running.values(state=QUEUED, worker_id=None))


def _last_seconds(events: Sequence[Event]) -> float:
    return max((getattr(event, "seconds", 0.0) for event in events), default=0.0)


def _is_waiting() -> Any:
    """Return the SQL condition of queued jobs that train and whose files are in reach."""
    trains = runs.c.kind.in_([name for name, kind in jobs.KINDS.items() if kind.needs_torch])
    here = runs.c.host_id.is_(None) | (runs.c.host_id == data_dir_id())
    return (runs.c.state == QUEUED) & trains & here
