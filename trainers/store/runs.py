"""Runs and other jobs: find them, stop them, import them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, true, update

from trainers.events import Event, JobCancelled
from trainers.store.event_log import EventLog
from trainers.store.rows import (
    Run,
    RunNotFound,
    clean_name,
    clean_note,
    history_columns,
    new_row,
    run_from_row,
)
from trainers.store.tables import END_STATES, QUEUED, RUNNING, runs
from trainers.system.checkpoint_file import CHECKPOINT_FILE
from trainers.system.paths import run_dir


@dataclass(frozen=True, kw_only=True)
class ImportedRun:
    """A run that is over, from a file."""

    id: str  # cannot be guessed
    job: Any  # a Plan or a Comparison
    visitor: str
    events: Sequence[Event]
    name: str = ""
    note: str = ""
    created_at: float
    finished_at: float
    parent_id: str | None = None


class Runs(EventLog):
    """Runs and other jobs by their ids."""

    def get_run(self, run: str) -> Run:
        """Return the run with the id `run`. Raises `RunNotFound`."""
        present = select(runs).where(runs.c.id == run, runs.c.deleted_at.is_(None))
        with self.engine.connect() as sql:
            row = sql.execute(present).mappings().first()
        if row is None:
            raise RunNotFound(run)
        return run_from_row(row)

    def list_runs(self, visitor: str, limit: int = 50, kind: str = "run") -> list[Run]:
        """Return the visitor's runs, or jobs of another kind, newest first."""
        mine = select(runs).where(
            runs.c.visitor == visitor, runs.c.kind == kind, runs.c.deleted_at.is_(None)
        )
        newest = mine.order_by(runs.c.created_at.desc()).limit(limit)
        with self.engine.connect() as sql:
            return [run_from_row(row) for row in sql.execute(newest).mappings()]

    def find_latest(self, kind: str, subject: str) -> Run | None:
        """Return the newest job of this kind about `subject`, also if it was deleted."""
        matching = select(runs).where(runs.c.kind == kind, runs.c.subject == subject)
        newest = matching.order_by(runs.c.created_at.desc()).limit(1)
        with self.engine.connect() as sql:
            row = sql.execute(newest).mappings().first()
        return row and run_from_row(row)

    def datasets_imported_by(self, visitor: str) -> set[str]:
        """Return the keys of the data that the visitor's jobs imported, on any app server."""
        data = runs.c.result["found"]["data"].as_string()
        imports = (runs.c.kind == "read") & (runs.c.visitor == visitor) & data.is_not(None)
        with self.engine.connect() as sql:
            return set(sql.scalars(select(data).where(imports)))

    def request_stop(self, run: str, visitor: str | None = None) -> None:
        """Ask a run to end early with the best it has; one that never started is cancelled.

        With `visitor`, only if the run is theirs.
        """
        self._set_flag(run, "stop_requested", visitor)

    def request_cancel(self, run: str, visitor: str | None = None) -> None:
        """Ask a run to end at once, without a score. With `visitor`, only if it is theirs."""
        self._set_flag(run, "cancel_requested", visitor)

    def _set_flag(self, run: str, flag: str, visitor: str | None) -> None:
        this = (runs.c.id == run) & (runs.c.visitor == visitor if visitor else true())
        with self.engine.begin() as sql:
            sql.execute(update(runs).where(this).values({flag: True}))
            waiting = select(runs.c.id).where(this, runs.c.state == QUEUED)
            if flag == "stop_requested":  # a requeued run still has a score to give
                waiting = waiting.where(runs.c.started_at.is_(None))
            if sql.execute(waiting).first():
                self._append(sql, run, [JobCancelled(0.0)])
                (run_dir(run) / CHECKPOINT_FILE).unlink(missing_ok=True)

    def read_flags(self, run: str) -> tuple[bool, bool]:
        """Return (stop, cancel): what the run was asked. Cancel also if it is over or gone."""
        columns = (runs.c.stop_requested, runs.c.cancel_requested, runs.c.state)
        with self.engine.connect() as sql:
            row = sql.execute(select(*columns).where(runs.c.id == run)).first()
        if row is None:
            return False, True
        return row.stop_requested, row.cancel_requested or row.state in END_STATES

    def import_run(self, imported: ImportedRun) -> None:
        """Add a run that was made elsewhere."""
        row = new_row(imported.job, imported.visitor, imported.parent_id)
        row |= {"id": imported.id, "created_at": imported.created_at}
        row |= {"started_at": imported.created_at, "heartbeat_at": time.time()}
        row |= {"state": RUNNING, "worker_id": "file"}
        row |= {"name": clean_name(imported.name), "note": clean_note(imported.note)}
        row |= history_columns(row["kind"], row["job"], row["name"], row["note"])
        this = runs.c.id == imported.id
        with self.engine.begin() as sql:
            sql.execute(insert(runs).values(row))
            self._append(sql, imported.id, imported.events)
            sql.execute(update(runs).where(this).values(finished_at=imported.finished_at))
