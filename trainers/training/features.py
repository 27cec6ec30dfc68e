"""What a run sees of its examples through its backbone, how many its budget can look at, and what
runs on the same data have in common."""

import math
import time
from collections.abc import Callable, Hashable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from trainers.datasets import DatasetSplits
from trainers.events import Event, Progress
from trainers.networks.encoder import Encoder, Inputs, get_device
from trainers.plan import Plan, RecordedSchedule
from trainers.system import feature_cache
from trainers.training import estimate
from trainers.training.loop import Clock, argsort_by_length, extract_features

SCALING_EXAMPLES = (
    RecordedSchedule.calibration_examples
)  # training examples that set the scale of a head that learns
# with all; fewer where the budget is short
SORT_WINDOW = 256  # texts that are sorted by length before they are cut into batches
WARMUP_BATCH_SIZE, PROBE_BATCH_SIZE = 4, 32  # examples in the batches that are timed

# Shares of the budget that may go into looking at examples without learning, per use.
TEST_SHARE, VALIDATION_SHARE, FEATURES_SHARE, PROBE_SHARE = 0.2, 0.03, 0.4, 0.1
# Where the looks go by features that are computed once, and where a head is to be scaled.
CACHED_VALIDATION_SHARE, SCALING_SHARE = 0.1, 0.1


class ComputationCache:
    """What runs on the same data, backbone and seed have in common: prepared examples, frozen
    features, and how many examples the budget can look at. Computed by the first run that needs
    it, charged to each."""

    def __init__(self) -> None:
        self.entries: dict[Hashable, tuple[Any, float]] = {}
        self.test_count: int | None = (
            None  # test examples that all are asked; None: what a budget fits
        )

    def for_new_train_set(self) -> "ComputationCache":
        """What remains in common with runs that learn from other examples: the test."""
        other = ComputationCache()
        other.test_count = self.test_count
        test, _ = self.entries.get("test", (None, 0.0))
        other.entries = {
            key: value
            for key, value in self.entries.items()
            if key in ("test", "forward") or key[:2] == ("features", id(test))
        }
        return other

    def get(self, key: Hashable, clock: Clock) -> Any:
        """What was kept under `key`, its time charged to the clock; None where nothing was."""
        value, seconds = self.entries.get(key, (None, 0.0))
        clock.add_seconds(seconds)
        return value

    def put(self, key: Hashable, value: Any, seconds: float) -> None:
        self.entries[key] = value, seconds


class SubsetInputs(Inputs):
    """Some of other inputs, renumbered from 0."""

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


class SampleBudget(NamedTuple):
    """The examples that a budget can look at, as numbers of those in the data."""

    train_items: np.ndarray
    validation_items: np.ndarray
    test_items: np.ndarray
    scaling_examples: int  # training examples that set the scale of a head that learns with all
    dropped: list[str]  # what had to be left out, for a notice


