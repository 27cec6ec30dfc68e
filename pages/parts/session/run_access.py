"""The run of an address: one's own by its id, anybody's by the link that they share."""

from urllib.parse import urlsplit

import streamlit as st

from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.visitor import current_visitor
from trainers.hosting import sharing
from trainers.store import Run, RunNotFound, get_store

SHARE_PARAM = "shared"  # the name of a link's token in the address


def read_run_key(name: str) -> str | None:
    """What the address asks for: an id under `name`, or a token."""
    return st.query_params.get(name) or st.query_params.get(SHARE_PARAM)


def open_run(name: str) -> Run:
    """The run that the address names. Raises `NoSuchRun`, with what to tell the visitor."""
    if key := st.query_params.get(name):
        return sharing.open_run(key, current_visitor())
    return sharing.open_shared_run(st.query_params.get(SHARE_PARAM, ""))


def can_still_open(run: Run) -> bool:
    """Whether who looks at it may still do so: it can be deleted, or its link taken back, while it
    is watched."""
    try:
        if sharing.can_open(run, current_visitor()):
            return bool(get_store().get_run(run.id))
        return sharing.open_shared_run(st.query_params.get(SHARE_PARAM, "")).id == run.id
    except RunNotFound:
        return False


def draw_share_menu(run: Run) -> None:
    """The link, to make and to take back: for who started it."""
    if run.visitor != current_visitor():
        return
    # A fragment: what stood there goes at once, not when the rest of a busy page is drawn.
    with st.popover("Share", icon=":material/share:"):
        st.fragment(error_boundary()(draw_share_link))(run)


def draw_share_link(run: Run) -> None:
    what = "comparison" if run.kind == "compare" else "run"
    token = sharing.find_token(run.id, current_visitor())
    if token is None:
        st.markdown(
            f"Nobody but you can open this {what}. With a link others can look at it: curves, "
            "scores, what the data is called and the names of the classes. They can change "
            "nothing, and examples of your own data are not shown to them."
        )
        st.button(
            "Make a link",
            icon=":material/link:",
            type="primary",
            key="share",
            on_click=error_boundary()(sharing.share_run),
            args=(run.id, current_visitor()),
        )
        return
    st.markdown(f"Whoever has this link can look at this {what}, and change nothing:")
    st.code(build_share_url(token), language=None, wrap_lines=True)
    st.button(
        "Stop sharing",
        icon=":material/link_off:",
        key="unshare",
        on_click=error_boundary()(sharing.unshare_run),
        args=(run.id, current_visitor()),
    )
    st.caption("The link then leads nowhere, for good. You can make a new one.")


def build_share_url(token: str) -> str:
    """The whole address, as this browser would reach it."""
    here = urlsplit(st.context.url or "")
    return here._replace(query=f"{SHARE_PARAM}={token}", fragment="").geturl()
