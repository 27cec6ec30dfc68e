"""Words of the glossary in a page's text: underlined, and explained on hover, focus and tap.

Streamlit's Markdown has no such thing (its `help` adds an icon at the end of a text), but it keeps
the title of a link. So a word is a link to nowhere whose title explains it: that alone works with
a mouse and a screen reader. `explain_words`, once a page, makes it work by keyboard and finger.
"""

import re
from pathlib import Path

import streamlit as st

from guide.glossary import GLOSSARY
from trainers.system.registry import look_up

_TERM_PATTERN = re.compile(r"\[\[([^\]|]+)(?:\|([^\]]+))?\]\]")


def link_term(key: str, shown: str = "") -> str:
    """The term `key` as Markdown, as `shown` (by default its title). Raises `UnknownKey`."""
    term = look_up(GLOSSARY, key, "word")
    return f'[{shown or term.title}](#word-{key} "{term.definition}")'


def link_marked_terms(text: str) -> str:
    """`text`, our own Markdown, with each [[key]] or [[key|as it stands here]] made a word."""
    return _TERM_PATTERN.sub(lambda found: link_term(found[1], found[2] or ""), text)


class TermLinker:
    """Called on our own Markdown, makes a word of the first mention of each term: once for all the
    texts that it is called on, so a page is not full of lines. A term is named by its key, or as
    "key|what it is called there"."""

    def __init__(self, *terms: str) -> None:
        named = [term.partition("|") for term in terms]
        self.left = {key: shown or look_up(GLOSSARY, key, "word").title for key, _, shown in named}

    def __call__(self, text: str) -> str:
        for key, title in list(self.left.items()):
            # A link's text stays as it is: no link may be inside another.
            parts = re.split(r"(\[[^\]]*\]\([^)]*\))", text)
            for place in range(0, len(parts), 2):
                made, count = re.subn(
                    rf"(?i)(?<![\w-]){re.escape(title)}(?![\w-])",
                    lambda found, key=key: link_term(key, found[0]),
                    parts[place],
                    count=1,
                )
                if count:
                    parts[place] = made
                    del self.left[key]
                    break
            text = "".join(parts)
        return text


_mount = st.components.v2.component(
    "words",
    css=Path(__file__).with_name("glossary.css").read_text(encoding="utf-8"),
    js=Path(__file__).with_name("glossary.js").read_text(encoding="utf-8"),
    isolate_styles=False,  # the words are all over the page
)


def mount_tooltips() -> None:
    """Makes the words of the page explain themselves. Once a page, anywhere."""
    _mount(key="words")
