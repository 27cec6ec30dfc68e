"""Our own drawings on the page, in the page's own text colour.

`st.html` takes SVG out and `st.image` cannot know the theme, so this is a component of one
element. Only drawings from pages/parts/figures/drawings.py go in: never a visitor's text.
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
    """Draw `svg` where `key` was drawn before."""
    _mount(key=key, data={"svg": svg})
