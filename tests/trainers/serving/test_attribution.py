"""What an answer rests on: found where it was put, for every approach, and said in words."""

import base64
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from guide.approaches import APPROACHES
from trainers import datasets
from trainers.datasets.uploads.limits import SHORT_SIDE_PX
from trainers.events import PredictionsRecorded, RunFinished
from trainers.export.saved_model import (
    ModelUnavailable,
    apply_temperature,
    load_model,
    load_temperature,
)
from trainers.plan import Plan
from trainers.serving import pack_inputs, server
from trainers.serving.attribution import (
    BATCH_SIZE,
    MAX_CELLS,
    MAX_SEGMENTS,
    MIN_SEGMENTS,
    ExplanationError,
    describe_attribution,
    explain,
    name_region,
    select_top_words,
    split_segments,
)
from trainers.serving.server import ModelCache
from trainers.store import RunNotFound, get_store
from trainers.system.paths import run_dir
from trainers.training.run import run
from trainers.workers.execute import execute

CORNER = np.zeros((64, 96, 3), np.uint8)
CORNER[8:16, 72:88] = 255  # something bright at the upper right


def answering(function):
    """A model that answers as `function` does, one example at a time; and what it was asked."""
    asked = []

    def sureness(inputs):
        asked.append(inputs)
        return np.array([function(one) for one in inputs])

    return SimpleNamespace(predict_proba=sureness), asked


def bright(picture):
    """Sure of class 1 where anything is bright at the upper right; of class 0 else."""
    share = picture[:24, 64:].max() / 255
    return [1 - share, share]


def refunds(text):
    """Every "refund" speaks for class 1, every "hello" against it."""
    share = 0.5 + 0.4 * ("refund" in text) - 0.2 * ("hello" in text)
    return [1 - share, share]


def finished(data: str, approach: str, **settings) -> str:
    plan = Plan(**{"data": data, "approach": approach, "seconds": 3} | settings)
    key = get_store().enqueue(plan, visitor="ann", worker="test")
    *_, last = execute(get_store(), key, plan, run, run_dir(key))
    assert isinstance(last, RunFinished), last
    return key


# --- pictures -----------------------------------------------------------------------------------


def test_the_place_that_decides_is_found():
    kept, _ = answering(bright)
    found = explain(kept, CORNER)
    cells = np.array(found["change"])
    row, column = np.unravel_index(cells.argmax(), cells.shape)
    height, width = (length / count for length, count in zip((64, 96), cells.shape, strict=True))
    assert row * height <= 16
    assert (row + 1) * height >= 8
    assert 72 - width <= column * width <= 88
    assert cells.max() > 0.3
    assert not cells[cells.shape[0] // 2 :].any()
    assert (found["answer"], found["sureness"]) == (1, 1.0)
    assert "rests most on the upper right" in describe_attribution(found, "lamp")


def test_asked_about_another_class_what_speaks_for_the_answer_speaks_against_it():
    kept, _ = answering(bright)
    answer, other = (explain(kept, CORNER, label) for label in (None, 0))
    assert (other["answer"], other["sureness"]) == (0, 0.0)
    assert np.array(other["change"]) == pytest.approx(-np.array(answer["change"]))


@pytest.mark.parametrize("shape", [(8, 8), (1, 1), (3, 200), (256, 340), (256, 1024)])
def test_any_shape_takes_few_questions_in_few_batches(shape):
    kept, asked = answering(lambda picture: [picture.mean() / 255, 0])
    found = explain(kept, np.full((*shape, 3), 200, np.uint8))
    assert sum(map(len, asked)) <= 1.5 * MAX_CELLS
    assert max(map(len, asked)) <= BATCH_SIZE
    cells = np.array(found["change"])
    assert cells.size <= 1.5 * MAX_CELLS
    assert np.abs(cells).max() < 0.01  # a blurred wall is the same wall
    assert "rests on no single place" in describe_attribution(found, "wall")


def test_pictures_come_to_the_model_as_its_data_did_and_no_larger_than_kept():
    for as_one, kind in ((True, np.ndarray), (False, list)):
        kept, asked = answering(bright)
        explain(kept, CORNER, as_one=as_one)
        assert {type(inputs) for inputs in asked} == {kind}
    kept, asked = answering(bright)
    found = explain(kept, np.zeros((1000, 1500, 3), np.uint8))
    assert asked[0][0].shape == (SHORT_SIDE_PX, 1.5 * SHORT_SIDE_PX, 3)
    head, _, body = found["picture"].partition(",")
    assert head == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(body))).size == (384, 256)


@pytest.mark.parametrize(
    ("cell", "words"),
    [((0, 0), "upper left"), ((0, 4), "top"), ((4, 4), "middle"), ((8, 8), "lower right")],
)
def test_a_place_has_a_name(cell, words):
    change = np.zeros((9, 9))
    change[cell] = 1
    assert name_region(change.tolist()) == words


# --- texts --------------------------------------------------------------------------------------


