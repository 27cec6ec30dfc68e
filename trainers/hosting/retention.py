"""How long things are kept, by age and by size (settings.py), and what goes first.

By age: the model of a run, then the run, and a visitor's own data that nobody used; what is pinned
stays. By size, over `THAW_STORAGE_LIMIT_GB`: computed features (they can be computed again), then
models of
the oldest runs, then the oldest runs; what is pinned stays there too, except in a hosted Thaw,
where it goes last. Weights that Thaw downloaded go by least recent use, over
`THAW_WEIGHTS_LIMIT_GB`.
Nothing that runs or waits is touched.

Nobody is surprised: what goes by age is said on its row beforehand, and ages that were set just now
hold `NOTICE_DAYS` later; what goes by size is said from `NEARLY` of it on.
"""

import logging
import shutil
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from trainers import backbones
from trainers.backbones import cache
from trainers.datasets import uploads
from trainers.datasets.uploads.dataset import LOCAL_VISITOR, UPLOAD_KEY
from trainers.hosting import erase
from trainers.hosting.quotas import measure_size
from trainers.store import END_STATES, HISTORY_KINDS, RunSummary, get_store
from trainers.store.engine import is_shared
from trainers.store.tables import cleanup_leases, events, runs, share_links, usage
from trainers.system import backups, object_store
from trainers.system.atomic import PARTIAL_SUFFIX
from trainers.system.paths import data_dir, data_dir_id, run_dir
from trainers.system.registry import UnknownKey
from trainers.system.settings import get_settings, is_hosted

DAY_SECONDS, GB = 24 * 3600.0, 10**9
CLEANUP_INTERVAL_SECONDS = 3600
JOIN_TIMEOUT_SECONDS = 5.0  # that the end of the app waits for it. Ours
NOTICE_DAYS = 7  # ours, as what follows
WARNING_FRACTION = 0.8  # of a size, from which on it is said
LEFTOVER_SECONDS = 24 * 3600  # folders that no row names: of a process that was killed
LEFTOVER_SHARED_SECONDS = 900  # the same where other app servers may have ended the row
OLD_DATABASE_SECONDS = 7 * DAY_SECONDS  # a damaged database, or a backup of version 0.1.0
AGE_SETTINGS = ("keep_models_days", "keep_runs_days", "keep_data_days")


class Expiry(NamedTuple):
    """Something that goes."""

    kind: str  # "features", "model", "run", "data", "weights", "draft", "copy" or "left over"
    key: str
    size: int
    reason: str  # in words


class ExpiryDates(NamedTuple):
    """When something of a run goes by its age; None: never."""

    run: float | None
    model: float | None  # None also where there is none


@dataclass(frozen=True)
class DiskUsage:
    """What takes how much, in bytes."""

    models: int
    events: int  # of runs: curves and scores, as text
    data: int  # of visitors
    features: int
    weights: int  # that Thaw downloaded
    samples: int  # that were downloaded

    @property
    def limited_bytes(self) -> int:
        """What `THAW_STORAGE_LIMIT_GB` is about."""
        return self.models + self.events + self.data + self.features


def feature_cache_dir() -> Path:
    """Where computed features lie."""
    return data_dir() / "features"


def measure_disk_usage() -> DiskUsage:
    with get_store().engine.connect() as sql:
        deleted = sql.scalars(select(runs.c.id).where(runs.c.deleted_at.is_not(None))).all()
    return DiskUsage(
        measure_size(data_dir() / "runs") - sum(measure_size(run_dir(run)) for run in deleted),
        sum(_event_bytes().values()),
        measure_size(data_dir() / "data"),
        measure_size(feature_cache_dir()),
        sum(size for _, _, size in _list_weights()),
        measure_size(data_dir() / "online"),
    )


