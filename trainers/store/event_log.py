"""The events of runs. What changes a run appends to them, so every service builds on this class."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select, update

from trainers.events import (
    ClaimTestDone,
    ComparisonDone,
    Event,
    JobCancelled,
    JobDone,
    JobFailed,
    LearningCurveDone,
    RunFinished,
    from_json_text,
)
from trainers.store.engine import server_time
from trainers.store.rows import result_columns
from trainers.store.tables import CANCELLED, END_STATES, FAILED, FINISHED, events, runs

END_EVENTS = {  # event type -> the state that the run ends in
    RunFinished: FINISHED,
    ComparisonDone: FINISHED,
    LearningCurveDone: FINISHED,
    ClaimTestDone: FINISHED,
    JobDone: FINISHED,
    JobFailed: FAILED,
    JobCancelled: CANCELLED,
}


class EventLog:
    """The events of every run, numbered from 1."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        # Run -> number of its last event before an `append` that raised. Its commit may have
        # reached the database all the same.
        self._unacknowledged: dict[str, int] = {}

    def read_events(self, run: str, after: int = 0) -> list[tuple[int, Event]]:
        """Return (number, event) of the run's events with numbers above `after`, in order."""
        newer = select(events.c.seq, events.c.event).where(
            events.c.run_id == run, events.c.seq > after
        )
        with self.engine.connect() as sql:
            rows = sql.execute(newer.order_by(events.c.seq)).all()
        return [(number, from_json_text(text)) for number, text in rows]

    def append(self, run: str, new: Sequence[Event]) -> None:
        """Add events to a run. An end event ends it, and what comes after its end is dropped.

        If this raises, call it again with the same events: those that reached the database before
        the connection was lost are not added twice.
        """
        ends = any(type(event) in END_EVENTS for event in new)
        with self.engine.connect() as sql, _durable_commit(sql, ends):
            with sql.begin():
                self._append(sql, run, new, self._unacknowledged)
            self._unacknowledged.pop(run, None)

    def _append(
        self,
        sql: Connection,
        run: str,
        new: Sequence[Event],
        unacknowledged: dict[str, int] | None = None,
    ) -> None:
        ends = [number for number, event in enumerate(new, 1) if type(event) in END_EVENTS]
        new = new[: ends[0]] if ends else new
        # Writing first takes the lock: two writers cannot both find the run not over.
        alive = sql.execute(
            update(runs)
            .where(runs.c.id == run, runs.c.state.not_in(END_STATES))
            .values(heartbeat_at=self._server_time())
        )
        if not alive.rowcount or not new:
            return
        last = sql.scalar(select(func.max(events.c.seq)).where(events.c.run_id == run)) or 0
        texts = [json.dumps(event.as_json()) for event in new]
        if unacknowledged is not None and (before := unacknowledged.setdefault(run, last)) < last:
            stored = _count_stored(sql, run, before, texts)
            if stored == len(texts):
                return
            new, texts = new[stored:], texts[stored:]
        rows = [
            {"run_id": run, "seq": number, "event": text}
            for number, text in enumerate(texts, last + 1)
        ]
        sql.execute(insert(events), rows)
        if state := END_EVENTS.get(type(new[-1])):
            result = new[-1].as_json()
            values = {"state": state, "finished_at": time.time(), "result": result}
            values |= result_columns(result)
            sql.execute(update(runs).where(runs.c.id == run).values(values))

    def _server_time(self) -> Any:
        """The database's time, for heartbeats: they may come from computers with other clocks."""
        return server_time(self.engine)


def _count_stored(sql: Connection, run: str, before: int, texts: list[str]) -> int:
    """Return how many of `texts` an unacknowledged append has stored after event `before`."""
    later = select(events.c.event).where(events.c.run_id == run, events.c.seq > before)
    stored = sql.scalars(later.order_by(events.c.seq)).all()
    return len(stored) if stored == texts[: len(stored)] else 0


@contextmanager
def _durable_commit(sql: Connection, durable: bool) -> Iterator[None]:
    """If `durable`, make commits inside survive a power cut; see `engine._configure_sqlite`."""
    is_sqlite = durable and sql.dialect.name == "sqlite"
    if is_sqlite:
        sql.exec_driver_sql("PRAGMA synchronous=FULL")
        sql.commit()
    try:
        yield
    finally:
        if is_sqlite:
            sql.exec_driver_sql("PRAGMA synchronous=NORMAL")
