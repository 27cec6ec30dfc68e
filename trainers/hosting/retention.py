"""How long things are kept, by age and by size (settings.py), and what goes first.

By age: the model of a run, then the run, and a visitor's own data that nobody used; what is pinned
stays. By size, over `THAW_KEEP_GB`: computed features (they can be computed again), then models of
the oldest runs, then the oldest runs; what is pinned stays there too, except in a hosted Thaw,
where it goes last. Weights that Thaw downloaded go by least recent use, over `THAW_WEIGHTS_GB`.
Nothing that runs or waits is touched.

Nobody is surprised: what goes by age is said on its row beforehand, and ages that were set just now
hold `NOTICE_DAYS` later; what goes by size is said from `NEARLY` of it on.
"""

import logging
import shutil
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
from trainers.datasets.uploads.dataset import KEY, TERMINAL
from trainers.hosting import erase
from trainers.hosting.quotas import bytes_in
from trainers.store import LISTED, OVER, Past, events, migrations, runs, store
from trainers.store.engine import is_shared
from trainers.store.repair import damaged
from trainers.store.tables import shares, spent, tidying
from trainers.system import object_store
from trainers.system.atomic import DRAFT
from trainers.system.paths import home, machine, run_folder
from trainers.system.registry import UnknownKey
from trainers.system.settings import hosted, setting

DAY, GB = 24 * 3600.0, 10**9
EVERY_SECONDS = 3600
END_SECONDS = 5.0  # that the end of the app waits for it. Ours
NOTICE_DAYS = 7  # ours, as what follows
NEARLY = 0.8  # of a size, from which on it is said
LEFT_SECONDS = 24 * 3600  # folders that no row names: of a process that was killed
LEFT_SHARED_SECONDS = 900  # the same where other app servers may have ended the row
ASIDE_SECONDS = 7 * DAY  # a database as it was before an upgrade, or a repair
AGES = ("keep_models_days", "keep_runs_days", "keep_data_days")


class Going(NamedTuple):
    """Something that goes."""

    what: str  # "features", "model", "run", "data", "weights", "draft", "copy" or "left over"
    key: str
    bytes: int
    why: str  # in words


class Until(NamedTuple):
    """When something of a run goes by its age; None: never."""

    run: float | None
    model: float | None  # None also where there is none


@dataclass(frozen=True)
class Kept:
    """What takes how much, in bytes."""

    models: int
    events: int  # of runs: curves and scores, as text
    data: int  # of visitors
    features: int
    weights: int  # that Thaw downloaded
    samples: int  # that were downloaded

    @property
    def counted(self) -> int:
        """What `THAW_KEEP_GB` is about."""
        return self.models + self.events + self.data + self.features


def features_folder() -> Path:
    """Where computed features lie."""
    return home() / "features"


def kept() -> Kept:
    with store().engine.connect() as sql:
        deleted = sql.scalars(select(runs.c.id).where(runs.c.deleted.is_not(None))).all()
    return Kept(
        bytes_in(home() / "runs") - sum(bytes_in(run_folder(run)) for run in deleted),
        sum(_events().values()),
        bytes_in(home() / "data"),
        bytes_in(features_folder()),
        sum(size for _, _, size in _weights()),
        bytes_in(home() / "online"),
    )


def _events() -> dict[str, int]:
    """Bytes of the events of each run that was not deleted."""
    told = select(events.c.run, func.sum(func.length(events.c.event)))
    told = told.join(runs, runs.c.id == events.c.run).where(runs.c.deleted.is_(None))
    with store().engine.connect() as sql:
        return dict(sql.execute(told.group_by(events.c.run)).all())


def nearly_full() -> tuple[float, float] | None:
    """(GB taken, GB at most) from `NEARLY` on, as of the last hour; None below."""
    most = setting("keep_gb")
    with store().engine.connect() as sql:
        taken = (sql.scalar(select(tidying.c.taken).where(_ours())) or 0.0) / GB
    return (taken, most) if most and taken > NEARLY * most else None


# --- by age ---------------------------------------------------------------------------------------


