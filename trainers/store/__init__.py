"""Runs and other jobs, their events and the workers, in a database; the queue is a few queries.

What holds for a run holds for every job (trainers/jobs.py): it waits, is claimed, tells its events,
ends. So all are rows of one table, and `Run.job` says what.
"""

import json
import math
import re
import secrets
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, true, update
from sqlalchemy.exc import SQLAlchemyError

from guide.approaches import APPROACHES
from trainers import datasets, jobs
from trainers.datasets.uploads import inbox
from trainers.events import (
    ClaimTestDone,
    ComparisonDone,
    Event,
    JobCancelled,
    JobDone,
    JobFailed,
    LearningCurveDone,
    RunFinished,
    RunStarted,
    WatchedExamples,
    from_json_text,
)
from trainers.plan import BadPlan
from trainers.store import engine, migrations
from trainers.store.tables import events, metadata, runs, workers
from trainers.store.wait_estimate import (
    RECENT_JOBS,
    TypicalDurations,
    WaitEstimate,
    estimate_durations,
    estimate_waits,
)
from trainers.system import feature_cache, object_store
from trainers.system.checkpoint_file import CHECKPOINT_FILE
from trainers.system.errors import StoreUnavailable, open_database_url, user_message
from trainers.system.paths import bundle_path, data_dir, data_dir_id, run_dir
from trainers.system.registry import UnknownKey

QUEUED, RUNNING = "queued", "running"
FINISHED, FAILED, CANCELLED = "finished", "failed", "cancelled"
END_STATES = (FINISHED, FAILED, CANCELLED)
END_EVENTS = {
    RunFinished: FINISHED,
    ComparisonDone: FINISHED,
    LearningCurveDone: FINISHED,
    ClaimTestDone: FINISHED,
    JobDone: FINISHED,
    JobFailed: FAILED,
    JobCancelled: CANCELLED,
}
HEARTBEAT_TIMEOUT_SECONDS = 15  # without a heartbeat (they come every second)
HOST_TIMEOUT_MINUTES = 10  # that jobs wait for the app server which alone has their files. Ours
MISSING_HOST_TEXT = (
    "What this needs lies with one app server of this Thaw, and that has not been there for "
    f"{HOST_TIMEOUT_MINUTES} minutes. Nothing is wrong with your data. Start "
    "this again: then it runs "
    "where you are now. Data of your own that is not there is back when that app server is."
)
HISTORY_KINDS = ("run", "compare")  # kinds of job in the history
UNDO_SECONDS = 3600  # a deleted run can be brought back for so long. Ours
MAX_NAME_CHARS, MAX_NOTE_CHARS = 80, 2000  # ours
MAX_SEARCH_CHARS = 100  # of what is searched for: more narrows nothing. Ours


class RunNotFound(KeyError):
    """No run has this id."""

    def __str__(self) -> str:
        return "There is no such run. It may have been deleted, or its link is incomplete."


@dataclass(frozen=True)
class Run:
    id: str
    visitor: str
    kind: str  # in trainers.jobs.KINDS
    job: Any  # a Plan, or the job of another kind
    state: str  # "queued", "running", "finished", "failed" or "cancelled"
    created_at: float  # seconds since 1970, as all times here
    started_at: float | None
    finished_at: float | None
    stop_requested: bool
    cancel_requested: bool
    result: dict | None  # the last event of a run that is over

    @property
    def is_over(self) -> bool:
        return self.state in END_STATES


@dataclass(frozen=True)
class RunSummary:
    """A line of the history. Neither plan nor events are read for it."""

    id: str
    kind: str  # in LISTED
    name: str  # "": its visitor gave it none
    note: str
    pinned: bool
    data: str
    approach: str | None  # of a run
    state: str
    created_at: float
    score: float | None  # test accuracy, 0..1; of a comparison, its best
    low: float | None  # 95 % interval; of a run
    high: float | None
    outcome: str | None  # of a comparison: of the advice
    seconds: float | None  # that it took; None while it is not over

    @property
    def title(self) -> str:
        """Its name, or else what it is."""
        return self.name or default_title(self.kind, self.approach, self.data)


def default_title(kind: str, approach: str | None, data: str) -> str:
    """What a run or a comparison is called where nobody gave it a name."""
    if kind == "compare":
        what = "Every approach"
    else:  # an approach of a newer version, in a database that both use, is no reason to fail
        what = APPROACHES[approach].title if approach in APPROACHES else "A run"
    return f"{what} on {data_title(data)}"


