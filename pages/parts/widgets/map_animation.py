"""The animated map of examples, played in the browser without further requests.

One or several maps side by side share a slider. It never starts by itself, works by keyboard too,
and skips transitions for visitors who prefer reduced motion. Texts and names are inserted as text
nodes, never as markup.
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

    `examples` maps ids to texts, or to small pictures as data: URIs.
    """
    _mount(key=key, data=build_component_data(animations, examples))
