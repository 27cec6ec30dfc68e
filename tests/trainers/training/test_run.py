"""A plan, executed: every approach on every kind of data, odd cases, and the test at the end."""

import itertools
import json
import math
import threading
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from guide.approaches import APPROACHES
from trainers import backbones, datasets
from trainers.datasets import DatasetSplits, Split
from trainers.events import (
    Baseline,
    CalibrationDone,
    Notice,
    PhaseDone,
    PhaseStarted,
    RunFinished,
    RunStarted,
    Stage,
    Step,
    ValidationDone,
    WatchedExamples,
    WeightsCompared,
)
from trainers.networks import loading
from trainers.plan import BadPlan, Plan
from trainers.system.checkpoint_file import CHECKPOINT_FILE
from trainers.training import features as looking, loop, run as training_run, schedule
from trainers.training.clock import Clock
from trainers.training.head import assign_folds
from trainers.training.prototypes import assign_nearest, classify_by_class_mean
from trainers.training.recipes import build_phases
from trainers.training.run import BadData, check_data, run
from trainers.training.session import Session
from trainers.training.stages import final_test, head_phase, network_phase
from trainers.training.stages.prepare import split_validation
from trainers.training.validator import DivergenceError

KINDS = {"images": "colours", "text": "words"}
TRAINED = ("transfer", "fine_tune", "hybrid", "scratch")
LEARNS = [(a, w) for a in ("fine_tune", "hybrid") for w in ("all", "lora")]


def plan(approach="transfer", data="colours", **changes) -> Plan:
    return Plan(**{"data": data, "approach": approach, "seconds": 20, **changes})


def of(kind, events) -> list:
    return [event for event in events if isinstance(event, kind)]


def timeless(events) -> list[dict]:
    """The events without what a clock says."""
    clock = {"seconds", "setup_seconds", "step_seconds", "budget_seconds", "peak_memory_bytes"}
    clock |= {"predicted_seconds", "predicted_memory_bytes"}
    return [{k: v for k, v in event.as_json().items() if k not in clock} for event in events]


# --- every approach on every kind of data -----------------------------------------------------


@pytest.mark.parametrize("modality", KINDS)
@pytest.mark.parametrize("approach", APPROACHES)
def test_every_approach_ends_with_a_score_on_every_kind_of_data(approach, modality, toy):
    events = list(run(plan(approach, KINDS[modality])))
    assert isinstance(events[0], RunStarted)
    finished = events[-1]
    assert isinstance(finished, RunFinished)
    assert len(of(RunFinished, events)) == 1
    assert finished.test_accuracy > 0.6  # chance is a third
    assert finished.test_accuracy_low < finished.test_accuracy <= finished.test_accuracy_high <= 1
    assert finished.test_correct == finished.test_accuracy * finished.test_examples
    assert np.sum(finished.confusion_matrix) == finished.test_examples == 3 * toy.TEST_PER_CLASS
    assert np.trace(finished.confusion_matrix) == finished.test_correct
    assert finished.train_examples == 3 * toy.TRAIN_PER_CLASS
    assert (finished.approach, finished.data) == (approach, KINDS[modality])
    assert not finished.stopped_by_user
    json.dumps([event.as_json() for event in events], allow_nan=False)


@pytest.mark.parametrize("modality", KINDS)
@pytest.mark.parametrize(("approach", "what_learns"), LEARNS)
def test_lora_and_all_weights_both_learn(approach, what_learns, modality, toy):
    events = list(run(plan(approach, KINDS[modality], trainable=what_learns)))
    parts = of(PhaseStarted, events)[-1].blocks
    frozen = sum(part["parameters"] - part["learnable"] for part in parts)
    assert (frozen > 0) == (what_learns == "lora")
    assert all(part["learnable"] for part in parts if part["name"] in ("second", "answer"))
    assert events[-1].test_accuracy > 0.6
    assert events[-1].trainable_parameters == sum(part["learnable"] for part in parts)


@pytest.mark.parametrize("approach", TRAINED)
def test_a_trained_run_tells_its_story_in_order(approach, toy):
    events = list(run(plan(approach)))
    phases = 2 if approach == "hybrid" else 1
    assert len(of(PhaseStarted, events)) == len(of(PhaseDone, events)) == phases
    assert [event.phase for event in of(PhaseStarted, events)] == list(range(phases))
    once_more = [] if approach == "transfer" else ["refit"]
    stages = [stage.key for stage in of(Stage, events)]
    assert stages == ["features", *["phase"] * phases, *once_more, "test"]
    assert len(of(WatchedExamples, events)) == 1
    assert len(of(Baseline, events)) == 1
    times = [event.seconds for event in events if hasattr(event, "seconds")]
    assert times == sorted(times)
    assert (
        of(RunStarted, events)[0].train_examples + of(RunStarted, events)[0].validation_examples
        == 90
    )


