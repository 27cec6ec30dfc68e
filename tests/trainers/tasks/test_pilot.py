"""A pilot run on the training examples: fair, within its time, and never on the test set."""

import numpy as np
import pytest

from tests.support import toys
from tests.support.streams import collect
from trainers.datasets import DatasetSplits, Split, get_dataset
from trainers.evaluation.verdict import ADVISABLE
from trainers.events import Stage
from trainers.plan import Plan
from trainers.tasks.pilot import NUM_FOLDS, recommend, run_pilot, split_folds


def make_data(counts: list[int], *, text: bool = False) -> DatasetSplits:
    labels = np.repeat(np.arange(len(counts)), counts)
    inputs = [str(n) for n in range(len(labels))] if text else np.zeros((len(labels), 2, 2, 3))
    split = Split(inputs, labels)
    return DatasetSplits("text" if text else "images", tuple("abc"[: len(counts)]), split, split)


def run_on_colours(seconds=6.0, rule_advice="transfer", should_stop=lambda: False):
    plan = Plan(data="colours", approach="transfer", seconds=10)
    data = get_dataset("colours").load_splits(10, 0)
    return collect(run_pilot(plan, data, rule_advice, seconds=seconds, should_stop=should_stop))


def test_every_example_is_in_the_test_set_of_one_fold():
    data = make_data([10, 15], text=True)
    folds = list(split_folds(data))
    assert sorted(text for fold in folds for text in fold.test.inputs) == sorted(data.train.inputs)
    for fold in folds:
        assert not set(fold.test.inputs) & set(fold.train.inputs)
        assert len(fold.test.inputs) + len(fold.train.inputs) == 25


@pytest.mark.parametrize(("counts", "num_folds"), [([10, 15], NUM_FOLDS), ([3, 9], 3), ([1, 9], 0)])
def test_every_class_stays_on_both_sides(counts, num_folds):
    folds = list(split_folds(make_data(counts)))
    assert len(folds) == num_folds
    for fold in folds:
        assert set(fold.train.labels) == set(fold.test.labels) == set(range(len(counts)))


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


def test_a_slight_lead_is_followed_and_called_what_it_is():
    recommended, summary = recommend(flags(70, 70, 71), "transfer")
    assert recommended == "hybrid"
    assert "may be chance" in summary


def test_fine_tuning_needs_a_lead_beyond_chance_unless_the_rules_advise_it():
    assert recommend(flags(70, 71, 70), "transfer")[0] == "transfer"
    assert recommend(flags(70, 71, 70), "fine_tune")[0] == "fine_tune"
    assert recommend(flags(70, 69, 71), "fine_tune")[0] == "hybrid"


@pytest.mark.parametrize("rule_advice", ADVISABLE)
def test_ties_go_to_the_rules(rule_advice):
    recommended, summary = recommend(flags(80, 80, 80), rule_advice)
    assert recommended == rule_advice
    assert "agrees" in summary
