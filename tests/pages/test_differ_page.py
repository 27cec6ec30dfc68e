"""Two runs side by side: the examples on which they differ; and the small curves in the list."""

import re

import pytest

from pages.parts.figures.sparkline import HEIGHT_PX, WIDTH_PX, sparkline
from pages.parts.results import disagreements as differ_part
from tests.pages.test_pages import finished, look, started, words
from tests.pages.test_runs_page import ANN, page, ran
from trainers import datasets
from trainers.events import PredictionsRecorded
from trainers.plan import Plan
from trainers.reports.mistakes import ExamplesUnavailable
from trainers.store import get_store

DIGITS = datasets.get_dataset("digits").load_splits(1, 0)


def of_digits(wrong, approach="transfer", **settings) -> str:
    """A run on the digits as they are, with these places of its test answered wrong."""
    run = get_store().enqueue(
        Plan(data="digits", approach=approach, **settings), ANN, worker="test"
    )
    labels = DIGITS.test.labels[:50].tolist()
    answers = [(n + 1) % 10 if place in wrong else n for place, n in enumerate(labels)]
    end = finished(approach, data="digits", classes=list(DIGITS.classes), test_examples=50)
    told = [started(approach, DIGITS.classes), look(seconds=2.0)]
    get_store().append(run, [*told, PredictionsRecorded(labels, answers, [], 3.0), end])
    return run


@pytest.fixture
def cards(monkeypatch):
    """What is drawn as cards."""
    drawn = {}
    monkeypatch.setattr(
        differ_part, "draw_example_cards", lambda cards, *, key, colour: drawn.update({key: cards})
    )
    return drawn


def test_the_examples_on_which_two_differ_are_shown_with_both_answers(cards):
    one, other = of_digits({3, 4, 5}, "transfer"), of_digits({5, 9}, "hybrid")
    at = page(runs=f"{one},{other}")
    assert not at.exception
    said = words(at)
    assert "Only run 1 is right: 1" in said
    assert "Only run 2 is right: 2" in said
    assert "| **run 1 is right** | 46 | 1 |" in said
    assert "| **run 1 is wrong** | 2 | 1 |" in said
    assert "this does not tell which is better" in said
    ((only,), both) = cards.values()
    label = int(DIGITS.test.labels[9])
    assert only["label"] == DIGITS.classes[label]
    says = DIGITS.classes[(label + 1) % 10]
    assert only["note"] == f"✓ run 1 · ✗ run 2 says {says}"
    assert only["example"].startswith("data:image/")
    assert len(both) == 2


def test_of_more_than_two_any_two_can_be_chosen(cards):
    keys = [of_digits({1}), of_digits({2}), of_digits({3, 4})]
    at = page(runs=",".join(keys))
    assert len(at.selectbox(key="pair").options) == 3
    at.selectbox(key="pair").select_index(2).run()
    assert not at.exception
    assert "Only run 2 is right: 2" in words(at)
    assert "Only run 3 is right: 1" in words(at)


def test_more_are_shown_when_asked_for(cards):
    at = page(runs=f"{of_digits(set())},{of_digits(set(range(20)))}")
    assert len(next(iter(cards.values()))) == 12
    next(button for button in at.button if button.label == "Show more (8 are left)").click()
    at.run()
    assert len(next(iter(cards.values()))) == 20


def test_runs_of_different_tests_are_not_laid_against_each_other(cards):
    at = page(runs=f"{ran('transfer')},{ran('transfer', data='vehicles')}")
    assert "Where they differ" not in words(at)
    assert not cards


def test_a_test_that_is_another_by_now_shows_numbers_and_no_examples(cards):
    at = page(runs=f"{ran('transfer')},{ran('hybrid', right=(0, 0, 0, 1))}")
    assert not at.exception
    assert "The test examples are others by now" in words(at)
    assert "| **run 1 is right** | 0 | 3 |" in words(at)
    assert not cards


def test_own_examples_are_shown_to_their_owner_only(cards, monkeypatch):
    def anothers(*_):
        raise ExamplesUnavailable("They belong to another browser.")

    monkeypatch.setattr(differ_part, "load_test_examples", anothers)
    at = page(runs=f"{of_digits({1})},{of_digits({2})}")
    assert "They belong to another browser" in words(at)
    assert not cards


# --- small curves ---------------------------------------------------------------------------------


def test_a_row_has_the_curve_of_its_run():
    ran("transfer")
    get_store().enqueue(Plan(data="digits", approach="hybrid"), ANN, worker="test")  # no look yet
    at = page()
    assert not at.exception
    drawn = str([element.proto for element in at.get("bidi_component")])
    assert drawn.count("Right on the checks") == 2  # as its label and as its title


def test_any_id_that_the_store_makes_can_be_drawn(cards, monkeypatch):
    ids = iter(["_a__b_", "_a__c_"])
    monkeypatch.setattr("trainers.store.rows.secrets.token_urlsafe", lambda _: next(ids))
    keys = [of_digits({1}), of_digits({2})]
    assert not page().exception
    assert not page(runs=",".join(keys)).exception
    assert not [key for key in cards if "__" in key]


@pytest.mark.parametrize(
    "points", [[(1.0, 0.0)], [(1.0, 0.2), (1.0, 0.3)], [(0.0, 0.0), (3.0, 1.0), (9.0, 0.5)]]
)
def test_a_small_curve_stays_in_its_box(points):
    svg = sparkline(points, "#123456")
    (line,) = re.findall(r'points="([^"]+)"', svg)
    places = [tuple(map(float, place.split(","))) for place in line.split()]
    assert len(places) == len(points)
    assert all(0 <= x <= WIDTH_PX and 0 <= y <= HEIGHT_PX for x, y in places)
    assert f"to {points[-1][1]:.0%}" in svg
