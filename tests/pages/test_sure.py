"""Calibration, the narrator and the estimates on a run's page."""

from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.figures import run_snapshot
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
CORRECT = [a == b for a, b in zip(LABELS, ANSWERS, strict=True)]
CONFIDENCE = [0.97] * 100
RECORDED = PredictionsRecorded(LABELS, ANSWERS, CONFIDENCE, 2.8, [0.81] * 100)
CALIBRATION = CalibrationDone(2.4, [0.81] * 50, [True] * 40 + [False] * 10, 2.7)
END = finished(
    test_examples=100, test_correct=80, confusion_matrix=[[40, 10], [10, 40]],
    test_accuracy_low=0.71, test_accuracy_high=0.87,
)  # fmt: skip


def open_section(events, approach="hybrid", section="sure"):
    """Return the page of a finished run with a section open."""
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


def test_the_section_states_confidence_and_accuracy():
    at = open_section([*RUN, CALIBRATION, RECORDED, END])
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


@pytest.mark.parametrize(
    "events", [[PredictionsRecorded(LABELS, ANSWERS, CONFIDENCE, 2.8)], [RECORDED]]
)
def test_without_a_validation_set_the_section_says_so(events):
    at = open_section([*RUN, *(replace(e, calibrated_confidence=[]) for e in events), END])
    assert not at.exception
    assert "No example was held out" in words(at)
    assert "by its temperature" not in table(at)


def test_without_probabilities_the_section_says_so():
    events = [started("none"), PredictionsRecorded([0, 1], [0, 1], [], 1.0), finished("none")]
    at = open_section(events, "none")
    assert "there are no probabilities" in words(at)
    assert "kept no probabilities" in words(open_section([*RUN, END]))


def test_calibration_text_claims_no_more_than_the_counts_support():
    assert "as far as 10 test examples can tell" in describe_calibration(
        [0.9] * 10, [True] * 8 + [False] * 2
    )
    assert describe_calibration(CONFIDENCE, CORRECT).endswith("it is too sure of itself.")
    assert describe_calibration([0.6] * 100, CORRECT).endswith("right more often than it says.")
    assert describe_ece(reliability_bins([0.9] * 10, [True] * 10)).startswith(
        "10 test examples are too few"
    )
    assert "shows no fault" in describe_ece(reliability_bins([0.8] * 100, CORRECT))
    assert "shows no fault" not in describe_ece(reliability_bins(CONFIDENCE, CORRECT))
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
def test_a_temperature_is_described_in_words(temperature, says):
    text = describe_temperature(replace(CALIBRATION, temperature=temperature), None)
    assert says in text
    assert f"{temperature:.2f}" in text
    assert "held near 1" not in text
    few = replace(CALIBRATION, temperature=1.2, correct=[True] * 9, confidence=[0.9] * 9)
    assert "held near 1" in describe_temperature(few, None)
    assert "others' probabilities truer" in describe_temperature(
        replace(few, temperature=1.0), None
    )


def test_the_diagram_has_both_curves_with_intervals():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.4, 1.0, 200)
    bins = reliability_bins(confidence, rng.random(200) < confidence)
    line, before, after = reliability_diagram(bins, bins, "#123456")["data"]
    assert line["x"] == line["y"]
    assert before["x"] == sorted(before["x"])
    assert before["marker"]["symbol"] != after["marker"]["symbol"]
    for y, up, down in zip(
        before["y"], before["error_y"]["array"], before["error_y"]["arrayminus"], strict=True
    ):
        assert 0 <= y - down <= y <= y + up <= 100.001
    assert len(reliability_diagram(bins, [], "#123456")["data"]) == 2


def test_a_finished_run_has_a_summary_and_one_next_step():
    at = shown_run([*RUN, CALIBRATION, replace(RECORDED, calibrated_confidence=[]), END])
    assert "**In short.** It is too sure of itself: of 100 answers" in unescaped(at)
    assert "Is it right as often" not in words(at)
    at.button(key="do-sure").click().run()
    assert not at.exception
    assert "Is it right as often" in words(at)


def test_a_live_run_has_the_accuracy_so_far():
    assert "So far 50% of new examples (the validation set) are right." in unescaped(
        shown_run(RUN[:6])
    )
    assert "In short" not in words(shown_run(RUN))


@pytest.mark.parametrize(
    ("action", "page", "settings"),
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
def test_a_next_step_opens_its_page_with_settings(action, page, settings):
    plan = Plan(data="digits", approach="fine_tune", examples_per_class=20, seconds=20)
    target, parameters = find_action_page(action, plan)
    assert target == page
    assert parameters.items() >= settings.items()


def test_more_examples_means_adding_data_once_all_are_used():
    assert find_action_page("more-examples", Plan(data="digits", approach="transfer")) == (
        "data.py",
        {"data": "digits"},
    )
    most = Plan(data="digits", approach="transfer", examples_per_class=100)
    assert find_action_page("more-examples", most)[1]["per_class"] == "114"


def test_estimates_are_shown_beside_the_actual_figures():
    start = replace(started(), estimated_seconds=4.0, estimated_memory_bytes=310_000_000)
    end = replace(END, peak_memory_bytes=290_000_000)
    snapshot = run_snapshot.fold_events([start, *RUN[1:], end])
    assert run_snapshot.describe_estimate(snapshot) == (
        "Predicted before it began: time 4.0 s, took 4.2 s; memory 310 MB, used 290 MB"
    )
    assert run_snapshot.describe_estimate(run_snapshot.fold_events([*RUN, END])) == ""
    assert "took 4.2 s" in words(open_section([start, *RUN[1:], end], section="settings"))
