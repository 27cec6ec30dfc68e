"""What looking over a data set can find: plain values that a page draws, JSON both ways."""

from dataclasses import asdict, dataclass, fields
from typing import Any

SEVERITIES = ("problem", "warning", "note")  # from worst to mildest
MAX_EXAMPLES = 12  # examples that a finding carries


@dataclass(frozen=True, kw_only=True)
class FindingExample:
    """An example as a page can show it."""

    example: str  # a text, or a picture as a data: URI
    label: str
    note: str = ""  # "in the test", "looks like bees (93 %)"


@dataclass(frozen=True, kw_only=True)
class Fix:
    """One click that changes which examples a run uses. The test is only ever made smaller by what
    is no example at all (a double, a blank), never by what is hard."""

    title: str  # on the button: "Leave the doubles out"
    rows: tuple[int, ...]  # that are left out: places in the data's own order, from 0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing about a data set, as a good colleague would say it."""

    key: str  # in links, plans and tests: never rename
    title: str  # what and how many: "12 pictures are there twice"
    count: int
    effect: str  # what it does to the result, and what to do
    weight: str  # one of WEIGHTS
    lowers_quality: bool = False  # speaks for "mixed" data
    shown: tuple[FindingExample, ...] = ()
    names: tuple[str, ...] = ()  # of files or classes, where that is what there is to show
    mend: Fix | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Finding":
        """The finding that `as_json` made `data` of; fields of a newer version are passed over."""
        known = {field.name for field in fields(cls)}
        given = {name: value for name, value in data.items() if name in known}
        given["shown"] = tuple(FindingExample(**one) for one in given.get("shown", ()))
        given["names"] = tuple(given.get("names", ()))
        if mend := given.get("mend"):
            given["mend"] = Fix(title=mend["title"], rows=tuple(mend["rows"]))
        return cls(**given)