def data_title(data: str) -> str:
    """What a data set is called, also when it was deleted."""
    try:
        return datasets.get_dataset(data).title
    except UnknownKey:
        return "data that is gone"


class Store:
    """All that is known about runs. Safe to use from several threads and processes."""

    def __init__(self, url: str) -> None:
        self.engine = engine.connect(url)
        migrations.upgrade(self.engine, metadata)
        self._unacknowledged: dict[
            str, int
        ] = {}  # run -> its last event before an `append` that raised

    # --- runs -----------------------------------------------------------------------------

    def enqueue(
        self, plan: Any, visitor: str, *, worker: str | None = None, parent_id: str | None = None
    ) -> str:
        """Queues a run, or another job, and hands back its id, which cannot be guessed; with
        `worker` it is that worker's at once (a terminal that runs it itself). `parent_id`: the
        comparison that it belongs to."""
        with self.engine.begin() as sql:
            return self.enqueue_in(sql, plan, visitor, worker=worker, parent_id=parent_id)

    def enqueue_in(
        self,
        sql: Connection,
        plan: Any,
        visitor: str,
        *,
        worker: str | None = None,
        parent_id: str | None = None,
    ) -> str:
        """`start` inside a transaction, with what must be there before a worker looks."""
        row = _new_row(plan, visitor, parent_id)
        row["host_id"] = self._required_host(row["kind"])
        row["created_at"] = _later_than(sql, runs.c.created_at, runs.c.state == QUEUED)
        if worker:
            row |= {"state": RUNNING, "worker_id": worker, "started_at": time.time()}
            row["heartbeat_at"] = self._server_time()
        if parent_id:  # whose it is by now: they may have signed in since it began
            whose = sql.scalar(select(runs.c.visitor).where(runs.c.id == parent_id))
            row["visitor"] = whose or visitor
        sql.execute(insert(runs).values(row))
        return row["id"]

    def get_run(self, run: str) -> Run:
        """The run called `run`. Raises `NoSuchRun`."""
        with self.engine.connect() as sql:
            kept = select(runs).where(runs.c.id == run, runs.c.deleted_at.is_(None))
            row = sql.execute(kept).mappings().first()
        if row is None:
            raise RunNotFound(run)
        return _run_from_row(row)

    def list_runs(self, visitor: str, limit: int = 50, kind: str = "run") -> list[Run]:
        """The visitor's runs, or jobs of another kind, the newest first."""
        mine = select(runs).where(
            runs.c.visitor == visitor, runs.c.kind == kind, runs.c.deleted_at.is_(None)
        )
        with self.engine.connect() as sql:
            rows = (
                sql.execute(mine.order_by(runs.c.created_at.desc()).limit(limit)).mappings().all()
            )
        return [_run_from_row(row) for row in rows]

    def find_latest(self, kind: str, subject: str) -> Run | None:
        """The newest job of this kind about `subject`."""
        those = select(runs).where(runs.c.kind == kind, runs.c.subject == subject)
        with self.engine.connect() as sql:
            row = sql.execute(those.order_by(runs.c.created_at.desc()).limit(1)).mappings().first()
        return row and _run_from_row(row)

    def datasets_imported_by(self, visitor: str) -> set[str]:
        """Keys of the data that jobs of the visitor have read, wherever it lies."""
        led_to = runs.c.result["found"]["data"].as_string()
        theirs = (runs.c.kind == "read") & (runs.c.visitor == visitor) & led_to.is_not(None)
        with self.engine.connect() as sql:
            return set(sql.scalars(select(led_to).where(theirs)))

    def erase_examples(self, subject: str) -> None:
        """Takes out of the runs on `subject` what they kept of its examples; scores stay."""
        scrub_marker_path().touch()
        with self.engine.begin() as sql:
            _delete_imports(sql, subject)
            about = select(runs.c["id", "kind", "approach"]).where(runs.c.subject == subject)
            for run, kind, approach in sql.execute(about).all():
                if kind != "run":
                    sql.execute(events.delete().where(events.c.run_id == run))
                    sql.execute(runs.delete().where(runs.c.id == run))
                    continue
                bundle_path(run).unlink(missing_ok=True)  # it holds a few, as its proof
                here = run_dir(run)
                elsewhere = (
                    object_store.storage_url() and approach == "simple" and not here.exists()
                )
                if (here / "words.json").exists() or elsewhere:  # made of their words, or may be
                    object_store.delete_run(run)
                _delete_jobs_about(sql, run, runs.c.kind == "explain")  # which older versions kept
                shown = select(events).where(
                    events.c.run_id == run,
                    events.c.event.like(f'{{"type": "{WatchedExamples.type}"%'),
                )
                for row in sql.execute(shown).mappings().all():
                    kept = json.loads(row["event"])
                    kept["inputs"] = [""] * len(kept["inputs"])
                    sql.execute(
                        update(events)
                        .where(events.c.run_id == run, events.c.seq == row["seq"])
                        .values(event=json.dumps(kept))
                    )

    def read_events(self, run: str, after: int = 0) -> list[tuple[int, Event]]:
        """The run's events with numbers above `after`, which count from 1, in order."""
        newer = select(events.c.seq, events.c.event).where(
            events.c.run_id == run, events.c.seq > after
        )
        with self.engine.connect() as sql:
            rows = sql.execute(newer.order_by(events.c.seq)).all()
        return [(number, from_json_text(text)) for number, text in rows]

    def append(self, run: str, new: Sequence[Event]) -> None:
        """Adds events to a run that is not over; what comes after its end is dropped. One that
        is an end ends the run, in the same transaction. Where it raises, give `new` again: what
        the database took just before its connection was lost is not told twice."""
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
        unheard: dict[str, int] | None = None,
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
        if unheard is not None and (before := unheard.setdefault(run, last)) < last:
            later = select(events.c.event).where(events.c.run_id == run, events.c.seq > before)
            there = sql.scalars(later.order_by(events.c.seq)).all()
            arrived = len(there) if there == texts[: len(there)] else 0
            if arrived == len(texts):
                return
            new, texts = new[arrived:], texts[arrived:]
        rows = [
            {"run_id": run, "seq": number, "event": text}
            for number, text in enumerate(texts, last + 1)
        ]
        sql.execute(insert(events), rows)
        if state := END_EVENTS.get(type(new[-1])):
            sql.execute(
                update(runs)
                .where(runs.c.id == run)
                .values(state=state, finished_at=time.time(), result=new[-1].as_json())
                .values(_result_columns(new[-1].as_json()))
            )

    def request_stop(self, run: str, visitor: str | None = None) -> None:
        """Asks a run to end early with the best it has; one that was never begun is cancelled.
        Where a `visitor` asks, only their own."""
        self._set_flag(run, "stop_requested", visitor)

    def request_cancel(self, run: str, visitor: str | None = None) -> None:
        """Asks a run to end at once, without a score. Where a `visitor` asks, only their own."""
        self._set_flag(run, "cancel_requested", visitor)

    def _set_flag(self, run: str, flag: str, visitor: str | None) -> None:
        this = (runs.c.id == run) & (runs.c.visitor == visitor if visitor else true())
        with self.engine.begin() as sql:
            sql.execute(update(runs).where(this).values({flag: True}))
            waits = select(runs.c.id).where(this, runs.c.state == QUEUED)
            if (
                flag == "stop_requested"
            ):  # begun, and back in the queue: the next coordinator brings a score
                waits = waits.where(runs.c.started_at.is_(None))
            if sql.execute(waits).first():
                self._append(sql, run, [JobCancelled(0.0)])
                (run_dir(run) / CHECKPOINT_FILE).unlink(missing_ok=True)  # if it was to go on

    def read_flags(self, run: str) -> tuple[bool, bool]:
        """Whether the run was asked to stop, and whether it was cancelled."""
        flags = select(runs.c.stop_requested, runs.c.cancel_requested, runs.c.state).where(
            runs.c.id == run
        )
        with self.engine.connect() as sql:
            row = sql.execute(flags).first()
        if row is None:
            return False, True
        return row.stop_requested, row.cancel_requested or row.state in END_STATES

    def _server_time(self) -> Any:
        """For heartbeats, which may come from another computer, whose clock is another."""
        return engine.server_time(self.engine)

    def _required_host(self, kind: str) -> str | None:
        """The data folder that a job started here needs: what came and what is handed out lies in
        it alone. Models and own data do not, where they are shared."""
        shared = object_store.storage_url() and kind in jobs.TRAINING_KINDS
        return data_dir_id() if engine.is_shared(self.engine) and not shared else None

    # --- the history ----------------------------------------------------------------------

    def list_history(
        self,
        visitor: str | None,
        *,
        search: str = "",
        sort: str = "newest",
        parts: bool = False,
        limit: int = 20,
        offset: int = 0,
    ) -> tuple[list[RunSummary], int]:
        """A page of the visitor's runs and comparisons (None: everyone's), those pinned first, and
        how many there are in all. Every word of `search` is looked for in name, note, approach and
        data. `sort` is in SORTS. With `parts`, the runs that belong to a comparison are there too.
        """
        wanted = runs.c.deleted_at.is_(None) & runs.c.kind.in_(HISTORY_KINDS)
        if visitor is not None:
            wanted &= runs.c.visitor == visitor
        if not parts:
            wanted &= runs.c.parent_id.is_(None)
        for word in search[:MAX_SEARCH_CHARS].casefold().split():
            wanted &= runs.c.search_text.contains(word, autoescape=True)
        order = (runs.c.pinned.desc(), *SORT_ORDERS[sort], runs.c.created_at.desc(), runs.c.id)
        page = select(runs.c.id).where(wanted).order_by(*order).limit(limit).offset(offset)
        with self.engine.connect() as sql:
            total = sql.scalar(select(func.count()).select_from(runs).where(wanted)) or 0
            ids = sql.scalars(page).all()
            rows = {
                row["id"]: row
                for row in sql.execute(
                    select(*_SUMMARY_COLUMNS).where(runs.c.id.in_(ids))
                ).mappings()
            }
        return [RunSummary(**rows[key]) for key in ids if key in rows], total

    def get_summary(self, run: str) -> RunSummary:
        """The line of one run or comparison. Raises `NoSuchRun`."""
        one = select(*_SUMMARY_COLUMNS).where(
            runs.c.id == run, runs.c.deleted_at.is_(None), runs.c.kind.in_(HISTORY_KINDS)
        )
        with self.engine.connect() as sql:
            row = sql.execute(one).mappings().first()
        if row is None:
            raise RunNotFound(run)
        return RunSummary(**row)

    def annotate(self, run: str, visitor: str, *, name: str, note: str) -> None:
        """Gives the visitor's run a name and a note, cut to what is kept of them."""
        mine = (runs.c.id == run) & (runs.c.visitor == visitor)
        told = {"name": _clean(" ".join(name.split()), MAX_NAME_CHARS)}
        told["note"] = _clean(note.strip(), MAX_NOTE_CHARS)
        with self.engine.begin() as sql:
            row = sql.execute(select(runs.c.kind, runs.c.job).where(mine)).mappings().first()
            if row:
                told |= _history_columns(row["kind"], row["job"], **told)
                sql.execute(update(runs).where(mine).values(told))

    def pin(self, keys: Collection[str], visitor: str, pinned: bool = True) -> None:
        """Pins the visitor's runs, or no longer."""
        mine = runs.c.id.in_(keys) & (runs.c.visitor == visitor)
        with self.engine.begin() as sql:
            sql.execute(update(runs).where(mine).values(pinned=pinned))

    def delete(self, keys: Collection[str], visitor: str) -> float:
        """Takes the visitor's runs out of the history, with a comparison its runs, and cancels what
        is not over. For `UNDO_SECONDS` the number handed back brings them back: see `restore`."""
        now = time.time()
        mine = (runs.c.id.in_(keys) | runs.c.parent_id.in_(keys)) & (runs.c.visitor == visitor)
        mine &= runs.c.deleted_at.is_(None)
        with self.engine.begin() as sql:
            waiting = sql.scalars(select(runs.c.id).where(mine, runs.c.state == QUEUED)).all()
            sql.execute(
                update(runs)
                .where(mine, runs.c.state.not_in(END_STATES))
                .values(cancel_requested=True)
            )
            for run in waiting:
                self._append(sql, run, [JobCancelled(0.0)])
            sql.execute(update(runs).where(mine).values(deleted_at=now))
        return now

    def restore(self, deleted: float, visitor: str) -> int:
        """Brings back what `delete` took away then, and says how many that are."""
        those = (runs.c.deleted_at == deleted) & (runs.c.visitor == visitor)
        with self.engine.begin() as sql:
            return sql.execute(update(runs).where(those).values(deleted_at=None)).rowcount

    def purge_deleted(self) -> None:
        """Ends what was deleted too long ago to be brought back: weights, events and row."""
        from trainers.store.resume import resumed_runs

        gone = select(runs.c.id).where(runs.c.deleted_at < time.time() - UNDO_SECONDS)
        with self.engine.connect() as sql:
            keys = sql.scalars(gone).all()
        if keys:
            scrub_marker_path().touch()
        for run in keys:
            # First: what is interrupted here is found again by its row.
            object_store.delete_run(run)
            with self.engine.begin() as sql:
                _delete_jobs_about(sql, run, runs.c.kind.not_in(HISTORY_KINDS))
                either = (resumed_runs.c.run_id == run) | (resumed_runs.c.source_id == run)
                sql.execute(resumed_runs.delete().where(either))
                sql.execute(events.delete().where(events.c.run_id == run))
                sql.execute(runs.delete().where(runs.c.id == run))

    def import_run(
        self,
        run: str,
        plan: Any,
        visitor: str,
        told: Sequence[Event],
        *,
        name: str = "",
        note: str = "",
        created: float,
        ended: float,
        parent_id: str | None = None,
    ) -> None:
        """Adds a run that was made elsewhere and is over, with an id that cannot be guessed."""
        row = _new_row(plan, visitor, parent_id) | {
            "id": run,
            "created_at": created,
            "started_at": created,
        }
        row |= {"state": RUNNING, "worker_id": "file", "heartbeat_at": time.time()}
        row |= {"name": _clean(name, MAX_NAME_CHARS), "note": _clean(note, MAX_NOTE_CHARS)}
        row |= _history_columns(row["kind"], row["job"], row["name"], row["note"])
        with self.engine.begin() as sql:
            sql.execute(insert(runs).values(row))
            self._append(sql, run, told)
            sql.execute(update(runs).where(runs.c.id == run).values(finished_at=ended))

    # --- the queue ------------------------------------------------------------------------

    def claim(self, worker: str, *, needs_torch: bool = True) -> Run | None:
        """Claim the next job for `worker`; None if none waits. Visitors take turns.

        Only jobs that need torch, or with `needs_torch=False` only those that do not.
        """
        with self.engine.begin() as sql:
            waiting = self._fair_order(sql, needs_torch=needs_torch)
            for run in waiting:
                if run["host_id"] and run["host_id"] != data_dir_id():
                    continue
                now, them = time.time(), {row["visitor"] for row in waiting}
                if len(them) > 1:
                    now = _later_than(sql, runs.c.started_at, runs.c.visitor.in_(them))
                # One that another worker is just about to take is passed by, not waited for.
                free = select(runs.c.id).where(runs.c.id == run["id"], runs.c.state == QUEUED)
                free = free.with_for_update(skip_locked=True).scalar_subquery()
                taken = sql.execute(
                    update(runs)
                    .where(runs.c.id == free, runs.c.state == QUEUED)
                    .values(
                        state=RUNNING,
                        worker_id=worker,
                        started_at=now,
                        heartbeat_at=self._server_time(),
                    )
                )
                if not taken.rowcount:
                    continue
                try:
                    return _run_from_row({**run, "state": RUNNING, "started_at": now})
                except BadPlan as error:  # of an older version: it must not block the others
                    self._append(sql, run["id"], [JobFailed(str(error), 0.0)])
        return None

    def _fair_order(
        self, sql: Connection, more: Iterable[dict] = (), *, needs_torch: bool = True
    ) -> list[dict]:
        """The waiting jobs in the order in which they are served: always a run of the visitor
        who was served the longest ago; a visitor's own in the order they came."""
        waiting = select(runs).where(runs.c.state == QUEUED, _is_kind(needs_torch))
        waiting = waiting.order_by(runs.c.created_at)
        rows = [dict(row) for row in sql.execute(waiting).mappings()] + list(more)
        if len(rows) < 2:
            return rows
        latest = select(runs.c.visitor, func.max(runs.c.started_at)).group_by(runs.c.visitor)
        latest = latest.where(runs.c.visitor.in_({row["visitor"] for row in rows}))
        served = {visitor: claimed or 0.0 for visitor, claimed in sql.execute(latest)}
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

    def estimate_wait(self, visitor: str, run: str | None = None) -> WaitEstimate:
        """What lies before `run`, or before a new run of `visitor`."""
        new = {"id": None, "visitor": visitor, "created_at": math.inf}
        # What is not there was claimed by now, or is over.
        return self._estimate_waits([] if run else [new]).get(run, WaitEstimate(0, 0.0))

    def estimate_waits(self) -> dict[str, WaitEstimate]:
        """What lies before each of the runs that wait."""
        return self._estimate_waits([])

    def _estimate_waits(self, more: Iterable[dict]) -> dict[str | None, WaitEstimate]:
        now = time.time()
        with self.engine.connect() as sql:
            away = self.find_missing_hosts(sql)  # what waits for those keeps nobody else waiting
            order = [row for row in self._fair_order(sql, more) if row.get("host_id") not in away]
            # A terminal executes its run itself: that keeps no worker of the app busy.
            ours = runs.c.worker_id.in_(select(workers.c.id))
            training = (runs.c.state == RUNNING) & ours & _is_kind(needs_torch=True)
            busy = sql.execute(select(runs).where(training)).mappings().all()
            alive = workers.c.can_train & _is_alive(self._server_time())
            count = sql.scalar(select(func.count()).select_from(workers).where(alive)) or 1
            known = (
                self._estimate_durations(sql, busy)
                if busy or len(order) > 1
                else TypicalDurations({}, {})
            )
        return estimate_waits(order, busy, count, known, now)

    def _estimate_durations(self, sql: Connection, busy: Sequence[Any]) -> TypicalDurations:
        """Seconds that jobs took of late, and that those running say they will."""
        took = select(runs.c["kind", "job", "started_at", "finished_at"])
        took = took.where(runs.c.state == FINISHED, runs.c.started_at.is_not(None))
        took = took.order_by(runs.c.finished_at.desc()).limit(RECENT_JOBS)
        started = select(events.c["run_id", "event"]).where(
            events.c.run_id.in_([row["id"] for row in busy]),
            events.c.event.like(f'{{"type": "{RunStarted.type}"%'),
        )
        told = {run: json.loads(event) for run, event in sql.execute(started)}
        foretold = [
            (row, told[row["id"]]["setup_seconds"] + told[row["id"]]["predicted_seconds"])
            for row in busy
            if row["id"] in told and told[row["id"]]["predicted_seconds"]
        ]
        return estimate_durations(sql.execute(took).mappings().all(), foretold)

    # --- workers --------------------------------------------------------------------------

    def record_heartbeat(
        self, worker: str, pid: int, *, ready: bool, can_train: bool = True
    ) -> None:
        """Record that the worker is alive, whether it takes jobs and whether it has torch."""
        values = {
            "pid": pid,
            "ready": ready,
            "can_train": can_train,
            "heartbeat_at": self._server_time(),
        }
        values["host_id"] = data_dir_id() if engine.is_shared(self.engine) else None
        with self.engine.begin() as sql:
            known = sql.execute(update(workers).where(workers.c.id == worker).values(values))
            if not known.rowcount:
                sql.execute(insert(workers).values(id=worker, **values))

    def count_ready_workers(self) -> int:
        """Workers that live, can train, and have warmed up."""
        alive = _is_alive(self._server_time()) & workers.c.ready & workers.c.can_train
        with self.engine.connect() as sql:
            return sql.scalar(select(func.count()).select_from(workers).where(alive)) or 0

    def remove_worker(self, worker: str, reason: str) -> None:
        """Forgets a worker, and ends the run it had: failed, for `reason`."""
        with self.engine.begin() as sql:
            its = (workers.c.id == worker) | workers.c.id.startswith(f"{worker}-")  # and its places
            sql.execute(workers.delete().where(its))
            mine = runs.c.worker_id == worker
            # The runs of a comparison are the comparison's, which is the worker's.
            mine |= runs.c.parent_id.in_(select(runs.c.id).where(mine, runs.c.state == RUNNING))
            had = select(runs.c.id, runs.c.started_at).where(mine, runs.c.state == RUNNING)
            for run, claimed in sql.execute(had).all():
                self._append(sql, run, [JobFailed(reason, _seconds_since(claimed))])

    def find_missing_hosts(self, sql: Connection) -> set[str]:
        """Data folders that jobs wait for, and that no worker has."""
        bound = (runs.c.state == QUEUED) & runs.c.host_id.is_not(None)
        wanted = set(sql.scalars(select(runs.c.host_id).where(bound).distinct()))
        if not wanted:
            return wanted
        there = set(sql.scalars(select(workers.c.host_id)))
        # A worker of an older version does not say which it has: it may be any.
        return set() if None in there else wanted - there - {data_dir_id()}

    def fail_unplaceable(self, machine: str) -> None:
        """Ends the jobs that wait for a data folder which is gone."""
        those = (runs.c.host_id == machine) & (runs.c.state == QUEUED)
        with self.engine.begin() as sql:
            for run in sql.scalars(select(runs.c.id).where(those)).all():
                this = (
                    update(runs)
                    .where(runs.c.id == run, those)
                    .values(stop_requested=runs.c.stop_requested)
                )
                # Writing first takes the lock: no worker can claim it in between.
                if sql.execute(this).rowcount:
                    self._append(sql, run, [JobFailed(MISSING_HOST_TEXT, 0.0)])

    def fail_stale_runs(self) -> None:
        """Ends the runs that nobody has kept alive for a while, and forgets dead workers, by one
        look at the clock; who looks again and again goes by trainers/workers/liveness.py."""
        now = self._server_time()

        def stopped(table: Table) -> Any:  # one in the future: the clock was set back since
            return func.abs(table.c.heartbeat_at - now) > HEARTBEAT_TIMEOUT_SECONDS

        with self.engine.connect() as sql:
            silent = select(workers.c.id, workers.c.heartbeat_at).where(stopped(workers))
            dead = dict(sql.execute(silent).all())
            lost = select(runs.c.id, runs.c.heartbeat_at).where(
                runs.c.state == RUNNING, stopped(runs)
            )
            gone = dict(sql.execute(lost).all())
        self.fail_lost_runs(gone, dead, gone | dead)

    def fail_lost_runs(
        self, lost: Collection[str], dead: Collection[str], beats: Mapping[str, float]
    ) -> None:
        """Ends these runs, and forgets these workers, unless their hearts beat after `beats`."""
        with self.engine.begin() as sql:
            for worker in dead:
                this = (workers.c.id == worker) & (workers.c.heartbeat_at == beats[worker])
                sql.execute(workers.delete().where(this))
            for run in lost:
                this = (runs.c.id == run) & (runs.c.heartbeat_at == beats[run])
                # Writing first takes the lock: no heart can beat in between.
                if sql.execute(
                    update(runs).where(this).values(stop_requested=runs.c.stop_requested)
                ).rowcount:
                    claimed = sql.scalar(select(runs.c.started_at).where(this))
                    failed = JobFailed(
                        "The process that ran this ended without a word (the computer was shut "
                        "down, or Thaw was ended). Nothing is wrong with your data.",
                        _seconds_since(claimed),
                    )
                    self._append(sql, run, [failed])


