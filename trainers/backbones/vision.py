"""Backbones for images: modules that turn pictures into features."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock
from torchvision.ops import Conv2dNormActivation

# Mean and spread of CIFAR-100's training images per channel, 0..1 (measured by pretrain.py's data).
CIFAR100_MEAN = (0.5071, 0.4866, 0.4409)
CIFAR100_STD = (0.2673, 0.2564, 0.2762)


class SmallResNet(nn.Module):
    """Our own residual network for 32x32 pictures: 1.4 M parameters, five parts, 224 features.

    Takes float32 (N, 3, 32, 32) in 0..1 and hands back float (N, 224), never negative: the mean
    over the picture of the last part's channels. The parts are the shape of the fast CIFAR
    networks of the DAWNBench contest (ResNet-9), narrowed to fit in 3 MB, from torchvision's blocks.
    """

    features = 224

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.Sequential(
            OrderedDict(
                stem=nn.Sequential(_conv(3, 32), _conv(32, 64), nn.MaxPool2d(2)),
                stage1=BasicBlock(64, 64),
                stage2=nn.Sequential(_conv(64, 128), nn.MaxPool2d(2)),
                stage3=nn.Sequential(_conv(128, self.features), nn.MaxPool2d(2)),
                stage4=BasicBlock(self.features, self.features),
            )
        )
        self.register_buffer("mean", torch.tensor(CIFAR100_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(CIFAR100_STD).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.parts((images - self.mean) / self.std).mean((2, 3))


def _conv(channels_in: int, channels_out: int) -> nn.Module:
    return Conv2dNormActivation(channels_in, channels_out, kernel_size=3)
