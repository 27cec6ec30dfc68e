"""The zip of a model predicts alone as the model did, and says what it is."""

import base64
import csv
import io
import json
import os
import runpy
import sys
import zipfile
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image, ImageOps
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, models as token_models, pre_tokenizers
from torchvision import models
from transformers import BertConfig, BertModel

from guide.approaches import APPROACHES
from tests.support.exported import Alone, finished, unpacked
from trainers import backbones, datasets, jobs
from trainers.__main__ import main
from trainers.backbones import BACKBONES, cache
from trainers.datasets import uploads
from trainers.datasets.uploads import images as own_images
from trainers.datasets.uploads.limits import MAX_ASPECT_RATIO, MAX_TEXT_CHARS, SHORT_SIDE_PX
from trainers.evaluation.abstention import default_threshold, find_calibration
from trainers.events import (
    JobCancelled,
    JobDone,
    Notice,
    PhaseStarted,
    PredictionsRecorded,
)
from trainers.export import bundle, proof
from trainers.export.bundle import ExportMismatch, pack_bundle
from trainers.export.onnx import OnnxExportError
from trainers.export.recipes import EXPORT_RECIPES
from trainers.export.saved_model import (
    apply_temperature,
    load_model,
    load_temperature,
)
from trainers.jobs import Export
from trainers.networks import loading
from trainers.plan import Plan
from trainers.reports.model_card import render_card
from trainers.store import get_store
from trainers.system.paths import bundle_path

# --- the zip ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    if os.name == "nt":
        pytest.skip("links need rights on Windows")
    made = Alone(tmp_path_factory.mktemp("alone"))
    yield made
    made.close()