def _event_bytes() -> dict[str, int]:
    """Bytes of the events of each run that was not deleted."""
    told = select(events.c.run_id, func.sum(func.length(events.c.event)))
    told = told.join(runs, runs.c.id == events.c.run_id).where(runs.c.deleted_at.is_(None))
    with get_store().engine.connect() as sql:
        return dict(sql.execute(told.group_by(events.c.run_id)).all())


def get_storage_warning() -> tuple[float, float] | None:
    """(GB taken, GB at most) from `NEARLY` on, as of the last hour; None below."""
    most = get_settings().storage_limit_gb
    with get_store().engine.connect() as sql:
        taken = (sql.scalar(select(cleanup_leases.c.used_bytes).where(_is_own_lease())) or 0.0) / GB
    return (taken, most) if most and taken > WARNING_FRACTION * most else None


# --- by age ---------------------------------------------------------------------------------------


def get_policy_start() -> float:
    """Since when the ages hold that are set now; noted when they are seen first."""
    ages = ",".join(f"{getattr(get_settings(), key):g}" for key in AGE_SETTINGS)
    now = time.time()
    row = {"id": _lease_id(), "expires_at": 0.0, "retention_days": ages, "valid_since": now}
    row["used_bytes"] = 0.0
    with get_store().engine.begin() as sql:
        known = sql.execute(
            select(cleanup_leases.c.retention_days, cleanup_leases.c.valid_since).where(
                _is_own_lease()
            )
        ).first()
        if known and known.retention_days == ages:
            return known.valid_since
        if known:
            sql.execute(
                update(cleanup_leases)
                .where(_is_own_lease())
                .values(retention_days=ages, valid_since=now)
            )
            return now
    try:
        with get_store().engine.begin() as sql:
            sql.execute(insert(cleanup_leases).values(row))
    except IntegrityError:  # another process was quicker
        pass
    return now


def _lease_id() -> int:
    """Of the row of this data folder; more than one share a PostgreSQL."""
    return zlib.crc32(data_dir_id().encode()) >> 1 if is_shared(get_store().engine) else 1


def _is_own_lease() -> Any:
    return cleanup_leases.c.id == _lease_id()


def _expiry_date(created: float, days: float, from_: float) -> float | None:
    """When something goes that was made then, but not before it was said for a while."""
    return max(created + days * DAY_SECONDS, from_ + NOTICE_DAYS * DAY_SECONDS) if days else None


def get_expiry_dates(past: RunSummary, from_: float | None = None) -> ExpiryDates:
    """When the run, or the comparison, of a row goes by age, and its model. `from_`: `since()`."""
    models, ages = get_settings().keep_models_days, get_settings().keep_runs_days
    if past.pinned or past.state not in END_STATES or not (models or ages):
        return ExpiryDates(None, None)
    from_ = get_policy_start() if from_ is None else from_
    gone = _expiry_date(past.created_at, ages, from_)
    has_model = past.kind == "run" and run_dir(past.id).exists()
    return ExpiryDates(gone, _expiry_date(past.created_at, models, from_) if has_model else None)


def get_data_expiry(data: uploads.UploadedDataset) -> float | None:
    """When a visitor's own data goes, unless it is used; None: never."""
    days = get_settings().keep_data_days
    return _expiry_date(_last_used(data), days, get_policy_start()) if days else None


def _last_used(data: uploads.UploadedDataset) -> float:
    """When it was added or run on last."""
    with get_store().engine.connect() as sql:
        newest = sql.scalar(select(func.max(runs.c.created_at)).where(runs.c.subject == data.key))
    return max(data.created_at, newest or 0.0)


# --- what would go --------------------------------------------------------------------------------


