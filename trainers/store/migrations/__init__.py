"""The database brought up to the tables of this version: `bring_up`, whenever a store is opened.

Each change of a table is a file in `versions/` (`alembic revision --autogenerate -m "what"`), and
`HEAD` the last of them: that it is the database's is all that an opening asks. Then Alembic is
not even imported.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, Engine, MetaData, inspect, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from trainers.store.engine import DatabaseUnavailable, is_shared
from trainers.system.atomic import atomic_write

HEAD = "0004"
VERSION_TABLE = "alembic_version"
LOCK_ID = 7_480_107  # PostgreSQL's number for "migrates"; ours


def upgrade(engine: Engine, tables: MetaData) -> None:
    """Makes the tables of a new database, and changes those of an older one, of whose file a copy
    is kept. All of it or nothing, and of several processes one does it. Raises `NoDatabase` for a
    database of a newer version, and leaves it as it is."""
    try:
        if _read_version(engine) != HEAD:
            with engine.begin() as sql:
                _lock(sql)
                _upgrade_tables(engine, sql, tables)
    except BaseException:
        engine.dispose()
        raise


def _read_version(engine: Engine) -> str | None:
    """The version that the database says it has."""
    with engine.connect() as sql:
        try:
            return sql.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608, ours
        except (OperationalError, ProgrammingError):  # no such table, or nobody there
            sql.rollback()
            if inspect(sql).has_table(VERSION_TABLE):
                raise
            return None


def _lock(sql: Connection) -> None:
    """Nobody else changes the tables until this transaction ends, which may take its time."""
    if is_shared(sql.engine):
        for limit in ("statement", "lock", "idle_in_transaction_session"):
            sql.execute(text(f"SET LOCAL {limit}_timeout = 0"))
        sql.execute(text(f"SELECT pg_advisory_xact_lock({LOCK_ID})"))
    else:
        sql.exec_driver_sql("BEGIN IMMEDIATE")  # SQLite would begin at the first row, not before


def _upgrade_tables(engine: Engine, sql: Connection, tables: MetaData) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = sql
    stamp = MigrationContext.configure(sql).get_current_revision()
    if stamp == HEAD:  # another process was quicker
        return
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if stamp and stamp not in known:
        raise DatabaseUnavailable(
            f"This database was made by a newer Thaw: its tables are of version {stamp}, and this "
            f"Thaw knows those up to {HEAD}. Nothing was changed. Install the newer Thaw again, or "
            "start this one with another data folder (THAW_HOME) or database (THAW_DATABASE_URL)."
        )
    if stamp or inspect(sql).has_table("runs"):
        _back_up(engine)
        command.upgrade(config, "head")
    else:
        tables.create_all(sql)
        command.stamp(config, "head")


def list_backups(engine: Engine) -> list[Path]:
    """The copies that were kept of older versions. What is deleted is still in them: they go with
    the first thing that is (trainers/hosting/erase.py), else after a while (retention.py)."""
    if is_shared(engine) or not engine.url.database:
        return []
    file = Path(engine.url.database)
    return sorted(file.parent.glob(f"{file.name}.before-*"))


def _back_up(engine: Engine) -> None:
    """Of SQLite's file, beside it: who runs a PostgreSQL has backups of their own."""
    if is_shared(engine) or not engine.url.database:
        return
    file = Path(engine.url.database)
    copy = file.with_name(f"{file.name}.before-{HEAD}")
    with atomic_write(copy) as draft:
        draft.unlink(missing_ok=True)  # of a process that was killed
        with closing(sqlite3.connect(file)) as old, closing(sqlite3.connect(draft)) as new:
            old.backup(new)
