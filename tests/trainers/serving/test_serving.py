"""A trained model is asked: in this process with toys, in the real one with a bundled sample, and
with real photos where they are at hand."""

import base64
import io
import json
import os
import struct
import subprocess
import sys
import threading
import time
from itertools import permutations
from zlib import compress, crc32

import numpy as np
import psutil
import pytest
from PIL import Image

from guide.approaches import APPROACHES
from trainers import datasets, serving
from trainers.__main__ import main
from trainers.datasets import uploads
from trainers.events import CalibrationDone, PredictionsRecorded, RunFinished
from trainers.plan import Plan
from trainers.serving import Endpoint, InferenceError, Prediction, model, server
from trainers.serving.client import InferenceClient
from trainers.serving.drift import detect_drift
from trainers.serving.model import LoadedModel, get_detector
from trainers.serving.server import ModelCache, handle_request
from trainers.store import get_store
from trainers.system.paths import run_dir
from trainers.training.run import run
from trainers.workers.execute import execute

SECONDS = 3


@pytest.fixture(autouse=True)
def no_judges():
    yield
    model._detectors.clear()


def finished(
    data: str, approach: str, *, measured: CalibrationDone | None = None, **settings
) -> str:
    """The id of a run that was executed to its end."""
    plan = Plan(**{"data": data, "approach": approach, "seconds": SECONDS} | settings)
    key = get_store().enqueue(plan, visitor="terminal", worker="test")

    def told(plan, **how):
        for event in run(plan, **how):
            if measured and isinstance(event, RunFinished):
                yield measured
            yield event

    *_, last = execute(get_store(), key, plan, told, run_dir(key))
    assert isinstance(last, RunFinished), last
    return key


def png(picture: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    return out.getvalue()


def asked(key: str, inputs, verb="answer", warm=None, **options) -> list[dict]:
    told, blobs = serving.pack_inputs(inputs)
    question = {"verb": verb, "run": key, "inputs": told, "options": options}
    return handle_request(warm or ModelCache(), question, blobs, lambda text, share: None)


def test_of(data: str):
    return datasets.get_dataset(data).load_splits().test


test_of.__test__ = False


# --- answers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("approach", APPROACHES)
@pytest.mark.parametrize("data", ["colours", "words"])
def test_every_approach_answers_as_it_did_in_its_test(data, approach, toy):
    key = finished(data, approach)
    test = test_of(data)
    inputs = [one if isinstance(one, str) else png(one) for one in test.inputs[:40]]
    answers = [Prediction.from_dict(one) for one in asked(key, inputs)]
    (told,) = [
        event for _, event in get_store().read_events(key) if isinstance(event, PredictionsRecorded)
    ]
    assert [one.label for one in answers] == told.predictions[:40]
    assert all(len(one.sureness) == 3 for one in answers)
    json.dumps(asked(key, inputs[:2]), allow_nan=False)
    if approach != "none":
        assert [sum(one.sureness) for one in answers] == pytest.approx([1] * 40, abs=1e-4)
    assert all((one.shown != "") == (data == "colours") for one in answers)


def test_most_of_the_test_is_like_what_was_learned_from(toy):
    key = finished("colours", "transfer")
    answers = asked(key, [png(one) for one in test_of("colours").inputs])
    assert np.mean([one["unlike"] for one in answers]) < 0.25


def test_a_fine_tuned_model_is_judged_by_the_backbone_as_it_came(toy):
    plan, data = (
        Plan(data="colours", approach="fine_tune"),
        datasets.get_dataset("colours").load_splits(),
    )
    inputs = [png(one) for one in data.test.inputs[:20]]
    tuned, frozen = (asked(finished("colours", how), inputs) for how in ("fine_tune", "transfer"))
    assert [one["distance"] for one in tuned] == pytest.approx([one["distance"] for one in frozen])
    assert tuned[0]["sureness"] != frozen[0]["sureness"]
    limit = get_detector(plan, data, lambda *_: None).knn.threshold
    assert tuned[0]["limit"] == pytest.approx(limit)


def test_the_measured_temperature_is_used(toy):
    plain, soft = finished("colours", "transfer"), None
    measured = CalibrationDone(4.0, [0.5], [True], 1.0)
    soft = finished("colours", "transfer", measured=measured)
    inputs = [png(one) for one in test_of("colours").inputs[:10]]
    before, after = (np.array([o["sureness"] for o in asked(k, inputs)]) for k in (plain, soft))
    assert before.argmax(1).tolist() == after.argmax(1).tolist()
    assert (after.max(1) < before.max(1)).all()


def test_where_the_training_data_is_gone_it_says_so(toy, monkeypatch):
    key = finished("colours", "transfer")

    def gone(per_class, seed):
        raise uploads.BadUpload("deleted")

    inputs = [png(one) for one in test_of("colours").inputs[:3]]
    monkeypatch.setattr(toy, "colours", gone)
    (first, *_) = asked(key, inputs)
    assert first.get("unlike") is None
    assert "training data was deleted" in first["why"]
    assert asked(key, [], verb="starters") == []


def test_of_too_few_examples_nothing_is_told(toy):
    (one,) = asked(
        finished("colours", "transfer", examples_per_class=3), [png(test_of("colours").inputs[0])]
    )
    assert one.get("unlike") is None
    assert "guess" in one["why"]


def test_starters_are_test_examples_of_every_class(toy):
    for data in ("colours", "words"):
        key = finished(data, "none")
        some = asked(key, [], verb="starters")
        assert {one["label"] for one in some} == set(toy.CLASSES)
        test = test_of(data)
        assert all("text" not in one or one["text"] in test.inputs for one in some)


def test_many_inputs_are_held_against_answers_to_the_test(toy, monkeypatch):
    monkeypatch.setattr(model, "MAX_TEST_EXAMPLES", 40)
    for data in ("colours", "words"):
        key = finished(data, "transfer")
        test = test_of(data)
        known = [Prediction.from_dict(one) for one in asked(key, [], verb="tested")]
        assert len(known) == 40
        same = [one if isinstance(one, str) else png(one) for one in test.inputs]
        shift = detect_drift([Prediction.from_dict(one) for one in asked(key, same[:60])], known)
        assert not shift.has_drift
    noise = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3), np.uint8)
    key = finished("colours", "transfer")
    known = [Prediction.from_dict(one) for one in asked(key, [], verb="tested")]
    assert detect_drift(
        [Prediction.from_dict(one) for one in asked(key, list(map(png, noise)))], known
    ).has_drift


