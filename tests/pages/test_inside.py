"""Sections on the map animation, the weight change and forgetting, without a browser."""

import json
import re
from dataclasses import replace

import plotly.graph_objects
import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.figures import map_animation
from pages.parts.figures.map_animation import (
    build_animation,
    build_component_data,
    describe_animation,
    format_table,
    mean_displacement,
    neighbour_agreement,
)
from pages.parts.figures.plotly_parts import CLASS_SYMBOLS
from pages.parts.figures.run_snapshot import fold_events
from pages.parts.figures.weight_change import forgetting_chart, format_change, weight_change_bars
from pages.parts.results.weight_change import describe_changes
from pages.parts.run_view import map_examples
from pages.parts.run_view.map_examples import load_map_examples
from tests.pages.test_compare_page import compared
from tests.pages.test_pages import FRAME, PARTS, finished, look, started
from tests.support.run_address import address
from trainers import datasets
from trainers.events import (
    ComparisonRunDone,
    ComparisonRunStarted,
    JobDone,
    JobFailed,
    PhaseStarted,
    WatchedExamples,
    WeightsCompared,
)
from trainers.jobs import Comparison, ForgettingTest
from trainers.plan import Plan
from trainers.store import get_store
from trainers.tasks.forgetting import Probe, Question, summarise_answers

SQUARE = ((0, 0), (1, 0), (0, 1), (1, 1))
FAR = ((9, 0), (9, 1), (0, 9), (1, 9))
CLASSES = ("<b>cat</b>", "dog")
CHANGES = [
    {"name": "stem", "parameters": 100, "learnable": 100, "change": 0.0284},
    {"name": "*last*", "parameters": 200, "learnable": 200, "change": 0.0855},
    {"name": "answer", "parameters": 10, "learnable": 10, "change": None},
]
FROZEN = [part | {"learnable": 0, "change": 0.0} for part in CHANGES[:2]] + CHANGES[2:]
RESTORED = [part | {"change": 0.0} for part in CHANGES[:2]] + CHANGES[2:]


def evaluation(points=(), answers=(0, 0, 1, 1), **fields):
    """Return an evaluation with four examples on the map, two of each class."""
    return replace(
        look(points=points, **fields), map_labels=[0, 0, 1, 1], map_predictions=list(answers)
    )


def snapshot(approach: str, *evaluations, items=(4, 5, 6, 7)):
    watched = WatchedExamples([0, 1], ["a", "b"], [0, 1], list(items))
    phases = [PhaseStarted(n, f"Part {n}", PARTS, 10, 0.01, 0.3) for n in range(2)]
    return fold_events([started(approach), watched, *phases, *evaluations])


STILL = (evaluation(SQUARE, (0, 0, 0, 0)), evaluation((), step=3, seconds=2.0))
MOVES = (evaluation(SQUARE, (0, 0, 0, 0)), evaluation(FAR, step=3, seconds=3.0))
LATE = (*STILL, evaluation((), phase=1, seconds=2.5), evaluation(FAR, phase=1, step=3, seconds=5.0))
WATCHED = WatchedExamples([0, 1], ["a", "b"], [0, 1], [4, 5, 6, 7])


def test_displacement_is_relative_to_the_spread_of_the_map():
    wide = [[10 * x, 10 * y] for x, y in SQUARE]
    shifted = [[x + 0.5, y + 0.5] for x, y in SQUARE]
    assert mean_displacement(SQUARE, SQUARE) == 0
    # Each corner moved as far as it is from the middle.
    assert mean_displacement(SQUARE, shifted) == pytest.approx(1.0)
    assert mean_displacement(wide, [[10 * x, 10 * y] for x, y in shifted]) == pytest.approx(1.0)


def test_neighbour_agreement_is_the_share_of_neighbours_of_the_same_class():
    assert neighbour_agreement(FAR, (0, 0, 1, 1)) == 1
    assert neighbour_agreement(FAR, (0, 1, 0, 1)) == 0


@pytest.mark.parametrize(
    ("approach", "evaluations", "opening"),
    [
        ("transfer", STILL, "Nothing moves"),
        ("fine_tune", MOVES, "The marks move** from the beginning on"),
        ("hybrid", LATE, "They stand still, then they move"),
    ],
)
def test_the_description_differs_by_approach(approach, evaluations, opening):
    words = describe_animation(build_animation(snapshot(approach, *evaluations)))
    assert opening in words
    assert "Right were 2 of 4 at the start, 4 at the end" in words
    assert ("first 2.5 seconds" in words) == (approach == "hybrid")
    assert ("stays as it was" in words) == (approach == "transfer")


