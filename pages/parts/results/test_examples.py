"""The test examples of a finished run, small enough to show; only those asked for are decoded."""

from collections.abc import Sequence

import streamlit as st

from pages.parts.session.visitor import require_access
from trainers import datasets
from trainers.datasets import Split
from trainers.datasets.thumbnails import render_example
from trainers.events import PredictionsRecorded
from trainers.reports.mistakes import ExamplesUnavailable, load_test_examples as load_split
from trainers.store import Run
from trainers.system.registry import UnknownKey

_BATCH_SIZE = 24


def load_test_split(run: Run, answered: PredictionsRecorded, classes: Sequence[str]) -> Split:
    """The test examples that the run was asked. Raises `Gone`, also where they are another
    visitor's own."""
    try:
        require_access(datasets.get_dataset(run.job.data))
    except UnknownKey as error:
        raise ExamplesUnavailable(str(error)) from None
    return load_split(run.job, answered, classes)


def load_test_examples(
    run: Run, answered: PredictionsRecorded, classes: Sequence[str], places: Sequence[int]
) -> list[str]:
    """The examples at `places` of the test, as a page can show them. Raises `Gone`."""
    if run.job.data.startswith("own-"):  # these go into no cache that others share
        split = load_test_split(run, answered, classes)
        return [render_example(split.inputs[place]) for place in places]
    found: list[str] = []
    for start in range(0, len(places), _BATCH_SIZE):
        found += _load_public(
            run.id, tuple(places[start : start + _BATCH_SIZE]), run, answered, classes
        )
    return found


@st.cache_data(show_spinner=False, max_entries=100)  # each at most 24 pictures of some 10 kB
def _load_public(
    run_id: str,
    places: tuple[int, ...],
    _run: Run,
    _answered: PredictionsRecorded,
    _classes: Sequence[str],
) -> list[str]:
    split = load_test_split(_run, _answered, _classes)
    return [render_example(split.inputs[place]) for place in places]
