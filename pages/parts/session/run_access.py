"""The run of an address: one's own by its id, anybody's by the link that they share."""

from urllib.parse import urlsplit

import streamlit as st

from pages.parts.session.error_boundary import told_plainly
from pages.parts.session.visitor import visitor
from trainers.hosting import sharing
from trainers.store import NoSuchRun, Run, store

SHARED = "shared"  # the name of a link's token in the address


def addressed(name: str) -> str | None:
    """What the address asks for: an id under `name`, or a token."""
    return st.query_params.get(name) or st.query_params.get(SHARED)


def opened(name: str) -> Run:
    """The run that the address names. Raises `NoSuchRun`, with what to tell the visitor."""
    if key := st.query_params.get(name):
        return sharing.opened(key, visitor())
    return sharing.shared(st.query_params.get(SHARED, ""))


def still_open(run: Run) -> bool:
    """Whether who looks at it may still do so: it can be deleted, or its link taken back, while it
    is watched."""
    try:
        if sharing.theirs(run, visitor()):
            return bool(store().find(run.id))
        return sharing.shared(st.query_params.get(SHARED, "")).id == run.id
    except NoSuchRun:
        return False


def share(run: Run) -> None:
    """The link, to make and to take back: for who started it."""
    if run.visitor != visitor():
        return
    # A fragment: what stood there goes at once, not when the rest of a busy page is drawn.
    with st.popover("Share", icon=":material/share:"):
        st.fragment(told_plainly()(offered))(run)


def offered(run: Run) -> None:
    what = "comparison" if run.kind == "compare" else "run"
    token = sharing.token_of(run.id, visitor())
    if token is None:
        st.markdown(
            f"Nobody but you can open this {what}. With a link others can look at it: curves, "
            "scores, what the data is called and the names of the classes. They can change "
            "nothing, and examples of your own data are not shown to them."
        )
        st.button("Make a link", icon=":material/link:", type="primary", key="share",
                  on_click=told_plainly()(sharing.share), args=(run.id, visitor()))  # fmt: skip
        return
    st.markdown(f"Whoever has this link can look at this {what}, and change nothing:")
    st.code(link(token), language=None, wrap_lines=True)
    st.button("Stop sharing", icon=":material/link_off:", key="unshare",
              on_click=told_plainly()(sharing.unshare), args=(run.id, visitor()))  # fmt: skip
    st.caption("The link then leads nowhere, for good. You can make a new one.")


def link(token: str) -> str:
    """The whole address, as this browser would reach it."""
    here = urlsplit(st.context.url or "")
    return here._replace(query=f"{SHARED}={token}", fragment="").geturl()
