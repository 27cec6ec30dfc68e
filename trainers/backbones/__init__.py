"""The pre-trained bodies, as a registry that can be read without torch."""

import re
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from trainers.backbones import cache
from trainers.backbones.cache import backbone_path, is_downloaded
from trainers.datasets.types import Dataset
from trainers.system.registry import UnknownKey, build_registry, look_up

__all__ = [
    "BACKBONES",
    "Backbone",
    "BackboneNotDownloaded",
    "backbone_path",
    "is_downloaded",
    "list_for_modality",
    "pick",
    "pick_default",
]


class BackboneNotDownloaded(ValueError):
    """A backbone that would have to be downloaded first; the text says how."""


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A pre-trained network without its last layer."""

    key: str  # in links and plans: never rename
    title: str
    good_for: str  # one line, shown as it stands
    modality: str  # "images" or "text"
    input_description: str  # what it reads of an example, in words
    width: int | None  # numbers it makes of one example; None: not known before a download
    parameters: int  # how many numbers it has learned; 0: not known before a download
    trainable: str  # what fine-tuning lets learn by default: "lora" or "all"
    hybrid_trainable: str = ""  # what a hybrid thaws by default; "": the same
    licence: str
    source: str
    load: str  # "module:class", resolved in the worker: importing this file brings no torch
    image_px: int | None = None  # side of the square picture it looks at; None for texts
    max_tokens: int | None = None  # word pieces it reads; None for pictures, or not known yet
    languages: tuple[str, ...] = ()  # ISO 639 codes of the texts it learned from; (): any
    download_bytes: int | None = 0  # 0: comes with Thaw; None: not known
    weights_file: str = ""  # of torchvision's weights
    repo: str = ""  # at Hugging Face
    revision: str = ""  # there: a commit; "": the latest, noted when it is downloaded
    prefix: str = ""  # put before each text, as the model was trained

    def build_encoder(self, *, pretrained: bool = True) -> Any:
        """Return the network; with `pretrained=False` the same architecture with random weights.

        Nothing is downloaded. Raises `BackboneNotDownloaded`.
        """
        module, _, name = self.load.partition(":")
        return getattr(import_module(module), name).build(pretrained=pretrained, backbone=self)

    def resolve_trainable(self, choice: str, approach: str) -> str:
        """Return what learns in `approach`: `choice`, or the default where that is "auto"."""
        if choice != "auto":
            return choice
        return (approach == "hybrid" and self.hybrid_trainable) or self.trainable

    @property
    def is_bundled(self) -> bool:
        return not (self.weights_file or self.repo)

    @property
    def name(self) -> str:
        """The title without what it says of the backbone."""
        return self.title.partition(":")[0]

    @property
    def download_size(self) -> str:
        """Return the size of the download, in words."""
        if self.is_bundled:
            return "comes with Thaw"
        return f"{self.download_bytes / 1e6:,.0f} MB" if self.download_bytes else "size not known"

    def check_downloaded(self) -> None:
        """Raise `BackboneNotDownloaded` if it is.

        The text says how to download it and what to use meanwhile.
        """
        if not is_downloaded(self):
            raise BackboneNotDownloaded(
                f"The backbone {self.key} is not on this computer, and a run downloads nothing. "
                f"Fetch it first ({self.download_size}): thaw download {self.key}. "
                f"Or use {get_bundled(self.modality).key}, which comes with Thaw."
            )


def _torchvision_row(**row: object) -> Backbone:
    """A row of torchvision's: ImageNet weights, version 1 of each, 224 x 224 pixels."""
    return Backbone(
        modality="images",
        input_description="the middle 224 x 224 pixels, in colour",
        image_px=224,
        licence="BSD-3-Clause",
        load="trainers.networks.torchvision:TorchvisionEncoder",
        **row,
    )


def _huggingface_row(**row: object) -> Backbone:
    """A row of Hugging Face's: an encoder whose word vectors are averaged."""
    return Backbone(
        modality="text",
        trainable="lora",
        load="trainers.networks.huggingface:HuggingFaceEncoder",
        **row,
    )