@pytest.mark.parametrize("approach", TRAINED)
def test_what_was_learned_is_left_in_the_folder(approach, toy, tmp_path):
    list(run(plan(approach), folder=tmp_path / "run"))
    kept = load_file(tmp_path / "run" / "model.safetensors")
    assert {"head.linear.weight", "head.linear.bias", "head.centre", "head.scale"} <= set(kept)
    assert any(name.startswith("body.") for name in kept) == (approach != "transfer")
    left = {file.name for file in (tmp_path / "run").iterdir()}
    assert left - {CHECKPOINT_FILE} == {
        "model.safetensors"
    }  # a slow run keeps where it stands, too


def test_hybrid_starts_its_second_phase_from_a_head_that_knows_but_has_not_seen_the_checks(toy):
    looks = of(ValidationDone, list(run(plan("hybrid"))))
    thawed = next(look for look in looks if look.phase == 1)
    assert thawed.step == 0
    assert thawed.loss < math.log(3) * 0.9  # what a new head would have


def test_transfer_computes_the_features_once(toy):
    finished = list(run(plan("transfer", "words")))[-1]
    assert finished.epochs > 10
    probes = 2 * 4 + 2 * 32  # timed at the start
    assert sum(toy.SEEN) == probes + finished.train_examples + finished.test_examples


def test_fine_tuning_computes_them_in_every_epoch(toy):
    finished = list(run(plan("fine_tune")))[-1]
    assert sum(toy.SEEN) > finished.epochs * 60


@pytest.mark.parametrize("approach", [*TRAINED, "none"])
@pytest.mark.parametrize("modality", KINDS)
def test_the_test_split_is_touched_once_at_the_end(approach, modality, toy):
    list(run(plan(approach, KINDS[modality])))
    test = 2  # the second set of inputs that a run prepares
    asked = [number for number, _ in toy.ASKED]
    times = Counter(item for number, items in toy.ASKED for item in items if number == test)
    assert times == dict.fromkeys(range(3 * toy.TEST_PER_CLASS), 1)
    if approach != "none":
        assert set(asked[asked.index(test) :]) == {test}


def test_the_examples_held_out_are_never_learned(toy):
    stream = run(plan("fine_tune"))
    watched = next(event for event in stream if isinstance(event, WatchedExamples))
    toy.ASKED.clear()
    batches = []
    for event in stream:
        if isinstance(event, Step):
            batches.append(toy.ASKED[-1][1])
    learned = {item for batch in batches for item in batch}
    assert len(learned) == 72
    assert learned.isdisjoint(watched.indices)


# --- budget, stop, close, repeat --------------------------------------------------------------


@pytest.mark.parametrize("approach", TRAINED)
def test_the_budget_is_kept(approach, toy):
    toy.SLOW["seconds"] = 0.02
    events = list(run(plan(approach, seconds=2)))
    assert isinstance(events[-1], RunFinished)
    assert events[-1].seconds < 3
    assert of(ValidationDone, events)


@pytest.mark.parametrize("modality", KINDS)
@pytest.mark.parametrize("approach", APPROACHES)
def test_a_tiny_budget_is_a_sensible_run(approach, modality, toy):
    finished = list(run(plan(approach, KINDS[modality], seconds=0.2)))[-1]
    assert isinstance(finished, RunFinished)
    assert finished.seconds < 1.5


def test_the_test_set_is_never_cut_to_fit_a_budget(toy):
    toy.SLOW["seconds"] = 0.3  # a batch of 32: 10 ms an example
    events = list(run(plan("transfer", seconds=1)))
    notices = " ".join(event.text for event in of(Notice, events))
    assert "1 seconds are too short to look at all examples" in notices
    assert events[-1].test_examples == 60


def test_of_a_very_large_test_set_every_run_uses_the_same_part_and_says_so(toy, monkeypatch):
    monkeypatch.setattr("trainers.training.features.MAX_TEST_EXAMPLES", 25)
    for approach in ("transfer", "none"):
        events = list(run(plan(approach)))
        notices = " ".join(event.text for event in of(Notice, events))
        assert "25 of the 60 test examples are used" in notices
        assert events[-1].test_examples == 25


