"""Inputs of which the frozen first part of a network computes its output once."""

import torch
from torch import Tensor

from trainers.networks.encoder import Encoder, Inputs, autocast, flip_horizontal, to_device

# Of more nothing is stored: EfficientNet-Lite2 makes 69 KB of an example, and of its mirror image.
MAX_STORED_EXAMPLES = 4000


class TrunkInputs(Inputs):
    """What the trunk of `encoder`, which must stay frozen, makes of `inputs` and mirror images.

    Computed when it is first asked for, and stored as bf16. Batches are float32 (N, channels,
    height, width).
    """

    def __init__(self, inputs: Inputs, encoder: Encoder) -> None:
        self.inputs, self.encoder = inputs, encoder
        self._stored: dict[tuple[int, bool], Tensor] = {}

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def seconds_per_example(self) -> float:
        return self.inputs.seconds_per_example

    def exceeds_cache(self, items: Tensor) -> bool:
        return self.inputs.exceeds_cache(items)

    def stored_bytes(self, items: int) -> int:
        """Return the bytes that `items` examples and their mirror images will take."""
        if not items or len(self) > MAX_STORED_EXAMPLES:
            return 0
        return 2 * items * self._compute(torch.tensor([0]), False).nbytes

    def batch(self, items: Tensor, *, augment: bool = False, mirrored: bool = False) -> Tensor:
        """Return the trunk's output; with `augment` of half the mirror images, drawn at random."""
        flips = torch.full((len(items),), mirrored)
        if augment:
            flips = torch.rand(len(items)) < 0.5
        keys = list(zip(items.tolist(), flips.tolist(), strict=True))
        computed = {}
        for flip in (False, True):
            missing = [item for item, is_flipped in keys if is_flipped == flip]
            missing = [item for item in missing if (item, flip) not in self._stored]
            if missing:
                outputs = self._compute(torch.tensor(missing), flip)
                computed |= zip(((item, flip) for item in missing), outputs, strict=True)
        if len(self) <= MAX_STORED_EXAMPLES:
            self._stored |= computed
        outputs = [self._stored[key] if key in self._stored else computed[key] for key in keys]
        batch = to_device(torch.stack(outputs)).float()  # autocast decides what computes in bf16
        return batch.contiguous(memory_format=torch.channels_last)

    def _compute(self, items: Tensor, flip: bool) -> Tensor:
        images = self.inputs.batch(items)
        with torch.no_grad(), autocast():
            outputs = self.encoder.run_trunk(flip_horizontal(images) if flip else images)
        return outputs.bfloat16().cpu()
