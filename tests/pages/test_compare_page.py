"""The page of a comparison, driven without a browser."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from test_pages import finished, look, started

from pages.parts import figures, story as tell
from trainers.events import Cancelled, Compared, Failed, LaneDone, LaneStarted
from trainers.jobs import Comparison
from trainers.plan import Plan
from trainers.store import store

FRAME = Path(__file__).parents[2] / "pages" / "frame.py"
APPROACHES = ("none", "transfer", "hybrid")
PAIRED = {"difference": -0.02, "low": -0.06, "high": 0.02, "p": 0.3}


def words(at) -> str:
    kinds = ("title", "markdown", "caption", "warning", "error", "info")
    return "\n".join(element.value for kind in kinds for element in getattr(at, kind))


def shown(until: int, end=None) -> AppTest:
    """The page of a comparison of which so many lanes have begun; all but the last are over."""
    runs = store()
    job = Comparison(data="digits", visitor="someone", approaches=APPROACHES, seconds=10)
    key = runs.start(job, "someone", worker="test")
    for lane, approach in enumerate(APPROACHES[:until]):
        run = runs.start(Plan(data="digits", approach=approach), "someone", worker="test")
        runs.append(key, [LaneStarted(approach, run, lane, len(APPROACHES), 1.0)])
        events = [started(approach)] + ([look(seconds=2.0)] if approach != "none" else [])
        over = end is not None or lane < until - 1
        runs.append(run, events + ([finished(approach)] if over else []))
        if over:
            runs.append(key, [LaneDone(approach, run, 2.0)])
    if end:
        runs.append(key, [end])
    at = AppTest.from_file(FRAME, default_timeout=60).run()
    at.query_params["compare"] = key
    return at.switch_page("compare.py").run()


def compared(outcome="right", **changes) -> Compared:
    summaries = [finished(approach).as_json() | {"run": "x"} for approach in APPROACHES]
    facts = {
        "runs": summaries,
        "failed": {},
        "advised_article": "transfer",
        "advised": "transfer",
        "best": "hybrid",
        "outcome": outcome,
        "verdict": "Transfer learning 8 against 8 right of 10.",
        "against_advised": {"hybrid": PAIRED, "none": PAIRED},
        "visible": 0.3,
        "seconds": 30.0,
    }
    return Compared(**facts | changes)


@pytest.mark.parametrize("until", range(len(APPROACHES) + 1))
def test_a_race_can_be_drawn_after_every_lane(until):
    at = shown(until)
    assert not at.exception
    shares = [bar.proto.text for bar in at.get("progress")]
    assert any("Getting ready" in text or f"{until} of 3" in text for text in shares)
    assert words(at).count("waiting") == len(APPROACHES) - until


@pytest.mark.parametrize("outcome", tell.OUTCOMES)
def test_a_verdict_says_whether_the_advice_was_right(outcome):
    at = shown(3, compared(outcome))
    assert not at.exception
    said = words(at)
    assert tell.OUTCOMES[outcome][2] in said
    assert "8 against 8 right of 10" in said.replace("\\", "")


def test_the_table_has_a_row_an_approach_and_the_difference_to_the_advised():
    said = words(shown(3, compared()))
    table = next(block for block in said.split("\n\n") if "95 % interval" in block)
    assert table.count("8 of 10, 80.0%") == len(APPROACHES)
    assert "-2.0 points (-6.0 to +2.0)" in table
    assert table.count("the advised one") == 1


def test_what_failed_is_said():
    at = shown(3, compared(failed={"scratch": "The memory was not enough."}))
    assert "From scratch: The memory was not enough" in words(at)


@pytest.mark.parametrize(
    "end", [Cancelled(3.0), Failed("It broke.", 3.0)], ids=["cancelled", "failed"]
)
def test_without_a_result_that_is_said(end):
    at = shown(2, end)
    assert not at.exception
    assert any("without a result" in bar.proto.text for bar in at.get("progress"))


@pytest.mark.parametrize("key", ["nothing", "run"])
def test_a_link_to_no_comparison_says_so(key):
    if key == "run":
        key = store().start(Plan(data="digits", approach="none"), "someone")
    at = AppTest.from_file(FRAME, default_timeout=60).run()
    at.query_params["compare"] = key
    at.switch_page("compare.py").run()
    assert not at.exception
    assert at.title[0].value == "Compare the approaches"


def test_a_run_offers_to_be_compared_with_the_same_settings():
    at = AppTest.from_file(FRAME, default_timeout=60).run()
    at.switch_page("run.py").run()
    at.selectbox(key="data").set_value("digits").run()
    label = "Compare all approaches instead"
    next(button for button in at.button if button.label == label).click().run()
    assert not at.exception
    job = store().claim("test").plan
    assert isinstance(job, Comparison)
    assert (job.data, job.per_class, job.seconds) == ("digits", 50, 30)
    assert "Every approach on Handwritten digits" in words(at)


def test_only_choices_that_nothing_cheaper_equals_are_marked():
    runs = [
        {"approach": name, "seconds": seconds, "test_accuracy": right}
        for name, seconds, right in (
            ("none", 1, 0.6),
            ("transfer", 2, 0.8),
            ("hybrid", 9, 0.8),
            ("fine_tune", 8, 0.9),
        )
    ]
    assert figures.sensible_choices(runs) == {"none", "transfer", "fine_tune"}


def test_every_lane_has_a_line_in_the_race():
    stories = {
        "transfer": tell.told([started("transfer"), look(seconds=1), look(step=1, seconds=2)]),
        "none": tell.told([started("none"), finished("none")]),
        "hybrid": tell.told([]),
    }
    drawn = figures.race(stories)["data"]
    assert [line["name"] for line in drawn] == ["Transfer learning", "No training"]
    assert drawn[1]["y"][:2] == [80, 80]
