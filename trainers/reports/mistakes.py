"""Which test examples a finished run predicted correctly and which not, and how confidently.

Examples are numbered by their place in the test split, from 0, as in `PredictionsRecorded`.
"""

from collections.abc import Sequence

import numpy as np

from trainers import datasets
from trainers.datasets import Split
from trainers.datasets.uploads import BadUpload
from trainers.events import PredictionsRecorded
from trainers.plan import Plan
from trainers.store import Run
from trainers.system.registry import UnknownKey

# The least sureness at which a label is doubted. Measured on 11 runs of 20 seconds, 50 examples of
# each class: transfer learning on the 7 bundled samples, fine-tuning on 4 of them. With one test
# label in 20 made wrong, five times over, 379 of the 465 that are named were wrong (of 1,135); with
# the labels as they came 18 of 4,579 are named. At 0.8: 433 of 641, and 44. Without the comparison
# with right answers, at 0.9: 509 of 704, and 41.
MIN_CONFIDENCE = 0.9


class ExamplesUnavailable(LookupError):
    """Test examples that cannot be shown; the text says why."""


def load_test_examples(plan: Plan, answered: PredictionsRecorded, classes: Sequence[str]) -> Split:
    """The test examples that a run on `plan` was asked, in the order of its answers. Raises `Gone`
    where they are not here any more, or are others by now."""
    try:
        # The choice of training examples never changes the test: the fewest take the least time.
        data = datasets.get_dataset(plan.data).load_splits(1, 0, plan.fixes)
    except (UnknownKey, BadUpload) as error:
        raise ExamplesUnavailable(str(error)) from None
    except (OSError, ValueError) as error:
        raise ExamplesUnavailable(f"The test examples could not be read ({error}).") from None
    count = len(answered.labels)
    same = data.test.labels[:count].tolist() == answered.labels
    if not same or tuple(classes) != data.classes:
        raise ExamplesUnavailable(
            "The test examples are others by now than those that this run was asked, so they are "
            "not shown. Run it again to see examples."
        )
    inputs, labels, groups, names = data.test
    return Split(
        inputs[:count], labels[:count], groups if groups is None else groups[:count], names
    )


def is_data_readable(run: Run) -> bool:
    """Return whether the data of `run` is public, or its visitor's own.

    A run that was imported from a file may name another visitor's.
    """
    if not run.job.data.startswith("own-"):
        return True
    try:
        return datasets.get_dataset(run.job.data).visitor == run.visitor
    except UnknownKey:
        return False


def load_test_groups(
    run: Run, answered: PredictionsRecorded | None, classes: Sequence[str]
) -> Split | None:
    """The test examples of `run` with their groups; None where its visitor has named none, or the
    data is gone."""
    own = run.job.data.startswith("own-") and is_data_readable(run)
    if answered is None or not own:
        return None
    try:
        split = load_test_examples(run.job, answered, classes)
    except ExamplesUnavailable:
        return None
    return split if split.group_names else None


def list_matrix_cell(answered: PredictionsRecorded, truth: int, answer: int) -> list[int]:
    """Return the examples of class `truth` that were predicted as `answer`.

    Mistakes: the most confident first. Correct ones: the least confident first, as they are nearly
    wrong.
    """
    labels, answers = np.asarray(answered.labels), np.asarray(answered.predictions)
    places = np.flatnonzero((labels == truth) & (answers == answer))
    return _sort_by_confidence(answered, places, surest_first=truth != answer)


def list_mistakes(answered: PredictionsRecorded) -> list[int]:
    """The mistakes, the surest first."""
    places = np.flatnonzero(np.asarray(answered.labels) != np.asarray(answered.predictions))
    return _sort_by_confidence(answered, places, surest_first=True)


def list_suspect_labels(answered: PredictionsRecorded) -> list[int]:
    """Return mistakes whose label may be wrong, the most confident first.

    Those of which the model is at least as confident as of half of the examples that it correctly
    predicts as the same class.
    """
    if not answered.confidence:
        return []
    labels, answers = np.asarray(answered.labels), np.asarray(answered.predictions)
    sure, right = np.asarray(answered.confidence), labels == answers  # as `SURE` was measured
    usual = {one: np.median(sure[right & (answers == one)]) for one in np.unique(answers[right])}
    return [
        place
        for place in list_mistakes(answered)
        # Of an answer that was never right nobody knows how sure it is when it is.
        if sure[place] >= max(MIN_CONFIDENCE, usual.get(answers[place], 2.0))
    ]


def rank_confusions(matrix: Sequence[Sequence[int]]) -> list[tuple[int, int, int]]:
    """(class, taken for which, how often) of each kind of mistake that was made, the most frequent
    first."""
    counts = np.asarray(matrix) * (1 - np.eye(len(matrix), dtype=int))
    found = [(int(t), int(a), int(counts[t, a])) for t, a in np.argwhere(counts > 0)]
    return sorted(found, key=lambda one: -one[2])


def _sort_by_confidence(
    answered: PredictionsRecorded, places: np.ndarray, *, surest_first: bool
) -> list[int]:
    if not answered.confidence:
        return places.tolist()
    sure = np.asarray(answered.best_confidence)[places]
    return places[np.argsort(-sure if surest_first else sure, kind="stable")].tolist()
