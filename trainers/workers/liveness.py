"""Detect dead workers, orphaned runs and missing app servers by polling heartbeats.

A heartbeat that stays the same for many checks is a dead one. Its time is never compared with a
clock: clocks are set back and forth, those of two computers differ, and a computer that slept has
missed nothing. While the database is locked or its disk full, nobody can record a heartbeat; so a
test write must succeed before a heartbeat counts as missed.
"""

from typing import Any

from sqlalchemy import select, update

from trainers.store import HEARTBEAT_TIMEOUT_SECONDS, RUNNING, Store
from trainers.store.queue import HOST_TIMEOUT_MINUTES
from trainers.store.tables import runs, workers

CHECK_INTERVAL_SECONDS = 0.5
MAX_MISSED_CHECKS = round(HEARTBEAT_TIMEOUT_SECONDS / CHECK_INTERVAL_SECONDS)
MAX_HOST_MISSED_CHECKS = round(HOST_TIMEOUT_MINUTES * 60 / CHECK_INTERVAL_SECONDS)
WRITE_TEST_AFTER_CHECKS = MAX_MISSED_CHECKS // 3


class LivenessMonitor:
    """Watches the runs and workers in a store, for one process."""

    def __init__(self, store: Store) -> None:
        self.store = store
        # (table, id) -> (heartbeat, number of checks in which it stayed the same)
        self._heartbeats: dict[tuple[str, str], tuple[float, int]] = {}
        self._missed_host_checks: dict[str, int] = {}  # by the id of the data folder

    def check(self) -> None:
        """Fail the runs, and forget the workers, that missed `MAX_MISSED_CHECKS` heartbeats.

        Also fails the jobs that wait for an app server which is gone. If the database raises, all
        counts start again.
        """
        current = {}
        for key, heartbeat in self._read_heartbeats().items():
            previous, missed = self._heartbeats.get(key, (None, 0))
            current[key] = (heartbeat, missed + 1 if heartbeat == previous else 0)
        self._heartbeats = {}
        self._test_write(
            run
            for (table, run), (_, missed) in current.items()
            if table == "run" and missed > WRITE_TEST_AFTER_CHECKS
        )
        dead = {key for key, (_, missed) in current.items() if missed >= MAX_MISSED_CHECKS}
        if dead:
            self.store.fail_lost_runs(
                [key for table, key in dead if table == "run"],
                [key for table, key in dead if table == "worker"],
                {key: heartbeat for (_, key), (heartbeat, _) in current.items()},
            )
        self._heartbeats = {key: value for key, value in current.items() if key not in dead}
        self._check_hosts()

    def _test_write(self, quiet_runs: Any) -> None:
        """Raise if the database accepts no writes: then these runs could not write either."""
        if quiet_runs := list(quiet_runs):
            unchanged = (
                update(runs)
                .where(runs.c.id.in_(quiet_runs))
                .values(stop_requested=runs.c.stop_requested)
            )
            with self.store.engine.begin() as sql:
                sql.execute(unchanged)

    def _check_hosts(self) -> None:
        previous, self._missed_host_checks = self._missed_host_checks, {}
        with self.store.engine.connect() as sql:
            missing = {
                host: previous.get(host, 0) + 1 for host in self.store.find_missing_hosts(sql)
            }
        for host, missed in missing.items():
            if missed > MAX_HOST_MISSED_CHECKS:
                self.store.fail_unplaceable(host)
        self._missed_host_checks = missing

    def _read_heartbeats(self) -> dict[tuple[str, str], float]:
        with self.store.engine.connect() as sql:
            running = sql.execute(
                select(runs.c.id, runs.c.heartbeat_at).where(runs.c.state == RUNNING)
            )
            heartbeats = {("run", key): beat for key, beat in running}
            present = sql.execute(select(workers.c.id, workers.c.heartbeat_at))
            return heartbeats | {("worker", key): beat for key, beat in present}
