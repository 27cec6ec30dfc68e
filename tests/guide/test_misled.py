"""Where the advice was wrong: which answer, or which rule, misled."""

import json
from functools import cache

import pytest

from guide import RULES, UNSURE, Answers, Rule, When, advise
from guide.misled import DATA_QUESTIONS, VOTE_SIGN, diagnose

EVERY = tuple(Answers.all_combinations())
advice = cache(advise)
LITTLE_EVERYDAY = Answers(data_volume="limited", specificity="common")  # -> transfer


@pytest.mark.parametrize("better", VOTE_SIGN)
def test_advice_that_was_best_misled_nobody(better):
    for answers in EVERY[::7]:
        assert (diagnose(answers, better) is None) == (advice(answers).approach == better)


def test_without_a_measurement_it_is_the_rules_that_pulled_the_other_way():
    found = diagnose(LITTLE_EVERYDAY, "hybrid")
    assert found.by == "rules"
    assert [rule.key for rule in found.pulled] == ["few-examples", "everyday-task"]
    assert found.untrue == found.pulled


def test_of_rules_that_pull_apart_the_one_away_from_the_better_misled():
    torn = Answers(data_volume="limited", specificity="specialised")  # -> hybrid
    assert [rule.key for rule in diagnose(torn, "fine_tune").pulled] == ["few-examples"]
    assert [rule.key for rule in diagnose(torn, "transfer").pulled] == ["special-task"]


@pytest.mark.parametrize("better", VOTE_SIGN)
def test_without_the_rules_that_pulled_away_the_advice_is_never_farther_off(better):
    for answers in EVERY[::3]:
        if found := diagnose(answers, better):
            assert bool(found.pulled) == (found.by != "silence"), answers
            others = [rule for rule in RULES if rule not in found.pulled]
            left = VOTE_SIGN[better] - VOTE_SIGN[advise(answers, others).approach]
            before = VOTE_SIGN[better] - VOTE_SIGN[found.advised]
            assert left * before <= before * before, answers


def test_a_single_other_answer_is_listed_exactly_where_it_leads_to_the_better_one():
    for answers in EVERY[::5]:
        for better in VOTE_SIGN:
            if found := diagnose(answers, better):
                listed = {(one.question, one.answer) for one in found.changes}
                assert listed == {
                    (one.question, one.answer)
                    for one in advice(answers).changes
                    if one.approach == better
                }


def test_an_answer_that_the_data_contradicts_misled_where_the_right_one_leads_to_the_better():
    found = diagnose(LITTLE_EVERYDAY, "hybrid", {"specificity": "specialised"})
    assert found.by == "answers"
    (one,) = found.corrections
    assert (one.question, one.given, one.measured) == ("specificity", "common", "specialised")
    assert one.approach == found.corrected == "hybrid"
    assert found.untrue == ()


def test_a_question_left_open_misled_where_its_answer_leads_to_the_better():
    found = diagnose(Answers(data_volume="limited"), "hybrid", {"specificity": "specialised"})
    assert (found.by, found.corrections[0].given) == ("answers", UNSURE)


def test_where_the_right_answers_mislead_too_it_is_the_rules():
    found = diagnose(LITTLE_EVERYDAY, "fine_tune", {"specificity": "specialised"})
    assert (found.by, found.corrected) == ("rules", "hybrid")
    assert [rule.key for rule in found.untrue] == ["few-examples"]
    # With what the data says, more examples would have led there; with "everyday", nothing would.
    assert [one.answer for one in found.changes] == ["moderate", "large"]
    assert diagnose(LITTLE_EVERYDAY, "fine_tune").changes == ()


def test_two_answers_may_have_misled_together():
    said = Answers(data_volume="limited", specificity="common")
    data = {"data_volume": "large", "specificity": "specialised"}
    found = diagnose(said, "fine_tune", data)
    assert found.by == "answers"
    assert {one.approach for one in found.corrections} == {"hybrid"}


def test_where_no_rule_took_a_side_nothing_that_was_said_misled():
    found = diagnose(Answers(compute="hours", specificity="somewhat"), "transfer")
    assert (found.advised, found.by, found.pulled) == ("hybrid", "silence", ())
    assert ("data_volume", "limited") in {(one.question, one.answer) for one in found.changes}


def test_what_only_the_visitor_knows_no_data_contradicts():
    for question in ("compute", "reuse", "modality"):
        assert question not in DATA_QUESTIONS
    said = Answers(compute="minutes")  # -> fine_tune
    assert diagnose(said, "hybrid", {"compute": "ample"}).corrections == ()


def test_a_measurement_that_is_unsure_contradicts_nothing():
    assert diagnose(LITTLE_EVERYDAY, "hybrid", {"specificity": UNSURE}).corrections == ()


def test_an_answer_that_wakes_no_other_rule_is_left_as_it_was_given():
    plenty = Answers(data_volume="large", data_quality="good", specificity="somewhat")
    assert diagnose(plenty, "transfer", {"data_quality": "mixed"}).corrections == ()
    moderate = Answers(data_volume="moderate", specificity="somewhat")
    assert diagnose(moderate, "transfer", {"data_quality": "good"}).corrections == ()


def test_a_follow_up_is_put_right_after_its_question():
    said = Answers(data_volume="large", data_quality="good", specificity="somewhat")
    found = diagnose(said, "transfer", {"data_quality": "mixed", "data_volume": "moderate"})
    assert [one.question for one in found.corrections] == ["data_volume", "data_quality"]
    assert (found.by, found.corrected) == ("answers", "transfer")


def test_it_takes_other_rules():
    toy = Rule(
        key="toy",
        factor="data",
        when=(When("data_volume", ("limited",)),),
        vote=+1,
        because="The other way round.",
        source="ours",
    )
    found = diagnose(Answers(data_volume="limited"), "hybrid", rules=(toy,))
    assert (found.advised, found.pulled) == ("fine_tune", (toy,))


def test_as_json_it_is_plain_values():
    found = diagnose(LITTLE_EVERYDAY, "hybrid", {"specificity": "specialised"})
    plain = found.as_json()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["pulled"] == ["few-examples", "everyday-task"]
    assert plain["corrections"][0]["measured"] == "specialised"
