"""The end of what a visitor had: deleted means that no byte of it stays under `THAW_HOME`.

Rows go at once or, for a run that can be brought back, an hour later (`Store.sweep`); files with
them. What SQLite then still has of them in its pages and its write-ahead log goes when its file is
written anew, within a minute or two: `scrub`; with it go the copies that upgrades kept.
(`secure_delete` alone leaves copies that were made when a page was split: tried, 1 of some 2,000
deleted rows.) Of a PostgreSQL the tables are written anew likewise, those above `WHOLE_BYTES` only
cleared of what was deleted: its bytes stay in their gaps until something else is written there.
What PostgreSQL keeps besides its tables is left to whoever runs it: its log of changes (WAL,
written over in turn), copies on other servers, backups. Processes that answer let go of a deleted
model within half a minute.
"""

import logging
import shutil
import sqlite3
import time
from contextlib import closing, suppress

from sqlalchemy import Engine, delete, func, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from trainers.datasets import uploads
from trainers.datasets.uploads import inbox
from trainers.hosting.rooms import rooms
from trainers.store import OVER, UNDO_SECONDS, migrations, store, to_scrub
from trainers.store.engine import is_shared
from trainers.store.tables import answered, metadata, runs, shares, wanted
from trainers.system import object_store
from trainers.system.paths import home
from trainers.system.registry import UnknownKey

AT_WORK_SECONDS = 600  # that a cancelled job may take to end; then its rows go. Ours
# Of a PostgreSQL's table: while it is written anew, nobody reads it. Ours
WHOLE_BYTES = 256 * 10**6
LOCK_SECONDS = 5  # for the lock on it; pages wait behind who waits


def data(key: str) -> None:
    """Deletes a visitor's own data, and what runs on it kept of its examples. Raises
    `UnknownKey`."""
    with suppress(LookupError):  # damaged, so what it was brought as is not known
        inbox.forget(uploads.sample(key).draft)
    uploads.forget(key)
    store().forget_examples(key)


def everything(visitor: str) -> None:
    """Deletes all that the visitor has: runs, data, links, places in rooms. It cannot be undone.
    What is at work is cancelled and goes when it has ended."""
    keys = {one.key for one in uploads.of(visitor)}
    if object_store.address():  # what came in elsewhere may be out of reach now: its rows name it
        keys |= store().read_by(visitor)
    for place in (home() / "inbox").glob("*"):
        if inbox.owner(place) == visitor:
            inbox.forget(place.name)
    mine = runs.c.visitor == visitor
    with store().engine.connect() as sql:
        waiting = sql.scalars(select(runs.c.id).where(mine, runs.c.state.not_in(OVER))).all()
    for run in waiting:
        store().cancel(run, visitor)
    with store().engine.begin() as sql:
        later = time.time() - UNDO_SECONDS + AT_WORK_SECONDS
        sql.execute(delete(shares).where(shares.c.run.in_(select(runs.c.id).where(mine))))
        sql.execute(update(runs).where(mine, runs.c.state.not_in(OVER)).values(deleted=later))
        sql.execute(update(runs).where(mine, runs.c.state.in_(OVER)).values(deleted=0.0))
        for table in (answered, wanted):
            sql.execute(delete(table).where(table.c.browser == visitor))
        sql.execute(delete(answered).where(answered.c.account == visitor))
    rooms().forget(visitor)
    for key in keys:
        try:
            data(key)
        except UnknownKey:  # it is not here, and cannot be brought
            store().forget_examples(key)
        shutil.rmtree(home() / "data" / key.removeprefix("own-"), ignore_errors=True)
        object_store.remove(object_store.DATA, key.removeprefix("own-"))
    store().sweep()


def scrub() -> bool:
    """Writes the database anew, where something was deleted since; False where that must wait."""
    engine = store().engine
    if not to_scrub().exists():
        return True
    for copy in migrations.copies(engine):  # the upgrade has worked, and they know what is deleted
        copy.unlink(missing_ok=True)
    to_scrub().unlink(missing_ok=True)
    if is_shared(engine):
        return _scrub_tables(engine)
    try:
        with closing(sqlite3.connect(engine.url.database, timeout=5, isolation_level=None)) as sql:
            sql.execute("VACUUM")
            busy, _, _ = sql.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:  # locked, or the disk is full: that passes
        logging.warning("What was deleted is still in the database's file: %s", error)
        busy = True
    if busy:
        to_scrub().touch()
    return not busy


def _scrub_tables(engine: Engine) -> bool:
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as sql:
            sql.detach()  # its limits are not for others
            sql.execute(text("SET statement_timeout = 0"))
            sql.execute(text(f"SET lock_timeout = '{LOCK_SECONDS}s'"))
            for table in metadata.sorted_tables:
                size = sql.scalar(select(func.pg_total_relation_size(table.name)))
                whole = "FULL, " if size < WHOLE_BYTES else ""
                sql.execute(text(f"VACUUM ({whole}ANALYZE) {table.name}"))
            # Its samples of our columns, just taken anew. (Seen: names of deleted runs.)
            sql.execute(text("VACUUM (FULL) pg_statistic"))
    except SQLAlchemyError as error:  # somebody reads, or it cannot be reached: that passes
        logging.warning("What was deleted is still in the database's files: %s", error)
        to_scrub().touch()
        return False
    return True
