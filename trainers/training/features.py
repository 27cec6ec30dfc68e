"""Frozen features of a run's examples, how many its budget allows, and a cache shared by runs."""

import math
import time
from collections.abc import Callable, Generator, Hashable
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
from trainers.training.batches import SubsetInputs
from trainers.training.clock import Clock
from trainers.training.inference import argsort_by_length, extract_features
from trainers.training.trunk_inputs import TrunkInputs

# Training examples that set the scale of a head that learns with the encoder; fewer where the
# budget is short.
SCALING_EXAMPLES = RecordedSchedule.calibration_examples
SORT_WINDOW = 256  # texts that are sorted by length before they are cut into batches
WARMUP_BATCH_SIZE, PROBE_BATCH_SIZE = 4, 32  # examples in the batches that are timed
PROGRESS_INTERVAL_SECONDS = 0.2

# Test examples of any run: their 95 % interval is at most 2.2 points to either side. A constant, so
# that all runs that are compared answer the same test, whatever their budgets.
MAX_TEST_EXAMPLES = 2000
# Shares of the budget that may go into forward passes without learning, by their use.
VALIDATION_SHARE, FEATURES_SHARE, PROBE_SHARE = 0.03, 0.4, 0.1
# Where validation uses features that are computed once, and where a head is to be scaled.
CACHED_VALIDATION_SHARE, SCALING_SHARE = 0.1, 0.1


class ComputationCache:
    """What runs on the same data, backbone and seed have in common.

    Prepared examples, frozen features, and how many examples the budget allows: computed by the
    first run that needs it, charged to each.
    """

    def __init__(self) -> None:
        self.entries: dict[Hashable, tuple[Any, float]] = {}

    def for_new_train_set(self) -> "ComputationCache":
        """Return what runs that learn from other examples have in common with these: the test."""
        other = ComputationCache()
        test, _ = self.entries.get("test", (None, 0.0))
        other.entries = {
            key: value
            for key, value in self.entries.items()
            if key in ("test", "forward") or key[:2] == ("features", id(test))
        }
        return other

    def get(self, key: Hashable, clock: Clock) -> Any:
        """Return the value under `key` and charge its time to the clock; None if there is none."""
        value, seconds = self.entries.get(key, (None, 0.0))
        clock.add_seconds(seconds)
        return value

    def put(self, key: Hashable, value: Any, seconds: float) -> None:
        self.entries[key] = value, seconds


class SampleBudget(NamedTuple):
    """The examples that a budget allows, as numbers of those in the data."""

    train_items: np.ndarray
    validation_items: np.ndarray
    test_items: np.ndarray
    scaling_examples: int  # see SCALING_EXAMPLES
    dropped: list[str]  # what had to be left out, for a notice