@cache
def get_store() -> Store:
    """This process's store, at `database_url()`. Raises `NoStore`."""
    url = open_database_url()
    object_store.connect(is_run_deleted=_is_run_deleted, delete_derived=_delete_derived)
    try:
        return Store(url)
    except SQLAlchemyError as error:
        if text := user_message(error):
            raise StoreUnavailable(text) from error
        raise


def _is_run_deleted(run: str) -> bool:
    with get_store().engine.connect() as sql:
        return sql.scalar(select(runs.c.id).where(runs.c.id == run)) is None


def _delete_derived(key: str, draft: str) -> None:
    """Delete what was made here of an upload that another app server deleted; see
    hosting/erase.py."""
    subject = f"own-{key}"
    inbox.delete_draft(draft)
    feature_cache.delete(subject)
    with get_store().engine.connect() as sql:
        for run in sql.scalars(select(runs.c.id).where(runs.c.subject == subject)).all():
            bundle_path(run).unlink(missing_ok=True)  # it holds a few examples


@contextmanager
def _durable_commit(sql: Connection, wanted: bool) -> Iterator[None]:
    """Where it is `wanted`, what is committed inside outlives a power cut; see above."""
    sqlite = wanted and sql.dialect.name == "sqlite"
    if sqlite:
        sql.exec_driver_sql("PRAGMA synchronous=FULL")
        sql.commit()
    try:
        yield
    finally:
        if sqlite:
            sql.exec_driver_sql("PRAGMA synchronous=NORMAL")


