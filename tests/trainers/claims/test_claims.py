"""The article's claims: their experiments, the judge on toy numbers, the test as a job."""

import json
import os
from collections.abc import Callable

import pytest

from guide.claims import CLAIMS
from tests.support import toys
from trainers import claims, datasets
from trainers.__main__ import main
from trainers.claims import (
    EXPERIMENTS,
    FAILS,
    HOLDS,
    OUTCOMES,
    PARTLY,
    UNKNOWN,
    Arm,
    Comparison,
    RunResult,
)
from trainers.claims.judge import judge
from trainers.events import (
    ClaimRunDone,
    ClaimRunStarted,
    ClaimTestDone,
    JobCancelled,
    RunFinished,
    from_json,
)
from trainers.jobs import ClaimTest, run_job
from trainers.plan import BadPlan, Plan
from trainers.store import FINISHED, get_store
from trainers.system.registry import UnknownKey
from trainers.tasks.claim_test import describe_machine, run_claim, summarise_run
from trainers.training.run import run
from trainers.workers.execute import execute

TESTS, CHECKS, CLASSES = 400, 100, 4
IMAGES = {key for key, sample in datasets.BUNDLED_DATASETS.items() if sample.modality == "images"}


def never() -> bool:
    return False


# --- the experiments ------------------------------------------------------------------------------


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_claim_has_an_experiment_that_can_be_run(claim):
    plans = claims.build_plans(claim)
    assert len({(p.data, p.approach, p.examples_per_class, p.seed) for p in plans}) == len(plans)
    assert {datasets.get_dataset(plan.data).key for plan in plans} <= set(datasets.BUNDLED_DATASETS)
    for plan in plans:
        assert (plan.examples_per_class or 0) <= datasets.get_dataset(
            plan.data
        ).train_examples_per_class


@pytest.mark.parametrize("claim", CLAIMS)
def test_nobody_waits_long_for_a_claim(claim):
    assert (
        sum(plan.seconds for plan in claims.build_plans(claim)) <= claims.max_seconds(claim) <= 260
    )


def test_a_budget_is_shared_out_and_never_padded():
    asked = claims.build_plans("hybrid", claims.max_seconds("hybrid") / 4)
    full = claims.build_plans("hybrid", 10_000)
    assert [plan.seconds * 4 for plan in asked] == [plan.seconds for plan in full]
    assert full == claims.build_plans("hybrid")


def test_time_can_only_be_saved_on_most_data_if_pictures_and_texts_are_among_them():
    """As guide/claims.py asks; the judge need not look."""
    pictures = [contest.data in IMAGES for contest in EXPERIMENTS["training-time"]]
    assert 2 * sum(pictures) == len(pictures)


def test_there_is_no_experiment_without_a_claim():
    assert set(EXPERIMENTS) == set(CLAIMS)


def test_what_does_not_exist_is_refused_by_name():
    with pytest.raises(UnknownKey, match="Did you mean 'hybrid'"):
        claims.build_plans("hybrd")
    with pytest.raises(BadPlan, match="above 0"):
        claims.build_plans("hybrid", 0)


# --- the judge ------------------------------------------------------------------------------------


def results(claim: str, told: Callable[[Plan], dict]) -> list[RunResult]:
    """What the runs of a claim might leave; `told` says of each what is not as usual. `share` of
    the tests is right, the first ones, so that differences are as certain as they can be."""
    left = []
    for plan in claims.build_plans(claim):
        facts = {"share": 0.5, "seconds": 5.0, "looks": ((5.0, 0.5),), "first_seconds": 0.0}
        facts |= told(plan)
        share = facts.pop("share")
        left.append(
            RunResult(
                data=plan.data,
                approach=plan.approach,
                per_class=plan.examples_per_class,
                seed=plan.seed,
                classes=CLASSES,
                right=tuple(n < share * TESTS for n in range(TESTS)),
                **{"checks": CHECKS} | facts,
            )
        )
    return left


def ahead(*approaches: str, on: Callable[[str], bool] = lambda data: True):
    """Some approaches are far better than the others, on some of the data."""
    return lambda plan: {"share": 0.9 if plan.approach in approaches and on(plan.data) else 0.5}


