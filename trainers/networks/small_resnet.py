"""Backbones for images: modules that turn pictures into features."""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from PIL import Image, ImageOps
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock
from torchvision.ops import Conv2dNormActivation

from trainers.backbones import Backbone
from trainers.networks.encoder import Encoder, ImageInputs, NamedBlock

WEIGHTS_DIR = Path(__file__).parents[1] / "backbones" / "weights"

# Mean and spread of CIFAR-100's training images per channel, 0..1 (measured).
CIFAR100_MEAN = (0.5071, 0.4866, 0.4409)
CIFAR100_STD = (0.2673, 0.2564, 0.2762)


BLOCK_TITLES = {  # the parts as a page names them
    "stem": "first layers",
    "stage1": "layers 2",
    "stage2": "layers 3",
    "stage3": "layers 4",
    "stage4": "last layers",
}


# The means of these parts stand before the last one's, enlarged to its length (on CIFAR-100's
# training images). On vehicles, digits and cells, 10 / 50 of each class: 75.1 / 87.2 % on average,
# the last part alone 71.3 / 83.1, what cross-validation chooses 74.5 / 87.2.
# tests/bench/feature_layers.py.
EARLIER_PARTS = {"stage2": 8.46, "stage3": 6.85}


class SmallResNet(Encoder):
    """Our own residual network for 32x32 images: 1.33 M parameters, five blocks, 576 features.

    Takes float32 (N, 3, 32, 32) in 0..1 and returns float (N, 576): the means over the image of the
    channels of the last three blocks. The blocks have the shape of the fast CIFAR networks of
    the DAWNBench contest (ResNet-9), narrowed to 3 MB, from torchvision's blocks.
    """

    last_layer_width = 224
    width = 128 + 224 + last_layer_width
    image_px = 32

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.Sequential(
            OrderedDict(
                stem=nn.Sequential(_conv_block(3, 32), _conv_block(32, 64), nn.MaxPool2d(2)),
                stage1=BasicBlock(64, 64),
                stage2=nn.Sequential(_conv_block(64, 128), nn.MaxPool2d(2)),
                stage3=nn.Sequential(_conv_block(128, 224), nn.MaxPool2d(2)),
                stage4=BasicBlock(224, 224),
            )
        )
        self.register_buffer("mean", torch.tensor(CIFAR100_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(CIFAR100_STD).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        hidden, means = (images - self.mean) / self.std, []
        for name, part in self.parts.named_children():
            hidden = part(hidden)
            if name in EARLIER_PARTS:
                means.append(EARLIER_PARTS[name] * hidden.mean((2, 3)))
        return torch.cat([*means, hidden.mean((2, 3))], 1)[:, -self.width :]

    @classmethod
    def build(cls, *, pretrained: bool, backbone: Backbone | None = None) -> Self:
        body = cls()
        if pretrained:
            stored = load_file(WEIGHTS_DIR / "small_resnet.safetensors")
            # Stored in half precision with its 100-class head ("1."), as pretrain.py writes it.
            weights = {name[2:]: v.float() for name, v in stored.items() if name.startswith("0.")}
            missing, unknown = body.load_state_dict(weights, strict=False)
            if unknown or any("num_batches" not in name for name in missing):
                raise ValueError(f"The weights do not fit: {missing=}, {unknown=}.")
        return body.to(memory_format=torch.channels_last)

    def prepare(self, inputs: Sequence) -> ImageInputs:
        if not isinstance(inputs, np.ndarray):
            return ImageInputs(_crop_to_square(inputs, self.image_px))
        images = torch.from_numpy(np.ascontiguousarray(inputs)).permute(0, 3, 1, 2)
        side = (self.image_px, self.image_px)
        if images.shape[-2:] != side:
            # A thousand at a time: float copies of a large set would fill the memory.
            images = torch.cat([_resize(part, side) for part in images.split(1000)])
        return ImageInputs(images.contiguous())

    def named_blocks(self) -> list[NamedBlock]:
        return [
            NamedBlock(BLOCK_TITLES[name], module) for name, module in self.parts.named_children()
        ]

    def add_lora(self, rank: int) -> None:
        from peft import LoraConfig, inject_adapter_in_model  # seconds, and rarely needed here

        convolutions = [n for n, m in self.named_modules() if isinstance(m, nn.Conv2d)]
        config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=convolutions)
        inject_adapter_in_model(config, self)


def _crop_to_square(inputs: Sequence[np.ndarray], side_px: int) -> Tensor:
    """The middle square of each picture, uint8 (N, 3, side, side). They may differ in size and be
    decoded when asked for: only one is held at a time."""
    out = torch.empty(len(inputs), 3, side_px, side_px, dtype=torch.uint8)
    for number, picture in enumerate(inputs):
        image = Image.fromarray(picture)
        small = ImageOps.fit(image, (side_px, side_px), Image.Resampling.BILINEAR)
        out[number] = torch.from_numpy(np.array(small)).permute(2, 0, 1)
    return out


def _resize(images: Tensor, side: tuple[int, int]) -> Tensor:
    resized = nn.functional.interpolate(
        images.float(), side, mode="bilinear", antialias=True, align_corners=False
    )
    return resized.round().clamp(0, 255).to(torch.uint8)


def _conv_block(channels_in: int, channels_out: int) -> nn.Module:
    return Conv2dNormActivation(channels_in, channels_out, kernel_size=3)
