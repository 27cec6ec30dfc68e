"""Inside a run: the map as a film, what changed, what was forgotten; driven without a browser."""

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
from pages.parts.results.weight_change import describe_changes as change_in_words
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
PUT_BACK = [part | {"change": 0.0} for part in CHANGES[:2]] + CHANGES[2:]


def seen(points=(), answers=(0, 0, 1, 1), **more):
    """A look at four examples, two of each class."""
    return replace(
        look(points=points, **more), map_labels=[0, 0, 1, 1], map_predictions=list(answers)
    )


def story(approach: str, *looks, items=(4, 5, 6, 7)):
    watched = WatchedExamples([0, 1], ["a", "b"], [0, 1], list(items))
    phases = [PhaseStarted(n, f"Part {n}", PARTS, 10, 0.01, 0.3) for n in range(2)]
    return fold_events([started(approach), watched, *phases, *looks])


STILL = (seen(SQUARE, (0, 0, 0, 0)), seen((), step=3, seconds=2.0))
MOVES = (seen(SQUARE, (0, 0, 0, 0)), seen(FAR, step=3, seconds=3.0))
LATE = (*STILL, seen((), phase=1, seconds=2.5), seen(FAR, phase=1, step=3, seconds=5.0))


WATCHED = WatchedExamples([0, 1], ["a", "b"], [0, 1], [4, 5, 6, 7])


# --- the film -------------------------------------------------------------------------------------


def test_how_far_marks_moved_is_measured_in_the_spread_of_the_map():
    wide = [[10 * x, 10 * y] for x, y in SQUARE]
    shifted = [[x + 0.5, y + 0.5] for x, y in SQUARE]
    assert mean_displacement(SQUARE, SQUARE) == 0
    assert mean_displacement(SQUARE, shifted) == pytest.approx(
        1.0
    )  # a corner is that far from the middle
    assert mean_displacement(wide, [[10 * x, 10 * y] for x, y in shifted]) == pytest.approx(1.0)


def test_who_has_its_own_kind_next_to_it():
    assert neighbour_agreement(FAR, (0, 0, 1, 1)) == 1
    assert neighbour_agreement(FAR, (0, 1, 0, 1)) == 0


@pytest.mark.parametrize(
    ("approach", "looks", "opening"),
    [
        ("transfer", STILL, "Nothing moves"),
        ("fine_tune", MOVES, "The marks move** from the beginning on"),
        ("hybrid", LATE, "They stand still, then they move"),
    ],
)
def test_the_words_tell_the_approaches_apart(approach, looks, opening):
    words = describe_animation(build_animation(story(approach, *looks)))
    assert opening in words
    assert "Right were 2 of 4 at the start, 4 at the end" in words
    assert ("first 2.5 seconds" in words) == (approach == "hybrid")
    assert ("stays as it was" in words) == (approach == "transfer")


def test_a_backbone_that_hardly_changed_is_not_said_to_be_as_it_was():
    nearly = [[x + 0.001, y] for x, y in SQUARE]
    words = describe_animation(
        build_animation(story("hybrid", MOVES[0], seen(nearly, step=1, seconds=2.0)))
    )
    assert "Nothing moves" in words
    assert "hardly changed" in words


def test_without_two_looks_there_is_no_film():
    assert build_animation(story("transfer", STILL[0])) is None
    assert build_animation(story("transfer")) is None
    assert build_animation(fold_events([])) is None


def test_one_film_stops_at_every_look_and_repeats_no_map_that_did_not_change():
    data = build_component_data([build_animation(story("hybrid", *LATE))], {})
    (panel,) = data["panels"]
    assert panel["frameAtStop"] == [0, 1, 2, 3]
    assert len(data["stops"]) == len(panel["frames"]) == 4
    assert [frame["map"] for frame in panel["frames"]] == [0, 0, 0, 1]
    assert len(panel["maps"]) == 2
    assert all(0 < value < 1 for places in panel["maps"] for at in places for value in at)
    assert json.loads(json.dumps(data))["panels"][0]["exampleIds"] == [4, 5, 6, 7]


def test_several_films_share_a_slider_by_the_share_of_each_run():
    films = [build_animation(story("transfer", *STILL)), build_animation(story("hybrid", *LATE))]
    data = build_component_data(films, {})
    first, second = (panel["frameAtStop"] for panel in data["panels"])
    assert len(first) == len(second) == len(data["stops"]) == map_animation.SLIDER_STEPS + 1
    assert (first[0], first[-1], second[0], second[-1]) == (0, 1, 0, 3)
    assert first == sorted(first)
    assert second == sorted(second)
    assert set(second) == {0, 1, 2, 3}


