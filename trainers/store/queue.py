"""The queue: jobs wait, one visitor after the other, until a worker claims them."""

import json
import math
import time
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from trainers import jobs
from trainers.events import JobFailed, RunStarted
from trainers.plan import BadPlan
from trainers.store.engine import is_shared
from trainers.store.event_log import EventLog
from trainers.store.rows import Run, new_row, run_from_row
from trainers.store.tables import FINISHED, QUEUED, RUNNING, events, runs, workers
from trainers.store.wait_estimate import (
    RECENT_JOBS,
    TypicalDurations,
    WaitEstimate,
    estimate_durations,
    estimate_waits,
)
from trainers.store.workers import is_alive
from trainers.system import object_store
from trainers.system.paths import data_dir_id

HOST_TIMEOUT_MINUTES = 10  # that jobs wait for the only app server that has their files
MISSING_HOST_TEXT = (
    "What this needs lies with one app server of this Thaw, and that has not been there for "
    f"{HOST_TIMEOUT_MINUTES} minutes. Nothing is wrong with your data. Start this again: then it "
    "runs where you are now. Data of your own that is not there is back when that app server is."
)


class Queue(EventLog):
    """Jobs that wait, and the estimate of how long."""

    def enqueue(
        self, job: Any, visitor: str, *, worker: str | None = None, parent_id: str | None = None
    ) -> str:
        """Queue a run or another job and return its id, which cannot be guessed.

        With `worker` it is running at once, on that worker: a terminal executes its run itself.
        `parent_id` is the comparison that it belongs to.
        """
        with self.engine.begin() as sql:
            return self.enqueue_in(sql, job, visitor, worker=worker, parent_id=parent_id)

    def enqueue_in(
        self,
        sql: Connection,
        job: Any,
        visitor: str,
        *,
        worker: str | None = None,
        parent_id: str | None = None,
    ) -> str:
        """Do the same in a transaction, with what has to be there before a worker claims it."""
        row = new_row(job, visitor, parent_id)
        row["host_id"] = self._required_host(row["kind"])
        row["created_at"] = _later_than(sql, runs.c.created_at, runs.c.state == QUEUED)
        if worker:
            row |= {"state": RUNNING, "worker_id": worker, "started_at": time.time()}
            row["heartbeat_at"] = self._server_time()
        if parent_id:  # its visitor may have signed in since it began
            owner = sql.scalar(select(runs.c.visitor).where(runs.c.id == parent_id))
            row["visitor"] = owner or visitor
        sql.execute(insert(runs).values(row))
        return row["id"]

    def _required_host(self, kind: str) -> str | None:
        """Return the data folder that a job queued here needs; None if any will do.

        Uploads and exports are in one data folder alone; models and own data may be shared.
        """
        shared = object_store.storage_url() and kind in jobs.TRAINING_KINDS
        return data_dir_id() if is_shared(self.engine) and not shared else None

    def claim(self, worker: str, *, needs_torch: bool = True) -> Run | None:
        """Claim the next job for `worker`; None if none waits. Visitors take turns.

        Only jobs that need torch, or with `needs_torch=False` only those that do not.
        """
        with self.engine.begin() as sql:
            waiting = self._fair_order(sql, needs_torch=needs_torch)
            for row in waiting:
                if row["host_id"] and row["host_id"] != data_dir_id():
                    continue
                now, visitors = time.time(), {other["visitor"] for other in waiting}
                if len(visitors) > 1:
                    now = _later_than(sql, runs.c.started_at, runs.c.visitor.in_(visitors))
                if not self._try_claim(sql, row["id"], worker, now):
                    continue
                try:
                    return run_from_row({**row, "state": RUNNING, "started_at": now})
                except BadPlan as error:  # of an older version: it must not block the others
                    self._append(sql, row["id"], [JobFailed(str(error), 0.0)])
        return None

    def _try_claim(self, sql: Connection, run: str, worker: str, now: float) -> bool:
        # A job that another worker is claiming at this moment is skipped, not waited for.
        free = select(runs.c.id).where(runs.c.id == run, runs.c.state == QUEUED)
        free = free.with_for_update(skip_locked=True).scalar_subquery()
        values = {"state": RUNNING, "worker_id": worker, "started_at": now}
        values["heartbeat_at"] = self._server_time()
        this = update(runs).where(runs.c.id == free, runs.c.state == QUEUED)
        return bool(sql.execute(this.values(values)).rowcount)

    def _fair_order(
        self, sql: Connection, more: Iterable[dict] = (), *, needs_torch: bool = True
    ) -> list[dict]:
        """Return the rows of waiting jobs, and `more`, in the order in which they are served.

        Next is always the visitor who was served the longest ago; a visitor's own jobs keep the
        order they came in.
        """
        waiting = select(runs).where(runs.c.state == QUEUED, _is_kind(needs_torch))
        waiting = waiting.order_by(runs.c.created_at)
        rows = [dict(row) for row in sql.execute(waiting).mappings()] + list(more)
        if len(rows) < 2:
            return rows
        latest = select(runs.c.visitor, func.max(runs.c.started_at)).group_by(runs.c.visitor)
        latest = latest.where(runs.c.visitor.in_({row["visitor"] for row in rows}))
        served = {visitor: started or 0.0 for visitor, started in sql.execute(latest)}
        ordered, turn = [], max(time.time(), *served.values(), 0.0)
        while rows:
            following = min(
                rows, key=lambda row: (served.get(row["visitor"], 0), row["created_at"])
            )
            rows.remove(following)
            ordered.append(following)
            turn += 1
            served[following["visitor"]] = turn
        return ordered

    # --- waiting times ----------------------------------------------------------------------------

    def estimate_wait(self, visitor: str, run: str | None = None) -> WaitEstimate:
        """Return the wait of `run`, or of a new run of `visitor`."""
        new = {"id": None, "visitor": visitor, "created_at": math.inf}
        waits = self._estimate_waits([] if run else [new])
        return waits.get(run, WaitEstimate(0, 0.0))  # one that is missing was claimed meanwhile

    def estimate_waits(self) -> dict[str | None, WaitEstimate]:
        """Return the wait of each run that waits."""
        return self._estimate_waits([])

    def _estimate_waits(self, more: Iterable[dict]) -> dict[str | None, WaitEstimate]:
        now = time.time()
        with self.engine.connect() as sql:
            missing = self.find_missing_hosts(sql)  # jobs that wait for those hold nobody up
            order = [
                row for row in self._fair_order(sql, more) if row.get("host_id") not in missing
            ]
            # A terminal executes its run itself, which keeps no worker of the app busy.
            on_workers = runs.c.worker_id.in_(select(workers.c.id))
            training = (runs.c.state == RUNNING) & on_workers & _is_kind(needs_torch=True)
            busy = sql.execute(select(runs).where(training)).mappings().all()
            alive = workers.c.can_train & is_alive(self._server_time())
            count = sql.scalar(select(func.count()).select_from(workers).where(alive)) or 1
            durations = TypicalDurations({}, {})
            if busy or len(order) > 1:
                durations = self._estimate_durations(sql, busy)
        return estimate_waits(order, busy, count, durations, now)

    def _estimate_durations(self, sql: Connection, busy: Sequence[Any]) -> TypicalDurations:
        """Estimate from recent jobs, and from what the `busy` ones estimated when they started."""
        recent = select(runs.c["kind", "job", "started_at", "finished_at"])
        recent = recent.where(runs.c.state == FINISHED, runs.c.started_at.is_not(None))
        recent = recent.order_by(runs.c.finished_at.desc()).limit(RECENT_JOBS)
        started = select(events.c["run_id", "event"]).where(
            events.c.run_id.in_([row["id"] for row in busy]),
            events.c.event.like(f'{{"type": "{RunStarted.type}"%'),
        )
        estimates = {run: json.loads(event) for run, event in sql.execute(started)}
        running = [
            (row, estimate["setup_seconds"] + estimate["predicted_seconds"])
            for row in busy
            if (estimate := estimates.get(row["id"])) and estimate["predicted_seconds"]
        ]
        return estimate_durations(sql.execute(recent).mappings().all(), running)

    # --- app servers that are away ----------------------------------------------------------------

    def find_missing_hosts(self, sql: Connection) -> set[str]:
        """Return the data folders that jobs wait for and no worker has."""
        bound = (runs.c.state == QUEUED) & runs.c.host_id.is_not(None)
        needed = set(sql.scalars(select(runs.c.host_id).where(bound).distinct()))
        if not needed:
            return needed
        present = set(sql.scalars(select(workers.c.host_id)))
        # A worker that does not say which data folder it has may have any.
        return set() if None in present else needed - present - {data_dir_id()}

    def fail_unplaceable(self, host_id: str) -> None:
        """Fail the jobs that wait for a data folder which is gone."""
        waiting = (runs.c.host_id == host_id) & (runs.c.state == QUEUED)
        with self.engine.begin() as sql:
            for run in sql.scalars(select(runs.c.id).where(waiting)).all():
                unchanged = {"stop_requested": runs.c.stop_requested}
                this = update(runs).where(runs.c.id == run, waiting).values(unchanged)
                # Writing first takes the lock: no worker can claim it in between.
                if sql.execute(this).rowcount:
                    self._append(sql, run, [JobFailed(MISSING_HOST_TEXT, 0.0)])


def _later_than(sql: Connection, column: Any, condition: Any) -> float:
    """Return the time, or later than `column` of every matching row if the clock was set back.

    So the order of rows stays the order they came in.
    """
    latest = sql.scalar(select(func.max(column)).where(condition)) or 0.0
    return max(time.time(), latest + 1e-6)


def _is_kind(needs_torch: bool) -> ColumnElement[bool]:
    kinds = [name for name, kind in jobs.KINDS.items() if kind.needs_torch == needs_torch]
    return runs.c.kind.in_(kinds)
