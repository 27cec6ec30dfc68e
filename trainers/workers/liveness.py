"""Runs and workers whose heart has stopped, and jobs that wait for an app server which is gone:
seen by looking again and again.

What was seen is a beat that stays the same for many looks, never a time on a clock: clocks are set
back and forth, those of two computers differ, and a computer that slept has missed nothing. Where
the database was locked, or the disk full, no heart could be heard: so while beats stay the same it
is written to, and only looks at a database that takes it count.
"""

from sqlalchemy import select, update

from trainers.store import (
    HEARTBEAT_TIMEOUT_SECONDS,
    HOST_TIMEOUT_MINUTES,
    RUNNING,
    Store,
    runs,
    workers,
)

CHECK_INTERVAL_SECONDS = 0.5  # between two looks
MAX_MISSED_CHECKS = round(
    HEARTBEAT_TIMEOUT_SECONDS / CHECK_INTERVAL_SECONDS
)  # in which nothing beat: then it is lost
MAX_HOST_MISSED_CHECKS = round(HOST_TIMEOUT_MINUTES * 60 / CHECK_INTERVAL_SECONDS)
WRITE_TEST_AFTER_CHECKS = (
    MAX_MISSED_CHECKS // 3
)  # after so many it is tried whether the database takes anything


class LivenessMonitor:
    """Looks after what is in a store, for one process."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._heartbeats: dict[tuple[str, str], tuple[float, int]] = {}  # (what, id) -> beat, looks
        self._missed_host_checks: dict[str, int] = {}  # data folder -> looks

    def check(self) -> None:
        """Ends the runs that nobody has kept alive for `LOOKS` of these, forgets such workers, and
        ends what has waited in vain for an app server. Raises what a database does that takes
        nothing: then it all begins anew."""
        seen = {}
        for key, beat in self._read_heartbeats().items():
            before, looks = self._heartbeats.get(key, (None, 0))
            seen[key] = (beat, looks + 1 if beat == before else 0)
        self._heartbeats = {}
        quiet = [
            key
            for (what, key), (_, looks) in seen.items()
            if what == "run" and looks > WRITE_TEST_AFTER_CHECKS
        ]
        if quiet:
            same = update(runs).where(runs.c.id.in_(quiet)).values(stop=runs.c.stop)
            with self.store.engine.begin() as sql:
                sql.execute(same)
        gone = {key for key, (_, looks) in seen.items() if looks >= MAX_MISSED_CHECKS}
        if gone:
            self.store.fail_lost_runs(
                [key for what, key in gone if what == "run"],
                [key for what, key in gone if what == "worker"],
                {key: beat for (_, key), (beat, _) in seen.items()},
            )
        self._heartbeats = {key: value for key, value in seen.items() if key not in gone}
        self._check_hosts()

    def _check_hosts(self) -> None:
        before, self._missed_host_checks = self._missed_host_checks, {}
        with self.store.engine.connect() as sql:
            away = {
                machine: before.get(machine, 0) + 1
                for machine in self.store.find_missing_hosts(sql)
            }
        for machine, looks in away.items():
            if looks > MAX_HOST_MISSED_CHECKS:
                self.store.fail_unplaceable(machine)
        self._missed_host_checks = away

    def _read_heartbeats(self) -> dict[tuple[str, str], float]:
        with self.store.engine.connect() as sql:
            running = sql.execute(select(runs.c.id, runs.c.beat).where(runs.c.state == RUNNING))
            found = {("run", key): beat for key, beat in running}
            known = sql.execute(select(workers.c.id, workers.c.beat))
            return found | {("worker", key): beat for key, beat in known}
