"""What the training loop needs of a backbone: prepared inputs, batches, and named blocks."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from trainers.backbones import Backbone


# Examples in a batch that nothing learns from. A processor is quickest where what the layers hand
# on stays in its caches, and is not fresh memory each time: MobileNet V2 took 4.3 ms a picture in
# batches of 8 and 13.3 in batches of 128, ResNet-18 9.3 and 12.5, MiniLM with 256 tokens 23 and 31;
# pictures of 32 px and texts of 20 tokens gained from 128 (bf16, one core).
# tests/bench/batches.py measures it.
MAX_EVAL_BATCH_SIZE, MIN_EVAL_BATCH_SIZE = 128, 8
MAX_CPU_BATCH_PIXELS, MAX_CPU_BATCH_TOKENS = 128 * 32 * 32, 128 * 20


class Inputs:
    """Examples made ready for a network, of any kind: pictures, token lists, features."""

    seconds_per_example = 0.0  # to make one ready, where that waits until it is asked for

    def __len__(self) -> int:
        raise NotImplementedError

    def batch(self, items: Tensor, *, augment: bool = False) -> Any:
        """Return the network's input for the examples numbered `items` (int64)."""
        raise NotImplementedError

    def train_batches(self, items: Tensor, size: int) -> Iterator[Tensor]:
        """`items` (already shuffled) cut into batches; kinds that gain from it sort a little."""
        # Alike in size: batch-norm cannot learn from a last batch of one.
        return iter(items.tensor_split(math.ceil(len(items) / size)))

    def eval_batches(self, items: Tensor) -> Iterator[Tensor]:
        """`items`, in their order, cut into batches that nothing learns from."""
        while len(items):
            size = MAX_EVAL_BATCH_SIZE
            if get_device().type == "cpu":
                while size > MIN_EVAL_BATCH_SIZE and self.exceeds_cache(items[:size]):
                    size //= 2
            yield items[:size]
            items = items[size:]

    def exceeds_cache(self, items: Tensor) -> bool:
        """Return whether a batch of these is more than a processor's caches hold."""
        return False


class ImageInputs(Inputs):
    """uint8 (N, 3, H, W); batches are float32 in 0..1, channels last."""

    # Augmentation: shifted by up to 1/8 of the side, as is usual for 32 px (4 px).
    SHIFT_DIVISOR = 8

    def __init__(self, images: Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, items: Tensor, *, augment: bool = False) -> Tensor:
        images = to_device(self.images[items]).float() / 255  # a quarter of the bytes travels
        if augment:
            images = _random_shift(images, images.shape[-1] // self.SHIFT_DIVISOR)
        return images.to(get_device(), memory_format=torch.channels_last)

    def exceeds_cache(self, items: Tensor) -> bool:
        return len(items) * self.images[0, 0].numel() > MAX_CPU_BATCH_PIXELS


def flip_horizontal(images: Tensor) -> Tensor:
    """Left and right exchanged, of (N, 3, H, W)."""
    return images.flip(-1)


def _random_shift(images: Tensor, most_px: int) -> Tensor:
    count, _, height, width = images.shape
    padded = nn.functional.pad(images, [most_px] * 4, mode="replicate")
    top, left = torch.randint(2 * most_px + 1, (2, count, 1))
    rows = to_device((top + torch.arange(height))[:, :, None])
    columns = to_device((left + torch.arange(width))[:, None, :])
    item = torch.arange(count, device=images.device).view(-1, 1, 1)
    return padded[item, :, rows, columns].permute(0, 3, 1, 2)


class TokenInputs(Inputs):
    """Lists of token ids; batches are (ids, mask), int64 (N, longest of the batch)."""

    def __init__(self, ids: Sequence[Sequence[int]], pad: int) -> None:
        self.ids = [torch.tensor(row) for row in ids]
        self.lengths = torch.tensor([len(row) for row in ids])
        self.pad = pad

    def __len__(self) -> int:
        return len(self.ids)

    def batch(self, items: Tensor, *, augment: bool = False) -> tuple[Tensor, Tensor]:
        rows = [self.ids[item] for item in items.tolist()]
        ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=self.pad)
        mask = torch.arange(ids.shape[1])[None] < self.lengths[items][:, None]
        return to_device(ids), to_device(mask)

    def train_batches(self, items: Tensor, size: int) -> Iterator[Tensor]:
        """Texts of like length together (sorted within eight batches): less padding to compute."""
        batches = [
            batch
            for stretch in items.split(8 * size)
            for batch in stretch[self.lengths[stretch].argsort(stable=True)].split(size)
        ]
        return (batches[number] for number in torch.randperm(len(batches)).tolist())

    def exceeds_cache(self, items: Tensor) -> bool:
        return len(items) * self.lengths[items].max().item() > MAX_CPU_BATCH_TOKENS