# --- hostile inputs -----------------------------------------------------------------------------


def bomb() -> bytes:
    """A PNG of a few bytes that says it has 65,535 x 65,535 px."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))

    head = struct.pack(">IIBBBBB", 65_535, 65_535, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", compress(bytes(99)))


@pytest.mark.parametrize("raw", [b"", b"hello", b"GIF89a", b"<svg/>", b"\xff\xd8\xff" + bytes(99)])
def test_what_is_no_picture_gets_a_sentence_and_the_others_their_answer(raw, toy):
    key, sound = finished("colours", "none"), png(test_of("colours").inputs[0])
    first, broken, last = asked(key, [sound, raw, sound])
    assert "could not be read as a picture" in broken["error"]
    assert first == last
    assert first["sureness"]


def test_a_picture_that_unpacks_to_too_much_is_never_unpacked(toy):
    key = finished("colours", "none")
    began = psutil.Process().memory_info().rss
    (answer,) = asked(key, [bomb()])
    assert "million pixels" in answer["error"]
    assert psutil.Process().memory_info().rss - began < 200e6


@pytest.mark.parametrize("text", ["", "  \n", b"\x89PNG"])
def test_what_is_no_text_gets_a_sentence(text, toy):
    (answer,) = asked(finished("words", "none"), [text])
    assert answer["error"]


def test_a_text_is_nothing_that_a_picture_model_reads(toy):
    (answer,) = asked(finished("colours", "none"), ["a bee"])
    assert "reads pictures" in answer["error"]


# --- kinds of questions -------------------------------------------------------------------------


def said(kept, one, *, label):
    return {"shape": list(one.shape), "label": label, "model": type(kept).__name__}


def test_another_kind_of_question_is_one_row(toy, monkeypatch):
    rows = serving.ENDPOINTS | {"shape": Endpoint(f"{__name__}:said", argument="model")}
    monkeypatch.setattr(server, "ENDPOINTS", rows)
    key, sound = finished("colours", "none"), png(test_of("colours").inputs[0])
    first, broken = asked(key, [sound, b"x"], verb="shape", label=2)
    assert first == {"shape": [8, 8, 3], "label": 2, "model": "SavedModel"}
    assert broken["error"]


# --- kept warm ----------------------------------------------------------------------------------


def test_the_models_asked_last_stay_loaded(toy, monkeypatch):
    loads = []
    opened = server.LoadedModel

    def noted(run, tell):
        loads.append(run.id)
        return opened(run, tell)

    monkeypatch.setattr(server, "LoadedModel", noted)
    one, two, three = (finished("colours", how) for how in ("none", "simple", "transfer"))
    warm, sound = ModelCache(max_models=2), png(test_of("colours").inputs[0])
    for key in (one, two, one, three, one, two):
        asked(key, [sound], warm=warm)
    assert loads == [one, two, three, two]
    assert warm.list_runs() == [one, two]
    small = ModelCache(max_bytes=1)
    asked(one, [sound], warm=small)
    asked(two, [sound], warm=small)
    assert small.list_runs() == [two]


def test_a_deleted_run_is_let_go(toy):
    key, warm = finished("colours", "none"), ModelCache()
    asked(key, [png(test_of("colours").inputs[0])], warm=warm)
    get_store().delete([key], "terminal")
    with pytest.raises(KeyError, match="no such run"):
        asked(key, [], warm=warm)
    assert warm.list_runs() == []


def test_nothing_stays_of_what_was_deleted_even_when_nobody_asks_again(toy, monkeypatch):
    one, two = finished("colours", "none"), finished("colours", "transfer")
    warm, sound = ModelCache(), png(test_of("colours").inputs[0])
    for key in (one, two):
        asked(key, [sound], warm=warm)
    warm.drop_deleted()
    assert warm.list_runs() == [one, two]
    assert model._detectors
    get_store().delete([one], "terminal")
    warm.drop_deleted()
    assert warm.list_runs() == [two]
    monkeypatch.setattr(server, "has_data", lambda data: False)
    monkeypatch.setattr(model, "has_data", lambda data: False)
    warm.drop_deleted()
    assert warm.list_runs() == []
    assert not model._detectors


def test_who_asks_while_it_is_loaded_waits_and_loads_nothing_twice(toy, monkeypatch):
    loads, opened = [], server.LoadedModel

    def slow(run, tell):
        loads.append(run.id)
        time.sleep(0.2)
        return opened(run, tell)

    monkeypatch.setattr(server, "LoadedModel", slow)
    key, warm = finished("colours", "none"), ModelCache()
    asking = [
        threading.Thread(target=asked, args=(key, []), kwargs={"warm": warm}) for _ in range(3)
    ]
    for one in asking:
        one.start()
    for one in asking:
        one.join()
    assert loads == [key]


# --- the terminal -------------------------------------------------------------------------------


def test_a_terminal_asks_the_last_run(toy, capsys, tmp_path):
    assert main(["predict", "last", "--text", "x"]) == 2
    assert "No run was finished" in capsys.readouterr().err
    key = finished("words", "transfer")
    text = "the rose brick cherry rose"
    assert main(["predict", "last", "--text", text]) == 0
    assert capsys.readouterr().out.startswith("red ")
    table, to = tmp_path / "in.csv", tmp_path / "out.csv"
    table.write_text("id,text\n=1+1,the rose brick cherry rose\n2,a sky sea ink sky\n")
    assert main(["predict", key, "--csv", str(table), "--to", str(to), "--min-accuracy", "0"]) == 0
    head, first, second = to.read_text().splitlines()
    assert head == "id,text,answer,likeliest,sureness"
    assert first.startswith("'=1+1,")
    assert ",red," in first
    assert ",blue," in second
    capsys.readouterr()
    lines = map(" ".join, permutations(["the", "rose", "brick", "cherry"]))
    table.write_text("text\n" + "\n".join(lines) + "\n")
    assert main(["predict", key, "--csv", str(table), "--to", str(to)]) == 0
    assert "more often than in its test" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["nope", "--text", "x"],
        ["last"],
        ["last", "--csv", "in.csv"],
        ["last", "--file", "not-there.png"],
        ["last", "--text", "x"],
    ],
)
def test_a_terminal_is_told_what_is_wrong_in_a_line(words, toy, capsys):
    finished("colours", "none")
    assert main(["predict", *words]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


# --- the process --------------------------------------------------------------------------------


@pytest.fixture
def process(monkeypatch):
    """The real one, of this test alone."""
    made = InferenceClient()
    monkeypatch.setattr(serving, "get_client", lambda: made)
    yield made
    made.close()


def until_open(key: str) -> list[str]:
    texts, began = [], time.monotonic()
    while not (now := serving.poll_loading(key)).ready:
        assert not now.error, now.error
        assert time.monotonic() - began < 150, texts
        texts.append(now.text)
        time.sleep(0.02)
    return texts


def test_the_process_answers_survives_its_death_and_ends(process):
    key = finished("digits", "transfer", examples_per_class=20, seconds=5)
    texts = until_open(key)
    assert texts[0].startswith("Starting")
    (starter, *_) = serving.call_endpoint("starters", key)
    picture = base64.b64decode(starter["picture"])
    (answer, broken) = serving.predict(key, [picture, b"no picture"], 60)
    assert answer.unlike is not None
    assert sum(answer.sureness) == pytest.approx(1, abs=1e-4)
    assert broken.error
    with pytest.raises(InferenceError, match="no such run"):
        serving.predict("nope", [picture])

    first = psutil.Process(process.process.pid)
    first.kill()  # it is started again with the next question
    assert serving.predict(key, [picture], 150) == [answer]
    second = psutil.Process(process.process.pid)
    assert second.pid != first.pid

    process.close()
    assert not second.is_running()


def test_an_answer_that_takes_too_long_is_given_up_in_words(process):
    with pytest.raises(InferenceError, match="no answer within"):
        serving.predict("any", ["x"], 0.01)


def test_the_process_ends_when_the_app_is_killed(tmp_path):
    app = (
        "import time\nfrom trainers.serving.client import get_client\n"
        "get_client().start_loading('x')\nprint(get_client().process.pid, "
        "flush=True)\ntime.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", app], stdout=subprocess.PIPE)
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    began = time.monotonic()
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() - began < 150
        time.sleep(0.1)


def test_the_process_ends_with_the_app_also_where_its_input_stays_open():
    """As it does while an answer is on its way."""
    command = [sys.executable, "-m", "trainers.serving.server", "--parent"]
    app = (
        "import os, subprocess, time\n"
        f"child = subprocess.Popen([*{command}, str(os.getpid())])\n"
        "os.write(2, b'%d\\n' % child.pid)\ntime.sleep(600)\n"
    )
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([sys.executable, "-c", app], **pipes) as parent:
        child = psutil.Process(int(parent.stderr.readline()))
        parent.kill()
        psutil.wait_procs([child], timeout=100)
        try:
            assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
        finally:
            parent.stdin.close()


def test_a_process_that_cannot_start_is_an_error_in_words(process, monkeypatch):
    monkeypatch.setattr("trainers.serving.client.sys.executable", os.devnull)
    with pytest.raises(InferenceError, match="ask once more"):
        serving.predict("any", ["x"])
    assert "ask once more" in serving.poll_loading("any").error
    serving.retry_loading("any")


# --- real photos --------------------------------------------------------------------------------


def kept(path) -> str:
    reading = uploads.import_upload(path)
    while True:
        try:
            next(reading)
        except StopIteration as end:
            return f"own-{end.value}"


@pytest.mark.real_data
@pytest.mark.parametrize("approach", ["transfer", "hybrid"])
def test_a_shoe_is_neither_ant_nor_bee(approach, real_data):
    ants = kept(real_data / "hymenoptera.zip")
    clothes = datasets.get_dataset(kept(real_data / "fashion-mnist-subset.zip")).load_splits()
    shoes = [
        png(clothes.test.inputs[item])
        for item, label in enumerate(clothes.test.labels)
        if clothes.classes[label] in ("ankle_boot", "sneaker", "sandal")
    ][:60]
    opened = LoadedModel(get_store().get_run(finished(ants, approach, seconds=10)))
    test = datasets.get_dataset(ants).load_splits().test
    right_kind = opened.predict([test.inputs[item] for item in range(len(test.labels))])
    wrong_kind = opened.predict(
        [np.asarray(Image.open(io.BytesIO(raw)).convert("RGB")) for raw in shoes]
    )
    flagged = [np.mean([one["unlike"] for one in some]) for some in (wrong_kind, right_kind)]
    print(f"{approach}: flagged {flagged[0]:.0%} of shoes, {flagged[1]:.0%} of ants and bees")
    assert flagged[0] > 0.75
    assert flagged[1] < 0.2
