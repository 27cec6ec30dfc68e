"""A damaged database: put aside as it is, and what can still be read of it saved into a new one.

Rows are read in their order until one cannot be, then from beyond it back to it: so what is lost is
what lies on damaged pages, and no more. The damaged file, and the models of lost runs, stay for a
week (trainers/hosting/retention.py).
"""

import json
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from sqlalchemy import JSON, Float, Table

from trainers.store import Store
from trainers.store.tables import metadata
from trainers.system.atomic import fsync_dir, fsync_file
from trainers.system.errors import database_path
from trainers.system.paths import data_dir

SQLITE_SUFFIXES = ("", "-wal", "-shm")  # SQLite keeps a database in these
MAX_SKIPPED_ROWS = 2**40  # rows that a damaged page may hide. Ours


class CannotRepair(RuntimeError):
    """The text says why, and what to do."""


class RepairResult(NamedTuple):
    damaged_path: Path  # the damaged file, as it was
    saved_rows: dict[str, int]  # rows of each table
    gaps: int  # places where rows could not be read


def list_damaged() -> list[Path]:
    """Databases that were put aside, also where another has taken their place since."""
    files = {data_dir() / "thaw.db", database_path() or data_dir() / "thaw.db"}
    return sorted(one for file in files for one in file.parent.glob(f"{file.name}.damaged-*"))


def repair(*, anyway: bool = False) -> RepairResult | None:
    """None where nothing is wrong with it; with `anyway` it is written anew even so. Raises
    `CannotRepair`."""
    file = database_path()
    if file is None:
        raise CannotRepair("The database is not a file of Thaw's: see who runs its server.")
    if not file.exists():
        raise CannotRepair(f"There is no database, {file}: Thaw makes one when it starts.")
    if users := _find_users(file):
        raise CannotRepair(f"{file} is in use (process {users[0]}). Close Thaw, and try again.")
    new, copy = file.with_name(f"{file.name}.new"), file.with_name(f"{file.name}.copy")
    try:
        for end in SQLITE_SUFFIXES[:2]:
            with suppress(FileNotFoundError):
                shutil.copyfile(f"{file}{end}", f"{copy}{end}")
        if _is_intact(copy) and not anyway:
            return None
        saved, gaps = _salvage(copy, new)
        fsync_file(new)
        aside = file.with_name(f"{file.name}.damaged-{time.strftime('%Y-%m-%d-%H%M%S')}")
        for end in SQLITE_SUFFIXES:
            with suppress(FileNotFoundError):
                Path(f"{file}{end}").rename(f"{aside}{end}")
                Path(f"{aside}{end}").touch()  # its age counts from here
        new.rename(file)
        fsync_dir(data_dir())
    finally:
        for left in (new, copy):
            for end in SQLITE_SUFFIXES:
                Path(f"{left}{end}").unlink(missing_ok=True)
    return RepairResult(aside, saved, gaps)


def _find_users(file: Path) -> list[int]:
    """Numbers of the processes that have it open, as far as we may see."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if any(Path(one.path) == file.absolute() for one in process.open_files()):
                found.append(process.pid)
    return found


def _is_intact(file: Path) -> bool:
    with closing(sqlite3.connect(file)) as sql:
        try:
            return sql.execute("PRAGMA integrity_check(1)").fetchall() == [("ok",)]
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            return False


def _salvage(old: Path, new: Path) -> tuple[dict[str, int], int]:
    made = Store(f"sqlite:///{new}")
    made.engine.dispose()
    saved, gaps = {}, 0
    with closing(sqlite3.connect(old)) as source, closing(sqlite3.connect(new)) as target:
        source.execute("PRAGMA writable_schema = ON")  # reads a file that is shorter than it says
        for table in metadata.sorted_tables:
            saved[table.name] = 0
            try:
                there = {row[1] for row in source.execute(f"PRAGMA table_info({table.name})")}
            except (sqlite3.DatabaseError, UnicodeDecodeError):  # not even what tables there are
                gaps += 1
                continue
            names = [column.name for column in table.columns if column.name in there]
            if not names:
                continue
            marks = ", ".join("?" * len(names))
            into = f"INSERT OR IGNORE INTO {table.name} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608, names of our own
            for row in _read_rows(source, table.name, names):
                if row is None or not _is_readable_row(table, dict(zip(names, row, strict=True))):
                    gaps += 1
                    continue
                with suppress(sqlite3.IntegrityError):
                    saved[table.name] += target.execute(into, row).rowcount
        target.commit()
    return saved, gaps


def _read_rows(sql: sqlite3.Connection, table: str, names: list[str]) -> Iterator[tuple | None]:
    """What can be read of `table`; None for each stretch that cannot."""
    select = f"SELECT rowid, {', '.join(names)} FROM {table} WHERE rowid > ? AND rowid < ?"  # noqa: S608
    at, ahead, end = -1, 0, 2**62
    while ahead < MAX_SKIPPED_ROWS:
        before = at
        for number, *row in _read_until_damage(sql, f"{select} ORDER BY rowid", at + ahead, end):
            if number is None:  # damaged from here on
                break
            if ahead:  # beyond what is damaged: from here back to it
                yield from _read_backwards(sql, select, at, number)
            at, ahead = number, 0
            yield tuple(row)
        else:
            if ahead:
                yield from _read_backwards(sql, select, at, end)
            return
        if not ahead or at != before:
            yield None
        ahead = max(1, 2 * ahead)


def _read_backwards(
    sql: sqlite3.Connection, select: str, above: int, below: int
) -> Iterator[tuple]:
    for number, *row in _read_until_damage(sql, f"{select} ORDER BY rowid DESC", above, below):
        if number is not None:
            yield tuple(row)


def _read_until_damage(
    sql: sqlite3.Connection, query: str, above: int, below: int
) -> Iterator[tuple | list]:
    """Rows with their numbers; a last one, numbered None, where no more can be read."""
    downwards = query.endswith("DESC")
    for limit in ("", " LIMIT 1"):  # one by one, since all at once is a row ahead of what it gives
        try:
            while True:
                number = None
                for number, *row in sql.execute(query + limit, (above, below)):
                    above, below = (above, number) if downwards else (number, below)
                    yield number, *row
                if not limit or number is None:
                    return
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            continue
    yield (None,)


def _is_readable_row(table: Table, row: dict[str, Any]) -> bool:
    """Whether a page can read it: a damaged page may still look like rows."""
    try:
        for name, value in row.items():
            kind = table.c[name].type
            if value is None:
                if not table.c[name].nullable:
                    return False
            elif isinstance(kind, JSON) or (table.name, name) == ("events", "event"):
                json.loads(value)
            elif isinstance(kind, Float):
                float(value)
    except (ValueError, TypeError):
        return False
    return True
