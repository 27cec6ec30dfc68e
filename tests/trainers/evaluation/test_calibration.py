"""A temperature from what was not learned: it mends what is off, and a run fits one by the way."""

import json

import numpy as np
import pytest
from scipy.special import softmax

from trainers.evaluation.calibration import (
    MAX_VALIDATION_EXAMPLES,
    calibration_error,
    compute_confidence,
    evenly_spaced_indices,
    expected_ece,
    fit_temperature,
    pooled_bin,
    reliability_bins,
)
from trainers.events import (
    CalibrationDone,
    PhaseDone,
    PredictionsRecorded,
    RunFinished,
    RunStarted,
    Stage,
    ValidationDone,
)
from trainers.plan import Plan
from trainers.training.run import run

TRAINED = ("transfer", "fine_tune", "hybrid", "scratch")


def asked(count: int, *, times: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores whose softmax is true, and labels thrown by it; then the scores `times` too large."""
    rng = np.random.default_rng(seed)
    scores = 2 * rng.standard_normal((count, 4))
    labels = np.array([rng.choice(4, p=row) for row in softmax(scores, axis=1)])
    return times * scores, labels


@pytest.mark.parametrize("times", [0.5, 1.0, 2.0, 4.0])
def test_scores_that_are_too_large_by_a_factor_get_that_factor(times):
    assert fit_temperature(*asked(4000, times=times)) == pytest.approx(times, rel=0.06)


def test_with_it_what_is_said_is_right_as_often():
    scores, labels = asked(4000, times=3.0)
    other, truth = asked(4000, times=3.0, seed=1)
    right = other.argmax(1) == truth
    came = reliability_bins(compute_confidence(other, 1.0), right)
    after = reliability_bins(compute_confidence(other, fit_temperature(scores, labels)), right)
    assert calibration_error(came) > 0.1
    assert calibration_error(after) < 0.03
    assert calibration_error(after) < 2 * expected_ece(after)


def test_few_examples_move_it_little_and_none_not_at_all():
    scores = np.array([[3.0, 0.0]] * 5)
    sure, wrong = (fit_temperature(scores, np.full(5, label)) for label in (0, 1))
    assert fit_temperature(scores[:1], np.ones(1, int)) == 1.0
    assert 0.5 < sure < 1  # all right: with no limit it would be as small as can be
    assert 1 < wrong < 6
    assert fit_temperature(np.array([[3.0, 0.0]] * 500), np.zeros(500, int)) < sure
    assert fit_temperature(np.empty((0, 2)), np.empty(0, int)) == 1.0
    assert fit_temperature(np.zeros((9, 2)), np.zeros(9, int)) == pytest.approx(1.0, abs=1e-3)


def test_one_that_does_not_help_on_the_others_is_not_applied():
    truth, means = [], []
    for seed in range(40):  # what is true already: a temperature fits nothing but chance
        scores, labels = asked(40, seed=seed)
        means.append(fit_temperature(scores, labels))
        truth.append(means[-1] == 1.0)
    assert np.mean(truth) > 0.4
    assert fit_temperature(*asked(40, times=3.0)) > 1.5  # what is far off is still mended


def test_it_stays_in_its_bounds():
    scores, labels = np.array([[900.0, 0.0]] * 50), np.ones(50, int)
    assert fit_temperature(scores, labels) <= 20
    assert fit_temperature(scores / 1e6, np.zeros(50, int)) >= 0.05


def test_bins_hold_about_equally_many_and_fewer_examples_make_fewer():
    said = np.linspace(0.3, 1.0, 200)
    assert [one.count for one in reliability_bins(said, said > 0.5)] == [20] * 10
    assert len(reliability_bins(said[:45], said[:45] > 0)) == 2
    assert len(reliability_bins([0.9] * 300, [True] * 300)) == 1
    assert reliability_bins([], []) == []


def test_a_bin_counts_what_is_right_and_says_how_sure_that_is():
    (one,) = reliability_bins([0.9] * 10, [True] * 8 + [False] * 2)
    assert (one.mean_confidence, one.count, one.right, one.accuracy) == (
        pytest.approx(0.9),
        10,
        8,
        0.8,
    )
    assert (one.right_low, one.right_high) == pytest.approx((0.490, 0.943), abs=0.001)  # Wilson
    assert calibration_error([one]) == pytest.approx(0.1)
    assert pooled_bin([0.8, 0.9], [True, False])[:4] == pytest.approx((0.8, 0.9, 0.85, 2))


def test_of_many_checks_some_are_kept_from_first_to_last():
    assert evenly_spaced_indices(3).tolist() == [0, 1, 2]
    some = evenly_spaced_indices(10 * MAX_VALIDATION_EXAMPLES)
    assert (len(some), some[0], some[-1]) == (
        MAX_VALIDATION_EXAMPLES,
        0,
        10 * MAX_VALIDATION_EXAMPLES - 1,
    )


# --- in a run -------------------------------------------------------------------------------------


def events_of(approach: str, data: str = "colours", **settings) -> list:
    return list(run(Plan(data=data, approach=approach, seconds=20), **settings))


def of(kind, events) -> list:
    return [event for event in events if isinstance(event, kind)]


@pytest.mark.parametrize("data", ["colours", "words"])
@pytest.mark.parametrize("approach", TRAINED)
def test_a_run_that_learns_says_once_how_sure_it_may_be(approach, data, toy):
    events = events_of(approach, data)
    (found,) = of(CalibrationDone, events)
    assert events.index(of(PhaseDone, events)[-1]) < events.index(found) < len(events) - 1
    assert isinstance(events[-1], RunFinished)
    kept = [look for look in of(ValidationDone, events) if look.is_best][-1]
    assert sum(found.correct) / len(found.correct) == pytest.approx(kept.accuracy)
    held = of(RunStarted, events)[0].validation_examples
    assert len(found.correct) == (90 if approach == "transfer" else held)
    assert all(1 / 3 - 1e-3 <= one <= 1 for one in found.confidence)
    (answered,) = of(PredictionsRecorded, events)
    assert (
        len(answered.calibrated_confidence) == len(answered.confidence) == len(answered.predictions)
    )
    surer = np.mean(answered.calibrated_confidence) - np.mean(answered.confidence)
    assert surer * (1 - found.temperature) >= 0  # below 1 it makes surer, above 1 less so
    assert abs(surer) > 0.001 or found.temperature == pytest.approx(1, abs=0.2)
    json.dumps(found.as_json(), allow_nan=False)


@pytest.mark.parametrize("approach", ["none", "simple"])
def test_what_holds_nothing_out_says_nothing_of_it(approach, toy):
    events = events_of(approach)
    assert not of(CalibrationDone, events)
    assert not of(PredictionsRecorded, events)[0].calibrated_confidence


@pytest.mark.parametrize("approach", TRAINED)
def test_without_checks_or_with_one_example_of_a_class_there_is_none(approach, toy):
    assert not of(CalibrationDone, events_of(approach, checks=False))
    one_each = list(run(Plan(data="colours", approach=approach, examples_per_class=1, seconds=20)))
    assert isinstance(one_each[-1], RunFinished)
    assert not of(CalibrationDone, one_each)


def test_a_hybrid_is_judged_by_what_its_last_part_had_not_seen(toy):
    events = events_of("hybrid")
    (found,) = of(CalibrationDone, events)
    assert [stage.key for stage in of(Stage, events)].count("refit") == 1
    assert len(found.correct) == of(RunStarted, events)[0].validation_examples == 18


def test_fitting_it_changes_nothing_else(toy, monkeypatch):
    def timeless(events):
        clock = {"seconds", "setup_seconds", "step_seconds", "peak_memory_bytes"}
        clock |= {"predicted_seconds", "predicted_memory_bytes", "calibrated"}
        told = [e.as_json() for e in events if e.type not in ("calibrated", "notice", "progress")]
        return [{k: v for k, v in one.items() if k not in clock} for one in told]

    first = events_of("hybrid")
    repeat = Plan.from_json(first[-1].repeat_plan)
    monkeypatch.setattr("trainers.training.run.calibrate", lambda session: iter(()))
    assert timeless(run(repeat)) == timeless(first)
