"""The section of a run's page on what was right and wrong, without a browser."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.figures import confusion_matrix
from pages.parts.results import mistakes as section
from tests.pages.test_pages import FRAME, finished, started, words
from tests.support.run_address import address
from trainers import datasets
from trainers.datasets import uploads
from trainers.evaluation.metrics import score
from trainers.events import PredictionsRecorded
from trainers.plan import Plan
from trainers.store import get_store

CLASSES = tuple("0123456789")
ANN, BOB = "ann-the-visitor-1", "bob-the-visitor-2"


def drawn(labels, answers, sure, *, data="digits", classes=CLASSES, of=ANN, by=ANN):
    """The section of `of`'s run, as `by` sees it."""
    answered = PredictionsRecorded(list(labels), list(answers), list(sure), 2.0)
    modality = datasets.get_dataset(data).modality
    facts = {"data": data, "classes": list(classes)}
    found = score(labels, answers, len(classes))
    end = finished(
        "transfer", **facts, test_examples=len(labels), test_correct=found.right,
        test_accuracy=found.accuracy, confusion_matrix=found.confusion,
    )  # fmt: skip
    start = replace(started("transfer"), modality=modality, **facts)
    run = get_store().enqueue(Plan(data=data, approach="transfer"), visitor=of, worker="test")
    get_store().append(run, [start, answered, end])
    at = AppTest.from_file(FRAME, default_timeout=60)
    at.session_state["visitor"] = by
    at.run()
    at.query_params.update(address(run, by) | {"section": "mistakes"})
    return at.switch_page("run.py").run()


def cards(at, key) -> list[dict]:
    """What the cards called `key` show; [] where they are not drawn."""
    found = [one for one in at.get("bidi_component") if one.key == key]
    return json.loads(found[0].proto.json)["cards"] if found else []


def all_shown(at) -> str:
    return words(at) + str([one.proto.json for one in at.get("bidi_component")])


@pytest.fixture(scope="module")
def digits():
    """Labels of the test of digits; 30 of them answered wrong, ever more surely."""
    labels = datasets.get_dataset("digits").load_splits(1).test.labels
    answers, sure = labels.copy(), np.full(len(labels), 0.5)
    answers[:30] = (labels[:30] + 1) % 10
    sure[:30] = np.linspace(0.55, 0.99, 30).round(3)
    return labels.tolist(), answers.tolist(), sure.tolist()


def test_the_most_frequent_mistake_is_looked_at_first_and_another_can_be_chosen(digits):
    at = drawn(*digits)
    assert not at.exception
    truth, answer = at.selectbox
    assert answer.value == (truth.value + 1) % 10
    assert "Click a square of the matrix, or choose here" in words(at)
    shown = cards(at, "cell")
    assert shown
    assert {(card["label"], card["answer"]) for card in shown} == {
        (str(truth.value), str(answer.value))
    }
    assert all(card["example"].startswith("data:image/png") for card in shown)
    assert [card["sure"] for card in shown] == sorted((c["sure"] for c in shown), reverse=True)
    truth.set_value(3).run()
    answer.set_value(7).run()
    assert "was taken for 7" in words(at)
    assert cards(at, "cell") == []
    at.selectbox[1].set_value(3).run()
    assert "the least sure come first" in words(at)
    assert not at.exception


def test_a_click_chooses_a_cell_and_nonsense_does_not(monkeypatch):
    state: dict = {}
    monkeypatch.setattr(section.st, "session_state", state)
    for mark in (None, "x", [1], [0, 10], [-1, 0], [0.5, 1], {"row": 1}):
        section.select_cell("r", 10, mark)
    assert state == {}
    section.select_cell("r", 10, [2, 5])
    assert state == {"truth-r": 2, "answer-r": 5}


def test_mistakes_are_said_in_words_and_listed_in_a_table(digits):
    shown = words(drawn(*digits))
    assert "Most often taken for another:" in shown
    assert "| it was | the model said | how often |" in shown


