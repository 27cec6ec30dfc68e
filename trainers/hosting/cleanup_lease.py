"""The lease for the clean-up and the start of the current age settings: a row per data folder."""

import time
import zlib
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from trainers.store import get_store
from trainers.store.engine import is_shared
from trainers.store.tables import cleanup_leases
from trainers.system.paths import data_dir_id
from trainers.system.settings import get_settings

CLEANUP_INTERVAL_SECONDS = 3600
AGE_SETTINGS = ("keep_models_days", "keep_runs_days", "keep_data_days")


def get_policy_start() -> float:
    """Return when the current age settings were first seen, which is recorded here."""
    ages = ",".join(f"{getattr(get_settings(), key):g}" for key in AGE_SETTINGS)
    now = time.time()
    row = {"id": _lease_id(), "expires_at": 0.0, "retention_days": ages, "valid_since": now}
    row["used_bytes"] = 0.0
    with get_store().engine.begin() as sql:
        stored = sql.execute(
            select(cleanup_leases.c.retention_days, cleanup_leases.c.valid_since).where(
                is_own_lease()
            )
        ).first()
        if stored and stored.retention_days == ages:
            return stored.valid_since
        if stored:
            sql.execute(
                update(cleanup_leases)
                .where(is_own_lease())
                .values(retention_days=ages, valid_since=now)
            )
            return now
    try:
        with get_store().engine.begin() as sql:
            sql.execute(insert(cleanup_leases).values(row))
    except IntegrityError:  # another process was faster
        pass
    return now


def _lease_id() -> int:
    """Return the id of this data folder's row; several folders share a PostgreSQL database."""
    return zlib.crc32(data_dir_id().encode()) >> 1 if is_shared(get_store().engine) else 1


def is_own_lease() -> Any:
    return cleanup_leases.c.id == _lease_id()


def acquire_lease() -> bool:
    """Return whether this process may clean up now: one app of a data folder, once an hour."""
    get_policy_start()  # creates the row
    now = time.time()
    with get_store().engine.begin() as sql:
        # An expiry further ahead was written before the clock was set back.
        due = (cleanup_leases.c.expires_at < now) | (
            cleanup_leases.c.expires_at > now + CLEANUP_INTERVAL_SECONDS
        )
        mine = (
            update(cleanup_leases)
            .where(is_own_lease(), due)
            .values(expires_at=now + CLEANUP_INTERVAL_SECONDS)
        )
        return sql.execute(mine).rowcount == 1