class FeatureExtractor:
    """The examples of a run, ready for its body; each look is on the clock."""

    def __init__(
        self,
        plan: Plan,
        data: DatasetSplits,
        body: Encoder,
        clock: Clock,
        shared: ComputationCache,
        disk: feature_cache.FeatureCache | None,
    ) -> None:
        self.plan, self.data, self.encoder, self.clock = plan, data, body, clock
        self.cache, self.disk_cache = shared, disk
        self.train_inputs = self._get_or_compute("train", body.prepare, data.train.inputs)
        self.test_inputs = self._get_or_compute("test", body.prepare, data.test.inputs)
        self.is_pretrained = plan.approach != "scratch"  # the body, until it learns
        # Of one example: to be made ready, and a forward pass; and what its layers hand on.
        self.seconds_per_example, self.activation_memory = self._get_or_compute(
            "forward", self._time_forward
        )

    def _get_or_compute(self, key: Hashable, make: Callable[..., Any], *given: Any) -> Any:
        """What `make` makes, or another run has made of the same."""
        if (known := self.cache.get(key, self.clock)) is not None:
            return known
        began = time.monotonic()
        made = make(*given)
        self.cache.put(key, made, time.monotonic() - began)
        return made

    def _time_forward(self) -> tuple[float, estimate.ActivationMemory]:
        """Seconds one example takes: to be made ready, and a forward pass; and what its layers
        hand on."""
        inputs = self.train_inputs if len(self.train_inputs) else self.test_inputs
        most = PROBE_SHARE * self.plan.seconds
        each, spent = math.inf, 0.0
        # The first pays for what is set up once, and any may meet a hiccup of a shared machine.
        for probe in (WARMUP_BATCH_SIZE, WARMUP_BATCH_SIZE, PROBE_BATCH_SIZE, PROBE_BATCH_SIZE):
            some = torch.arange(min(probe, len(inputs)))
            if probe == PROBE_BATCH_SIZE and spent + each * len(some) > most:
                break  # a slow network: the few must do
            began = time.perf_counter()
            if not spent:  # the first is never the shortest: it may count, too
                tokens = estimate.max_tokens(SubsetInputs(inputs, some))
                with estimate.measure_activations(
                    self.encoder, max(1, len(some)), tokens
                ) as footprint:
                    list(extract_features(self.encoder, inputs, some))
            else:
                list(extract_features(self.encoder, inputs, some))
            took = time.perf_counter() - began
            each, spent = min(each, took / len(some)), spent + took
        return each + inputs.seconds_per_example, footprint

    def subsample_to_budget(
        self, learn: np.ndarray, held: np.ndarray, known: RecordedSchedule | None
    ) -> SampleBudget:
        """As many examples as the budget can look at, or as were `known`: fixed subsamples."""
        test = np.arange(len(self.data.test.labels))
        if known:
            parts = (
                learn[: known.train_examples],
                held[: known.validation_examples],
                test[: known.test_examples],
            )
            return SampleBudget(*parts, known.calibration_examples, [])

        cut: list[str] = []

        def fitting(share: float) -> int:
            return max(2, int(share * self.plan.seconds / self.seconds_per_example))

        def limited(items: np.ndarray, most: int, what: str) -> np.ndarray:
            if len(items) <= most:
                return items
            cut.append(f"{most:,} of {len(items):,} {what}")
            return items[:most]

        if self.cache.test_count is None:
            test = limited(test, fitting(TEST_SHARE), "to test")
        else:
            test = test[: self.cache.test_count]
        once = self.plan.approach == "transfer"
        held = limited(
            held, fitting(CACHED_VALIDATION_SHARE if once else VALIDATION_SHARE), "to check"
        )
        if self.plan.approach in ("transfer", "hybrid", "none"):
            learn = limited(learn, fitting(FEATURES_SHARE), "to learn from")
        return SampleBudget(learn, held, test, min(SCALING_EXAMPLES, fitting(SCALING_SHARE)), cut)

    def extract(
        self,
        inputs: Inputs,
        items: Tensor | np.ndarray,
        *,
        until_seconds: float | None = None,
        mirrored: bool = False,
    ) -> Iterator[Event]:
        """Features of `items`, float32 (n, F), or of their mirror images, telling how far it is; of
        the first of them alone where `until_seconds` on the clock is past."""
        items = torch.as_tensor(items)
        if not len(items):
            return torch.empty(0, self.encoder.width, device=get_device())
        key = ("features", id(inputs), items.numpy().tobytes(), mirrored)
        if self.is_pretrained and (known := self.cache.get(key, self.clock)) is not None:
            return known
        found, told, began, done = [], 0.0, time.monotonic(), 0
        for some in items.split(SORT_WINDOW):
            if (
                self.is_pretrained
                and (kept := self._load_from_disk(inputs, some, mirrored)) is not None
            ):
                found.append(kept)
                done += len(some)
                yield Progress(done, len(items), self.clock.seconds())
                continue
            order, computing = argsort_by_length(inputs, some), []
            for part in extract_features(self.encoder, inputs, some[order], mirrored=mirrored):
                computing.append(part)
                done += len(part)
                if self.clock.seconds() - told > 0.2 or done == len(items):
                    told = self.clock.seconds()
                    yield Progress(done, len(items), told)
            found.append(torch.cat(computing)[order.argsort()])
            if self.is_pretrained and (contents := self._hash_examples(inputs, some)):
                self.disk_cache.put(contents, found[-1].cpu().numpy(), mirrored=mirrored)
            if until_seconds and self.clock.seconds() > until_seconds:
                break
        features = torch.cat(found)
        if self.is_pretrained and len(features) == len(items):  # else the time was up
            self.cache.put(key, features, time.monotonic() - began)
        return features

    def _hash_examples(self, inputs: Inputs, items: Tensor) -> list[bytes]:
        """What tells these examples from others; [] where nothing is kept on the disk."""
        sides = {id(self.train_inputs): self.data.train, id(self.test_inputs): self.data.test}
        if not self.disk_cache or id(inputs) not in sides:
            return []
        return feature_cache.content_digests(sides[id(inputs)].inputs, items.tolist())

    def _load_from_disk(self, inputs: Inputs, items: Tensor, mirrored: bool) -> Tensor | None:
        """Features of these examples that an earlier run has left on the disk."""
        if not (contents := self._hash_examples(inputs, items)):
            return None
        features = self.disk_cache.get(contents, mirrored=mirrored)
        return None if features is None else torch.from_numpy(features).to(get_device())
