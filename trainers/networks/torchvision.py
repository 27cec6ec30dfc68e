"""Backbones of torchvision, with its own weights and its own way to make a picture ready."""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torchvision import models

from trainers.backbones import Backbone
from trainers.networks.encoder import Encoder, ImageInputs, NamedBlock, group_blocks
from trainers.networks.image_inputs import LazyImageInputs, Resize


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
        (side,), (resized,) = self.transform.crop_size, self.transform.resize_size
        return LazyImageInputs(inputs, Resize(side, resized, self.transform.interpolation))

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
