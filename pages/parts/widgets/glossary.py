"""Glossary terms in a page's text: underlined, and explained on hover, focus and tap.

Streamlit's Markdown has no tooltips inside a text, but it keeps the title of a link. So a term is a
link to an empty anchor, and its title is the definition: enough for mouse and screen reader.
`mount_tooltips`, once a page, makes it work by keyboard and touch.
"""

import re
from pathlib import Path

import streamlit as st

from guide.glossary import GLOSSARY
from trainers.system.registry import look_up

_TERM_PATTERN = re.compile(r"\[\[([^\]|]+)(?:\|([^\]]+))?\]\]")


def link_term(key: str, shown: str = "") -> str:
    """Return the term as Markdown, shown as `shown` or by its title. Raises `UnknownKey`."""
    term = look_up(GLOSSARY, key, "word")
    return f'[{shown or term.title}](#word-{key} "{term.definition}")'


def link_marked_terms(text: str) -> str:
    """Return `text` (Markdown of ours) with each [[key]] or [[key|shown text]] linked."""
    return _TERM_PATTERN.sub(lambda match: link_term(match[1], match[2] or ""), text)


class TermLinker:
    """Link the first mention of each term, once over all texts that it is called on.

    A term is given as its key, or as "key|text to look for".
    """

    def __init__(self, *terms: str) -> None:
        pairs = [term.partition("|") for term in terms]
        self.unlinked = {
            key: shown or look_up(GLOSSARY, key, "word").title for key, _, shown in pairs
        }

    def __call__(self, text: str) -> str:
        for key, title in list(self.unlinked.items()):
            # Existing links stay as they are: links cannot be nested.
            parts = re.split(r"(\[[^\]]*\]\([^)]*\))", text)
            for index in range(0, len(parts), 2):
                linked, count = re.subn(
                    rf"(?i)(?<![\w-]){re.escape(title)}(?![\w-])",
                    lambda match, key=key: link_term(key, match[0]),
                    parts[index],
                    count=1,
                )
                if count:
                    parts[index] = linked
                    del self.unlinked[key]
                    break
            text = "".join(parts)
        return text


_mount = st.components.v2.component(
    "words",
    css=Path(__file__).with_name("glossary.css").read_text(encoding="utf-8"),
    js=Path(__file__).with_name("glossary.js").read_text(encoding="utf-8"),
    isolate_styles=False,  # the terms are all over the page
)


def mount_tooltips() -> None:
    """Make the terms of the page show their definitions; call once a page, anywhere."""
    _mount(key="words")
