"""The page of a comparison, driven without a browser."""

from pathlib import Path

import plotly.graph_objects
import pytest
from streamlit.testing.v1 import AppTest

from guide import Answers
from pages.parts.figures import comparison_charts, run_snapshot
from pages.parts.session import guide_answers
from tests.pages.test_pages import finished, look, started
from tests.support.run_address import address
from trainers.events import (
    ComparisonDone,
    ComparisonRunDone,
    ComparisonRunStarted,
    CurvePoint,
    JobCancelled,
    JobFailed,
    LearningCurveDone,
    Stage,
)
from trainers.jobs import Comparison, LearningCurve
from trainers.plan import Plan
from trainers.store import get_store

FRAME = Path(__file__).parents[2] / "pages" / "frame.py"
APPROACHES = ("none", "transfer", "hybrid")
PAIRED = {"difference": -0.02, "low": -0.06, "high": 0.02, "p": 0.3}


def words(at) -> str:
    kinds = ("title", "markdown", "caption", "warning", "error", "info")
    return "\n".join(element.value for kind in kinds for element in getattr(at, kind))


def comparison_page(started_lanes: int, end=None) -> AppTest:
    """Return the page of a comparison; all started lanes but the last are over."""
    store = get_store()
    job = Comparison(data="digits", visitor="someone", approaches=APPROACHES, seconds=10)
    key = store.enqueue(job, "someone", worker="test")
    for lane, approach in enumerate(APPROACHES[:started_lanes]):
        run = store.enqueue(Plan(data="digits", approach=approach), "someone", worker="test")
        store.append(key, [ComparisonRunStarted(approach, run, lane, len(APPROACHES), 1.0)])
        events = [started(approach)] + ([look(seconds=2.0)] if approach != "none" else [])
        over = end is not None or lane < started_lanes - 1
        store.append(run, events + ([finished(approach)] if over else []))
        if over:
            store.append(key, [ComparisonRunDone(approach, run, 2.0)])
    if end:
        store.append(key, [end])
    at = AppTest.from_file(FRAME, default_timeout=60).run()
    at.query_params.update(address(key, "another", "compare"))
    return at.switch_page("compare.py").run()


def compared(outcome="right", **changes) -> ComparisonDone:
    summaries = [finished(approach).as_json() | {"run": "x"} for approach in APPROACHES]
    facts = {
        "runs": summaries,
        "failures": {},
        "article_advice": "transfer",
        "advice": "transfer",
        "best_approach": "hybrid",
        "outcome": outcome,
        "verdict": "Transfer learning 8 against 8 right of 10.",
        "differences_to_advice": {"hybrid": PAIRED, "none": PAIRED},
        "detectable_difference": 0.3,
        "seconds": 30.0,
    }
    return ComparisonDone(**facts | changes)


@pytest.mark.parametrize("until", range(len(APPROACHES) + 1))
def test_the_race_is_drawn_after_every_lane(until):
    at = comparison_page(until)
    assert not at.exception
    shares = [bar.proto.text for bar in at.get("progress")]
    assert any("Getting ready" in text or f"{until} of 3" in text for text in shares)
    assert words(at).count("waiting") == len(APPROACHES) - until


@pytest.mark.parametrize("outcome", run_snapshot.OUTCOME_BADGES)
def test_a_verdict_says_whether_the_advice_was_right(outcome):
    at = comparison_page(3, compared(outcome))
    assert not at.exception
    text = words(at)
    assert run_snapshot.OUTCOME_BADGES[outcome][2] in text
    assert "8 against 8 right of 10" in text.replace("\\", "")


WRONG_ADVICE = {
    "article_outcome": "wrong",
    "answers_source": "visitor",
    "diagnosis_text": 'To "How special?" the answer was "Everyday".\nThe rule *does* not hold.',
    "next_steps": "Use hybrid here.\nNext time, look again.",
}


