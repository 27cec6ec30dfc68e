"""SVG drawings in the page's text colour.

`st.html` removes SVG and `st.image` does not know the theme, hence a component. The SVG is inserted
as markup: only our own drawings may go in, never a visitor's text.
"""

import streamlit as st

_mount = st.components.v2.component(
    "picture",
    html="<div></div>",
    css="div { color: var(--st-text-color); font-family: var(--st-font); line-height: 0 }",
    js="""
export default function ({ data, parentElement }) {
  parentElement.querySelector("div").innerHTML = data.svg
}
""",
)


def draw_svg(svg: str, *, key: str) -> None:
    """Draw `svg`, or replace the drawing with the same `key`."""
    _mount(key=key, data={"svg": svg})
