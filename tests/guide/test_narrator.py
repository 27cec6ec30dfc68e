"""Every row of the narrator is used within its conditions and not beyond their edges."""

from dataclasses import fields, replace
from math import isfinite, nextafter

import pytest

from guide.narrator import (
    ACTIONS,
    FALLBACK,
    FINAL_RULES,
    LIVE_RULES,
    MAX_SENTENCES,
    RULES,
    InRange,
    NarrationRule,
    RunFacts,
    narrate,
)

ORDINARY = RunFacts(
    evaluations=8, validation_examples=200, validation_accuracy=0.9, validation_low=0.85,
    validation_high=0.93, train_accuracy=1.0, gap_low=0.05, gap_high=0.14, validation_lead=-0.1,
    best_epoch=4.0, evaluations_since_best=0, loss_rise=1.0, loss_is_falling=False, phases=1,
    accuracy_is_rising=False,
    phase_skipped=False, baseline_accuracy=0.5, baseline_gain=0.4, baseline_gain_high=0.43,
    stopped_by_user=False, budget_seconds=30.0, ran_out_of_time=False, test_correct=180,
    test_examples=200, test_accuracy=0.9, test_low=0.85, test_high=0.93, test_interval_width=0.08,
    majority_class="cat", majority_share=0.2, margin_over_majority=0.65, macro_f1=0.9,
    accuracy_above_macro_f1=0.0, confident_answers=100, confident_correct=95,
    confident_accuracy_high=0.98,
)  # fmt: skip
CHANGES = {  # what must differ from `ORDINARY` for each row to be used
    "chance": {"margin_over_majority": -0.01},
    "few-tests": {"test_interval_width": 0.3},
    "stopped": {"stopped_by_user": True},
    "skipped": {"phase_skipped": True},
    "time-was-short": {
        "ran_out_of_time": True,
        "loss_is_falling": True,
        "accuracy_is_rising": True,
    },
    "thaw-did-not-help": {"phases": 2, "best_epoch": 0.0, "evaluations_since_best": 7},
    "memorising": {"gap_low": 0.2, "evaluations_since_best": 3},
    "gap": {"gap_low": 0.2, "train_accuracy": 0.9},
    "few-checks": {"validation_examples": 20},
    "unanswered": {"unpredicted_class": "dog", "unpredicted_class_examples": 12},
    "lopsided": {"majority_share": 0.8, "accuracy_above_macro_f1": 0.3, "macro_f1": 0.6},
    "too-sure": {"confident_accuracy_high": 0.85},
    "no-gain": {"baseline_gain": 0.0},
    "all-right": {"test_accuracy": 1.0},
    "ahead": {"validation_lead": 0.5, "train_accuracy": 0.4},
    "carries-over": {"gap_high": 0.08},
    "nothing-stands-out": {},
    "live-all-right": {
        "validation_accuracy": 1.0,
        "loss_rise": 2.0,
        "loss_is_falling": True,
        "evaluations_since_best": 4,
    },
    "live-memorising": {"gap_low": 0.2, "evaluations_since_best": 4},
    "live-flat": {"evaluations_since_best": 4},
    "live-rising": {"loss_rise": 1.4},
    "live-below": {"baseline_gain_high": -0.1},
    "live-improving": {"loss_is_falling": True},
    "live-so-far": {},
}


def is_used(row: NarrationRule, facts: RunFacts) -> bool:
    return row in narrate(facts, RULES, live=row.live).rules


@pytest.mark.parametrize("row", RULES, ids=lambda row: row.key)
def test_a_row_is_used_with_text_and_only_at_the_end_an_action(row):
    facts = replace(ORDINARY, **CHANGES[row.key])
    narration = narrate(facts, RULES, live=row.live)
    assert [rule.key for rule in narration.rules] == [row.key]
    assert narration.text
    assert "{" not in narration.text
    assert "None" not in narration.text
    assert narration.text.endswith(".")
    assert bool(narration.action) == (not row.live)


EDGES = [(row, condition) for row in RULES for condition in row.when]


