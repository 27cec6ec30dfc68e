"""Fixes for Streamlit on every page: URL sync, scroll to the top, popovers by keyboard."""

from pathlib import Path

import streamlit as st

# URL parameters that say what a page is about; the others are settings.
IDENTITY_PARAMS = ("run", "shared", "compare", "reading", "data", "room", "wall", "runs")

_mount = st.components.v2.component(
    "every_page", js=Path(__file__).with_name("page.js").read_text(encoding="utf-8")
)


def mount_page_script(path: str) -> None:
    """Mount page.js; call once a page, anywhere. `path` is the page's own."""
    identity = [st.query_params.get(name, "") for name in IDENTITY_PARAMS]
    _mount(key="every_page", data={"place": "|".join([path, *identity])})


def sync_url(path: str) -> None:
    """Update the browser's address after a link from a page to itself; call before the page.

    Streamlit passes the new query to the script but leaves the browser's address as it was, so that
    reload, Back and the next click would go elsewhere. The guide (`path` "") syncs its own answers.
    """
    current = path, st.query_params.to_dict()
    previous = st.session_state.get("address", current)
    st.session_state["address"] = current
    if path and previous[0] == path and previous != current:
        st.query_params.from_dict(current[1])  # no effect if the browser has it already