@pytest.fixture
def trusting(monkeypatch):
    """The zip is not asked while it is made: the test does that, more strictly."""
    monkeypatch.setattr(bundle, "_verify_bundle", lambda folder: None)


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    """A network of torchvision and an encoder of a hub as if downloaded, with random weights."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    # Read when the library was imported; and what is not here must not be asked for.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache.hf_hub_path()))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    row = backbones.pick("squeezenet1_0")
    cache.torch_hub_path().mkdir(parents=True)
    torch.save(
        models.squeezenet1_0(weights=None).state_dict(), cache.torch_hub_path() / row.weights_file
    )
    row = backbones.pick(f"hf:org/tiny@{'0123456789' * 4}")
    folder = cache.backbone_path(row) / "snapshots" / row.revision
    words = dict.fromkeys(["[PAD]", "[UNK]", "where", "is", "my", "card", "money"])
    reads = Tokenizer(token_models.WordLevel({w: n for n, w in enumerate(words)}, "[UNK]"))
    reads.pre_tokenizer = pre_tokenizers.Whitespace()
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
    config = BertConfig(**shape, num_attention_heads=2, vocab_size=len(words))
    BertModel(config).save_pretrained(folder)
    reads.save(str(folder / "tokenizer.json"))
    yield
    loading.shared_encoder.cache_clear()


LORA, TINY = {"trainable": "lora"}, {"backbone": f"hf:org/tiny@{'0123456789' * 4}"}
CASES = [
    *(("digits", approach, {}) for approach in APPROACHES),
    ("digits", "hybrid", LORA),
    ("digits", "fine_tune", LORA | {"backbone": "squeezenet1_0"}),
    *(("messages", approach, TINY) for approach in APPROACHES),
    ("messages", "fine_tune", TINY | LORA),
    ("messages", "fine_tune", LORA),  # of the bundled encoder, as by default
    ("messages", "scratch", {}),
]


@pytest.mark.parametrize(("data", "approach", "settings"), CASES)
def test_the_zip_answers_alone_as_the_model_did(
    data, approach, settings, alone, trusting, downloads, tmp_path
):
    folder = unpacked(finished(data, approach, examples_per_class=3, **settings), tmp_path)
    alone.install(folder / "requirements.txt")
    assert alone.lacks("trainers", "guide", "pages", "streamlit")
    done = alone(folder, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("pass: 6 examples")
    config = json.loads((folder / "config.json").read_text())
    named = load_file(folder / "model.safetensors")
    if approach == "simple":
        return
    only_lora = all("lora_" in name or name.startswith("head.") for name in named)
    assert only_lora == (config["base"] is not None)
    if config["base"]:
        assert all(len(sum_) == 64 for sum_ in config["base"]["files"].values())
        assert sum(value.nbytes for value in named.values()) < 3e6


@pytest.mark.parametrize("data", ["digits", "vehicles"])
def test_taken_away_it_answers_the_whole_test_as_in_the_run(data, alone, trusting, tmp_path):
    key = finished(data, "transfer", examples_per_class=5)
    folder = unpacked(key, tmp_path)
    alone.install(folder / "requirements.txt")
    (told,) = [
        event for _, event in get_store().read_events(key) if isinstance(event, PredictionsRecorded)
    ]
    inputs = datasets.get_dataset(data).load_splits().test.inputs[: len(told.predictions)]
    for number, picture in enumerate(inputs):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    with open(tmp_path / "in.csv", "w", encoding="utf-8") as file:
        file.writelines(["file\n", *(f"{number}.png\n" for number in range(len(inputs)))])
    done = alone(folder, "--csv", str(tmp_path / "in.csv"), str(tmp_path / "out.csv"))
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "out.csv", encoding="utf-8", newline="") as file:
        answers = [row["answer"] for row in csv.DictReader(file)]
    expected = [
        datasets.get_dataset(data).load_splits().classes[answer] for answer in told.predictions
    ]
    same = np.mean([one == other for one, other in zip(answers, expected, strict=True)])
    assert same >= 0.97  # the run computed in bf16 where that is faster


def test_altered_weights_fail_by_how_much(alone, trusting, tmp_path):
    folder = unpacked(finished("digits", "transfer", examples_per_class=3), tmp_path)
    alone.install(folder / "requirements.txt")
    whole = load_file(folder / "model.safetensors")
    bias = whole["head.linear.bias"]
    save_file(whole | {"head.linear.bias": bias[::-1] + 1e-2 * np.arange(10, dtype=np.float32)},
              folder / "model.safetensors")  # fmt: skip
    told = alone(folder, "--check")
    assert told.returncode == 1
    assert told.stdout.startswith("FAIL: probability differs by up to 0.0")
    assert "(allowed: 0.001)" in told.stdout
    save_file(whole | {"head.linear.bias": bias * np.nan}, folder / "model.safetensors")
    assert alone(folder, "--check").returncode == 1
    save_file(whole, folder / "model.safetensors")
    assert alone(folder, "--check").returncode == 0
    with open(folder / "base.safetensors", "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x7f")
    told = alone(folder, "--check")
    assert told.returncode == 2
    assert "base.safetensors is not the file" in told.stderr
    assert "Traceback" not in told.stderr


def test_what_does_not_answer_alone_is_not_handed_out(tmp_path, monkeypatch):
    key = finished("digits", "simple", examples_per_class=3)
    to = tmp_path / "model.zip"
    assert bundle.export_bundle(key, to) == to
    to.unlink()
    real_proof = bundle.build_proof

    def wrong(*given):
        found = real_proof(*given)
        found["examples"][0]["output"][0] += 0.1
        return found

    monkeypatch.setattr(bundle, "build_proof", wrong)
    with pytest.raises(ExportMismatch, match=r"FAIL: probability differs by up to 0\.1"):
        bundle.export_bundle(key, to)
    assert list(tmp_path.glob("model.zip*")) == []


@pytest.mark.parametrize(
    ("data", "approach", "settings"),
    [("digits", "hybrid", LORA), ("digits", "none", {}), ("messages", "fine_tune", TINY | LORA)],
)
def test_as_onnx_the_answers_are_the_same(data, approach, settings, trusting, downloads, tmp_path):
    key = finished(data, approach, examples_per_class=3, **settings)
    bundle.export_bundle(key, tmp_path / "model.zip", onnx=True)
    with zipfile.ZipFile(tmp_path / "model.zip") as packed_:
        names = {name.rpartition("/")[2]: name for name in packed_.namelist()}
        session = onnxruntime.InferenceSession(packed_.read(names["model.onnx"]))
        assert b"`model.onnx`" in packed_.read(names["README.md"])
    (output,) = session.get_outputs()
    assert output.name == ("likeness" if approach == "none" else "probability")
    found, test = get_store().get_run(key), datasets.get_dataset(data).load_splits().test
    kept = apply_temperature(load_model(found), load_temperature(found))
    for some in (test.inputs[:7], test.inputs[7:8]):  # other sizes than those of the proof
        expected = kept.predict_proba(some, exact=True)
        given = kept.encoder.prepare(some).batch(torch.arange(len(some)))
        given = given if isinstance(given, tuple) else (given,)
        feed = {i.name: v.numpy() for i, v in zip(session.get_inputs(), given, strict=True)}
        assert session.run(None, feed)[0] == pytest.approx(expected, abs=1e-4)


def test_what_cannot_be_onnx_or_differs_there_says_so(trusting, tmp_path, monkeypatch):
    with pytest.raises(OnnxExportError, match="no network"):
        bundle.export_bundle(
            finished("digits", "simple", examples_per_class=3), tmp_path / "a.zip", onnx=True
        )
    key = finished("digits", "transfer", examples_per_class=3)
    monkeypatch.setattr(proof, "TOLERANCE", -1.0)
    with pytest.raises(OnnxExportError, match="answers otherwise"):
        bundle.export_bundle(key, tmp_path / "a.zip", onnx=True)
    assert not (tmp_path / "a.zip").exists()


# --- asking it ----------------------------------------------------------------------------------


@pytest.fixture
def texts(alone, trusting, tmp_path) -> Path:
    folder = unpacked(finished("messages", "simple", examples_per_class=20), tmp_path)
    alone.install(folder / "requirements.txt")
    return folder


@pytest.fixture
def pictures(alone, trusting, tmp_path) -> Path:
    folder = unpacked(finished("digits", "simple", examples_per_class=20), tmp_path)
    alone.install(folder / "requirements.txt")
    return folder


def test_texts_and_tables_are_answered(texts, alone, tmp_path):
    test = datasets.get_dataset("messages").load_splits().test
    kept = load_model(next(iter(get_store().list_runs("ann"))))
    classes = datasets.get_dataset("messages").load_splits().classes
    some = [text for text in test.inputs[:5] if "\n" not in text]
    expected = kept.predict_proba(some)
    told = alone(texts, some[0]).stdout
    assert told.startswith(f"{classes[expected[0].argmax()]} {expected[0].max():.1%}, ")
    (tmp_path / "one.txt").write_text(some[1], encoding="utf-8")
    lines = alone(texts, some[0], str(tmp_path / "one.txt")).stdout.splitlines()
    assert lines[1].startswith(f"{tmp_path / 'one.txt'}: {classes[expected[1].argmax()]} ")
    with open(tmp_path / "in.csv", "w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows(
            [["id", "text", "answer"], *([n, t, "?"] for n, t in enumerate(some))]
        )
    done = alone(texts, "--csv", str(tmp_path / "in.csv"), str(tmp_path / "out.csv"))
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "out.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == some
    assert {row["answer"] for row in rows} == {"?"}
    assert [row["answer (model)"] for row in rows] == [classes[p] for p in expected.argmax(1)]
    assert [float(r["probability"]) for r in rows] == pytest.approx(expected.max(1), abs=1e-4)
    config = json.loads((texts / "config.json").read_text())
    (texts / "config.json").write_text(json.dumps(config | {"not_sure_below": 1.1}))
    assert alone(texts, some[0]).stdout.startswith("not sure (")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--csv", "none.csv", "out.csv"], "none.csv"),
        (["--csv", "in.csv", "out.csv", "--column", "words"], "has no column 'words'. It has: id"),
        (["--csv", "empty.csv", "out.csv"], "is empty"),
    ],
)
def test_what_cannot_be_answered_is_one_line(arguments, words, texts, alone):
    (texts.parent / "in.csv").write_text("id,text\n1,hello\n")
    (texts.parent / "empty.csv").write_text("")
    done = alone(texts, *arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert words in line


def test_pictures_are_read_as_they_were_in_training(pictures, alone, tmp_path):
    data = datasets.get_dataset("digits").load_splits()
    kept = load_model(next(iter(get_store().list_runs("ann"))))
    picture = data.test.inputs[0]
    expected = kept.predict_proba([picture])[0]
    shown = f"{data.classes[expected.argmax()]} {expected.max():.1%}"
    upright = Image.fromarray(picture)
    upright.save(tmp_path / "plain.png")
    clear = upright.convert("RGBA")
    clear.save(tmp_path / "clear.png")
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by a quarter, as telephones say it
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=turned)
    grey = Image.fromarray(picture[:, :, 0].astype(np.uint16) * 257)
    grey.save(tmp_path / "deep.png")
    names = [str(tmp_path / f"{name}.png") for name in ("plain", "clear", "turned", "deep")]
    for line in alone(pictures, *names).stdout.splitlines():
        assert line.partition(": ")[2].startswith(shown), line
    for wrong in (tmp_path / "no.png", pictures / "README.md"):
        done = alone(pictures, str(wrong))
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def predicting(tmp_path):
    """predict.py beside a config.json, imported; its model says by how long an example is."""

    def made(modality: str):
        ready = {"shorter_side_px": SHORT_SIDE_PX, "most_stretch": MAX_ASPECT_RATIO}
        config = {"labels": ["short", "long"], "modality": modality, "output": "probability"}
        config["preprocessing"] = ready | {"most_chars": MAX_TEXT_CHARS}
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / "predict.py").write_bytes((bundle.TEMPLATE_DIR / "predict.py").read_bytes())
        spec = spec_from_file_location("predict", tmp_path / "predict.py")
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        module.load_network = lambda: lambda some: np.array([[0.4, 0.6]] * len(some))
        return module

    return made


@pytest.mark.parametrize("size", [(60, 20), (99, 10), (7, 300), (2000, 300)])
def test_a_long_picture_is_cut_as_in_thaw(size, predicting, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    with open(tmp_path / "a.png", "rb") as file:
        expected, _ = own_images.open_image(file)
    found = predicting("images").load_image(str(tmp_path / "a.png"))
    assert np.array_equal(np.asarray(found), np.asarray(expected))


def test_a_picture_with_broken_exif_is_read(predicting, tmp_path, monkeypatch):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    monkeypatch.setattr(ImageOps, "exif_transpose", lambda image: 1 / 0)
    assert predicting("images").load_image(str(tmp_path / "a.png")).getpixel((0, 0)) == (255, 0, 0)


def test_a_text_is_cut_as_in_thaw_and_a_blank_one_has_no_answer(predicting, tmp_path, capsys):
    predict = predicting("text")
    assert len(predict.read_input("x " * MAX_TEXT_CHARS)) == MAX_TEXT_CHARS
    assert predict.main(["  \n"]) == 2
    assert "There is no text" in capsys.readouterr().err
    rows = [["text", "id"], ["hello", "1"], ["  ", "2"], ["", "3"], ["bye", "4"]]
    with open(tmp_path / "in.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    assert predict.main(["--csv", str(tmp_path / "in.csv"), str(tmp_path / "out.csv")]) == 0
    with open(tmp_path / "out.csv", newline="") as file:
        found = [(row["answer"], row["probability"]) for row in csv.DictReader(file)]
    assert found == [("long", "0.6000"), ("", ""), ("", ""), ("long", "0.6000")]


def test_the_line_below_which_it_is_not_sure_goes_along(trusting, tmp_path, monkeypatch):
    key = finished("digits", "transfer", examples_per_class=20)
    events = [event for _, event in get_store().read_events(key)]
    measured = find_calibration(events)
    sure = [0.9] * 60 + [0.4] * 40  # of which the unsure ones are wrong
    told = replace(measured, confidence=sure, correct=[one > 0.5 for one in sure])
    events[events.index(measured)] = told
    monkeypatch.setattr(bundle, "load_events", lambda run: events)
    config = json.loads((unpacked(key, tmp_path) / "config.json").read_text())
    assert config["not_sure_below"] == default_threshold(told) == 0.9
    assert config["preprocessing"]["most_stretch"] == MAX_ASPECT_RATIO


# --- what lies in it ----------------------------------------------------------------------------


def test_every_backbone_can_travel():
    assert {row.load for row in BACKBONES.values()} == set(EXPORT_RECIPES)


def test_the_card_is_one_that_hugging_face_reads(trusting, tmp_path):
    key = finished("digits", "transfer", examples_per_class=3)
    folder = unpacked(key, tmp_path)
    found = ModelCard.load(folder / "README.md")
    result = get_store().get_run(key).result
    told = {one.metric_type: one.metric_value for one in found.data.eval_results}
    assert told == {
        "accuracy": round(result["test_accuracy"], 4),
        "f1": round(result["macro_f1"], 4),
    }
    assert found.data.pipeline_tag == "image-classification"
    low, high = result["test_accuracy_low"], result["test_accuracy_high"]
    assert f"{low:.1%} to {high:.1%}" in found.text
    for name, row in zip(result["classes"], result["confusion"], strict=True):
        assert f"| {name} | {sum(row)} |" in found.text
    proof = json.loads((folder / "proof.json").read_text())
    digits = datasets.get_dataset("digits").load_splits()
    for example in proof["examples"]:
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(example["picture"]))))
        of_class = digits.test.inputs[digits.test.labels == digits.classes.index(example["label"])]
        assert any(np.array_equal(picture, one) for one in of_class)
    again = Plan.from_json(json.loads((folder / "plan.json").read_text()))
    assert again.schedule is not None


def test_the_card_shows_a_comparison_that_the_run_was_part_of(toy):
    key = finished("colours", "transfer")
    one = get_store().get_run(key)
    compared = {"advised": "hybrid", "verdict": "It cannot be told.", "runs": [one.result]}
    told = render_card(one, [], compared)
    assert "Advised was: Hybrid. It cannot be told." in told
    assert "this run stood alone" not in told
    assert "this run stood alone" in render_card(one, [], None)


def test_the_card_tells_a_rate_only_of_what_learned_at_one(toy):
    key = finished("colours", "hybrid")
    events = [event for _, event in get_store().read_events(key)]
    first, then = [event for event in events if isinstance(event, PhaseStarted)]
    told = render_card(get_store().get_run(key), events, None)
    assert f"- {first.title}: {first.trainable_parameters:,} numbers learned, " in told
    assert f"numbers learned at a rate of {then.learning_rate:g}, " in told


def test_of_what_was_noticed_the_card_lists_what_limits_the_model(toy):
    less = Notice("No training examples of: red.", 0.1)
    more = Notice("Mirror images helped.", 0.2, is_limitation=False)
    told = render_card(get_store().get_run(finished("colours", "transfer")), [less, more], None)
    assert less.text in told
    assert more.text not in told


def test_names_of_a_visitor_stay_text(toy):
    one = get_store().get_run(finished("colours", "transfer"))
    classes = ["<script>", "a|b", "# [x](y)\n---"]
    told = render_card(replace(one, result=one.result | {"classes": classes}), [], None)
    assert "| a\\|b |" in told
    assert "<script>" not in told.replace("\\<script", "")
    assert "\n---\n" not in told.split("\n---\n", 1)[1]


def test_deleted_data_leaves_nothing_in_a_zip(trusting, tmp_path):
    table = tmp_path / "mine.csv"
    rows = [f"{word} number {n},{label}" for n in range(12)
            for word, label in (("secretword", "good"), ("otherword", "bad"))]  # fmt: skip
    table.write_text("text,label\n" + "\n".join(rows))
    reading = uploads.import_upload(table)
    while True:
        try:
            next(reading)
        except StopIteration as end:
            data = f"own-{end.value}"
            break
    key = finished(data, "transfer")
    job = Export(key=key, visitor="ann")
    *_, last = jobs.run_job(job, should_stop=lambda: False)
    assert isinstance(last, JobDone)
    assert last.result == {"bytes": bundle_path(key).stat().st_size}
    with zipfile.ZipFile(bundle_path(key)) as packed_:
        held = b"".join(map(packed_.read, packed_.namelist()))
    assert b"secretword" in held
    uploads.delete(data)
    get_store().erase_examples(data)
    assert not bundle_path(key).exists()
    folder = unpacked(key, tmp_path)
    assert "deleted" in json.loads((folder / "proof.json").read_text())["from"]
    for file in folder.rglob("*"):
        assert file.is_dir() or b"secretword" not in file.read_bytes()


def test_an_export_that_is_stopped_leaves_nothing(trusting):
    key = finished("digits", "simple", examples_per_class=3)
    events = list(jobs.run_job(Export(key=key, visitor="ann"), should_stop=lambda: True))
    assert [type(event) for event in events] == [JobCancelled]
    assert not bundle_path(key).exists()


def test_the_terminal_packs_the_newest_run(trusting, tmp_path, capsys):
    assert main(["export", "last", "--to", str(tmp_path / "model.zip")]) == 2
    assert "No run was finished" in capsys.readouterr().err
    run_ = "run --data digits --approach simple --examples-per-class 3 --seconds 3"
    assert main(run_.split()) == 0
    (told,) = [line for line in capsys.readouterr().out.splitlines() if "thaw export" in line]
    assert main([*told.partition("thaw ")[2].split()[:2], "--to", str(tmp_path / "model.zip")]) == 0
    assert main(["export", "last", "--to", str(tmp_path / "again.zip")]) == 0
    assert zipfile.is_zipfile(tmp_path / "model.zip")
    assert zipfile.is_zipfile(tmp_path / "again.zip")
    assert main(["export", "nobody", "--to", str(tmp_path / "model.zip")]) == 2
    assert "no such run" in capsys.readouterr().err


@pytest.fixture
def train(monkeypatch):
    """Runs the train.py of a zip, as `python train.py …` does; returns its exit code."""

    def repeat(folder: Path, *arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(folder / "train.py"), run_name="__main__")
        return end.value.code

    return repeat


def test_the_run_can_be_repeated_from_the_zip(train, trusting, tmp_path, capsys):
    key = finished("digits", "transfer", examples_per_class=3)
    assert train(unpacked(key, tmp_path)) == 0
    result, shown = get_store().get_run(key).result, capsys.readouterr().out
    assert f"{result['test_right']} of {result['test_examples']} right" in shown
    assert f"it was {result['test_right']} of {result['test_examples']}" in shown


def test_a_table_is_read_again_with_its_groups(train, trusting, tmp_path):
    table = tmp_path / "t.csv"
    rows = [
        (f"please {word} the {thing} {n}", word, site)
        for n in range(4)
        for word in ("send", "return")
        for thing in ("book", "lamp", "chair")
        for site in ("north", "south")
    ]
    with table.open("w", newline="") as out:
        csv.writer(out).writerows([("message", "wish", "site"), *rows])
    given = ["--data", str(table), "--group-column", "site"]
    assert main(["run", *given, "--approach", "simple", "--seconds", "3"]) == 0
    (before,) = uploads.list_uploads(uploads.LOCAL_VISITOR)
    assert before.group_names == ("north", "south")
    folder = unpacked(get_store().list_runs("terminal")[0].id, tmp_path)
    assert train(folder, *given) == 0
    assert {one.group_names for one in uploads.list_uploads(uploads.LOCAL_VISITOR)} == {
        before.group_names
    }
    assert len(uploads.list_uploads(uploads.LOCAL_VISITOR)) == 2


def test_packing_says_what_it_does(trusting, tmp_path):
    key = finished("digits", "simple", examples_per_class=3)
    told = list(pack_bundle(get_store().get_run(key), tmp_path / "model.zip"))
    assert told[0] == "Reading the model"
    assert told[-1] == "Packing"
