"""Section "Right and wrong" of a run's page, without a browser."""

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
from trainers.system.streams import drain

CLASSES = tuple("0123456789")
ANN, BOB = "ann-the-visitor-1", "bob-the-visitor-2"


def open_page(
    labels, answers, confidence, *, data="digits", classes=CLASSES, owner=ANN, viewer=ANN
):
    """Return the page of `owner`'s run as `viewer` sees it, with the section open."""
    predictions = PredictionsRecorded(list(labels), list(answers), list(confidence), 2.0)
    modality = datasets.get_dataset(data).modality
    facts = {"data": data, "classes": list(classes)}
    scores = score(labels, answers, len(classes))
    end = finished(
        "transfer", **facts, test_examples=len(labels), test_correct=scores.right,
        test_accuracy=scores.accuracy, confusion_matrix=scores.confusion,
    )  # fmt: skip
    start = replace(started("transfer"), modality=modality, **facts)
    run = get_store().enqueue(Plan(data=data, approach="transfer"), visitor=owner, worker="test")
    get_store().append(run, [start, predictions, end])
    at = AppTest.from_file(FRAME, default_timeout=60)
    at.session_state["visitor"] = viewer
    at.run()
    at.query_params.update(address(run, viewer) | {"section": "mistakes"})
    return at.switch_page("run.py").run()


def cards(at, key) -> list[dict]:
    """Return the contents of the cards called `key`; [] if there are none."""
    matching = [part for part in at.get("bidi_component") if part.key == key]
    return json.loads(matching[0].proto.json)["cards"] if matching else []


def all_content(at) -> str:
    return words(at) + str([part.proto.json for part in at.get("bidi_component")])


@pytest.fixture(scope="module")
def digits():
    """Return labels, answers and confidence; the first 30 are wrong with rising confidence."""
    labels = datasets.get_dataset("digits").load_splits(1).test.labels
    answers, confidence = labels.copy(), np.full(len(labels), 0.5)
    answers[:30] = (labels[:30] + 1) % 10
    confidence[:30] = np.linspace(0.55, 0.99, 30).round(3)
    return labels.tolist(), answers.tolist(), confidence.tolist()


def test_the_most_frequent_mistake_is_selected_and_another_can_be_chosen(digits):
    at = open_page(*digits)
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


def test_a_click_selects_a_cell_and_invalid_marks_do_not(monkeypatch):
    state: dict = {}
    monkeypatch.setattr(section.st, "session_state", state)
    for mark in (None, "x", [1], [0, 10], [-1, 0], [0.5, 1], {"row": 1}):
        section.select_cell("r", 10, mark)
    assert state == {}
    section.select_cell("r", 10, [2, 5])
    assert state == {"truth-r": 2, "answer-r": 5}


def test_mistakes_are_described_and_listed_in_a_table(digits):
    shown = words(open_page(*digits))
    assert "Most often taken for another:" in shown
    assert "| it was | the model said | how often |" in shown


def test_show_more_adds_mistakes(digits):
    at = open_page(*digits)
    more = next(button for button in at.button if button.label.startswith("Show more"))
    assert more.label == "Show more (18 are left)"
    more.click().run()
    assert "Show more (6 are left)" in {button.label for button in at.button}
    assert len(cards(at, "worst")) == 24


def test_suspect_labels_can_be_filtered_and_are_never_called_wrong(digits):
    at = open_page(*digits)
    shown = words(at)
    assert "The label may be wrong, or the model is" in shown
    assert "Only a person who looks can tell" in shown
    (views,) = [group for group in at.get("button_group") if group.key.startswith("mistakes-")]
    views.set_value("labels")
    at.run()
    assert not at.exception
    assert {card["note"] for card in cards(at, "worst")} == {"? Is the label right?"}


def test_a_run_without_a_mistake_says_so(digits):
    labels, _, confidence = digits
    shown = words(open_page(labels, labels, confidence))
    assert "Every answer is right" in shown
    assert "There is none: every answer is right" in shown


def test_an_approach_without_probabilities_claims_none(digits):
    labels, answers, _ = digits
    at = open_page(labels, answers, [])
    assert not at.exception
    assert "gives no probabilities" in words(at)
    assert "The label may be wrong" not in words(at)
    assert not any("sure" in card for card in cards(at, "worst"))


def test_examples_are_not_shown_once_the_data_has_changed(digits):
    labels, answers, confidence = digits
    at = open_page(answers, labels, confidence)  # not the labels of the sample
    assert not at.exception
    assert "No examples are shown. The test examples are others by now" in words(at)
    assert "Most often taken for another" in words(at)  # the numbers stay


@pytest.fixture
def texts(tmp_path):
    """Return Ann's upload with one wrong answer: key, labels, answers, confidence."""
    path = tmp_path / "texts.csv"
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        rows.writerows([f"secret {name} number {n}", name] for n in range(25) for name in "xy")
    key = f"own-{drain(uploads.import_upload(path, visitor=ANN))}"
    labels = datasets.get_dataset(key).load_splits(1).test.labels.tolist()
    return key, labels, [1 - labels[0], *labels[1:]], [0.9] * len(labels)


def test_uploaded_examples_are_shown_to_their_owner_only(texts):
    key, labels, answers, confidence = texts
    own_page = open_page(labels, answers, confidence, data=key, classes="xy")
    assert "secret" in all_content(own_page)
    assert "No examples are shown" not in words(own_page)
    for owner in (ANN, BOB):  # Ann's run; one that Bob imported from a file
        page = open_page(
            labels, answers, confidence, data=key, classes="xy", owner=owner, viewer=BOB
        )
        assert not page.exception
        assert "secret" not in all_content(page)
        assert "belongs to somebody else" in words(page)
        assert "Most often taken for another" in words(page)


def test_numbers_stay_when_the_data_is_deleted(texts):
    key, labels, answers, confidence = texts
    uploads.delete(key)
    at = open_page(labels, answers, confidence, data=key, classes="xy")
    assert not at.exception
    assert "No examples are shown. This data was deleted" in words(at)
    assert "Most often taken for another" in words(at)


def test_the_chosen_cell_is_framed():
    counts = [[3, 1], [0, 4]]
    layout, plain = (
        confusion_matrix.clickable_confusion_matrix(["a", "b"], counts, "#112233", cell)["layout"]
        for cell in ((0, 1), None)
    )
    (frame,) = layout["shapes"]
    assert (frame["x0"], frame["x1"], frame["y0"], frame["y1"]) == (0.5, 1.5, -0.5, 0.5)
    assert layout["xaxis"]["fixedrange"]
    assert "shapes" not in plain
