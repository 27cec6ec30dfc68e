"""Hourly deletion of what has expired, and the daily backup, in a thread of the app."""

import logging
import shutil
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path

from sqlalchemy import delete, select, update

from trainers.hosting import erase
from trainers.hosting.cleanup_lease import CLEANUP_INTERVAL_SECONDS, acquire_lease, is_own_lease
from trainers.hosting.disk_usage import measure_disk_usage
from trainers.hosting.retention import DAY_SECONDS, Expiry, list_expired
from trainers.store import get_store
from trainers.store.tables import cleanup_leases, runs, share_links, usage
from trainers.system import backups, object_store
from trainers.system.paths import run_dir
from trainers.system.registry import UnknownKey

JOIN_TIMEOUT_SECONDS = 5.0  # how long the app waits for the thread at shutdown. Our choice


def clean_up() -> list[Expiry]:
    """Delete what has expired and return it. A run can be restored for an hour, as always."""
    expired = list(list_expired())
    for item in expired:
        match item.kind:
            case "run":
                _delete_run(item.key)
            case "model" if item.reason.startswith("older"):
                object_store.delete_run(item.key)
            case "model" | "left over":  # the local copy only, if there is an object store
                shutil.rmtree(run_dir(item.key), ignore_errors=True)
            case "data":
                with suppress(UnknownKey):  # deleted meanwhile
                    erase.erase_data(item.key)
            case "features" | "draft" | "copy":
                Path(item.key).unlink(missing_ok=True)
            case "weights":
                path = Path(item.key)
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
    with get_store().engine.begin() as sql:
        sql.execute(delete(usage).where(usage.c.started_at < time.time() - DAY_SECONDS))
        sql.execute(delete(share_links).where(share_links.c.run_id.not_in(select(runs.c.id))))
        sql.execute(
            update(cleanup_leases)
            .where(is_own_lease())
            .values(used_bytes=measure_disk_usage().limited_bytes)
        )
    return expired


def _delete_run(run: str) -> None:
    with get_store().engine.connect() as sql:
        visitor = sql.scalar(select(runs.c.visitor).where(runs.c.id == run))
    get_store().delete([run], visitor)


def back_up_daily() -> None:
    file = backups.database_path()
    if file and backups.is_backup_due(file):
        try:
            backups.back_up(file)
        except (sqlite3.Error, OSError) as error:  # the rest of the clean-up can still run
            logging.error("The database could not be backed up: %s", error)


class CleanupThread:
    """A context in which the clean-up runs in the background, as long as the app lives."""

    def __init__(self, first_seconds: float = 60.0) -> None:
        self.first_seconds = first_seconds  # leaves the start to the first page
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run_loop, daemon=True)

    def __enter__(self) -> "CleanupThread":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join(JOIN_TIMEOUT_SECONDS)  # may be waiting for a slow object store

    def _run_loop(self) -> None:
        wait = self.first_seconds
        while not self._closed.wait(wait):
            wait = min(CLEANUP_INTERVAL_SECONDS, 60.0)
            for step in (self._retry_uploads, erase.scrub, self._clean_up_hourly):
                if self._closed.is_set():
                    return
                try:
                    step()
                except Exception as error:  # nothing may end this thread
                    lines = str(error).strip().splitlines() or [""]
                    logging.error(
                        "Not all could be tidied up (%s: %s).", type(error).__name__, lines[0]
                    )

    def _retry_uploads(self) -> None:
        object_store.retry_pending(self._closed.is_set)

    def _clean_up_hourly(self) -> None:
        if acquire_lease():
            back_up_daily()
            object_store.refresh_all(self._closed.is_set)
            for item in clean_up():
                logging.info("Tidied up: %s, %d bytes, %s.", item.kind, item.size, item.reason)
