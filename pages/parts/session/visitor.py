"""Who is looking: the account that they signed in with, else an unguessable key that the app gave
their browser."""

import re
from secrets import token_urlsafe

import streamlit as st

from trainers.datasets import Dataset
from trainers.hosting.accounts import account_id
from trainers.system.registry import UnknownKey

VISITOR_COOKIE = "thaw_visitor"


def current_visitor() -> str:
    """Whose everything is that is done here."""
    return current_account() or current_browser()


def current_browser() -> str:
    """The key of this browser; of this session only, where it keeps no cookies."""
    given = str(st.context.cookies.get(VISITOR_COOKIE))
    if re.fullmatch(r"[\w-]{16,64}", given):  # a browser may send anything
        return given
    return st.session_state.setdefault("visitor", token_urlsafe(16))


def current_account() -> str | None:
    """The visitor that who signed in is; None for who did not, or where nobody can."""
    if not st.user.get("is_logged_in"):
        return None
    issuer, subject = st.user.get("iss"), st.user.get("sub")
    if not (issuer and subject):  # OpenID Connect promises both; without them all would be one
        return None
    return account_id(str(issuer), str(subject), st.secrets["auth"]["cookie_secret"])


def current_account_name() -> str:
    """How who signed in is called; their own words, not escaped."""
    return str(st.user.get("name") or st.user.get("email") or "Your account")


def require_access(sample: Dataset) -> Dataset:
    """The sample, where it is for everyone or this visitor's own. Raises `UnknownKey`."""
    if getattr(sample, "visitor", "") in ("", current_visitor()):  # "": downloaded, for all
        return sample
    if not sample.classes:
        raise UnknownKey("This data was deleted.")
    raise UnknownKey("This data belongs to somebody else: only who added it can use it.")
