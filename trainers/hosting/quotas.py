"""What one visitor may start and add: so that nobody takes a shared computer from all others.

A page's job is queued by `start` and its data comes in by `new_file` or `let_in`; each says no with
an `OverLimit`, before anything is begun. Nothing that runs is ever touched, and a terminal, which
queues its jobs itself, has no limits. What was started is noted for a day, so that deleting it
gives nothing back.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, insert, select

from trainers import jobs
from trainers.datasets import uploads
from trainers.datasets.uploads import BadUpload, inbox
from trainers.datasets.uploads.limits import MB
from trainers.hosting.own_data import list_own_data
from trainers.jobs import Export, ForgettingTest, ImportData
from trainers.store import END_STATES, QUEUED, RunNotFound, get_store
from trainers.store.engine import advisory_lock
from trainers.store.tables import runs, usage
from trainers.store.wait_estimate import budget_seconds
from trainers.system.paths import data_dir, run_dir
from trainers.system.settings import get_settings

HOUR_SECONDS, DAY_SECONDS = 3600.0, 24 * 3600.0
RUN_KINDS = jobs.TRAINING_KINDS  # what counts as a run
DISK_CACHE_SECONDS = 10  # that a look at the disk holds for: a folder comes as a thousand files


class QuotaExceeded(BadUpload):
    """More than one visitor may have; the text says the limit, what is used, when it frees up."""


class NotOwner(RuntimeError):
    """A job about what belongs to somebody else."""

    def __init__(self) -> None:
        super().__init__("This belongs to somebody else, so only they can do that.")


_quota_lock = threading.Lock()  # two tabs must not both be the last that fits


def enqueue_job(job: Any, visitor: str, queue: Callable[[Any, str], str] | None = None) -> str:
    """Queues a visitor's job and hands back its id; `queue` stands in for the store's `start`.
    Raises `OverLimit` and `NotYours`, and what `queue` does."""
    _check_owner(job, visitor)
    kind = jobs.kind_of(job)
    with _quota_lock, advisory_lock(get_store().engine, f"limits of {visitor}"):
        asked = (
            budget_seconds({"kind": kind, "job": job.as_json()})
            if jobs.KINDS[kind].needs_torch
            else 0.0
        )
        _check_waiting(visitor)
        what = "other"
        if (
            kind == "read"
            and not job.replaced_data
            and not get_store().find_latest("read", job.path)
        ):
            what = "upload"  # not once more what came before, with other columns
            _check_count(what, visitor)
        if kind in RUN_KINDS:
            what = "run"
            _check_count(what, visitor)
        if kind in (*RUN_KINDS, "export", "read"):
            check_disk_quota(visitor)
        if asked:
            _check_seconds(visitor, asked)
        key = (queue or get_store().enqueue)(job, visitor)
        _record_usage(what, visitor, asked, key)
    return key


def check_upload_quota(visitor: str) -> None:
    """Counts data that comes in without a job, as a run's file does. Raises `OverLimit`."""
    with _quota_lock, advisory_lock(get_store().engine, f"limits of {visitor}"):
        _check_count("upload", visitor)
        check_disk_quota(visitor)
        _record_usage("upload", visitor, 0.0, None)


def new_file(place: Path, size: int) -> Path:
    """`inbox.new_file`, for whoever the draft belongs to. Raises `BadUpload`."""
    if whose := inbox.read_owner(place):
        check_disk_quota(whose, size + inbox.count_draft(place)[1])
    return inbox.reserve_file(place, size)


def _check_owner(job: Any, visitor: str) -> None:
    """Also where a page would not offer it: what a browser sends need not come from a button."""
    try:
        match job:
            case Export() | ForgettingTest():
                theirs = get_store().get_run(job.key).visitor == visitor
            case ImportData():
                theirs = (
                    not job.replaced_data
                    or uploads.get_upload(job.replaced_data).visitor == visitor
                )
            case _:
                data = getattr(job, "data", "")
                theirs = not data.startswith("own-") or uploads.get_upload(data).visitor == visitor
    except (RunNotFound, LookupError):  # gone: the job itself says so best
        return
    if not theirs:
        raise NotOwner


# --- each limit -----------------------------------------------------------------------------------


def _check_waiting(visitor: str) -> None:
    most = get_settings().max_queued_jobs
    if not most:
        return
    waiting = (runs.c.visitor == visitor) & (runs.c.state == QUEUED)
    with get_store().engine.connect() as sql:
        used = sql.scalar(select(func.count()).select_from(runs).where(waiting)) or 0
    if used >= most:
        raise QuotaExceeded(
            f"At most {most:,.0f} of your jobs may wait at once, and {used:,} do. You can start "
            "the next when one of them has begun; or cancel one."
        )


RUNS_TEXT = "At most {most} of your runs an hour are begun, and you asked for {used}."
UPLOADS_TEXT = "At most {most} of your uploads a day are taken in, and you made {used}."
COUNT_QUOTAS = {
    "run": ("runs_per_hour", HOUR_SECONDS, RUNS_TEXT),
    "upload": ("uploads_per_day", DAY_SECONDS, UPLOADS_TEXT),
}


