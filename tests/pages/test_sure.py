"""How sure a run is, what the narrator says of it, and what was foretold, on its page."""

from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.figures import run_snapshot as tell
from pages.parts.figures.calibration import reliability_diagram
from pages.parts.run_view.narration import find_action_page
from tests.pages.test_pages import FRAME, RUN, finished, shown_run, started, words
from tests.support.run_address import address
from trainers.evaluation.calibration import reliability_bins
from trainers.events import CalibrationDone, PredictionsRecorded
from trainers.plan import Plan
from trainers.reports.calibration_text import (
    describe_calibration,
    describe_ece,
    describe_extremes,
    describe_temperature,
)
from trainers.store import get_store

LABELS, ANSWERS = [0, 1] * 50, [0, 1] * 40 + [1, 0] * 10  # 80 of 100 right
RIGHT = [a == b for a, b in zip(LABELS, ANSWERS, strict=True)]
SURE = [0.97] * 100
ANSWERED = PredictionsRecorded(LABELS, ANSWERS, SURE, 2.8, [0.81] * 100)
CALIBRATED = CalibrationDone(2.4, [0.81] * 50, [True] * 40 + [False] * 10, 2.7)
END = finished(
    test_examples=100, test_correct=80, confusion_matrix=[[40, 10], [10, 40]],
    test_accuracy_low=0.71, test_accuracy_high=0.87,
)  # fmt: skip


def opened(events, approach="hybrid", section="sure"):
    """The page of a run, with a section open."""
    run = get_store().enqueue(
        Plan(data="digits", approach=approach, examples_per_class=1), "ann", worker="test"
    )
    get_store().append(run, events)
    at = AppTest.from_file(FRAME, default_timeout=60).run()
    at.query_params.update(address(run, "another") | {"section": section})
    return at.switch_page("run.py").run()


def unescaped(at) -> str:
    return words(at).replace("\\", "").replace("\u2060", "")


def table(at) -> str:
    return "\n".join(at.table[0].value.astype(str).agg(" ".join, axis=1))


def test_the_section_says_what_it_says_and_how_often_it_is_right():
    at = opened([*RUN, CALIBRATED, ANSWERED, END])
    assert not at.exception
    shown = words(at)
    assert "surest (it says 81% on average), it was right **80 of 100** times." in shown
    assert "toned down by a temperature of **2.40**" in shown
    assert "from 97% sure on average to 81%" in shown
    assert "Before it: on average it says 97%, and 80% are right" in shown
    assert "it is too sure of itself" in shown
    assert "as far as 100 test examples can tell, it is as sure as it is right" in shown
    assert "as it came 97% to 97% (mean 97%) 80 of 100 80% 71% to 87%" in table(at)
    assert "by its temperature 81% to 81%" in table(at)


@pytest.mark.parametrize("events", [[PredictionsRecorded(LABELS, ANSWERS, SURE, 2.8)], [ANSWERED]])
def test_without_anything_held_out_it_says_so(events):
    at = opened([*RUN, *(replace(e, calibrated_confidence=[]) for e in events), END])
    assert not at.exception
    assert "No example was held out" in words(at)
    assert "by its temperature" not in table(at)


def test_without_probabilities_it_says_so():
    told = [started("none"), PredictionsRecorded([0, 1], [0, 1], [], 1.0), finished("none")]
    at = opened(told, "none")
    assert "there are no probabilities" in words(at)
    assert "kept no probabilities" in words(opened([*RUN, END]))


def test_what_the_counts_do_not_carry_is_not_said():
    assert "as far as 10 test examples can tell" in describe_calibration(
        [0.9] * 10, [True] * 8 + [False] * 2
    )
    assert describe_calibration(SURE, RIGHT).endswith("it is too sure of itself.")
    assert describe_calibration([0.6] * 100, RIGHT).endswith("right more often than it says.")
    assert describe_ece(reliability_bins([0.9] * 10, [True] * 10)).startswith(
        "10 test examples are too few"
    )
    assert "shows no fault" in describe_ece(reliability_bins([0.8] * 100, RIGHT))
    assert "shows no fault" not in describe_ece(reliability_bins(SURE, RIGHT))
    assert describe_extremes([]) == ""
    two = describe_extremes(
        reliability_bins([0.5] * 25 + [0.999] * 25, [True] * 12 + [False] * 13 + [True] * 25)
    )
    assert "surest (it says over 99%), it was right **25 of 25** times." in two
    assert "least sure (it says 50% on average), **12 of 25** times." in two


