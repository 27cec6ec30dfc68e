"""Sentences that pages, reports and the terminal share."""

from trainers.events import Baseline, RunStarted, ValidationDone
from trainers.reports.sentences import compare_with_baseline

NOTHING = Baseline("nearest class mean", 0.5, 0.1)


def look(accuracy: float, *, best: bool) -> ValidationDone:
    empty = {
        "watched_predictions": [],
        "confidence": [],
        "map_points": [],
        "map_labels": [],
        "map_predictions": [],
    }
    return ValidationDone(
        phase=0, step=1, epoch=1.0, accuracy=accuracy, loss=1.0, is_best=best, train_accuracy=None,
        train_loss=None, seconds=1.0, **empty
    )  # fmt: skip


def begun(approach: str, checks: int = 40) -> RunStarted:
    return RunStarted(
        approach=approach, data="digits", backbone="b", modality="images", classes=["a", "b"],
        train_examples=80, validation_examples=checks, test_examples=50, parameters=10,
        budget_seconds=30, setup_seconds=1.0, device="cpu",
    )  # fmt: skip


def test_checks_that_chose_flatter_and_checks_that_did_not_choose_do_not():
    chosen = [look(0.8, best=True), look(0.7, best=False)]
    assert "30 points above" in compare_with_baseline(begun("transfer"), NOTHING, chosen)
    assert "flatters" in compare_with_baseline(begun("transfer"), NOTHING, chosen)
    last = [look(0.8, best=True), look(0.4, best=True)]
    assert "10 points below" in compare_with_baseline(begun("fine_tune"), NOTHING, last)
    assert "flatters" not in compare_with_baseline(begun("fine_tune"), NOTHING, last)


def test_few_validation_examples_are_not_compared_on():
    assert compare_with_baseline(begun("hybrid", checks=4), NOTHING, [look(0.9, best=True)]) == ""


def test_where_the_checks_are_what_is_learned_from_nothing_is_held_against_them():
    assert compare_with_baseline(begun("transfer", checks=0), NOTHING, [look(0.9, best=True)]) == ""
