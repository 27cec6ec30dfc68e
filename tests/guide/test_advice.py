"""The advice: a table of personas, the score, the runner-up, and what would change it."""

from dataclasses import replace
from functools import cache

import pytest

from guide import APPROACHES, QUESTIONS, RULES, UNSURE, Answers, Rule, When, advise
from guide.advice import Advice
from guide.challenges import CHALLENGES
from guide.rules import match_rules

PERSONAS = """
limited  -     minutes once common      transfer
limited  -     minutes once somewhat    transfer
limited  -     minutes once specialised hybrid
limited  -     ample   many somewhat    transfer
moderate good  hours   once specialised fine_tune
moderate good  minutes once somewhat    fine_tune
moderate good  minutes once common      hybrid
moderate mixed minutes once common      transfer
moderate mixed hours   once specialised hybrid
large    good  hours   once specialised fine_tune
large    good  ample   many common      hybrid
none     -     minutes once common      transfer
-        -     minutes once -           fine_tune
-        -     ample   many -           transfer
-        -     -       -    -           hybrid
"""
EVERY = tuple(Answers.all_combinations())


@cache
def advice(answers: Answers) -> Advice:
    return advise(answers)


@pytest.mark.parametrize(
    "row", PERSONAS.strip().splitlines(), ids=lambda row: " ".join(row.split())
)
@pytest.mark.parametrize("modality", ["images", "text", UNSURE])
def test_each_persona_gets_its_advice(row, modality):
    *words, approach = row.split()
    keys = ("data_volume", "data_quality", "compute", "reuse", "specificity")
    answers = {key: UNSURE if word == "-" else word for key, word in zip(keys, words, strict=True)}
    assert advise(Answers(modality=modality, **answers)).approach == approach


def test_the_score_and_the_approach_follow_the_design():
    data = {"none": -1, "limited": -1, "moderate": 1, "large": 1, UNSURE: 0}
    compute = {"minutes": 0.5, "hours": 0, "ample": -0.5, UNSURE: 0}
    special = {"common": -1, "somewhat": 0, "specialised": 1, UNSURE: 0}
    for answers in EVERY:
        of_data = data[answers.data_volume]
        if answers.data_volume == "moderate" and answers.data_quality == "mixed":
            of_data = -1
        of_task = special[answers.specificity]
        total = of_data + of_task + compute[answers.compute] - 0.5 * (answers.reuse == "many")
        if of_data * of_task < 0 or total == 0:
            expected = "hybrid"
        else:
            expected = "fine_tune" if total > 0 else "transfer"
        assert (advice(answers).score, advice(answers).approach) == (total, expected), answers


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.key)
def test_every_rule_matches_some_answers_and_not_others(rule):
    assert {rule in match_rules(answers, RULES) for answers in EVERY} == {True, False}


def test_the_reasons_are_the_matching_rules():
    for answers in EVERY[::11]:
        assert advice(answers).matching_rules == match_rules(answers, RULES)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (question, option.key)
        for question in ("data_volume", "compute", "specificity")
        for option in QUESTIONS[question].options
    ],
)
def test_every_answer_to_the_three_questions_has_a_reason(question, answer):
    assert len(advise(Answers(**{question: answer})).matching_rules) == 1


TOYS = (
    Rule(
        key="toy-data",
        factor="data",
        when=(When("data_volume", ("limited", "none")),),
        vote=+1,
        because="The other way round.",
        source="ours",
    ),
    Rule(
        key="toy-both",
        factor="specificity",
        when=(When("specificity", ("common",)), When("modality", ("text",))),
        vote=-0.25,
        because="Both tests must hold.",
        source="ours",
    ),
)


def test_the_engine_takes_other_rules():
    assert advise(Answers(data_volume="limited"), TOYS).approach == "fine_tune"
    assert advise(Answers(specificity="common"), TOYS).matching_rules == ()
    assert advise(Answers(specificity="common", modality="text"), TOYS).approach == "transfer"
    conflict = advise(Answers(specificity="common", modality="text", data_volume="none"), TOYS)
    assert (conflict.approach, conflict.score, conflict.has_conflict) == ("hybrid", 0.75, True)
    assert advise(Answers(data_volume="none"), ()).approach == "hybrid"


