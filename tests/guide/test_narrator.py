"""The narrator: every row speaks where it should and is silent beyond its edges."""

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

PLAIN = RunFacts(
    looks=8, checks=200, check_share=0.9, check_low=0.85, check_high=0.93, train_share=1.0,
    gap_low=0.05, gap_high=0.14, ahead=-0.1, best_pass=4.0, flat=0, rise=1.0, falling=False,
    phases=1, skipped=False, baseline=0.5, gain=0.4, gain_high=0.43, stopped=False, budget=30.0,
    cut=False, right=180, tests=200, test_share=0.9, test_low=0.85, test_high=0.93,
    width=0.08, commonest="cat", commonest_share=0.2, above_commonest=0.65, macro_f1=0.9,
    flatters=0.0, sure=100, sure_right=95, sure_high=0.98,
)  # fmt: skip
SPEAKS = {  # what makes each row speak, beside `PLAIN`
    "chance": {"above_commonest": -0.01},
    "few-tests": {"width": 0.3},
    "stopped": {"stopped": True},
    "skipped": {"skipped": True},
    "time-was-short": {"cut": True, "falling": True},
    "thaw-did-not-help": {"phases": 2, "best_pass": 0.0, "flat": 7},
    "memorising": {"gap_low": 0.2, "flat": 3},
    "gap": {"gap_low": 0.2, "train_share": 0.9},
    "few-checks": {"checks": 20},
    "unanswered": {"unanswered": "dog", "unanswered_tests": 12},
    "lopsided": {"commonest_share": 0.8, "flatters": 0.3, "macro_f1": 0.6},
    "too-sure": {"sure_high": 0.85},
    "no-gain": {"gain": 0.0},
    "all-right": {"test_share": 1.0},
    "ahead": {"ahead": 0.5, "train_share": 0.4},
    "carries-over": {"gap_high": 0.08},
    "nothing-stands-out": {},
    "live-all-right": {"check_share": 1.0, "rise": 2.0, "falling": True, "flat": 4},
    "live-memorising": {"gap_low": 0.2, "flat": 4},
    "live-flat": {"flat": 4},
    "live-rising": {"rise": 1.4},
    "live-below": {"gain_high": -0.1},
    "live-improving": {"falling": True},
    "live-so-far": {},
}


def spoken(facts: RunFacts, row: NarrationRule) -> bool:
    return row in narrate(facts, RULES, live=row.live).rules


@pytest.mark.parametrize("row", RULES, ids=lambda row: row.key)
def test_a_row_speaks_where_it_should(row):
    facts = replace(PLAIN, **SPEAKS[row.key])
    told = narrate(facts, RULES, live=row.live)
    assert [one.key for one in told.rules] == [row.key]
    assert told.text
    assert "{" not in told.text
    assert "None" not in told.text
    assert told.text.endswith(".")
    assert bool(told.action) == (not row.live)


EDGES = [(row, test) for row in RULES for test in row.when]


@pytest.mark.parametrize(("row", "test"), EDGES, ids=[f"{r.key}-{t.fact}" for r, t in EDGES])
def test_a_row_is_silent_beyond_each_of_its_edges(row, test):
    facts = replace(PLAIN, **SPEAKS[row.key])
    assert spoken(facts, row)
    for edge, towards in ((test.low, -1e9), (test.high, 1e9)):
        if isfinite(edge):
            assert not spoken(replace(facts, **{test.fact: nextafter(edge, towards)}), row)
    assert not spoken(replace(facts, **{test.fact: None}), row)


def test_the_example_of_the_issue():
    facts = replace(PLAIN, gap_low=0.2, flat=5)
    told = narrate(facts, RULES)
    assert told.text.startswith("Training accuracy is 100%, but new examples")
    assert "stopped improving at pass 4: it is memorising" in told.text
    assert "More examples would help more than more training." in told.text
    assert told.action == "more-examples"


@pytest.mark.parametrize("change", [{"flat": 0}, {"train_share": 0.95}, {"best_pass": 0.0}])
def test_what_still_improves_or_is_not_known_by_heart_is_not_called_memorising(change):
    facts = replace(PLAIN, **{"gap_low": 0.2, "flat": 5} | change)
    assert [row.key for row in narrate(facts, RULES).rules] == ["gap"]


@pytest.mark.parametrize("key", ["chance", "few-tests", "too-sure", "unanswered", "no-gain"])
def test_what_is_held_against_a_run_is_not_said_of_a_good_one(key):
    good = replace(PLAIN, above_commonest=0.01, width=0.2, sure_high=0.91, unanswered_tests=4)
    assert key not in [row.key for row in narrate(replace(good, gain=0.01), RULES).rules]


def test_a_gap_that_so_few_checks_do_not_carry_is_not_claimed():
    few = replace(PLAIN, checks=12, check_share=0.75, gap_low=-0.01, gap_high=0.53, flat=5)
    assert [row.key for row in narrate(few, RULES).rules] == ["few-checks"]


def test_two_sentences_at_most_and_one_thing_to_do_that_of_the_first():
    everything = replace(
        PLAIN, above_commonest=-0.1, stopped=True, unanswered="dog", unanswered_tests=9,
        sure_high=0.5, gain=-0.1,
    )  # fmt: skip
    told = narrate(everything, RULES)
    assert [row.key for row in told.rules] == ["chance", "stopped"]
    assert len(told.rules) == MAX_SENTENCES
    assert told.action == "look-over"
    live = narrate(replace(PLAIN, flat=4, rise=2.0), RULES, live=True)
    assert [row.key for row in live.rules] == ["live-flat"]


def test_of_a_kind_the_first_speaks_and_the_rest_only_where_no_other_does():
    rows = (
        NarrationRule(
            key="a", kind="x", when=(InRange("looks", low=5),), template="A.", action="take"
        ),
        NarrationRule(key="b", kind="x", when=(), template="B."),
        NarrationRule(key="c", kind=FALLBACK, when=(), template="C."),
    )
    assert narrate(RunFacts(looks=5), rows).text == "A."
    assert narrate(RunFacts(looks=4), rows).text == "B."
    assert narrate(RunFacts(), rows[:1] + rows[2:]).text == "C."


def test_of_nothing_nothing_is_said():
    assert narrate(RunFacts(), RULES) == narrate(RunFacts(), RULES, live=True) == ((), "", "")


def test_rows_name_facts_and_actions_that_exist_and_no_key_twice():
    names = {field.name for field in fields(RunFacts)}
    assert {test.fact for row in RULES for test in row.when} <= names
    assert {row.action for row in FINAL_RULES} == set(ACTIONS)
    assert all(row.action == "" for row in LIVE_RULES)
    assert len({row.key for row in RULES}) == len(RULES) == len(SPEAKS)


@pytest.mark.parametrize("row", LIVE_RULES, ids=lambda row: row.key)
def test_what_is_said_live_fits_three_lines_of_a_phone(row):
    facts = replace(PLAIN, **SPEAKS[row.key])
    assert len(narrate(facts, RULES, live=True).text) <= 95
