"""Backups of the SQLite database: when, how many, and of what. Restoring: tests/faults."""

import os
import sqlite3
import time
from contextlib import closing

import pytest

from trainers.hosting import cleanup
from trainers.store import get_store
from trainers.system import backups
from trainers.system.errors import user_message


@pytest.fixture
def database(tmp_path):
    """A database in use, whose only row is still in its write-ahead log."""
    file = tmp_path / "thaw.db"
    with closing(sqlite3.connect(file)) as sql:
        sql.execute("PRAGMA journal_mode=WAL")
        sql.execute("CREATE TABLE notes (text TEXT)")
        sql.execute("INSERT INTO notes VALUES ('a note')")
        sql.commit()
        yield file


def age(file, days: float) -> None:
    os.utime(file, (time.time() - days * 24 * 3600,) * 2)


def test_a_backup_is_one_file_with_all_that_was_committed(database):
    backup = backups.back_up(database)
    assert [file.name for file in backup.parent.iterdir()] == [backup.name]
    with closing(sqlite3.connect(backup)) as sql:
        assert sql.execute("SELECT text FROM notes").fetchall() == [("a note",)]


def test_the_newest_three_backups_stay(database):
    folder = database.parent / "backups"
    folder.mkdir()
    older = [folder / f"thaw.db.2026-01-0{day}-000000" for day in (1, 2, 3)]
    for days, backup in enumerate(reversed(older), 1):
        backup.touch()
        age(backup, days)
    of_0_1_0 = database.with_name("thaw.db.before-0003")
    of_0_1_0.touch()
    age(of_0_1_0, 30)
    of_another = folder / "other.db.2026-01-01-000000"
    of_another.touch()
    newest = backups.back_up(database)
    assert backups.list_backups(database) == [newest, older[2], older[1]]
    assert of_another.exists()


def test_a_damaged_database_replaces_no_backup(database):
    intact = backups.back_up(database)
    with closing(sqlite3.connect(database)) as sql:
        sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.write_bytes(b"no database " * 1000)
    with pytest.raises(sqlite3.DatabaseError) as error:
        backups.back_up(database, keep=0)
    assert "is damaged" in user_message(error.value)
    assert [*intact.parent.iterdir()] == [intact]


def test_one_is_due_when_the_newest_is_a_day_old(database):
    assert backups.is_backup_due(database)
    backup = backups.back_up(database)
    assert not backups.is_backup_due(database)
    for days in (1.1, -1.1):  # the clock was set back
        age(backup, days)
        assert backups.is_backup_due(database)


def test_replacing_deletes_the_others_also_unfinished_ones(database):
    old = backups.back_up(database)
    old = old.rename(old.with_name("thaw.db.2026-01-01-000000"))
    draft = old.with_name("thaw.db.2026-01-02-000000.part")
    draft.write_text("half")
    (old.parent / "check.part").mkdir()
    backups.replace_backups(database)
    (new,) = old.parent.iterdir()
    assert new not in (old, draft)


def test_the_app_makes_one_a_day(home):
    get_store()
    for _ in range(2):
        cleanup.back_up_daily()
    (backup,) = backups.list_backups(home / "thaw.db")
    assert backups.is_intact(backup)