def list_expired() -> Iterator[Expiry]:
    """What goes now, in the order in which it goes; nothing is touched."""
    now, from_ = time.time(), get_policy_start()
    gone: set[str] = set()
    freed = 0
    for past, pinned in _list_ended_runs():
        if pinned:
            continue
        ages = _row_expiry_dates(past, from_)
        size = measure_size(run_dir(past.id))
        if ages.run and ages.run < now and not past.parent_id:
            gone.add(past.id)
            freed += size
            yield Expiry("run", past.id, size, f"older than {get_settings().keep_runs_days:g} days")
        elif size and ages.model and ages.model < now:
            gone.add(f"model {past.id}")
            freed += size
            yield Expiry(
                "model", past.id, size, f"older than {get_settings().keep_models_days:g} days"
            )
    for data in _list_own_data():
        leaves = get_data_expiry(data)
        if leaves and leaves < now and not _is_busy(data.key):
            freed += data.size_bytes
            yield Expiry("data", data.key, data.size_bytes,
                        f"not used for {get_settings().keep_data_days:g} days")  # fmt: skip
    yield from _list_over_size(gone, freed)
    yield from _list_weights_over_size()
    yield from _list_leftovers(now)


class _RunRow(NamedTuple):
    id: str
    kind: str
    created_at: float
    parent_id: str | None


def _list_ended_runs() -> list[tuple[_RunRow, bool]]:
    """Runs and comparisons that are over, the oldest first, and whether they, or the comparison
    that they belong to, are pinned."""
    listed = select(*(runs.c[name] for name in (*_RunRow._fields, "pinned", "state")))
    listed = listed.where(runs.c.kind.in_(HISTORY_KINDS), runs.c.deleted_at.is_(None))
    with get_store().engine.connect() as sql:
        rows = sql.execute(listed.order_by(runs.c.created_at)).all()
    whole = {row.id: row for row in rows}
    found = []
    for row in rows:
        parent = whole.get(row.parent_id)
        if row.state not in END_STATES or (parent and parent.state not in END_STATES):
            continue
        parent_id = row.parent_id if parent else None
        pinned = bool(row.pinned or (parent and parent.pinned))
        found.append((_RunRow(row.id, row.kind, row.created_at, parent_id), pinned))
    return found


def _row_expiry_dates(row: _RunRow, from_: float) -> ExpiryDates:
    return ExpiryDates(
        _expiry_date(row.created_at, get_settings().keep_runs_days, from_),
        _expiry_date(row.created_at, get_settings().keep_models_days, from_),
    )


def _list_over_size(gone: set[str], freed: int) -> Iterator[Expiry]:
    most = get_settings().storage_limit_gb * GB
    over = measure_disk_usage().limited_bytes - freed - most if most else 0
    if over <= 0:
        return
    why = f"more than {get_settings().storage_limit_gb:g} GB in all"
    files = [file for file in feature_cache_dir().rglob("*") if file.is_file()]
    for file in sorted(files, key=lambda file: file.stat().st_mtime):
        size = file.stat().st_size
        over -= size
        yield Expiry("features", str(file), size, why)
        if over <= 0:
            return
    rows = [row for row in _list_ended_runs() if row[0].id not in gone]
    for spared in (False, True) if is_hosted() else (False,):
        for past, pinned in rows:
            size = measure_size(run_dir(past.id))
            if pinned == spared and size and f"model {past.id}" not in gone:
                over -= size
                yield Expiry("model", past.id, size, why)
                if over <= 0:
                    return
    told = _event_bytes()
    parts: dict[str, list[str]] = {}
    for past, _ in rows:
        parts.setdefault(past.parent_id or past.id, []).append(past.id)
    for past, pinned in rows:
        if pinned or past.parent_id:  # a comparison goes whole
            continue
        size = sum(told.get(key, 0) for key in {past.id, *parts[past.id]})
        over -= size
        yield Expiry("run", past.id, size, why)
        if over <= 0:
            return


def _list_own_data() -> list[uploads.UploadedDataset]:
    """The data of all visitors that is still there, what was used longest ago first; not that of
    whoever sits at this computer's terminal."""
    found = []
    for place in (data_dir() / "data").glob("*/about.json"):
        key = f"own-{place.parent.name}"
        if UPLOAD_KEY.fullmatch(key):
            try:
                found.append(uploads.get_upload(key))
            except LookupError:  # damaged: whose it is, and how old, cannot be told
                continue
    there = [one for one in found if one.classes and one.visitor != LOCAL_VISITOR]
    return sorted(there, key=_last_used)


