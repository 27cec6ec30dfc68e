"""An interrupted run, continued: a new run that tells what the first told, and goes on from there.

A run that is over stays as it is: what a lost process still has to say of it is dropped, as ever.
Where several computers share what they have (trainers/system/object_store.py), each can go on with what
another was at: where a run stands is put there too, now and then.
"""

import logging
import os
import shutil
import threading
import time
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Select, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from trainers.events import Continued, Event, Finished, Started
from trainers.store import (
    CANCELLED,
    ENDS,
    FAILED,
    LOST_AFTER_SECONDS,
    RUNNING,
    NoSuchRun,
    Store,
    engine,
)
from trainers.store.tables import continued, runs
from trainers.system import object_store
from trainers.system.atomic import DRAFT
from trainers.system.paths import home, machine, run_folder
from trainers.training.checkpoint_file import CHECKPOINT, standing_of

# Between two times that it is put where other computers find it, and the most of the time that this
# may take. Ours.
SHARE_SECONDS, SHARE = 10.0, 0.1


class CannotContinue(ValueError):
    """The text says why, and what to do."""


class Place(NamedTuple):
    """Where an interrupted run would go on."""

    phase: int  # from 0
    step: int
    epoch: float
    seconds: float  # on its clock


def place(run: str, *, anywhere: bool = True) -> Place | None:
    """Where `run` would go on; None where it kept nothing, and would start anew. Not `anywhere`:
    as far as this computer knows, which is quickly seen."""
    if anywhere and standing_of(run_folder(run)) is None:
        bring(run)
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
        if engine.is_shared(store.engine):  # what it goes on from lies here
            sql.execute(update(runs).where(runs.c.id == new).values(machine=machine()))
        sql.execute(insert(continued).values(run=new, of=run))
    return new


def _hand_on(file: Path, to: Path) -> None:
    """The same file twice, where the disk can do that: either run writes a new one in its place."""
    to.parent.mkdir(parents=True, exist_ok=True)
    draft = to.with_name(f"{to.name}.{os.getpid()}{DRAFT}")
    try:
        os.link(file, draft)
    except OSError:
        shutil.copy2(file, draft)
    draft.replace(to)
    draft.unlink(missing_ok=True)  # where both are the same file already, that leaves it


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
    begun = any(isinstance(event, Started) for _, event in store.events(run))
    if begun:  # lost in its midst and queued again: trainers/workers/ray/coordinator.py
        bring(run)
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
            if _shared(run).exists():
                shutil.rmtree(_shared(run).parent)
                object_store.remove(object_store.STANDING, run)
            run = continues(store, run) if isinstance(end, Finished) else None
    except NoSuchRun:  # deleted: its folder goes with it
        return
    except (OSError, SQLAlchemyError):  # the run has its end: nothing may take that from it
        logging.exception("What a run kept to go on from could not be removed.")


# --- several computers ----------------------------------------------------------------------------


def _shared(run: str) -> Path:
    """What was last put, or came: a file that stays as it is while it travels."""
    return home() / object_store.STANDING / run / CHECKPOINT


def bring(run: str) -> None:
    """Takes over where `run` stands from where computers share that, if that is further than what
    is known here."""
    if not object_store.get(object_store.STANDING, run):
        return
    here, there = run_folder(run), _shared(run)
    ours, theirs = standing_of(here), standing_of(there.parent)
    if theirs and (ours is None or ours["seconds"] < theirs["seconds"]):
        _hand_on(there, here / CHECKPOINT)


class Sharing:
    """Puts where a run stands to where other computers find it, beside the run, as long as this
    lasts; nothing where there is no such place."""

    def __init__(self, run: str) -> None:
        self.run = run
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._share, daemon=True)
        if object_store.address():
            self._thread.start()

    def _share(self) -> None:
        file, wait = run_folder(self.run) / CHECKPOINT, SHARE_SECONDS
        last = None
        while not self._over.wait(wait):
            began = time.monotonic()
            try:
                if (now := file.stat().st_mtime_ns) != last:
                    _hand_on(file, _shared(self.run))
                    object_store.put(object_store.STANDING, self.run)
                    last = now
            except FileNotFoundError:  # nothing was kept yet, or it is over
                continue
            except OSError:  # a disk that is full
                logging.warning("Where a run stands could not be shared.", exc_info=True)
            wait = max(SHARE_SECONDS, (time.monotonic() - began) / SHARE)

    def end(self) -> None:
        """Nothing is put after this."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