def test_a_barely_changed_backbone_is_not_called_unchanged():
    nearly = [[x + 0.001, y] for x, y in SQUARE]
    words = describe_animation(
        build_animation(snapshot("hybrid", MOVES[0], evaluation(nearly, step=1, seconds=2.0)))
    )
    assert "Nothing moves" in words
    assert "hardly changed" in words


def test_without_two_evaluations_there_is_no_animation():
    assert build_animation(snapshot("transfer", STILL[0])) is None
    assert build_animation(snapshot("transfer")) is None
    assert build_animation(fold_events([])) is None


def test_an_animation_stops_at_every_evaluation_and_stores_each_map_once():
    data = build_component_data([build_animation(snapshot("hybrid", *LATE))], {})
    (panel,) = data["panels"]
    assert panel["frameAtStop"] == [0, 1, 2, 3]
    assert len(data["stops"]) == len(panel["frames"]) == 4
    assert [frame["map"] for frame in panel["frames"]] == [0, 0, 0, 1]
    assert len(panel["maps"]) == 2
    assert all(0 < value < 1 for places in panel["maps"] for at in places for value in at)
    assert json.loads(json.dumps(data))["panels"][0]["exampleIds"] == [4, 5, 6, 7]


def test_animations_side_by_side_share_a_slider():
    runs = (snapshot("transfer", *STILL), snapshot("hybrid", *LATE))
    animations = [build_animation(run) for run in runs]
    data = build_component_data(animations, {})
    first, second = (panel["frameAtStop"] for panel in data["panels"])
    assert len(first) == len(second) == len(data["stops"]) == map_animation.SLIDER_STEPS + 1
    assert (first[0], first[-1], second[0], second[-1]) == (0, 1, 0, 3)
    assert first == sorted(first)
    assert second == sorted(second)
    assert set(second) == {0, 1, 2, 3}


def test_the_table_has_the_first_and_the_last_evaluation():
    many = [evaluation(SQUARE), *(evaluation((), step=n, seconds=1.0 + n) for n in range(1, 40))]
    rows = format_table(build_animation(snapshot("transfer", *many)))
    assert len(rows) == 2 + 12
    assert "1.0 s" in rows[2]
    assert "40.0 s" in rows[-1]


def test_every_symbol_of_the_live_map_has_a_shape_in_the_animation(root):
    script = (root / "pages" / "parts" / "widgets" / "map_animation.js").read_text("utf-8")
    shapes = re.search(r"const SHAPES = \{(.+?)\n\}", script, re.DOTALL)[1]
    assert {name.strip('"') for name in re.findall(r'("?[a-z-]+"?): ', shapes)} == set(
        CLASS_SYMBOLS
    )


def run_on_digits(visitor="ann", labels=None, items=(3, 1, 2), classes=tuple("0123456789")):
    """Return the snapshot of a run on the digits, and the run."""
    plan = Plan(data="digits", approach="transfer", examples_per_class=2)
    key = get_store().enqueue(plan, visitor, worker="test")
    splits = datasets.get_dataset("digits").load_splits(2, 0)
    labels = splits.train.labels[list(items)].tolist() if labels is None else labels
    last = replace(look(points=[(0, 0)] * 3), map_labels=labels, map_predictions=labels)
    events = [started("transfer", classes), WatchedExamples([], [], [], list(items)), last]
    return fold_events(events), get_store().get_run(key)


def test_map_examples_are_those_of_the_run():
    examples, problem = load_map_examples(*run_on_digits())
    assert problem == ""
    assert list(examples) == [3, 1, 2]
    assert all(url.startswith("data:image/webp;base64,") for url in examples.values())
    assert len(set(examples.values())) == 3


def test_examples_that_do_not_fit_the_run_are_not_shown():
    for changes in ({"labels": [9, 9, 9]}, {"classes": ("a", "b")}, {"items": (3, 1, 10**9)}):
        labels = {"labels": [0, 0, 0]} if "items" in changes else {}
        assert load_map_examples(*run_on_digits(**changes | labels)) == (
            {},
            map_examples.DATA_CHANGED_MESSAGE,
        )


