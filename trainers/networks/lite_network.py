"""The layers of EfficientNet-Lite (Google, 2020). Exported models bring this file along.

EfficientNet without squeeze-and-excitation and with ReLU6, made for small computers.
"""

import math

import torch
from torch import Tensor, nn

BATCHNORM_EPSILON = 1e-3  # of the original, in TensorFlow
# Blocks, kernel, stride, expansion and channels of each stage, before scaling (table 1 of
# Tan & Le 2019).
STAGES = [
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
]
STEM_CHANNELS, HEAD_CHANNELS = 32, 1280


class SameConv2d(nn.Conv2d):
    """A convolution that pads as TensorFlow's "SAME": odd pixels to the right and the bottom."""

    def forward(self, images: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        height, width = (
            max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
            for side in images.shape[-2:]
        )
        padding = [width // 2, width - width // 2, height // 2, height - height // 2]
        return super().forward(nn.functional.pad(images, padding) if any(padding) else images)


class Block(nn.Module):
    """An inverted residual block (Sandler et al. 2018). Its names are those of the weights."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        middle = inputs * expand
        if expand != 1:
            self._expand_conv = nn.Conv2d(inputs, middle, 1, bias=False)
            self._bn0 = _batchnorm(middle)
        self._depthwise_conv = SameConv2d(middle, middle, kernel, stride, groups=middle, bias=False)
        self._bn1 = _batchnorm(middle)
        self._project_conv = nn.Conv2d(middle, outputs, 1, bias=False)
        self._bn2 = _batchnorm(outputs)
        self.expands, self.adds_input = expand != 1, stride == 1 and inputs == outputs

    def forward(self, images: Tensor) -> Tensor:
        hidden = images
        if self.expands:
            hidden = nn.functional.relu6(self._bn0(self._expand_conv(images)))
        hidden = nn.functional.relu6(self._bn1(self._depthwise_conv(hidden)))
        hidden = self._bn2(self._project_conv(hidden))
        return images + hidden if self.adds_input else hidden


SCALING = {  # of width and depth, of all stages but the first and the last
    "efficientnet_lite2": (1.1, 1.2),
}
# The means of the last stages, from this on, stand before the last layer's. On hymenoptera,
# neu-defects, dtd10 and brain-mri, 10 / 50 of each class: 84.1 / 88.4 % on average, the last layer
# alone 83.1 / 88.2, what cross-validation chooses 84.1 / 88.9. tests/bench/feature_layers.py.
FIRST_STAGE = 5


class LiteNetwork(nn.Module):
    """Takes standardized images, float (N, 3, side, side); returns features, float (N, `width`).

    They are the means over the image of the last stages' channels and of the last layer's, each of
    length one.
    """

    def __init__(self, key: str) -> None:
        super().__init__()
        width_factor, depth_factor = SCALING[key]
        self._conv_stem = SameConv2d(3, STEM_CHANNELS, 3, stride=2, bias=False)
        self._bn0 = _batchnorm(STEM_CHANNELS)
        blocks, stage_ends, inputs = [], [], STEM_CHANNELS
        for number, (count, kernel, stride, expand, channels) in enumerate(STAGES):
            is_inner = 0 < number < len(STAGES) - 1
            count = math.ceil(count * depth_factor) if is_inner else count
            channels = _round_channels(channels * width_factor)
            for repeat in range(count):
                blocks.append(Block(inputs, channels, kernel, 1 if repeat else stride, expand))
                inputs = channels
            stage_ends.append(len(blocks))
        self._blocks = nn.Sequential(*blocks)
        self._conv_head = nn.Conv2d(inputs, HEAD_CHANNELS, 1, bias=False)
        self._bn1 = _batchnorm(HEAD_CHANNELS)
        self.feature_blocks = stage_ends[FIRST_STAGE - 1 :]  # numbers of blocks, from 1
        widths = [blocks[end - 1]._project_conv.out_channels for end in self.feature_blocks]
        self.width = sum(widths) + HEAD_CHANNELS

    def forward(self, images: Tensor) -> Tensor:
        return self.finish(self.run_trunk(images))

    def run_trunk(self, images: Tensor) -> Tensor:
        """Return what the blocks up to the first stage of the features make of images."""
        hidden = nn.functional.relu6(self._bn0(self._conv_stem(images)))
        for block in self._blocks[: self.feature_blocks[0]]:
            hidden = block(hidden)
        return hidden

    def finish(self, hidden: Tensor) -> Tensor:
        """Return the features of images of which `run_trunk` made `hidden`."""
        layers = [hidden]
        for number in range(self.feature_blocks[0], len(self._blocks)):
            hidden = self._blocks[number](hidden)
            if number + 1 in self.feature_blocks:
                layers.append(hidden)
        layers.append(nn.functional.relu6(self._bn1(self._conv_head(hidden))))
        means = [layer.float().mean((2, 3)) for layer in layers]
        return torch.cat([nn.functional.normalize(mean, dim=1) for mean in means], 1)


def _batchnorm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=BATCHNORM_EPSILON)


def _round_channels(channels: float) -> int:
    """Return the nearest multiple of 8 that is at least 90 % of `channels` (Tan & Le 2019)."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