def test_changes_are_exactly_the_single_answers_that_flip_the_advice():
    for answers in EVERY[::3]:
        flips = {
            (question.key, option.key, other)
            for question in QUESTIONS.values()
            if question.applies_to(answers) or getattr(answers, question.key) != UNSURE
            for option in question.options
            if (other := advice(replace(answers, **{question.key: option.key})).approach)
            != advice(answers).approach
        }
        listed = [(c.question, c.answer, c.approach) for c in advice(answers).changes]
        assert len(listed) == len(set(listed))
        assert set(listed) == flips, answers


def test_the_engine_finds_the_changes_of_other_rules():
    changes = advise(Answers(data_volume="large"), TOYS).changes
    assert {(c.question, c.answer, c.approach) for c in changes} == {
        ("data_volume", "none", "fine_tune"),
        ("data_volume", "limited", "fine_tune"),
    }


def test_the_runner_up_is_hybrid_or_the_side_of_the_score():
    for answers in EVERY:
        result = advice(answers)
        if result.approach != "hybrid":
            assert result.runner_up == "hybrid"
        else:
            assert result.runner_up == ("fine_tune" if result.score > 0 else "transfer")


def test_all_and_only_advisable_approaches_are_advised():
    advised = {key for key, approach in APPROACHES.items() if approach.is_advisable}
    assert {advice(answers).approach for answers in EVERY} == advised
    assert {advice(answers).runner_up for answers in EVERY} == advised


def test_strength_is_clear_leaning_or_open_each_with_a_sentence():
    found = {(advice(answers).strength, advice(answers).strength_text) for answers in EVERY}
    assert {word for word, _ in found} == {"clear", "leaning", "open"}
    assert all(sentence.endswith(".") for _, sentence in found)


def test_half_a_vote_is_never_clear():
    for answers in EVERY:
        if abs(advice(answers).score) <= 0.5 and not advice(answers).has_conflict:
            assert advice(answers).strength == "open"


def test_without_examples_there_is_a_first_step_before_any_training():
    for answers in EVERY:
        assert bool(advice(answers).first_step) == (answers.data_volume == "none")
    first = advise(Answers(data_volume="none")).first_step
    assert "zero-shot" in first
    assert "few-shot" in first
    assert any(character.isdigit() for character in first)  # how many to collect


@pytest.mark.parametrize(
    "answers", [Answers(data_volume="limited"), Answers(compute="minutes")], ids=["data", "compute"]
)
def test_a_rule_names_the_contradiction_in_the_article(answers):
    (rule,) = advise(answers).matching_rules
    assert rule.source == "article"
    assert "the article" in rule.caveat


def test_every_rule_names_its_source():
    assert {rule.source for rule in RULES} == {"article", "ours"}
    ours = {rule.key for rule in RULES if rule.source == "ours"}
    assert "large-data" in ours
    assert "mixed-moderate-data" in ours
    assert len({rule.key for rule in RULES}) == len(RULES)


def test_more_compute_always_means_a_longer_first_run():
    for answers in EVERY[::5]:
        seconds = [
            advise(replace(answers, compute=compute)).settings.seconds
            for compute in ("minutes", "hours", "ample")
        ]
        assert seconds == sorted(set(seconds))


def test_settings_depend_on_approach_modality_and_compute():
    transfer = advise(Answers(modality="text", data_volume="limited")).settings
    assert (transfer.trainable, transfer.backbone, transfer.examples_per_class) == (
        "head",
        "minilm",
        10,
    )
    special = {"data_volume": "large", "specificity": "specialised"}
    assert advise(Answers(modality="text", **special)).settings.trainable == "lora"
    assert advise(Answers(modality="text", compute="ample", **special)).settings.trainable == "all"
    images = advise(Answers(modality="images", **special)).settings
    assert (images.trainable, images.backbone, images.examples_per_class) == (
        "all",
        "small_resnet",
        None,
    )


def test_the_five_challenges_each_say_what_thaw_checks():
    assert len({challenge.key for challenge in CHALLENGES}) == 5
    assert all(
        challenge.title and challenge.reason and challenge.thaw_checks for challenge in CHALLENGES
    )
    assert advise(Answers()).challenges == CHALLENGES
