"""The section "Why this answer" of a finished run."""

import pytest

from pages.parts.results import saliency
from tests.pages.test_pages import RUN, buttons, finished, shown_run, words
from tests.support.run_address import address
from trainers import serving
from trainers.events import PredictionsRecorded
from trainers.serving import InferenceError, LoadStatus
from trainers.store import get_store
from trainers.system.paths import run_dir

PREDICTIONS = PredictionsRecorded([0, 0, 1, 1, 0], [1, 0, 1, 0, 1], [0.6, 0.9, 0.8, 0.95, 0.7], 3.0)
PICTURE = {
    "what": "picture",
    "answer": 0,
    "sureness": 0.95,
    "measure": "probability",
    "change": [[0.0, 0.4], [0.0, -0.2]],
    "picture": "data:image/png;base64,AAAA",
}
TEXT = {"what": "text", "answer": 1, "sureness": 0.4, "measure": "likeness",
        "words": [["<b>bad</b> ", 0.3], ["*word*", -0.1]]}  # fmt: skip


def open_section(predictions=PREDICTIONS, model=True):
    """Return the section of the visitor's own run, and the run's id."""
    at = shown_run([*RUN, *([predictions] if predictions else []), finished()])
    (run,) = get_store().list_runs("someone")
    if model:
        run_dir(run.id).mkdir(parents=True)
        (run_dir(run.id) / "model.safetensors").write_bytes(b"")
    at.session_state["section"] = "why"
    at.session_state["visitor"] = "someone"
    return at.run(), run.id


class Model:
    """A stand-in for the serving process that records its requests."""

    def __init__(self) -> None:
        self.requests, self.explanation, self.error = [], PICTURE, ""
        self.status = LoadStatus(True, "Ready", 1.0)

    def call(self, verb, run, inputs, **options):
        self.requests.append((verb, run, list(inputs), options))
        if self.error:
            raise InferenceError(self.error)
        return [self.explanation]


@pytest.fixture
def model(monkeypatch):
    fake = Model()
    monkeypatch.setattr(serving, "poll_loading", lambda run: fake.status)
    monkeypatch.setattr(serving, "call_endpoint", fake.call)
    return fake


def press_explain(at):
    next(button for button in at.button if button.label == "Show what it rests on").click()
    return at.run()


def test_the_surest_mistakes_come_first_then_right_answers_of_each_class():
    assert saliency.list_candidates(PREDICTIONS) == [3, 4, 0, 1, 2]
    unsure = PredictionsRecorded(PREDICTIONS.labels, PREDICTIONS.predictions, [], 3.0)
    assert saliency.list_candidates(unsure) == [0, 3, 4, 1, 2]
    name = saliency.format_example(3, PREDICTIONS, ["<b>cat</b>", "dog"])
    assert name == "Wrong: says <b>cat</b>, 95% sure; it is dog (test example 4)"


def test_the_button_sends_one_request(model):
    at, run = open_section()
    assert not at.exception
    assert model.requests == []
    at = press_explain(at)
    assert model.requests == [("explain", run, [], {"item": 3, "label": 0})]
    assert "Show what it rests on" not in buttons(at)
    at.run()
    assert len(model.requests) == 1


def test_the_request_waits_until_the_model_is_loaded(model):
    model.status = LoadStatus(False, "Loading the model", 0.1)
    at = press_explain(open_section()[0])
    assert "The model is being loaded" in at.get("progress")[-1].proto.text
    assert model.requests == []
    model.status = LoadStatus(True, "Ready", 1.0)
    assert "rests most on" in words(at.run())


def test_the_true_class_can_be_explained_too(model):
    at, run = open_section()
    at.session_state["why_label_3"] = 1
    press_explain(at.run())
    assert model.requests == [("explain", run, [], {"item": 3, "label": 1})]


@pytest.mark.parametrize(("explanation", "says"), [
    (PICTURE, "rests most on the upper right"),
    (TEXT, "by so much its likeness falls without the word"),
])  # fmt: skip
def test_an_explanation_is_described_with_its_limitations(explanation, says, model):
    model.explanation = explanation
    at = press_explain(open_section()[0])
    assert not at.exception
    assert says in words(at)
    assert saliency.LIMITATIONS in words(at)
    assert len(at.dataframe) == 1
    assert not any(block.allow_html for block in at.markdown)


def test_words_of_the_input_are_escaped(model):
    model.explanation = TEXT
    at = press_explain(open_section()[0])
    assert "\\*word" not in words(at)  # speaks against the answer: not named
    assert "\\<b\\>bad\\</b\\>" in words(at)


def test_an_error_is_shown_and_can_be_retried(model):
    model.error = "The data of this run was deleted."
    at = press_explain(open_section()[0])
    assert "The data of this run was deleted" in words(at)
    assert "Show what it rests on" in buttons(at)


@pytest.mark.parametrize("options", [{"predictions": None}, {"model": False}])
def test_without_a_model_or_predictions_there_is_no_button(options):
    at, _ = open_section(**options)
    assert not at.exception
    assert "left no model here" in words(at)
    assert "Show what it rests on" not in buttons(at)


def test_uploaded_examples_are_explained_to_their_owner_only(monkeypatch):
    at, run = open_section()
    find = type(get_store()).get_run

    def own(self, key):
        run = find(self, key)
        object.__setattr__(run.job, "data", "own-0123456789abcdef")
        return run

    at.query_params.clear()
    at.query_params.update(address(run, "another"))
    monkeypatch.setattr(type(get_store()), "get_run", own)
    at.session_state["visitor"] = "another"
    at.run()
    assert "only to who added them" in words(at)
    assert "Show what it rests on" not in buttons(at)
