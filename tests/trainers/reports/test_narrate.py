"""A run's events as the narrator's facts."""

from dataclasses import replace

import numpy as np
import pytest

from guide.approaches import APPROACHES
from trainers.evaluation.metrics import score
from trainers.events import (
    Baseline,
    CalibrationDone,
    PhaseDone,
    PhaseStarted,
    PredictionsRecorded,
    RunFinished,
    RunStarted,
    ValidationDone,
)
from trainers.plan import Plan
from trainers.reports import narrate
from trainers.reports.narrate import narrate_run, run_facts
from trainers.training import head
from trainers.training.run import run

STARTED = RunStarted(
    approach="fine_tune", data="digits", backbone="small_resnet", modality="images",
    classes=["cat", "dog"], train_examples=400, validation_examples=100, test_examples=200,
    parameters=110, budget_seconds=30.0, setup_seconds=0.1, device="cpu",
)  # fmt: skip
PARTS = [
    {"name": "stem", "parameters": 100, "learnable": 100},
    {"name": "answer", "parameters": 10, "learnable": 10},
]
PHASE = PhaseStarted(0, "Adjust the whole model", PARTS, 110, 0.001, 0.5)


def look(step, accuracy, loss, *, best, train=None, phase=0):
    return ValidationDone(
        phase=phase, step=step, epoch=float(step), accuracy=accuracy, loss=loss, is_best=best,
        train_accuracy=train, train_loss=None, watched_predictions=[], confidence=[], map_points=[],
        map_labels=[], map_predictions=[], seconds=1.0 + step,
    )  # fmt: skip


LOOKS = [
    look(0, 0.5, 0.7, best=True),
    look(4, 0.7, 0.6, best=True, train=0.9),
    look(8, 0.69, 0.8, best=False, train=1.0),
    look(12, 0.68, 0.9, best=False, train=1.0),
    look(16, 0.7, 1.0, best=False, train=1.0),
]


def ended(labels, answers, **changes):
    found = score(labels, answers, 2)
    return RunFinished(
        approach="fine_tune", data="digits", backbone="small_resnet", classes=["cat", "dog"],
        train_examples=500, test_examples=len(labels), test_correct=found.right,
        test_accuracy=found.accuracy, test_accuracy_low=found.low,
        test_accuracy_high=found.high, macro_f1=found.macro_f1, confusion_matrix=found.confusion,
        seconds=20.0, trainable_parameters=110, parameters=110, epochs=16.0, stopped_by_user=False,
        repeat_plan={},
    ) if not changes else replace(ended(labels, answers), **changes)  # fmt: skip


LABELS = [0, 1] * 100
MOSTLY = [label if n % 10 else 1 - label for n, label in enumerate(LABELS)]  # 90 %
RUN = [
    STARTED, Baseline("nearest class mean", 0.6, 0.4), PHASE, *LOOKS,
    PhaseDone(0, 16, 16.0, "no longer improves", 18.0),
]  # fmt: skip


def test_what_is_learned_by_heart_is_told_with_the_pass_at_which_it_stopped():
    told = narrate_run([*RUN, ended(LABELS, MOSTLY)])
    assert [row.key for row in told.rules] == ["memorising"]
    assert "Training accuracy is 100%" in told.text
    assert "(70% right) stopped improving at pass 4" in told.text
    assert told.action == "more-examples"


def test_with_few_checks_the_same_curve_is_not_called_memorising():
    few = replace(STARTED, train_examples=16, validation_examples=10)
    told = narrate_run([few, *RUN[1:], ended(LABELS, MOSTLY)])
    assert [row.key for row in told.rules] == ["few-checks"]


def test_live_only_what_can_be_said_so_far():
    keys = [narrate_run([*RUN[:3], *LOOKS[:n]]).rules for n in range(len(LOOKS) + 1)]
    assert [rows[0].key if rows else "" for rows in keys] == [
        "", "live-so-far", "live-so-far", "live-rising", "live-rising", "live-memorising",
    ]  # fmt: skip
    assert narrate_run([]).text == narrate_run([STARTED]).text == ""


def test_a_budget_that_was_over_while_it_still_learned():
    looks = [look(n, 0.5 + n / 40, 1 - n / 20, best=True, train=0.6) for n in range(5)]
    end = ended(LABELS, MOSTLY, seconds=29.0)
    done = PhaseDone(0, 5, 5.0, "time is up", 28.0)
    told = narrate_run([STARTED, PHASE, *looks, done, end])
    assert [row.key for row in told.rules] == ["time-was-short"]
    assert "ran out of time while still improving" in told.text
    for why in ("all steps done", "no longer improves"):
        assert not run_facts(
            [STARTED, PHASE, *looks, replace(done, stop_reason=why), end]
        ).ran_out_of_time


