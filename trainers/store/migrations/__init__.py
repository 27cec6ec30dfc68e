"""Upgrade a database to the tables of this version, whenever a store is opened.

Each change of a table is a file in `versions/` (`alembic revision --autogenerate -m "what"`), and
`HEAD` is the last of them. A database that is at `HEAD` is opened without importing Alembic.
"""

from pathlib import Path

from sqlalchemy import Connection, Engine, MetaData, inspect, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from trainers.store.engine import DatabaseUnavailable, is_shared
from trainers.system.backups import back_up

HEAD = "0004"
VERSION_TABLE = "alembic_version"
LOCK_ID = 7_480_107  # arbitrary: the number of PostgreSQL's advisory lock for upgrades


def upgrade(engine: Engine, tables: MetaData) -> None:
    """Create the tables of a new database, or back up and change those of an older one.

    All of it happens or nothing, in one of several processes. Raises `DatabaseUnavailable` for a
    database of a newer version, and leaves it as it is.
    """
    try:
        if _read_version(engine) != HEAD:
            with engine.begin() as sql:
                _lock(sql)
                _upgrade_tables(engine, sql, tables)
    except BaseException:
        engine.dispose()
        raise


def _read_version(engine: Engine) -> str | None:
    """Return the version that the database is stamped with."""
    with engine.connect() as sql:
        try:
            return sql.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608, ours
        except (OperationalError, ProgrammingError):  # no such table, or no connection
            sql.rollback()
            if inspect(sql).has_table(VERSION_TABLE):
                raise
            return None


def _lock(sql: Connection) -> None:
    """Keep others from changing the tables until this transaction ends, without a time limit."""
    if is_shared(sql.engine):
        for limit in ("statement", "lock", "idle_in_transaction_session"):
            sql.execute(text(f"SET LOCAL {limit}_timeout = 0"))
        sql.execute(text(f"SELECT pg_advisory_xact_lock({LOCK_ID})"))
    else:
        sql.exec_driver_sql("BEGIN IMMEDIATE")  # sqlite3 itself begins only at the first write


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
        if not is_shared(engine) and engine.url.database:  # a server's operator has backups
            back_up(Path(engine.url.database))
        command.upgrade(config, "head")
    else:
        tables.create_all(sql)
        command.stamp(config, "head")
