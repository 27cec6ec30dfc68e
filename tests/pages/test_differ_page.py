"""Two runs side by side: their disagreements; and the sparklines of the list."""

import re

import pytest

from pages.parts.figures.sparkline import HEIGHT_PX, WIDTH_PX, sparkline
from pages.parts.results import disagreements
from tests.pages.test_pages import finished, look, started, words
from tests.pages.test_runs_page import ANN, page, ran
from trainers import datasets
from trainers.events import PredictionsRecorded
from trainers.plan import Plan
from trainers.reports.mistakes import ExamplesUnavailable
from trainers.store import get_store

DIGITS = datasets.get_dataset("digits").load_splits(1, 0)


def run_on_digits(wrong, approach="transfer", **settings) -> str:
    """Return a finished run on the digits whose answers at the places `wrong` are wrong."""
    run = get_store().enqueue(
        Plan(data="digits", approach=approach, **settings), ANN, worker="test"
    )
    labels = DIGITS.test.labels[:50].tolist()
    answers = [(label + 1) % 10 if place in wrong else label for place, label in enumerate(labels)]
    end = finished(approach, data="digits", classes=list(DIGITS.classes), test_examples=50)
    events = [started(approach, DIGITS.classes), look(seconds=2.0)]
    get_store().append(run, [*events, PredictionsRecorded(labels, answers, [], 3.0), end])
    return run


@pytest.fixture
def cards(monkeypatch):
    """Return the cards that are drawn, by key."""
    drawn = {}
    monkeypatch.setattr(
        disagreements,
        "draw_example_cards",
        lambda cards, *, key, colour: drawn.update({key: cards}),
    )
    return drawn


def test_disagreements_are_shown_with_both_answers(cards):
    first, second = run_on_digits({3, 4, 5}, "transfer"), run_on_digits({5, 9}, "hybrid")
    at = page(runs=f"{first},{second}")
    assert not at.exception
    text = words(at)
    assert "Only run 1 is right: 1" in text
    assert "Only run 2 is right: 2" in text
    assert "| **run 1 is right** | 46 | 1 |" in text
    assert "| **run 1 is wrong** | 2 | 1 |" in text
    assert "this does not tell which is better" in text
    ((card,), second_cards) = cards.values()
    label = int(DIGITS.test.labels[9])
    assert card["label"] == DIGITS.classes[label]
    answer = DIGITS.classes[(label + 1) % 10]
    assert card["note"] == f"✓ run 1 · ✗ run 2 says {answer}"
    assert card["example"].startswith("data:image/")
    assert len(second_cards) == 2


def test_any_two_of_three_runs_can_be_chosen(cards):
    keys = [run_on_digits({1}), run_on_digits({2}), run_on_digits({3, 4})]
    at = page(runs=",".join(keys))
    assert len(at.selectbox(key="pair").options) == 3
    at.selectbox(key="pair").select_index(2).run()
    assert not at.exception
    assert "Only run 2 is right: 2" in words(at)
    assert "Only run 3 is right: 1" in words(at)


def test_show_more_adds_cards(cards):
    at = page(runs=f"{run_on_digits(set())},{run_on_digits(set(range(20)))}")
    assert len(next(iter(cards.values()))) == 12
    next(button for button in at.button if button.label == "Show more (8 are left)").click()
    at.run()
    assert len(next(iter(cards.values()))) == 20


def test_runs_on_different_test_sets_are_not_compared(cards):
    at = page(runs=f"{ran('transfer')},{ran('transfer', data='vehicles')}")
    assert "Where they differ" not in words(at)
    assert not cards


def test_a_changed_test_set_shows_numbers_and_no_examples(cards):
    at = page(runs=f"{ran('transfer')},{ran('hybrid', right=(0, 0, 0, 1))}")
    assert not at.exception
    assert "The test examples are others by now" in words(at)
    assert "| **run 1 is right** | 0 | 3 |" in words(at)
    assert not cards


def test_uploaded_examples_are_shown_to_their_owner_only(cards, monkeypatch):
    def refuse(*_):
        raise ExamplesUnavailable("They belong to another browser.")

    monkeypatch.setattr(disagreements, "load_test_examples", refuse)
    at = page(runs=f"{run_on_digits({1})},{run_on_digits({2})}")
    assert "They belong to another browser" in words(at)
    assert not cards


def test_a_row_has_the_sparkline_of_its_run():
    ran("transfer")
    get_store().enqueue(
        Plan(data="digits", approach="hybrid"), ANN, worker="test"
    )  # not evaluated yet
    at = page()
    assert not at.exception
    drawn = str([element.proto for element in at.get("bidi_component")])
    assert drawn.count("Right on the checks") == 2  # as its label and as its title


def test_ids_with_underscores_can_be_drawn(cards, monkeypatch):
    ids = iter(["_a__b_", "_a__c_"])
    monkeypatch.setattr("trainers.store.rows.secrets.token_urlsafe", lambda _: next(ids))
    keys = [run_on_digits({1}), run_on_digits({2})]
    assert not page().exception
    assert not page(runs=",".join(keys)).exception
    assert not [key for key in cards if "__" in key]


@pytest.mark.parametrize(
    "points", [[(1.0, 0.0)], [(1.0, 0.2), (1.0, 0.3)], [(0.0, 0.0), (3.0, 1.0), (9.0, 0.5)]]
)
def test_a_sparkline_stays_in_its_box(points):
    svg = sparkline(points, "#123456")
    (line,) = re.findall(r'points="([^"]+)"', svg)
    places = [tuple(map(float, place.split(","))) for place in line.split()]
    assert len(places) == len(points)
    assert all(0 <= x <= WIDTH_PX and 0 <= y <= HEIGHT_PX for x, y in places)
    assert f"to {points[-1][1]:.0%}" in svg
