"""Quotas of a visitor: jobs, training time, uploads and disk space.

Pages queue jobs with `enqueue_job` and accept data with `new_file` or `check_upload_quota`; each
raises `QuotaExceeded` before anything starts. Running jobs are never touched, and the terminal,
which queues its jobs directly, has no quotas. Usage is recorded for a day, so that deleting a run
does not give its quota back.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
RUN_KINDS = jobs.TRAINING_KINDS  # jobs that count as a run
DISK_CACHE_SECONDS = 10  # how long a measured usage is reused: a folder arrives as many files


class QuotaExceeded(BadUpload):
    """A quota is used up; the text says the limit, the usage and when it frees up."""


class NotOwner(RuntimeError):
    """The job uses something that belongs to somebody else."""

    def __init__(self) -> None:
        super().__init__("This belongs to somebody else, so only they can do that.")


_quota_lock = threading.Lock()  # two tabs must not both use the last of a quota


def enqueue_job(job: Any, visitor: str, queue: Callable[[Any, str], str] | None = None) -> str:
    """Queue a visitor's job and return its id; `queue` replaces the store's `enqueue`.

    Raises `QuotaExceeded`, `NotOwner`, and what `queue` raises.
    """
    _check_owner(job, visitor)
    kind = jobs.kind_of(job)
    with _lock_quotas(visitor):
        seconds = 0.0
        if jobs.KINDS[kind].needs_torch:
            seconds = budget_seconds({"kind": kind, "job": job.as_json()})
        usage_kind = _usage_kind(kind, job)
        _check_queued(visitor)
        if usage_kind in COUNT_QUOTAS:
            _check_count(usage_kind, visitor)
        if kind in (*RUN_KINDS, "export", "read"):
            check_disk_quota(visitor)
        if seconds:
            _check_seconds(visitor, seconds)
        key = (queue or get_store().enqueue)(job, visitor)
        _record_usage(usage_kind, visitor, seconds, key)
    return key


@contextmanager
def _lock_quotas(visitor: str) -> Iterator[None]:
    with _quota_lock, advisory_lock(get_store().engine, f"limits of {visitor}"):
        yield


def _usage_kind(kind: str, job: Any) -> str:
    """Return "run", "upload" or "other": the quota that the job counts against."""
    if kind in RUN_KINDS:
        return "run"
    if kind != "read" or job.replaced_data:
        return "other"
    # The same upload again, with other columns, is not counted twice.
    return "other" if get_store().find_latest("read", job.path) else "upload"


def check_upload_quota(visitor: str) -> None:
    """Count an upload without a job, such as a run's file. Raises `QuotaExceeded`."""
    with _lock_quotas(visitor):
        _check_count("upload", visitor)
        check_disk_quota(visitor)
        _record_usage("upload", visitor, 0.0, None)


def new_file(draft: Path, size: int) -> Path:
    """Reserve a file of `size` bytes in the draft, within its owner's quota. Raises `BadUpload`."""
    if owner := inbox.read_owner(draft):
        check_disk_quota(owner, size + inbox.count_draft(draft)[1])
    return inbox.reserve_file(draft, size)


def _check_owner(job: Any, visitor: str) -> None:
    """Raise `NotOwner` for others' data and runs: a browser can send what no button offers."""
    try:
        match job:
            case Export() | ForgettingTest():
                is_owner = get_store().get_run(job.key).visitor == visitor
            case ImportData():
                is_owner = _owns_data(job.replaced_data, visitor)
            case _:
                is_owner = _owns_data(getattr(job, "data", ""), visitor)
    except (RunNotFound, LookupError):  # deleted: the job's own message is the best
        return
    if not is_owner:
        raise NotOwner


def _owns_data(key: str, visitor: str) -> bool:
    """Return whether the data is the visitor's own, or nobody's."""
    return not key.startswith("own-") or uploads.get_upload(key).visitor == visitor


# --- each limit -----------------------------------------------------------------------------------


def _check_queued(visitor: str) -> None:
    limit = get_settings().max_queued_jobs
    if not limit:
        return
    queued = (runs.c.visitor == visitor) & (runs.c.state == QUEUED)
    with get_store().engine.connect() as sql:
        used = sql.scalar(select(func.count()).select_from(runs).where(queued)) or 0
    if used >= limit:
        raise QuotaExceeded(
            f"At most {limit:,.0f} of your jobs may wait at once, and {used:,} do. You can start "
            "the next when one of them has begun; or cancel one."
        )


RUNS_TEXT = "At most {limit} of your runs an hour are begun, and you asked for {used}."
UPLOADS_TEXT = "At most {limit} of your uploads a day are taken in, and you made {used}."
COUNT_QUOTAS = {  # usage kind -> setting, seconds, message
    "run": ("runs_per_hour", HOUR_SECONDS, RUNS_TEXT),
    "upload": ("uploads_per_day", DAY_SECONDS, UPLOADS_TEXT),
}