class FeatureInputs(Inputs):
    """float32 (N, F): what a frozen backbone made of the examples, once."""

    def __init__(self, values: Tensor) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def batch(self, items: Tensor, *, augment: bool = False) -> Tensor:
        return self.values[items.to(self.values.device)]


@dataclass(frozen=True)
class Examples:
    """Inputs and their labels, int64 (N,)."""

    inputs: Inputs
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


class NamedBlock(NamedTuple):
    name: str
    module: nn.Module


def group_blocks(blocks: Sequence[nn.Module], names: Sequence[str]) -> list[NamedBlock]:
    """Return `blocks`, in order, grouped under `names`; those without parameters are left out."""
    able = [block for block in blocks if any(True for _ in block.parameters())]
    places = np.array_split(np.arange(len(able)), len(names))
    return [
        NamedBlock(name, nn.ModuleList(able[place] for place in some))
        for name, some in zip(names, places, strict=True)
    ]


class Encoder(nn.Module):
    """A backbone: takes batches of its `Inputs` and returns features, float (N, `width`)."""

    width: int
    last_layer_width: int | None = None  # the last columns, where others are earlier layers'

    def run_trunk(self, batch: Tensor) -> Tensor:
        """Return what the blocks before the last ones make of a batch; `forward` takes that, too.

        Where only the last blocks learn, this is computed once an example. Encoders without
        `hybrid_trainable="last_blocks"` in their row need neither this nor `last_blocks`.
        """
        raise NotImplementedError

    def last_blocks(self) -> list[nn.Module]:
        """Return the modules after the trunk."""
        raise NotImplementedError

    def use_width(self, width: int) -> None:
        """Return `width` features from now on: all, or those of the last layer alone.

        Models that Thaw 0.1.0 trained know the last layer alone. Raises `ValueError`.
        """
        if width not in (self.width, self.last_layer_width):
            raise ValueError(f"This backbone has {self.width} features, and the model {width}.")
        self.width = width

    def keep_last_layer(self, features: Any) -> Any:
        """Return the columns of `features`, (N, F) of torch or NumPy, that are the last layer's."""
        return features[:, -(self.last_layer_width or self.width) :]

    @classmethod
    def build(cls, *, pretrained: bool, backbone: "Backbone | None" = None) -> Self:
        """The network with its pre-trained or with random weights. `backbone` is its row: one class
        may serve several."""
        raise NotImplementedError

    def prepare(self, inputs: Sequence) -> Inputs:
        """Raw examples made ready, once: texts, or uint8 pictures N x H x W x 3 or a sequence of
        H x W x 3 in differing sizes."""
        raise NotImplementedError

    def named_blocks(self) -> list[NamedBlock]:
        """The network from the first part that touches an example to the last."""
        raise NotImplementedError

    def add_lora(self, rank: int) -> None:
        """Add small trainable matrices beside the frozen ones (Hu et al. 2021), through peft."""
        raise NotImplementedError

    def zero_earlier_layers(self, features: Tensor) -> Tensor:
        """Return `features` with zeros in all columns but the last layer's."""
        width = self.last_layer_width or self.width
        return nn.functional.pad(features[:, -width:], (self.width - width, 0))


def get_device() -> torch.device:
    """Return the device to train on: CUDA, Apple's GPU, or the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def to_device(batch: Tensor) -> Tensor:
    """`batch` on its way to where the training happens: a card is not waited for."""
    if get_device().type == "cuda":
        return batch.pin_memory().to(get_device(), non_blocking=True)
    return batch.to(get_device())


def autocast() -> torch.autocast:
    """bf16 where the machine computes it natively, and so faster; else fp32."""
    kind = get_device().type
    if kind == "cuda":
        gains = torch.cuda.is_bf16_supported()
    else:
        mkldnn = torch.backends.mkldnn.is_available()
        gains = kind == "cpu" and mkldnn and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.autocast(kind if gains else "cpu", torch.bfloat16, enabled=gains)
