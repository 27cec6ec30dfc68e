"""Where the advice was wrong: which answer, or which rule, misled."""

import json
from functools import cache

import pytest

from guide import RULES, UNSURE, Answers, Rule, When, advise
from guide.wrong_advice import DATA_QUESTIONS, VOTE_SIGN, diagnose

EVERY = tuple(Answers.all_combinations())
advice = cache(advise)
LITTLE_EVERYDAY = Answers(data_volume="limited", specificity="common")  # -> transfer


@pytest.mark.parametrize("better", VOTE_SIGN)
def test_advice_that_was_best_needs_no_diagnosis(better):
    for answers in EVERY[::7]:
        assert (diagnose(answers, better) is None) == (advice(answers).approach == better)


def test_without_measured_answers_the_opposing_rules_are_the_cause():
    found = diagnose(LITTLE_EVERYDAY, "hybrid")
    assert found.cause == "rules"
    assert [rule.key for rule in found.opposing_rules] == ["few-examples", "everyday-task"]
    assert found.remaining_rules == found.opposing_rules


def test_of_conflicting_rules_only_the_one_against_the_better_approach_opposes():
    torn = Answers(data_volume="limited", specificity="specialised")  # -> hybrid
    assert [rule.key for rule in diagnose(torn, "fine_tune").opposing_rules] == ["few-examples"]
    assert [rule.key for rule in diagnose(torn, "transfer").opposing_rules] == ["special-task"]


@pytest.mark.parametrize("better", VOTE_SIGN)
def test_without_the_opposing_rules_the_advice_is_never_farther_off(better):
    for answers in EVERY[::3]:
        if found := diagnose(answers, better):
            assert bool(found.opposing_rules) == (found.cause != "silence"), answers
            others = [rule for rule in RULES if rule not in found.opposing_rules]
            left = VOTE_SIGN[better] - VOTE_SIGN[advise(answers, others).approach]
            before = VOTE_SIGN[better] - VOTE_SIGN[found.advised_approach]
            assert left * before <= before * before, answers


def test_changes_are_exactly_the_single_answers_that_lead_to_the_better_approach():
    for answers in EVERY[::5]:
        for better in VOTE_SIGN:
            if found := diagnose(answers, better):
                listed = {(one.question, one.answer) for one in found.changes}
                assert listed == {
                    (one.question, one.answer)
                    for one in advice(answers).changes
                    if one.approach == better
                }


def test_a_contradicted_answer_is_the_cause_if_correcting_it_suffices():
    found = diagnose(LITTLE_EVERYDAY, "hybrid", {"specificity": "specialised"})
    assert found.cause == "answers"
    (one,) = found.corrections
    assert (one.question, one.original_answer, one.measured_answer) == (
        "specificity",
        "common",
        "specialised",
    )
    assert one.approach == found.corrected_approach == "hybrid"
    assert found.remaining_rules == ()


def test_an_unsure_answer_is_the_cause_if_the_measured_one_suffices():
    found = diagnose(Answers(data_volume="limited"), "hybrid", {"specificity": "specialised"})
    assert (found.cause, found.corrections[0].original_answer) == ("answers", UNSURE)


def test_rules_that_fail_on_corrected_answers_are_the_cause():
    found = diagnose(LITTLE_EVERYDAY, "fine_tune", {"specificity": "specialised"})
    assert (found.cause, found.corrected_approach) == ("rules", "hybrid")
    assert [rule.key for rule in found.remaining_rules] == ["few-examples"]
    # With what the data says, more examples would have led there; with "everyday", nothing would.
    assert [one.answer for one in found.changes] == ["moderate", "large"]
    assert diagnose(LITTLE_EVERYDAY, "fine_tune").changes == ()


def test_two_answers_can_be_the_cause_together():
    answers = Answers(data_volume="limited", specificity="common")
    data = {"data_volume": "large", "specificity": "specialised"}
    found = diagnose(answers, "fine_tune", data)
    assert found.cause == "answers"
    assert {one.approach for one in found.corrections} == {"hybrid"}


def test_silence_is_the_cause_where_no_rule_took_a_side():
    found = diagnose(Answers(compute="hours", specificity="somewhat"), "transfer")
    assert (found.advised_approach, found.cause, found.opposing_rules) == ("hybrid", "silence", ())
    assert ("data_volume", "limited") in {(one.question, one.answer) for one in found.changes}


def test_measurements_do_not_correct_what_only_the_visitor_knows():
    for question in ("compute", "reuse", "modality"):
        assert question not in DATA_QUESTIONS
    answers = Answers(compute="minutes")  # -> fine_tune
    assert diagnose(answers, "hybrid", {"compute": "ample"}).corrections == ()


def test_an_unsure_measurement_corrects_nothing():
    assert diagnose(LITTLE_EVERYDAY, "hybrid", {"specificity": UNSURE}).corrections == ()


def test_an_answer_that_matches_no_other_rules_is_not_corrected():
    plenty = Answers(data_volume="large", data_quality="good", specificity="somewhat")
    assert diagnose(plenty, "transfer", {"data_quality": "mixed"}).corrections == ()
    moderate = Answers(data_volume="moderate", specificity="somewhat")
    assert diagnose(moderate, "transfer", {"data_quality": "good"}).corrections == ()


def test_a_follow_up_is_corrected_after_its_question():
    answers = Answers(data_volume="large", data_quality="good", specificity="somewhat")
    found = diagnose(answers, "transfer", {"data_quality": "mixed", "data_volume": "moderate"})
    assert [one.question for one in found.corrections] == ["data_volume", "data_quality"]
    assert (found.cause, found.corrected_approach) == ("answers", "transfer")


def test_diagnose_takes_other_rules():
    toy = Rule(
        key="toy",
        factor="data",
        when=(When("data_volume", ("limited",)),),
        vote=+1,
        because="The other way round.",
        source="ours",
    )
    found = diagnose(Answers(data_volume="limited"), "hybrid", rules=(toy,))
    assert (found.advised_approach, found.opposing_rules) == ("fine_tune", (toy,))


def test_as_json_gives_plain_values_under_the_stored_names():
    found = diagnose(LITTLE_EVERYDAY, "hybrid", {"specificity": "specialised"})
    plain = found.as_json()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["pulled"] == ["few-examples", "everyday-task"]
    assert plain["corrections"][0]["measured"] == "specialised"
