"""What Streamlit leaves undone on every page: it begins at its top, and what a button folds out can
be reached by keyboard (page.js)."""

from pathlib import Path

import streamlit as st

# What the address says a page is about; the rest of it are settings.
ABOUT = ("run", "shared", "compare", "reading", "data", "room", "wall", "runs")

_mount = st.components.v2.component(
    "every_page", js=Path(__file__).with_name("page.js").read_text(encoding="utf-8")
)


def every_page(path: str) -> None:
    """Once a page, anywhere; `path` is its own."""
    about = [st.query_params.get(name, "") for name in ABOUT]
    _mount(key="every_page", data={"place": "|".join([path, *about])})
