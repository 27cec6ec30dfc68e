"""The end of what a visitor had: deleted means that no byte of it stays under `THAW_HOME`.

Rows go at once or, for a run that can be brought back, an hour later (`Store.sweep`); files with
them. What SQLite then still has of them in its pages and its write-ahead log goes when its file is
written anew, within a minute or two: `scrub`. (`secure_delete` alone leaves copies that were made
when a page was split: tried, 1 of some 2,000 deleted rows.) In a database by URL that is left to
whoever runs it. Processes that answer let go of a deleted model within half a minute.
"""

import logging
import shutil
import sqlite3
import time
from contextlib import closing, suppress

from sqlalchemy import delete, select, update

from trainers.home import home
from trainers.privacy.tables import answered, shares, wanted
from trainers.rooms import rooms
from trainers.samples import own
from trainers.samples.own import inbox
from trainers.store import OVER, UNDO_SECONDS, runs, store, to_scrub

AT_WORK_SECONDS = 600  # that a cancelled job may take to end; then its rows go. Ours


def data(key: str) -> None:
    """Deletes a visitor's own data, and what runs on it kept of its examples. Raises
    `UnknownKey`."""
    with suppress(LookupError):  # damaged, so what it was brought as is not known
        inbox.forget(own.sample(key).draft)
    own.forget(key)
    store().forget_examples(key)


def everything(visitor: str) -> None:
    """Deletes all that the visitor has: runs, data, links, places in rooms. It cannot be undone.
    What is at work is cancelled and goes when it has ended."""
    keys = [one.key for one in own.of(visitor)]
    for place in (home() / "inbox").glob("*"):
        if inbox.owner(place) == visitor:
            inbox.forget(place.name)
    mine = runs.c.visitor == visitor
    with store().engine.connect() as sql:
        waiting = sql.scalars(select(runs.c.id).where(mine, runs.c.state.not_in(OVER))).all()
    for run in waiting:
        store().cancel(run, visitor)
    with store().engine.begin() as sql:
        later = time.time() - UNDO_SECONDS + AT_WORK_SECONDS
        sql.execute(delete(shares).where(shares.c.run.in_(select(runs.c.id).where(mine))))
        sql.execute(update(runs).where(mine, runs.c.state.not_in(OVER)).values(deleted=later))
        sql.execute(update(runs).where(mine, runs.c.state.in_(OVER)).values(deleted=0.0))
        for table in (answered, wanted):
            sql.execute(delete(table).where(table.c.browser == visitor))
        sql.execute(delete(answered).where(answered.c.account == visitor))
    rooms().forget(visitor)
    for key in keys:
        data(key)
        shutil.rmtree(home() / "data" / key.removeprefix("own-"), ignore_errors=True)
    store().sweep()


def scrub() -> bool:
    """Writes SQLite's file anew, where something was deleted since; False where that must wait."""
    engine = store().engine
    if not to_scrub().exists():
        return True
    to_scrub().unlink(missing_ok=True)
    if engine.dialect.name != "sqlite":
        return True
    try:
        with closing(sqlite3.connect(engine.url.database, timeout=5, isolation_level=None)) as sql:
            sql.execute("VACUUM")
            busy, _, _ = sql.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:  # locked, or the disk is full: that passes
        logging.warning("What was deleted is still in the database's file: %s", error)
        busy = True
    if busy:
        to_scrub().touch()
    return not busy
