"""Deletion of a visitor's data: afterwards no byte of it remains under `THAW_HOME`.

- Rows and files are deleted at once, or after an hour for a run that can be restored
  (`Store.purge_deleted`).
- SQLite keeps deleted rows in its pages and write-ahead log until `scrub` rewrites the file, a
  minute or two later, and replaces the backups. (`secure_delete` alone is not enough: page splits
  left a copy of about 1 in 2,000 deleted rows.)
- PostgreSQL's tables are rewritten, too, but those above `MAX_VACUUM_FULL_BYTES` are only vacuumed:
  their bytes stay until they are overwritten. Its WAL, replicas and backups are the operator's.
- Serving processes release a deleted model within half a minute.
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

CANCEL_GRACE_SECONDS = 600  # for a cancelled job to end before its rows go. Our choice
# Larger PostgreSQL tables are not rewritten, since nobody can read them meanwhile. Our choice.
MAX_VACUUM_FULL_BYTES = 256 * 10**6
LOCK_TIMEOUT_SECONDS = 5  # while it waits for the table's lock, pages wait behind it


def erase_data(key: str) -> None:
    """Delete an upload, and its examples in the events of runs. Raises `UnknownKey`."""
    with suppress(LookupError):  # damaged, so its draft is unknown
        inbox.delete_draft(uploads.get_upload(key).draft_key)
    uploads.delete(key)
    get_store().erase_examples(key)


def erase_visitor(visitor: str) -> None:
    """Delete all runs, data, links and room memberships of the visitor, without a way back.

    Running jobs are cancelled, and their rows deleted after `CANCEL_GRACE_SECONDS`.
    """
    keys = {data.key for data in list_own_data(visitor)}
    if object_store.storage_url():  # uploads on other servers that cannot be fetched now
        keys |= get_store().datasets_imported_by(visitor)
    for draft in (data_dir() / "inbox").glob("*"):
        if inbox.read_owner(draft) == visitor:
            inbox.delete_draft(draft.name)
    mine = runs.c.visitor == visitor
    with get_store().engine.connect() as sql:
        unfinished = sql.scalars(
            select(runs.c.id).where(mine, runs.c.state.not_in(END_STATES))
        ).all()
    for run in unfinished:
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
        except UnknownKey:  # neither here nor in the object store
            get_store().erase_examples(key)
        shutil.rmtree(data_dir() / "data" / key.removeprefix("own-"), ignore_errors=True)
        object_store.delete(object_store.DATA, key.removeprefix("own-"))
    get_store().purge_deleted()


def scrub() -> bool:
    """Rewrite the database if something was deleted; return False if it must be tried again."""
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
    except (sqlite3.Error, OSError) as error:  # locked, or the disk is full: try again later
        logging.warning("What was deleted is still in the database's file: %s", error)
        busy = True
    if busy:
        scrub_marker_path().touch()
    return not busy


def _scrub_tables(engine: Engine) -> bool:
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as sql:
            sql.detach()  # the timeouts set here must not return to the pool
            sql.execute(text("SET statement_timeout = 0"))
            sql.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'"))
            for table in metadata.sorted_tables:
                size = sql.scalar(select(func.pg_total_relation_size(table.name)))
                full = "FULL, " if size < MAX_VACUUM_FULL_BYTES else ""
                sql.execute(text(f"VACUUM ({full}ANALYZE) {table.name}"))
            # Column statistics hold sample values. (Seen: names of deleted runs.)
            sql.execute(text("VACUUM (FULL) pg_statistic"))
    except (
        SQLAlchemyError
    ) as error:  # a reader holds a lock, or the server is away: try again later
        logging.warning("What was deleted is still in the database's files: %s", error)
        scrub_marker_path().touch()
        return False
    return True