def since() -> float:
    """Since when the ages hold that are set now; noted when they are seen first."""
    ages = ",".join(f"{setting(key):g}" for key in AGES)
    row = {"id": _number(), "until": 0.0, "ages": ages, "since": time.time(), "taken": 0.0}
    with store().engine.begin() as sql:
        known = sql.execute(select(tidying.c.ages, tidying.c.since).where(_ours())).first()
        if known and known.ages == ages:
            return known.since
        if known:
            sql.execute(update(tidying).where(_ours()).values(ages=ages, since=row["since"]))
            return row["since"]
    try:
        with store().engine.begin() as sql:
            sql.execute(insert(tidying).values(row))
    except IntegrityError:  # another process was quicker
        pass
    return row["since"]


def _number() -> int:
    """Of the row of this data folder; more than one share a PostgreSQL."""
    return zlib.crc32(machine().encode()) >> 1 if is_shared(store().engine) else 1


def _ours() -> Any:
    return tidying.c.id == _number()


def _until(created: float, days: float, from_: float) -> float | None:
    """When something goes that was made then, but not before it was said for a while."""
    return max(created + days * DAY, from_ + NOTICE_DAYS * DAY) if days else None


def until(past: Past, from_: float | None = None) -> Until:
    """When the run, or the comparison, of a row goes by age, and its model. `from_`: `since()`."""
    models, ages = setting("keep_models_days"), setting("keep_runs_days")
    if past.pinned or past.state not in OVER or not (models or ages):
        return Until(None, None)
    from_ = since() if from_ is None else from_
    gone = _until(past.created, ages, from_)
    has_model = past.kind == "run" and run_folder(past.id).exists()
    return Until(gone, _until(past.created, models, from_) if has_model else None)


def data_until(data: uploads.Own) -> float | None:
    """When a visitor's own data goes, unless it is used; None: never."""
    days = setting("keep_data_days")
    return _until(_used(data), days, since()) if days else None


def _used(data: uploads.Own) -> float:
    """When it was added or run on last."""
    with store().engine.connect() as sql:
        newest = sql.scalar(select(func.max(runs.c.created)).where(runs.c.subject == data.key))
    return max(data.created, newest or 0.0)


# --- what would go --------------------------------------------------------------------------------


def going() -> Iterator[Going]:
    """What goes now, in the order in which it goes; nothing is touched."""
    now, from_ = time.time(), since()
    gone: set[str] = set()
    freed = 0
    for past, pinned in _over():
        if pinned:
            continue
        ages = _ages(past, from_)
        size = bytes_in(run_folder(past.id))
        if ages.run and ages.run < now and not past.part_of:
            gone.add(past.id)
            freed += size
            yield Going("run", past.id, size, f"older than {setting('keep_runs_days'):g} days")
        elif size and ages.model and ages.model < now:
            gone.add(f"model {past.id}")
            freed += size
            yield Going("model", past.id, size, f"older than {setting('keep_models_days'):g} days")
    for data in _all_own():
        leaves = data_until(data)
        if leaves and leaves < now and not _busy(data.key):
            freed += data.bytes
            yield Going("data", data.key, data.bytes,
                        f"not used for {setting('keep_data_days'):g} days")  # fmt: skip
    yield from _by_size(gone, freed)
    yield from _weights_by_size()
    yield from _left_over(now)


class _Row(NamedTuple):
    id: str
    kind: str
    created: float
    part_of: str | None


def _over() -> list[tuple[_Row, bool]]:
    """Runs and comparisons that are over, the oldest first, and whether they, or the comparison
    that they belong to, are pinned."""
    listed = select(*(runs.c[name] for name in (*_Row._fields, "pinned", "state")))
    listed = listed.where(runs.c.kind.in_(LISTED), runs.c.deleted.is_(None))
    with store().engine.connect() as sql:
        rows = sql.execute(listed.order_by(runs.c.created)).all()
    whole = {row.id: row for row in rows}
    found = []
    for row in rows:
        parent = whole.get(row.part_of)
        if row.state not in OVER or (parent and parent.state not in OVER):
            continue
        part_of = row.part_of if parent else None
        pinned = bool(row.pinned or (parent and parent.pinned))
        found.append((_Row(row.id, row.kind, row.created, part_of), pinned))
    return found