def test_validation_examples_without_time_to_look_at_them_are_learned_from(toy):
    toy.SLOW["seconds"] = 0.3
    events = list(run(plan("fine_tune", seconds=3)))
    started = of(RunStarted, events)[0]
    assert started.validation_examples < 18  # a fifth of 90
    assert started.train_examples + started.validation_examples == 90


@pytest.mark.parametrize("approach", TRAINED)
def test_stop_tests_the_best_so_far(approach, toy):
    asked = threading.Event()
    events = []
    for event in run(plan(approach), should_stop=asked.is_set):
        events.append(event)
        if isinstance(event, Step) and event.step == 3:
            asked.set()
    assert len(of(Step, events)) == 3
    assert of(PhaseDone, events)[-1].stop_reason == "stopped"
    assert events[-1].stopped_by_user
    assert events[-1].test_examples == 60


@pytest.mark.parametrize("approach", TRAINED)
def test_closing_abandons_the_run_without_a_score(approach, toy, tmp_path):
    stream = run(plan(approach), folder=tmp_path / "run")
    for event in stream:
        if isinstance(event, Step):
            break
    stream.close()
    assert next(stream, None) is None
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("modality", KINDS)
@pytest.mark.parametrize("approach", APPROACHES)
def test_a_plan_with_the_named_steps_repeats_the_run_exactly(approach, modality, toy):
    toy.SLOW["seconds"] = 0.002
    first = list(run(plan(approach, KINDS[modality], seconds=1, seed=5)))
    repeat = Plan.from_json(json.loads(json.dumps(first[-1].repeat_plan)))
    toy.SLOW["seconds"] = 0.0
    assert repeat.schedule is not None
    second = list(run(repeat))
    skip = ("notice", "progress")  # what a clock decides to tell
    told = [
        [event for event in timeless(events) if event["type"] not in skip]
        for events in (first, second)
    ]
    assert told[0] == told[1]


@pytest.mark.parametrize("tick", [0.01, 0.03, 0.1])
@pytest.mark.parametrize("approach", TRAINED)
def test_a_run_that_the_clock_cut_short_tells_the_same_story_when_repeated(
    approach, tick, toy, monkeypatch
):
    """Seen on a slow machine: the repeat said "all steps done" where the time had been up."""
    ticks = itertools.count(0, tick)
    with monkeypatch.context() as patched:
        patched.setattr(training_run, "Clock", lambda budget: Clock(budget, ticks.__next__))
        first = list(run(plan(approach, seconds=4)))
    assert "time is up" in [phase.stop_reason for phase in of(PhaseDone, first)]
    second = list(run(Plan.from_json(json.loads(json.dumps(first[-1].repeat_plan)))))
    skip = ("notice", "progress")
    stories = [
        [event for event in timeless(events) if event["type"] not in skip]
        for events in (first, second)
    ]
    assert stories[0] == stories[1]


def test_a_stopped_run_can_be_repeated(toy):
    for after in (0, 4):  # before the first step, and in the first of two phases
        asked = threading.Event()
        first = []
        for event in run(plan("hybrid"), should_stop=asked.is_set):
            first.append(event)
            if (isinstance(event, WatchedExamples) and not after) or len(
                of(Step, first)
            ) == after > 0:
                asked.set()
        second = list(run(Plan.from_json(first[-1].repeat_plan)))
        assert len(of(Step, second)) == len(of(Step, first)) == after
        reasons = [[phase.stop_reason for phase in of(PhaseDone, e)] for e in (first, second)]
        assert reasons[0] == reasons[1]
        assert second[-1].confusion_matrix == first[-1].confusion_matrix


def test_another_seed_is_another_run(toy):
    first, second = (list(run(plan("fine_tune", seed=seed))) for seed in (0, 1))
    assert [step.loss for step in of(Step, first)] != [step.loss for step in of(Step, second)]


# --- data that is hard to learn from ----------------------------------------------------------


@pytest.mark.parametrize("approach", APPROACHES)
@pytest.mark.parametrize("data", ["lone", "crowd"])
def test_a_lone_example_or_more_classes_than_examples_is_a_run(data, approach, toy):
    events = list(run(plan(approach, data)))
    assert isinstance(events[-1], RunFinished)
    if data == "crowd" and approach != "simple":
        assert any("No training examples of: colour 0" in n.text for n in of(Notice, events))


@pytest.mark.parametrize("approach", TRAINED)
def test_one_example_of_each_class_is_a_run_that_says_what_its_progress_is_worth(approach, toy):
    events = list(run(plan(approach, examples_per_class=1)))
    assert any("none could be held out" in notice.text for notice in of(Notice, events))
    assert events[-1].train_examples == 3


