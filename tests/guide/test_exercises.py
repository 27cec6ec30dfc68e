"""The exercises: complete, and without results that were not measured."""

import re

import pytest

from guide.approaches import APPROACHES
from guide.exercises import EXERCISES

each_exercise = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)


def test_there_are_three():
    assert len(EXERCISES) == 3


@each_exercise
def test_an_exercise_has_a_goal_a_task_and_questions_to_discuss(exercise):
    assert exercise.goal.endswith("?")
    assert exercise.task.endswith(".")
    assert len(exercise.discussion) >= 3
    assert set(exercise.approaches) <= set(APPROACHES)
    assert exercise.comparison == "approach" or "per_class" in exercise.adjustable


@each_exercise
def test_no_exercise_states_a_result(exercise):
    text = " ".join([exercise.goal, exercise.task, *exercise.discussion])
    assert not re.search(r"\d|percent|%", text)