def test_there_are_more_mistakes_when_asked_for(digits):
    at = drawn(*digits)
    more = next(one for one in at.button if one.label.startswith("Show more"))
    assert more.label == "Show more (18 are left)"
    more.click().run()
    assert "Show more (6 are left)" in {one.label for one in at.button}
    assert len(cards(at, "worst")) == 24


def test_doubted_labels_are_told_apart_and_never_called_wrong(digits):
    at = drawn(*digits)
    shown = words(at)
    assert "The label may be wrong, or the model is" in shown
    assert "Only a person who looks can tell" in shown
    (views,) = [one for one in at.get("button_group") if one.key.startswith("mistakes-")]
    views.set_value("labels")
    at.run()
    assert not at.exception
    assert {card["note"] for card in cards(at, "worst")} == {"? Is the label right?"}


def test_a_run_without_a_mistake_says_so(digits):
    labels, _, sure = digits
    shown = words(drawn(labels, labels, sure))
    assert "Every answer is right" in shown
    assert "There is none: every answer is right" in shown


def test_an_approach_without_probabilities_claims_none(digits):
    labels, answers, _ = digits
    at = drawn(labels, answers, [])
    assert not at.exception
    assert "gives no probabilities" in words(at)
    assert "The label may be wrong" not in words(at)
    assert not any("sure" in card for card in cards(at, "worst"))


def test_examples_that_are_others_by_now_are_not_shown(digits):
    labels, answers, sure = digits
    at = drawn(answers, labels, sure)  # the labels are not those of the sample
    assert not at.exception
    assert "No examples are shown. The test examples are others by now" in words(at)
    assert "Most often taken for another" in words(at)  # the numbers stay


@pytest.fixture
def texts(tmp_path):
    """Ann's own texts, and the labels of their test."""
    path = tmp_path / "texts.csv"
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        rows.writerows([f"secret {name} number {n}", name] for n in range(25) for name in "xy")
    reading = uploads.import_upload(path, visitor=ANN)
    while True:
        try:
            next(reading)
        except StopIteration as end:
            key = f"own-{end.value}"
            break
    labels = datasets.get_dataset(key).load_splits(1).test.labels.tolist()
    return key, labels, [1 - labels[0], *labels[1:]], [0.9] * len(labels)


def test_own_examples_are_shown_to_their_visitor_alone(texts):
    key, labels, answers, sure = texts
    mine = drawn(labels, answers, sure, data=key, classes="xy")
    assert "secret" in all_shown(mine)
    assert "No examples are shown" not in words(mine)
    for of in (ANN, BOB):  # a run of Ann's; one that Bob brought in as a file
        theirs = drawn(labels, answers, sure, data=key, classes="xy", of=of, by=BOB)
        assert not theirs.exception
        assert "secret" not in all_shown(theirs)
        assert "belongs to somebody else" in words(theirs)
        assert "Most often taken for another" in words(theirs)


def test_deleted_data_leaves_the_numbers(texts):
    key, labels, answers, sure = texts
    uploads.delete(key)
    at = drawn(labels, answers, sure, data=key, classes="xy")
    assert not at.exception
    assert "No examples are shown. This data was deleted" in words(at)
    assert "Most often taken for another" in words(at)


def test_the_chosen_cell_is_framed():
    counts = [[3, 1], [0, 4]]
    layout = confusion_matrix.clickable_confusion_matrix(["a", "b"], counts, "#112233", (0, 1))[
        "layout"
    ]
    (frame,) = layout["shapes"]
    assert (frame["x0"], frame["x1"], frame["y0"], frame["y1"]) == (0.5, 1.5, -0.5, 0.5)
    assert layout["xaxis"]["fixedrange"]
    assert (
        "shapes"
        not in confusion_matrix.clickable_confusion_matrix(["a", "b"], counts, "#112233", None)[
            "layout"
        ]
    )