def _check_count(what: str, visitor: str) -> None:
    key, period, told = COUNT_QUOTAS[what]
    most, now = int(getattr(get_settings(), key)), time.time()
    if not most:
        return
    within = (
        (usage.c.visitor == visitor) & (usage.c.kind == what) & (usage.c.started_at > now - period)
    )
    with get_store().engine.connect() as sql:
        times = sql.scalars(
            select(usage.c.started_at).where(within).order_by(usage.c.started_at)
        ).all()
    if len(times) >= most:
        free = times[len(times) - most] + period - now
        used = told.format(most=f"{most:,}", used=f"{len(times):,}")
        raise QuotaExceeded(f"{used} The next is possible {_format_delay(free)}.")


def _check_seconds(visitor: str, asked: float) -> None:
    most, now = get_settings().training_seconds_per_day, time.time()
    if not most:
        return
    taken = _read_training_usage(visitor, now)
    used = sum(seconds for _, seconds in taken)
    if used + asked <= most:
        return
    told = (
        f"You may train for {_format_duration(most)} a day. "
        f"{_format_duration(used)} are used or planned, and this asks "
        f"for up to {_format_duration(asked)}."
    )
    if asked > most:
        raise QuotaExceeded(f"{told} Choose a shorter time budget.")
    free = now
    for at, seconds in taken:  # the oldest first
        used, free = used - seconds, at + DAY_SECONDS
        if used + asked <= most:
            break
    raise QuotaExceeded(
        f"{told} It fits {_format_delay(free - now)}, or now with a shorter time budget."
    )


def _read_training_usage(visitor: str, now: float) -> list[tuple[float, float]]:
    """(when, seconds) of training within a day; of what is not over, what it asked for."""
    recent = (
        (usage.c.visitor == visitor)
        & (usage.c.started_at > now - DAY_SECONDS)
        & (usage.c.seconds > 0)
    )
    named = select(
        usage.c.started_at, usage.c.seconds, runs.c.state, runs.c.started_at, runs.c.finished_at
    )
    named = named.select_from(usage.outerjoin(runs, runs.c.id == usage.c.run_id)).where(recent)
    found = []
    with get_store().engine.connect() as sql:
        for at, seconds, state, claimed, ended in sql.execute(named.order_by(usage.c.started_at)):
            if state in END_STATES and ended:
                # Not below 0: clocks are set back.
                seconds = min(seconds, max(0.0, ended - claimed)) if claimed else 0.0
            found.append((at, seconds))
    return found


_disk_cache: dict[
    str, tuple[float, int]
] = {}  # when the disk was looked at for whom, and what was there


def check_disk_quota(visitor: str, more_bytes: int = 0) -> None:
    """Raises `OverLimit` where the visitor's data and models, and so much more, take too much."""
    most = get_settings().disk_mb * MB
    if not most:
        return
    at, used = _disk_cache.get(visitor, (0.0, 0))
    if not more_bytes or time.monotonic() - at > DISK_CACHE_SECONDS:
        used = measure_visitor_disk_usage(visitor)
        _disk_cache[visitor] = time.monotonic(), used
        if len(_disk_cache) > 1000:
            _disk_cache.pop(next(iter(_disk_cache)))
    if used + more_bytes >= most:
        asked = f", and this is {more_bytes / MB:,.0f} MB more" if more_bytes >= MB else ""
        raise QuotaExceeded(
            f"Your data and models may take {most / MB:,.0f} MB here, and take {used / MB:,.0f} MB"
            f"{asked}. There is room as soon as you delete some, on the pages Data and Runs; a "
            "deleted run goes an hour later."
        )


def measure_visitor_disk_usage(visitor: str) -> int:
    """What the visitor's own data and the models of their runs take, in bytes."""
    with get_store().engine.connect() as sql:
        keys = sql.scalars(select(runs.c.id).where(runs.c.visitor == visitor)).all()
    there = {place.name for place in (data_dir() / "runs").glob("*")}
    models = sum(measure_size(run_dir(key)) for key in there.intersection(keys))
    return models + sum(one.size_bytes for one in list_own_data(visitor))


def measure_size(place: Path) -> int:
    """What a folder or a file takes; 0 where there is none."""
    total = 0
    for file in [place] if place.is_file() else place.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except OSError:  # gone meanwhile
            continue
    return total


def _record_usage(what: str, visitor: str, seconds: float, run: str | None) -> None:
    now = time.time()
    with get_store().engine.begin() as sql:
        sql.execute(delete(usage).where(usage.c.started_at < now - DAY_SECONDS))
        row = {
            "visitor": visitor,
            "kind": what,
            "started_at": now,
            "seconds": seconds,
            "run_id": run,
        }
        sql.execute(insert(usage).values(row))


def _format_delay(seconds: float) -> str:
    return f"in {_format_duration(max(60.0, seconds))}"


def _format_duration(seconds: float) -> str:
    """A time in words, rounded up so that nobody comes too early."""
    if seconds < 100:
        return f"{seconds:.0f} seconds" if seconds != 60 else "1 minute"
    if seconds < 100 * 60:
        return f"{-(-seconds // 60):.0f} minutes"
    return f"{-(-seconds // 360) / 10:g} hours"
