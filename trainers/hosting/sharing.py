"""Who else sees a run or a comparison: whoever was given its link, until its owner takes it back.

A run is its visitor's: its id, which stands in their own address bar, opens it for them alone. To
show it to others they make a link, a second key that cannot be guessed. So a link can be taken
back for good (the next one is another), what was never shared is seen by nobody who reads an
address over a shoulder or in a log, and old addresses go on working in the browser that they are
of. A terminal's runs have no browser: whoever knows the id may look at them. Rooms show names and
scores out of their own tables, and open no run.

To look is all that a link is good for: what changes a run asks whose it is, in the store
(`stop`, `cancel`, `describe`, `pin`, `delete`) and in `limits.start`.
"""

import secrets
import time
from collections.abc import Collection

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from trainers.datasets.uploads.storage import LOCAL_VISITOR
from trainers.store import Run, RunNotFound, get_store
from trainers.store.tables import runs, share_links


class RunNotShared(RunNotFound):
    """There is such a run, of somebody else."""

    def __str__(self) -> str:
        return (
            "This was started in another browser, or by somebody else, so only they can open it. "
            "Ask them for its link: they find it under Share. If you started it yourself, open it "
            "where you did."
        )


class InvalidLink(RunNotFound):
    """A link that leads nowhere."""

    def __str__(self) -> str:
        return (
            "This link leads nowhere: it is incomplete, or who shared it has taken it back or "
            "deleted what it showed. Ask them for a new one."
        )


def can_open(run: Run, visitor: str) -> bool:
    """Whether the visitor may open it by its id."""
    return run.visitor in (visitor, LOCAL_VISITOR)


def open_run(run: str, visitor: str) -> Run:
    """The visitor's run called `run`. Raises `NoSuchRun`, also for one that is not theirs."""
    found = get_store().get_run(run)
    if not can_open(found, visitor):
        raise RunNotShared(run)
    return found


def open_shared_run(token: str) -> Run:
    """What the link shows. Raises `NoSuchRun`."""
    with get_store().engine.connect() as sql:
        run = sql.scalar(select(share_links.c.run_id).where(share_links.c.token == token))
    try:
        return get_store().get_run(run or "")
    except RunNotFound:
        raise InvalidLink(token) from None


def share_run(run: str, visitor: str) -> str:
    """The token of the run's link, made if need be. Raises `NoSuchRun` where it is not theirs."""
    if get_store().get_run(run).visitor != visitor:
        raise RunNotShared(run)
    if known := find_token(run, visitor):
        return known
    token = secrets.token_urlsafe(16)
    try:
        with get_store().engine.begin() as sql:
            sql.execute(insert(share_links).values(token=token, run_id=run, created_at=time.time()))
    except IntegrityError:  # another tab was quicker
        return find_token(run, visitor) or share_run(run, visitor)
    return token


def find_token(run: str, visitor: str) -> str | None:
    """The token of the link of the visitor's run; None where it is not shared, or not theirs."""
    mine = select(share_links.c.token).join(runs, runs.c.id == share_links.c.run_id)
    with get_store().engine.connect() as sql:
        return sql.scalar(mine.where(share_links.c.run_id == run, runs.c.visitor == visitor))


def unshare_run(run: str, visitor: str) -> None:
    """Takes the link of the visitor's run back: it leads nowhere from now on."""
    mine = select(runs.c.id).where(runs.c.id == run, runs.c.visitor == visitor)
    with get_store().engine.begin() as sql:
        sql.execute(delete(share_links).where(share_links.c.run_id.in_(mine)))


def filter_shared(keys: Collection[str]) -> set[str]:
    """Which of the runs are shared."""
    with get_store().engine.connect() as sql:
        return set(sql.scalars(select(share_links.c.run_id).where(share_links.c.run_id.in_(keys))))
