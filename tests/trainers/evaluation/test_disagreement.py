"""On which examples two runs differ, what that tells, and small curves out of the store."""

import pytest
from scipy.stats import binomtest

from trainers.evaluation.disagreement import SIGNIFICANCE_LEVEL, find_disagreement
from trainers.evaluation.metrics import Predictions
from trainers.events import Step, ValidationDone
from trainers.plan import Plan
from trainers.store import get_store
from trainers.store.sparklines import read_sparklines

LABELS = [0, 1, 0, 1, 1, 0]


def asked(right, test="digits", labels=LABELS) -> Predictions:
    """A run that has right what `right` says."""
    answers = [label if hit else 1 - label for label, hit in zip(labels, right, strict=False)]
    return Predictions(test, labels[: len(right)], answers)


def test_every_example_is_of_one_of_the_four_kinds():
    found = find_disagreement(asked([1, 1, 0, 0, 1, 0]), asked([1, 0, 1, 0, 0, 0]))
    assert (found.first_only, found.second_only, found.both_right, found.neither_right) == (
        [1, 4],
        [2],
        1,
        2,
    )
    assert (
        found.comparison.tests
        == len(found.first_only) + len(found.second_only) + found.both_right + found.neither_right
    )


def test_only_what_both_were_asked_counts():
    found = find_disagreement(asked([1, 1, 1, 1, 1, 1]), asked([0, 1, 1]))
    assert (found.first_only, found.both_right, found.comparison.tests) == ([0], 2, 3)


def test_another_test_cannot_be_compared():
    assert find_disagreement(asked([1, 1]), asked([1, 1], test="vehicles")) is None
    assert find_disagreement(asked([1, 1]), asked([1, 1], labels=[1, 0])) is None


@pytest.mark.parametrize(("first", "second"), [(9, 1), (1, 9), (5, 4), (12, 0), (0, 0)])
def test_the_words_say_no_more_than_mcnemars_test(first, second):
    labels = [0] * (first + second + 3)
    ones = [1] * first + [0] * second + [1, 0, 1]
    others = [0] * first + [1] * second + [1, 0, 1]
    found = find_disagreement(asked(ones, labels=labels), asked(others, labels=labels))
    said = found.describe("A", "B")
    if not first + second:
        assert said == "Each has right exactly what the other has right."
        return
    clear = binomtest(first, first + second).pvalue < SIGNIFICANCE_LEVEL
    assert ("most likely the better one" in said) == clear
    assert ("does not tell which is better" in said) == (not clear)
    if clear:
        assert f"{'A' if first > second else 'B'} is most likely the better one" in said


def look(accuracy, seconds) -> ValidationDone:
    many = [[0.0, 1.0]] * 150
    return ValidationDone(0, 1, 1.0, accuracy, 1.0, True, None, None, [], [], many, [], [], seconds)


def test_a_small_curve_is_what_the_looks_saw():
    plan = Plan(data="digits", approach="transfer")
    one, other, none = (get_store().enqueue(plan, "ann", worker="test") for _ in range(3))
    get_store().append(one, [look(0.25, 1.0), Step(0, 1, 0.1, 1.0, 1.5), look(0.5, 2.0)])
    get_store().append(other, [look(1.0, 3.0)])
    found = read_sparklines(get_store(), [one, none])
    assert found == {one: [(1.0, 0.25), (2.0, 0.5)]}
    assert read_sparklines(get_store(), [other]) == {other: [(3.0, 1.0)]}
    assert read_sparklines(get_store(), []) == {}