def _is_busy(data: str) -> bool:
    """Whether a job on it runs or waits."""
    working = (runs.c.subject == data) & runs.c.state.not_in(END_STATES)
    with get_store().engine.connect() as sql:
        return bool(sql.scalar(select(func.count()).select_from(runs).where(working)))


def _list_weights() -> list[tuple[float, Path, int]]:
    """(used last, where, bytes) of pre-trained models that Thaw downloaded. Other programs keep
    theirs in the same folders: of Hugging Face's only those that carry our mark, of torchvision's
    only files that are in our list."""
    with get_store().engine.connect() as sql:
        name = runs.c.job["backbone"].as_string()
        used = dict(sql.execute(select(name, func.max(runs.c.created_at)).group_by(name)).all())
    found = {}
    for key, row in backbones.BACKBONES.items():
        if row.weights_file and not row.repo and cache.is_downloaded(row):
            file = cache.torch_hub_path() / row.weights_file
            found[file] = max(used.get(key) or 0.0, file.stat().st_mtime), file.stat().st_size
    for mark in cache.hf_hub_path().glob("models--*/refs/thaw"):
        place = mark.parents[1]
        named = place.name.removeprefix("models--").replace("--", "/")
        last = max((at for key, at in used.items() if key and named in key), default=0.0)
        found[place] = max(last, mark.stat().st_mtime), measure_size(place)
    return sorted((at, place, size) for place, (at, size) in found.items())


def _list_weights_over_size() -> Iterator[Expiry]:
    most, there = get_settings().weights_limit_gb * GB, _list_weights()
    over = sum(size for _, _, size in there) - most if most else 0
    for _, place, size in there:
        if over <= 0:
            return
        over -= size
        yield Expiry("weights", str(place), size,
                    f"more than {get_settings().weights_limit_gb:g} GB of "
                    "downloaded models")  # fmt: skip


def _list_leftovers(now: float) -> Iterator[Expiry]:
    """Folders of runs that are in no row, and drafts: a killed process left them, or another app
    server ended the row."""
    left = LEFTOVER_SHARED_SECONDS if is_shared(get_store().engine) else LEFTOVER_SECONDS
    for place in (data_dir() / "runs", feature_cache_dir(), data_dir() / "data"):
        for draft in place.glob(f"*/*{PARTIAL_SUFFIX}"):
            with suppress(OSError):  # it became what it was to be
                if draft.stat().st_mtime < now - LEFTOVER_SECONDS:
                    yield Expiry("draft", str(draft), measure_size(draft), "left half written")
    damaged = _list_damaged()
    for copy in (*damaged, *_list_old_backups()):
        with suppress(OSError):
            if copy.stat().st_mtime < now - OLD_DATABASE_SECONDS:
                yield Expiry("copy", str(copy), measure_size(copy), "put aside a week ago")
    if damaged:  # it may have their rows
        return
    with get_store().engine.connect() as sql:
        known = set(sql.scalars(select(runs.c.id)))
        # Older folders belong to another database: this one was made after them.
        since = sql.scalar(select(func.min(runs.c.created_at))) or now
    for place in (data_dir() / "runs").glob("*"):
        if place.name not in known and since < place.stat().st_mtime < now - left:
            yield Expiry("left over", place.name, measure_size(place), "of no run")


# --- doing it -------------------------------------------------------------------------------------


