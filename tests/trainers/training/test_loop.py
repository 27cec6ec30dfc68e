"""The one training loop: what is frozen stays, the best comes back, the budget is kept."""

import itertools
import math
import time
from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.support import toys
from trainers.events import PhaseDone, PhaseScheduled, Step, ValidationDone
from trainers.plan import StepPlan
from trainers.training.clock import Clock
from trainers.training.inference import predict
from trainers.training.loop import train
from trainers.training.model import Head, Model, set_train_mode, trainable_state_dict
from trainers.training.monitor import LiveMonitor
from trainers.training.recipes import Phase, build_phases
from trainers.training.run import never_stop
from trainers.training.schedule import WARMUP_STEPS, PhaseContext, lr_multiplier
from trainers.training.validator import MIN_EXAMPLES_FOR_BEST_WEIGHTS, DivergenceError

PHASE = Phase(
    title="toy",
    trainable="all",
    learning_rate=1e-2,
    head_learning_rate=1e-2,
    batch_size=8,
    max_epochs=5,
    sublinear_epochs=False,
    patience=100,
    freeze_bn_below_steps=0,
)
ENOUGH = (
    MIN_EXAMPLES_FOR_BEST_WEIGHTS // 3 + 1
)  # of each of the toys' classes: early stopping is trusted


def phase(**changes) -> Phase:
    return Phase(**{**PHASE.__dict__, **changes})


def playing(
    model,
    phase=PHASE,
    *,
    seconds=60.0,
    should_stop=never_stop,
    steps=None,
    data=None,
    held=None,
    clock=None,
):
    held = toys.examples(5, seed=2) if held is None else held
    context = PhaseContext(
        number=0,
        clock=clock or Clock(seconds),
        deadline=seconds,
        should_stop=should_stop,
        monitor=LiveMonitor(held.labels),
    )
    return train(model, data or toys.examples(10), held, phase, context, steps)


def played(model, phase=PHASE, **settings) -> tuple[list, tuple]:
    """All events, and the steps that the loop hands back."""
    stream, events = playing(model, phase, **settings), []
    while True:
        try:
            events.append(next(stream))
        except StopIteration as end:
            return events, end.value.steps


def of(kind, events) -> list:
    return [event for event in events if isinstance(event, kind)]


def same(state: dict, before: dict) -> list[bool]:
    return [torch.equal(state[name], value) for name, value in before.items()]


# --- what learns and what does not ------------------------------------------------------------


def test_frozen_parts_keep_every_bit_batch_norm_included():
    model = toys.model()
    model.body.requires_grad_(False)
    before, head = deepcopy(model.body.state_dict()), deepcopy(model.head.state_dict())
    assert any("running_mean" in name for name in before)
    played(model)
    assert all(same(model.body.state_dict(), before))
    assert not torch.equal(model.head.linear.weight, head["linear.weight"])


def test_beside_lora_the_body_keeps_every_bit_batch_norm_included():
    model = toys.model()
    model.body.add_lora(4)
    for name, parameter in model.body.named_parameters():
        parameter.requires_grad_("lora_" in name)
    before = deepcopy(model.body.state_dict())
    played(model)
    after = model.body.state_dict()
    moved = {name for name, value in before.items() if not torch.equal(after[name], value)}
    assert moved
    assert all("lora_" in name for name in moved)


def test_a_body_half_frozen_keeps_the_frozen_half():
    model = toys.model()
    model.body.first.requires_grad_(False)
    first, second = (
        deepcopy(model.body.first.state_dict()),
        deepcopy(model.body.second.state_dict()),
    )
    played(model)
    assert all(same(model.body.first.state_dict(), first))
    assert not any(same(model.body.second.state_dict(), second))


def test_learning_parts_move_batch_norm_included():
    model = toys.model()
    before = deepcopy(model.state_dict())
    played(model)
    stay = {"head.centre", "head.scale"}
    after = model.state_dict()
    assert {name for name in before if torch.equal(after[name], before[name])} == stay


def test_batch_norm_keeps_its_statistics_where_few_steps_are_planned():
    """They follow slowly: after a few steps they fit neither the old weights nor the new."""
    for settles_in, moves in [(1000, False), (0, True)]:
        model = toys.model()
        before = deepcopy(model.state_dict())
        played(model, phase(freeze_bn_below_steps=settles_in))
        after = model.state_dict()
        names = [name for name in before if "running_" in name]
        assert names
        assert [not torch.equal(after[name], before[name]) for name in names] == [moves] * len(
            names
        )
        assert not torch.equal(after["head.linear.weight"], before["head.linear.weight"])


def test_from_scratch_there_are_no_statistics_to_keep():
    (only,) = build_phases("scratch", "images", "all")
    assert only.freeze_bn_below_steps == 0


