"""A room's results in sentences: only numbers of its runs, and claims that the data supports."""

import re
from itertools import count

import pytest

from trainers.hosting.board import BoardRow
from trainers.hosting.room_summary import summarise_room

SEEDS = count(1)


def make_row(approach="transfer", score=0.5, *, data="digits", seed=None, **changes):
    """Return a row of the board, by default with a new seed; without a score it is queued."""
    settings = {"examples_per_class": 20, "budget_seconds": 20.0, "backbone": "small_resnet"}
    low, high = (None, None) if score is None else (score - 0.1, score + 0.1)
    return BoardRow(
        "Ana", approach, data, state="queued" if score is None else "finished", score=score,
        low=low, high=high, seconds=3.0, is_mine=False,
        seed=next(SEEDS) if seed is None else seed, **settings | changes,
    )  # fmt: skip


def make_rows(**scores):
    """Return a row for each score of each approach."""
    return [make_row(approach, score) for approach, values in scores.items() for score in values]


def test_without_finished_runs_there_is_no_summary():
    assert summarise_room([], data="digits") == []
    assert summarise_room([make_row(score=None)], data="digits") == []


def test_every_number_comes_from_the_runs():
    rows = make_rows(transfer=[0.8, 0.84, 0.9], hybrid=[0.7, 0.82])
    text = " ".join(summarise_room(rows, data="digits"))
    assert "Transfer learning: 3 runs, typically 84% right (80% to 90%), in 3 s." in text
    assert "Hybrid: 2 runs, typically 76% right" in text
    assert "Transfer learning was the better in 5 of 6 pairs" in text
    numbers = {"3", "84", "80", "90", "2", "76", "70", "82", "5", "6"}
    assert set(re.findall(r"\d+", text)) == numbers


@pytest.mark.parametrize(
    ("transfer", "hybrid", "verdict"),
    [
        ([0.80, 0.81, 0.82, 0.83], [0.70, 0.71, 0.72, 0.73], "by more than luck"),
        ([0.80, 0.81], [0.70, 0.71], "cannot be told"),  # by chance in one of three
        ([0.80, 0.85, 0.70, 0.9], [0.81, 0.86, 0.72, 0.88], "cannot be told"),
        ([0.8] * 5, [0.8] * 5, "cannot be told"),
    ],
)
def test_a_winner_is_named_only_if_luck_does_not_explain_it(transfer, hybrid, verdict):
    assert verdict in summarise_room(make_rows(transfer=transfer, hybrid=hybrid), data="digits")[-1]


def test_repeats_with_the_same_seed_are_no_evidence():
    """A room can share one seed, and "Run again" keeps the seed."""
    repeats = [make_row("transfer", 0.9, seed=0)] * 5 + [make_row("hybrid", 0.1, seed=0)] * 5
    summary = summarise_room(repeats, data="digits")
    assert summary[0].startswith("Transfer learning: 5 runs of 1 draw, typically 90% right")
    assert "cannot be told from one draw" in summary[-1]
    few = [make_row("transfer", 0.9 + seed / 100, seed=seed) for seed in range(3)]
    few += [make_row("hybrid", 0.8 + seed / 100, seed=seed) for seed in range(3)]
    verdict = summarise_room(4 * few, data="digits")[-1]
    assert "in 9 of 9 pairs, which luck alone does, too" in verdict


@pytest.mark.parametrize("other", [{"examples_per_class": 100}, {"budget_seconds": 300.0}])
def test_runs_with_other_settings_are_not_compared(other):
    alike = make_rows(transfer=[0.8, 0.81, 0.82, 0.83], hybrid=[0.8, 0.81, 0.82, 0.83])
    different = [make_row("hybrid", 0.97, **other) for _ in range(6)]
    summary = summarise_room(different + alike, data="digits")
    assert summary[0] == (
        "Of 14 runs, the 8 that were set alike are held side by side: 20 of each class, "
        "a budget of 20 s."
    )
    assert "97%" not in " ".join(summary)
    assert "cannot be told" in summary[-1]


def test_one_seed_each_is_too_few_to_compare():
    summary = summarise_room(make_rows(transfer=[0.9], hybrid=[0.1]), data="digits")
    assert "cannot be told from one draw" in summary[-1]


def test_runs_on_other_data_are_left_out():
    assert summarise_room([make_row(data="cells")], data="digits") == []


def test_gains_from_more_examples_are_in_order():
    scores_by_count = {
        50: [0.80, 0.81, 0.83, 0.79],
        5: [0.5, 0.55, 0.52, 0.51],
        20: [0.8, 0.805, 0.79, 0.82],
    }
    rows = [
        make_row(examples_per_class=count, score=score)
        for count, scores in scores_by_count.items()
        for score in scores
    ]
    summary = summarise_room(rows, data="digits", by="per_class")
    assert [sentence.partition(":")[0] for sentence in summary[:3]] == [
        "5 of each class", "20 of each class", "50 of each class",
    ]  # fmt: skip
    assert summary[3] == "From 5 of each class to 20 of each class: +29 points, by more than luck."
    assert summary[4].endswith("which may be luck.")
