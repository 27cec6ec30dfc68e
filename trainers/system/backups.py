"""Backups of the SQLite database, in `backups/` beside it, and going back to one.

A backup is made before each upgrade of the tables and daily while the app runs. The newest
`MAX_BACKUPS` stay. When rows were deleted for good, all of them are replaced by a new one
(hosting/erase.py), so that no backup brings deleted data back.
"""

import shutil
import sqlite3
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import psutil
from sqlalchemy.engine import make_url

from trainers.system.atomic import PARTIAL_SUFFIX, atomic_write, fsync_dir
from trainers.system.paths import data_dir_path
from trainers.system.settings import get_settings

MAX_BACKUPS = 3
BACKUP_INTERVAL_SECONDS = 24 * 3600.0
SQLITE_SUFFIXES = ("", "-wal", "-shm")  # SQLite keeps one database in these files


class CannotRestore(RuntimeError):
    """The text says why, and what to do."""


class DamagedDatabase(sqlite3.DatabaseError):
    """A database that is not worth a backup."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


class Restored(NamedTuple):
    backup: Path
    damaged: Path | None  # where the damaged file was moved, unchanged


def database_path() -> Path | None:
    """Return the file of the SQLite database; None for another database."""
    url = make_url(get_settings().database_url or f"sqlite:///{data_dir_path() / 'thaw.db'}")
    return Path(url.database) if url.drivername.startswith("sqlite") and url.database else None


def list_backups(file: Path) -> list[Path]:
    """Return the backups of the database `file`, newest first."""
    backups = [*_backup_dir(file).glob(f"{file.name}.*[0-9]")]
    backups += file.parent.glob(f"{file.name}.before-*")  # where version 0.1.0 put them
    dated = []
    for backup in backups:
        with suppress(FileNotFoundError):  # another process deleted it
            dated.append((backup.stat().st_mtime_ns, backup))
    return [backup for _, backup in sorted(dated, reverse=True)]


def list_damaged(file: Path) -> list[Path]:
    """Return the damaged databases that `restore_backup` moved aside."""
    return sorted(file.parent.glob(f"{file.name}.damaged-*"))


def back_up(file: Path, *, keep: int = MAX_BACKUPS) -> Path:
    """Back up the database `file`, which may be in use; then only the newest `keep` backups stay.

    Raises `DamagedDatabase`, and deletes no backup then; also `sqlite3.Error` and `OSError`.
    """
    backup = _backup_dir(file) / f"{file.name}.{_time_stamp()}"
    with atomic_write(backup, apart=True) as draft:
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(draft)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # a single file
        if not _check(draft, "quick_check"):
            raise DamagedDatabase(f"{file} is damaged.")
    for old in list_backups(file)[keep:]:
        old.unlink(missing_ok=True)
    return backup


def replace_backups(file: Path) -> None:
    """Make a new backup and delete all others, finished or not: they hold deleted rows."""
    back_up(file, keep=1)
    for draft in _backup_dir(file).glob(f"*{PARTIAL_SUFFIX}"):
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            draft.unlink(missing_ok=True)


def is_backup_due(file: Path) -> bool:
    newest = list_backups(file)[:1]
    # In the future: the clock was set back since.
    return not newest or abs(time.time() - newest[0].stat().st_mtime) > BACKUP_INTERVAL_SECONDS


def is_intact(file: Path) -> bool:
    return _check(file, "integrity_check")


def _check(file: Path, pragma: str) -> bool:
    try:
        with closing(sqlite3.connect(file)) as sql:
            return sql.execute(f"PRAGMA {pragma}(1)").fetchall() == [("ok",)]
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return False


def describe_newest_backup(file: Path) -> str:
    """Return "of <when> (<path>)" for the newest backup; "" without one."""
    for backup in list_backups(file)[:1]:
        with suppress(FileNotFoundError):
            made = time.localtime(backup.stat().st_mtime)
            return f"of {time.strftime('%Y-%m-%d %H:%M', made)} ({backup})"
    return ""


def restore_backup() -> Restored | None:
    """Put the newest intact backup in the place of a damaged database, which is moved aside.

    None if the database is intact: then nothing changes. Raises `CannotRestore`.
    """
    file = database_path()
    if file is None:
        raise CannotRestore(
            "The database is not a file of Thaw's. Ask the operator of its server for a backup."
        )
    if users := _find_users(file):
        raise CannotRestore(f"{file} is in use (process {users[0]}). Close Thaw, and try again.")
    if file.exists() and _is_intact_unopened(file):
        return None
    backup = next(filter(is_intact, list_backups(file)), None)
    if backup is None:
        raise CannotRestore(
            f"{file} has no intact backup. .github/docs/database.md says how to save what can "
            "still be read. To start with an empty database, move the file away."
        )
    damaged = _move_aside(file) if file.exists() else None
    with atomic_write(file, apart=True) as draft:
        shutil.copyfile(backup, draft)
    return Restored(backup, damaged)


def _move_aside(file: Path) -> Path:
    damaged = file.with_name(f"{file.name}.damaged-{_time_stamp()}")
    for suffix in SQLITE_SUFFIXES:
        with suppress(FileNotFoundError):
            Path(f"{file}{suffix}").rename(f"{damaged}{suffix}")
            Path(f"{damaged}{suffix}").touch()  # retention counts its age from here
    fsync_dir(file.parent)
    return damaged


def _is_intact_unopened(file: Path) -> bool:
    """Check a copy: opening the database itself would write its log into the file."""
    _backup_dir(file).mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(PARTIAL_SUFFIX, dir=_backup_dir(file)) as folder:
        copy = Path(folder) / file.name
        for suffix in SQLITE_SUFFIXES[:2]:
            with suppress(FileNotFoundError):
                shutil.copyfile(f"{file}{suffix}", f"{copy}{suffix}")
        return is_intact(copy)


def _find_users(file: Path) -> list[int]:
    """Return the ids of processes that have `file` open, as far as we may see."""
    users = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if any(Path(opened.path) == file.absolute() for opened in process.open_files()):
                users.append(process.pid)
    return users


def _time_stamp() -> str:
    return time.strftime("%Y-%m-%d-%H%M%S")


def _backup_dir(file: Path) -> Path:
    return file.parent / "backups"
