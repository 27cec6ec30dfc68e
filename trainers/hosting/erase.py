"""The end of what a visitor had: deleted means that no byte of it stays under `THAW_HOME`.

Rows go at once or, for a run that can be brought back, an hour later (`Store.sweep`); files with
them. What SQLite then still has of them in its pages and its write-ahead log goes when its file is
written anew, within a minute or two: `scrub`; its backups are replaced by a new one then.
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
from pathlib import Path

from sqlalchemy import Engine, delete, func, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from trainers.datasets import uploads
from trainers.datasets.uploads import inbox
from trainers.hosting.own_data import list_own_data
from trainers.hosting.rooms import get_rooms
from trainers.store import END_STATES, UNDO_SECONDS, get_store, scrub_marker_path
from trainers.store.engine import is_shared
from trainers.store.tables import login_redirects, merge_answers, metadata, runs, share_links
from trainers.system import backups, object_store
from trainers.system.paths import data_dir
from trainers.system.registry import UnknownKey

CANCEL_GRACE_SECONDS = 600  # that a cancelled job may take to end; then its rows go. Ours
# Of a PostgreSQL's table: while it is written anew, nobody reads it. Ours
MAX_VACUUM_FULL_BYTES = 256 * 10**6
LOCK_TIMEOUT_SECONDS = 5  # for the lock on it; pages wait behind who waits


def erase_data(key: str) -> None:
    """Deletes a visitor's own data, and what runs on it kept of its examples. Raises
    `UnknownKey`."""
    with suppress(LookupError):  # damaged, so what it was brought as is not known
        inbox.delete_draft(uploads.get_upload(key).draft_key)
    uploads.delete(key)
    get_store().erase_examples(key)


def erase_visitor(visitor: str) -> None:
    """Deletes all that the visitor has: runs, data, links, places in rooms. It cannot be undone.
    What is at work is cancelled and goes when it has ended."""
    keys = {one.key for one in list_own_data(visitor)}
    if (
        object_store.storage_url()
    ):  # what came in elsewhere may be out of reach now: its rows name it
        keys |= get_store().datasets_imported_by(visitor)
    for place in (data_dir() / "inbox").glob("*"):
        if inbox.read_owner(place) == visitor:
            inbox.delete_draft(place.name)
    mine = runs.c.visitor == visitor
    with get_store().engine.connect() as sql:
        waiting = sql.scalars(select(runs.c.id).where(mine, runs.c.state.not_in(END_STATES))).all()
    for run in waiting:
        get_store().request_cancel(run, visitor)
    with get_store().engine.begin() as sql:
        later = time.time() - UNDO_SECONDS + CANCEL_GRACE_SECONDS
        sql.execute(
            delete(share_links).where(share_links.c.run_id.in_(select(runs.c.id).where(mine)))
        )
        sql.execute(
            update(runs).where(mine, runs.c.state.not_in(END_STATES)).values(deleted_at=later)
        )
        sql.execute(update(runs).where(mine, runs.c.state.in_(END_STATES)).values(deleted_at=0.0))
        for table in (merge_answers, login_redirects):
            sql.execute(delete(table).where(table.c.browser == visitor))
        sql.execute(delete(merge_answers).where(merge_answers.c.account == visitor))
    get_rooms().delete_visitor(visitor)
    for key in keys:
        try:
            erase_data(key)
        except UnknownKey:  # it is not here, and cannot be brought
            get_store().erase_examples(key)
        shutil.rmtree(data_dir() / "data" / key.removeprefix("own-"), ignore_errors=True)
        object_store.delete(object_store.DATA, key.removeprefix("own-"))
    get_store().purge_deleted()


def scrub() -> bool:
    """Writes the database anew, where something was deleted since; False where that must wait."""
    engine = get_store().engine
    if not scrub_marker_path().exists():
        return True
    scrub_marker_path().unlink(missing_ok=True)
    if is_shared(engine):
        return _scrub_tables(engine)
    try:
        with closing(sqlite3.connect(engine.url.database, timeout=5, isolation_level=None)) as sql:
            sql.execute("VACUUM")
            busy, _, _ = sql.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not busy:
            backups.replace_backups(Path(engine.url.database))
    except (sqlite3.Error, OSError) as error:  # locked, or the disk is full: that passes
        logging.warning("What was deleted is still in the database's file: %s", error)
        busy = True
    if busy:
        scrub_marker_path().touch()
    return not busy


def _scrub_tables(engine: Engine) -> bool:
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as sql:
            sql.detach()  # its limits are not for others
            sql.execute(text("SET statement_timeout = 0"))
            sql.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'"))
            for table in metadata.sorted_tables:
                size = sql.scalar(select(func.pg_total_relation_size(table.name)))
                whole = "FULL, " if size < MAX_VACUUM_FULL_BYTES else ""
                sql.execute(text(f"VACUUM ({whole}ANALYZE) {table.name}"))
            # Its samples of our columns, just taken anew. (Seen: names of deleted runs.)
            sql.execute(text("VACUUM (FULL) pg_statistic"))
    except SQLAlchemyError as error:  # somebody reads, or it cannot be reached: that passes
        logging.warning("What was deleted is still in the database's files: %s", error)
        scrub_marker_path().touch()
        return False
    return True