def test_a_run_without_recorded_examples_says_so():
    examples, problem = load_map_examples(*run_on_digits(items=()))
    assert not examples
    assert "older" in problem


def test_data_of_another_visitor_is_not_read(monkeypatch):
    snapshot, run = run_on_digits("ann-who-is-elsewhere")
    run = replace(run, job=replace(run.job))
    object.__setattr__(run.job, "data", "own-secret")
    monkeypatch.setattr(datasets, "get_dataset", lambda key: pytest.fail("the data was read"))
    examples, problem = load_map_examples(snapshot, run)
    assert not examples
    assert "who added them" in problem


@pytest.mark.parametrize(
    ("change", "expected"),
    [(None, "new"), (0.0, "0 %"), (0.00002, "under 0.01 %"), (0.0016, "0.16 %"),
     (0.0284, "2.8 %"), (0.0855, "8.6 %"), (0.5, "50 %"), (1.25, "125 %")],
)  # fmt: skip
def test_a_change_is_formatted_with_two_digits(change, expected):
    assert format_change(change) == expected


@pytest.mark.parametrize(
    ("parts", "approach", "expected"),
    [
        (CHANGES, "fine_tune", ["310 of 310 numbers", "*stem* moved 2.8 %", "moved 8.6 %"]),
        (FROZEN, "transfer", ["10 of 310 numbers", "not one of its numbers"]),
        (RESTORED, "hybrid", ["310 of 310 numbers", "so it was put back: not one of its numbers"]),
        ([FROZEN[0], *CHANGES[1:]], "hybrid", ["only one part moved", "1 of 2 parts did not move"]),
        ([part | {"change": None} for part in CHANGES], "scratch", ["began at random"]),
        ([CHANGES[0] | {"learnable": 5}, *CHANGES[1:]], "hybrid", ["add-ons"]),
        ([CHANGES[0] | {"change": 0.2}, *CHANGES[1:]], "fine_tune", ["moved 20 %"]),
    ],
)
def test_changes_are_described_in_words(parts, approach, expected):
    words = describe_changes(WeightsCompared(parts, 1.0), approach)
    assert all(part in words for part in expected), words


@pytest.mark.parametrize("parts", [CHANGES, FROZEN, CHANGES[2:]])
def test_the_bars_are_a_valid_plotly_figure(parts):
    figure = weight_change_bars(parts, "#0B9A72")
    plotly.graph_objects.Figure(figure)
    (bars,) = figure["data"]
    assert len(bars["x"]) == len(bars["text"]) == len(parts)
    assert bars["text"][-1] == "new"
    assert ("frozen" in bars["text"][0]) == (parts is FROZEN)


def words(at) -> str:
    kinds = ("markdown", "caption", "warning", "info")
    return "\n".join(element.value for kind in kinds for element in getattr(at, kind))


def page(section: str, approach="hybrid", events=(), visitor=None, job_end=None) -> AppTest:
    at = AppTest.from_file(FRAME, default_timeout=60).run()
    at.session_state["visitor"] = "the-visitor-of-this-page"
    visitor = visitor or "the-visitor-of-this-page"
    plan = Plan(data="digits", approach=approach, examples_per_class=2)
    key = get_store().enqueue(plan, visitor, worker="test")
    get_store().append(key, [started(approach), *events, finished(approach)])
    if job_end:
        job = get_store().enqueue(ForgettingTest(key=key, visitor=visitor), visitor, worker="test")
        get_store().append(job, [job_end])
    at.query_params.update(address(key, "the-visitor-of-this-page") | {"section": section})
    return at.switch_page("run.py").run()


@pytest.mark.parametrize("approach", ["transfer", "fine_tune", "hybrid", "scratch"])
@pytest.mark.parametrize("section", ["film", "changed", "forgot"])
def test_each_section_draws_with_and_without_its_events(approach, section):
    for events in (
        [],
        [WATCHED, *LATE, WeightsCompared(CHANGES, 3.0)],
        [*STILL, WeightsCompared(FROZEN, 3.0)],
    ):
        at = page(section, approach, events)
        assert not at.exception


@pytest.mark.parametrize("approach", ["none", "simple"])
@pytest.mark.parametrize(
    ("section", "expected"),
    [("film", "no film"), ("changed", "no"), ("forgot", "othing")],
)
def test_without_training_each_section_says_why_it_is_empty(approach, section, expected):
    at = page(section, approach)
    assert not at.exception
    assert expected in words(at)


