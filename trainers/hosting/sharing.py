"""Share links: they show a run or a comparison to others until its owner revokes them.

The id of a run, as in its owner's address bar, opens it for the owner only. A link carries a token
of its own that cannot be guessed. So revoking it is final (the next link has another token), and an
id seen over a shoulder or in a log opens nothing. Runs of the terminal have no browser: whoever
knows their id may see them. Rooms show names and scores from their own tables and open no run.

A link is read-only: whatever changes a run checks its owner, in the store and in
`quotas.enqueue_job`.
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
    """The run exists, but belongs to somebody else."""

    def __str__(self) -> str:
        return (
            "This was started in another browser, or by somebody else, so only they can open it. "
            "Ask them for its link: they find it under Share. If you started it yourself, open it "
            "where you did."
        )


class InvalidLink(RunNotFound):
    """The link is wrong or was revoked."""

    def __str__(self) -> str:
        return (
            "This link leads nowhere: it is incomplete, or who shared it has taken it back or "
            "deleted what it showed. Ask them for a new one."
        )


def can_open(run: Run, visitor: str) -> bool:
    """Return whether the visitor may open the run by its id."""
    return run.visitor in (visitor, LOCAL_VISITOR)


def open_run(run: str, visitor: str) -> Run:
    """Return the visitor's run with this id. Raises `RunNotFound`, for others' `RunNotShared`."""
    opened = get_store().get_run(run)
    if not can_open(opened, visitor):
        raise RunNotShared(run)
    return opened


def open_shared_run(token: str) -> Run:
    """Return the run that the link shows. Raises `InvalidLink`."""
    with get_store().engine.connect() as sql:
        run = sql.scalar(select(share_links.c.run_id).where(share_links.c.token == token))
    try:
        return get_store().get_run(run or "")
    except RunNotFound:
        raise InvalidLink(token) from None


def share_run(run: str, visitor: str) -> str:
    """Return the token of the run's link, a new one if there is none. Raises `RunNotFound`."""
    if get_store().get_run(run).visitor != visitor:
        raise RunNotShared(run)
    if token := find_token(run, visitor):
        return token
    token = secrets.token_urlsafe(16)
    try:
        with get_store().engine.begin() as sql:
            sql.execute(insert(share_links).values(token=token, run_id=run, created_at=time.time()))
    except IntegrityError:  # another tab was faster
        return find_token(run, visitor) or share_run(run, visitor)
    return token


def find_token(run: str, visitor: str) -> str | None:
    """Return the token of the visitor's run, or None if it is not shared or not theirs."""
    mine = select(share_links.c.token).join(runs, runs.c.id == share_links.c.run_id)
    with get_store().engine.connect() as sql:
        return sql.scalar(mine.where(share_links.c.run_id == run, runs.c.visitor == visitor))


def unshare_run(run: str, visitor: str) -> None:
    """Revoke the link of the visitor's run."""
    mine = select(runs.c.id).where(runs.c.id == run, runs.c.visitor == visitor)
    with get_store().engine.begin() as sql:
        sql.execute(delete(share_links).where(share_links.c.run_id.in_(mine)))


def filter_shared(keys: Collection[str]) -> set[str]:
    """Return those of the run ids that are shared."""
    with get_store().engine.connect() as sql:
        return set(sql.scalars(select(share_links.c.run_id).where(share_links.c.run_id.in_(keys))))
