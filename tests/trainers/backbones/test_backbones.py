"""The pre-trained bodies: as the registry says, undamaged, and worth having."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from trainers.backbones import BACKBONES, list_for_modality, pick
from trainers.networks import loading, minilm, package_files, pretrain, small_resnet
from trainers.networks.encoder import NamedBlock, TokenInputs
from trainers.plan import Plan
from trainers.system.registry import UnknownKey
from trainers.training.inference import extract_features
from trainers.training.prototypes import classify_by_class_mean
from trainers.training.run import run
from trainers.training.trunk_inputs import TrunkInputs

BUNDLED = [row for row in BACKBONES.values() if row.is_bundled]
every_backbone = pytest.mark.parametrize("row", BUNDLED, ids=lambda row: row.key)
RAW = {
    "images": np.random.default_rng(0).integers(0, 255, (5, 40, 40, 3), dtype=np.uint8),
    "text": ["Where is my parcel?", "It broke.", "thanks", "a b c d e f g", "?"],
}


def features(body, raw) -> torch.Tensor:
    return torch.cat(list(extract_features(body, body.prepare(raw), torch.arange(len(raw)))))


@every_backbone
def test_the_registry_tells_the_truth(row):
    body = loading.new_encoder(row.key, pretrained=True)
    assert sum(p.numel() for p in body.parameters()) == row.parameters
    assert body.width == row.width
    made = features(body, RAW[row.modality])
    assert made.shape == (5, row.width)
    assert made.dtype == torch.float32
    assert torch.isfinite(made).all()


@every_backbone
def test_the_parts_are_all_of_the_body_from_first_to_last(row):
    body = loading.new_encoder(row.key, pretrained=False)
    parts = body.named_blocks()
    assert all(isinstance(part, NamedBlock) for part in parts)
    counted = sum(p.numel() for part in parts for p in part.module.parameters())
    assert counted == row.parameters


@every_backbone
def test_random_weights_are_other_weights_in_the_same_shape(row):
    trained, random = (
        loading.new_encoder(row.key, pretrained=which).state_dict() for which in (True, False)
    )
    assert {k: v.shape for k, v in trained.items()} == {k: v.shape for k, v in random.items()}
    differ = [name for name in trained if not torch.equal(trained[name], random[name])]
    assert len(differ) > len(trained) / 3


@every_backbone
def test_changing_one_run_s_body_leaves_the_next_one_s(row):
    first = loading.new_encoder(row.key, pretrained=True)
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.zero_()
    assert any(p.any() for p in loading.new_encoder(row.key, pretrained=True).parameters())


@every_backbone
def test_lora_adds_a_little_and_changes_nothing_at_first(row):
    body = loading.new_encoder(row.key, pretrained=True)
    before = features(body, RAW[row.modality])
    body.add_lora(4)
    assert torch.allclose(features(body, RAW[row.modality]), before, atol=1e-2)
    added = sum(p.numel() for name, p in body.named_parameters() if "lora_" in name)
    assert 0 < added < 0.2 * row.parameters


@every_backbone
def test_a_feature_does_not_depend_on_the_batch_it_came_in(row):
    body = loading.new_encoder(row.key, pretrained=True)
    together = features(body, RAW[row.modality])
    alone = features(body, RAW[row.modality][:1])
    likeness = torch.nn.functional.cosine_similarity(together[:1], alone)
    assert likeness.item() > 0.999


def test_each_kind_of_data_has_a_bundled_backbone_first():
    assert [list_for_modality(kind)[0].key for kind in ("images", "text")] == [
        "small_resnet",
        "minilm",
    ]


def test_an_unknown_backbone_names_a_near_one():
    with pytest.raises(UnknownKey, match="Did you mean 'minilm'"):
        pick("mini_lm")


# --- MiniLM -----------------------------------------------------------------------------------


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the package's model to damage; found in place of the package."""
    package = tmp_path / minilm.WEIGHTS_PACKAGE
    shutil.copytree(minilm.find_model_folder(), package / "model")

    class Spec:
        submodule_search_locations = (str(package),)

    minilm.find_model_folder.cache_clear()
    monkeypatch.setattr(package_files, "find_spec", lambda name: Spec)
    yield package / "model"
    minilm.find_model_folder.cache_clear()


