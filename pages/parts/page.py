"""What Streamlit leaves undone on every page: its address says what it is about, it begins at its
top, and what a button folds out can be reached by keyboard (page.js)."""

from pathlib import Path

import streamlit as st

# What the address says a page is about; the rest of it are settings.
ABOUT = ("run", "shared", "compare", "reading", "data", "room", "wall", "runs")

_mount = st.components.v2.component(
    "every_page", js=Path(__file__).with_name("page.js").read_text(encoding="utf-8")
)


def keep_address() -> None:
    """Before a page is drawn. Streamlit 1.67 leaves the address as it was where a link leads from a
    page to the same one with other settings: to load it anew, to go back, or to send it to somebody
    would lead elsewhere. Told again, it takes it over. Not for a page that binds inputs to it."""
    st.query_params.from_dict(st.query_params.to_dict())


def every_page(path: str) -> None:
    """Once a page, anywhere; `path` is its own."""
    about = [st.query_params.get(name, "") for name in ABOUT]
    _mount(key="every_page", data={"place": "|".join([path, *about])})