def _ages(row: _Row, from_: float) -> Until:
    return Until(
        _until(row.created, setting("keep_runs_days"), from_),
        _until(row.created, setting("keep_models_days"), from_),
    )


def _by_size(gone: set[str], freed: int) -> Iterator[Going]:
    most = setting("keep_gb") * GB
    over = kept().counted - freed - most if most else 0
    if over <= 0:
        return
    why = f"more than {setting('keep_gb'):g} GB in all"
    files = [file for file in features_folder().rglob("*") if file.is_file()]
    for file in sorted(files, key=lambda file: file.stat().st_mtime):
        size = file.stat().st_size
        over -= size
        yield Going("features", str(file), size, why)
        if over <= 0:
            return
    rows = [row for row in _over() if row[0].id not in gone]
    for spared in (False, True) if hosted() else (False,):
        for past, pinned in rows:
            size = bytes_in(run_folder(past.id))
            if pinned == spared and size and f"model {past.id}" not in gone:
                over -= size
                yield Going("model", past.id, size, why)
                if over <= 0:
                    return
    told = _events()
    parts: dict[str, list[str]] = {}
    for past, _ in rows:
        parts.setdefault(past.part_of or past.id, []).append(past.id)
    for past, pinned in rows:
        if pinned or past.part_of:  # a comparison goes whole
            continue
        size = sum(told.get(key, 0) for key in {past.id, *parts[past.id]})
        over -= size
        yield Going("run", past.id, size, why)
        if over <= 0:
            return


def _all_own() -> list[uploads.Own]:
    """The data of all visitors that is still there, what was used longest ago first; not that of
    whoever sits at this computer's terminal."""
    found = []
    for place in (home() / "data").glob("*/about.json"):
        key = f"own-{place.parent.name}"
        if KEY.fullmatch(key):
            try:
                found.append(uploads.sample(key))
            except LookupError:  # damaged: whose it is, and how old, cannot be told
                continue
    there = [one for one in found if one.classes and one.visitor != TERMINAL]
    return sorted(there, key=_used)


def _busy(data: str) -> bool:
    """Whether a job on it runs or waits."""
    working = (runs.c.subject == data) & runs.c.state.not_in(OVER)
    with store().engine.connect() as sql:
        return bool(sql.scalar(select(func.count()).select_from(runs).where(working)))


def _weights() -> list[tuple[float, Path, int]]:
    """(used last, where, bytes) of pre-trained models that Thaw downloaded. Other programs keep
    theirs in the same folders: of Hugging Face's only those that carry our mark, of torchvision's
    only files that are in our list."""
    with store().engine.connect() as sql:
        name = runs.c.plan["backbone"].as_string()
        used = dict(sql.execute(select(name, func.max(runs.c.created)).group_by(name)).all())
    found = {}
    for key, row in backbones.BACKBONES.items():
        if row.file and not row.repo and cache.is_here(row):
            file = cache.checkpoints() / row.file
            found[file] = max(used.get(key) or 0.0, file.stat().st_mtime), file.stat().st_size
    for mark in cache.hub_cache().glob("models--*/refs/thaw"):
        place = mark.parents[1]
        named = place.name.removeprefix("models--").replace("--", "/")
        last = max((at for key, at in used.items() if key and named in key), default=0.0)
        found[place] = max(last, mark.stat().st_mtime), bytes_in(place)
    return sorted((at, place, size) for place, (at, size) in found.items())


def _weights_by_size() -> Iterator[Going]:
    most, there = setting("weights_gb") * GB, _weights()
    over = sum(size for _, _, size in there) - most if most else 0
    for _, place, size in there:
        if over <= 0:
            return
        over -= size
        yield Going("weights", str(place), size,
                    f"more than {setting('weights_gb'):g} GB of downloaded models")  # fmt: skip


