"""The page of a comparison, driven without a browser."""

from pathlib import Path

import plotly.graph_objects
import pytest
from streamlit.testing.v1 import AppTest

from guide import Answers
from pages.parts.figures import comparison_charts, run_snapshot as tell
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


def shown(until: int, end=None) -> AppTest:
    """The page of a comparison of which so many lanes have begun; all but the last are over."""
    runs = get_store()
    job = Comparison(data="digits", visitor="someone", approaches=APPROACHES, seconds=10)
    key = runs.enqueue(job, "someone", worker="test")
    for lane, approach in enumerate(APPROACHES[:until]):
        run = runs.enqueue(Plan(data="digits", approach=approach), "someone", worker="test")
        runs.append(key, [ComparisonRunStarted(approach, run, lane, len(APPROACHES), 1.0)])
        events = [started(approach)] + ([look(seconds=2.0)] if approach != "none" else [])
        over = end is not None or lane < until - 1
        runs.append(run, events + ([finished(approach)] if over else []))
        if over:
            runs.append(key, [ComparisonRunDone(approach, run, 2.0)])
    if end:
        runs.append(key, [end])
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
def test_a_race_can_be_drawn_after_every_lane(until):
    at = shown(until)
    assert not at.exception
    shares = [bar.proto.text for bar in at.get("progress")]
    assert any("Getting ready" in text or f"{until} of 3" in text for text in shares)
    assert words(at).count("waiting") == len(APPROACHES) - until


@pytest.mark.parametrize("outcome", tell.OUTCOME_BADGES)
def test_a_verdict_says_whether_the_advice_was_right(outcome):
    at = shown(3, compared(outcome))
    assert not at.exception
    said = words(at)
    assert tell.OUTCOME_BADGES[outcome][2] in said
    assert "8 against 8 right of 10" in said.replace("\\", "")


MISLED = {
    "article_outcome": "wrong",
    "answers_source": "visitor",
    "diagnosis_text": 'To "How special?" the answer was "Everyday".\nThe rule *does* not hold.',
    "next_steps": "Use hybrid here.\nNext time, look again.",
}


def test_what_misled_and_what_to_do_stand_below_a_verdict_of_wrong():
    said = words(shown(3, compared("wrong", **MISLED))).replace("\\", "")
    assert "On the answers that were given, the article's rules point to" in said
    assert "What misled the advice" in said
    assert '- To "How special?" the answer was "Everyday".\n- The rule *does* not hold.' in said
    assert "- Use hybrid here.\n- Next time, look again." in said
    assert said.index("8 against 8 right") < said.index("What misled") < said.index("The race")


def test_where_only_the_articles_advice_was_wrong_it_says_so():
    assert "What misled the article's rules" in words(shown(3, compared("right", **MISLED)))


def test_what_to_do_is_said_also_where_no_answers_are_known():
    said = words(shown(3, compared("wrong", next_steps="Use hybrid here.")))
    assert "Use hybrid here" in said
    assert "What misled" not in said


def test_of_advice_that_was_right_nothing_is_explained():
    said = words(shown(3, compared("right")))
    assert "What to do" not in said
    assert "On answers measured from the data" in said


def test_a_comparison_from_before_is_shown_as_it_was(monkeypatch):
    old = compared("wrong", **MISLED).as_json()
    since = ("outcome_article", "answers_from", "why_wrong", "to_do")
    for name in (*since, "misled", "answers", "measured", "settled_at"):
        del old[name]
    monkeypatch.setattr(ComparisonDone, "as_json", lambda event: old)
    at = shown(3, compared("wrong", **MISLED))
    assert not at.exception
    assert "8 against 8 right" in words(at)
    assert "What to do" not in words(at)


def test_the_table_has_a_row_an_approach_and_the_difference_to_the_advised():
    said = words(shown(3, compared()))
    table = next(block for block in said.split("\n\n") if "95 % interval" in block)
    assert table.count("8 of 10, 80.0%") == len(APPROACHES)
    assert "-2.0 points (-6.0 to +2.0)" in table
    assert table.count("the advised one") == 1


def test_what_failed_is_said():
    at = shown(3, compared(failures={"scratch": "The memory was not enough."}))
    assert "From scratch: The memory was not enough" in words(at)


@pytest.mark.parametrize(
    "end", [JobCancelled(3.0), JobFailed("It broke.", 3.0)], ids=["cancelled", "failed"]
)
def test_without_a_result_that_is_said(end):
    at = shown(2, end)
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


def test_a_run_offers_to_be_compared_with_the_same_settings():
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


def started_from(query: dict, data: str = "digits") -> Comparison:
    """The comparison that a click on the Run page starts, with so much in the address."""
    at = AppTest.from_file(FRAME, default_timeout=60).run()
    at.query_params.update(query)
    at.switch_page("run.py").run()
    at.selectbox(key="data").set_value(data).run()
    label = "Compare all approaches instead"
    next(button for button in at.button if button.label == label).click().run()
    assert not at.exception
    return get_store().claim("test").job


def test_what_the_guide_was_told_goes_with_a_comparison_of_the_same_data():
    told = {"data": "digits", "answers": "data_volume:limited,specificity:common"}
    assert started_from(told).answers == {"data_volume": "limited", "specificity": "common"}
    assert started_from(told, "cells").answers == {}
    assert started_from(told | {"answers": "specificity:very"}).answers == {}
    assert started_from({}).answers == {}


