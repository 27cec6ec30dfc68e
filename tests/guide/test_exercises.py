"""The ready exercises: whole, and without a result that nobody measured."""

import re

import pytest

from guide.approaches import APPROACHES
from guide.exercises import EXERCISES

ALL = pytest.mark.parametrize("one", EXERCISES.values(), ids=EXERCISES)


def test_there_are_three():
    assert len(EXERCISES) == 3


@ALL
def test_an_exercise_has_a_goal_a_task_and_something_to_talk_about(one):
    assert one.goal.endswith("?")
    assert one.task.endswith(".")
    assert len(one.discussion) >= 3
    assert set(one.approaches) <= set(APPROACHES)
    assert one.comparison == "approach" or "per_class" in one.adjustable


@ALL
def test_no_exercise_tells_its_result(one):
    text = " ".join([one.goal, one.task, *one.discussion])
    assert not re.search(r"\d|percent|%", text)