def test_wrong_advice_is_explained_below_the_verdict():
    text = words(comparison_page(3, compared("wrong", **WRONG_ADVICE))).replace("\\", "")
    assert "On the answers that were given, the article's rules point to" in text
    assert "What misled the advice" in text
    assert '- To "How special?" the answer was "Everyday".\n- The rule *does* not hold.' in text
    assert "- Use hybrid here.\n- Next time, look again." in text
    assert text.index("8 against 8 right") < text.index("What misled") < text.index("The race")


def test_wrong_advice_of_the_article_alone_is_named_so():
    at = comparison_page(3, compared("right", **WRONG_ADVICE))
    assert "What misled the article's rules" in words(at)


def test_next_steps_are_shown_without_known_answers():
    text = words(comparison_page(3, compared("wrong", next_steps="Use hybrid here.")))
    assert "Use hybrid here" in text
    assert "What misled" not in text


def test_right_advice_needs_no_explanation():
    text = words(comparison_page(3, compared("right")))
    assert "What to do" not in text
    assert "On answers measured from the data" in text


def test_a_comparison_of_an_older_version_is_shown(monkeypatch):
    old = compared("wrong", **WRONG_ADVICE).as_json()
    added = ("outcome_article", "answers_from", "why_wrong", "to_do")
    for name in (*added, "misled", "answers", "measured", "settled_at"):
        del old[name]
    monkeypatch.setattr(ComparisonDone, "as_json", lambda event: old)
    at = comparison_page(3, compared("wrong", **WRONG_ADVICE))
    assert not at.exception
    assert "8 against 8 right" in words(at)
    assert "What to do" not in words(at)


def test_the_table_has_one_row_per_approach_with_its_difference_to_the_advice():
    text = words(comparison_page(3, compared()))
    table = next(block for block in text.split("\n\n") if "95 % interval" in block)
    assert table.count("8 of 10, 80.0%") == len(APPROACHES)
    assert "-2.0 points (-6.0 to +2.0)" in table
    assert table.count("the advised one") == 1


def test_a_failed_approach_is_shown():
    at = comparison_page(3, compared(failures={"scratch": "The memory was not enough."}))
    assert "From scratch: The memory was not enough" in words(at)


@pytest.mark.parametrize(
    "end", [JobCancelled(3.0), JobFailed("It broke.", 3.0)], ids=["cancelled", "failed"]
)
def test_a_comparison_without_a_result_says_so(end):
    at = comparison_page(2, end)
    assert not at.exception
    assert any("without a result" in bar.proto.text for bar in at.get("progress"))


@pytest.mark.parametrize("key", ["nothing", "run"])
def test_a_link_to_no_comparison_says_so(key):
    if key == "run":
        key = get_store().enqueue(Plan(data="digits", approach="none"), "someone")
    at = AppTest.from_file(FRAME, default_timeout=60)
    at.session_state["visitor"] = "someone"
    at.run()
    at.query_params["compare"] = key
    at.switch_page("compare.py").run()
    assert not at.exception
    assert at.title[0].value == "Compare the approaches"


def test_a_run_can_be_turned_into_a_comparison_with_its_settings():
    at = AppTest.from_file(FRAME, default_timeout=60).run()
    at.switch_page("run.py").run()
    at.selectbox(key="data").set_value("digits").run()
    label = "Compare all approaches instead"
    next(button for button in at.button if button.label == label).click().run()
    assert not at.exception
    job = get_store().claim("test").job
    assert isinstance(job, Comparison)
    assert (job.data, job.examples_per_class, job.seconds) == ("digits", 50, 30)
    assert "Every approach on Handwritten digits" in words(at)


def start_comparison(query: dict, data: str = "digits") -> Comparison:
    """Return the comparison that the Run page starts with `query` in the address."""
    at = AppTest.from_file(FRAME, default_timeout=60).run()
    at.query_params.update(query)
    at.switch_page("run.py").run()
    at.selectbox(key="data").set_value(data).run()
    label = "Compare all approaches instead"
    next(button for button in at.button if button.label == label).click().run()
    assert not at.exception
    return get_store().claim("test").job