def reaches(transfer: float, *, first: float = 0.0, best: float = 0.9, other: float = 0.9):
    """Transfer learning has `best` of the checks after so many seconds, the other `other` after 10.
    `first` of them go into looking at the examples."""

    def told(plan: Plan) -> dict:
        if plan.approach == "transfer":
            return {"looks": ((transfer, best),), "first_seconds": first}
        return {"looks": ((10.0, other),)}

    return told


def only(kept: Callable[[str], bool], told: Callable, otherwise: Callable):
    return lambda plan: (told if kept(plan.data) else otherwise)(plan)


def in_images(data: str) -> bool:
    return data in IMAGES


def on_cells(data: str) -> bool:
    return data == "cells"


def special(data: str) -> bool:
    return data in ("cells", "triage")


def seconds(first: float, second: float, way: str):
    return lambda plan: {"seconds": first if plan.approach == way else second}


LEVEL = ahead()
CASES = {
    "training-time": {
        HOLDS: reaches(1.0),
        PARTLY: only(in_images, reaches(1.0), reaches(5.0)),
        FAILS: reaches(1.0, best=0.8),
        UNKNOWN: reaches(5.0),
    },
    "minimal-data": {
        HOLDS: ahead("fine_tune"),
        PARTLY: ahead("fine_tune", on=on_cells),
        FAILS: ahead("none"),
        UNKNOWN: LEVEL,
    },
    "limited-data": {
        HOLDS: ahead("transfer"),
        PARTLY: only(on_cells, ahead("transfer"), ahead("fine_tune")),
        FAILS: ahead("fine_tune", on=on_cells),
        UNKNOWN: LEVEL,
    },
    "moderate-data": {
        HOLDS: ahead("fine_tune"),
        PARTLY: ahead("fine_tune", on=on_cells),
        FAILS: ahead("transfer"),
        UNKNOWN: LEVEL,
    },
    "compute": {
        HOLDS: reaches(12.0, first=11.0),
        PARTLY: reaches(1.0, first=0.5),
        FAILS: reaches(1.0, best=0.8),
        UNKNOWN: reaches(1.0, other=0.25),  # fine-tuning does no better than guessing
    },
    "specificity": {
        HOLDS: ahead("fine_tune", on=special),
        PARTLY: ahead("fine_tune", on=on_cells),
        FAILS: ahead("transfer", on=special),
        UNKNOWN: ahead("fine_tune"),
    },
    "hybrid": {
        HOLDS: seconds(1.0, 2.0, "hybrid"),
        PARTLY: only(on_cells, seconds(1.0, 2.0, "hybrid"), seconds(2.0, 1.0, "hybrid")),
        FAILS: seconds(2.0, 1.0, "hybrid"),
        UNKNOWN: lambda plan: {"seconds": 1.0 + (plan.approach == "hybrid") * (plan.seed - 0.5)},
    },
    "few-shot": {
        HOLDS: ahead("none"),
        PARTLY: ahead("none", on=on_cells),
        FAILS: lambda plan: {"share": 0.9 if plan.approach == "simple" else 0.25},
        UNKNOWN: lambda plan: {"share": 0.9 if plan.approach == "simple" else 0.7},
    },
}


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("claim", CLAIMS)
def test_every_claim_can_come_to_every_verdict(claim, outcome):
    verdict = judge(claim, results(claim, CASES[claim][outcome]))
    assert verdict.outcome == outcome, verdict.text
    assert len(verdict.text.split("\n")) == 1 + len(verdict.numbers["found"])
    assert json.loads(json.dumps(verdict.numbers)) == verdict.numbers


@pytest.mark.parametrize("claim", CLAIMS)
def test_without_results_it_cannot_be_told(claim):
    verdict = judge(claim, [])
    assert verdict.outcome == UNKNOWN
    assert "not measured" in verdict.text


def test_what_is_missing_does_not_count_as_evidence():
    left = results("limited-data", ahead("transfer"))
    assert judge("limited-data", [one for one in left if one.data == "cells"]).outcome == PARTLY


def test_a_small_difference_is_not_certain():
    told = lambda plan: {"share": 0.52 if plan.approach == "transfer" else 0.5}  # noqa: E731
    left = results("limited-data", told)
    assert judge("limited-data", left).outcome == HOLDS  # nested: all of it is on one side

    def mixed(one: RunResult) -> RunResult:
        back = one.right[::-1] if one.approach == "transfer" else one.right
        return RunResult(**{**vars(one), "right": back})

    assert judge("limited-data", [mixed(one) for one in left]).outcome == UNKNOWN


