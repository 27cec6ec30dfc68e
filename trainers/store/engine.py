"""Connections: SQLite in the data folder, or a PostgreSQL that several app servers share.

Every wait for a server has a time limit: a page must never hang for minutes.
"""

import json
import logging
import re
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Engine,
    Float,
    create_engine,
    event as sql_event,
    func,
    literal_column,
    select,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from trainers.system.errors import CONNECTION_ERRORS, StoreUnavailable, user_message

# The app has up to 20 connections, a worker three or four. PostgreSQL serves 100 by default.
POOL_SIZE, MAX_OVERFLOW = 5, 15
CONNECT_TIMEOUT_SECONDS = 5  # to reach the server, and to wait for a free connection
STATEMENT_TIMEOUT_SECONDS = 30  # SQLite: to wait for its lock
# A server that was cut off is noticed within some 15 seconds.
TCP_KEEPALIVE = {"keepalives_idle": 5, "keepalives_interval": 3, "keepalives_count": 3}
# How long a run retries while the database is away or its disk is full.
MAX_RETRY_SECONDS, RETRY_INTERVAL_SECONDS = 3600.0, 0.2
T = TypeVar("T")


class DatabaseUnavailable(StoreUnavailable):
    """The text says why, and what to do."""


def connect(url: str) -> Engine:
    """Return an engine for `url`, not connected yet. Raises `DatabaseUnavailable`."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseUnavailable(
            "THAW_DATABASE_URL is no address of a database. Write it as "
            "postgresql://user:password@host/database, or leave it out."
        ) from None
    if parsed.drivername == "sqlite":
        engine = create_engine(parsed, connect_args={"timeout": STATEMENT_TIMEOUT_SECONDS})
        sql_event.listen(engine, "connect", _configure_sqlite)
        return engine
    if parsed.drivername not in ("postgres", "postgresql", "postgresql+psycopg"):
        raise DatabaseUnavailable(
            f"THAW_DATABASE_URL names {parsed.drivername!r}. Thaw knows SQLite and PostgreSQL: "
            "sqlite:///file or postgresql://user:password@host/database."
        )
    return _connect_postgres(parsed)


def _connect_postgres(url: URL) -> Engine:
    options = (
        f"-c statement_timeout={STATEMENT_TIMEOUT_SECONDS}s "
        f"-c lock_timeout={STATEMENT_TIMEOUT_SECONDS // 2}s "
        f"-c idle_in_transaction_session_timeout={2 * STATEMENT_TIMEOUT_SECONDS}s"
    )
    settings = {"connect_timeout": CONNECT_TIMEOUT_SECONDS, "options": options, **TCP_KEEPALIVE}
    settings["tcp_user_timeout"] = 1000 * STATEMENT_TIMEOUT_SECONDS // 2
    try:
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args={name: settings[name] for name in settings.keys() - url.query.keys()},
            pool_pre_ping=True,
            pool_size=POOL_SIZE,
            max_overflow=MAX_OVERFLOW,
            pool_timeout=CONNECT_TIMEOUT_SECONDS,
            json_serializer=_dump_json,
        )
    except ModuleNotFoundError:
        raise DatabaseUnavailable(
            "THAW_DATABASE_URL names a PostgreSQL, and what talks to it is not installed: "
            'pip install "thaw[postgres]".'
        ) from None
    sql_event.listen(engine, "connect", _configure_postgres)
    return engine


def is_shared(engine: Engine) -> bool:
    """Return whether processes on several computers may use the database."""
    return engine.dialect.name != "sqlite"


def server_time(engine: Engine) -> float | ColumnElement[float]:
    """Return the seconds since 1970 by the database's clock, as a value for a query."""
    if is_shared(engine):
        return literal_column("extract(epoch FROM clock_timestamp())", Float)
    return time.time()


def retry(
    query: Callable[[], T], kinds: tuple[type[SQLAlchemyError], ...] = CONNECTION_ERRORS
) -> T:
    """Call `query` until it raises none of `kinds`, for at most `MAX_RETRY_SECONDS`.

    For workers: no page may wait like this.
    """
    began, warned = time.monotonic(), False
    while True:
        try:
            return query()
        except kinds as error:
            if not warned:
                logging.warning("A run waits for the database. %s", user_message(error))
            warned = True
            if time.monotonic() - began > MAX_RETRY_SECONDS:
                raise
            time.sleep(RETRY_INTERVAL_SECONDS)


@contextmanager
def advisory_lock(engine: Engine, name: str) -> Iterator[None]:
    """Let one app server at a time run the block. Threads of one process need a lock besides."""
    if not is_shared(engine):
        yield
        return
    with engine.begin() as sql:  # its end, however it comes, releases the lock
        sql.execute(select(func.pg_advisory_xact_lock(zlib.crc32(name.encode()))))
        yield


def _configure_sqlite(connection: Any, _: Any) -> None:
    # WAL: pages read while a worker writes. NORMAL: after a power cut the file is intact, but what
    # was written since the last checkpoint may be gone (sqlite.org/pragma.html#pragma_synchronous);
    # FULL would wait for the disk twenty times a second, so `EventLog.append` uses it for the end
    # of a run only. secure_delete overwrites most deleted bytes: see trainers/hosting/erase.py.
    for setting in ("journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON"):
        connection.execute(f"PRAGMA {setting}").close()


def _configure_postgres(connection: Any, _: Any) -> None:
    """Drop NUL characters from every string: PostgreSQL refuses them, even in a search."""
    from psycopg.types.string import StrDumperUnknown

    class WithoutNul(StrDumperUnknown):
        def dump(self, text: str) -> Any:
            return super().dump(text.replace("\0", ""))

    connection.adapters.register_dumper(str, WithoutNul)


def _dump_json(value: Any) -> str:
    # Only after an even number of backslashes: otherwise the last one belongs to the text.
    return re.sub(r"(?<!\\)((?:\\\\)*)\\u0000", r"\1", json.dumps(value))
