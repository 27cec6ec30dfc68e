"""A trial on parts of the training examples: honest, in time, and never on the test."""

import numpy as np
import pytest

from tests.support import toys
from trainers.datasets import DatasetSplits, Split, get_dataset
from trainers.evaluation.verdict import ADVISABLE
from trainers.events import Stage
from trainers.plan import Plan
from trainers.tasks.pilot import NUM_FOLDS, recommend, run_pilot, split_folds

PLAN = {"data": "colours", "approach": "transfer", "seconds": 10}


def some(counts: list[int], *, text: bool = False) -> DatasetSplits:
    labels = np.repeat(np.arange(len(counts)), counts)
    inputs = [str(n) for n in range(len(labels))] if text else np.zeros((len(labels), 2, 2, 3))
    split = Split(inputs, labels)
    return DatasetSplits("text" if text else "images", tuple("abc"[: len(counts)]), split, split)


def tried(seconds=6.0, article="transfer", should_stop=lambda: False):
    data = get_dataset("colours").load_splits(10, 0)
    stream = run_pilot(Plan(**PLAN), data, article, seconds=seconds, should_stop=should_stop)
    events = []
    while True:
        try:
            events.append(next(stream))
        except StopIteration as end:
            return events, end.value


def test_every_example_is_left_out_once():
    data = some([10, 15], text=True)
    left_out = [text for part in split_folds(data) for text in part.test.inputs]
    assert sorted(left_out) == sorted(data.train.inputs)
    for part in split_folds(data):
        assert not set(part.test.inputs) & set(part.train.inputs)
        assert len(part.test.inputs) + len(part.train.inputs) == 25


@pytest.mark.parametrize(("counts", "rounds"), [([10, 15], NUM_FOLDS), ([3, 9], 3), ([1, 9], 0)])
def test_every_class_stays_on_both_sides(counts, rounds):
    found = list(split_folds(some(counts)))
    assert len(found) == rounds
    for part in found:
        assert set(part.train.labels) == set(part.test.labels) == set(range(len(counts)))


def test_all_approaches_answer_for_the_same_examples_and_the_test_is_not_touched(toy):
    events, found = tried()
    asked = {len(right) for right in found.right.values()}
    assert set(found.right) == set(ADVISABLE)
    assert len(asked) == 1
    assert 0 < asked.pop() <= 30
    assert {event.key for event in events if isinstance(event, Stage)} >= {"trial"}


def test_it_keeps_its_time(toy):
    toys.SLOW["seconds"] = 0.02
    _, found = tried(seconds=4.0)
    assert found.seconds < 6.0


def test_stopped_before_the_first_round_the_articles_rules_are_trusted(toy):
    _, found = tried(should_stop=lambda: True, article="hybrid")
    assert found.trusted == "hybrid"
    assert "too little time" in found.words


def answers(transfer: int, fine_tune: int, hybrid: int, of: int = 100) -> dict:
    given = {"transfer": transfer, "fine_tune": fine_tune, "hybrid": hybrid}
    return {key: [True] * right + [False] * (of - right) for key, right in given.items()}


def test_a_clear_lead_beats_the_rules_and_both_are_told():
    trusted, words = recommend(answers(60, 90, 70), "transfer")
    assert trusted == "fine_tune"
    assert "fine-tuning 90 of 100 right" in words
    assert "The article's rules say transfer learning" in words
    assert "seldom chance" in words


def test_a_slight_lead_is_followed_and_called_what_it_is():
    trusted, words = recommend(answers(70, 70, 71), "transfer")
    assert trusted == "hybrid"
    assert "may be chance" in words


def test_fine_tuning_needs_a_lead_that_is_more_than_chance_unless_it_is_what_the_rules_advise():
    trusted, words = recommend(answers(70, 71, 70), "transfer")
    assert trusted == "transfer"
    assert "no larger than chance" in words
    assert recommend(answers(70, 71, 70), "fine_tune")[0] == "fine_tune"
    assert recommend(answers(70, 69, 71), "fine_tune")[0] == "hybrid"


@pytest.mark.parametrize("article", ADVISABLE)
def test_of_equals_the_articles_is_kept(article):
    trusted, words = recommend(answers(80, 80, 80), article)
    assert trusted == article
    assert "agrees" in words