def _check_count(usage_kind: str, visitor: str) -> None:
    setting, period, message = COUNT_QUOTAS[usage_kind]
    limit, now = int(getattr(get_settings(), setting)), time.time()
    if not limit:
        return
    counted = (usage.c.visitor == visitor) & (usage.c.kind == usage_kind)
    counted &= usage.c.started_at > now - period
    query = select(usage.c.started_at).where(counted).order_by(usage.c.started_at)
    with get_store().engine.connect() as sql:
        times = sql.scalars(query).all()
    if len(times) >= limit:
        delay = times[len(times) - limit] + period - now
        text = message.format(limit=f"{limit:,}", used=f"{len(times):,}")
        raise QuotaExceeded(f"{text} The next is possible {_format_delay(delay)}.")


def _check_seconds(visitor: str, requested: float) -> None:
    limit, now = get_settings().training_seconds_per_day, time.time()
    if not limit:
        return
    recent = _read_training_usage(visitor, now)
    used = sum(seconds for _, seconds in recent)
    if used + requested <= limit:
        return
    text = (
        f"You may train for {_format_duration(limit)} a day. "
        f"{_format_duration(used)} are used or planned, and this asks "
        f"for up to {_format_duration(requested)}."
    )
    if requested > limit:
        raise QuotaExceeded(f"{text} Choose a shorter time budget.")
    free_at = now
    for started_at, seconds in recent:  # oldest first
        used, free_at = used - seconds, started_at + DAY_SECONDS
        if used + requested <= limit:
            break
    raise QuotaExceeded(
        f"{text} It fits {_format_delay(free_at - now)}, or now with a shorter time budget."
    )


def _read_training_usage(visitor: str, now: float) -> list[tuple[float, float]]:
    """Return (started at, seconds) of the last day's training, oldest first.

    Jobs that are not over count with their whole budget.
    """
    recent = (usage.c.visitor == visitor) & (usage.c.seconds > 0)
    recent &= usage.c.started_at > now - DAY_SECONDS
    query = select(
        usage.c.started_at, usage.c.seconds, runs.c.state, runs.c.started_at, runs.c.finished_at
    )
    query = query.select_from(usage.outerjoin(runs, runs.c.id == usage.c.run_id)).where(recent)
    trainings = []
    with get_store().engine.connect() as sql:
        for queued, seconds, state, begun, ended in sql.execute(query.order_by(usage.c.started_at)):
            if state in END_STATES and ended:
                # Not below 0: the clock may have been set back.
                seconds = min(seconds, max(0.0, ended - begun)) if begun else 0.0
            trainings.append((queued, seconds))
    return trainings


_disk_cache: dict[str, tuple[float, int]] = {}  # visitor -> (measured at, bytes)


def check_disk_quota(visitor: str, more_bytes: int = 0) -> None:
    """Raise `QuotaExceeded` if the visitor's data and models plus `more_bytes` exceed the quota."""
    limit = get_settings().disk_mb * MB
    if not limit:
        return
    measured_at, used = _disk_cache.get(visitor, (0.0, 0))
    if not more_bytes or time.monotonic() - measured_at > DISK_CACHE_SECONDS:
        used = measure_visitor_disk_usage(visitor)
        _disk_cache[visitor] = time.monotonic(), used
        if len(_disk_cache) > 1000:
            _disk_cache.pop(next(iter(_disk_cache)))
    if used + more_bytes >= limit:
        extra = f", and this is {more_bytes / MB:,.0f} MB more" if more_bytes >= MB else ""
        raise QuotaExceeded(
            f"Your data and models may take {limit / MB:,.0f} MB here, and take {used / MB:,.0f} MB"
            f"{extra}. There is room as soon as you delete some, on the pages Data and Runs; a "
            "deleted run goes an hour later."
        )


def measure_visitor_disk_usage(visitor: str) -> int:
    """Return the bytes of the visitor's uploads and of their runs' models."""
    with get_store().engine.connect() as sql:
        keys = sql.scalars(select(runs.c.id).where(runs.c.visitor == visitor)).all()
    present = {folder.name for folder in (data_dir() / "runs").glob("*")}
    models = sum(measure_size(run_dir(key)) for key in present.intersection(keys))
    return models + sum(data.size_bytes for data in list_own_data(visitor))


def measure_size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder; 0 if it does not exist."""
    total = 0
    for file in [path] if path.is_file() else path.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except OSError:  # deleted meanwhile
            continue
    return total


def _record_usage(usage_kind: str, visitor: str, seconds: float, run: str | None) -> None:
    now = time.time()
    with get_store().engine.begin() as sql:
        sql.execute(delete(usage).where(usage.c.started_at < now - DAY_SECONDS))
        row = {
            "visitor": visitor,
            "kind": usage_kind,
            "started_at": now,
            "seconds": seconds,
            "run_id": run,
        }
        sql.execute(insert(usage).values(row))


def _format_delay(seconds: float) -> str:
    return f"in {_format_duration(max(60.0, seconds))}"


def _format_duration(seconds: float) -> str:
    """Return the duration in words, rounded up so that nobody comes back too early."""
    if seconds < 100:
        return f"{seconds:.0f} seconds" if seconds != 60 else "1 minute"
    if seconds < 100 * 60:
        return f"{-(-seconds // 60):.0f} minutes"
    return f"{-(-seconds // 360) / 10:g} hours"