def test_learning_mode_is_training_only_where_something_learns():
    model = Model(nn.Sequential(nn.Linear(2, 2), nn.Dropout(), nn.BatchNorm1d(2)), Head(2, 2))
    model.body.requires_grad_(False)
    set_train_mode(model)
    assert not any(module.training for module in model.body.modules())
    assert model.head.training
    model.body.requires_grad_(True)
    set_train_mode(model)
    assert all(module.training for module in model.modules())


def test_a_new_head_finds_every_class_as_likely():
    head = Head(8, 3)
    head.fit_scaling(torch.randn(20, 8))
    assert torch.equal(head(torch.randn(5, 8)), torch.zeros(5, 3))


def test_a_head_sees_features_centred_and_on_one_scale():
    features = 40 + 3 * torch.randn(200, 8)
    head = Head(8, 8)
    head.fit_scaling(features)
    with torch.no_grad():
        head.linear.weight.copy_(torch.eye(8))
        scaled = head(features)
    assert scaled.mean().abs() < 0.01
    assert scaled.square().mean().sqrt() == pytest.approx(1, abs=0.01)


def test_a_head_stands_features_that_are_all_alike():
    head = Head(8, 3)
    head.fit_scaling(torch.ones(4, 8))
    assert torch.isfinite(head(torch.ones(4, 8))).all()


# --- the best, and when to end ----------------------------------------------------------------


def test_the_best_weights_are_handed_back():
    model, held = toys.model(), toys.examples(ENOUGH, seed=2)
    overfits = phase(max_epochs=15, learning_rate=0.05, head_learning_rate=0.05)
    events, _ = played(model, overfits, held=held, data=toys.examples(10, mislabelled=True))
    looks = of(ValidationDone, events)
    best = max(looks, key=lambda look: (look.accuracy, -look.loss))
    assert best is not looks[-1]
    _, scores = predict(model, held.inputs)
    assert (scores.argmax(1) == held.labels).float().mean().item() == best.accuracy
    assert F.cross_entropy(scores, held.labels).item() == best.loss


def test_a_look_is_called_best_when_it_beats_all_before():
    events, _ = played(toys.model(), held=toys.examples(ENOUGH, seed=2))
    top = (-1.0, -math.inf)
    for look in of(ValidationDone, events):
        assert look.is_best == ((look.accuracy, -look.loss) > top)
        top = max(top, (look.accuracy, -look.loss))


def test_few_checks_cannot_tell_so_it_learns_to_the_end_and_the_last_weights_are_kept():
    model, held = toys.model(), toys.examples(10, seed=2)
    rng = toys.examples(10, mislabelled=True)
    events, steps = played(model, phase(max_epochs=15, patience=1), held=held, data=rng)
    looks = of(ValidationDone, events)
    assert steps.done == steps.planned
    assert all(look.is_best for look in looks)
    assert looks[-1].loss > min(look.loss for look in looks)
    _, scores = predict(model, held.inputs)
    assert F.cross_entropy(scores, held.labels).item() == looks[-1].loss


def test_without_checks_nothing_is_looked_at():
    events, steps = played(toys.model(), held=toys.examples(0))
    assert of(ValidationDone, events) == []
    assert steps.planned == steps.done == 5 * 4


def test_it_stops_when_it_no_longer_improves():
    rng = {
        "data": toys.examples(10, mislabelled=True),
        "held": toys.examples(ENOUGH, seed=2),
    }
    events, steps = played(toys.model(), phase(max_epochs=500, patience=3), **rng)
    assert events[-1].stop_reason == "no longer improves"
    assert [look.is_best for look in of(ValidationDone, events)][-4:] == [True, False, False, False]
    assert steps.done < steps.planned


def test_it_learns_what_can_be_learned():
    events, _ = played(toys.model(), phase(max_epochs=20))
    looks = of(ValidationDone, events)
    assert looks[0].step == 0
    assert looks[0].train_accuracy is None
    assert max(look.accuracy for look in looks) > 0.9
    assert looks[-1].loss < looks[0].loss


def test_it_looks_before_the_first_step_and_after_the_last():
    events, steps = played(toys.model())
    assert isinstance(events[0], ValidationDone)
    assert of(ValidationDone, events)[-1].step == of(Step, events)[-1].step == steps.done
    assert isinstance(events[-1], PhaseDone)
    assert [step.step for step in of(Step, events)] == list(range(1, steps.done + 1))
    times = [event.seconds for event in events]
    assert times == sorted(times)


def test_it_looks_several_times_within_few_epochs():
    events, _ = played(toys.model(), phase(max_epochs=1, batch_size=2), data=toys.examples(20))
    assert len(of(ValidationDone, events)) >= 6


def test_slow_steps_are_not_outnumbered_by_looks():
    toys.SLOW["seconds"] = 0.02
    events, steps = played(toys.model(), phase(max_epochs=100), seconds=0.6)
    assert 4 <= steps.done < 30
    assert len(of(ValidationDone, events)) <= 3 + steps.done / 4


