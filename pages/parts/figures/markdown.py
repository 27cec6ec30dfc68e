"""Escape visitors' text for Streamlit's Markdown, so that no name acts as markup."""

import re

from trainers.store import data_title

_MARKUP_CHARS = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$&^=])")
_WORD_JOINER = "\u2060"  # invisible


def escape_markdown(text: str) -> str:
    """Return `text` so that Markdown shows it literally: no emphasis, link, formula or icon."""
    line = " ".join(text.split())
    # A colon begins Streamlit's directives (:red[…], :material/…:, :smile:), and escapes do not
    # stop them; addresses become links by their "://" and "www.".
    line = line.replace(":", f":{_WORD_JOINER}").replace("www.", f"www{_WORD_JOINER}.")
    return _MARKUP_CHARS.sub(r"\\\1", line).replace("@", f"@{_WORD_JOINER}")


def format_data_title(data: str) -> str:
    """Return a data set's title as Markdown, also if the data set was deleted."""
    return escape_markdown(data_title(data))
