"""The engine of the store: SQLite in the data folder, or a PostgreSQL that app servers share.

A page must never hang for minutes because a server is gone: each wait for it has an end.
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
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from trainers.system.errors import CONNECTION_ERRORS, StoreUnavailable, user_message

# All ours. A process of the app has up to 20 connections, a worker three or four; a PostgreSQL as
# it is installed serves 100.
POOL_SIZE, MAX_OVERFLOW = 5, 15
CONNECT_TIMEOUT_SECONDS = 5  # to reach the server, and for a connection that is free
STATEMENT_TIMEOUT_SECONDS = 30  # for an answer; SQLite: for its lock
# TCP: a server that was cut off is noticed within some 15 seconds.
TCP_KEEPALIVE = {"keepalives_idle": 5, "keepalives_interval": 3, "keepalives_count": 3}
# That a run waits for a database which takes nothing: so long may a disk be full, or a server be
# away. And between two tries.
MAX_RETRY_SECONDS, RETRY_INTERVAL_SECONDS = 3600.0, 0.2
T = TypeVar("T")


class DatabaseUnavailable(StoreUnavailable):
    """A database that cannot be used; the text says why, and what to do."""


def connect(url: str) -> Engine:
    """An engine for `url`; nothing is asked of the database yet. Raises `NoDatabase`."""
    try:
        told = make_url(url)
    except ArgumentError:
        raise DatabaseUnavailable(
            "THAW_DATABASE_URL is no address of a database. Write it as "
            "postgresql://user:password@host/database, or leave it out."
        ) from None
    if told.drivername == "sqlite":
        engine = create_engine(told, connect_args={"timeout": STATEMENT_TIMEOUT_SECONDS})
        sql_event.listen(engine, "connect", _configure_sqlite)
        return engine
    if told.drivername not in ("postgres", "postgresql", "postgresql+psycopg"):
        raise DatabaseUnavailable(
            f"THAW_DATABASE_URL names {told.drivername!r}. Thaw knows SQLite and PostgreSQL: "
            "sqlite:///file or postgresql://user:password@host/database."
        )
    limits = (
        f"-c statement_timeout={STATEMENT_TIMEOUT_SECONDS}s -c "
        f"lock_timeout={STATEMENT_TIMEOUT_SECONDS // 2}s"
    )
    limits += f" -c idle_in_transaction_session_timeout={2 * STATEMENT_TIMEOUT_SECONDS}s"
    waits = {"connect_timeout": CONNECT_TIMEOUT_SECONDS, "options": limits, **TCP_KEEPALIVE}
    waits["tcp_user_timeout"] = 1000 * STATEMENT_TIMEOUT_SECONDS // 2
    try:
        engine = create_engine(
            told.set(drivername="postgresql+psycopg"),
            connect_args={name: waits[name] for name in waits.keys() - told.query.keys()},
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
    """Whether processes on several computers may use the database."""
    return engine.dialect.name != "sqlite"


def server_time(engine: Engine) -> float | ColumnElement[float]:
    """Seconds since 1970 for heartbeats, as a value of a query: on one clock, whoever asks."""
    if is_shared(engine):
        return literal_column("extract(epoch FROM clock_timestamp())", Float)
    return time.time()


def retry(ask: Callable[[], T], kinds: tuple[type[SQLAlchemyError], ...] = CONNECTION_ERRORS) -> T:
    """What `ask` gives, tried again while it raises one of these `kinds`, for `PATIENCE_SECONDS`.
    For workers: no page may wait like this."""
    began, warned = time.monotonic(), False
    while True:
        try:
            return ask()
        except kinds as error:
            if not warned:
                logging.warning("A run waits for the database. %s", user_message(error))
            warned = True
            if time.monotonic() - began > MAX_RETRY_SECONDS:
                raise
            time.sleep(RETRY_INTERVAL_SECONDS)


@contextmanager
def advisory_lock(engine: Engine, what: str) -> Iterator[None]:
    """Of all app servers that share the database, one is in here at a time. (Of the threads of
    one process that is for a lock of its own.)"""
    if not is_shared(engine):
        yield
        return
    with engine.begin() as sql:  # whose end, in whatever way, gives the lock back
        sql.execute(select(func.pg_advisory_xact_lock(zlib.crc32(what.encode()))))
        yield


def _configure_sqlite(connection: Any, _: Any) -> None:
    # WAL: pages read while a worker writes. NORMAL: the file is whole after a power cut, but what
    # was written since the last checkpoint may be gone (sqlite.org/pragma.html#pragma_synchronous),
    # and nobody waits for the disk twenty times a second; `append` makes sure of a run's end.
    # What is deleted is overwritten; the rest is for trainers/hosting/erase.py.
    for setting in ("journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON"):
        connection.execute(f"PRAGMA {setting}").close()


def _configure_postgres(connection: Any, _: Any) -> None:
    """PostgreSQL keeps no zero sign, and refuses what has one, also where it is looked for: an
    address that somebody made up."""
    from psycopg.types.string import StrDumperUnknown

    class WithoutZero(StrDumperUnknown):
        def dump(self, text: str) -> Any:
            return super().dump(text.replace("\0", ""))

    connection.adapters.register_dumper(str, WithoutZero)


def _dump_json(value: Any) -> str:
    # An even number of backslashes before it: else the last one is part of the text.
    return re.sub(r"(?<!\\)((?:\\\\)*)\\u0000", r"\1", json.dumps(value))
