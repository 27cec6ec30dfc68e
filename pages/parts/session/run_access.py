"""The run that the URL names: the visitor's own by its id, others' by their share link."""

from urllib.parse import urlsplit

import streamlit as st

from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.visitor import current_visitor
from trainers.hosting import sharing
from trainers.store import Run, RunNotFound, get_store

SHARE_PARAM = "shared"  # URL parameter of a link's token


def read_run_key(name: str) -> str | None:
    """Return the run id in the URL parameter `name`, or the token of a share link."""
    return st.query_params.get(name) or st.query_params.get(SHARE_PARAM)


def open_run(name: str) -> Run:
    """Return the run that the URL names. Raises `RunNotFound`, whose text is for the visitor."""
    if key := st.query_params.get(name):
        return sharing.open_run(key, current_visitor())
    return sharing.open_shared_run(st.query_params.get(SHARE_PARAM, ""))


def can_still_open(run: Run) -> bool:
    """Return whether the visitor may still see the run: not deleted, its link not revoked."""
    try:
        if sharing.can_open(run, current_visitor()):
            return bool(get_store().get_run(run.id))
        return sharing.open_shared_run(st.query_params.get(SHARE_PARAM, "")).id == run.id
    except RunNotFound:
        return False


def draw_share_menu(run: Run) -> None:
    """Draw the menu that makes and revokes a link, for the run's owner only."""
    if run.visitor != current_visitor():
        return
    # A fragment, so that a click updates the menu at once and not after the rest of a busy page.
    with st.popover("Share", icon=":material/share:"):
        st.fragment(error_boundary()(draw_share_link))(run)


def draw_share_link(run: Run) -> None:
    noun = "comparison" if run.kind == "compare" else "run"
    token = sharing.find_token(run.id, current_visitor())
    if token is None:
        st.markdown(
            f"Nobody but you can open this {noun}. With a link others can look at it: curves, "
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
    st.markdown(f"Whoever has this link can look at this {noun}, and change nothing:")
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
    """Return the complete link, as this browser reaches the server."""
    here = urlsplit(st.context.url or "")
    return here._replace(query=f"{SHARE_PARAM}={token}", fragment="").geturl()
