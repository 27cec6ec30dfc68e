"""The page of the article's claims, driven without a browser."""

import json
import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from guide.claims import CLAIMS
from pages.parts.figures import claim_charts
from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.style import APPROACH_STYLES
from trainers import claims
from trainers.claims import FAILS, HOLDS, OUTCOMES, PARTLY
from trainers.claims.judge import judge
from trainers.events import ClaimRunDone, ClaimRunStarted, ClaimTestDone, JobCancelled, JobFailed
from trainers.jobs import ClaimTest
from trainers.store import QUEUED, get_store

FRAME = Path(__file__).parents[2] / "pages" / "frame.py"
VISITOR = "someone-who-tests-claims"
WORDS = {
    "holds": "Holds",
    "holds partly": "Holds partly",
    "does not hold here": "Does not hold here",
    "cannot tell yet": "Cannot tell yet",
}
ROW = {"data": "cells", "approach": "transfer", "per_class": 10, "right": 0.7, "low": 0.65}
ROW |= {"high": 0.75, "tests": 500, "seconds": 2.0, "runs": 2}
TIMES = [
    {"seed": 0, "level": 0.8, "first": 1.0, "second": 9.0},
    {"seed": 1, "level": 0.8, "first": None, "second": 7.0},
]
FOUND = {"data": "cells", "speaks": "for", "words": "Blood cells: 70% against 50% right."}
TIMED = FOUND | {"times": TIMES, "ways": ["transfer", "scratch"]}


def judged(claim: str, outcome=HOLDS, found=FOUND, **changes) -> ClaimTestDone:
    facts = {
        "claim": claim,
        "outcome": outcome,
        "summary": f"It is so: 1 of 1 counts speak for it, 0 against.\n[for] {found['words']}",
        "numbers": {"scores": [ROW, ROW | {"approach": "fine_tune"}], "found": [found]},
        "runs": [],
        "is_complete": True,
        "budget_seconds": 100.0,
        "machine": "A processor, 2 cores, cpu, Linux",
        "versions": {"python": "3.11", "torch": "2.15"},
        "date": "2026-11-23",
        "seconds": 110.0,
    }
    return ClaimTestDone(**facts | changes)


@pytest.fixture(autouse=True)
def visitor(monkeypatch):
    """The visitor of the page is known, so that a test can have tested claims for them."""
    # Imported before: what is first imported meanwhile would keep this visitor for good.
    from pages.parts.session import visitor as who
    from pages.parts.widgets import data_upload, download_offer, run_controls  # noqa: F401

    monkeypatch.setattr(who, "current_visitor", lambda: VISITOR)


@pytest.fixture
def ships(tmp_path, monkeypatch):
    """Results that ship: none, until the test writes some."""
    monkeypatch.setattr(claims, "RESULTS_PATH", tmp_path / "results.json")

    def write(*events: ClaimTestDone) -> None:
        for event in events:
            claims.save_result(event.as_json() | {"command": "thaw claims"})

    return write


def page() -> AppTest:
    at = AppTest.from_file(FRAME, default_timeout=60).run().switch_page("claims.py").run()
    assert not at.exception
    return at


def words(at: AppTest) -> str:
    kinds = ("title", "markdown", "caption", "warning", "error", "info")
    shown = "\n".join(element.value for kind in kinds for element in getattr(at, kind))
    return re.sub(r"\[([^]]*)]\(#word-[^)]*\)", r"\1", shown)  # as it is read: no explanations


def labels(at: AppTest) -> list[str]:
    return [button.label for button in at.button]


def at_work(claim: str, *events) -> str:
    """A test of a claim by this visitor that has told so much."""
    key = get_store().enqueue(ClaimTest(key=claim, seconds=100), VISITOR, worker="test")
    get_store().append(key, list(events))
    return key


def a_run(number=0, **done):
    facts = {"data": "cells", "approach": "transfer", "examples_per_class": 10, "seed": 0}
    facts |= {"index": number, "total": 4, "seconds": 1.0}
    return ClaimRunDone(**facts, **done) if done else ClaimRunStarted(**facts)


def charts(at) -> list:
    """Those of the components that are charts."""
    return [one for one in at.get("bidi_component") if one.key.startswith("chart-")]


def test_what_nobody_measured_is_said_and_no_number_is_shown(ships):
    at = page()
    assert words(at).count("Not measured yet") == len(CLAIMS)
    assert not any(word in words(at) for word in ("speak for it", "For it:", "2026"))
    assert not charts(at)


def test_every_claim_has_a_card_with_its_experiment_and_can_be_run(ships):
    at = page()
    for claim in CLAIMS.values():
        assert claim.title in words(at)
        assert claim.experiment in words(at)
    assert sum(label.startswith("Run it here (at most ") for label in labels(at)) == len(CLAIMS)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_shipped_verdict_is_told_by_word_with_machine_date_and_command(outcome, ships):
    ships(*(judged(claim, outcome) for claim in CLAIMS))
    told = words(page())
    assert told.count(f"{WORDS[outcome]}]") == len(CLAIMS)
    assert "Not measured yet" not in told
    assert told.count("made by `thaw claims`") == len(CLAIMS)
    assert told.count("2026-11-23") == len(CLAIMS)
    assert "A processor, 2 cores" in told


def test_a_shipped_result_says_about_how_long_it_takes(ships):
    ships(judged("hybrid"))
    assert "Run it here (about 2 minutes)" in labels(page())


