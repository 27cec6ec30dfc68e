"""Saliency: a heatmap over a picture, or a text with underlined words.

A component, since it shows visitors' texts: they are inserted as text nodes, never as markup.
Colour-blind readers can distinguish orange and blue; besides, opposing evidence is striped or
dashed, the strongest region is framed, and more important words have thicker lines.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from trainers.serving.attribution import MIN_CHANGE, format_change

SUPPORTING_COLOUR, OPPOSING_COLOUR = "#D9650D", "#2A80CF"

_mount = st.components.v2.component(
    "rests_on",
    html='<div class="rests"></div>',
    css="""
.rests { color: var(--st-text-color); font: 16px/2.1 var(--st-font) }
.rests p { margin: 0; overflow-wrap: anywhere; max-width: 46em; white-space: pre-line }
.rests .word { border-bottom: 0 solid; padding-bottom: 1px }
.rests .pair { display: flex; flex-wrap: wrap; gap: 16px }
.rests figure { margin: 0; width: min(300px, 100%); line-height: 0 }
.rests figcaption { font-size: 14px; line-height: 1.4; padding-top: 6px }
.rests .over { position: relative; line-height: 0; border-radius: 8px; overflow: hidden }
.rests img { width: 100%; border-radius: 8px }
.rests .over img { filter: grayscale(1) }
.rests .small { image-rendering: pixelated }
.rests canvas { position: absolute; inset: 0; width: 100%; height: 100% }
.rests .frame { position: absolute; box-sizing: border-box; border: 2px solid #fff;
  outline: 2px solid #000 }
""",
    js=Path(__file__).with_name("saliency.js").read_text(encoding="utf-8"),
)


def draw_heatmap(picture: str, change: Sequence[Sequence[float]], *, alt: str, key: str) -> None:
    """Draw the picture (a data: URI) and beside it the same with the heatmap on top."""
    data = {"picture": picture, "change": change, "alt": alt, "least": MIN_CHANGE}
    _mount(key=key, data=data | {"for": SUPPORTING_COLOUR, "against": OPPOSING_COLOUR})


def draw_highlighted_text(words: Sequence[tuple[str, float]], measure: str, *, key: str) -> None:
    """Draw the text, each word underlined by its change of the `measure`."""
    largest = max([MIN_CHANGE, *(abs(change) for _, change in words)])
    segments: list[dict[str, Any]] = [
        {
            "text": text,
            "share": change / largest if abs(change) >= MIN_CHANGE else 0,
            "says": f"without it: {'-' if change > 0 else '+'} {format_change(change, measure)}",
        }
        for text, change in words
    ]
    _mount(key=key, data={"words": segments, "for": SUPPORTING_COLOUR, "against": OPPOSING_COLOUR})
