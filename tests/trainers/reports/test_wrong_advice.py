"""Where the advice was wrong: what misled and what to do, in words."""

import pytest

from guide import QUESTIONS, Answers, advise
from trainers.evaluation.verdict import judge
from trainers.reports.wrong_advice import NO_EXPLANATION, explain_wrong_advice

SAYS = {
    "data_volume": "There are 10 examples of each class.",
    "specificity": "Your pictures are 9.0 away from everyday photos.",
}
EVERYDAY = {"data_volume": "limited", "specificity": "common"}  # -> transfer
SPECIAL = EVERYDAY | {"specificity": "specialised"}  # -> hybrid
CLEAR = {"transfer": 300, "fine_tune": 340, "hybrid": 380}  # right, of 400


def right(**scores: int) -> dict[str, list[bool]]:
    return {key: [True] * n + [False] * (400 - n) for key, n in scores.items()}


def of(answers=EVERYDAY, *, measured=None, advised="", scores=CLEAR, tried=0):
    """The explanation, on answers measured from the data unless other ones were measured."""
    article = advise(Answers(**answers)).approach if answers else "transfer"
    scored = right(**scores)
    return explain_wrong_advice(
        judge(advised or article, scored),
        judge(article, scored),
        advised=advised or article,
        advised_article=article,
        answers=answers,
        measured=measured or answers,
        says=SAYS,
        tried=tried,
    )


def test_where_the_advice_was_right_or_it_cannot_be_told_nothing_is_explained():
    assert of(SPECIAL) == NO_EXPLANATION
    close = {"transfer": 340, "fine_tune": 300, "hybrid": 341}
    assert judge("transfer", right(**close)).outcome == "right"
    assert of(scores=close) == NO_EXPLANATION


def test_the_rules_that_pulled_are_named_with_what_the_data_says_and_do_not_hold():
    told = of()
    assert "With only a few examples, a model that is free to change everywhere" in told.reason
    assert told.reason.count("The article's rule that spoke for transfer learning") == 2
    assert all(says in told.reason for says in SAYS.values())
    assert "what these rules say does not hold" in told.reason
    assert told.diagnosis["by"] == "rules"


def test_the_other_answers_that_lead_to_the_better_one_are_named_and_the_nearest_advised():
    told = of()
    assert '"A good number" or "Plenty" to "How many examples do you have?"' in told.reason
    reading = next(line for line in told.next_steps.splitlines() if "read another way" in line)
    assert '"A good number"' in reading
    assert "Plenty" not in reading


def test_an_answer_that_the_data_contradicts_is_what_misled():
    told = of(measured=SPECIAL)
    assert told.diagnosis["by"] == "answers"
    assert 'the answer was "Everyday". The data says "Highly special": Your pictures' in told.reason
    assert "Your task has much in common" in told.reason  # the rule that the answer woke
    assert "With only a few examples" not in told.reason  # that one is true of this data
    assert "point to hybrid, which did best" in told.reason
    assert 'answer "Highly special" to "How special is your task?"' in told.next_steps


def test_a_question_left_open_is_what_misled():
    told = of({"data_volume": "limited"}, measured=SPECIAL)
    assert (
        '"How special is your task?" was left open. The data says "Highly special"' in told.reason
    )


def test_where_the_right_answer_would_not_have_helped_that_is_said():
    told = of(measured=SPECIAL, scores={"transfer": 300, "fine_tune": 380, "hybrid": 340})
    assert "point to hybrid: that was not best either" in told.reason
    assert "With only a few examples" in told.reason
    assert "what this rule says does not hold" in told.reason


def test_where_no_other_answer_leads_to_the_better_one_the_rules_misled():
    told = of(scores={"transfer": 300, "fine_tune": 380, "hybrid": 340})
    assert "no answer misled, the rules did" in told.reason
    assert "read another way" not in told.next_steps
    assert "trust a trial or a comparison more than the rules" in told.next_steps


def test_a_rule_about_computing_is_not_said_to_be_untrue_by_a_score():
    told = of({"compute": "minutes"})  # -> fine-tuning
    assert "with half a vote" in told.reason
    assert "led the wrong way" in told.reason
    assert "does not hold" not in told.reason


def test_where_no_rule_took_a_side_that_is_said():
    told = of(
        {"specificity": "somewhat"}, scores={"transfer": 380, "fine_tune": 300, "hybrid": 340}
    )
    assert "No rule took a side" in told.reason
    assert "answer more of the guide's questions" in told.next_steps


def test_a_trial_that_mended_the_articles_advice_is_followed():
    told = of(advised="hybrid", tried=40)
    assert told.diagnosis["better"] == "hybrid"
    assert told.next_steps.startswith("Use hybrid here, as the trial said.")
    assert "trial misled" not in told.reason


def test_a_trial_that_misled_alone_is_said_and_given_more_time():
    told = of(SPECIAL, advised="transfer", tried=40)
    assert told.diagnosis == {}
    assert "The article's rules said hybrid: they did not mislead." in told.reason
    assert "The trial misled: it saw" in told.reason
    assert "only 40 of them" in told.reason
    assert told.next_steps.startswith("Use hybrid here.")
    assert "--pilot-seconds 60" in told.next_steps


def test_rules_that_were_as_good_as_the_best_did_not_mislead():
    scores = {"transfer": 300, "fine_tune": 380, "hybrid": 379}
    told = of(SPECIAL, advised="transfer", tried=40, scores=scores)
    assert told.diagnosis == {}
    assert "hybrid: they did not mislead" in told.reason


def test_what_could_not_be_measured_is_said_with_the_answer_that_was_missing():
    told = of({"data_volume": "limited", "specificity": "unsure"})
    assert '"How special is your task?" was left open: Your pictures are 9.0 away' in told.reason
    assert "was left open" not in of().reason


def test_a_trial_that_agreed_misled_too():
    assert "The trial misled too" in of(tried=40).reason


def test_what_needs_no_training_is_named_where_it_does_as_well():
    assert (
        "or no pre-trained model: then no network" in of(scores=CLEAR | {"simple": 380}).next_steps
    )
    assert "no pre-trained model" not in of(scores=CLEAR | {"simple": 300}).next_steps


def test_without_answers_there_is_still_something_to_do():
    told = of({})
    assert (told.diagnosis, told.reason, told.next_steps) == ({}, "", "Use hybrid here.")


@pytest.mark.parametrize("best", CLEAR)
@pytest.mark.parametrize(
    "data", [{}, {"specificity": "specialised"}, {"data_volume": "large", "specificity": "common"}]
)
def test_whatever_was_answered_there_are_words_for_it(best, data):
    scored = right(**{key: 380 if key == best else 300 for key in CLEAR})
    verdicts = {key: judge(key, scored) for key in CLEAR}
    says = dict.fromkeys(QUESTIONS, "It was measured.")
    for answers in list(Answers.all_combinations())[::37]:
        given = vars(answers)
        article = advise(answers).approach
        told = explain_wrong_advice(
            verdicts[article],
            verdicts[article],
            advised=article,
            advised_article=article,
            answers=given,
            measured=data,
            says=says,
            tried=0,
        )
        assert (told == NO_EXPLANATION) == (article == best)
        assert bool(told.reason) == bool(told.next_steps) == (article != best)
