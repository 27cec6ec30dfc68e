"""How each kind of encoder is exported: a row for each loader of a backbone."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trainers.backbones import Backbone, cache
from trainers.export.saved_model import SavedModel
from trainers.networks import efficientnet_lite, lite_network, minilm, small_resnet, torchvision


class ExportRecipe(NamedTuple):
    """How an encoder of one kind is exported."""

    network_attribute: str  # the encoder's attribute with the network; the zip's names omit it
    network_name: Callable[[Backbone], str]  # its name in network.py
    preprocessing: Callable[[SavedModel, Sequence], dict[str, Any]]  # with inputs as in training
    base: Callable[[SavedModel], dict[str, Any]]  # source of the pre-trained weights, checksums
    extra_files: Callable[[SavedModel], dict[str, Path]]  # by their names in the zip
    requirements: tuple[str, ...]  # names of packages


def _sha256_sums(files: Sequence[Path]) -> dict[str, str]:
    """Return the SHA-256 of each file by its name."""
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def _small_resnet_preprocessing(saved: SavedModel, inputs: Sequence) -> dict[str, Any]:
    # Images of one size are resized by torch, others by PIL: on the handwritten digits the choice
    # is worth up to a point (555 or 550 of 600 right).
    interpolation = "tensor" if isinstance(inputs, np.ndarray) else "bilinear"
    sizes = {"side_px": saved.encoder.image_px, "resized_px": None}
    return (
        sizes
        | {"interpolation": interpolation}
        | {"mean": small_resnet.CIFAR100_MEAN, "std": small_resnet.CIFAR100_STD}
    )


def _small_resnet_base(saved: SavedModel) -> dict[str, Any]:
    file = small_resnet.WEIGHTS_DIR / "small_resnet.safetensors"
    return {"from": "this zip", "files": {"base.safetensors": _sha256_sums([file])[file.name]}}


def _torchvision_preprocessing(saved: SavedModel, inputs: Sequence) -> dict[str, Any]:
    transform = saved.encoder.transform
    (side,), (resized,) = transform.crop_size, transform.resize_size
    sizes = {"side_px": side, "resized_px": resized}
    interpolation = {"interpolation": transform.interpolation.value}
    return sizes | interpolation | {"mean": transform.mean, "std": transform.std}


def _torchvision_base(saved: SavedModel) -> dict[str, Any]:
    weights = torchvision.get_weights(saved.backbone)
    files = _sha256_sums([cache.torch_hub_path() / saved.backbone.weights_file])
    return {"from": "torchvision", "weights": weights.name, "files": files}


def _lite_preprocessing(saved: SavedModel, inputs: Sequence) -> dict[str, Any]:
    side = saved.encoder.image_px
    sizes = {"side_px": side, "resized_px": side, "interpolation": "bicubic"}
    return sizes | {"mean": efficientnet_lite.PIXEL_MEAN, "std": efficientnet_lite.PIXEL_STD}


def _lite_base(saved: SavedModel) -> dict[str, Any]:
    file = efficientnet_lite.WEIGHTS[saved.backbone.key]
    files = {file.name: file.sha256}
    return {"from": "package", "package": file.package, "folder": "", "files": files}


def _text_preprocessing(saved: SavedModel, inputs: Sequence) -> dict[str, Any]:
    encoder = saved.encoder
    is_minilm = isinstance(encoder, minilm.MiniLM)
    config = encoder.bert.config if is_minilm else encoder.model.config
    pad = config.pad_token_id or 0
    return {"max_tokens": saved.backbone.max_tokens, "prefix": saved.backbone.prefix, "pad": pad}


def _package_base(saved: SavedModel) -> dict[str, Any]:
    names = ("config.json", "model.safetensors")
    files = {name: minilm.SHA256[name] for name in names}
    return {"from": "package", "package": minilm.WEIGHTS_PACKAGE, "folder": "model", "files": files}


def _hub_base(saved: SavedModel) -> dict[str, Any]:
    folder = saved.encoder.folder
    index = (
        [folder / cache.WEIGHTS_INDEX_FILE] if (folder / cache.WEIGHTS_INDEX_FILE).is_file() else []
    )
    files = _sha256_sums([folder / "config.json", *index, *cache.list_weights(folder)])
    revision = cache.find_commit(saved.backbone)
    return {"from": "hub", "repo": saved.backbone.repo, "revision": revision, "files": files}


TOKENIZER_CONFIG_FILES = (
    "config.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer_config.json",
)


def _tokenizer_files(folder: Path) -> dict[str, Path]:
    """Return the files of the tokenizer."""
    names = [
        name
        for name in (*TOKENIZER_CONFIG_FILES, *cache.TOKENIZER_FILES)
        if (folder / name).is_file()
    ]
    return {f"encoder/{name}": folder / name for name in names}


IMAGE_REQUIREMENTS = ("torch", "torchvision", "numpy", "pillow", "safetensors")
TEXT_REQUIREMENTS = (
    "torch",
    "transformers",
    "tokenizers",
    "numpy",
    "safetensors",
    "huggingface-hub",
)
EXPORT_RECIPES = {  # by the loader of a backbone
    "trainers.networks.small_resnet:SmallResNet": ExportRecipe(
        "parts",
        lambda backbone: backbone.key,
        _small_resnet_preprocessing,
        _small_resnet_base,
        lambda saved: {},
        IMAGE_REQUIREMENTS,
    ),
    "trainers.networks.efficientnet_lite:EfficientNetLite": ExportRecipe(
        "net",
        lambda backbone: backbone.key,
        _lite_preprocessing,
        _lite_base,
        lambda saved: {"efficientnet_lite.py": Path(lite_network.__file__)},
        IMAGE_REQUIREMENTS,
    ),
    "trainers.networks.torchvision:TorchvisionEncoder": ExportRecipe(
        "net",
        lambda backbone: backbone.key,
        _torchvision_preprocessing,
        _torchvision_base,
        lambda saved: {},
        IMAGE_REQUIREMENTS,
    ),
    "trainers.networks.minilm:MiniLM": ExportRecipe(
        "bert",
        lambda backbone: "encoder",
        _text_preprocessing,
        _package_base,
        lambda saved: _tokenizer_files(minilm.find_model_folder()),
        TEXT_REQUIREMENTS,
    ),
    "trainers.networks.huggingface:HuggingFaceEncoder": ExportRecipe(
        "model",
        lambda backbone: "encoder",
        _text_preprocessing,
        _hub_base,
        lambda saved: _tokenizer_files(saved.encoder.folder),
        TEXT_REQUIREMENTS,
    ),
}