def test_transfer_learning_needs_no_forgetting_test():
    at = page("forgot", "transfer", [WeightsCompared(FROZEN, 3.0)])
    assert "Transfer learning forgets nothing" in words(at)
    assert not [button for button in at.button if "Ask it" in button.label]


@pytest.mark.parametrize(
    ("parts", "reason"),
    [(FROZEN, "before the backbone itself learned"), (RESTORED, "learned, but on the checks")],
)
def test_an_unchanged_backbone_needs_no_forgetting_test(parts, reason):
    at = page("forgot", "hybrid", [WeightsCompared(parts, 3.0)])
    assert "Nothing was forgotten" in words(at)
    assert reason in words(at)
    assert not [button for button in at.button if "Ask it" in button.label]


def test_the_owner_can_start_the_forgetting_test_once():
    at = page("forgot", events=[WeightsCompared(CHANGES, 3.0)])
    (button,) = [button for button in at.button if "Ask it" in button.label]
    button.click().run()
    assert not at.exception
    (run,) = get_store().list_runs("the-visitor-of-this-page")
    (job,) = get_store().list_runs("the-visitor-of-this-page", kind="forgot")
    assert job.job == ForgettingTest(key=run.id, visitor="the-visitor-of-this-page")
    assert not [button for button in at.button if "Ask it" in button.label]
    assert [button for button in at.button if button.label == "Cancel"]


def test_only_the_owner_can_start_the_forgetting_test():
    at = page("forgot", events=[WeightsCompared(CHANGES, 3.0)], visitor="someone-else-entirely")
    assert "Only who started this run" in words(at)
    assert not [button for button in at.button if "Ask it" in button.label]


def forgetting_result() -> dict:
    questions = [Question(n, "lorry", (0, 1), ("bus", "lorry")) for n in range(12)]
    probe = Probe("<i>Vehicles</i>", ["x"] * 12, questions, centred=True)
    return summarise_answers([probe], [[1] * 12], [[0] * 8 + [1] * 4], untouched=False)


def test_a_forgetting_result_is_shown_in_words_and_numbers():
    at = page("forgot", job_end=JobDone(forgetting_result(), 2.0), visitor="someone-else-entirely")
    assert not at.exception
    text = words(at).replace("\\", "")
    assert "It forgot something" in text
    assert "12 of 12 right before, 4 after" in text
    assert "| 12 | 12 | 4 |" in text


def test_a_failed_forgetting_test_can_be_retried():
    at = page(
        "forgot", events=[WeightsCompared(CHANGES, 3.0)], job_end=JobFailed("No *model* here.", 1.0)
    )
    assert "No \\*model\\* here" in at.warning[0].value
    assert [button for button in at.button if "Ask it" in button.label]


def test_the_forgetting_chart_is_a_valid_plotly_figure():
    figure = forgetting_chart(forgetting_result(), "#0B9A72")
    plotly.graph_objects.Figure(figure)
    (marks,) = figure["data"]
    assert marks["x"] == [100.0, pytest.approx(33.3, abs=0.1)]
    assert all(value >= 0 for name in ("array", "arrayminus") for value in marks["error_x"][name])


def test_a_comparison_draws_the_animations_only_when_opened(monkeypatch):
    store = get_store()
    job = Comparison(data="digits", visitor="someone", approaches=("transfer", "hybrid", "none"))
    key = store.enqueue(job, "someone", worker="test")
    evaluations_by_approach = {"transfer": STILL, "hybrid": LATE, "none": ()}
    for lane, (approach, evaluations) in enumerate(evaluations_by_approach.items()):
        run = store.enqueue(Plan(data="digits", approach=approach), "someone", worker="test")
        store.append(key, [ComparisonRunStarted(approach, run, lane, 3, 1.0)])
        store.append(run, [started(approach), *evaluations, finished(approach)])
        store.append(key, [ComparisonRunDone(approach, run, 2.0)])
    store.append(key, [compared()])
    at = AppTest.from_file(FRAME, default_timeout=60).run()
    at.query_params.update(address(key, "another", "compare"))
    at.switch_page("compare.py").run()
    assert not at.exception
    title = "How each model saw the examples"
    assert title in [expander.label for expander in at.expander]
    assert "Nothing moves" not in words(at)
    at.session_state["films"] = True
    at.run()
    assert not at.exception
    assert "Nothing moves" in words(at)
    assert "They stand still, then they move" in words(at)