def test_the_guides_answers_go_with_a_comparison_of_the_same_data():
    query = {"data": "digits", "answers": "data_volume:limited,specificity:common"}
    assert start_comparison(query).answers == {"data_volume": "limited", "specificity": "common"}
    assert start_comparison(query, "cells").answers == {}
    assert start_comparison(query | {"answers": "specificity:very"}).answers == {}
    assert start_comparison({}).answers == {}


def test_answers_in_the_guide_reach_the_comparison_through_a_run():
    at = AppTest.from_file(FRAME, default_timeout=60).run()
    at.radio(key="modality").set_value("images").run()
    at.radio(key="data_volume").set_value("limited").run()
    at.button[0].click().run()
    next(button for button in at.button if button.label == "Start").click().run()
    assert at.query_params["answers"] == "modality:images,data_volume:limited"
    store = get_store()
    run = store.claim("test")
    store.append(run.id, [started(run.job.approach), finished(run.job.approach)])
    at.run()
    label = "Compare with the others"
    next(button for button in at.button if button.label == label).click().run()
    assert not at.exception
    answers = store.claim("test").job.answers
    assert answers == {"modality": "images", "data_volume": "limited"}


@pytest.mark.parametrize("answers", list(Answers.all_combinations())[::97])
def test_answers_can_be_read_back_from_an_address(answers):
    assert Answers.from_mapping(guide_answers.decode(guide_answers.encode(answers))) == answers


@pytest.mark.parametrize("text", ["", "x", "specificity", "specificity:very", ":,:", "a:b,c"])
def test_an_address_without_answers_has_none(text):
    assert guide_answers.decode(text) == {}


def test_the_pareto_front_has_what_nothing_cheaper_equals():
    runs = [
        {"approach": name, "seconds": seconds, "test_accuracy": right}
        for name, seconds, right in (
            ("none", 1, 0.6),
            ("transfer", 2, 0.8),
            ("hybrid", 9, 0.8),
            ("fine_tune", 8, 0.9),
        )
    ]
    assert comparison_charts.pareto_front(runs) == {"none", "transfer", "fine_tune"}


def test_every_lane_has_a_line_in_the_race():
    snapshots = {
        "transfer": run_snapshot.fold_events(
            [started("transfer"), look(seconds=1), look(step=1, seconds=2)]
        ),
        "none": run_snapshot.fold_events([started("none"), finished("none")]),
        "hybrid": run_snapshot.fold_events([]),
    }
    lines = comparison_charts.accuracy_race(snapshots)["data"]
    assert [line["name"] for line in lines] == ["Transfer learning", "No training"]
    assert lines[1]["y"][:2] == [80, 80]


def point(approach="transfer", examples_per_class=5, draw=0, right=40, complete=True) -> CurvePoint:
    share = right / 60
    return CurvePoint(
        approach,
        examples_per_class,
        draw,
        right,
        60,
        share - 0.1,
        share + 0.1,
        1.0,
        2.0,
        complete,
        True,
    )