def test_the_published_files_pass(copied):
    assert minilm.find_model_folder() == copied


@pytest.mark.parametrize("name", minilm.SHA256)
def test_a_damaged_file_is_refused(copied, name):
    whole = (copied / name).read_bytes()
    (copied / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(package_files.DamagedFile, match=f"{name}.*not the published file"):
        minilm.find_model_folder()


def test_a_missing_package_is_said(monkeypatch):
    minilm.find_model_folder.cache_clear()
    monkeypatch.setattr(package_files, "find_spec", lambda name: None)
    with pytest.raises(package_files.DamagedFile, match=r"missing\. Install Thaw again"):
        minilm.find_model_folder()


def test_the_model_is_the_original_release():
    assert minilm.SHA256["model.safetensors"] == (
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    )


def test_sentences_that_mean_the_same_are_near():
    body = loading.new_encoder("minilm", pretrained=True)
    made = features(
        body,
        ["A man is eating food.", "Someone eats a meal.", "The stock market fell sharply today."],
    )
    made = body.keep_last_layer(made)
    assert torch.allclose(made.norm(dim=1), torch.ones(3), atol=1e-3)
    alike, unlike = made[0] @ made[1], made[0] @ made[2]
    assert alike > 0.5
    assert unlike < 0.2


def test_a_long_text_is_cut():
    body = loading.new_encoder("minilm", pretrained=False)
    prepared = body.prepare(["word " * 1000])
    assert isinstance(prepared, TokenInputs)
    assert prepared.lengths.tolist() == [minilm.MAX_TOKENS]


def test_the_code_of_the_model_s_package_is_never_imported(root):
    code = (
        "import sys, torch\n"
        "from trainers.networks.loading import new_encoder\n"
        "body = new_encoder('minilm', pretrained=True)\n"
        "body(body.prepare(['a text']).batch(torch.tensor([0])))\n"
        f"print(*({{{minilm.WEIGHTS_PACKAGE!r}, 'sentence_transformers'}} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


# --- our own network --------------------------------------------------------------------------


WEIGHTS = small_resnet.WEIGHTS_DIR / "small_resnet.safetensors"


def test_the_weights_are_small():
    assert WEIGHTS.stat().st_size <= 3_000_000


def test_pictures_of_any_size_are_made_to_fit():
    body = loading.new_encoder("small_resnet", pretrained=False)
    for height, width in ((8, 8), (32, 32), (64, 48), (200, 300)):
        prepared = body.prepare(np.full((2, height, width, 3), 200, np.uint8))
        assert prepared.images.shape == (2, 3, 32, 32)
        assert (prepared.images == 200).all()


def test_augmented_pictures_are_shifted_copies():
    image = np.arange(3 * 32 * 32, dtype=np.int64).reshape(32, 32, 3) % 251
    prepared = loading.new_encoder("small_resnet", pretrained=False).prepare(
        image[None].astype(np.uint8)
    )
    plain = prepared.batch(torch.tensor([0]))[0]
    moved = prepared.batch(torch.tensor([0] * 200), augment=True)
    assert plain.max() <= 1
    assert plain.min() >= 0
    middle = plain[:, 8:24, 8:24]
    shifts = {
        (down, right)
        for picture in moved
        for down in range(-4, 5)
        for right in range(-4, 5)
        if torch.equal(picture[:, 8 + down : 24 + down, 8 + right : 24 + right], middle)
    }
    assert len(shifts) > 40


@pytest.fixture
def cifar(real_data) -> Path:
    file = real_data / "cifar100" / "cifar100_webp.npz"
    assert file.is_file()
    return file


@pytest.mark.real_data
def test_the_small_network_knows_what_it_was_trained_on(cifar):
    images, labels = pretrain.load_split(cifar, "test")
    images, labels = images[:300], labels[:300]
    body = loading.new_encoder("small_resnet", pretrained=True)
    stored = load_file(WEIGHTS)
    made = body.keep_last_layer(features(body, images.permute(0, 2, 3, 1).numpy()))
    scores = made @ stored["1.weight"].float().T + stored["1.bias"].float()
    assert (scores.argmax(1) == labels).float().mean() > 0.3  # chance is 0.01


@pytest.mark.real_data
def test_its_features_tell_new_pictures_apart_better_than_random_ones(cifar):
    images, labels = pretrain.load_split(cifar, "test")
    kept = labels < 10
    pictures, labels = images[kept][:300].permute(0, 2, 3, 1).numpy(), labels[kept][:300]
    right = {}
    for pretrained in (True, False):
        made = features(loading.new_encoder("small_resnet", pretrained=pretrained), pictures)
        answers = classify_by_class_mean(made[:100], labels[:100], made[100:], 10)
        right[pretrained] = (answers == labels[100:]).float().mean().item()
    assert right[True] > right[False] + 0.2


def test_on_drawn_vehicles_what_was_learned_elsewhere_is_worth_fifteen_points():
    """The article's own picture must show: else the drawings are wrong."""
    right = {
        approach: [
            *run(Plan(data="vehicles", approach=approach, examples_per_class=10, seconds=20))
        ][-1]
        for approach in ("transfer", "scratch")
    }
    assert right["transfer"].test_accuracy - right["scratch"].test_accuracy >= 0.15


# --- features of several layers, and the frozen trunk --------------------------------------------


@every_backbone
def test_a_narrower_model_gets_the_last_layer_alone(row):
    encoder = loading.new_encoder(row.key, pretrained=True)
    everything = features(encoder, RAW[row.modality])
    encoder.use_width(encoder.last_layer_width)
    assert torch.allclose(
        features(encoder, RAW[row.modality]), everything[:, -encoder.last_layer_width :], atol=1e-6
    )
    with pytest.raises(ValueError, match="features, and the model 7"):
        encoder.use_width(7)


def test_the_trunk_of_a_photo_is_computed_once_and_leads_to_the_same_features():
    encoder = loading.new_encoder("efficientnet_lite2", pretrained=True)
    inputs = encoder.prepare(RAW["images"])
    items = torch.tensor([3, 1])
    whole = torch.cat(list(extract_features(encoder, inputs, items)))
    trunk_inputs = TrunkInputs(inputs, encoder)
    stored = torch.cat(list(extract_features(encoder, trunk_inputs, items)))
    assert torch.nn.functional.cosine_similarity(whole, stored).min() > 0.999
    assert trunk_inputs.stored_bytes(5) == 2 * 5 * trunk_inputs.batch(items)[0].nbytes / 2  # bf16
    encoder.run_trunk = None  # not called again
    assert torch.equal(trunk_inputs.batch(items), trunk_inputs.batch(items))


def test_augmentation_draws_mirror_images_at_random():
    encoder = loading.new_encoder("efficientnet_lite2", pretrained=True)
    trunk_inputs = TrunkInputs(encoder.prepare(RAW["images"]), encoder)
    plain, mirrored = (
        trunk_inputs.batch(torch.tensor([0]), mirrored=flip) for flip in (False, True)
    )
    drawn = trunk_inputs.batch(torch.zeros(40, dtype=torch.int64), augment=True)
    is_plain = torch.tensor([torch.equal(example, plain[0]) for example in drawn])
    is_mirrored = torch.tensor([torch.equal(example, mirrored[0]) for example in drawn])
    assert (is_plain ^ is_mirrored).all()
    assert 5 < is_plain.sum() < 35
