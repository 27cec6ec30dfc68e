"""A run's events as the numbers that guide/narrator.py speaks of. Light: pages read it."""

from collections.abc import Sequence
from typing import Any

from scipy.stats import binomtest

from guide.narrator import MIN_CONFIDENCE, RULES, Narration, RunFacts, narrate
from trainers.events import (
    Baseline,
    CalibrationDone,
    Event,
    PhaseDone,
    PhaseStarted,
    PredictionsRecorded,
    RunFinished,
    RunStarted,
    ValidationDone,
)
from trainers.training.recipes import build_phases

# As in trainers/training/head.py, which needs torch; a test holds them equal.
SINGLE_FOLD_FROM, FOLDS = 2000, 5


def narrate_run(events: Sequence[Event]) -> Narration:
    """Return what to say of a run while it runs or at its end.

    The text is "" if there is nothing yet.
    """
    return narrate(
        run_facts(events), RULES, live=not any(isinstance(e, RunFinished) for e in events)
    )


def run_facts(events: Sequence[Event]) -> RunFacts:
    """The numbers of a run so far."""
    last: dict[type[Event], Any] = {type(event): event for event in events}
    facts: dict[str, Any] = {}
    if started := last.get(RunStarted):
        looks = [event for event in events if isinstance(event, ValidationDone)]
        phase = last.get(PhaseStarted)
        looks = [look for look in looks if phase and look.phase == phase.phase]
        if looks and started.validation_examples:  # else they are what it learns from
            facts |= _training_facts(started, phase, looks, last.get(CalibrationDone))
            facts["phases"] = phase.phase + 1
        if "validation_accuracy" in facts and (line := last.get(Baseline)):
            facts["baseline_accuracy"] = line.accuracy
            facts["baseline_gain"] = facts["validation_accuracy"] - line.accuracy
            facts["baseline_gain_high"] = facts["validation_high"] - line.accuracy
    if end := last.get(RunFinished):
        facts |= _test_facts(end, last.get(PredictionsRecorded))
        if started:
            facts |= _budget_facts(end, started, last.get(PhaseDone))
    return RunFacts(**facts)


def _training_facts(
    started: RunStarted,
    phase: PhaseStarted,
    looks: list[ValidationDone],
    calibrated: CalibrationDone | None,
) -> dict[str, Any]:
    head = all(not part["learnable"] for part in phase.blocks[:-1])
    kept = [look for look in looks if look.is_best][-1:] or looks[-1:]
    (kept,) = kept
    if all(look.is_best for look in looks):  # too few checks to tell: the last weights are kept
        best = max(looks, key=lambda look: (look.accuracy, -look.loss))
    else:
        best = kept
    checks = len(calibrated.correct) if calibrated else _count_validation(started, head=head)
    low, high = _wilson_interval(kept.accuracy, checks)
    lowest, now = min(look.loss for look in looks), looks[-1]
    facts = {
        "evaluations": len(looks),
        "validation_examples": checks,
        "validation_accuracy": kept.accuracy,
        "validation_low": low,
        "validation_high": high,
        "best_epoch": best.epoch,
        "evaluations_since_best": len(looks) - 1 - looks.index(best),
        "loss_rise": now.loss / lowest if lowest else None,
        "loss_is_falling": now.loss <= lowest,
        "accuracy_is_rising": all(now.accuracy > look.accuracy for look in looks[:-1]),
    }
    if now.train_accuracy is not None:
        train_low, _ = _wilson_interval(now.train_accuracy, started.train_examples)
        facts |= {
            "train_accuracy": now.train_accuracy,
            "gap_low": train_low - high,
            "gap_high": now.train_accuracy - low,
            "validation_lead": kept.accuracy - now.train_accuracy,
        }
    return facts


def _count_validation(started: RunStarted, *, head: bool) -> int:
    """Return the number of validated examples: nearly all in the head phase (training/head.py)."""
    every = started.train_examples + started.validation_examples
    if not head or not started.validation_examples:
        return started.validation_examples
    return every if every < SINGLE_FOLD_FROM else every // FOLDS


def _wilson_interval(share: float, count: int) -> tuple[float, float]:
    if count < 1:
        return 0.0, 1.0
    found = binomtest(round(share * count), count).proportion_ci(0.95, method="wilson")
    return found.low, found.high


def _test_facts(end: RunFinished, answered: PredictionsRecorded | None) -> dict[str, Any]:
    asked = [sum(row) for row in end.confusion_matrix]
    given = [sum(column) for column in zip(*end.confusion_matrix, strict=True)]
    most = max(range(len(asked)), key=asked.__getitem__)
    never = [n for n, count in enumerate(given) if not count]
    facts = {
        "stopped_by_user": end.stopped_by_user,
        "test_correct": end.test_correct,
        "test_examples": end.test_examples,
        "test_accuracy": end.test_accuracy,
        "test_low": end.test_accuracy_low,
        "test_high": end.test_accuracy_high,
        "test_interval_width": end.test_accuracy_high - end.test_accuracy_low,
        "majority_class": end.classes[most],
        "majority_share": asked[most] / max(1, sum(asked)),
        "margin_over_majority": end.test_accuracy_low - asked[most] / max(1, sum(asked)),
        "macro_f1": end.macro_f1,
        "accuracy_above_macro_f1": end.test_accuracy - end.macro_f1,
    }
    if never:
        missed = max(never, key=asked.__getitem__)
        facts |= {
            "unpredicted_class": end.classes[missed],
            "unpredicted_class_examples": asked[missed],
        }
    if answered and answered.best_confidence:
        rows = zip(answered.labels, answered.predictions, answered.best_confidence, strict=True)
        sure = [label == answer for label, answer, said in rows if said >= MIN_CONFIDENCE]
        facts |= {"confident_answers": len(sure), "confident_correct": sum(sure)}
        if sure:
            facts["confident_accuracy_high"] = _wilson_interval(sum(sure) / len(sure), len(sure))[1]
    return facts


def _budget_facts(end: RunFinished, started: RunStarted, done: PhaseDone | None) -> dict[str, Any]:
    asked = build_phases(end.approach, started.modality, "all")  # as many with LoRA, and as long
    played = done.phase + 1 if done else 0
    facts = {
        "budget_seconds": started.budget_seconds,
        "phase_skipped": not end.stopped_by_user and 0 < played < len(asked),
    }
    if done and played <= len(asked):
        facts["ran_out_of_time"] = done.stop_reason == "time is up"
    return facts
