"""The database: runs and other jobs, their events, the queue and the workers.

A run, a comparison, a data check: every job (trainers/jobs.py) is a row of `runs`. It waits, is
claimed by a worker, appends its events and ends. The tables stand in tables.py; beside it, each
module holds one service, and `Store` is all of them on one database.
"""

import sqlite3
from functools import cache

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from trainers.datasets.uploads import inbox
from trainers.store import engine, migrations
from trainers.store.deletion import UNDO_SECONDS, Deletion, scrub_marker_path
from trainers.store.event_log import END_EVENTS
from trainers.store.history import SORT_ORDERS, History
from trainers.store.queue import Queue
from trainers.store.rows import HISTORY_KINDS, Run, RunNotFound, RunSummary, data_title
from trainers.store.runs import Runs
from trainers.store.tables import (
    CANCELLED,
    END_STATES,
    FAILED,
    FINISHED,
    QUEUED,
    RUNNING,
    metadata,
    runs as runs_table,
)
from trainers.store.wait_estimate import WaitEstimate
from trainers.store.workers import HEARTBEAT_TIMEOUT_SECONDS, Workers
from trainers.system import feature_cache, object_store
from trainers.system.errors import StoreUnavailable, open_database_url, user_message
from trainers.system.paths import bundle_path

__all__ = [
    "CANCELLED",
    "END_EVENTS",
    "END_STATES",
    "FAILED",
    "FINISHED",
    "HEARTBEAT_TIMEOUT_SECONDS",
    "HISTORY_KINDS",
    "QUEUED",
    "RUNNING",
    "SORT_ORDERS",
    "UNDO_SECONDS",
    "Run",
    "RunNotFound",
    "RunSummary",
    "Store",
    "WaitEstimate",
    "data_title",
    "get_store",
    "scrub_marker_path",
]


class Store(Runs, Queue, History, Deletion, Workers):
    """Every service on one database. Safe to use from several threads and processes."""

    def __init__(self, url: str) -> None:
        """Connect to `url` and upgrade its tables. Raises `DatabaseUnavailable`."""
        super().__init__(engine.connect(url))
        migrations.upgrade(self.engine, metadata)


@cache
def get_store() -> Store:
    """Return this process's store, at `database_url()`. Raises `StoreUnavailable`."""
    url = open_database_url()
    object_store.connect(is_run_deleted=_is_run_deleted, delete_derived=_delete_derived)
    try:
        return Store(url)
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        if text := user_message(error):
            raise StoreUnavailable(text) from error
        raise


def _is_run_deleted(run: str) -> bool:
    with get_store().engine.connect() as sql:
        return sql.scalar(select(runs_table.c.id).where(runs_table.c.id == run)) is None


def _delete_derived(key: str, draft: str) -> None:
    """Delete what was made here of an upload that another app server deleted."""
    subject = f"own-{key}"
    inbox.delete_draft(draft)
    feature_cache.delete(subject)
    with get_store().engine.connect() as sql:
        about = select(runs_table.c.id).where(runs_table.c.subject == subject)
        for run in sql.scalars(about).all():
            bundle_path(run).unlink(missing_ok=True)  # it holds a few examples
