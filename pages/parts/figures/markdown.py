"""A visitor's words in Streamlit's Markdown, as they stand: no name is ever markup."""

import re

from trainers.store import data_title

_MARKUP_CHARS = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$&^=])")
_WORD_JOINER = "\u2060"  # word joiner: not to be seen


def escape_markdown(text: str) -> str:
    """`text` such that Markdown shows it as it is: no emphasis, link, formula, colour or icon."""
    line = " ".join(text.split())
    # A colon begins Streamlit's directives (:red[…], :material/…:, :smile:), and escapes do not
    # stop them; addresses become links by their "://" and "www.".
    line = line.replace(":", f":{_WORD_JOINER}").replace("www.", f"www{_WORD_JOINER}.")
    return _MARKUP_CHARS.sub(r"\\\1", line).replace("@", f"@{_WORD_JOINER}")


def format_data_title(data: str) -> str:
    """What a data set is called, also when it was deleted. As Markdown."""
    return escape_markdown(data_title(data))
