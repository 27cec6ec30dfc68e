"""An interrupted run, continued: a new run that tells what the first told, and goes on from there.

A run that is over stays as it is: what a lost process still has to say of it is dropped, as ever.
"""

import logging
import os
import shutil
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Column, Select, String, Table, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from trainers.checkpoint import CHECKPOINT, standing_of
from trainers.events import Continued, Event, Finished
from trainers.home import run_folder
from trainers.store import (
    CANCELLED,
    ENDS,
    FAILED,
    LOST_AFTER_SECONDS,
    RUNNING,
    NoSuchRun,
    Store,
    runs,
    tables,
)

continued = Table(
    "continued",
    tables,
    Column("run", String(32), primary_key=True),
    Column("of", String(32), nullable=False, index=True),  # the interrupted one
)


class CannotContinue(ValueError):
    """The text says why, and what to do."""


class Place(NamedTuple):
    """Where an interrupted run would go on."""

    phase: int  # from 0
    step: int
    epoch: float
    seconds: float  # on its clock


def place(run: str) -> Place | None:
    """Where `run` would go on; None where it kept nothing, and would start anew."""
    facts = standing_of(run_folder(run))
    return facts and Place(*(facts[name] for name in Place._fields))


def continue_run(store: Store, run: str, visitor: str, *, worker: str | None = None) -> str:
    """Queues a run that goes on where `run` was interrupted, and hands back its id; `worker` as in
    `Store.start`. Raises `NoSuchRun` and `CannotContinue`."""
    found = store.find(run)
    if found.visitor != visitor:
        raise CannotContinue("Only who started this run can continue it.")
    if found.state == RUNNING:
        raise CannotContinue(
            "This run is at work. If its process has just ended, that shows within "
            f"{LOST_AFTER_SECONDS} seconds: try again then."
        )
    if found.kind != "run" or found.state != FAILED:
        raise CannotContinue(f"This run is {found.state}. Only one that was interrupted can go on.")
    if place(run) is None:
        raise CannotContinue(
            "This run was interrupted before there was anything to go on from. Run it again."
        )
    # The file first: a worker may claim the run as soon as it is there.
    with store.engine.begin() as sql:
        # Writing first takes the lock: two tabs cannot both find that nobody has.
        sql.execute(update(runs).where(runs.c.id == run).values(beat=runs.c.beat))
        if sql.scalar(_newer(run).where(runs.c.state != CANCELLED)):
            raise CannotContinue("It goes on already: see Runs.")
        new = store.start_in(sql, found.plan, visitor, worker=worker)
        _hand_on(run_folder(run) / CHECKPOINT, run_folder(new) / CHECKPOINT)
        sql.execute(insert(continued).values(run=new, of=run))
    return new


def _hand_on(file: Path, to: Path) -> None:
    """The same file twice, where the disk can do that: either run writes a new one in its place."""
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, to)
    except OSError:
        shutil.copy2(file, to)


def continues(store: Store, run: str) -> str | None:
    """The run that `run` goes on from."""
    with store.engine.connect() as sql:
        return sql.scalar(select(continued.c.of).where(continued.c.run == run))


def continued_by(store: Store, run: str) -> str | None:
    """The newest run that goes on from `run`, and is still there."""
    with store.engine.connect() as sql:
        return sql.scalar(_newer(run))


def _newer(run: str) -> Select:
    """Of the runs that go on from `run` and are still there, the newest first."""
    those = select(runs.c.id).join(continued, continued.c.run == runs.c.id)
    those = those.where(continued.c.of == run, runs.c.deleted.is_(None))
    return those.order_by(runs.c.created.desc())


def before(store: Store, run: str) -> list[Event]:
    """What was told up to where `run` goes on, and that it does; [] of a run that starts anew."""
    of = continues(store, run)
    if of and store.events(run):  # lost in its midst and begun again: trainers/engine/remote.py
        return []
    at = of and place(run)
    told = [event for _, event in store.events(of)] if at else []
    if not told:  # deleted since: then this run is one like any other
        if of:
            (run_folder(run) / CHECKPOINT).unlink(missing_ok=True)
        return []
    kept = []
    for event in told:
        if type(event) in ENDS or getattr(event, "seconds", 0.0) > at.seconds:
            break
        kept.append(event)
    text = f"This run was interrupted, and goes on here from {at.seconds:.1f} s."
    return [*kept, Continued(text, at.seconds, phase=at.phase, step=at.step)]


def settle(store: Store, run: str, end: Event) -> None:
    """Removes what `run` kept to go on from, once that is of no more use: it was cancelled, or has
    its score; then those that it goes on from need theirs no longer either."""
    try:
        over = isinstance(end, Finished) or store.find(run).state == CANCELLED
        while run and over:
            (run_folder(run) / CHECKPOINT).unlink(missing_ok=True)
            run = continues(store, run) if isinstance(end, Finished) else None
    except NoSuchRun:  # deleted: its folder goes with it
        return
    except (OSError, SQLAlchemyError):  # the run has its end: nothing may take that from it
        logging.exception("What a run kept to go on from could not be removed.")
