"""Runs and other jobs, their events and the workers, in a database; the queue is a few queries.

What holds for a run holds for every job (trainers/jobs.py): it waits, is claimed, tells its events,
ends. So all are rows of one table, and `Run.plan` is the job.
"""

import json
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event as sql_event,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.schema import CreateColumn

from trainers import jobs
from trainers.events import (
    Cancelled,
    Compared,
    Curved,
    Done,
    Event,
    Failed,
    Finished,
    Judged,
    Watched,
    from_json,
)
from trainers.home import database_url, zip_of
from trainers.plan import BadPlan

QUEUED, RUNNING = "queued", "running"
FINISHED, FAILED, CANCELLED = "finished", "failed", "cancelled"
OVER = (FINISHED, FAILED, CANCELLED)
ENDS = {
    Finished: FINISHED,
    Compared: FINISHED,
    Curved: FINISHED,
    Judged: FINISHED,
    Done: FINISHED,
    Failed: FAILED,
    Cancelled: CANCELLED,
}
LOST_AFTER_SECONDS = 15  # without a heartbeat (they come every second)

tables = MetaData()
runs = Table(
    "runs",
    tables,
    Column("id", String(32), primary_key=True),
    Column("visitor", String(64), nullable=False, index=True),
    Column("plan", JSON, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("created", Float, nullable=False),
    Column("claimed", Float),
    Column("ended", Float),
    Column("worker", String(32)),
    Column("beat", Float),
    Column("stop", Boolean, nullable=False, default=False),
    Column("cancel", Boolean, nullable=False, default=False),
    Column("result", JSON),
    Column("kind", String(16), nullable=False, server_default="run"),
    Column("subject", String(128), index=True),  # the data that it is about
)
events = Table(
    "events",
    tables,
    Column("run", String(32), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("event", Text, nullable=False),
)
workers = Table(
    "workers",
    tables,
    Column("id", String(32), primary_key=True),
    Column("pid", Integer, nullable=False),
    Column("ready", Boolean, nullable=False, default=False),
    Column("beat", Float, nullable=False),
    Column("heavy", Boolean, nullable=False, server_default="1"),  # has torch: can train
)


class NoSuchRun(KeyError):
    """No run has this id."""

    def __str__(self) -> str:
        return "There is no such run. It may have been deleted, or its link is incomplete."


@dataclass(frozen=True)
class Run:
    id: str
    visitor: str
    kind: str  # in trainers.jobs.KINDS
    plan: Any  # a Plan, or the job of another kind
    state: str  # "queued", "running", "finished", "failed" or "cancelled"
    created: float  # seconds since 1970, as all times here
    claimed: float | None
    ended: float | None
    stop: bool
    cancel: bool
    result: dict | None  # the last event of a run that is over

    @property
    def is_over(self) -> bool:
        return self.state in OVER


@dataclass(frozen=True)
class Wait:
    """How long a run would wait for a worker."""

    ahead: int  # runs that go first, those running included
    seconds: float  # about: budgets are ceilings, but reading data is not in them


class Store:
    """All that is known about runs. Safe to use from several threads and processes."""

    def __init__(self, url: str) -> None:
        sqlite = url.startswith("sqlite")
        self.engine = create_engine(url, connect_args={"timeout": 30} if sqlite else {})
        if sqlite:
            sql_event.listen(self.engine, "connect", _sqlite_settings)
        tables.create_all(self.engine)
        self._add_columns()

    def _add_columns(self) -> None:
        """To a database that an older version made."""
        for table in tables.tables.values():
            known = {column["name"] for column in inspect(self.engine).get_columns(table.name)}
            for column in table.columns:
                if column.name not in known:
                    described = CreateColumn(column).compile(self.engine)
                    with self.engine.begin() as sql:
                        sql.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {described}"))

    # --- runs -----------------------------------------------------------------------------

    def start(self, plan: Any, visitor: str, *, worker: str | None = None) -> str:
        """Queues a run, or another job, and hands back its id, which cannot be guessed; with
        `worker` it is that worker's at once (a terminal that runs it itself)."""
        run, now = secrets.token_urlsafe(16), time.time()
        row = {"id": run, "visitor": visitor, "plan": plan.as_json(), "created": now}
        row |= {"kind": jobs.kind_of(plan), "subject": jobs.subject(plan)}
        row |= {"state": QUEUED, "stop": False, "cancel": False}
        if worker:
            row |= {"state": RUNNING, "worker": worker, "claimed": now, "beat": now}
        with self.engine.begin() as sql:
            sql.execute(insert(runs).values(row))
        return run

    def find(self, run: str) -> Run:
        """The run called `run`. Raises `NoSuchRun`."""
        with self.engine.connect() as sql:
            row = sql.execute(select(runs).where(runs.c.id == run)).mappings().first()
        if row is None:
            raise NoSuchRun(run)
        return _run(row)

    def of_visitor(self, visitor: str, limit: int = 50, kind: str = "run") -> list[Run]:
        """The visitor's runs, or jobs of another kind, the newest first."""
        mine = select(runs).where(runs.c.visitor == visitor, runs.c.kind == kind)
        with self.engine.connect() as sql:
            rows = sql.execute(mine.order_by(runs.c.created.desc()).limit(limit)).mappings().all()
        return [_run(row) for row in rows]

    def latest(self, kind: str, subject: str) -> Run | None:
        """The newest job of this kind about `subject`."""
        those = select(runs).where(runs.c.kind == kind, runs.c.subject == subject)
        with self.engine.connect() as sql:
            row = sql.execute(those.order_by(runs.c.created.desc())).mappings().first()
        return row and _run(row)

    def forget_examples(self, subject: str) -> None:
        """Takes out of the runs on `subject` what they kept of its examples; scores stay."""
        with self.engine.begin() as sql:
            about = select(runs.c.id, runs.c.kind).where(runs.c.subject == subject)
            for run, kind in sql.execute(about).all():
                if kind != "run":
                    sql.execute(events.delete().where(events.c.run == run))
                    sql.execute(runs.delete().where(runs.c.id == run))
                    continue
                zip_of(run).unlink(missing_ok=True)  # it holds a few, as its proof
                shown = select(events).where(
                    events.c.run == run, events.c.event.like(f'{{"type": "{Watched.kind()}"%')
                )
                for row in sql.execute(shown).mappings().all():
                    kept = json.loads(row["event"])
                    kept["inputs"] = [""] * len(kept["inputs"])
                    sql.execute(
                        update(events)
                        .where(events.c.run == run, events.c.number == row["number"])
                        .values(event=json.dumps(kept))
                    )

    def events(self, run: str, after: int = 0) -> list[tuple[int, Event]]:
        """The run's events with numbers above `after`, which count from 1, in order."""
        newer = select(events.c.number, events.c.event).where(
            events.c.run == run, events.c.number > after
        )
        with self.engine.connect() as sql:
            rows = sql.execute(newer.order_by(events.c.number)).all()
        return [(number, from_json(json.loads(text))) for number, text in rows]

    def append(self, run: str, new: Sequence[Event]) -> None:
        """Adds events to a run that is not over; what comes after its end is dropped. One that
        is an end ends the run, in the same transaction."""
        with self.engine.begin() as sql:
            self._append(sql, run, new)

    def _append(self, sql: Connection, run: str, new: Sequence[Event]) -> None:
        ends = [number for number, event in enumerate(new, 1) if type(event) in ENDS]
        new = new[: ends[0]] if ends else new
        # Writing first takes the lock: two writers cannot both find the run not over.
        alive = sql.execute(
            update(runs).where(runs.c.id == run, runs.c.state.not_in(OVER)).values(beat=time.time())
        )
        if not alive.rowcount or not new:
            return
        last = sql.scalar(select(func.max(events.c.number)).where(events.c.run == run)) or 0
        rows = [
            {"run": run, "number": number, "event": json.dumps(event.as_json())}
            for number, event in enumerate(new, last + 1)
        ]
        sql.execute(insert(events), rows)
        if state := ENDS.get(type(new[-1])):
            sql.execute(
                update(runs)
                .where(runs.c.id == run)
                .values(state=state, ended=time.time(), result=new[-1].as_json())
            )

    def stop(self, run: str) -> None:
        """Asks a run to end early with the best it has; one that waits is cancelled."""
        self._ask(run, "stop")

    def cancel(self, run: str) -> None:
        """Asks a run to end at once, without a score."""
        self._ask(run, "cancel")

    def _ask(self, run: str, flag: str) -> None:
        with self.engine.begin() as sql:
            sql.execute(update(runs).where(runs.c.id == run).values({flag: True}))
            waits = select(runs.c.id).where(runs.c.id == run, runs.c.state == QUEUED)
            if sql.execute(waits).first():
                self._append(sql, run, [Cancelled(0.0)])

    def asked(self, run: str) -> tuple[bool, bool]:
        """Whether the run was asked to stop, and whether it was cancelled."""
        flags = select(runs.c.stop, runs.c.cancel, runs.c.state).where(runs.c.id == run)
        with self.engine.connect() as sql:
            row = sql.execute(flags).first()
        return (False, True) if row is None else (row.stop, row.cancel or row.state in OVER)

    # --- the queue ------------------------------------------------------------------------

    def claim(self, worker: str, *, heavy: bool = True) -> Run | None:
        """The next job that needs torch, or with `heavy=False` the next that does not, now this
        worker's; None where none waits. One visitor after the other."""
        with self.engine.begin() as sql:
            for run in self._in_turn(sql, heavy=heavy):
                now = time.time()
                taken = sql.execute(
                    update(runs)
                    .where(runs.c.id == run["id"], runs.c.state == QUEUED)
                    .values(state=RUNNING, worker=worker, claimed=now, beat=now)
                )
                if not taken.rowcount:
                    continue
                try:
                    return _run({**run, "state": RUNNING, "claimed": now})
                except BadPlan as error:  # of an older version: it must not block the others
                    self._append(sql, run["id"], [Failed(str(error), 0.0)])
        return None

    def _in_turn(
        self, sql: Connection, more: Iterable[dict] = (), *, heavy: bool = True
    ) -> list[dict]:
        """The waiting jobs in the order in which they are served: always a run of the visitor
        who was served the longest ago; a visitor's own in the order they came."""
        waiting = select(runs).where(runs.c.state == QUEUED, _kinds(heavy))
        waiting = waiting.order_by(runs.c.created)
        rows = [dict(row) for row in sql.execute(waiting).mappings()] + list(more)
        if len(rows) < 2:
            return rows
        latest = select(runs.c.visitor, func.max(runs.c.claimed)).group_by(runs.c.visitor)
        latest = latest.where(runs.c.visitor.in_({row["visitor"] for row in rows}))
        served = {visitor: claimed or 0.0 for visitor, claimed in sql.execute(latest)}
        ordered, turn = [], time.time()
        while rows:
            following = min(rows, key=lambda row: (served.get(row["visitor"], 0), row["created"]))
            rows.remove(following)
            ordered.append(following)
            turn += 1
            served[following["visitor"]] = turn
        return ordered

    def wait(self, visitor: str, run: str | None = None) -> Wait:
        """What lies before `run`, or before a new run of `visitor`."""
        now = time.time()
        new = {"id": None, "visitor": visitor, "created": now}
        with self.engine.connect() as sql:
            order = self._in_turn(sql, [] if run else [new])
            # A terminal executes its run itself: that keeps no worker of the app busy.
            ours = runs.c.worker.in_(select(workers.c.id))
            training = (runs.c.state == RUNNING) & ours & _kinds(heavy=True)
            busy = sql.execute(select(runs).where(training)).mappings().all()
            alive = workers.c.heavy & (workers.c.beat > now - LOST_AFTER_SECONDS)
            count = sql.scalar(select(func.count()).select_from(workers).where(alive)) or 1
        if run and all(row["id"] != run for row in order):
            return Wait(0, 0.0)  # claimed by now, or over
        before = []
        for row in order:
            if row["id"] == run:
                break
            before.append(row)
        if len(busy) < count and not before:
            return Wait(0, 0.0)
        left = [max(0.0, _seconds(row) - (now - row["claimed"])) for row in busy]
        left += [_seconds(row) for row in before]
        return Wait(len(left), sum(left) / count)

    # --- workers --------------------------------------------------------------------------

    def beat(self, worker: str, pid: int, *, ready: bool, heavy: bool = True) -> None:
        """Says that the worker lives, and whether it can take jobs; `heavy` where it can train."""
        values = {"pid": pid, "ready": ready, "heavy": heavy, "beat": time.time()}
        with self.engine.begin() as sql:
            known = sql.execute(update(workers).where(workers.c.id == worker).values(values))
            if not known.rowcount:
                sql.execute(insert(workers).values(id=worker, **values))

    def ready_workers(self) -> int:
        """Workers that live, can train, and have warmed up."""
        alive = (workers.c.beat > time.time() - LOST_AFTER_SECONDS) & workers.c.ready
        alive &= workers.c.heavy
        with self.engine.connect() as sql:
            return sql.scalar(select(func.count()).select_from(workers).where(alive)) or 0

    def gone(self, worker: str, reason: str) -> None:
        """Forgets a worker, and ends the run it had: failed, for `reason`."""
        with self.engine.begin() as sql:
            sql.execute(workers.delete().where(workers.c.id == worker))
            had = select(runs.c.id, runs.c.claimed).where(
                runs.c.worker == worker, runs.c.state == RUNNING
            )
            for run, claimed in sql.execute(had).all():
                self._append(sql, run, [Failed(reason, time.time() - claimed)])

    def bury_lost(self) -> None:
        """Ends the runs that nobody has kept alive for a while, and forgets dead workers."""
        before = time.time() - LOST_AFTER_SECONDS
        with self.engine.begin() as sql:
            sql.execute(workers.delete().where(workers.c.beat < before))
            lost = select(runs.c.id, runs.c.claimed).where(
                runs.c.state == RUNNING, runs.c.beat < before
            )
            for run, claimed in sql.execute(lost).all():
                failed = Failed(
                    "The process that ran this ended without a word (the computer slept, or was "
                    "shut down). Nothing is wrong with your data: start the run again.",
                    time.time() - claimed,
                )
                self._append(sql, run, [failed])


@cache
def store() -> Store:
    """This process's store, at `database_url()`."""
    return Store(database_url())


def _sqlite_settings(connection: Any, _: Any) -> None:
    # WAL: pages read while a worker writes. NORMAL: a power cut may lose the last moment, no more.
    for setting in ("journal_mode=WAL", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {setting}").close()


def _kinds(heavy: bool) -> Any:
    return runs.c.kind.in_([name for name, kind in jobs.KINDS.items() if kind.heavy == heavy])


def _seconds(row: Any) -> float:
    told = jobs.KINDS[row["kind"]].seconds
    runs = len(row["plan"]["approaches"]) if row["kind"] == "compare" else 1  # seconds of each
    return told or row["plan"]["seconds"] * runs


def _run(row: Any) -> Run:
    known = Run.__dataclass_fields__.keys()
    plan = jobs.from_json(row["kind"], row["plan"])
    return Run(**{name: row[name] for name in known if name != "plan"}, plan=plan)
