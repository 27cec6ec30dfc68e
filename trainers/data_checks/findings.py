"""What a data check can find: plain values that a page draws, stored as JSON."""

from dataclasses import dataclass
from typing import Annotated

from trainers.system.records import JsonRecord, stored_as

SEVERITIES = ("problem", "warning", "note")  # from worst to mildest
MAX_EXAMPLES = 12  # examples that a finding shows


@dataclass(frozen=True, kw_only=True)
class FindingExample(JsonRecord):
    """An example as a page can show it."""

    example: str  # a text, or an image as a data: URI
    label: str
    note: str = ""  # "in the test", "looks like bees (93 %)"


@dataclass(frozen=True, kw_only=True)
class Fix(JsonRecord):
    """One click that excludes examples from a run.

    It takes from the test set only what is no example at all (a duplicate, a blank), never what is
    hard.
    """

    title: str  # on the button: "Leave the copies out"
    rows: tuple[int, ...]  # to exclude: indices in the data's own order


@dataclass(frozen=True, kw_only=True)
class Finding(JsonRecord):
    """One thing about a data set, as a good colleague would say it."""

    key: str  # in links, plans and tests: never rename
    title: str  # what and how many: "12 images are there twice"
    count: int
    effect: str  # what it does to the result, and what to do about it
    severity: Annotated[str, stored_as("weight")]  # one of SEVERITIES
    lowers_quality: bool = False  # counts as "mixed" data for the guide
    examples: Annotated[tuple[FindingExample, ...], stored_as("shown")] = ()
    names: tuple[str, ...] = ()  # of files or classes, if there are no examples to show
    fix: Annotated[Fix | None, stored_as("mend")] = None
