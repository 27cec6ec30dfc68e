"""A run's events as the numbers that guide/narrator.py speaks of. Light: pages read it."""

from collections.abc import Sequence
from typing import Any

from scipy.stats import binomtest

from guide.narrator import ROWS, SURE, Facts, Told, narrate
from trainers.events import (
    Answered,
    Baseline,
    Calibrated,
    Event,
    Finished,
    PhaseDone,
    PhaseStarted,
    Started,
    Validated,
)
from trainers.training.recipes import phases

# As in trainers/training/head.py, which needs torch; a test holds them equal.
ONE_PART_FROM, PARTS = 2000, 5


def narrated(events: Sequence[Event]) -> Told:
    """What is to be said of a run: while it runs, or at its end. "" where nothing is yet."""
    return narrate(facts_of(events), ROWS, live=not any(isinstance(e, Finished) for e in events))


def facts_of(events: Sequence[Event]) -> Facts:
    """The numbers of a run so far."""
    last: dict[type[Event], Any] = {type(event): event for event in events}
    facts: dict[str, Any] = {}
    if started := last.get(Started):
        looks = [event for event in events if isinstance(event, Validated)]
        phase = last.get(PhaseStarted)
        looks = [look for look in looks if phase and look.phase == phase.phase]
        if looks and started.validation_examples:  # else they are what it learns from
            facts |= _learning(started, phase, looks, last.get(Calibrated))
            facts["phases"] = phase.phase + 1
        if "check_share" in facts and (line := last.get(Baseline)):
            facts["baseline"] = line.accuracy
            facts["gain"] = facts["check_share"] - line.accuracy
            facts["gain_high"] = facts["check_high"] - line.accuracy
    if end := last.get(Finished):
        facts |= _tested(end, last.get(Answered))
        if started:
            facts |= _time(end, started, last.get(PhaseDone))
    return Facts(**facts)


def _learning(
    started: Started, phase: PhaseStarted, looks: list[Validated], calibrated: Calibrated | None
) -> dict[str, Any]:
    head = all(not part["learnable"] for part in phase.parts[:-1])
    kept = [look for look in looks if look.best][-1:] or looks[-1:]
    (kept,) = kept
    if all(look.best for look in looks):  # too few checks to tell: the last weights are kept
        best = max(looks, key=lambda look: (look.accuracy, -look.loss))
    else:
        best = kept
    checks = len(calibrated.right) if calibrated else _checks(started, head=head)
    low, high = _interval(kept.accuracy, checks)
    lowest, now = min(look.loss for look in looks), looks[-1]
    facts = {
        "looks": len(looks),
        "checks": checks,
        "check_share": kept.accuracy,
        "check_low": low,
        "check_high": high,
        "best_pass": best.epoch,
        "flat": len(looks) - 1 - looks.index(best),
        "rise": now.loss / lowest if lowest else None,
        "falling": now.loss <= lowest,
    }
    if now.train_accuracy is not None:
        train_low, _ = _interval(now.train_accuracy, started.train_examples)
        facts |= {
            "train_share": now.train_accuracy,
            "gap_low": train_low - high,
            "gap_high": now.train_accuracy - low,
            "ahead": kept.accuracy - now.train_accuracy,
        }
    return facts


def _checks(started: Started, *, head: bool) -> int:
    """How many examples check: the last layer is checked by nearly all of them (see
    trainers/training/head.py)."""
    every = started.train_examples + started.validation_examples
    if not head or not started.validation_examples:
        return started.validation_examples
    return every if every < ONE_PART_FROM else every // PARTS


def _interval(share: float, count: int) -> tuple[float, float]:
    if count < 1:
        return 0.0, 1.0
    found = binomtest(round(share * count), count).proportion_ci(0.95, method="wilson")
    return found.low, found.high


def _tested(end: Finished, answered: Answered | None) -> dict[str, Any]:
    asked = [sum(row) for row in end.confusion]
    given = [sum(column) for column in zip(*end.confusion, strict=True)]
    most = max(range(len(asked)), key=asked.__getitem__)
    never = [n for n, count in enumerate(given) if not count]
    facts = {
        "stopped": end.stopped,
        "right": end.test_right,
        "tests": end.test_examples,
        "test_share": end.test_accuracy,
        "test_low": end.test_accuracy_low,
        "test_high": end.test_accuracy_high,
        "width": end.test_accuracy_high - end.test_accuracy_low,
        "commonest": end.classes[most],
        "commonest_share": asked[most] / max(1, sum(asked)),
        "above_commonest": end.test_accuracy_low - asked[most] / max(1, sum(asked)),
        "macro_f1": end.macro_f1,
        "flatters": end.test_accuracy - end.macro_f1,
    }
    if never:
        missed = max(never, key=asked.__getitem__)
        facts |= {"unanswered": end.classes[missed], "unanswered_tests": asked[missed]}
    if answered and answered.sure:
        rows = zip(answered.labels, answered.answers, answered.sure, strict=True)
        sure = [label == answer for label, answer, said in rows if said >= SURE]
        facts |= {"sure": len(sure), "sure_right": sum(sure)}
        if sure:
            facts["sure_high"] = _interval(sum(sure) / len(sure), len(sure))[1]
    return facts


def _time(end: Finished, started: Started, done: PhaseDone | None) -> dict[str, Any]:
    asked = phases(end.approach, started.modality, "all")  # as many with LoRA, and as long
    played = done.phase + 1 if done else 0
    facts = {
        "budget": started.budget_seconds,
        "skipped": not end.stopped and 0 < played < len(asked),
    }
    if done and played <= len(asked):
        facts["cut"] = done.why == "time is up"
    return facts
