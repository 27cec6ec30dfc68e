"""A pilot run on the training examples: fair, within its time, and never on the test set."""

import numpy as np
import pytest

from tests.support import toys
from tests.support.streams import collect
from trainers.datasets import DatasetSplits, Split, get_dataset
from trainers.evaluation.verdict import ADVISABLE
from trainers.events import Stage
from trainers.plan import Plan
from trainers.tasks import pilot
from trainers.tasks.pilot import NUM_FOLDS, Trial, recommend, run_pilot, split_folds
from trainers.training.run import run
from trainers.training.validator import DivergenceError


def make_data(counts: list[int], *, text: bool = False) -> DatasetSplits:
    labels = np.repeat(np.arange(len(counts)), counts)
    inputs = [str(n) for n in range(len(labels))] if text else np.zeros((len(labels), 2, 2, 3))
    split = Split(inputs, labels)
    return DatasetSplits("text" if text else "images", tuple("abc"[: len(counts)]), split, split)


def run_on_colours(seconds=6.0, rule_advice="transfer", should_stop=lambda: False, budget=10):
    plan = Plan(data="colours", approach="transfer", seconds=budget)
    data = get_dataset("colours").load_splits(10, 0)
    return collect(run_pilot(plan, data, rule_advice, seconds=seconds, should_stop=should_stop))


def test_every_example_is_in_the_test_set_of_one_fold():
    data = make_data([10, 15], text=True)
    folds = list(split_folds(data))
    assert sorted(text for fold in folds for text in fold.test.inputs) == sorted(data.train.inputs)
    for fold in folds:
        assert not set(fold.test.inputs) & set(fold.train.inputs)
        assert len(fold.test.inputs) + len(fold.train.inputs) == 25


@pytest.mark.parametrize("counts", [[10, 15], [3, 9], [2, 9], [1, 9, 4]])
def test_every_class_stays_in_training_and_a_lone_example_is_never_held_out(counts):
    folds = list(split_folds(make_data(counts)))
    assert len(folds) == NUM_FOLDS
    for fold in folds:
        assert set(fold.train.labels) == set(range(len(counts)))
    tested = np.concatenate([fold.test.labels for fold in folds])
    expected = [0 if count == 1 else count for count in counts]
    assert np.bincount(tested, minlength=len(counts)).tolist() == expected


def test_a_candidate_that_fails_ends_nothing(toy, monkeypatch):
    def run_or_diverge(plan, **options):
        if plan.approach == "fine_tune":
            raise DivergenceError("The loss became nan.")
        return run(plan, **options)

    monkeypatch.setattr(pilot, "run", run_or_diverge)
    _, result = run_on_colours()
    assert set(result.correct) == {"transfer", "hybrid"}
    assert result.validation_examples > 0
    assert result.recommended in result.correct


def test_all_approaches_are_evaluated_on_the_same_examples_and_the_test_set_is_not_used(toy):
    events, result = run_on_colours()
    assert set(result.correct) == set(ADVISABLE)
    assert {len(flags) for flags in result.correct.values()} == {result.validation_examples}
    assert 0 < result.validation_examples <= 30
    assert {event.key for event in events if isinstance(event, Stage)} >= {"trial"}


def test_it_keeps_its_time(toy):
    toys.SLOW["seconds"] = 0.02
    _, result = run_on_colours(seconds=4.0)
    assert result.seconds < 6.0


def test_stopped_before_the_first_fold_it_follows_the_rules(toy):
    _, result = run_on_colours(should_stop=lambda: True, rule_advice="hybrid")
    assert result.recommended == "hybrid"
    assert result.validation_examples == 0


def flags(transfer: int, fine_tune: int, hybrid: int, of: int = 100) -> dict:
    counts = {"transfer": transfer, "fine_tune": fine_tune, "hybrid": hybrid}
    return {key: [True] * count + [False] * (of - count) for key, count in counts.items()}


def test_a_clear_lead_beats_the_rules_and_both_are_said():
    recommended, summary = recommend(flags(60, 90, 70), "transfer")
    assert recommended == "fine_tune"
    assert "fine-tuning 90 of 100 right" in summary
    assert "The article's rules say transfer learning" in summary


@pytest.mark.parametrize("rule_advice", ADVISABLE)
def test_within_one_standard_error_the_cheapest_is_recommended(rule_advice):
    assert recommend(flags(80, 80, 80), rule_advice)[0] == "transfer"
    assert recommend(flags(70, 71, 71), rule_advice)[0] == "transfer"
    assert recommend(flags(60, 81, 80), rule_advice)[0] == "hybrid"


def test_the_rules_are_answered_in_words():
    assert "agrees" in recommend(flags(80, 80, 80), "transfer")[1]
    assert "within chance" in recommend(flags(70, 71, 70), "fine_tune")[1]


def test_what_cannot_finish_in_the_time_is_not_recommended_and_the_reason_is_said():
    recommended, summary = recommend(flags(60, 90, 70), "fine_tune", {"fine_tune"})
    assert recommended == "hybrid"
    assert "in the time you have" in summary


def test_a_run_finishes_if_it_sees_every_example_once():
    assert Trial([], epoch_seconds=8.0).would_finish_in(20)
    assert not Trial([], epoch_seconds=8.0).would_finish_in(10)


def test_an_approach_whose_trial_was_over_before_its_steps_were_planned_is_timed_too(toy):
    toys.SLOW["seconds"] = 1.0
    _, result = run_on_colours(seconds=6.0, rule_advice="fine_tune", budget=1.5)
    assert result.recommended != "fine_tune"
    assert "in the time you have" in result.summary
