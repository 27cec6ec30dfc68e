"""Who a visitor is: a browser, or the account that they signed in with.

A browser is known by the key that the app gave it, an account by `account_id`. Both are just a
"visitor" to all else. A colon is in every account's id and in no browser's key, so that no browser
can say that it is an account.
"""

import base64
import hmac
import time
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import delete, func, insert, select, update

from trainers.datasets.uploads.dataset import change_owner
from trainers.hosting.own_data import list_own_data
from trainers.hosting.rooms import get_rooms
from trainers.store import HISTORY_KINDS, get_store
from trainers.store.tables import login_redirects, merge_answers, runs

ACCOUNT_PREFIX = "account:"
REDIRECT_TTL_SECONDS = 900  # that a sign-in may take, and be led back to where one came from. Ours
MAX_PAGE_CHARS, MAX_QUERY_CHARS = 32, 4000


def account_id(issuer: str, subject: str, secret: str) -> str:
    """The visitor that this account is: the same at every sign-in, and nobody can tell the account
    from it without `secret`. With another secret it is another visitor."""
    told = f"thaw visitor\0{issuer}\0{subject}".encode()
    digest = hmac.new(secret.encode(), told, "sha256").digest()
    return ACCOUNT_PREFIX + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def is_account(visitor: str) -> bool:
    return visitor.startswith(ACCOUNT_PREFIX)


# --- what the browser had before ------------------------------------------------------------------


class AnonymousData(NamedTuple):
    """What a browser has that no account has taken over."""

    run_count: int
    data_count: int


def count_anonymous_data(browser: str, account: str) -> AnonymousData:
    """What `account` is to be asked about: since it was asked last, there is nothing else."""
    this = (merge_answers.c.browser == browser) & (merge_answers.c.account == account)
    with get_store().engine.connect() as sql:
        asked = sql.scalar(select(merge_answers.c.answered_at).where(this)) or 0.0
        theirs = (
            (runs.c.visitor == browser)
            & runs.c.kind.in_(HISTORY_KINDS)
            & runs.c.deleted_at.is_(None)
        )
        theirs &= runs.c.parent_id.is_(None) & (runs.c.created_at > asked)
        count = sql.scalar(select(func.count()).select_from(runs).where(theirs)) or 0
    return AnonymousData(count, sum(one.created_at > asked for one in list_own_data(browser)))


def decline_merge(browser: str, account: str) -> None:
    """What the browser has stays the browser's; it is not asked about again."""
    with get_store().engine.begin() as sql:
        this = (merge_answers.c.browser == browser) & (merge_answers.c.account == account)
        sql.execute(delete(merge_answers).where(this))
        sql.execute(
            insert(merge_answers).values(browser=browser, account=account, answered_at=time.time())
        )


def merge(browser: str, account: str) -> None:
    """What the browser ran and brought is the account's from now on, and no longer the browser's:
    whoever uses it next finds nothing. Jobs at work go on."""
    if is_account(browser) or not is_account(account):
        raise ValueError("Only an account takes over, and only from a browser.")
    decline_merge(browser, account)
    with get_store().engine.begin() as sql:
        theirs = select(runs.c.id, runs.c.job).where(runs.c.visitor == browser)
        for run, job in sql.execute(theirs).all():
            changes = {"visitor": account}
            if job.get("visitor") == browser:
                changes["job"] = job | {"visitor": account}
            sql.execute(update(runs).where(runs.c.id == run).values(changes))
    get_rooms().reassign_visitor(browser, account)
    for one in list_own_data(browser):
        change_owner(one.key, account)


# --- the way back from a sign-in ------------------------------------------------------------------


def save_redirect(browser: str, page: str, query: Mapping[str, str]) -> None:
    """Where this browser wants to be once its visitor has signed in."""
    kept = dict(query)
    if len(page) > MAX_PAGE_CHARS or len(str(kept)) > MAX_QUERY_CHARS:
        return
    pop_redirect(browser)
    with get_store().engine.begin() as sql:
        sql.execute(
            insert(login_redirects).values(
                browser=browser, page=page, query=kept, created_at=time.time()
            )
        )


def pop_redirect(browser: str) -> tuple[str, dict[str, str]] | None:
    """What was remembered, once; None where that is long ago."""
    with get_store().engine.begin() as sql:
        row = (
            sql.execute(select(login_redirects).where(login_redirects.c.browser == browser))
            .mappings()
            .first()
        )
        long_ago = login_redirects.c.created_at < time.time() - REDIRECT_TTL_SECONDS
        sql.execute(
            delete(login_redirects).where((login_redirects.c.browser == browser) | long_ago)
        )
    if row is None or row["created_at"] < time.time() - REDIRECT_TTL_SECONDS:
        return None
    return row["page"], row["query"]
