"""The pre-trained bodies, as a registry that can be read without torch."""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from trainers.registry import by_key, pick_from

if TYPE_CHECKING:
    from trainers.body import Body


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A pre-trained network without its last layer."""

    key: str  # in links and plans: never rename
    title: str
    good_for: str  # one line, shown as it stands
    modality: str  # "images" or "text"
    takes: str  # what it reads of an example, in words
    features: int  # numbers it makes of one example
    parameters: int  # how many numbers it has learned
    learns: str  # what fine-tuning lets learn by default: "lora" or "all"
    licence: str
    source: str
    load: str  # "module:class", resolved in the worker: importing this file brings no torch

    def body(self, *, pretrained: bool = True) -> "Body":
        """The network itself; with `pretrained=False` the same shape with random weights."""
        module, _, name = self.load.partition(":")
        return getattr(import_module(module), name).make(pretrained=pretrained)


BACKBONES = by_key(
    Backbone(
        key="small_resnet",
        title="Small ResNet: tiny and quick",
        good_for="Small pictures. Seconds on any computer; made for Thaw.",
        modality="images",
        takes="32 x 32 pixels, in colour",
        features=224,
        parameters=1_330_016,
        learns="all",
        licence="Apache-2.0",
        source="ours, pre-trained on CIFAR-100",
        load="trainers.backbones.vision:SmallResNet",
    ),
    Backbone(
        key="minilm",
        title="MiniLM: small and well read",
        good_for="Short English texts: messages, notes, sentences.",
        modality="text",
        takes="the first 256 word pieces, English",
        features=384,
        parameters=22_565_376,
        learns="lora",
        licence="Apache-2.0",
        source="sentence-transformers/all-MiniLM-L6-v2",
        load="trainers.backbones.text:MiniLM",
    ),
)


def pick(key: str) -> Backbone:
    """The backbone called `key`. Raises `UnknownKey`, naming one that exists."""
    return pick_from(BACKBONES, key, "backbone")


def for_modality(modality: str) -> list[Backbone]:
    """The backbones that read `modality`, the bundled one first."""
    return [backbone for backbone in BACKBONES.values() if backbone.modality == modality]
