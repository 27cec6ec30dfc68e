"""Deletion: a deleted run can be restored for an hour, then nothing of it stays.

What leaves the tables is still in the pages of the database file and in its backups until
hosting/erase.py scrubs them; `scrub_marker_path` says that it has to.
"""

import json
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, update

from trainers.events import JobCancelled, WatchedExamples
from trainers.store.event_log import EventLog
from trainers.store.rows import HISTORY_KINDS
from trainers.store.tables import END_STATES, QUEUED, events, resumed_runs, runs
from trainers.system import object_store
from trainers.system.paths import bundle_path, data_dir, run_dir

UNDO_SECONDS = 3600  # that a deleted run can be restored


def scrub_marker_path() -> Path:
    """Return a file that exists while the database may hold traces of deleted rows."""
    return data_dir() / "to-scrub"


class Deletion(EventLog):
    """Deleting runs, and the examples that runs hold."""

    def delete(self, keys: Collection[str], visitor: str) -> float:
        """Delete the visitor's runs, and with a comparison its runs; unfinished ones are cancelled.

        Returns the time of deletion, with which `restore` undoes it for `UNDO_SECONDS`.
        """
        now = time.time()
        mine = (runs.c.id.in_(keys) | runs.c.parent_id.in_(keys)) & (runs.c.visitor == visitor)
        mine &= runs.c.deleted_at.is_(None)
        with self.engine.begin() as sql:
            waiting = sql.scalars(select(runs.c.id).where(mine, runs.c.state == QUEUED)).all()
            unfinished = update(runs).where(mine, runs.c.state.not_in(END_STATES))
            sql.execute(unfinished.values(cancel_requested=True))
            for run in waiting:
                self._append(sql, run, [JobCancelled(0.0)])
            sql.execute(update(runs).where(mine).values(deleted_at=now))
        return now

    def restore(self, deleted_at: float, visitor: str) -> int:
        """Restore what `delete` deleted at that time, and return how many runs that are."""
        mine = (runs.c.deleted_at == deleted_at) & (runs.c.visitor == visitor)
        with self.engine.begin() as sql:
            return sql.execute(update(runs).where(mine).values(deleted_at=None)).rowcount

    def purge_deleted(self) -> None:
        """Remove the weights, events and rows of what can no longer be restored."""
        expired = select(runs.c.id).where(runs.c.deleted_at < time.time() - UNDO_SECONDS)
        with self.engine.connect() as sql:
            keys = sql.scalars(expired).all()
        if keys:
            scrub_marker_path().touch()
        for run in keys:
            # The row goes last: after an interruption it is found again.
            object_store.delete_run(run)
            with self.engine.begin() as sql:
                _delete_jobs_about(sql, run, runs.c.kind.not_in(HISTORY_KINDS))
                link = (resumed_runs.c.run_id == run) | (resumed_runs.c.source_id == run)
                sql.execute(resumed_runs.delete().where(link))
                _delete_rows(sql, [run])

    def erase_examples(self, subject: str) -> None:
        """Remove the examples of the data `subject` from its runs; their scores stay."""
        scrub_marker_path().touch()
        with self.engine.begin() as sql:
            _delete_imports(sql, subject)
            about = select(runs.c["id", "kind", "approach"]).where(runs.c.subject == subject)
            for run, kind, approach in sql.execute(about).all():
                if kind == "run":
                    _erase_examples_of_run(sql, run, approach)
                else:
                    _delete_rows(sql, [run])


def _erase_examples_of_run(sql: Connection, run: str, approach: str | None) -> None:
    bundle_path(run).unlink(missing_ok=True)  # it holds a few, to check its predictions
    here = run_dir(run)
    # A classical model is made of the texts' words. One on another computer may be.
    elsewhere = object_store.storage_url() and approach == "simple" and not here.exists()
    if (here / "words.json").exists() or elsewhere:
        object_store.delete_run(run)
    _delete_jobs_about(sql, run, runs.c.kind == "explain")  # stored by older versions
    watched = select(events).where(
        events.c.run_id == run, events.c.event.like(f'{{"type": "{WatchedExamples.type}"%')
    )
    for row in sql.execute(watched).mappings().all():
        event = json.loads(row["event"])
        event["inputs"] = [""] * len(event["inputs"])
        this = update(events).where(events.c.run_id == run, events.c.seq == row["seq"])
        sql.execute(this.values(event=json.dumps(event)))


def _delete_rows(sql: Connection, keys: Collection[str]) -> None:
    sql.execute(events.delete().where(events.c.run_id.in_(keys)))
    sql.execute(runs.delete().where(runs.c.id.in_(keys)))


def _delete_imports(sql: Connection, data: str) -> None:
    """Delete the imports of `data`: they know the names of its files."""
    result = runs.c.result["found"]["data"].as_string() == data
    imports = select(runs.c.id).where(runs.c.kind == "read", result)
    _delete_rows(sql, sql.scalars(imports).all())


def _delete_jobs_about(sql: Connection, run: str, condition: Any) -> None:
    """Delete jobs about `run`, such as exports of its model, that meet the condition."""
    _delete_rows(sql, sql.scalars(select(runs.c.id).where(runs.c.subject == run, condition)).all())
