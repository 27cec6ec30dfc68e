"""What a room measured, in words: no number that is not of its runs."""

import re
from itertools import count

import pytest

from trainers.hosting.board import BoardRow
from trainers.hosting.room_summary import summarise_room

DRAWS = count(1)


def line(
    approach="transfer", score=0.5, examples_per_class=20, data="digits", seed=None, budget=20.0
):
    """A run, of a draw of its own where no seed is named."""
    seed = next(DRAWS) if seed is None else seed
    state = "queued" if score is None else "finished"
    low, high = (None, None) if score is None else (score - 0.1, score + 0.1)
    seen = ("Ana", approach, data, examples_per_class, state, score, low, high, 3.0, False)
    return BoardRow(*seen, seed, budget, "small_resnet")


def lines(**scores):
    return [line(approach, score) for approach, some in scores.items() for score in some]


def test_nothing_finished_nothing_said():
    assert summarise_room([], data="digits") == []
    assert summarise_room([line(score=None)], data="digits") == []


def test_every_number_is_of_the_runs():
    said = " ".join(
        summarise_room(lines(transfer=[0.8, 0.84, 0.9], hybrid=[0.7, 0.82]), data="digits")
    )
    assert "Transfer learning: 3 runs, typically 84% right (80% to 90%), in 3 s." in said
    assert "Hybrid: 2 runs, typically 76% right" in said
    assert "Transfer learning was the better in 5 of 6 pairs" in said
    known = {"3", "84", "80", "90", "2", "76", "70", "82", "5", "6"}
    assert set(re.findall(r"\d+", said)) == known


@pytest.mark.parametrize(
    ("transfer", "hybrid", "says"),
    [
        ([0.80, 0.81, 0.82, 0.83], [0.70, 0.71, 0.72, 0.73], "by more than luck"),
        ([0.80, 0.81], [0.70, 0.71], "cannot be told"),  # one order of the four in three does that
        ([0.80, 0.85, 0.70, 0.9], [0.81, 0.86, 0.72, 0.88], "cannot be told"),
        ([0.8] * 5, [0.8] * 5, "cannot be told"),
    ],
)
def test_ahead_is_said_only_of_what_luck_does_not_do(transfer, hybrid, says):
    assert says in summarise_room(lines(transfer=transfer, hybrid=hybrid), data="digits")[-1]


def test_runs_that_repeat_each_other_are_no_evidence():
    """Nobody has another seed where draws are off, and "Run again" keeps one's own."""
    again = [line("transfer", 0.9, seed=0)] * 5 + [line("hybrid", 0.1, seed=0)] * 5
    said = summarise_room(again, data="digits")
    assert said[0].startswith("Transfer learning: 5 runs of 1 draw, typically 90% right")
    assert "cannot be told from one draw" in said[-1]
    few = [line("transfer", 0.9 + seed / 100, seed=seed) for seed in range(3)]
    few += [line("hybrid", 0.8 + seed / 100, seed=seed) for seed in range(3)]
    assert (
        "in 9 of 9 pairs, which luck alone does, too" in summarise_room(4 * few, data="digits")[-1]
    )


@pytest.mark.parametrize("other", [{"examples_per_class": 100}, {"budget": 300.0}])
def test_runs_that_were_set_otherwise_are_not_held_beside(other):
    alike = lines(transfer=[0.8, 0.81, 0.82, 0.83], hybrid=[0.8, 0.81, 0.82, 0.83])
    said = summarise_room([line("hybrid", 0.97, **other) for _ in range(6)] + alike, data="digits")
    assert said[0] == (
        "Of 14 runs, the 8 that were set alike are held side by side: 20 of each class, "
        "a budget of 20 s."
    )
    assert "97%" not in " ".join(said)
    assert "cannot be told" in said[-1]


def test_one_draw_of_each_is_too_few_to_tell():
    assert (
        "cannot be told from one draw"
        in summarise_room(lines(transfer=[0.9], hybrid=[0.1]), data="digits")[-1]
    )


def test_runs_on_other_data_are_left_out():
    assert summarise_room([line(data="cells")], data="digits") == []


def test_steps_up_in_examples_are_told_in_order():
    of = {50: [0.80, 0.81, 0.83, 0.79], 5: [0.5, 0.55, 0.52, 0.51], 20: [0.8, 0.805, 0.79, 0.82]}
    some = [
        line(examples_per_class=many, score=score)
        for many, scores in of.items()
        for score in scores
    ]
    said = summarise_room(some, data="digits", by="per_class")
    assert [one.partition(":")[0] for one in said[:3]] == [
        "5 of each class", "20 of each class", "50 of each class",
    ]  # fmt: skip
    assert said[3] == "From 5 of each class to 20 of each class: +29 points, by more than luck."
    assert said[4].endswith("which may be luck.")