def _later_than(sql: Connection, column: Any, those: Any) -> float:
    """The time, later than `column` of all `those`: where the clock was set back meanwhile, who
    came first is still the first."""
    latest = sql.scalar(select(func.max(column)).where(those)) or 0.0
    return max(time.time(), latest + 1e-6)


def _is_alive(now: float) -> Any:
    """Of a worker: it lives. A beat in the future is as old as one long past: the clock was set
    back since."""
    return func.abs(workers.c.heartbeat_at - now) < HEARTBEAT_TIMEOUT_SECONDS


def _seconds_since(then: float) -> float:
    """Seconds since `then`; 0 where the clock was set back meanwhile."""
    return max(0.0, time.time() - then)


def scrub_marker_path() -> Path:
    """A file that is there while the database may hold traces of what was deleted."""
    return data_dir() / "to-scrub"


def _delete_imports(sql: Connection, data: str) -> None:
    """Ends the readings that led to `data`: they know what its files were called."""
    found = runs.c.result["found"]["data"].as_string() == data
    those = sql.scalars(select(runs.c.id).where(runs.c.kind == "read", found)).all()
    sql.execute(events.delete().where(events.c.run_id.in_(those)))
    sql.execute(runs.delete().where(runs.c.id.in_(those)))


def _delete_jobs_about(sql: Connection, run: str, chosen: Any) -> None:
    """Ends the jobs about `run`, such as packing its model, that are `chosen`."""
    those = select(runs.c.id).where(runs.c.subject == run, chosen)
    sql.execute(events.delete().where(events.c.run_id.in_(those)))
    sql.execute(runs.delete().where(runs.c.subject == run, chosen))


