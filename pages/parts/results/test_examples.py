"""The test examples of a finished run, small enough to show; only those asked for are decoded."""

from collections.abc import Sequence

import streamlit as st

from pages.parts.session.visitor import mine
from trainers import datasets
from trainers.datasets import Split
from trainers.datasets.thumbnails import shown
from trainers.events import Answered
from trainers.reports.mistakes import Gone, asked
from trainers.store import Run
from trainers.system.registry import UnknownKey

_AT_ONCE = 24


def split_of(run: Run, answered: Answered, classes: Sequence[str]) -> Split:
    """The test examples that the run was asked. Raises `Gone`, also where they are another
    visitor's own."""
    try:
        mine(datasets.pick(run.plan.data))
    except UnknownKey as error:
        raise Gone(str(error)) from None
    return asked(run.plan, answered, classes)


def shown_of(
    run: Run, answered: Answered, classes: Sequence[str], places: Sequence[int]
) -> list[str]:
    """The examples at `places` of the test, as a page can show them. Raises `Gone`."""
    if run.plan.data.startswith("own-"):  # these go into no cache that others share
        split = split_of(run, answered, classes)
        return [shown(split.inputs[place]) for place in places]
    found: list[str] = []
    for start in range(0, len(places), _AT_ONCE):
        found += _public(run.id, tuple(places[start : start + _AT_ONCE]), run, answered, classes)
    return found


@st.cache_data(show_spinner=False, max_entries=100)  # each at most 24 pictures of some 10 kB
def _public(
    run_id: str, places: tuple[int, ...], _run: Run, _answered: Answered, _classes: Sequence[str]
) -> list[str]:
    split = split_of(_run, _answered, _classes)
    return [shown(split.inputs[place]) for place in places]
