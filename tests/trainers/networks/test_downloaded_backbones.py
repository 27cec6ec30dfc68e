"""Backbones to download: rows that tell the truth, bodies that learn, and data that fits."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    AlbertConfig,
    AutoModel,
    BertConfig,
    DistilBertConfig,
    ModernBertConfig,
    RobertaConfig,
)

from trainers import backbones
from trainers.backbones import (
    BACKBONES,
    BackboneNotDownloaded,
    backbone_path,
    cache,
    is_downloaded,
    pick,
)
from trainers.backbones.compatibility import list_remarks
from trainers.datasets import DatasetFacts, uploads
from trainers.events import Notice, PhaseStarted, RunFinished, RunStarted
from trainers.networks import huggingface
from trainers.networks.encoder import ImageInputs, TokenInputs
from trainers.networks.loading import shared_encoder
from trainers.networks.torchvision import get_weights
from trainers.plan import Plan
from trainers.system.registry import UnknownKey
from trainers.training.inference import extract_features
from trainers.training.model import Head, Model
from trainers.training.prototypes import classify_by_class_mean
from trainers.training.run import run
from trainers.training.session import Session

ROWS = [row for row in BACKBONES.values() if not row.is_bundled]
NETS = [row for row in ROWS if row.weights_file]
ENCODERS = [row for row in ROWS if row.repo]
every_net = pytest.mark.parametrize("row", NETS, ids=lambda row: row.key)
PICTURES = np.random.default_rng(0).integers(0, 255, (3, 40, 60, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def homes(tmp_path, monkeypatch):
    for name in ("TORCH_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path
    shared_encoder.cache_clear()


def trained_a_step(body, inputs) -> set[str]:
    """The parameters of `body` that a step changes, where those with LoRA in their name learn."""
    body.add_lora(2)
    for name, parameter in body.named_parameters():
        parameter.requires_grad_("lora_" in name)
        if "lora_B" in name:  # zeros: a first step would leave lora_A where it is
            torch.nn.init.normal_(parameter, std=0.1)
    before = {name: p.detach().clone() for name, p in body.named_parameters()}
    model = Model(body, Head(body.width, 2))
    torch.nn.init.normal_(model.head.linear.weight)
    learn = [p for p in body.parameters() if p.requires_grad]
    loss = model(inputs.batch(torch.arange(len(inputs)))).square().sum()
    loss.backward()
    torch.optim.SGD(learn, lr=1.0).step()
    return {name for name, p in body.named_parameters() if not torch.equal(p, before[name])}


# --- rows ---------------------------------------------------------------------------------------


@every_net
def test_a_torchvision_row_says_what_torchvision_says(row):
    weights = get_weights(row)
    assert weights.url.endswith(f"/{row.weights_file}")
    assert row.download_bytes == pytest.approx(weights.meta["_file_size"] * 2**20, rel=1e-3)
    assert f"{weights.meta['_metrics']['ImageNet-1K']['acc@1']:.1f} %" in row.source
    assert weights.transforms().crop_size == [row.image_px]
    network = sum(p.numel() for p in row.build_encoder(pretrained=False).parameters())
    assert network == row.parameters < weights.meta["num_params"]


@pytest.mark.parametrize(
    ("key", "config"),
    [
        ("distilbert", DistilBertConfig()),
        ("minilm_l12", {"vocab_size": 30522}),
        ("e5_small", {"vocab_size": 250037}),
    ],
)
def test_an_encoder_row_counts_the_parameters_of_its_published_shape(key, config):
    if isinstance(config, dict):
        shape = {"hidden_size": 384, "intermediate_size": 1536, "num_attention_heads": 12}
        config = BertConfig(**config, **shape)
    with torch.device("meta"):
        body = huggingface.HuggingFaceEncoder(pick(key), Path(), AutoModel.from_config(config))
    assert sum(p.numel() for p in body.parameters()) == pick(key).parameters
    assert body.width == pick(key).width


@pytest.mark.parametrize("row", ENCODERS, ids=lambda row: row.key)
def test_a_revision_is_pinned(row):
    assert cache.COMMIT_PATTERN.fullmatch(row.revision)
    assert row.download_bytes > 4 * row.parameters  # float32, and a vocabulary


@pytest.mark.parametrize("row", BACKBONES.values(), ids=lambda row: row.key)
def test_every_row_says_what_it_reads(row):
    assert (row.image_px is None) == (row.modality == "text")
    assert (row.max_tokens is None) == (row.modality == "images")
    assert str(row.image_px or row.max_tokens) in row.input_description
    assert row.is_bundled == (row.download_bytes == 0) == is_downloaded(row)


def test_files_of_other_programs_count_as_here(homes):
    row = pick("resnet18")
    assert backbone_path(row) == homes / "TORCH_HOME" / "hub" / "checkpoints"
    backbone_path(row).mkdir(parents=True)
    assert not is_downloaded(row)
    (backbone_path(row) / row.weights_file).touch()
    assert is_downloaded(row)


SHARDS = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]


@pytest.mark.parametrize("missing", ["config.json", "vocab.txt", SHARDS[1]])
def test_a_snapshot_is_here_only_when_it_is_whole(missing, homes):
    row = pick("distilbert")
    folder = backbone_path(row) / "snapshots" / row.revision
    folder.mkdir(parents=True)
    index = {"weight_map": {"a": SHARDS[0], "b": SHARDS[1]}}
    (folder / cache.WEIGHTS_INDEX_FILE).write_text(json.dumps(index))
    for name in ("config.json", "vocab.txt", *SHARDS):
        (folder / name).touch()
    assert is_downloaded(row)
    (folder / missing).unlink()
    assert not is_downloaded(row)


@pytest.mark.parametrize("variable", ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"])
def test_the_hub_s_own_variables_are_honoured(variable, monkeypatch, homes):
    assert cache.hf_hub_path() == homes / "HF_HOME" / "hub"
    monkeypatch.setenv(variable, str(homes / "elsewhere"))
    assert cache.hf_hub_path() == homes / "elsewhere"


@pytest.mark.parametrize("key", ["hf:org/name", "hf:BAAI/bge-small-en-v1.5@main", "hf:a/b@v1.0"])
def test_any_encoder_has_a_row(key):
    row = pick(key)
    assert (row.modality, row.width, row.is_bundled, row.download_size) == (
        "text", None, False, "size not known",
    )  # fmt: skip
    assert backbone_path(row).parent == cache.hf_hub_path()
    assert Plan(data="messages", approach="transfer", backbone=key).backbone == key


@pytest.mark.parametrize(
    "key",
    [
        "hf:name",
        "hf:../../etc",
        "hf:a/..",
        "hf:a/b/c",
        "hf:/a/b",
        "hf:a/b@../../x",
        "hf:a/b@",
        "hf:a--b/c",
        "hf:a/b\n",
        "hf:a\\b/c",
        "hf:ü/b",
        "hf:" + "a" * 200 + "/b",
    ],
)
def test_a_name_that_could_lead_elsewhere_is_refused(key):
    with pytest.raises(UnknownKey, match="hf:organisation/model"):
        pick(key)


@pytest.mark.parametrize("approach", ["none", "transfer", "fine_tune", "hybrid", "scratch"])
def test_a_run_downloads_nothing_and_says_how_to(approach):
    for key, data in (("resnet18", "digits"), ("hf:org/name", "messages")):
        with pytest.raises(BackboneNotDownloaded, match=rf"thaw download {key}\. Or use"):
            next(run(Plan(data=data, approach=approach, backbone=key)))


# --- networks of torchvision --------------------------------------------------------------------


@every_net
def test_a_network_of_torchvision_without_its_last_layer(row):
    body = row.build_encoder(pretrained=False)
    made = torch.cat(list(extract_features(body, body.prepare(PICTURES), torch.arange(3))))
    assert made.shape == (3, row.width)
    assert torch.isfinite(made).all()
    parts = body.named_blocks()
    assert len(parts) == 5
    assert all(any(p.numel() for p in part.module.parameters()) for part in parts)
    assert sum(p.numel() for part in parts for p in part.module.parameters()) == row.parameters
    again = row.build_encoder(pretrained=False)
    assert not all(
        torch.equal(a, b) for a, b in zip(body.parameters(), again.parameters(), strict=True)
    )


@every_net
def test_lora_on_a_network_of_torchvision_learns_and_nothing_else_does(row):
    body = row.build_encoder(pretrained=False)
    images = body.prepare(PICTURES).images[:, :, :64, :64].clone()
    changed = trained_a_step(body.train(), ImageInputs(images))
    assert changed
    assert all("lora_" in name for name in changed)


def test_pictures_are_made_ready_as_torchvision_does_and_only_when_asked_for():
    body = pick("mobilenet_v2").build_encoder(pretrained=False)
    asked = []

    class Noted(list):
        def __getitem__(self, place):
            asked.append(int(place))
            return PICTURES[place]

    ready = body.prepare(Noted(range(3)))
    assert asked == []
    batch = ready.batch(torch.tensor([2]))
    assert asked == [2]
    ready.batch(torch.tensor([2]))
    assert asked == [2]
    assert ready.seconds_per_example > 0
    expected = get_weights(pick("mobilenet_v2")).transforms()(Image.fromarray(PICTURES[2]))
    assert torch.allclose((batch[0] - body.mean) / body.std, expected, atol=1e-5)
    assert batch.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.real_data
@pytest.mark.parametrize("key", ["mobilenet_v2", "squeezenet1_0"])
def test_the_shared_weights_tell_ants_from_bees(key, real_data, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(real_data / "torch-home"))
    reading = uploads.import_upload(real_data / "hymenoptera.zip")
    while True:
        try:
            next(reading)
        except StopIteration as end:
            data = uploads.get_upload(f"own-{end.value}").load_splits()
            break
    body = shared_encoder(key)
    made = {}
    for name, split, most in (("train", data.train, 40), ("test", data.test, 40)):
        ready = body.prepare(split.inputs[:most])
        made[name] = torch.cat(list(extract_features(body, ready, torch.arange(most))))
    labels = torch.from_numpy(data.train.labels[:40])
    answers = classify_by_class_mean(made["train"], labels, made["test"], 2)
    assert (answers.numpy() == data.test.labels[:40]).mean() > 0.75
    random = pick(key).build_encoder(pretrained=False)
    assert not torch.equal(next(random.parameters()), next(body.parameters()))


# --- encoders -----------------------------------------------------------------------------------

SMALL = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "vocab_size": 40}
FAMILIES = {
    "bert": BertConfig(**SMALL, intermediate_size=32),
    "roberta": RobertaConfig(**SMALL, intermediate_size=32, pad_token_id=0),
    "distilbert": DistilBertConfig(dim=16, n_layers=3, n_heads=2, hidden_dim=32, vocab_size=40),
    "albert": AlbertConfig(**SMALL, embedding_size=8, intermediate_size=32),  # layers are found
    "modernbert": ModernBertConfig(**SMALL, intermediate_size=32, pad_token_id=0),
}


def encoder(family: str) -> huggingface.HuggingFaceEncoder:
    row = replace(pick("minilm_l12"), key=family)
    config = FAMILIES[family]
    config._attn_implementation = "sdpa"
    return huggingface.HuggingFaceEncoder(row, Path(), AutoModel.from_config(config))


def tokens():
    return TokenInputs([[2, 7, 9, 3], [2, 8, 3]], pad=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_encoder_of_every_family_has_parts_and_features(family):
    body = encoder(family)
    made = torch.cat(list(extract_features(body, tokens(), torch.arange(2))))
    assert made.shape == (2, 16)
    assert torch.allclose(made.norm(dim=1), torch.ones(2), atol=1e-2)
    alone = torch.cat(list(extract_features(body, tokens(), torch.tensor([1]))))
    assert torch.allclose(made[1], alone[0], atol=0.05)  # bf16, and padding that is not read
    parts = body.named_blocks()
    names = [part.name for part in parts]
    assert names == ["words", *(f"layers {n}" for n in range(1, len(parts)))]
    counted = [id(p) for part in parts for p in part.module.parameters()]
    assert sorted(counted) == sorted(id(p) for p in body.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_lora_on_an_encoder_learns_and_nothing_else_does(family):
    changed = trained_a_step(encoder(family), tokens())
    assert changed
    assert all("lora_" in name for name in changed)
    assert not any("embed" in name for name in changed)


# --- what fits ----------------------------------------------------------------------------------

PHOTOS = DatasetFacts("images", side_px=240)
ENGLISH = DatasetFacts("text", language="en", words=30)


@pytest.mark.parametrize(
    ("key", "facts", "words"),
    [
        ("mobilenet_v2", replace(PHOTOS, grey=True), "are grey"),
        ("mobilenet_v2", replace(PHOTOS, side_px=32), "are enlarged"),
        ("small_resnet", PHOTOS, "small details are lost"),
        ("minilm", replace(ENGLISH, language="de"), "seem to be German.*e5_small"),
        ("minilm", replace(ENGLISH, language="sw"), "seem to be in the language 'sw'"),
        ("minilm_l12", replace(ENGLISH, words=120), "about the first 96"),
    ],
)
def test_what_does_not_fit_is_said(key, facts, words):
    (told,) = list_remarks(pick(key), facts)
    assert re.search(words, told)


@pytest.mark.parametrize(
    ("key", "facts"),
    [
        ("mobilenet_v2", PHOTOS),
        ("small_resnet", DatasetFacts("images", side_px=64)),
        ("small_resnet", DatasetFacts("images", side_px=8)),
        ("minilm", ENGLISH),
        ("minilm", replace(ENGLISH, language="")),
        ("e5_small", replace(ENGLISH, language="de", words=300)),
        ("hf:org/name", replace(ENGLISH, language="de", words=9000)),
        ("resnet18", DatasetFacts("images")),
    ],
)
def test_where_it_fits_nothing_is_said(key, facts):
    assert list_remarks(pick(key), facts) == ()


def test_a_run_says_it_before_anything_is_learned():
    events = run(Plan(data="digits", approach="transfer", examples_per_class=2, seconds=3))
    assert isinstance(next(events), RunStarted)
    assert "are grey" in next(events).text
    events.close()


# --- a slow network in a short budget -----------------------------------------------------------


def test_a_slow_network_is_timed_with_a_few(toy):
    toy.SLOW["seconds"] = 0.15  # a pass, whatever its size
    list(run(Plan(data="colours", approach="transfer", seconds=2)))
    assert toy.SEEN[:2] == [4, 4]
    assert 32 not in toy.SEEN[2:3]


def test_what_has_no_time_left_is_left_out_and_said(toy, monkeypatch):
    monkeypatch.setattr(Session, "min_phase_seconds", lambda self, phase: 1e9)
    events = list(run(Plan(data="colours", approach="hybrid", seconds=5)))
    assert len([event for event in events if isinstance(event, PhaseStarted)]) == 1
    assert any("no time left" in event.text for event in events if isinstance(event, Notice))
    assert isinstance(events[-1], RunFinished)
    again = list(run(Plan.from_json(events[-1].repeat_plan)))[-1]
    assert again.confusion_matrix == events[-1].confusion_matrix


def test_a_hub_s_body_is_not_made_without_files():
    with pytest.raises(BackboneNotDownloaded):
        backbones.pick("distilbert").build_encoder(pretrained=False)