@pytest.mark.parametrize(("row", "condition"), EDGES, ids=[f"{r.key}-{t.fact}" for r, t in EDGES])
def test_a_row_is_not_used_beyond_each_edge(row, condition):
    facts = replace(ORDINARY, **CHANGES[row.key])
    assert is_used(row, facts)
    for edge, outwards in ((condition.low, -1e9), (condition.high, 1e9)):
        if isfinite(edge):
            assert not is_used(row, replace(facts, **{condition.fact: nextafter(edge, outwards)}))
    assert not is_used(row, replace(facts, **{condition.fact: None}))


def test_memorising_gives_numbers_a_reason_and_an_action():
    facts = replace(ORDINARY, gap_low=0.2, evaluations_since_best=5)
    narration = narrate(facts, RULES)
    assert narration.text.startswith("Training accuracy is 100%, but new examples")
    assert "stopped improving at pass 4: it is memorising" in narration.text
    assert "More examples would help more than more training." in narration.text
    assert narration.action == "more-examples"


@pytest.mark.parametrize(
    "change", [{"evaluations_since_best": 0}, {"train_accuracy": 0.95}, {"best_epoch": 0.0}]
)
def test_a_run_that_improves_or_misses_training_examples_is_not_called_memorising(change):
    facts = replace(ORDINARY, **{"gap_low": 0.2, "evaluations_since_best": 5} | change)
    assert [row.key for row in narrate(facts, RULES).rules] == ["gap"]


@pytest.mark.parametrize("key", ["chance", "few-tests", "too-sure", "unanswered", "no-gain"])
def test_criticism_is_not_used_on_a_good_run(key):
    good = replace(
        ORDINARY,
        margin_over_majority=0.01,
        test_interval_width=0.2,
        confident_accuracy_high=0.91,
        unpredicted_class_examples=4,
    )
    assert key not in [row.key for row in narrate(replace(good, baseline_gain=0.01), RULES).rules]


def test_a_gap_within_the_noise_of_few_validation_examples_is_not_claimed():
    few = replace(
        ORDINARY,
        validation_examples=12,
        validation_accuracy=0.75,
        gap_low=-0.01,
        gap_high=0.53,
        evaluations_since_best=5,
    )
    assert [row.key for row in narrate(few, RULES).rules] == ["few-checks"]


def test_at_most_two_rules_are_used_and_the_first_sets_the_action():
    everything = replace(
        ORDINARY,
        margin_over_majority=-0.1,
        stopped_by_user=True,
        unpredicted_class="dog",
        unpredicted_class_examples=9,
        confident_accuracy_high=0.5,
        baseline_gain=-0.1,
    )
    narration = narrate(everything, RULES)
    assert [row.key for row in narration.rules] == ["chance", "stopped"]
    assert len(narration.rules) == MAX_SENTENCES
    assert narration.action == "look-over"
    live = narrate(replace(ORDINARY, evaluations_since_best=4, loss_rise=2.0), RULES, live=True)
    assert [row.key for row in live.rules] == ["live-flat"]


def test_the_first_row_of_a_kind_is_used_and_the_fallback_only_alone():
    rows = (
        NarrationRule(
            key="a", kind="x", when=(InRange("evaluations", low=5),), template="A.", action="take"
        ),
        NarrationRule(key="b", kind="x", when=(), template="B."),
        NarrationRule(key="c", kind=FALLBACK, when=(), template="C."),
    )
    assert narrate(RunFacts(evaluations=5), rows).text == "A."
    assert narrate(RunFacts(evaluations=4), rows).text == "B."
    assert narrate(RunFacts(), rows[:1] + rows[2:]).text == "C."


def test_without_facts_the_narration_is_empty():
    assert narrate(RunFacts(), RULES) == narrate(RunFacts(), RULES, live=True) == ((), "", "")


def test_rows_name_existing_facts_and_actions_and_keys_are_unique():
    names = {field.name for field in fields(RunFacts)}
    assert {condition.fact for row in RULES for condition in row.when} <= names
    assert {row.action for row in FINAL_RULES} == set(ACTIONS)
    assert all(row.action == "" for row in LIVE_RULES)
    assert len({row.key for row in RULES}) == len(RULES) == len(CHANGES)


@pytest.mark.parametrize("row", LIVE_RULES, ids=lambda row: row.key)
def test_a_live_sentence_fits_three_lines_of_a_phone(row):
    facts = replace(ORDINARY, **CHANGES[row.key])
    assert len(narrate(facts, RULES, live=True).text) <= 95
