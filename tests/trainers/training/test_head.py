"""The last layer: cross-validation finds how long it learns, and the twins never peek."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from trainers.events import PhaseDone, Step, ValidationDone
from trainers.plan import StepPlan
from trainers.training import head as teaching
from trainers.training.clock import Clock
from trainers.training.head import (
    NUM_FOLDS,
    SINGLE_FOLD_MIN_EXAMPLES,
    HeadData,
    assign_folds,
    fit_head,
)
from trainers.training.model import Head
from trainers.training.monitor import LiveMonitor
from trainers.training.run import never_stop
from trainers.training.schedule import PhaseContext

CLASSES, FEATURES = 3, 6


def examples(each: int, *, seed: int = 0, spread: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of three overlapping clouds, and their labels."""
    rng = torch.Generator().manual_seed(seed)
    labels = torch.arange(CLASSES).repeat(each)
    centres = torch.eye(CLASSES, FEATURES)
    return centres[labels] + spread * torch.randn(len(labels), FEATURES, generator=rng), labels


def taught(features, labels, *, seconds=60.0, should_stop=never_stop, steps=None, parts=None):
    """The head, all events, and what cross-validation found."""
    head = Head(FEATURES, CLASSES)
    head.fit_scaling(features)
    parts = assign_folds(labels.numpy()) if parts is None else parts
    viewed = np.flatnonzero(parts == 0)
    context = PhaseContext(
        number=0,
        clock=Clock(seconds),
        deadline=seconds,
        should_stop=should_stop,
        monitor=LiveMonitor(labels[viewed]),
    )
    if isinstance(steps, int):
        steps = StepPlan(steps, steps, 0)
    stream = fit_head(head, HeadData(features, labels, parts, viewed), context, steps)
    events = []
    while True:
        try:
            events.append(next(stream))
        except StopIteration as end:
            return head, events, end.value


def of(kind, events) -> list:
    return [event for event in events if isinstance(event, kind)]


def test_every_class_is_spread_over_the_parts_and_a_lone_example_is_never_left_out():
    labels = np.array([0] * 10 + [1] * 3 + [2])
    parts = assign_folds(labels)
    assert [sorted(parts[labels == label].tolist()) for label in range(3)] == [
        [0, 0, 1, 1, 2, 2, 3, 3, 4, 4], [0, 1, 2], [-1],
    ]  # fmt: skip


def test_many_examples_are_checked_on_one_part_alone():
    parts = assign_folds(np.arange(SINGLE_FOLD_MIN_EXAMPLES) % 4)
    assert set(parts.tolist()) == {-1, 0}
    assert (parts == 0).mean() == pytest.approx(1 / NUM_FOLDS)


def test_the_twin_never_saw_its_part():
    features, labels = examples(30, spread=0.3)
    parts = assign_folds(labels.numpy())
    wrong = torch.where(torch.from_numpy(parts == 0), (labels + 1) % CLASSES, labels)
    runs = [taught(features, some, steps=1, parts=parts) for some in (labels, wrong)]
    (head, _, found), (other, _, changed) = runs
    assert found.best_step == changed.best_step == 1
    assert torch.equal(found.fold_head["linear.weight"], changed.fold_head["linear.weight"])
    assert not torch.equal(head.linear.weight, other.linear.weight)  # which saw all


def test_what_cannot_be_learned_is_at_chance_however_well_it_was_learned_by_heart():
    features, _ = examples(60)
    rng = torch.randint(CLASSES, (len(features),), generator=torch.Generator().manual_seed(1))
    _, events, found = taught(features, rng, steps=200)
    last = of(ValidationDone, events)[-1]
    assert last.accuracy < 0.45
    assert last.train_accuracy > last.accuracy
    assert found.best_step < 20


def test_what_can_be_learned_is_and_new_examples_agree_with_the_checks():
    head, events, _ = taught(*examples(60, spread=0.5))
    best = [look for look in of(ValidationDone, events) if look.is_best][-1]
    features, labels = examples(200, seed=1, spread=0.5)
    with torch.no_grad():
        scores = head(features)
    assert (scores.argmax(1) == labels).float().mean().item() == pytest.approx(
        best.accuracy, abs=0.08
    )
    assert F.cross_entropy(scores, labels).item() == pytest.approx(best.loss, abs=0.1)


def test_steps_that_are_too_sure_of_themselves_are_compared_at_the_best_temperature():
    labels = torch.arange(60) % CLASSES
    scores = torch.nn.functional.one_hot(labels, CLASSES).float()
    scores[::5] = scores[::5].roll(1, 1)  # a fifth is wrong
    calibrated = teaching.minimize_over_temperature(scores, labels)
    assert teaching.minimize_over_temperature(100 * scores, labels) == pytest.approx(
        calibrated, abs=0.05
    )
    assert F.cross_entropy(100 * scores, labels) > 10


def test_a_head_never_gives_every_example_the_same_answer():
    features, labels = examples(5, spread=20.0)  # noise: the loss of any step exceeds that of none
    head, _, found = taught(features, labels)
    assert found.best_step >= 1
    with torch.no_grad():
        assert len(head(features).argmax(1).unique()) > 1


def test_it_stops_when_the_checks_no_longer_improve_and_keeps_the_best():
    features, labels = examples(8, spread=2.0)
    head, events, found = taught(features, labels)
    assert events[-1].stop_reason == "no longer improves"
    assert found.best_step < found.steps.done < teaching.MAX_STEPS
    assert [look.step for look in of(ValidationDone, events) if look.is_best][-1] == found.best_step
    again, _, _ = taught(features, labels, steps=found.best_step)
    assert torch.equal(head.linear.weight, again.linear.weight)


def test_named_steps_repeat_what_a_clock_or_a_stop_decided():
    features, labels = examples(20)
    asked = iter([False] * 7 + [True])
    head, events, found = taught(features, labels, should_stop=lambda: next(asked))
    assert events[-1].stop_reason == "stopped"
    again, repeated, _ = taught(features, labels, steps=found.steps)
    assert repeated[-1].stop_reason == "stopped"
    assert torch.equal(head.linear.weight, again.linear.weight)
    looks = [[look.step for look in of(ValidationDone, some)] for some in (events, repeated)]
    assert looks[0] == looks[1]


def test_time_that_is_up_ends_it_after_a_step():
    _, events, found = taught(*examples(5), seconds=0.0)
    assert events[-1] == PhaseDone(0, 1, 1.0, "time is up", events[-1].seconds)
    assert len(of(Step, events)) == found.steps.done == 1


def test_where_none_can_be_left_out_it_learns_a_little_from_all():
    features, labels = examples(1, spread=0.1)
    head, _, found = taught(features, labels, parts=np.full(3, -1))
    assert found.steps.done == found.best_step == teaching.STEPS_WITHOUT_VALIDATION
    assert (head(features).argmax(1) == labels).all()