def test_a_loss_that_is_no_number_ends_the_run_in_words():
    with pytest.raises(
        DivergenceError, match=r"at step \d+ of 'toy'.*Try a learning rate below 1e\+30"
    ):
        played(toys.model(), phase(learning_rate=1e30, head_learning_rate=1e30))


# --- the budget -------------------------------------------------------------------------------


def test_the_budget_is_kept_when_steps_are_slow():
    toys.SLOW["seconds"] = 0.05
    began = time.monotonic()
    events, _ = played(toys.model(), phase(max_epochs=1000), seconds=1.5)
    took = time.monotonic() - began
    assert 0.7 < took < 2.5
    assert of(ValidationDone, events)[-1].step == of(Step, events)[-1].step
    assert isinstance(events[-1], PhaseDone)
    (paced,) = of(PhaseScheduled, events)
    assert paced.step_seconds >= 0.05
    assert paced.steps < 40
    assert (events[-1].stop_reason, events[-1].has_converged) == ("time is up", False)


def test_one_step_longer_than_the_budget_is_still_a_step_and_a_look():
    toys.SLOW["seconds"] = 0.3
    events, steps = played(toys.model(), seconds=0.1)
    assert [type(event) for event in events] == [ValidationDone, Step, ValidationDone, PhaseDone]
    assert events[-1].stop_reason == "time is up"
    assert steps == StepPlan(0, 1, 0, "time is up")


def test_no_batch_is_a_single_example():
    """Batch-norm cannot learn from one, and some networks refuse it."""
    toys.SEEN.clear()
    played(toys.model(), data=toys.examples(11), held=toys.examples(1))  # 33 are 4 batches and one
    assert min(toys.SEEN) > 1


def test_a_long_budget_is_not_padded():
    events, steps = played(toys.model(), seconds=3600)
    assert events[-1].seconds < 30
    assert (events[-1].stop_reason, events[-1].has_converged) == ("all steps done", True)
    assert steps.done == 5 * math.ceil(30 / 8)


def test_named_steps_are_made_whatever_the_clock_says():
    events, steps = played(
        toys.model(), phase(max_epochs=1000), seconds=1e-9, steps=StepPlan(25, 17, 12)
    )
    assert steps == StepPlan(25, 17, 12, "time is up")
    assert len(of(Step, events)) == 17
    assert of(PhaseScheduled, events)[0].steps == 25


def test_named_steps_repeat_what_the_clock_chose():
    toys.SLOW["seconds"] = 0.005
    first_model, second_model = toys.model(), toys.model()
    torch.manual_seed(3)
    first, steps = played(first_model, phase(max_epochs=1000), seconds=1.0)
    torch.manual_seed(3)
    second, again = played(second_model, phase(max_epochs=1000), seconds=60, steps=steps)
    assert again == steps
    assert [step.loss for step in of(Step, first)] == [step.loss for step in of(Step, second)]
    assert all(same(second_model.state_dict(), first_model.state_dict()))


# --- stop and close ---------------------------------------------------------------------------


def test_stop_ends_after_the_step_in_flight_with_the_best_so_far():
    model, held, asked = toys.model(), toys.examples(5, seed=2), itertools.count(1)
    events, steps = played(model, held=held, should_stop=lambda: next(asked) >= 7)
    assert steps.done == 7
    assert events[-1].stop_reason == "stopped"
    looks = of(ValidationDone, events)
    assert looks[-1].step == 7
    _, scores = predict(model, held.inputs)
    assert (
        F.cross_entropy(scores, held.labels).item()
        == max(looks, key=lambda look: (look.accuracy, -look.loss)).loss
    )


def test_closing_the_generator_abandons_after_the_last_whole_step():
    model = toys.model()
    stream = playing(model)
    for event in stream:
        if isinstance(event, Step) and event.step == 3:
            break
    at_three = deepcopy(model.state_dict())
    stream.close()
    assert all(same(model.state_dict(), at_three))
    assert next(stream, None) is None


# --- the rate ---------------------------------------------------------------------------------


def test_the_warm_up_does_not_depend_on_the_number_of_steps():
    for steps in (None, 11, 100, 10_000):
        assert [lr_multiplier(n, steps) for n in range(WARMUP_STEPS)] == [
            (n + 1) / WARMUP_STEPS for n in range(WARMUP_STEPS)
        ]


def test_the_rate_falls_in_a_line_after_the_warm_up():
    rates = [lr_multiplier(n, 60) for n in range(WARMUP_STEPS, 61)]
    assert rates[0] == 1
    assert rates[-1] == 0
    falls = {round(a - b, 9) for a, b in itertools.pairwise(rates)}
    assert falls == {0.02}
    assert lr_multiplier(500, None) == 1
    assert lr_multiplier(500, 60) == 0


def test_what_is_kept_of_a_run_is_what_learned():
    model = toys.model()
    model.body.first.requires_grad_(False)
    names = set(trainable_state_dict(model))
    assert {"head.linear.weight", "head.linear.bias", "body.second.1.running_mean"} <= names
    assert not any(name.startswith("body.first") for name in names)
