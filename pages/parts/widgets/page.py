"""What Streamlit leaves undone on every page: its address is told after a link within it, it begins
at its top, and what a button folds out can be reached by keyboard (page.js)."""

from pathlib import Path

import streamlit as st

# What the address says a page is about; the rest of it are settings.
IDENTITY_PARAMS = ("run", "shared", "compare", "reading", "data", "room", "wall", "runs")

_mount = st.components.v2.component(
    "every_page", js=Path(__file__).with_name("page.js").read_text(encoding="utf-8")
)


def mount_page_script(path: str) -> None:
    """Once a page, anywhere; `path` is its own."""
    about = [st.query_params.get(name, "") for name in IDENTITY_PARAMS]
    _mount(key="every_page", data={"place": "|".join([path, *about])})


def sync_url(path: str) -> None:
    """Before a page: a link from a page to itself, with another query, changes what the script is
    given and not what the browser has. Reload and Back then lead elsewhere, and the next press of a
    button back to where the link was. The guide's answers see to the address themselves."""
    now = path, st.query_params.to_dict()
    before, st.session_state["address"] = st.session_state.get("address", now), now
    if path and before[0] == path and before != now:
        st.query_params.from_dict(now[1])  # where the browser has it already, it does nothing
