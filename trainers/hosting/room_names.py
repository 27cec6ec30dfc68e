"""Names on a board: readable, and no two alike."""

import unicodedata

MAX_NAME_CHARS = 24
MAX_COMBINING_MARKS = 2  # over one letter, as languages need them; more would leave the line


def clean_name(text: str, max_chars: int) -> str:
    """Return `text` as one line of at most `max_chars` characters.

    Without characters that are invisible, change the direction of reading, or pile up over others.
    """
    chars: list[str] = []
    for char in unicodedata.normalize("NFC", " ".join(text.split())):
        kind = unicodedata.category(char)
        piled = kind[0] == "M" and all(
            map(_is_combining_mark, chars[-MAX_COMBINING_MARKS:])
        )  # nothing, or marks alone
        if kind[0] == "C" or piled:
            continue
        chars.append(char)
    return "".join(chars)[:max_chars].strip()


def _is_combining_mark(char: str) -> bool:
    return unicodedata.category(char)[0] == "M"


def name_key(name: str) -> str:
    """Return what two names are compared by: not by case, nor by how letters are drawn."""
    return unicodedata.normalize("NFKC", name).casefold()


def find_free_name(name: str, taken: set[str | None]) -> str:
    """Return `name`, or "name 2", "name 3" … if its key is in `taken`."""
    number, free = 1, name
    while name_key(free) in taken:
        number += 1
        ending = f" {number}"
        free = name[: MAX_NAME_CHARS - len(ending)].rstrip() + ending
    return free