@pytest.mark.parametrize(
    ("temperature", "says"),
    [(0.6, "probabilities are raised"), (1.01, "nothing is changed"), (1.5, "toned down")],
)
def test_a_temperature_in_words(temperature, says):
    told = describe_temperature(replace(CALIBRATED, temperature=temperature), None)
    assert says in told
    assert f"{temperature:.2f}" in told
    assert "held near 1" not in told
    few = replace(CALIBRATED, temperature=1.2, correct=[True] * 9, confidence=[0.9] * 9)
    assert "held near 1" in describe_temperature(few, None)
    assert "others' probabilities truer" in describe_temperature(
        replace(few, temperature=1.0), None
    )


def test_the_curve_draws_both_with_their_intervals():
    dice = np.random.default_rng(0)
    said = dice.uniform(0.4, 1.0, 200)
    found = reliability_bins(said, dice.random(200) < said)
    line, came, after = reliability_diagram(found, found, "#123456")["data"]
    assert line["x"] == line["y"]
    assert came["x"] == sorted(came["x"])
    assert came["marker"]["symbol"] != after["marker"]["symbol"]
    for at, up, down in zip(
        came["y"], came["error_y"]["array"], came["error_y"]["arrayminus"], strict=True
    ):
        assert 0 <= at - down <= at <= at + up <= 100.001
    assert len(reliability_diagram(found, [], "#123456")["data"]) == 2


# --- the narrator on the page ---------------------------------------------------------------------


def test_a_finished_run_is_told_in_short_with_one_thing_to_do():
    at = shown_run([*RUN, CALIBRATED, replace(ANSWERED, calibrated_confidence=[]), END])
    assert "**In short.** It is too sure of itself: of 100 answers" in unescaped(at)
    assert "Is it right as often" not in words(at)
    at.button(key="do-sure").click().run()
    assert not at.exception
    assert "Is it right as often" in words(at)


def test_a_live_run_is_told_what_can_be_said_so_far():
    assert "So far 50% of new examples (the validation set) are right." in unescaped(
        shown_run(RUN[:6])
    )
    assert "In short" not in words(shown_run(RUN))


@pytest.mark.parametrize(
    ("do", "page", "settings"),
    [
        ("more-seconds", "run.py", {"seconds": "60", "approach": "fine_tune"}),
        ("again", "run.py", {"seconds": "20"}),
        ("more-examples", "run.py", {"per_class": "40"}),
        ("look-over", "data.py", {"data": "digits"}),
        ("add-examples", "data.py", {"data": "digits"}),
        ("frozen", "run.py", {"approach": "transfer"}),
        ("none", "run.py", {"approach": "none"}),
        ("others", "run.py", {"data": "digits"}),
    ],
)
def test_what_to_do_is_a_link_that_fills_in_the_page(do, page, settings):
    plan = Plan(data="digits", approach="fine_tune", examples_per_class=20, seconds=20)
    where, filled = find_action_page(do, plan)
    assert where == page
    assert filled.items() >= settings.items()


def test_where_all_examples_are_used_more_means_bringing_them():
    assert find_action_page("more-examples", Plan(data="digits", approach="transfer")) == (
        "data.py",
        {"data": "digits"},
    )
    most = Plan(data="digits", approach="transfer", examples_per_class=100)
    assert find_action_page("more-examples", most)[1]["per_class"] == "114"


# --- foretold against actual ----------------------------------------------------------------------


def test_what_was_foretold_is_said_beside_what_came():
    before = replace(started(), estimated_seconds=4.0, estimated_memory_bytes=310_000_000)
    end = replace(END, peak_memory_bytes=290_000_000)
    told = tell.fold_events([before, *RUN[1:], end])
    assert tell.describe_estimate(told) == (
        "Predicted before it began: time 4.0 s, took 4.2 s; memory 310 MB, used 290 MB"
    )
    assert tell.describe_estimate(tell.fold_events([*RUN, END])) == ""
    assert "took 4.2 s" in words(opened([before, *RUN[1:], end], section="settings"))
