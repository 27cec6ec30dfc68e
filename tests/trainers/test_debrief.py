"""What a room measured, in words: no number that is not of its runs."""

import re

import pytest

from trainers.debrief import told
from trainers.rooms import Line


def line(approach="transfer", score=0.5, per_class=20, data="digits", seconds=3.0, name="Ana"):
    state = "queued" if score is None else "finished"
    low, high = (None, None) if score is None else (score - 0.1, score + 0.1)
    return Line(name, approach, data, per_class, state, score, low, high, seconds, False)


def lines(**scores):
    return [line(approach, score) for approach, some in scores.items() for score in some]


def test_nothing_finished_nothing_said():
    assert told([], data="digits") == []
    assert told([line(score=None)], data="digits") == []


def test_every_number_is_of_the_runs():
    said = " ".join(told(lines(transfer=[0.8, 0.84, 0.9], hybrid=[0.7, 0.82]), data="digits"))
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
    assert says in told(lines(transfer=transfer, hybrid=hybrid), data="digits")[-1]


def test_one_run_of_each_is_too_few_to_tell():
    assert (
        "cannot be told from one run"
        in told(lines(transfer=[0.9], hybrid=[0.1]), data="digits")[-1]
    )


def test_runs_on_other_data_are_left_out():
    assert told([line(data="cells")], data="digits") == []


def test_steps_up_in_examples_are_told_in_order():
    of = {50: [0.80, 0.81, 0.83, 0.79], 5: [0.5, 0.55, 0.52, 0.51], 20: [0.8, 0.805, 0.79, 0.82]}
    some = [line(per_class=many, score=score) for many, scores in of.items() for score in scores]
    said = told(some, data="digits", by="per_class")
    assert [one.partition(":")[0] for one in said[:3]] == [
        "5 of each class", "20 of each class", "50 of each class",
    ]  # fmt: skip
    assert said[3] == "From 5 of each class to 20 of each class: +29 points, by more than luck."
    assert said[4].endswith("which may be luck.")