BACKBONES = build_registry(
    Backbone(
        key="small_resnet",
        title="Small ResNet: tiny and quick",
        good_for="Small pictures. Seconds on any computer; made for Thaw.",
        modality="images",
        input_description="32 x 32 pixels, in colour",
        width=576,
        parameters=1_330_016,
        trainable="all",
        licence="Apache-2.0",
        source="ours, pre-trained on CIFAR-100",
        load="trainers.networks.small_resnet:SmallResNet",
        image_px=32,
    ),
    Backbone(
        key="efficientnet_lite2",
        title="EfficientNet-Lite2: photos, the default",
        good_for="Photos of anything, in detail. Comes with Thaw.",
        modality="images",
        input_description="the middle 260 x 260 pixels, in colour",
        width=1960,
        parameters=4_811_072,
        trainable="all",
        hybrid_trainable="last_blocks",
        licence="Apache-2.0",
        source="Google, pre-trained on ImageNet (77.6 % top-1)",
        load="trainers.networks.efficientnet_lite:EfficientNetLite",
        image_px=260,
    ),
    # Parameters are those of the whole network less its last layer; sizes are torchvision's own.
    _torchvision_row(
        key="mobilenet_v3_small",
        title="MobileNet V3 small: photos on a slow computer",
        good_for="Photos, when every second counts. The quickest of those that see detail.",
        width=1024,
        parameters=1_517_856,
        trainable="all",
        source="torchvision, pre-trained on ImageNet (67.7 % top-1)",
        download_bytes=10_306_000,
        weights_file="mobilenet_v3_small-047dcff4.pth",
    ),
    _torchvision_row(
        key="squeezenet1_0",
        title="SqueezeNet 1.0: photos, the smallest download",
        good_for="Photos, when the network is slow: 5 MB. Less exact than the others.",
        width=512,
        parameters=735_424,
        trainable="all",
        source="torchvision, pre-trained on ImageNet (58.1 % top-1)",
        download_bytes=5_010_000,
        weights_file="squeezenet1_0-b66bff10.pth",
    ),
    _torchvision_row(
        key="mobilenet_v2",
        title="MobileNet V2: photos, a good all-rounder",
        good_for="Photos of things, animals, scenes: small, and exact enough for most uses.",
        width=1280,
        parameters=2_223_872,
        trainable="all",
        source="torchvision, pre-trained on ImageNet (71.9 % top-1)",
        download_bytes=14_213_000,
        weights_file="mobilenet_v2-b0353104.pth",
    ),
    _torchvision_row(
        key="resnet18",
        title="ResNet-18: the classic",
        good_for="Photos and drawings. Forgiving to fine-tune; most tutorials use it.",
        width=512,
        parameters=11_176_512,
        trainable="all",
        source="torchvision, pre-trained on ImageNet (69.8 % top-1)",
        download_bytes=46_830_000,
        weights_file="resnet18-f37072fd.pth",
    ),
    _torchvision_row(
        key="efficientnet_b0",
        title="EfficientNet B0: more exact, still small",
        good_for="Photos whose classes differ in detail, when some seconds more are fine.",
        width=1280,
        parameters=4_007_548,
        trainable="all",
        source="torchvision, pre-trained on ImageNet (77.7 % top-1)",
        download_bytes=21_444_000,
        weights_file="efficientnet_b0_rwightman-7f5810bc.pth",
    ),
    _torchvision_row(
        key="convnext_tiny",
        title="ConvNeXt tiny: the most exact, and the slowest",
        good_for="Photos, when exactness matters more than time. Wants a graphics card.",
        width=768,
        parameters=27_820_128,
        trainable="lora",
        source="torchvision, pre-trained on ImageNet (82.5 % top-1)",
        download_bytes=114_419_000,
        weights_file="convnext_tiny-983f1562.pth",
    ),
    Backbone(
        key="minilm",
        title="MiniLM: small and well read",
        good_for="Short English texts: messages, notes, sentences.",
        modality="text",
        input_description="the first 256 word pieces, English",
        width=1536,
        parameters=22_565_376,
        trainable="lora",
        licence="Apache-2.0",
        source="sentence-transformers/all-MiniLM-L6-v2",
        load="trainers.networks.minilm:MiniLM",
        max_tokens=256,
        languages=("en",),
    ),
    # Bytes: model.safetensors and tokenizer.json of the revision.
    _huggingface_row(
        key="minilm_l12",
        title="MiniLM L12: twice as deep",
        good_for="Short English texts whose meanings lie close together.",
        input_description="the first 128 word pieces, English",
        width=384,
        parameters=33_212_160,
        licence="Apache-2.0",
        source="sentence-transformers/all-MiniLM-L12-v2",
        max_tokens=128,
        languages=("en",),
        download_bytes=133_933_000,
        repo="sentence-transformers/all-MiniLM-L12-v2",
        revision="c004d8e3e901237d8fa7e9fff12774962e391ce5",
    ),
    _huggingface_row(
        key="distilbert",
        title="DistilBERT: the one to fine-tune",
        good_for="English texts up to a page, when it may learn; weaker while frozen.",
        input_description="the first 512 word pieces, English",
        width=768,
        parameters=66_362_880,
        licence="Apache-2.0",
        source="distilbert/distilbert-base-uncased",
        max_tokens=512,
        languages=("en",),
        download_bytes=268_421_000,
        repo="distilbert/distilbert-base-uncased",
        revision="12040accade4e8a0f71eabdb258fecc2e7e948be",
    ),
    _huggingface_row(
        key="e5_small",
        title="E5 small: a hundred languages",
        good_for="Texts that are not English, or in several languages.",
        input_description="the first 512 word pieces, about a hundred languages",
        width=384,
        parameters=117_505_920,
        licence="MIT",
        source="intfloat/multilingual-e5-small",
        max_tokens=512,
        download_bytes=487_726_000,
        repo="intfloat/multilingual-e5-small",
        revision="fd1525a9fd15316a2d503bf26ab031a61d056e98",
        prefix="query: ",
    ),
)