class FeatureExtractor:
    """The examples of a run, prepared for its encoder. Every forward pass is on the clock."""

    def __init__(
        self,
        plan: Plan,
        data: DatasetSplits,
        encoder: Encoder,
        clock: Clock,
        cache: ComputationCache,
        disk_cache: feature_cache.FeatureCache | None,
        *,
        stores_trunk: bool = False,
    ) -> None:
        self.plan, self.data, self.encoder, self.clock = plan, data, encoder, clock
        self.cache, self.disk_cache = cache, disk_cache
        self.train_inputs = self._get_or_compute("train", encoder.prepare, data.train.inputs)
        if stores_trunk:
            self.train_inputs = TrunkInputs(self.train_inputs, encoder)
        self.test_inputs = self._get_or_compute("test", encoder.prepare, data.test.inputs)
        self.is_pretrained = plan.approach != "scratch"  # the encoder, until it learns
        self.seconds_per_example, self.activation_memory = self._get_or_compute(
            "forward", self._time_forward
        )

    def _get_or_compute(self, key: Hashable, compute: Callable[..., Any], *args: Any) -> Any:
        if (cached := self.cache.get(key, self.clock)) is not None:
            return cached
        started_at = time.monotonic()
        value = compute(*args)
        self.cache.put(key, value, time.monotonic() - started_at)
        return value

    def _time_forward(self) -> tuple[float, estimate.ActivationMemory]:
        """Return the seconds to prepare an example and pass it forward, and its activations."""
        inputs = self.train_inputs if len(self.train_inputs) else self.test_inputs
        limit = PROBE_SHARE * self.plan.seconds
        fastest, spent = math.inf, 0.0
        # The first pays for what is set up once, and any may meet a hiccup of a shared machine.
        for size in (WARMUP_BATCH_SIZE, WARMUP_BATCH_SIZE, PROBE_BATCH_SIZE, PROBE_BATCH_SIZE):
            items = torch.arange(min(size, len(inputs)))
            if size == PROBE_BATCH_SIZE and spent + fastest * len(items) > limit:
                break  # a slow network: the few must do
            started_at = time.perf_counter()
            if not spent:
                tokens = estimate.max_tokens(SubsetInputs(inputs, items))
                with estimate.measure_activations(
                    self.encoder, max(1, len(items)), tokens
                ) as activations:
                    list(extract_features(self.encoder, inputs, items))
            else:
                list(extract_features(self.encoder, inputs, items))
            seconds = time.perf_counter() - started_at
            fastest, spent = min(fastest, seconds / len(items)), spent + seconds
        return fastest + inputs.seconds_per_example, activations

    def subsample_to_budget(
        self, train: np.ndarray, validation: np.ndarray, recorded: RecordedSchedule | None
    ) -> SampleBudget:
        """Return as many examples to learn from as the budget allows, or as `recorded`.

        Fixed subsamples. The test is never cut to fit a budget; validation examples that there is
        no time to look at again and again are learned from.
        """
        test = np.arange(min(len(self.data.test.labels), MAX_TEST_EXAMPLES))
        if recorded:
            return SampleBudget(
                train[: recorded.train_examples],
                validation[: recorded.validation_examples],
                test[: recorded.test_examples],
                recorded.calibration_examples,
                [],
            )
        dropped: list[str] = []

        def count(share: float) -> int:
            return max(2, int(share * self.plan.seconds / self.seconds_per_example))

        def limit(items: np.ndarray, count: int, purpose: str) -> np.ndarray:
            if len(items) <= count:
                return items
            dropped.append(f"{count:,} of {len(items):,} {purpose}")
            return items[:count]

        is_cached = self.plan.approach == "transfer"
        allowed = count(CACHED_VALIDATION_SHARE if is_cached else VALIDATION_SHARE)
        train = np.union1d(train, validation[allowed:])
        validation = validation[:allowed]
        if self.plan.approach in ("transfer", "hybrid", "none"):
            train = limit(train, count(FEATURES_SHARE), "to learn from")
        scaling = min(SCALING_EXAMPLES, count(SCALING_SHARE))
        return SampleBudget(train, validation, test, scaling, dropped)

    def extract(
        self,
        inputs: Inputs,
        items: Tensor | np.ndarray,
        *,
        deadline: float | None = None,
        mirrored: bool = False,
    ) -> Generator[Event, None, Tensor]:
        """Return the features of `items`, float32 (n, F), and yield the progress.

        Of the first ones only if `deadline`, in seconds on the clock, passes before all are done.
        """
        items = torch.as_tensor(items)
        if not len(items):
            return torch.empty(0, self.encoder.width, device=get_device())
        key = ("features", id(inputs), items.numpy().tobytes(), mirrored)
        if self.is_pretrained and (cached := self.cache.get(key, self.clock)) is not None:
            return cached
        windows, done, reported_at, started_at = [], 0, 0.0, time.monotonic()
        for window in items.split(SORT_WINDOW):
            features = self._load_from_disk(inputs, window, mirrored)
            if features is not None:
                windows.append(features)
                done += len(window)
                yield Progress(done, len(items), self.clock.seconds())
                continue
            order, batches = argsort_by_length(inputs, window), []
            for batch in extract_features(self.encoder, inputs, window[order], mirrored=mirrored):
                batches.append(batch)
                done += len(batch)
                now = self.clock.seconds()
                if now - reported_at > PROGRESS_INTERVAL_SECONDS or done == len(items):
                    reported_at = now
                    yield Progress(done, len(items), now)
            windows.append(torch.cat(batches)[order.argsort()])
            if digests := self._hash_examples(inputs, window):
                self.disk_cache.put(digests, windows[-1].cpu().numpy(), mirrored=mirrored)
            if deadline and self.clock.seconds() > deadline:
                break
        features = torch.cat(windows)
        if self.is_pretrained and len(features) == len(items):
            self.cache.put(key, features, time.monotonic() - started_at)
        return features

    def _hash_examples(self, inputs: Inputs, items: Tensor) -> list[bytes]:
        """Return a digest of each example; [] if their features are not cached on disk."""
        splits = {id(self.train_inputs): self.data.train, id(self.test_inputs): self.data.test}
        if not self.is_pretrained or not self.disk_cache or id(inputs) not in splits:
            return []
        return feature_cache.content_digests(splits[id(inputs)].inputs, items.tolist())

    def _load_from_disk(self, inputs: Inputs, items: Tensor, mirrored: bool) -> Tensor | None:
        """Return the features that an earlier run left on disk; None if any is missing."""
        if not (digests := self._hash_examples(inputs, items)):
            return None
        features = self.disk_cache.get(digests, mirrored=mirrored)
        return None if features is None else torch.from_numpy(features).to(get_device())
