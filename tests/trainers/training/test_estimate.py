"""What a run takes is told before it learns, and in the right order of size."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from trainers.events import RunFinished, RunStarted
from trainers.plan import Plan, RecordedSchedule, StepPlan
from trainers.training import estimate
from trainers.training.estimate import (
    ActivationMemory,
    RunSize,
    estimate_peak_bytes,
    estimate_seconds,
    measure_activations,
)
from trainers.training.recipes import build_phases
from trainers.training.run import run

RUN = RunSize(
    approach="transfer",
    phases=build_phases("transfer", "images", "all"),
    train_examples=80,
    validation_examples=20,
    test_examples=100,
    scaling_examples=80,
    width=10,
    classes=2,
    forward_seconds=0.01,
    elapsed_seconds=0.5,
    budget_seconds=1000,
    parameters=1_000_000,
    lora_parameters=10_000,
    activation_memory=ActivationMemory(saved_bytes=5000, peak_layer_bytes=1000),
)
FINE_TUNE = replace(RUN, approach="fine_tune", phases=build_phases("fine_tune", "images", "all"))


def test_a_frozen_model_looks_once_at_every_example_and_at_its_mirror_image():
    once = 0.5 + 200 * 0.01
    assert once < estimate_seconds(RUN) < once + 1
    mirrored = estimate_seconds(replace(RUN, use_flipped=True)) - estimate_seconds(RUN)
    assert mirrored == pytest.approx(100 * 0.01)  # those that learn and check
    slower = replace(RUN, forward_seconds=0.02)
    assert estimate_seconds(slower) - estimate_seconds(RUN) == pytest.approx(200 * 0.01)


def test_a_model_that_learns_takes_its_steps_and_once_more_with_the_checks():
    (phase,) = FINE_TUNE.phases
    step = estimate.FORWARDS_PER_STEP["all"] * phase.batch_size * 0.01
    steps = phase.max_steps(80)
    assert estimate_seconds(FINE_TUNE) > (steps + steps) * step
    alone = replace(FINE_TUNE, validation_examples=0)
    assert estimate_seconds(alone) < estimate_seconds(FINE_TUNE) - steps * step


def test_it_is_never_foretold_beyond_the_budget():
    for budget in (5, 20, 60):
        assert estimate_seconds(replace(FINE_TUNE, budget_seconds=budget)) <= budget
    assert estimate_seconds(replace(FINE_TUNE, budget_seconds=60)) > 40


def test_named_steps_are_foretold_as_they_are_named():
    pace = RecordedSchedule(
        train_examples=80,
        validation_examples=20,
        test_examples=100,
        steps=(StepPlan(50, 10, 5),),
        refit_steps=7,
    )
    known = estimate_seconds(replace(FINE_TUNE, schedule=pace, budget_seconds=1))
    (phase,) = FINE_TUNE.phases
    step = estimate.FORWARDS_PER_STEP["all"] * phase.batch_size * 0.01
    looks = known - 17 * step
    assert 0 < looks < 8 * 20 * 0.01 + 4  # before, after, and the looks between


def test_every_number_that_learns_takes_a_gradient_two_averages_and_copies():
    none = estimate_peak_bytes(replace(FINE_TUNE, parameters=0), 0)
    assert estimate_peak_bytes(FINE_TUNE, 0) - none >= 4 * (1 + 2) * 1_000_000
    lora = replace(FINE_TUNE, phases=build_phases("fine_tune", "images", "lora"))
    assert estimate_peak_bytes(lora, 0) < estimate_peak_bytes(FINE_TUNE, 0) / 5
    assert estimate_peak_bytes(FINE_TUNE, 123) == estimate_peak_bytes(FINE_TUNE, 0) + 123
    assert (
        estimate_peak_bytes(replace(FINE_TUNE, pending_bytes=77), 0)
        == estimate_peak_bytes(FINE_TUNE, 0) + 77
    )


def test_what_layers_hand_on_is_counted_and_grows_with_the_length_of_texts():
    net = nn.Sequential(nn.Linear(4, 100), nn.ReLU(), nn.Linear(100, 2))
    with measure_activations(net, 3, tokens=8) as found:
        net(torch.zeros(3, 4))
    assert found.saved_bytes == 4 * (100 + 100 + 2)
    assert found.peak_layer_bytes == 4 * (100 + 100)
    assert found.scaled_to(16).saved_bytes == 2 * found.saved_bytes
    net(torch.zeros(3, 4))
    assert found.saved_bytes == 4 * 202  # the hooks are gone


def test_what_a_layer_changes_in_place_is_counted_once():
    net = nn.Sequential(nn.Linear(4, 100), nn.ReLU(inplace=True), nn.Linear(100, 2))
    with measure_activations(net, 3) as found:
        net(torch.zeros(3, 4))
    assert found.saved_bytes == 4 * (100 + 2)


@pytest.mark.parametrize("approach", ["transfer", "fine_tune", "hybrid", "scratch", "none"])
def test_a_run_foretells_before_it_learns_and_its_repeat_does_too(approach, toy):
    toy.SLOW["seconds"] = 0.01
    started, *_, finished = run(Plan(data="colours", approach=approach, seconds=3))
    assert isinstance(started, RunStarted)
    assert isinstance(finished, RunFinished)
    assert 0 < started.estimated_seconds <= 3
    assert 0.5 < started.estimated_memory_bytes / finished.peak_memory_bytes < 1.5
    again, *_ = run(Plan.from_json(finished.repeat_plan))
    assert again.estimated_seconds > 0


def test_what_cannot_be_foretold_is_not(toy):
    started, *_ = run(Plan(data="colours", approach="simple", seconds=3))
    assert started.estimated_seconds is started.estimated_memory_bytes is None