def clean_up() -> list[Expiry]:
    """Deletes what goes, and says what that was. A run can be brought back for an hour, as ever."""
    done = list(list_expired())
    for one in done:
        match one.kind:
            case "run":
                _delete_run(one.key)
            case "model" if one.reason.startswith("older"):
                object_store.delete_run(one.key)
            case "model" | "left over":  # a copy, where models are shared
                shutil.rmtree(run_dir(one.key), ignore_errors=True)
            case "data":
                with suppress(UnknownKey):  # deleted meanwhile
                    erase.erase_data(one.key)
            case "features" | "draft" | "copy":
                Path(one.key).unlink(missing_ok=True)
            case "weights":
                place = Path(one.key)
                if place.is_dir():
                    shutil.rmtree(place, ignore_errors=True)
                else:
                    place.unlink(missing_ok=True)
    with get_store().engine.begin() as sql:
        sql.execute(delete(usage).where(usage.c.started_at < time.time() - DAY_SECONDS))
        sql.execute(delete(share_links).where(share_links.c.run_id.not_in(select(runs.c.id))))
        sql.execute(
            update(cleanup_leases)
            .where(_is_own_lease())
            .values(used_bytes=measure_disk_usage().limited_bytes)
        )
    return done


def _list_damaged() -> list[Path]:
    """Return the damaged databases that were moved aside, also if the app has another by now."""
    files = {data_dir() / "thaw.db", backups.database_path() or data_dir() / "thaw.db"}
    return [damaged for file in files for damaged in backups.list_damaged(file)]


def _list_old_backups() -> list[Path]:
    """Return the copies that version 0.1.0 made before an upgrade."""
    file = backups.database_path()
    return [*file.parent.glob(f"{file.name}.before-*")] if file else []


def _back_up_daily() -> None:
    file = backups.database_path()
    if file and backups.is_backup_due(file):
        try:
            backups.back_up(file)
        except (sqlite3.Error, OSError) as error:  # the rest of the clean-up is still possible
            logging.error("The database could not be backed up: %s", error)


def _delete_run(run: str) -> None:
    with get_store().engine.connect() as sql:
        visitor = sql.scalar(select(runs.c.visitor).where(runs.c.id == run))
    get_store().delete([run], visitor)


def acquire_lease() -> bool:
    """Whether it is this process's turn: of several apps on a data folder one does it, once in
    `EVERY_SECONDS`."""
    get_policy_start()  # the row is there
    now = time.time()
    with get_store().engine.begin() as sql:
        # One that is further ahead was set before the clock was set back.
        due = (cleanup_leases.c.expires_at < now) | (
            cleanup_leases.c.expires_at > now + CLEANUP_INTERVAL_SECONDS
        )
        mine = (
            update(cleanup_leases)
            .where(_is_own_lease(), due)
            .values(expires_at=now + CLEANUP_INTERVAL_SECONDS)
        )
        return sql.execute(mine).rowcount == 1


class CleanupThread:
    """Tidies up as long as the app lives. A context."""

    def __init__(self, first_seconds: float = 60.0) -> None:
        self.first_seconds = first_seconds  # who has just started the app wants to see a page
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run_loop, daemon=True)

    def __enter__(self) -> "CleanupThread":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join(JOIN_TIMEOUT_SECONDS)  # what it is at may be far away, and slow

    def _run_loop(self) -> None:
        wait = self.first_seconds
        while not self._closed.wait(wait):
            wait = min(CLEANUP_INTERVAL_SECONDS, 60.0)
            for step in (self._retry_uploads, erase.scrub, self._clean_up_hourly):
                if self._closed.is_set():
                    return
                try:
                    step()
                except Exception as error:  # one that ended this thread would end all tidying
                    told = str(error).strip().splitlines() or [""]
                    logging.error(
                        "Not all could be tidied up (%s: %s).", type(error).__name__, told[0]
                    )

    def _retry_uploads(self) -> None:
        object_store.retry_pending(self._closed.is_set)

    def _clean_up_hourly(self) -> None:
        if acquire_lease():
            _back_up_daily()
            object_store.refresh_all(self._closed.is_set)
            for one in clean_up():
                logging.info("Tidied up: %s, %d bytes, %s.", one.kind, one.size, one.reason)