def _left_over(now: float) -> Iterator[Going]:
    """Folders of runs that are in no row, and drafts: a killed process left them, or another app
    server ended the row."""
    left = LEFT_SHARED_SECONDS if is_shared(store().engine) else LEFT_SECONDS
    for place in (home() / "runs", features_folder(), home() / "data"):
        for draft in place.glob(f"*/*{DRAFT}"):
            with suppress(OSError):  # it became what it was to be
                if draft.stat().st_mtime < now - LEFT_SECONDS:
                    yield Going("draft", str(draft), bytes_in(draft), "left half written")
    for copy in (*migrations.copies(store().engine), *damaged()):
        with suppress(OSError):
            if copy.stat().st_mtime < now - ASIDE_SECONDS:
                yield Going("copy", str(copy), bytes_in(copy), "put aside a week ago")
    if damaged():  # what was put aside may have their rows
        return
    with store().engine.connect() as sql:
        known = set(sql.scalars(select(runs.c.id)))
        # Older folders belong to another database: this one was made after them.
        since = sql.scalar(select(func.min(runs.c.created))) or now
    for place in (home() / "runs").glob("*"):
        if place.name not in known and since < place.stat().st_mtime < now - left:
            yield Going("left over", place.name, bytes_in(place), "of no run")


# --- doing it -------------------------------------------------------------------------------------


def tidy() -> list[Going]:
    """Deletes what goes, and says what that was. A run can be brought back for an hour, as ever."""
    done = list(going())
    for one in done:
        match one.what:
            case "run":
                _delete(one.key)
            case "model" if one.why.startswith("older"):
                object_store.drop(one.key)
            case "model" | "left over":  # a copy, where models are shared
                shutil.rmtree(run_folder(one.key), ignore_errors=True)
            case "data":
                with suppress(UnknownKey):  # deleted meanwhile
                    erase.data(one.key)
            case "features" | "draft" | "copy":
                Path(one.key).unlink(missing_ok=True)
            case "weights":
                place = Path(one.key)
                if place.is_dir():
                    shutil.rmtree(place, ignore_errors=True)
                else:
                    place.unlink(missing_ok=True)
    with store().engine.begin() as sql:
        sql.execute(delete(spent).where(spent.c.at < time.time() - DAY))
        sql.execute(delete(shares).where(shares.c.run.not_in(select(runs.c.id))))
        sql.execute(update(tidying).where(_ours()).values(taken=kept().counted))
    return done


def _delete(run: str) -> None:
    with store().engine.connect() as sql:
        visitor = sql.scalar(select(runs.c.visitor).where(runs.c.id == run))
    store().delete([run], visitor)


def turn() -> bool:
    """Whether it is this process's turn: of several apps on a data folder one does it, once in
    `EVERY_SECONDS`."""
    since()  # the row is there
    now = time.time()
    with store().engine.begin() as sql:
        # One that is further ahead was set before the clock was set back.
        due = (tidying.c.until < now) | (tidying.c.until > now + EVERY_SECONDS)
        mine = update(tidying).where(_ours(), due).values(until=now + EVERY_SECONDS)
        return sql.execute(mine).rowcount == 1


class Tidying:
    """Tidies up as long as the app lives. A context."""

    def __init__(self, first_seconds: float = 60.0) -> None:
        self.first = first_seconds  # who has just started the app wants to see a page
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tidy, daemon=True)

    def __enter__(self) -> "Tidying":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(END_SECONDS)  # what it is at may be far away, and slow

    def _tidy(self) -> None:
        wait = self.first
        while not self._over.wait(wait):
            wait = min(EVERY_SECONDS, 60.0)
            for step in (self._share, erase.scrub, self._hourly):
                if self._over.is_set():
                    return
                try:
                    step()
                except Exception as error:  # one that ended this thread would end all tidying
                    told = str(error).strip().splitlines() or [""]
                    logging.error(
                        "Not all could be tidied up (%s: %s).", type(error).__name__, told[0]
                    )

    def _share(self) -> None:
        object_store.again(self._over.is_set)

    def _hourly(self) -> None:
        if turn():
            object_store.renew(self._over.is_set)
            for one in tidy():
                logging.info("Tidied up: %s, %d bytes, %s.", one.what, one.bytes, one.why)