def test_what_the_visitor_measured_goes_first_and_what_ships_is_named(ships):
    ships(judged("hybrid", HOLDS))
    at_work("hybrid", judged("hybrid", FAILS, date="2026-12-01"))
    told = words(page())
    assert "Does not hold here]" in told
    assert "2026-12-01, measured here, by you" in told
    assert "ships with Thaw (2026-11-23): holds." in told


def test_a_click_queues_the_test_of_that_claim(ships):
    at = page()
    at.button(key="run-hybrid").click().run()
    assert not at.exception
    (job,) = get_store().list_runs(VISITOR, kind="claim")
    assert (job.job.key, job.state) == ("hybrid", QUEUED)
    assert job.job.seconds == claims.max_seconds("hybrid")
    assert "run-hybrid" not in {button.key for button in at.button}
    assert any("Waiting" in bar.proto.text for bar in at.get("progress"))


@pytest.mark.parametrize("until", range(4))
def test_a_test_can_be_drawn_after_every_event(until, ships):
    told = [a_run(), a_run(correct=350, test_examples=500), a_run(1)]
    at_work("limited-data", *told[:until])
    at = page()
    (bar,) = at.get("progress")
    expected = ["Reading the data", "Run 1 of 4", "Run 1 of 4", "Run 2 of 4"]
    assert expected[until] in bar.proto.text
    assert ("350 of 500 right" in words(at)) == (until > 1)
    assert {"Cancel", "Stop here and judge what there is"} <= set(labels(at))


@pytest.mark.parametrize(
    "end", [JobCancelled(3.0), JobFailed("The disk is full.", 3.0)], ids=["cancelled", "failed"]
)
def test_a_test_without_a_verdict_is_said_and_what_ships_stays(end, ships):
    ships(judged("hybrid", PARTLY))
    at_work("hybrid", end)
    told = words(page())
    assert "ended without a verdict" in told
    assert "Holds partly]" in told


def test_a_verdict_on_a_part_is_said_to_be_one(ships):
    at_work("hybrid", judged("hybrid", is_complete=False))
    assert "stopped early" in words(page())


def test_times_are_drawn_in_the_looks_of_the_approaches_and_never_reached_is_a_cross():
    drawn = claim_charts.claim_times([TIMED | {"title": "<b>Cells"}])
    transfer, scratch = drawn["data"]
    assert transfer["line"] == {
        "color": APPROACH_STYLES["transfer"].colour,
        "dash": APPROACH_STYLES["transfer"].dash,
    }
    assert scratch["line"]["dash"] == APPROACH_STYLES["scratch"].dash
    assert transfer["x"] == [0, 1.0, None, 0, 9.0, None]
    assert [transfer["marker"]["symbol"][place] == "x" for place in (1, 4)] == [False, True]
    assert len(set(transfer["y"] + scratch["y"])) == 5  # each line its own height, and None
    assert drawn["layout"]["yaxis"]["ticktext"] == ["&lt;b&gt;Cells"]


def test_scores_are_told_by_shape_and_by_number_of_examples():
    rows = [ROW, ROW | {"approach": "none", "per_class": 0}, ROW | {"approach": "none"}]
    drawn = claim_charts.claim_scores([row | {"title": "Blood cells"} for row in rows])["data"]
    assert [line["name"] for line in drawn] == [
        "Transfer learning, 10 of each",
        "No training, names alone",
        "No training, 10 of each",
    ]
    assert len({line["marker"]["symbol"] for line in drawn}) == 3
    assert drawn[0]["error_x"]["array"] == [pytest.approx(5)]


def test_a_claim_about_score_and_time_shows_both_and_no_mark_lies_on_another():
    rows = [
        ROW | {"title": title, "approach": approach, "per_class": per_class, "seconds": 17.6}
        for title, per_class in (("Blood cells", 50), ("Messages", 20))
        for approach in ("transfer", "hybrid")
    ]
    drawn = claim_charts.claim_cost(rows)
    marks = [line for line in drawn["data"] if line["mode"] == "markers"]
    assert [line["name"] for line in marks] == ["Transfer learning", "Hybrid"]
    assert len({y for line in marks for y in line["y"]}) == len(rows)
    behind = [line for line in drawn["data"] if line["mode"] == "text"]
    assert [line["text"] for line in behind] == [["  17.6 s"] * 2] * 2
    assert [line["y"] for line in behind] == [line["y"] for line in marks]
    assert all(x == 100 * ROW["high"] for line in behind for x in line["x"])  # past the interval


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_claim_can_be_drawn_from_its_own_judge(claim, ships):
    runs = [
        claims.RunResult(
            data=plan.data,
            approach=plan.approach,
            per_class=plan.examples_per_class,
            seed=plan.seed,
            classes=5,
            right=tuple(n % 10 < 7 for n in range(100)),
            seconds=3.0,
            checks=50,
            looks=((1.0, 0.3), (2.0, 0.8)),
        )
        for plan in claims.build_plans(claim)
    ]
    verdict = judge(claim, runs)
    numbers = json.loads(json.dumps(verdict.numbers))
    ships(judged(claim, verdict.outcome, summary=verdict.text, numbers=numbers))
    at = page()
    assert len(charts(at)) == 1
    assert all(escape_markdown(row["words"]) in words(at) for row in numbers["found"])
