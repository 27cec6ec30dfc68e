"""The workers' heartbeats, and the end of runs whose worker is dead."""

import time
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Table, func, insert, select, update

from trainers.events import JobFailed
from trainers.store.engine import is_shared
from trainers.store.event_log import EventLog
from trainers.store.tables import RUNNING, runs, workers
from trainers.system.paths import data_dir_id

HEARTBEAT_TIMEOUT_SECONDS = 15  # heartbeats come every second
LOST_RUN_TEXT = (
    "The process that ran this ended without a word (the computer was shut down, or Thaw was "
    "ended). Nothing is wrong with your data."
)


class Workers(EventLog):
    """The processes that execute jobs."""

    def record_heartbeat(
        self, worker: str, pid: int, *, ready: bool, can_train: bool = True
    ) -> None:
        """Record that the worker is alive, whether it takes jobs and whether it has torch."""
        values = {"pid": pid, "ready": ready, "can_train": can_train}
        values["heartbeat_at"] = self._server_time()
        values["host_id"] = data_dir_id() if is_shared(self.engine) else None
        with self.engine.begin() as sql:
            known = sql.execute(update(workers).where(workers.c.id == worker).values(values))
            if not known.rowcount:
                sql.execute(insert(workers).values(id=worker, **values))

    def count_ready_workers(self) -> int:
        """Return how many workers are alive, can train and have warmed up."""
        ready = is_alive(self._server_time()) & workers.c.ready & workers.c.can_train
        with self.engine.connect() as sql:
            return sql.scalar(select(func.count()).select_from(workers).where(ready)) or 0

    def remove_worker(self, worker: str, reason: str) -> None:
        """Forget a worker, and fail the run it had for `reason`."""
        with self.engine.begin() as sql:
            # A cluster's worker has rows "<id>-…" for its places.
            rows = (workers.c.id == worker) | workers.c.id.startswith(f"{worker}-")
            sql.execute(workers.delete().where(rows))
            running = runs.c.state == RUNNING
            mine = runs.c.worker_id == worker
            # The runs of a comparison belong to the worker that executes the comparison.
            mine |= runs.c.parent_id.in_(select(runs.c.id).where(mine, running))
            lost = select(runs.c.id, runs.c.started_at).where(mine, running)
            for run, started_at in sql.execute(lost).all():
                self._append(sql, run, [JobFailed(reason, _seconds_since(started_at))])

    def fail_stale_runs(self) -> None:
        """Fail runs without a recent heartbeat and forget dead workers, by the clock alone.

        What polls repeatedly does better: see trainers/workers/liveness.py.
        """
        now = self._server_time()

        def is_silent(table: Table) -> Any:  # in the future: the clock was set back since
            return func.abs(table.c.heartbeat_at - now) > HEARTBEAT_TIMEOUT_SECONDS

        dead_workers = select(workers.c.id, workers.c.heartbeat_at).where(is_silent(workers))
        lost_runs = select(runs.c.id, runs.c.heartbeat_at).where(
            runs.c.state == RUNNING, is_silent(runs)
        )
        with self.engine.connect() as sql:
            dead = dict(sql.execute(dead_workers).all())
            lost = dict(sql.execute(lost_runs).all())
        self.fail_lost_runs(lost, dead, lost | dead)

    def fail_lost_runs(
        self, lost: Collection[str], dead: Collection[str], heartbeats: Mapping[str, float]
    ) -> None:
        """Fail the `lost` runs and forget the `dead` workers, unless their heartbeat is newer."""
        with self.engine.begin() as sql:
            for worker in dead:
                this = (workers.c.id == worker) & (workers.c.heartbeat_at == heartbeats[worker])
                sql.execute(workers.delete().where(this))
            for run in lost:
                this = (runs.c.id == run) & (runs.c.heartbeat_at == heartbeats[run])
                unchanged = {"stop_requested": runs.c.stop_requested}
                # Writing first takes the lock: no heartbeat can come in between.
                if sql.execute(update(runs).where(this).values(unchanged)).rowcount:
                    started_at = sql.scalar(select(runs.c.started_at).where(this))
                    failed = JobFailed(LOST_RUN_TEXT, _seconds_since(started_at))
                    self._append(sql, run, [failed])


def is_alive(now: Any) -> ColumnElement[bool]:
    """Return the SQL condition of living workers. A heartbeat in the future counts as old."""
    return func.abs(workers.c.heartbeat_at - now) < HEARTBEAT_TIMEOUT_SECONDS


def _seconds_since(then: float) -> float:
    """Return the seconds since `then`, 0 if the clock was set back meanwhile."""
    return max(0.0, time.time() - then)