def test_the_table_has_the_first_and_the_last_look():
    many = [seen(SQUARE), *(seen((), step=n, seconds=1.0 + n) for n in range(1, 40))]
    rows = format_table(build_animation(story("transfer", *many)))
    assert len(rows) == 2 + 12
    assert "1.0 s" in rows[2]
    assert "40.0 s" in rows[-1]


def test_every_sign_of_the_live_map_has_a_shape_in_the_film(root):
    script = (root / "pages" / "parts" / "widgets" / "map_animation.js").read_text("utf-8")
    shapes = re.search(r"const SHAPES = \{(.+?)\n\}", script, re.DOTALL)[1]
    assert {name.strip('"') for name in re.findall(r'("?[a-z-]+"?): ', shapes)} == set(
        CLASS_SYMBOLS
    )


# --- the examples on it ---------------------------------------------------------------------------


def on_digits(visitor="ann", labels=None, items=(3, 1, 2), classes=tuple("0123456789")):
    """A run on real digits, and what it told."""
    plan = Plan(data="digits", approach="transfer", examples_per_class=2)
    key = get_store().enqueue(plan, visitor, worker="test")
    data = datasets.get_dataset("digits").load_splits(2, 0)
    labels = data.train.labels[list(items)].tolist() if labels is None else labels
    shown = replace(look(points=[(0, 0)] * 3), map_labels=labels, map_predictions=labels)
    events = [started("transfer", classes), WatchedExamples([], [], [], list(items)), shown]
    return fold_events(events), get_store().get_run(key)


def test_the_examples_are_those_that_the_map_was_made_of():
    found, why = load_map_examples(*on_digits())
    assert why == ""
    assert list(found) == [3, 1, 2]
    assert all(one.startswith("data:image/webp;base64,") for one in found.values())
    assert len(set(found.values())) == 3


def test_examples_that_do_not_fit_the_run_are_not_shown():
    for changes in ({"labels": [9, 9, 9]}, {"classes": ("a", "b")}, {"items": (3, 1, 10**9)}):
        kept = {"labels": [0, 0, 0]} if "items" in changes else {}
        assert load_map_examples(*on_digits(**changes | kept)) == (
            {},
            map_examples.DATA_CHANGED_MESSAGE,
        )


def test_a_run_that_did_not_note_them_says_so():
    found, why = load_map_examples(*on_digits(items=()))
    assert not found
    assert "older" in why


def test_what_belongs_to_another_visitor_is_not_read(monkeypatch):
    story, run = on_digits("ann-who-is-elsewhere")
    run = replace(run, job=replace(run.job))
    object.__setattr__(run.job, "data", "own-secret")
    monkeypatch.setattr(datasets, "get_dataset", lambda key: pytest.fail("it was read"))
    found, why = load_map_examples(story, run)
    assert not found
    assert "who added them" in why


# --- what changed ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "expected"),
    [(None, "new"), (0.0, "0 %"), (0.00002, "under 0.01 %"), (0.0016, "0.16 %"),
     (0.0284, "2.8 %"), (0.0855, "8.6 %"), (0.5, "50 %"), (1.25, "125 %")],
)  # fmt: skip
def test_a_change_in_few_signs(change, expected):
    assert format_change(change) == expected


@pytest.mark.parametrize(
    ("parts", "approach", "expected"),
    [
        (CHANGES, "fine_tune", ["310 of 310 numbers", "*stem* moved 2.8 %", "moved 8.6 %"]),
        (FROZEN, "transfer", ["10 of 310 numbers", "not one of its numbers"]),
        (PUT_BACK, "hybrid", ["310 of 310 numbers", "so it was put back: not one of its numbers"]),
        ([FROZEN[0], *CHANGES[1:]], "hybrid", ["only one part moved", "1 of 2 parts did not move"]),
        ([part | {"change": None} for part in CHANGES], "scratch", ["began at random"]),
        ([CHANGES[0] | {"learnable": 5}, *CHANGES[1:]], "hybrid", ["add-ons"]),
        ([CHANGES[0] | {"change": 0.2}, *CHANGES[1:]], "fine_tune", ["moved 20 %"]),
    ],
)
def test_what_changed_in_words(parts, approach, expected):
    words = change_in_words(WeightsCompared(parts, 1.0), approach)
    assert all(part in words for part in expected), words


