"""Read-only registries of rows, in the order visitors see. A wrong key raises what exists."""

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

MAX_ECHOED_CHARS = 80  # of an unknown key in the error message


class UnknownKey(KeyError):
    """A key that the registry does not have; the text names the most similar one."""

    def __str__(self) -> str:
        return self.args[0]  # KeyError would quote it


def build_registry(*rows: Any) -> Mapping[str, Any]:
    """Return `rows` by their `key`. Raises ValueError if two rows have the same key."""
    keys = [row.key for row in rows]
    if repeated := {key for key in keys if keys.count(key) > 1}:
        raise ValueError(f"Two rows are called {sorted(repeated)}.")
    return MappingProxyType(dict(zip(keys, rows, strict=True)))


def look_up(registry: Mapping[str, Any], key: str, what: str) -> Any:
    """Return the row `key`. Raises `UnknownKey`, which says which `what` exist."""
    if key not in registry:
        near = get_close_matches(str(key), registry, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        asked = str(key)[:MAX_ECHOED_CHARS]  # an address can say anything
        raise UnknownKey(f"No {what} {asked!r}. {hint}There are: {', '.join(registry)}.")
    return registry[key]