def test_more_time_is_not_advised_where_only_the_loss_still_fell():
    looks = [look(n, 0.8, 1 - n / 20, best=True, train=0.6) for n in range(5)]
    done = PhaseDone(0, 5, 5.0, "time is up", 28.0)
    narration = narrate_run([STARTED, PHASE, *looks, done, ended(LABELS, MOSTLY)])
    assert "time-was-short" not in [row.key for row in narration.rules]
    assert narration.action != "more-seconds"


def test_of_checks_that_are_learned_from_nothing_is_said():
    alone = replace(STARTED, train_examples=10, validation_examples=0)
    assert narrate_run([alone, *RUN[1:3], *LOOKS]).text == ""
    facts = run_facts([alone, *RUN[1:], ended(LABELS, MOSTLY)])
    assert facts.validation_accuracy is None
    assert facts.baseline_gain is None


def test_a_hybrid_without_time_for_its_second_part():
    started, end = (replace(one, approach="hybrid") for one in (STARTED, ended(LABELS, MOSTLY)))
    told = narrate_run([started, PHASE, *LOOKS[:2], PhaseDone(0, 4, 4.0, "time is up", 9.0), end])
    assert told.rules[0].key == "skipped"
    stopped = replace(end, stopped_by_user=True)
    assert narrate_run([started, PHASE, *LOOKS[:2], stopped]).rules[0].key == "stopped"


def test_no_better_than_the_commonest_class_is_said_first():
    labels = [0] * 150 + [1] * 50
    told = narrate_run([*RUN, ended(labels, [0] * 200)])
    assert told.rules[0].key == "chance"
    assert "always answering 'cat' would have 75%" in told.text
    assert run_facts([*RUN, ended(labels, [0] * 200)]).unpredicted_class == "dog"


def test_sure_and_wrong_counts_the_answers_given_surely():
    wrong = [1 - label if n < 30 else label for n, label in enumerate(LABELS)]
    sure = PredictionsRecorded(LABELS, wrong, [0.99] * 100 + [0.6] * 100, 19.0)
    facts = run_facts([*RUN[:1], sure, ended(LABELS, wrong)])
    assert (facts.confident_answers, facts.confident_correct) == (100, 70)
    told = narrate_run([*RUN[:1], sure, ended(LABELS, wrong)])
    assert "of 100 answers given with at least 90% only 70 are right" in told.text
    few = PredictionsRecorded(
        LABELS, wrong, [0.6] * 29 + [0.99] * 3 + [0.6] * 168, 19.0
    )  # one of 3 is wrong
    assert "too-sure" not in [
        r.key for r in narrate_run([STARTED, few, ended(LABELS, wrong)]).rules
    ]


def test_a_last_layer_alone_is_checked_by_all_that_it_learns_from():
    frozen = replace(PHASE, blocks=[PARTS[0] | {"learnable": 0}, PARTS[1]])
    assert run_facts([STARTED, frozen, *LOOKS]).validation_examples == 500
    assert run_facts([STARTED, PHASE, *LOOKS]).validation_examples == 100
    many = replace(STARTED, train_examples=3900)
    assert run_facts([many, frozen, *LOOKS]).validation_examples == 800
    assert (narrate.SINGLE_FOLD_FROM, narrate.FOLDS) == (
        head.SINGLE_FOLD_MIN_EXAMPLES,
        head.NUM_FOLDS,
    )
    fitted = CalibrationDone(1.0, [0.5] * 7, [True] * 7, 2.0)
    assert run_facts([STARTED, frozen, *LOOKS, fitted]).validation_examples == 7


def test_only_the_last_part_of_a_run_is_told():
    second = replace(PHASE, phase=1)
    looks = [look(n, 0.8, 0.5, best=n == 0, train=0.8, phase=1) for n in range(5)]
    facts = run_facts([STARTED, PHASE, *LOOKS, second, *looks])
    assert (facts.evaluations, facts.phases, facts.best_epoch, facts.evaluations_since_best) == (
        5,
        2,
        0.0,
        4,
    )


@pytest.mark.parametrize("data", ["colours", "words"])
@pytest.mark.parametrize("approach", APPROACHES)
def test_there_is_a_word_on_every_real_run(approach, data, toy):
    events = list(run(Plan(data=data, approach=approach, seconds=20)))
    told = narrate_run(events)
    assert told.text
    assert told.action
    if approach not in ("none", "simple"):
        until = next(n for n, event in enumerate(events) if isinstance(event, ValidationDone))
        assert narrate_run(events[: until + 1]).text
    facts = run_facts(events)
    assert facts.test_examples == np.sum(events[-1].confusion_matrix)