def test_times_on_other_checks_are_not_compared():
    told = reaches(1.0)
    left = results(
        "training-time",
        lambda plan: told(plan) | ({"checks": 9} if plan.approach == "transfer" else {}),
    )
    verdict = judge("training-time", left)
    assert verdict.outcome == UNKNOWN
    assert "not the same checks" in verdict.text


def test_a_saving_that_is_not_there_with_every_choice_is_open():
    slow = reaches(9.0)
    told = lambda plan: (slow if plan.seed else reaches(1.0))(plan)  # noqa: E731
    (row, *_) = judge("training-time", results("training-time", told)).numbers["found"]
    assert row["speaks"] == "open"
    assert row["saved"] == pytest.approx([0.9, 0.1])


@pytest.mark.parametrize(("level", "speaks"), [(0.7, "for"), (0.55, "open")])
def test_time_to_what_is_hardly_better_than_guessing_says_nothing(level, speaks):
    """Of 100 checks in 4 classes; twice guessing is 50."""
    verdict = judge("training-time", results("training-time", reaches(1.0, other=level)))
    assert verdict.numbers["found"][0]["speaks"] == speaks


def test_it_is_said_when_training_from_scratch_was_cut_short():
    told = reaches(1.0)
    for cut in (True, False):
        left = results("training-time", lambda plan, cut=cut: told(plan) | {"cut_short": cut})
        assert ("when its time was up" in judge("training-time", left).text) == cut


