"""Which test examples were answered wrong, how surely, and which they are."""

from dataclasses import replace

import numpy as np
import pytest

from trainers import datasets
from trainers.events import PredictionsRecorded
from trainers.plan import Plan
from trainers.reports.mistakes import (
    ExamplesUnavailable,
    list_matrix_cell,
    list_mistakes,
    list_suspect_labels,
    load_test_examples,
    rank_confusions,
)
from trainers.training.run import run

# Class 0 is answered right at 0.6, 0.8 and 0.95; of the mistakes one is as sure as that.
ANSWERED = PredictionsRecorded(
    labels=[0, 0, 0, 1, 1, 1],
    predictions=[0, 0, 0, 0, 0, 1],
    confidence=[0.8, 0.6, 0.95, 0.7, 0.99, 0.5],
    seconds=1.0,
)


def test_mistakes_come_the_surest_first_and_right_answers_the_least_sure():
    assert list_mistakes(ANSWERED) == [4, 3]
    assert list_matrix_cell(ANSWERED, 1, 0) == [4, 3]
    assert list_matrix_cell(ANSWERED, 0, 0) == [1, 0, 2]
    assert list_matrix_cell(ANSWERED, 0, 1) == []


def test_how_sure_it_is_goes_by_the_temperature_where_that_was_measured():
    other = replace(ANSWERED, calibrated_confidence=[1 - sure for sure in ANSWERED.confidence])
    assert list_mistakes(other) == [3, 4]
    assert other.best_confidence == other.calibrated_confidence
    assert ANSWERED.best_confidence == ANSWERED.confidence


def test_without_probabilities_mistakes_keep_their_order_and_no_label_is_doubted():
    bare = replace(ANSWERED, confidence=[])
    assert list_mistakes(bare) == list_matrix_cell(bare, 1, 0) == [3, 4]
    assert list_suspect_labels(bare) == []


def test_a_label_is_doubted_where_the_model_is_as_sure_as_of_right_answers():
    assert list_suspect_labels(ANSWERED) == [4]
    shy = replace(ANSWERED, confidence=[0.8, 0.6, 0.95, 0.7, 0.89, 0.5])
    assert list_suspect_labels(shy) == []  # surer than of right answers, and yet not sure
    bold = replace(ANSWERED, confidence=[0.999, 0.999, 0.999, 0.7, 0.99, 0.5])
    assert list_suspect_labels(bold) == []  # sure, and yet less than of right answers


def test_an_answer_that_was_never_right_casts_no_doubt():
    assert list_suspect_labels(PredictionsRecorded([0, 0], [1, 0], [0.99, 0.5], 1.0)) == []


def test_planted_wrong_labels_are_most_of_those_that_are_doubted():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 100)
    sure = rng.uniform(0.7, 1.0, 400).round(3)  # right, and surely
    planted = rng.choice(400, 20, replace=False)
    told = labels.copy()
    told[planted] = (told[planted] + 1) % 4
    found = list_suspect_labels(
        PredictionsRecorded(told.tolist(), labels.tolist(), sure.tolist(), 1.0)
    )
    assert found
    assert set(found) <= set(planted.tolist())


def test_kinds_of_mistakes_come_the_most_frequent_first():
    assert rank_confusions([[5, 1, 0], [3, 0, 0], [0, 2, 9]]) == [(1, 0, 3), (2, 1, 2), (0, 1, 1)]
    assert rank_confusions([[5, 0], [0, 5]]) == []


@pytest.mark.parametrize("data", datasets.BUNDLED_DATASETS)
def test_the_test_of_every_sample_is_the_same_whatever_is_learned(data):
    """What `asked` relies on: it reads the test beside the fewest training examples."""
    few, more = (
        datasets.get_dataset(data).load_splits(1, 0).test,
        datasets.get_dataset(data).load_splits(3, 7).test,
    )
    assert few.labels.tolist() == more.labels.tolist()
    assert all(np.array_equal(a, b) for a, b in zip(few.inputs, more.inputs, strict=True))


@pytest.mark.parametrize("data", ["colours", "words"])
def test_the_examples_are_those_that_the_run_was_asked(data, toy):
    plan = Plan(data=data, approach="transfer", examples_per_class=10, seed=3, seconds=5)
    events = list(run(plan))
    answered = next(event for event in events if isinstance(event, PredictionsRecorded))
    split = load_test_examples(plan, answered, events[-1].classes)
    tested = datasets.get_dataset(data).load_splits(10, 3).test
    assert len(split.inputs) == len(split.labels) == len(answered.predictions)
    assert all(np.array_equal(a, b) for a, b in zip(split.inputs, tested.inputs, strict=True))


def test_where_time_was_short_the_first_examples_were_asked(toy):
    plan = Plan(data="colours", approach="transfer")
    labels = datasets.get_dataset("colours").load_splits().test.labels[:7].tolist()
    split = load_test_examples(plan, PredictionsRecorded(labels, labels, [], 1.0), toy.CLASSES)
    assert len(split.inputs) == len(split.labels) == 7


def test_other_examples_than_were_asked_are_not_shown(toy):
    plan = Plan(data="colours", approach="transfer")
    labels = datasets.get_dataset("colours").load_splits().test.labels.tolist()
    other = [(label + 1) % 3 for label in labels]
    with pytest.raises(ExamplesUnavailable, match="others by now"):
        load_test_examples(plan, PredictionsRecorded(other, other, [], 1.0), toy.CLASSES)
    with pytest.raises(ExamplesUnavailable, match="others by now"):
        load_test_examples(plan, PredictionsRecorded(labels, labels, [], 1.0), ["a", "b", "c"])
    with pytest.raises(ExamplesUnavailable, match="others by now"):  # more than there are
        load_test_examples(
            plan, PredictionsRecorded([*labels, 0], [*labels, 0], [], 1.0), toy.CLASSES
        )
