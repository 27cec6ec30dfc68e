"""The questions and their possible answers."""

import pytest

from guide import QUESTIONS, UNSURE, Answers, BadAnswer
from guide.questions import LARGE_MIN_EXAMPLES_PER_CLASS, MODERATE_MIN_EXAMPLES_PER_CLASS


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=lambda question: question.key)
def test_every_question_has_an_example_with_every_answer(question):
    assert question.title.endswith("?")
    assert question.help
    assert all(option.title and option.example for option in question.options)
    assert len({option.key for option in question.options}) == len(question.options)


@pytest.mark.parametrize("question", QUESTIONS)
def test_unsure_is_always_an_answer(question):
    assert getattr(Answers(**{question: UNSURE}), question) == UNSURE


def test_each_question_has_at_most_one_follow_up():
    followed = [question.depends_on[0] for question in QUESTIONS.values() if question.depends_on]
    assert sorted(followed) == ["compute", "data_volume"]


def test_a_follow_up_is_asked_only_after_the_answers_it_follows():
    for question in QUESTIONS.values():
        if question.depends_on is None:
            assert question.applies_to(Answers())
            continue
        first, after = question.depends_on
        for option in QUESTIONS[first].options:
            assert question.applies_to(Answers(**{first: option.key})) == (option.key in after)
        assert not question.applies_to(Answers())


def test_the_error_names_the_question_and_the_options():
    with pytest.raises(BadAnswer) as caught:
        Answers(data_volume="limitd")
    text = str(caught.value)
    assert "data_volume cannot be 'limitd'" in text
    assert "Did you mean 'limited'?" in text
    assert all(word in text for word in ("none", "moderate", "large", UNSURE))
    assert "\n" not in text


@pytest.mark.parametrize("word", ["", "MINUTES!", "42", None, 7])
def test_an_unknown_answer_is_rejected(word):
    with pytest.raises(BadAnswer, match="compute cannot be"):
        Answers(compute=word)


def test_a_link_may_omit_answers_and_carry_other_parameters():
    assert Answers.from_mapping(
        {"compute": "hours", "reuse": None, "specificity": "", "run": "x"}
    ) == Answers(compute="hours")
    with pytest.raises(BadAnswer):
        Answers.from_mapping({"compute": "tomorrow"})


def test_all_combinations_yields_each_once():
    every = list(Answers.all_combinations())
    count = 1
    for question in QUESTIONS.values():
        count *= len(question.options) + 1
    assert len(set(every)) == len(every) == count


def test_the_numbers_per_class_are_shown_and_marked_as_ours():
    asked = QUESTIONS["data_volume"]
    assert "ours" in asked.help
    examples = " ".join(option.example for option in asked.options)
    assert str(MODERATE_MIN_EXAMPLES_PER_CLASS) in examples
    assert str(LARGE_MIN_EXAMPLES_PER_CLASS) in examples
