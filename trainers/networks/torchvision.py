"""Backbones of torchvision, with its own weights and its own way to make a picture ready."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision import models
from torchvision.transforms import functional

from trainers.backbones import Backbone
from trainers.networks.encoder import Encoder, ImageInputs, NamedBlock, group_blocks

DECODE_THREADS = 4  # PIL lets other threads run while it decodes and resizes


class TorchvisionEncoder(Encoder):
    """A network of torchvision without its last layer.

    Takes float32 (N, 3, 224, 224) in 0..1 and returns float (N, features): the input of the last
    layer.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        weights = get_weights(backbone)
        self.net = models.get_model(backbone.key, weights=None)
        self.classifier_name = _remove_classifier(self.net)
        self.width = backbone.width
        self.transform = weights.transforms()
        for name in ("mean", "std"):
            value = torch.tensor(getattr(self.transform, name)).view(3, 1, 1)
            self.register_buffer(name, value, persistent=False)

    @classmethod
    def build(cls, *, pretrained: bool, backbone: Backbone) -> Self:
        body = cls(backbone)
        if pretrained:
            backbone.check_downloaded()  # what is here is never downloaded
            state = get_weights(backbone).get_state_dict(check_hash=True, weights_only=True)
            keep = {
                name: v
                for name, v in state.items()
                if not name.startswith(f"{body.classifier_name}.")
            }
            body.net.load_state_dict(keep)
        return body.to(memory_format=torch.channels_last)

    def prepare(self, inputs: Sequence) -> ImageInputs:
        return LazyImageInputs(inputs, self.transform)

    def forward(self, images: Tensor) -> Tensor:
        return self.net((images - self.mean) / self.std)

    def named_blocks(self) -> list[NamedBlock]:
        blocks = [*getattr(self.net, "features", self.net).children()]
        if hasattr(self.net, "features"):  # what stands between them and the last layer
            blocks[-1] = nn.ModuleList([blocks[-1], self.net.classifier])
        return group_blocks(
            blocks, ["first layers", "layers 2", "layers 3", "layers 4", "last layers"]
        )

    def add_lora(self, rank: int) -> None:
        from peft import LoraConfig, inject_adapter_in_model  # seconds, and rarely needed here

        targets = [
            name
            for name, module in self.named_modules()
            # One matrix beside each channel of its own would be larger than what it adapts.
            if isinstance(module, nn.Linear)
            or (isinstance(module, nn.Conv2d) and module.groups == 1)
        ]
        config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets)
        inject_adapter_in_model(config, self)


def get_weights(backbone: Backbone) -> models.WeightsEnum:
    """The weights that the row names; pinned, so a newer version changes nothing."""
    return models.get_model_weights(backbone.key).IMAGENET1K_V1


def _remove_classifier(net: nn.Module) -> str:
    """Replace the last layer by nothing, and return its name."""
    *_, last = [n for n, m in net.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    net.set_submodule(last, nn.Identity())
    return last


class LazyImageInputs(ImageInputs):
    """Pictures resized and cropped when they are first asked for: a budget may be too short to
    look at all, and the memory holds only what was looked at."""

    def __init__(self, raw: Sequence[np.ndarray], ready: nn.Module) -> None:
        (self.side_px,), (self.resized_px,) = ready.crop_size, ready.resize_size
        self.interpolation = ready.interpolation
        super().__init__(torch.empty(len(raw), 3, self.side_px, self.side_px, dtype=torch.uint8))
        self.raw, self.decode_seconds = raw, 0.0
        self.made = torch.zeros(len(raw), dtype=torch.bool)

    def batch(self, items: Tensor, *, augment: bool = False) -> Tensor:
        missing = items[~self.made[items]]
        if len(missing):
            began = time.perf_counter()
            with ThreadPoolExecutor(DECODE_THREADS) as pool:
                for item, picture in zip(
                    missing, pool.map(self._resize_and_crop, missing), strict=True
                ):
                    self.images[item] = picture
            self.made[missing] = True
            self.decode_seconds += time.perf_counter() - began
            self.seconds_per_example = self.decode_seconds / self.made.sum().item()
        return super().batch(items, augment=augment)

    def _resize_and_crop(self, item: Tensor) -> Tensor:
        image = Image.fromarray(self.raw[item])
        image = functional.resize(image, [self.resized_px], self.interpolation)
        return functional.pil_to_tensor(functional.center_crop(image, [self.side_px]))
