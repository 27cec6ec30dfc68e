"""The animated map of examples: played in the browser, without asking the server again.

One map or several side by side on one slider. It never starts by itself; slider and buttons work by
keyboard too, and marks jump instead of gliding where the visitor prefers less motion. Texts and
names are inserted as text nodes, never as markup.
"""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from pages.parts.figures.map_animation import MapAnimation, build_component_data

_mount = st.components.v2.component(
    "film",
    html='<div class="film"></div>',
    css=Path(__file__).with_name("map_animation.css").read_text(encoding="utf-8"),
    js=Path(__file__).with_name("map_animation.js").read_text(encoding="utf-8"),
)


def draw_map_animation(
    animations: Sequence[MapAnimation], examples: dict[int, str], *, key: str
) -> None:
    """Draw the animations side by side; a rerun with the same `key` keeps their position.

    `examples` holds texts, or small pictures as data: URIs, by their number.
    """
    _mount(key=key, data=build_component_data(animations, examples))
