"""The examples of a run as batches: a subset of them, shuffled anew for each epoch."""

from collections.abc import Iterator

import torch
from torch import Tensor

from trainers.networks.encoder import Examples, Inputs


class SubsetInputs(Inputs):
    """The examples `items` of other inputs, numbered from 0."""

    def __init__(self, inputs: Inputs, items: Tensor) -> None:
        self.inputs, self.items = inputs, items
        if hasattr(inputs, "lengths"):
            self.lengths = inputs.lengths[items]

    def __len__(self) -> int:
        return len(self.items)

    def batch(self, items: Tensor, *, augment: bool = False):
        return self.inputs.batch(self.items[items], augment=augment)

    def train_batches(self, items: Tensor, size: int) -> Iterator[Tensor]:
        return type(self.inputs).train_batches(self, items, size)

    def exceeds_cache(self, items: Tensor) -> bool:
        return self.inputs.exceeds_cache(self.items[items])


class BatchStream:
    """Endless batches of item numbers, int64 (n,), shuffled anew for each epoch."""

    def __init__(self, examples: Examples, batch_size: int) -> None:
        self.examples, self.batch_size = examples, batch_size
        self.rng_state: dict[str, Tensor] = {}  # of the generator when it shuffled this epoch
        self.position = 0  # batches of this epoch so far
        self._remaining: list[Tensor] = []

    def __iter__(self) -> Iterator[Tensor]:
        batches = iter(self._remaining)
        while True:
            for batch in batches:
                self.position += 1
                yield batch
            batches, self.position = self._shuffle(), 0

    def _shuffle(self) -> Iterator[Tensor]:
        self.rng_state = {"pass": torch.get_rng_state()}
        order = torch.randperm(len(self.examples))
        return self.examples.inputs.train_batches(order, self.batch_size)

    def resume(self, rng_state: dict[str, Tensor], position: int) -> None:
        """Go to batch `position` of the epoch that was shuffled with `rng_state`."""
        if "pass" in rng_state:  # else no epoch was started
            torch.set_rng_state(rng_state["pass"])
            self._remaining, self.position = list(self._shuffle())[position:], position