@pytest.mark.parametrize("approach", TRAINED)
def test_a_budget_that_looks_at_a_part_of_the_checks_does_not_forget_that_they_learn(
    approach, toy, monkeypatch
):
    monkeypatch.setattr(looking, "VALIDATION_SHARE", 0.0)
    monkeypatch.setattr(looking, "CACHED_VALIDATION_SHARE", 0.0)
    events = list(run(plan(approach, examples_per_class=1)))
    assert of(RunStarted, events)[0].validation_examples == 0
    assert not of(CalibrationDone, events)
    assert "refit" not in [stage.key for stage in of(Stage, events)]


@pytest.mark.parametrize("approach", APPROACHES)
def test_one_class_alone_is_refused_in_words(approach, toy):
    with pytest.raises(BadData, match=r"examples of 1 class.*add examples of another class"):
        list(run(plan(approach, "one_class")))


def test_texts_need_no_example_where_classes_have_words(toy):
    events = list(run(plan("none", "words", examples_per_class=0)))
    assert events[-1].train_examples == 0
    assert events[-1].trainable_parameters == 0
    assert any("zero-shot" in baseline.method for baseline in of(Baseline, events))


def test_no_example_and_no_words_for_the_classes_is_refused(toy):
    with pytest.raises(BadData, match="examples of 0 class"):
        list(run(plan("none", "nameless", examples_per_class=0)))
    with pytest.raises(BadPlan):
        plan("transfer", "words", examples_per_class=0)


def test_a_loss_that_is_no_number_is_said(toy, monkeypatch):
    monkeypatch.setattr(schedule, "lr_multiplier", lambda step, steps: 1e30)
    with pytest.raises(DivergenceError, match="Try a learning rate below"):
        list(run(plan("fine_tune")))


# --- the pieces -------------------------------------------------------------------------------


def test_a_fifth_of_each_class_is_held_out_and_one_at_least():
    labels = np.array([0] * 10 + [1] * 4 + [2] * 2 + [3])
    learn, held = split_validation(assign_folds(labels))
    assert Counter(labels[held].tolist()) == {0: 2, 1: 1, 2: 1}
    assert sorted([*learn, *held]) == list(range(len(labels)))


def test_no_more_than_a_few_hundred_are_held_out():
    learn, held = split_validation(assign_folds(np.arange(5000) % 5))
    assert len(held) == 300
    assert len(learn) == 4700
    assert len(np.unique((np.arange(5000) % 5)[held])) == 5


def test_nearest_mean_goes_by_angle_and_never_to_a_class_without_examples():
    features = torch.tensor([[0.0, 1], [0, 3], [2, 0]])
    answers = classify_by_class_mean(features, torch.tensor([0, 0, 2]), features, classes=4)
    assert answers.tolist() == [0, 0, 2]


def test_nearest_is_the_row_that_points_the_same_way():
    targets = torch.tensor([[1.0, 0], [0, 1]])
    assert assign_nearest(targets, torch.tensor([[5.0, 1], [0.1, 0.2]])).tolist() == [0, 1]


def test_two_classes_are_enough():
    split = Split(["a", "b"], np.array([0, 1]))
    check_data(
        DatasetSplits("text", ("x", "y"), split, split), Plan(data="messages", approach="transfer")
    )


# --- the real backbones, small -----------------------------------------------------------------


SMALL = {"images": "digits", "text": "messages"}


@pytest.mark.parametrize(
    "backbone",
    [row for row in backbones.BACKBONES.values() if row.is_bundled],
    ids=lambda row: row.key,
)
def test_real_backbone_transfers(backbone):
    events = list(
        run(
            Plan(
                data=SMALL[backbone.modality],
                approach="transfer",
                backbone=backbone.key,
                examples_per_class=5,
                seconds=8,
            )
        )
    )
    finished = events[-1]
    assert finished.test_accuracy > 0.3  # chance is about 0.1
    assert (
        of(RunStarted, events)[0].parameters - backbone.parameters == finished.trainable_parameters
    )


def test_lora_on_minilm_learns_only_lora_and_head(tmp_path):
    events = list(
        run(
            Plan(data="messages", approach="fine_tune", examples_per_class=2, seconds=3),
            folder=tmp_path,
        )
    )
    kept = load_file(tmp_path / "model.safetensors")
    assert all("lora_" in name or name.startswith("head.") for name in kept)
    assert any(value.any() for name, value in kept.items() if "lora_B" in name)
    assert events[-1].trainable_parameters < 0.05 * events[-1].parameters


