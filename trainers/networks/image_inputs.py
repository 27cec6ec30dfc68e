"""Photos made ready for a network: resized and cropped when they are first asked for."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode, functional

from trainers.networks.encoder import ImageInputs

DECODE_THREADS = 4  # PIL lets other threads run while it decodes and resizes


class Resize(NamedTuple):
    """The middle square of a picture, of `side_px`, after its shorter side became `resized_px`."""

    side_px: int
    resized_px: int
    interpolation: InterpolationMode

    def __call__(self, picture: np.ndarray) -> Tensor:
        """Return uint8 (3, side, side) of an RGB picture H x W x 3."""
        image = Image.fromarray(picture)
        image = functional.resize(image, [self.resized_px], self.interpolation)
        return functional.pil_to_tensor(functional.center_crop(image, [self.side_px]))


class LazyImageInputs(ImageInputs):
    """Pictures resized and cropped when they are first asked for: a budget may be too short to
    look at all, and the memory holds only what was looked at."""

    def __init__(self, raw: Sequence[np.ndarray], resize: Resize) -> None:
        side = resize.side_px
        super().__init__(torch.empty(len(raw), 3, side, side, dtype=torch.uint8))
        self.raw, self.resize, self.decode_seconds = raw, resize, 0.0
        self.made = torch.zeros(len(raw), dtype=torch.bool)

    def batch(self, items: Tensor, *, augment: bool = False) -> Tensor:
        missing = items[~self.made[items]]
        if len(missing):
            began = time.perf_counter()
            with ThreadPoolExecutor(DECODE_THREADS) as pool:
                pictures = pool.map(lambda item: self.resize(self.raw[item]), missing)
                for item, picture in zip(missing, pictures, strict=True):
                    self.images[item] = picture
            self.made[missing] = True
            self.decode_seconds += time.perf_counter() - began
            self.seconds_per_example = self.decode_seconds / self.made.sum().item()
        return super().batch(items, augment=augment)
