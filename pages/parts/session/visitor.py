"""The current visitor: the signed-in account, else the browser's unguessable key in a cookie."""

import re
from secrets import token_urlsafe

import streamlit as st

from trainers.datasets import Dataset
from trainers.hosting.accounts import account_id
from trainers.system.registry import UnknownKey

VISITOR_COOKIE = "thaw_visitor"


def current_visitor() -> str:
    """Return the visitor id that owns whatever is done on this page."""
    return current_account() or current_browser()


def current_browser() -> str:
    """Return the browser's key, which lasts for this session only if it keeps no cookies."""
    cookie = str(st.context.cookies.get(VISITOR_COOKIE))
    if re.fullmatch(r"[\w-]{16,64}", cookie):  # a browser may send anything
        return cookie
    return st.session_state.setdefault("visitor", token_urlsafe(16))


def current_account() -> str | None:
    """Return the visitor id of the signed-in account, or None."""
    if not st.user.get("is_logged_in"):
        return None
    issuer, subject = st.user.get("iss"), st.user.get("sub")
    if not (issuer and subject):  # without them all accounts would be one visitor
        return None
    return account_id(str(issuer), str(subject), st.secrets["auth"]["cookie_secret"])


def current_account_name() -> str:
    """Return the signed-in person's name as the provider sent it, not escaped."""
    return str(st.user.get("name") or st.user.get("email") or "Your account")


def require_access(sample: Dataset) -> Dataset:
    """Return the data set if it is public or this visitor's own. Raises `UnknownKey`."""
    if getattr(sample, "visitor", "") in ("", current_visitor()):  # "": downloaded, public
        return sample
    if not sample.classes:
        raise UnknownKey("This data was deleted.")
    raise UnknownKey("This data belongs to somebody else: only who added it can use it.")