# Pictures whose shorter side is longer are photos to us: 32 px would lose most of what they show.
MAX_THUMBNAIL_PX = 64

# Any encoder by its hub name: "hf:org/name", "hf:org/name@revision". Names as the hub allows them.
HUB_KEY_PATTERN = re.compile(
    r"(?!.*(?:--|\.\.))hf:(?P<repo>[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95})"
    r"(?:@(?P<revision>[A-Za-z0-9][A-Za-z0-9._-]{0,63}))?"
)
MAX_HUB_KEY_CHARS = 260  # that such a name has at most


def pick(key: str) -> Backbone:
    """The backbone called `key`. Raises `UnknownKey`, naming one that exists."""
    if match := HUB_KEY_PATTERN.fullmatch(key):
        return _hub_row(key, match["repo"], match["revision"] or "")
    if key.startswith("hf:"):
        raise UnknownKey(
            f"{key!r} is no name at Hugging Face. It looks like hf:organisation/model, or "
            "hf:organisation/model@revision."
        )
    return look_up(BACKBONES, key, "backbone")


def pin_revision(key: str) -> str:
    """`key` with the commit that is on this computer, so that a run can be repeated exactly."""
    row = pick(key)
    commit = cache.find_commit(row) if key.startswith("hf:") else None
    return f"hf:{row.repo}@{commit}" if commit else key


def list_for_modality(modality: str) -> list[Backbone]:
    """The backbones that read `modality`, the bundled one first."""
    return [backbone for backbone in BACKBONES.values() if backbone.modality == modality]


def get_bundled(modality: str) -> Backbone:
    """The backbone for `modality` that needs no download."""
    return list_for_modality(modality)[0]


def pick_default(dataset: Dataset) -> Backbone:
    """Return the backbone for `dataset` unless another is asked for; it needs no download."""
    side = dataset.facts.side_px if dataset.facts else None
    is_photo = dataset.modality == "images" and side is not None and side > MAX_THUMBNAIL_PX
    return BACKBONES["efficientnet_lite2"] if is_photo else get_bundled(dataset.modality)


def format_table() -> str:
    """Return the backbones as a Markdown table, for .github/docs/downloads.md."""
    rows = [
        "| `--backbone` | download | parameters | good for | licence |",
        "|---|---|---|---|---|",
    ]
    rows += [
        f"| `{row.key}` | {row.download_size} | {row.parameters / 1e6:.1f} M | {row.good_for} "
        f"| {row.licence} |"
        for row in BACKBONES.values()
    ]
    return "\n".join(rows)


def _hub_row(key: str, repo: str, revision: str) -> Backbone:
    row = _huggingface_row(
        key=key,
        title=repo,
        good_for="Your own choice: see its page at Hugging Face.",
        input_description="texts, as many word pieces as its files say",
        width=None,
        parameters=0,
        licence="see its page at Hugging Face",
        source=repo,
        download_bytes=None,
        repo=repo,
        revision=revision,
    )
    folder = cache.find_snapshot(row)
    if folder is None:
        return row
    known = cache.read_model_info(folder)
    return replace(row, input_description=f"the first {known['max_tokens']} word pieces", **known)
