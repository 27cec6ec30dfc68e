"""The test examples of a finished run as thumbnails; only the requested ones are decoded."""

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


def load_test_split(run: Run, answers: PredictionsRecorded, classes: Sequence[str]) -> Split:
    """Return the run's test set.

    Raises `ExamplesUnavailable` if the data has changed or belongs to another visitor.
    """
    try:
        require_access(datasets.get_dataset(run.job.data))
    except UnknownKey as error:
        raise ExamplesUnavailable(str(error)) from None
    return load_split(run.job, answers, classes)


def load_test_examples(
    run: Run, answers: PredictionsRecorded, classes: Sequence[str], places: Sequence[int]
) -> list[str]:
    """Return the test examples at `places` as text or image URLs; raises `ExamplesUnavailable`."""
    if run.job.data.startswith("own-"):  # never in a cache that visitors share
        split = load_test_split(run, answers, classes)
        return [render_example(split.inputs[place]) for place in places]
    examples: list[str] = []
    for start in range(0, len(places), _BATCH_SIZE):
        examples += _load_public(
            run.id, tuple(places[start : start + _BATCH_SIZE]), run, answers, classes
        )
    return examples


@st.cache_data(show_spinner=False, max_entries=100)  # each at most 24 pictures of some 10 kB
def _load_public(
    run_id: str,
    places: tuple[int, ...],
    _run: Run,
    _answers: PredictionsRecorded,
    _classes: Sequence[str],
) -> list[str]:
    split = load_test_split(_run, _answers, _classes)
    return [render_example(split.inputs[place]) for place in places]
