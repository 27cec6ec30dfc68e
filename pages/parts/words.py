"""Words of the glossary in a page's text: underlined, and explained on hover, focus and tap.

Streamlit's Markdown has no such thing (its `help` adds an icon at the end of a text), but it keeps
the title of a link. So a word is a link to nowhere whose title explains it: that alone works with
a mouse and a screen reader. `explain_words`, once a page, makes it work by keyboard and finger.
"""

import re
from pathlib import Path

import streamlit as st

from guide.glossary import GLOSSARY
from trainers.registry import pick_from

_LINK = re.compile(r"\[\[([^\]|]+)(?:\|([^\]]+))?\]\]")


def word(key: str, shown: str = "") -> str:
    """The term `key` as Markdown, as `shown` (by default its title). Raises `UnknownKey`."""
    term = pick_from(GLOSSARY, key, "word")
    return f'[{shown or term.title}](#word-{key} "{term.means}")'


def explained(text: str) -> str:
    """`text`, our own Markdown, with each [[key]] or [[key|as it stands here]] made a word."""
    return _LINK.sub(lambda found: word(found[1], found[2] or ""), text)


_mount = st.components.v2.component(
    "words",
    css=Path(__file__).with_name("words.css").read_text(encoding="utf-8"),
    js=Path(__file__).with_name("words.js").read_text(encoding="utf-8"),
    isolate_styles=False,  # the words are all over the page
)


def explain_words() -> None:
    """Makes the words of the page explain themselves. Once a page, anywhere."""
    _mount(key="words")