def test_the_words_that_decide_are_found_and_those_that_speak_against():
    kept, _ = answering(refunds)
    found = explain(kept, "hello, I want my refund now!")
    assert "".join(word for word, _ in found["words"]) == "hello, I want my refund now!"
    change = {word.strip(): value for word, value in found["words"]}
    assert change.pop("refund") == pytest.approx(0.4)
    assert change.pop("hello,") == pytest.approx(-0.2)
    assert set(change.values()) == {0}
    assert select_top_words(found["words"]) == [("refund", pytest.approx(0.4))]
    assert "“refund” (40 points)" in describe_attribution(found, "money")


@pytest.mark.parametrize("words", [2, 30, 200, 1500])
def test_a_text_of_any_length_takes_few_questions(words):
    kept, asked = answering(refunds)
    text = " ".join(["refund"] + [f"word{n}" for n in range(words - 1)])
    found = explain(kept, text)
    assert len(found["words"]) <= MAX_SEGMENTS
    assert sum(map(len, asked)) <= MAX_SEGMENTS + 2
    assert found["words"][0][1] == pytest.approx(0.4)


def test_what_the_model_never_reads_is_not_asked_about():
    text = " ".join(f"word{n}" for n in range(400))
    assert "".join(split_segments(text, 256)).split() == text.split()[:256]
    assert MIN_SEGMENTS <= len(split_segments(text, 256)) <= MAX_SEGMENTS
    assert split_segments("我想退款") == ["我", "想", "退", "款"]


def test_a_text_of_one_word_has_nothing_to_leave_out():
    kept, _ = answering(refunds)
    for text in ("refund", "   ", ""):
        with pytest.raises(ExplanationError, match="no two words"):
            explain(kept, text)


def test_a_text_that_rests_on_no_word_says_so():
    kept, _ = answering(lambda text: [0.2, 0.8])
    assert "rests on no single word" in describe_attribution(explain(kept, "one two three"), "any")


# --- of a model that is kept warm ---------------------------------------------------------------


def asked(key: str, text: str | None = None, warm: ModelCache | None = None, **options) -> dict:
    told, blobs = pack_inputs([] if text is None else [text])
    question = {"verb": "explain", "run": key, "inputs": told, "options": options}
    (found,) = server.handle_request(
        warm or ModelCache(), question, blobs, lambda text, share: None
    )
    return found


@pytest.mark.parametrize("approach", APPROACHES)
@pytest.mark.parametrize("data", ["colours", "words"])
def test_every_approach_can_be_asked_about_a_test_example(data, approach, toy):
    key = finished(data, approach)
    (told,) = [
        event for _, event in get_store().read_events(key) if isinstance(event, PredictionsRecorded)
    ]
    found = asked(key, item=4)
    assert found == json.loads(json.dumps(found))
    assert found["answer"] == told.predictions[4]
    if told.best_confidence:  # as the pages show it
        assert found["sureness"] == pytest.approx(told.best_confidence[4], abs=0.002)
    example = datasets.get_dataset(data).load_splits().test.inputs[4]
    if data == "words":
        assert "".join(word for word, _ in found["words"]) == example
        kept, exact = load_model(get_store().get_run(key)), {}
        if approach != "simple":
            kept, exact = (
                apply_temperature(kept, load_temperature(get_store().get_run(key))),
                {"exact": True},
            )
        whole, without = kept.predict_proba([example, " ".join(example.split()[1:])], **exact)[
            :, found["answer"]
        ]
        assert found["words"][0][1] == pytest.approx(whole - without, abs=1e-3)
    else:
        shown = Image.open(io.BytesIO(base64.b64decode(found["picture"].partition(",")[2])))
        assert np.array_equal(np.asarray(shown), example)
        assert np.shape(found["change"]) == example.shape[:2]
    assert found["measure"] == ("likeness" if approach == "none" else "probability")


def test_a_text_of_the_visitor_and_another_class_can_be_asked_about(toy):
    words = dict(asked(finished("words", "transfer"), "the rose sea ink", label=0)["words"])
    assert words["rose "] > max(words["sea "], words["ink"])


def test_the_second_explanation_loads_no_model_and_says_the_same(toy, monkeypatch):
    loads, opened = [], server.LoadedModel

    def noted(run, tell):
        loads.append(run.id)
        return opened(run, tell)

    monkeypatch.setattr(server, "LoadedModel", noted)
    key, warm = finished("words", "transfer"), ModelCache()
    assert asked(key, item=4, warm=warm) == asked(key, item=4, warm=warm)
    assert loads == [key]


def test_what_cannot_be_asked_says_why(toy):
    key = finished("colours", "transfer")
    with pytest.raises(ExplanationError, match="no test example 600"):
        asked(key, item=600)
    assert "reads pictures" in asked(key, "a rose")["error"]
    with pytest.raises(RunNotFound):
        asked("nobody", item=0)
    (run_dir(key) / "model.safetensors").unlink()
    with pytest.raises(ModelUnavailable, match="left no model here"):
        asked(key, item=0)
