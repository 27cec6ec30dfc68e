"""The Claims page, without a browser."""

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
OUTCOME_TITLES = {
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
FINDING = {"data": "cells", "speaks": "for", "words": "Blood cells: 70% against 50% right."}
TIMED_FINDING = FINDING | {"times": TIMES, "ways": ["transfer", "scratch"]}


def make_verdict(claim: str, outcome=HOLDS, finding=FINDING, **changes) -> ClaimTestDone:
    facts = {
        "claim": claim,
        "outcome": outcome,
        "summary": f"It is so: 1 of 1 counts speak for it, 0 against.\n[for] {finding['words']}",
        "numbers": {"scores": [ROW, ROW | {"approach": "fine_tune"}], "found": [finding]},
        "runs": [],
        "is_complete": True,
        "budget_seconds": 100.0,
        "machine": "A processor, 2 cores, cpu, Linux",
        "versions": {"python": "3.11", "torch": "2.15"},
        "date": "2026-11-23",
        "seconds": 110.0,
    }
    return ClaimTestDone(**facts | changes)


@pytest.fixture
def save_bundled(tmp_path, monkeypatch):
    """Return a function that saves bundled results; at first there are none."""
    monkeypatch.setattr(claims, "RESULTS_PATH", tmp_path / "results.json")

    def save(*events: ClaimTestDone) -> None:
        for event in events:
            claims.save_result(event.as_json() | {"command": "thaw claims"})

    return save


def page() -> AppTest:
    at = AppTest.from_file(FRAME, default_timeout=60)
    at.session_state["visitor"] = VISITOR
    at.run().switch_page("claims.py").run()
    assert not at.exception
    return at


def words(at: AppTest) -> str:
    kinds = ("title", "markdown", "caption", "warning", "error", "info")
    shown = "\n".join(element.value for kind in kinds for element in getattr(at, kind))
    return re.sub(r"\[([^]]*)]\(#word-[^)]*\)", r"\1", shown)  # without the glossary's links


def labels(at: AppTest) -> list[str]:
    return [button.label for button in at.button]


def start_claim_test(claim: str, *events) -> str:
    """Store a claim test of this visitor with these events, and return its id."""
    key = get_store().enqueue(ClaimTest(key=claim, seconds=100), VISITOR, worker="test")
    get_store().append(key, list(events))
    return key


def run_event(number=0, **done):
    facts = {"data": "cells", "approach": "transfer", "examples_per_class": 10, "seed": 0}
    facts |= {"index": number, "total": 4, "seconds": 1.0}
    return ClaimRunDone(**facts, **done) if done else ClaimRunStarted(**facts)


def charts(at) -> list:
    return [part for part in at.get("bidi_component") if part.key.startswith("chart-")]


def test_an_unmeasured_claim_says_so_without_numbers(save_bundled):
    at = page()
    assert words(at).count("Not measured yet") == len(CLAIMS)
    assert not any(word in words(at) for word in ("speak for it", "For it:", "2026"))
    assert not charts(at)


def test_every_claim_has_a_card_with_its_experiment_and_can_be_run(save_bundled):
    at = page()
    for claim in CLAIMS.values():
        assert claim.title in words(at)
        assert claim.experiment in words(at)
    assert sum(label.startswith("Run it here (at most ") for label in labels(at)) == len(CLAIMS)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_bundled_verdict_has_machine_date_and_command(outcome, save_bundled):
    save_bundled(*(make_verdict(claim, outcome) for claim in CLAIMS))
    text = words(page())
    assert text.count(f"{OUTCOME_TITLES[outcome]}]") == len(CLAIMS)
    assert "Not measured yet" not in text
    assert text.count("made by `thaw claims`") == len(CLAIMS)
    assert text.count("2026-11-23") == len(CLAIMS)
    assert "A processor, 2 cores" in text


def test_a_bundled_result_gives_the_duration_of_the_test(save_bundled):
    save_bundled(make_verdict("hybrid"))
    assert "Run it here (about 2 minutes)" in labels(page())


def test_the_visitors_verdict_comes_before_the_bundled_one(save_bundled):
    save_bundled(make_verdict("hybrid", HOLDS))
    start_claim_test("hybrid", make_verdict("hybrid", FAILS, date="2026-12-01"))
    text = words(page())
    assert "Does not hold here]" in text
    assert "2026-12-01, measured here, by you" in text
    assert "ships with Thaw (2026-11-23): holds." in text


def test_the_button_queues_a_test_of_its_claim(save_bundled):
    at = page()
    at.button(key="run-hybrid").click().run()
    assert not at.exception
    (job,) = get_store().list_runs(VISITOR, kind="claim")
    assert (job.job.key, job.state) == ("hybrid", QUEUED)
    assert job.job.seconds == claims.max_seconds("hybrid")
    assert "run-hybrid" not in {button.key for button in at.button}
    assert any("Waiting" in bar.proto.text for bar in at.get("progress"))


@pytest.mark.parametrize("until", range(4))
def test_a_running_test_is_drawn_after_every_event(until, save_bundled):
    events = [run_event(), run_event(correct=350, test_examples=500), run_event(1)]
    start_claim_test("limited-data", *events[:until])
    at = page()
    (bar,) = at.get("progress")
    expected = ["Reading the data", "Run 1 of 4", "Run 1 of 4", "Run 2 of 4"]
    assert expected[until] in bar.proto.text
    assert ("350 of 500 right" in words(at)) == (until > 1)
    assert {"Cancel", "Stop here and judge what there is"} <= set(labels(at))


@pytest.mark.parametrize(
    "end", [JobCancelled(3.0), JobFailed("The disk is full.", 3.0)], ids=["cancelled", "failed"]
)
def test_a_test_without_a_verdict_says_so_beside_the_bundled_verdict(end, save_bundled):
    save_bundled(make_verdict("hybrid", PARTLY))
    start_claim_test("hybrid", end)
    text = words(page())
    assert "ended without a verdict" in text
    assert "Holds partly]" in text


def test_an_incomplete_verdict_says_so(save_bundled):
    start_claim_test("hybrid", make_verdict("hybrid", is_complete=False))
    assert "stopped early" in words(page())


def test_times_have_the_style_of_their_approach_and_a_cross_if_never_reached():
    figure = claim_charts.claim_times([TIMED_FINDING | {"title": "<b>Cells"}])
    transfer, scratch = figure["data"]
    assert transfer["line"] == {
        "color": APPROACH_STYLES["transfer"].colour,
        "dash": APPROACH_STYLES["transfer"].dash,
    }
    assert scratch["line"]["dash"] == APPROACH_STYLES["scratch"].dash
    assert transfer["x"] == [0, 1.0, None, 0, 9.0, None]
    assert [transfer["marker"]["symbol"][place] == "x" for place in (1, 4)] == [False, True]
    assert len(set(transfer["y"] + scratch["y"])) == 5  # each line its own height, and None
    assert figure["layout"]["yaxis"]["ticktext"] == ["&lt;b&gt;Cells"]


def test_scores_differ_by_shape_and_number_of_examples():
    rows = [ROW, ROW | {"approach": "none", "per_class": 0}, ROW | {"approach": "none"}]
    traces = claim_charts.claim_scores([row | {"title": "Blood cells"} for row in rows])["data"]
    assert [trace["name"] for trace in traces] == [
        "Transfer learning, 10 of each",
        "No training, names alone",
        "No training, 10 of each",
    ]
    assert len({line["marker"]["symbol"] for line in traces}) == 3
    assert traces[0]["error_x"]["array"] == [pytest.approx(5)]


def test_score_and_time_are_both_shown_without_overlap():
    rows = [
        ROW | {"title": title, "approach": approach, "per_class": per_class, "seconds": 17.6}
        for title, per_class in (("Blood cells", 50), ("Messages", 20))
        for approach in ("transfer", "hybrid")
    ]
    figure = claim_charts.claim_cost(rows)
    marks = [line for line in figure["data"] if line["mode"] == "markers"]
    assert [line["name"] for line in marks] == ["Transfer learning", "Hybrid"]
    assert len({y for line in marks for y in line["y"]}) == len(rows)
    times = [line for line in figure["data"] if line["mode"] == "text"]
    assert [line["text"] for line in times] == [["  17.6 s"] * 2] * 2
    assert [line["y"] for line in times] == [line["y"] for line in marks]
    assert all(x == 100 * ROW["high"] for line in times for x in line["x"])  # past the interval


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_claim_can_be_drawn_from_its_own_verdict(claim, save_bundled):
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
    save_bundled(make_verdict(claim, verdict.outcome, summary=verdict.text, numbers=numbers))
    at = page()
    assert len(charts(at)) == 1
    assert all(escape_markdown(row["words"]) in words(at) for row in numbers["found"])
