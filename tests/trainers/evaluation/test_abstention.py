"""When "not sure" is said: what a number of checks can promise, and what it cannot."""

import numpy as np
import pytest
from scipy.stats import binomtest

from trainers.evaluation.abstention import (
    LOWER_BOUND_Z,
    apply_temperature,
    choose_threshold,
    coverage_accuracy_curve,
    default_threshold,
    find_calibration,
    wilson_lower_bound,
)
from trainers.events import CalibrationDone, from_json


def checks(count: int = 2000, seed: int = 0):
    """Sureness, and right as often as it says."""
    rng = np.random.default_rng(seed)
    sure = rng.uniform(0.3, 1.0, count)
    return sure.tolist(), (rng.uniform(size=count) < sure).tolist()


def test_the_smallest_threshold_that_keeps_the_promise_is_taken():
    sure, right = checks()
    chosen = choose_threshold(sure, right, 0.9)
    assert chosen.guaranteed
    assert chosen.accuracy_lower_bound >= 0.9
    answered = [hit for one, hit in zip(sure, right, strict=True) if one >= chosen.min_confidence]
    assert (len(answered), sum(answered)) == (chosen.answered_count, chosen.right)
    assert all(
        step.accuracy_lower_bound < 0.9
        for step in coverage_accuracy_curve(sure, right)
        if step.min_confidence < chosen.min_confidence
    )


def test_more_precision_costs_answers():
    sure, right = checks()
    shares = [
        choose_threshold(sure, right, wanted).coverage for wanted in (0.5, 0.7, 0.8, 0.9, 0.95)
    ]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1.0
    assert shares[-1] < 0.5


def test_the_promise_holds_on_other_examples_of_the_kind():
    kept = 0
    for seed in range(40):
        chosen = choose_threshold(*checks(300, seed), 0.85)
        sure, right = map(np.array, checks(5000, 1000 + seed))
        kept += right[sure >= chosen.min_confidence].mean() >= 0.85 - 0.01
    assert kept >= 34  # nine in ten, less for choosing among many thresholds


def test_few_checks_promise_little_even_where_all_are_right():
    chosen = choose_threshold([0.9] * 10, [True] * 10, 0.95)
    assert not chosen.guaranteed
    assert (chosen.right, chosen.answered_count) == (10, 10)
    assert chosen.accuracy_lower_bound < 0.9
    assert choose_threshold([0.9] * 100, [True] * 100, 0.95).guaranteed


def test_equally_sure_answers_are_given_or_kept_back_together():
    sure, right = [0.9, 0.6, 0.6, 0.6], [True, True, False, False]
    assert [
        (step.min_confidence, step.answered_count) for step in coverage_accuracy_curve(sure, right)
    ] == [
        (0.0, 4),
        (0.9, 1),
    ]


def test_without_checks_there_is_no_threshold():
    with pytest.raises(ValueError, match="needs checks"):
        choose_threshold([], [], 0.9)


@pytest.mark.parametrize(("right", "answered"), [(0, 1), (1, 1), (7, 10), (381, 400)])
def test_the_lower_bound_is_wilsons(right, answered):
    # Two-sided 80 %: one in ten on each side.
    low = binomtest(right, answered).proportion_ci(0.8, method="wilson").low
    assert wilson_lower_bound(right, answered, LOWER_BOUND_Z) == pytest.approx(low, abs=1e-4)


def test_a_temperature_changes_how_sure_and_never_which():
    found = np.array([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0], [0.34, 0.33, 0.33]])
    softer = apply_temperature(found, 2.0)
    assert softer.argmax(1).tolist() == found.argmax(1).tolist()
    assert softer.sum(1) == pytest.approx(np.ones(3))
    assert (softer.max(1) <= found.max(1)).all()
    scores = np.log([0.7, 0.2, 0.1])
    expected = np.exp(scores / 2) / np.exp(scores / 2).sum()
    assert softer[0] == pytest.approx(expected)
    assert apply_temperature(found, 1.0) is found


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_that_is_none_changes_nothing(wrong):
    found = np.array([[0.7, 0.3]])
    assert apply_temperature(found, wrong) is found


def test_the_last_measurement_counts():
    first, last = (
        CalibrationDone(2.0, [0.5], [True], 1.0),
        CalibrationDone(1.5, [0.6], [False], 2.0),
    )
    assert find_calibration([first, last]) is last
    assert find_calibration([]) is None
    assert from_json(last.as_json()) == last


def test_where_nobody_can_choose_a_line_needs_checks_that_carry_it():
    told = CalibrationDone(1.0, [0.9] * 60 + [0.4] * 40, [True] * 60 + [False] * 40, 1.0)
    assert default_threshold(told) == 0.9
    assert (
        default_threshold(
            CalibrationDone(1.0, [0.9] * 8 + [0.4] * 2, [True] * 8 + [False] * 2, 1.0)
        )
        == 0
    )
    assert default_threshold(None) == 0
