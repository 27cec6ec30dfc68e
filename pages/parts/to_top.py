"""A page that turned into another begins at its top.

Streamlit keeps the place to which one has scrolled where only the address's query changes: on a
phone who pressed Start, below the settings, would see the middle of the run.
"""

from pathlib import Path

import streamlit as st

# What the address says a page is about; the rest of it are settings.
ABOUT = ("run", "shared", "compare", "reading", "data", "room", "wall", "runs")

_mount = st.components.v2.component(
    "to_top", js=Path(__file__).with_name("to_top.js").read_text(encoding="utf-8")
)


def to_top(page: str) -> None:
    """Once a page, anywhere; `page` is its path."""
    about = [st.query_params.get(name, "") for name in ABOUT]
    _mount(key="to_top", data={"place": "|".join([page, *about])})