def _is_kind(needs_torch: bool) -> Any:
    return runs.c.kind.in_(
        [name for name, kind in jobs.KINDS.items() if kind.needs_torch == needs_torch]
    )


def _run_from_row(row: Any) -> Run:
    known = Run.__dataclass_fields__.keys()
    plan = jobs.from_json(row["kind"], row["job"])
    return Run(**{name: row[name] for name in known if name != "job"}, job=plan)


SORT_ORDERS = {
    "newest": (),
    "score": (runs.c.score.desc().nulls_last(),),
    "longest": (runs.c.seconds.desc().nulls_last(),),
}
_SUMMARY_COLUMNS = (
    *(runs.c[name] for name in ("id", "kind", "name", "note", "pinned", "approach", "state")),
    *(runs.c[name] for name in ("created_at", "score", "seconds")),
    runs.c.subject.label("data"),
    runs.c.result["test_accuracy_low"].as_float().label("low"),
    runs.c.result["test_accuracy_high"].as_float().label("high"),
    runs.c.result["outcome"].as_string().label("outcome"),
)


def _new_row(plan: Any, visitor: str, parent_id: str | None) -> dict[str, Any]:
    """A new row of `runs`, queued."""
    row = {"id": secrets.token_urlsafe(16), "visitor": visitor, "job": plan.as_json()}
    row |= {"created_at": time.time(), "state": QUEUED}
    row |= {"stop_requested": False, "cancel_requested": False}
    row |= {"kind": jobs.kind_of(plan), "subject": jobs.subject_of(plan), "parent_id": parent_id}
    return row | _history_columns(row["kind"], row["job"])


def _history_columns(
    kind: str, plan: dict[str, Any], name: str = "", note: str = ""
) -> dict[str, Any]:
    """What the history shows and finds of a job; plain values, of a plan that may be outdated."""
    if kind not in HISTORY_KINDS:
        return {}
    approach, data = plan.get("approach"), plan["data"]
    words = [name, note, default_title(kind, approach, data), data]
    return {"approach": approach, "search_text": " ".join(words).casefold()}


def _result_columns(last: dict[str, Any] | None) -> dict[str, Any]:
    """What the history sorts by, of the last event of a run that is over."""
    if not last:
        return {}
    scores = [run["test_accuracy"] for run in last.get("runs", ()) if "test_accuracy" in run]
    return {
        "seconds": last["seconds"],
        "score": last.get("test_accuracy", max(scores, default=None)),
    }


# Signs that are not to be seen, and those that turn the direction of reading, which would make
# "exe.gnp" of a name; among them zero, which Postgres does not keep.
INVISIBLE_CHARS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def _clean(text: str, most: int) -> str:
    return INVISIBLE_CHARS.sub("", text)[:most]
