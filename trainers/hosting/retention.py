"""What expires, by age and by size, and in which order (the limits stand in the settings).

By age: a run's model, then the run, and unused uploads; pinned runs stay.
By size, over `THAW_STORAGE_LIMIT_GB`: cached features (they can be recomputed), then the models of
the oldest runs, then the oldest runs. Pinned models stay, too, but go last in a hosted Thaw.
Downloaded weights, over `THAW_WEIGHTS_LIMIT_GB`: least recently used first.
Nothing that is queued or running is touched.

Deletion is announced: an age on the row of the run, with `NOTICE_DAYS` before a new setting takes
effect; a size limit when it is nearly reached.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import func, select

from trainers.datasets import uploads
from trainers.datasets.uploads.storage import LOCAL_VISITOR, UPLOAD_KEY
from trainers.hosting.cleanup_lease import get_policy_start
from trainers.hosting.disk_usage import (
    GB,
    event_bytes,
    feature_cache_dir,
    list_weights,
    measure_disk_usage,
)
from trainers.hosting.quotas import measure_size
from trainers.store import END_STATES, HISTORY_KINDS, RunSummary, get_store
from trainers.store.engine import is_shared
from trainers.store.tables import runs
from trainers.system import backups
from trainers.system.atomic import PARTIAL_SUFFIX
from trainers.system.paths import data_dir, run_dir
from trainers.system.settings import get_settings, is_hosted

DAY_SECONDS = 24 * 3600.0
# Our choices.
NOTICE_DAYS = 7
LEFTOVER_SECONDS = 24 * 3600  # folders without a row, and drafts: of killed processes
LEFTOVER_SHARED_SECONDS = 900  # folders without a row, if several app servers share the database
OLD_DATABASE_SECONDS = 7 * DAY_SECONDS  # damaged databases, and backups of version 0.1.0


class Expiry(NamedTuple):
    """An item to delete."""

    kind: str  # "features", "model", "run", "data", "weights", "draft", "copy" or "left over"
    key: str
    size: int
    reason: str  # a phrase for people


class ExpiryDates(NamedTuple):
    """When a run and its model expire by age, as Unix times; None: never."""

    run: float | None
    model: float | None  # also None if there is no model


def get_expiry_dates(past: RunSummary, policy_start: float | None = None) -> ExpiryDates:
    """Return when a run or comparison, and its model, expire by age."""
    settings = get_settings()
    has_limit = settings.keep_models_days or settings.keep_runs_days
    if past.pinned or past.state not in END_STATES or not has_limit:
        return ExpiryDates(None, None)
    policy_start = get_policy_start() if policy_start is None else policy_start
    has_model = past.kind == "run" and run_dir(past.id).exists()
    dates = _row_expiry_dates(past, policy_start)
    return dates if has_model else dates._replace(model=None)


def _expiry_date(created: float, days: float, policy_start: float) -> float | None:
    """Return when something expires, but not before the notice is over; None if `days` is 0."""
    if not days:
        return None
    return max(created + days * DAY_SECONDS, policy_start + NOTICE_DAYS * DAY_SECONDS)


def get_data_expiry(data: uploads.UploadedDataset) -> float | None:
    """Return when an upload expires unless it is used; None: never."""
    days = get_settings().keep_data_days
    return _expiry_date(_last_used(data), days, get_policy_start()) if days else None


def _last_used(data: uploads.UploadedDataset) -> float:
    """Return when the data was added or last run on."""
    with get_store().engine.connect() as sql:
        newest = sql.scalar(select(func.max(runs.c.created_at)).where(runs.c.subject == data.key))
    return max(data.created_at, newest or 0.0)


def list_expired() -> Iterator[Expiry]:
    """Yield what is to be deleted now, in this order. Deletes nothing."""
    now, policy_start = time.time(), get_policy_start()
    expired: set[str] = set()
    freed = 0
    for past, pinned in _list_ended_runs():
        if pinned:
            continue
        ages = _row_expiry_dates(past, policy_start)
        size = measure_size(run_dir(past.id))
        if ages.run and ages.run < now and not past.parent_id:
            expired.add(past.id)
            freed += size
            yield Expiry("run", past.id, size, f"older than {get_settings().keep_runs_days:g} days")
        elif size and ages.model and ages.model < now:
            expired.add(f"model {past.id}")
            freed += size
            yield Expiry(
                "model", past.id, size, f"older than {get_settings().keep_models_days:g} days"
            )
    for data in _list_own_data():
        expires_at = get_data_expiry(data)
        if expires_at and expires_at < now and not _is_busy(data.key):
            freed += data.size_bytes
            yield Expiry("data", data.key, data.size_bytes,
                        f"not used for {get_settings().keep_data_days:g} days")  # fmt: skip
    yield from _list_over_size(expired, freed)
    yield from _list_weights_over_size()
    yield from _list_leftovers(now)


class _RunRow(NamedTuple):
    id: str
    kind: str
    created_at: float
    parent_id: str | None


def _list_ended_runs() -> list[tuple[_RunRow, bool]]:
    """Return ended runs and comparisons, oldest first, and whether each is pinned.

    The runs of a comparison are pinned with it.
    """
    listed = select(*(runs.c[name] for name in (*_RunRow._fields, "pinned", "state")))
    listed = listed.where(runs.c.kind.in_(HISTORY_KINDS), runs.c.deleted_at.is_(None))
    with get_store().engine.connect() as sql:
        rows = sql.execute(listed.order_by(runs.c.created_at)).all()
    by_id = {row.id: row for row in rows}
    ended = []
    for row in rows:
        parent = by_id.get(row.parent_id)
        if row.state not in END_STATES or (parent and parent.state not in END_STATES):
            continue
        parent_id = row.parent_id if parent else None
        pinned = bool(row.pinned or (parent and parent.pinned))
        ended.append((_RunRow(row.id, row.kind, row.created_at, parent_id), pinned))
    return ended


def _row_expiry_dates(row: _RunRow | RunSummary, policy_start: float) -> ExpiryDates:
    return ExpiryDates(
        _expiry_date(row.created_at, get_settings().keep_runs_days, policy_start),
        _expiry_date(row.created_at, get_settings().keep_models_days, policy_start),
    )


def _list_over_size(listed: set[str], freed: int) -> Iterator[Expiry]:
    limit = get_settings().storage_limit_gb * GB
    over = measure_disk_usage().limited_bytes - freed - limit if limit else 0
    if over <= 0:
        return
    reason = f"more than {get_settings().storage_limit_gb:g} GB in all"
    files = [file for file in feature_cache_dir().rglob("*") if file.is_file()]
    for file in sorted(files, key=lambda file: file.stat().st_mtime):
        size = file.stat().st_size
        over -= size
        yield Expiry("features", str(file), size, reason)
        if over <= 0:
            return
    rows = [row for row in _list_ended_runs() if row[0].id not in listed]
    for is_pinned in (False, True) if is_hosted() else (False,):
        for past, pinned in rows:
            size = measure_size(run_dir(past.id))
            if pinned == is_pinned and size and f"model {past.id}" not in listed:
                over -= size
                yield Expiry("model", past.id, size, reason)
                if over <= 0:
                    return
    event_sizes = event_bytes()
    parts: dict[str, list[str]] = {}
    for past, _ in rows:
        parts.setdefault(past.parent_id or past.id, []).append(past.id)
    for past, pinned in rows:
        if pinned or past.parent_id:  # a comparison is deleted with its runs
            continue
        size = sum(event_sizes.get(key, 0) for key in {past.id, *parts[past.id]})
        over -= size
        yield Expiry("run", past.id, size, reason)
        if over <= 0:
            return


def _list_own_data() -> list[uploads.UploadedDataset]:
    """Return all visitors' uploads, least recently used first, without the terminal's."""
    uploaded = []
    for folder in (data_dir() / "data").glob("*/about.json"):
        key = f"own-{folder.parent.name}"
        if UPLOAD_KEY.fullmatch(key):
            try:
                uploaded.append(uploads.get_upload(key))
            except LookupError:  # damaged: owner and age are unknown
                continue
    visitors = [data for data in uploaded if data.classes and data.visitor != LOCAL_VISITOR]
    return sorted(visitors, key=_last_used)


def _is_busy(data: str) -> bool:
    """Return whether a job on the data is queued or running."""
    unfinished = (runs.c.subject == data) & runs.c.state.not_in(END_STATES)
    with get_store().engine.connect() as sql:
        return bool(sql.scalar(select(func.count()).select_from(runs).where(unfinished)))


def _list_weights_over_size() -> Iterator[Expiry]:
    limit, weights = get_settings().weights_limit_gb * GB, list_weights()
    over = sum(size for _, _, size in weights) - limit if limit else 0
    for _, path, size in weights:
        if over <= 0:
            return
        over -= size
        yield Expiry("weights", str(path), size,
                    f"more than {get_settings().weights_limit_gb:g} GB of "
                    "downloaded models")  # fmt: skip


def _list_leftovers(now: float) -> Iterator[Expiry]:
    """Yield drafts of killed processes, old databases, and folders of runs without a row.

    In a shared database another app server may have deleted the row.
    """
    age = LEFTOVER_SHARED_SECONDS if is_shared(get_store().engine) else LEFTOVER_SECONDS
    for folder in (data_dir() / "runs", feature_cache_dir(), data_dir() / "data"):
        for draft in folder.glob(f"*/*{PARTIAL_SUFFIX}"):
            with suppress(OSError):  # finished meanwhile
                if draft.stat().st_mtime < now - LEFTOVER_SECONDS:
                    yield Expiry("draft", str(draft), measure_size(draft), "left half written")
    damaged = _list_damaged()
    for copy in (*damaged, *_list_old_backups()):
        with suppress(OSError):
            if copy.stat().st_mtime < now - OLD_DATABASE_SECONDS:
                yield Expiry("copy", str(copy), measure_size(copy), "put aside a week ago")
    if damaged:  # a repair may bring back the rows of folders
        return
    with get_store().engine.connect() as sql:
        run_ids = set(sql.scalars(select(runs.c.id)))
        # Folders older than this database's first run may belong to another database.
        oldest = sql.scalar(select(func.min(runs.c.created_at))) or now
    for folder in (data_dir() / "runs").glob("*"):
        if folder.name not in run_ids and oldest < folder.stat().st_mtime < now - age:
            yield Expiry("left over", folder.name, measure_size(folder), "of no run")


def _list_damaged() -> list[Path]:
    """Return damaged databases that were moved aside, also beside the default path."""
    files = {data_dir() / "thaw.db", backups.database_path() or data_dir() / "thaw.db"}
    return [damaged for file in files for damaged in backups.list_damaged(file)]


def _list_old_backups() -> list[Path]:
    """Return the copies that version 0.1.0 made before upgrades."""
    file = backups.database_path()
    return [*file.parent.glob(f"{file.name}.before-*")] if file else []
