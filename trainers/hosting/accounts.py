"""Who a visitor is: a browser, or the account that they signed in with.

A browser is identified by the key that the app gave it, an account by `account_id`; all other code
sees a "visitor". Only account ids contain a colon, so no browser can claim to be an account.
"""

import base64
import hmac
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import delete, func, insert, select, update

from trainers.datasets.uploads.dataset import change_owner
from trainers.hosting.own_data import list_own_data
from trainers.hosting.rooms import get_rooms
from trainers.store import HISTORY_KINDS, get_store
from trainers.store.tables import login_redirects, merge_answers, runs

ACCOUNT_PREFIX = "account:"
REDIRECT_TTL_SECONDS = 900  # how long a sign-in may take and still return to its page. Our choice
MAX_PAGE_CHARS, MAX_QUERY_CHARS = 32, 4000


def account_id(issuer: str, subject: str, secret: str) -> str:
    """Return the account's visitor id: stable, and not traceable to the account without `secret`.

    With another secret it is another visitor.
    """
    message = f"thaw visitor\0{issuer}\0{subject}".encode()
    digest = hmac.new(secret.encode(), message, "sha256").digest()
    return ACCOUNT_PREFIX + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def is_account(visitor: str) -> bool:
    return visitor.startswith(ACCOUNT_PREFIX)


# --- anonymous data of the browser ----------------------------------------------------------------


class AnonymousData(NamedTuple):
    """What a browser has that no account has taken over yet."""

    run_count: int
    data_count: int


def count_anonymous_data(browser: str, account: str) -> AnonymousData:
    """Return what the browser added since `account` last answered the offer to merge."""
    with get_store().engine.connect() as sql:
        answer = select(merge_answers.c.answered_at).where(_is_answer(browser, account))
        answered_at = sql.scalar(answer) or 0.0
        theirs = (
            (runs.c.visitor == browser)
            & runs.c.kind.in_(HISTORY_KINDS)
            & runs.c.deleted_at.is_(None)
        )
        theirs &= runs.c.parent_id.is_(None) & (runs.c.created_at > answered_at)
        count = sql.scalar(select(func.count()).select_from(runs).where(theirs)) or 0
    new_data = sum(data.created_at > answered_at for data in list_own_data(browser))
    return AnonymousData(count, new_data)


def decline_merge(browser: str, account: str) -> None:
    """Record that the account was asked; the data stays the browser's."""
    with get_store().engine.begin() as sql:
        sql.execute(delete(merge_answers).where(_is_answer(browser, account)))
        sql.execute(
            insert(merge_answers).values(browser=browser, account=account, answered_at=time.time())
        )


def _is_answer(browser: str, account: str) -> Any:
    return (merge_answers.c.browser == browser) & (merge_answers.c.account == account)


def merge(browser: str, account: str) -> None:
    """Move the browser's runs, data and rooms to the account. Running jobs continue.

    Raises `ValueError` unless `browser` is a browser and `account` an account.
    """
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
    for data in list_own_data(browser):
        change_owner(data.key, account)


# --- return to the page after a sign-in -----------------------------------------------------------


def save_redirect(browser: str, page: str, query: Mapping[str, str]) -> None:
    """Save the page to which this browser returns after the sign-in."""
    params = dict(query)
    if len(page) > MAX_PAGE_CHARS or len(str(params)) > MAX_QUERY_CHARS:
        return
    pop_redirect(browser)
    with get_store().engine.begin() as sql:
        sql.execute(
            insert(login_redirects).values(
                browser=browser, page=page, query=params, created_at=time.time()
            )
        )


def pop_redirect(browser: str) -> tuple[str, dict[str, str]] | None:
    """Return and delete the saved page and query; None if there is none or it is too old."""
    oldest = time.time() - REDIRECT_TTL_SECONDS
    with get_store().engine.begin() as sql:
        row = (
            sql.execute(select(login_redirects).where(login_redirects.c.browser == browser))
            .mappings()
            .first()
        )
        is_old = login_redirects.c.created_at < oldest
        sql.execute(delete(login_redirects).where((login_redirects.c.browser == browser) | is_old))
    if row is None or row["created_at"] < oldest:
        return None
    return row["page"], row["query"]
