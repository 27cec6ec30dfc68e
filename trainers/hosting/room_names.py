"""Names on a board: readable, and distinct."""

import unicodedata

MAX_NAME_CHARS = 24
MAX_COMBINING_MARKS = 2  # per letter: enough for any language; more would overlap other lines


def clean_name(text: str, max_chars: int) -> str:
    """Return `text` as one line of at most `max_chars` characters.

    Invisible characters, those that change the reading direction, and stacks of combining marks are
    removed.
    """
    chars: list[str] = []
    for char in unicodedata.normalize("NFC", " ".join(text.split())):
        # Too many marks, or a mark without a letter.
        is_stacked = _is_combining_mark(char) and all(
            map(_is_combining_mark, chars[-MAX_COMBINING_MARKS:])
        )
        if unicodedata.category(char)[0] == "C" or is_stacked:
            continue
        chars.append(char)
    return "".join(chars)[:max_chars].strip()


def _is_combining_mark(char: str) -> bool:
    return unicodedata.category(char)[0] == "M"


def name_key(name: str) -> str:
    """Return the key by which names are compared: without case and typographic variants."""
    return unicodedata.normalize("NFKC", name).casefold()


def find_free_name(name: str, taken: set[str | None]) -> str:
    """Return `name`, or "name 2", "name 3" … if its key is in `taken`."""
    number, free = 1, name
    while name_key(free) in taken:
        number += 1
        suffix = f" {number}"
        free = name[: MAX_NAME_CHARS - len(suffix)].rstrip() + suffix
    return free