@pytest.mark.parametrize("parts", [CHANGES, FROZEN, CHANGES[2:]])
def test_the_bars_are_a_figure_that_plotly_takes(parts):
    figure = weight_change_bars(parts, "#0B9A72")
    plotly.graph_objects.Figure(figure)
    (bars,) = figure["data"]
    assert len(bars["x"]) == len(bars["text"]) == len(parts)
    assert bars["text"][-1] == "new"
    assert ("frozen" in bars["text"][0]) == (parts is FROZEN)


# --- the sections of a run's page -----------------------------------------------------------------


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
def test_every_section_can_be_drawn_of_a_run_with_and_without_its_events(approach, section):
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


def test_transfer_learning_is_not_asked_what_it_forgot():
    at = page("forgot", "transfer", [WeightsCompared(FROZEN, 3.0)])
    assert "Transfer learning forgets nothing" in words(at)
    assert not [button for button in at.button if "Ask it" in button.label]


@pytest.mark.parametrize(
    ("parts", "why"),
    [(FROZEN, "before the backbone itself learned"), (PUT_BACK, "learned, but on the checks")],
)
def test_a_run_whose_backbone_never_moved_is_not_asked_either(parts, why):
    at = page("forgot", "hybrid", [WeightsCompared(parts, 3.0)])
    assert "Nothing was forgotten" in words(at)
    assert why in words(at)
    assert not [button for button in at.button if "Ask it" in button.label]


def test_who_started_the_run_can_ask_and_the_job_is_started_once():
    at = page("forgot", events=[WeightsCompared(CHANGES, 3.0)])
    (button,) = [button for button in at.button if "Ask it" in button.label]
    button.click().run()
    assert not at.exception
    (run,) = get_store().list_runs("the-visitor-of-this-page")
    (job,) = get_store().list_runs("the-visitor-of-this-page", kind="forgot")
    assert job.job == ForgettingTest(key=run.id, visitor="the-visitor-of-this-page")
    assert not [button for button in at.button if "Ask it" in button.label]
    assert [button for button in at.button if button.label == "Cancel"]


def test_others_can_only_see_the_answer():
    at = page("forgot", events=[WeightsCompared(CHANGES, 3.0)], visitor="someone-else-entirely")
    assert "Only who started this run" in words(at)
    assert not [button for button in at.button if "Ask it" in button.label]


def what_it_found() -> dict:
    questions = [Question(n, "lorry", (0, 1), ("bus", "lorry")) for n in range(12)]
    probe = Probe("<i>Vehicles</i>", ["x"] * 12, questions, centred=True)
    return summarise_answers([probe], [[1] * 12], [[0] * 8 + [1] * 4], untouched=False)


def test_what_it_found_is_told_in_words_and_numbers():
    at = page("forgot", job_end=JobDone(what_it_found(), 2.0), visitor="someone-else-entirely")
    assert not at.exception
    said = words(at).replace("\\", "")
    assert "It forgot something" in said
    assert "12 of 12 right before, 4 after" in said
    assert "| 12 | 12 | 4 |" in said


def test_a_failure_is_told_and_can_be_tried_again():
    at = page(
        "forgot", events=[WeightsCompared(CHANGES, 3.0)], job_end=JobFailed("No *model* here.", 1.0)
    )
    assert "No \\*model\\* here" in at.warning[0].value
    assert [button for button in at.button if "Ask it" in button.label]


def test_before_and_after_are_a_figure_that_plotly_takes():
    figure = forgetting_chart(what_it_found(), "#0B9A72")
    plotly.graph_objects.Figure(figure)
    (marks,) = figure["data"]
    assert marks["x"] == [100.0, pytest.approx(33.3, abs=0.1)]
    assert all(value >= 0 for name in ("array", "arrayminus") for value in marks["error_x"][name])


# --- side by side ---------------------------------------------------------------------------------


def test_a_comparison_shows_the_films_only_once_they_are_asked_for(monkeypatch):
    runs = get_store()
    job = Comparison(data="digits", visitor="someone", approaches=("transfer", "hybrid", "none"))
    key = runs.enqueue(job, "someone", worker="test")
    for lane, (approach, looks) in enumerate([("transfer", STILL), ("hybrid", LATE), ("none", ())]):
        run = runs.enqueue(Plan(data="digits", approach=approach), "someone", worker="test")
        runs.append(key, [ComparisonRunStarted(approach, run, lane, 3, 1.0)])
        runs.append(run, [started(approach), *looks, finished(approach)])
        runs.append(key, [ComparisonRunDone(approach, run, 2.0)])
    runs.append(key, [compared()])
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