@pytest.mark.parametrize("approach", ["fine_tune", "hybrid", "scratch"])
def test_what_learns_throughout_learns_once_more_with_the_checks_included(approach, toy):
    toy.ASKED.clear()
    events = list(run(plan(approach)))
    pace = events[-1].repeat_plan["pace"]
    assert pace["refit"] > pace["steps"][-1][1]  # more examples, more steps
    _, held = split_validation(
        assign_folds(datasets.get_dataset("colours").load_splits(None, 0).train.labels)
    )
    again = [items for number, items in toy.ASKED if number == 1][-pace["refit"] :]
    assert set(held) & {item for items in again for item in items}


@pytest.mark.parametrize(("least_seconds", "share"), [(0.0, 0.25), (1e9, 1.0)])
def test_a_head_whose_body_will_find_no_time_gets_all_of_it(least_seconds, share, toy, monkeypatch):
    until = []

    def noted(head, data, context, steps):
        until.append(context.deadline)
        return teach(head, data, context, steps)

    teach = head_phase.fit_head
    monkeypatch.setattr(head_phase, "fit_head", noted)
    monkeypatch.setattr(Session, "min_phase_seconds", lambda self, phase: least_seconds)
    events = list(run(plan("hybrid")))
    (end,) = until
    assert abs(end / 20 - share) < 0.1
    assert len(of(PhaseStarted, events)) == (1 if least_seconds else 2)


def test_a_second_helping_that_would_not_fit_is_left_out(toy):
    toy.SLOW["seconds"] = 0.02
    finished = list(run(plan("fine_tune", seconds=3)))[-1]
    assert finished.repeat_plan["pace"]["refit"] == 0
    assert finished.seconds < 3.5


@pytest.mark.parametrize("modality", KINDS)
@pytest.mark.parametrize("approach", ["transfer", "fine_tune", "hybrid"])
def test_without_checks_every_example_learns_at_once(approach, modality, toy):
    events = list(run(plan(approach, KINDS[modality]), checks=False))
    assert of(RunStarted, events)[0].train_examples == 90
    assert of(RunStarted, events)[0].validation_examples == 0
    assert "refit" not in [stage.key for stage in of(Stage, events)]
    assert events[-1].test_accuracy > 0.6


@pytest.mark.parametrize("examples", [30, 3], ids=["with a second pass", "one pass"])
def test_a_hybrid_on_texts_ends_halfway_between_its_head_and_what_it_thawed(
    examples, toy, tmp_path, monkeypatch
):
    """The frozen model is one end of the way: a hybrid is never far below its own head."""
    asked = plan("hybrid", KINDS["text"], trainable="lora", examples_per_class=examples)
    repeat = Plan.from_json(list(run(asked))[-1].repeat_plan)
    weights = {}
    for share in (0.0, 0.5, 1.0):

        def build(*args, share=share):
            head, network = build_phases(*args)
            return head, replace(network, start_share=share)

        monkeypatch.setattr("trainers.training.run.build_phases", build)
        list(run(repeat, folder=tmp_path / str(share)))
        weights[share] = load_file(tmp_path / str(share) / "model.safetensors")
    for name, middle in weights[0.5].items():
        assert torch.allclose(middle, (weights[0.0][name] + weights[1.0][name]) / 2, atol=1e-6)
    head = "head.linear.weight"
    assert not torch.allclose(weights[0.0][head], weights[1.0][head], atol=1e-4)


@pytest.mark.parametrize("got_worse", [True, False])
def test_a_thawed_network_that_validates_worse_is_not_delivered(got_worse, toy, monkeypatch):
    def train(*args):
        result = yield from loop.train(*args)
        return result._replace(got_worse=got_worse)

    monkeypatch.setattr(network_phase, "train", train)
    events = list(run(plan("hybrid", trainable="all")))
    *network, _ = of(WeightsCompared, events)[0].blocks
    assert all((block["change"] == 0) == got_worse for block in network)
    assert events[-1].test_accuracy > 0.6


def test_loading_a_backbone_does_not_move_the_dice():
    """It is built with random weights first; a first run in a process must be as a later one."""
    loading.shared_encoder.cache_clear()
    before = torch.random.get_rng_state()
    loading.new_encoder("small_resnet", pretrained=True)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_fewer_examples_than_asked_for_are_said():
    events = list(run(Plan(data="digits", approach="simple", examples_per_class=10_000)))
    assert "10,000 examples of each class were asked for" in of(Notice, events)[0].text


def test_weights_that_cannot_be_kept_do_not_lose_the_score(toy, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(final_test, "save_weights", full)
    events = list(run(plan("transfer"), folder=tmp_path))
    assert isinstance(events[-1], RunFinished)
    assert "No space left on device" in events[-2].text
