"""Cards of examples, with the model's answer if there is one; updated in place.

A component, since it shows visitors' texts: they are inserted as text nodes, never as markup.
"""

from pathlib import Path
from typing import TypedDict

import streamlit as st


class ExampleCard(TypedDict, total=False):
    example: str  # a text, or a picture as a data: URI
    label: str  # the right answer
    answer: str  # the model's, "" if it has none yet
    sure: float  # confidence, 0..1; missing if the model gives no probability
    note: str  # shown under the label


_SCRIPT = Path(__file__).with_name("example_cards.js").read_text(encoding="utf-8")
_mount = st.components.v2.component(
    "examples",
    html='<ul class="cards"></ul>',
    css="""
.cards { display: grid; gap: 12px; padding: 0; margin: 0; list-style: none;
  grid-template-columns: repeat(auto-fill, minmax(116px, 1fr));
  font: 14px/1.4 var(--st-font); color: var(--st-text-color) }
.cards.wide { grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)) }
.card { border: 1px solid var(--st-border-color); border-radius: 10px; padding: 10px;
  display: flex; flex-direction: column; gap: 6px; min-width: 0 }
.card img { width: 72px; height: 72px; border-radius: 8px; align-self: center; object-fit: contain;
  image-rendering: auto }
.card .text { display: -webkit-box; -webkit-line-clamp: 4; -webkit-box-orient: vertical;
  overflow: hidden; overflow-wrap: anywhere; min-height: 4.2em }
.card .picture + .label { text-align: center }
.card .label { font-weight: 600; overflow-wrap: anywhere }
.card .note { order: 1; font-size: 13px; opacity: .8; overflow-wrap: anywhere }
.card .picture ~ .note { text-align: center }
.card .answer { overflow-wrap: anywhere }
.card .track { height: 6px; border-radius: 3px; background: var(--st-secondary-background-color) }
.card .bar { height: 6px; border-radius: 3px; transition: width .3s }
@media (prefers-reduced-motion: reduce) { .card .bar { transition: none } }
""",
    js=_SCRIPT,
)


def draw_example_cards(cards: list[ExampleCard], *, key: str, colour: str) -> None:
    """Draw the cards, or update those under the same `key`; `colour` is the approach's."""
    _mount(key=key, data={"cards": cards, "colour": colour})