POINTS = [
    point(key, size, draw, 20 + size // 2 + draw)
    for key in ("transfer", "fine_tune")
    for size in (5, 12, 25, 50)
    for draw in (0, 1)
]
FORECAST = [
    {"approach": "transfer", "per_class": 50, "accuracy": 0.75, "low": 0.01, "high": 0.03},
    {"approach": "fine_tune", "per_class": 50, "accuracy": 0.75, "low": None, "high": None},
]


def curves_page(events=(), *, claimed=True) -> AppTest:
    """Return the page after the click that starts learning curves, with these events of theirs."""
    at = comparison_page(3, compared())
    at.session_state["visitor"] = "someone"
    at.run()
    next(button for button in at.button if "more data" in button.label).click().run()
    store = get_store()
    if claimed:
        store.append(store.claim("test").id, list(events))
    return at.run()


def test_curves_are_offered_with_their_time_after_the_result():
    at = comparison_page(3, compared())
    at.session_state["visitor"] = "someone"
    at.run()
    (button,) = (button for button in at.button if "more data" in button.label)
    # The two that learned took as long as `finished` says: four times that is under a minute.
    assert "At most 60 seconds" in button.label
    button.click().run()
    assert not at.exception
    job = get_store().claim("test").job
    assert isinstance(job, LearningCurve)
    assert (job.data, job.seconds, job.approaches) == ("digits", 60, LearningCurve.approaches)


def test_another_visitor_cannot_start_curves():
    at = comparison_page(3, compared())
    assert not [button for button in at.button if "more data" in button.label]


def test_without_a_result_no_curves_are_offered():
    assert "Would more data help" not in words(comparison_page(2))


@pytest.mark.parametrize("until", [0, 1, 5, len(POINTS)])
def test_curves_are_drawn_after_every_point(until):
    stage = Stage("curve", "Fine-tuning with 12 of each class", 3.0)
    at = curves_page([stage, *POINTS[:until]])
    assert not at.exception
    texts = [bar.proto.text for bar in at.get("progress")]
    assert any(f"with 12 of each class. Runs done: {until}." in text for text in texts)


def test_waiting_curves_say_so():
    at = curves_page(claimed=False)
    assert not at.exception
    assert any("Waiting" in bar.proto.text for bar in at.get("progress"))


def test_finished_curves_are_described():
    points = [curve_point.as_json() for curve_point in POINTS]
    at = curves_page(
        [
            *POINTS,
            LearningCurveDone(points, "It pays from 12.\nMore would help.", [], FORECAST, 50.0),
        ]
    )
    assert not at.exception
    assert words(at).replace("\\", "").count("- It pays from 12.\n- More would help.") == 1
    assert not [button for button in at.button if "more data" in button.label]


@pytest.mark.parametrize("end", [JobCancelled(3.0), JobFailed("It broke.", 3.0)])
def test_failed_curves_can_be_started_again(end):
    at = curves_page([end])
    assert not at.exception
    assert ("cancelled" if isinstance(end, JobCancelled) else "It broke") in words(at)
    assert [button for button in at.button if "more data" in button.label]


def test_curves_are_means_over_draws_with_bands_and_a_forecast():
    figure = comparison_charts.learning_curves([*POINTS, point("hybrid", complete=False)], FORECAST)
    assert figure["layout"]["xaxis"]["type"] == "log"
    assert figure["layout"]["xaxis"]["tickvals"] == [5, 12, 25, 50, 100]
    by_name = {line["name"]: line for line in figure["data"] if "name" in line}
    assert list(by_name) == ["Transfer learning", "Fine-tuning", "Hybrid"]
    curve = by_name["Transfer learning"]
    assert curve["x"] == [5, 12, 25, 50]
    assert curve["y"][0] == pytest.approx(100 * 22.5 / 60)
    band = next(line for line in figure["data"] if line.get("fill"))
    assert min(band["y"]) < min(curve["y"]) < max(curve["y"]) < max(band["y"])
    (forecast,) = (line for line in figure["data"] if "error_y" in line)
    assert (forecast["x"], forecast["y"]) == ([50, 100], [75, 77])
    assert "circle-open" in str(figure["data"])
    plotly.graph_objects.Figure(figure)  # raises on a name that Plotly does not know


def test_the_score_of_a_deleted_run_stays():
    at = comparison_page(3, compared())
    part = next(run for run in get_store().list_runs("someone") if run.job.approach == "hybrid")
    get_store().delete([part.id], "someone")
    at.run()
    assert not at.exception
    assert words(at).count("8 of 10, 80.0%") == len(APPROACHES)
