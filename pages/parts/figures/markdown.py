"""A visitor's words in Streamlit's Markdown, as they stand: no name is ever markup."""

import re

from trainers.store import data_title

_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$&^=])")
_NO_BREAK = "\u2060"  # word joiner: not to be seen


def plain(text: str) -> str:
    """`text` such that Markdown shows it as it is: no emphasis, link, formula, colour or icon."""
    line = " ".join(text.split())
    # A colon begins Streamlit's directives (:red[…], :material/…:, :smile:), and escapes do not
    # stop them; addresses become links by their "://" and "www.".
    line = line.replace(":", f":{_NO_BREAK}").replace("www.", f"www{_NO_BREAK}.")
    return _MARKS.sub(r"\\\1", line).replace("@", f"@{_NO_BREAK}")


def title_of(data: str) -> str:
    """What a data set is called, also when it was deleted. As Markdown."""
    return plain(data_title(data))
