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

ANSWERED = PredictionsRecorded([0, 0, 1, 1, 0], [1, 0, 1, 0, 1], [0.6, 0.9, 0.8, 0.95, 0.7], 3.0)
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


def asked(answered=ANSWERED, model=True):
    """The section of a run of one's own."""
    at = shown_run([*RUN, *([answered] if answered else []), finished()])
    (run,) = get_store().list_runs("someone")
    if model:
        run_dir(run.id).mkdir(parents=True)
        (run_dir(run.id) / "model.safetensors").write_bytes(b"")
    at.session_state["section"] = "why"
    at.session_state["visitor"] = "someone"
    return at.run(), run.id


class Model:
    """What answers in place of the process; notes what it is asked."""

    def __init__(self) -> None:
        self.asked, self.found, self.error = [], PICTURE, ""
        self.opening = LoadStatus(True, "Ready", 1.0)

    def call(self, verb, run, inputs, **options):
        self.asked.append((verb, run, list(inputs), options))
        if self.error:
            raise InferenceError(self.error)
        return [self.found]


@pytest.fixture
def model(monkeypatch):
    made = Model()
    monkeypatch.setattr(serving, "poll_loading", lambda run: made.opening)
    monkeypatch.setattr(serving, "call_endpoint", made.call)
    return made


def pressed(at):
    next(one for one in at.button if one.label == "Show what it rests on").click()
    return at.run()


def test_the_surest_mistakes_come_first_then_right_answers_of_each_class():
    assert saliency.list_candidates(ANSWERED) == [3, 4, 0, 1, 2]
    unsure = PredictionsRecorded(ANSWERED.labels, ANSWERED.predictions, [], 3.0)
    assert saliency.list_candidates(unsure) == [0, 3, 4, 1, 2]
    named = saliency.format_example(3, ANSWERED, ["<b>cat</b>", "dog"])
    assert named == "Wrong: says <b>cat</b>, 95% sure; it is dog (test example 4)"


def test_the_warm_model_is_asked_when_the_button_is_pressed_and_once(model):
    at, run = asked()
    assert not at.exception
    assert model.asked == []
    at = pressed(at)
    assert model.asked == [("explain", run, [], {"item": 3, "label": 0})]
    assert "Show what it rests on" not in buttons(at)
    at.run()
    assert len(model.asked) == 1


def test_a_model_that_is_being_loaded_says_so_and_is_asked_when_it_is_there(model):
    model.opening = LoadStatus(False, "Loading the model", 0.1)
    at = pressed(asked()[0])
    assert "The model is being loaded" in at.get("progress")[-1].proto.text
    assert model.asked == []
    model.opening = LoadStatus(True, "Ready", 1.0)
    assert "rests most on" in words(at.run())


def test_the_truth_can_be_asked_about_too(model):
    at, run = asked()
    at.session_state["why_label_3"] = 1
    pressed(at.run())
    assert model.asked == [("explain", run, [], {"item": 3, "label": 1})]


@pytest.mark.parametrize(("found", "says"), [
    (PICTURE, "rests most on the upper right"),
    (TEXT, "by so much its likeness falls without the word"),
])  # fmt: skip
def test_what_was_found_is_said_in_words_and_never_without_its_limits(found, says, model):
    model.found = found
    at = pressed(asked()[0])
    assert not at.exception
    assert says in words(at)
    assert saliency.LIMITATIONS in words(at)
    assert len(at.dataframe) == 1
    assert not any(one.allow_html for one in at.markdown)


def test_a_visitors_words_are_text(model):
    model.found = TEXT
    at = pressed(asked()[0])
    assert "\\*word" not in words(at)  # it speaks against, so it is not named
    assert "\\<b\\>bad\\</b\\>" in words(at)


def test_what_went_wrong_is_said_and_can_be_asked_again(model):
    model.error = "The data of this run was deleted."
    at = pressed(asked()[0])
    assert "The data of this run was deleted" in words(at)
    assert "Show what it rests on" in buttons(at)


@pytest.mark.parametrize("given", [{"answered": None}, {"model": False}])
def test_without_a_model_or_answers_there_is_nothing_to_press(given):
    at, _ = asked(**given)
    assert not at.exception
    assert "left no model here" in words(at)
    assert "Show what it rests on" not in buttons(at)


def test_examples_of_ones_own_are_explained_to_nobody_else(monkeypatch):
    at, run = asked()
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