def test_only_tests_that_all_were_asked_are_compared():
    left = [
        RunResult(**{**vars(one), "right": one.right[: TESTS // 2]})
        if one.approach == "transfer"
        else one
        for one in results("limited-data", LEVEL)
    ]
    row = judge("limited-data", left).numbers["found"][0]
    assert row["tests"] == TESTS // 2
    assert row["difference"] == 0


def test_what_a_run_leaves_is_json_both_ways():
    (one, *_) = results("compute", reaches(1.0))
    assert RunResult.from_json(json.loads(json.dumps(one.as_json()))) == one


@pytest.mark.parametrize("claim", claims.load_results())
def test_a_shipped_verdict_follows_from_its_runs(claim):
    ships = claims.load_results()[claim]
    again = judge(claim, [RunResult.from_json(one) for one in ships["runs"]])
    assert (again.outcome, again.text) == (ships["outcome"], ships["words"])
    assert json.loads(json.dumps(again.numbers)) == ships["numbers"]
    assert ships["whole"]
    assert ships["machine"]
    assert ships["versions"].keys() >= {"python", "torch"}
    assert f"claims {claim}" in ships["command"]


# --- as a job -------------------------------------------------------------------------------------


@pytest.fixture
def small(toy, monkeypatch):
    """One claim, on toys."""
    arms = Arm("transfer", 10, 2), Arm("fine_tune", 10, 2)
    monkeypatch.setitem(EXPERIMENTS, "limited-data", (Comparison("colours", arms),))
    return ClaimTest(key="limited-data", seconds=8)


def test_a_claim_is_tested_by_its_runs_and_the_last_word_is_the_verdict(small):
    events = list(run_claim(small, should_stop=never))
    done = [event for event in events if isinstance(event, ClaimRunDone)]
    assert [(e.approach, e.seed) for e in done] == [
        ("transfer", 0),
        ("fine_tune", 0),
        ("transfer", 1),
        ("fine_tune", 1),
    ]
    last = events[-1]
    assert isinstance(last, ClaimTestDone)
    assert last.is_complete
    assert last.outcome in OUTCOMES
    assert [sum(map(int, one["right"])) for one in last.runs] == [event.correct for event in done]
    left = [RunResult.from_json(one) for one in last.runs]
    assert judge("limited-data", left).text == last.summary
    assert from_json(json.loads(json.dumps(last.as_json()))).as_json() == last.as_json()


def test_a_claim_is_a_job_like_any_other(small):
    key = get_store().enqueue(small, "ann", worker="test")
    *_, last = execute(get_store(), key, small, run_job)
    kept = get_store().get_run(key)
    assert (kept.state, kept.job, kept.result) == (FINISHED, small, last.as_json())
    waiting = get_store().enqueue(small, "ben")
    assert get_store().claim("another", needs_torch=False) is None
    assert get_store().claim("another").id == waiting


def test_stop_judges_what_was_measured_whole(small):
    done = []

    def stop() -> bool:
        return bool(done)

    events = []
    for event in run_claim(small, should_stop=stop):
        events.append(event)
        done += [event] if isinstance(event, ClaimRunDone) else []
    assert len(done) == len(events[-1].runs) == 1
    assert not events[-1].is_complete
    assert events[-1].outcome == UNKNOWN


def test_a_run_that_was_stopped_half_way_does_not_count(small):
    begun = []

    def stop() -> bool:
        return len(begun) == 1

    stream = run_claim(small, should_stop=stop)
    for event in stream:
        begun += [event] if isinstance(event, ClaimRunStarted) else []
    assert isinstance(event, JobCancelled)


def test_cancel_is_heard_while_a_run_lasts(small, monkeypatch):
    from trainers.tasks import claim_test as testing

    monkeypatch.setattr(testing, "PROGRESS_SECONDS", 0.0)
    kinds = [type(event) for event in run_claim(small, should_stop=never)]
    first, second = [n for n, kind in enumerate(kinds) if kind is ClaimRunStarted][:2]
    assert second - first > 3


def test_the_line_without_training_costs_no_approach_its_time(toy):
    plan = Plan(data="colours", approach="scratch", examples_per_class=10, seconds=5)
    toys.SLOW["seconds"] = 0.01
    events = list(run(plan))
    looks = [event for event in events if event.type == "validated"]
    line = next(event for event in events if event.type == "baseline")
    before = events[events.index(line) - 1].seconds
    left = summarise_run(plan, events)
    assert line.seconds - before > 0.01
    assert left.looks[0][0] == pytest.approx(looks[0].seconds - (line.seconds - before), abs=1e-3)
    assert [share for _, share in left.looks] == sorted({share for _, share in left.looks})
    assert isinstance(events[-1], RunFinished)
    assert sum(left.right) == events[-1].test_correct


# --- from a terminal ------------------------------------------------------------------------------


def test_from_a_terminal_the_last_line_is_the_verdict(small, capsys):
    assert main(["claims", "limited-data", "--seconds", "8", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1]["type"] == "judged"
    assert lines[-1]["budget_seconds"] == 8


def test_written_results_ship_and_the_others_stay(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(claims, "RESULTS_PATH", tmp_path / "results.json")
    claims.save_result({"claim": "hybrid", "outcome": HOLDS})
    assert main(["claims", "limited-data", "--write"]) == 0
    told = capsys.readouterr().out
    ships = claims.load_results()
    assert list(ships) == ["limited-data", "hybrid"]  # in the order of the claims
    assert ships["hybrid"] == {"claim": "hybrid", "outcome": HOLDS}
    assert ships["limited-data"]["command"] == "thaw claims limited-data --write"
    assert ships["limited-data"]["words"] in told
    assert CLAIMS["limited-data"].title in told


def test_without_write_nothing_ships(small, tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "RESULTS_PATH", tmp_path / "results.json")
    assert main(["claims", "limited-data"]) == 0
    assert claims.load_results() == {}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [(["hybrd"], "Did you mean 'hybrid'?"), (["hybrid", "--seconds", "0"], "above 0")],
    ids=["claim", "seconds"],
)
def test_what_cannot_be_asked_for_is_one_line_and_exit_2(wrong, words, capsys):
    assert main(["claims", *wrong]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert words in line


def test_a_claim_whose_run_fails_is_said_and_exit_1(small, toy, monkeypatch, capsys):
    arms = Arm("transfer", 10, 2), Arm("fine_tune", 10, 2)
    monkeypatch.setitem(EXPERIMENTS, "limited-data", (Comparison("one_class", arms),))
    assert main(["claims", "limited-data"]) == 1
    assert "needs at least two" in capsys.readouterr().err


@pytest.mark.parametrize(("pinned", "told"), [({0}, "1 of 2 cores"), ({0, 1}, "2 cores")])
def test_a_result_says_how_many_cores_it_had(pinned, told, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: pinned, raising=False)
    assert f", {told}, " in describe_machine()