def test_answers_given_in_the_guide_reach_the_comparison_by_way_of_a_run():
    at = AppTest.from_file(FRAME, default_timeout=60).run()
    at.radio(key="modality").set_value("images").run()
    at.radio(key="data_volume").set_value("limited").run()
    at.button[0].click().run()
    next(button for button in at.button if button.label == "Start").click().run()
    assert at.query_params["answers"] == "modality:images,data_volume:limited"
    runs = get_store()
    run = runs.claim("test")
    runs.append(run.id, [started(run.job.approach), finished(run.job.approach)])
    at.run()
    label = "Compare with the others"
    next(button for button in at.button if button.label == label).click().run()
    assert not at.exception
    answers = runs.claim("test").job.answers
    assert answers == {"modality": "images", "data_volume": "limited"}


@pytest.mark.parametrize("answers", list(Answers.all_combinations())[::97])
def test_answers_survive_an_address(answers):
    assert Answers.from_mapping(guide_answers.decode(guide_answers.encode(answers))) == answers


@pytest.mark.parametrize("text", ["", "x", "specificity", "specificity:very", ":,:", "a:b,c"])
def test_an_address_without_answers_has_none(text):
    assert guide_answers.decode(text) == {}


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
    assert comparison_charts.pareto_front(runs) == {"none", "transfer", "fine_tune"}


def test_every_lane_has_a_line_in_the_race():
    stories = {
        "transfer": tell.fold_events(
            [started("transfer"), look(seconds=1), look(step=1, seconds=2)]
        ),
        "none": tell.fold_events([started("none"), finished("none")]),
        "hybrid": tell.fold_events([]),
    }
    drawn = comparison_charts.accuracy_race(stories)["data"]
    assert [line["name"] for line in drawn] == ["Transfer learning", "No training"]
    assert drawn[1]["y"][:2] == [80, 80]


def point(approach="transfer", examples_per_class=5, draw=0, right=40, whole=True) -> CurvePoint:
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
        whole,
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


def asked_for_curves(events=(), *, claimed=True) -> AppTest:
    """The page of a comparison, after the click that asks for curves; they have told `events`."""
    at = shown(3, compared())
    at.session_state["visitor"] = "someone"
    at.run()
    next(button for button in at.button if "more data" in button.label).click().run()
    runs = get_store()
    if claimed:
        runs.append(runs.claim("test").id, list(events))
    return at.run()


def test_after_the_result_curves_are_offered_with_their_time_said_before():
    at = shown(3, compared())
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
    at = shown(3, compared())
    assert not [button for button in at.button if "more data" in button.label]


def test_without_a_result_no_curves_are_offered():
    assert "Would more data help" not in words(shown(2))


@pytest.mark.parametrize("until", [0, 1, 5, len(POINTS)])
def test_curves_can_be_drawn_after_every_point(until):
    stage = Stage("curve", "Fine-tuning with 12 of each class", 3.0)
    at = asked_for_curves([stage, *POINTS[:until]])
    assert not at.exception
    said = [bar.proto.text for bar in at.get("progress")]
    assert any(f"with 12 of each class. Runs done: {until}." in text for text in said)


def test_waiting_curves_say_so():
    at = asked_for_curves(claimed=False)
    assert not at.exception
    assert any("Waiting" in bar.proto.text for bar in at.get("progress"))


def test_curves_end_with_words():
    points = [one.as_json() for one in POINTS]
    at = asked_for_curves(
        [
            *POINTS,
            LearningCurveDone(points, "It pays from 12.\nMore would help.", [], FORECAST, 50.0),
        ]
    )
    assert not at.exception
    assert words(at).replace("\\", "").count("- It pays from 12.\n- More would help.") == 1
    assert not [button for button in at.button if "more data" in button.label]


@pytest.mark.parametrize("end", [JobCancelled(3.0), JobFailed("It broke.", 3.0)])
def test_curves_without_a_result_can_be_asked_for_again(end):
    at = asked_for_curves([end])
    assert not at.exception
    assert ("cancelled" if isinstance(end, JobCancelled) else "It broke") in words(at)
    assert [button for button in at.button if "more data" in button.label]


def test_curves_are_means_of_their_draws_with_bands_and_a_forecast():
    drawn = comparison_charts.learning_curves([*POINTS, point("hybrid", whole=False)], FORECAST)
    assert drawn["layout"]["xaxis"]["type"] == "log"
    assert drawn["layout"]["xaxis"]["tickvals"] == [5, 12, 25, 50, 100]
    named = {line["name"]: line for line in drawn["data"] if "name" in line}
    assert list(named) == ["Transfer learning", "Fine-tuning", "Hybrid"]
    curve = named["Transfer learning"]
    assert curve["x"] == [5, 12, 25, 50]
    assert curve["y"][0] == pytest.approx(100 * 22.5 / 60)
    band = next(line for line in drawn["data"] if line.get("fill"))
    assert min(band["y"]) < min(curve["y"]) < max(curve["y"]) < max(band["y"])
    (ahead,) = (line for line in drawn["data"] if "error_y" in line)
    assert (ahead["x"], ahead["y"]) == ([50, 100], [75, 77])
    assert "circle-open" in str(drawn["data"])
    plotly.graph_objects.Figure(drawn)  # every name in it is one that Plotly knows


def test_a_run_that_was_deleted_by_itself_leaves_its_score_behind():
    at = shown(3, compared())
    part = next(run for run in get_store().list_runs("someone") if run.job.approach == "hybrid")
    get_store().delete([part.id], "someone")
    at.run()
    assert not at.exception
    assert words(at).count("8 of 10, 80.0%") == len(APPROACHES)
