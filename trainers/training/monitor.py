"""What a visitor sees of the validation examples: a few to watch, and a 2-D map of them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from trainers.datasets.thumbnails import render_example
from trainers.events import WatchedExamples
from trainers.networks.encoder import get_device

MAX_WATCHED_EXAMPLES = 6
MAX_MAP_POINTS = 150  # more dots hide each other, and every look sends them all
DECIMALS = 3


class LiveMonitor:
    """Answers to the watched examples and places on the map, for each look of the loop.

    The map's two axes are the directions in which the features spread most at the start (PCA);
    they stay fixed, so that what moves is what the model learned.
    """

    def __init__(self, labels: Tensor) -> None:
        self.labels = labels.tolist()
        # Each class in turn, so that every one is seen.
        rank: dict[int, int] = {}
        order = []
        for item, label in enumerate(self.labels):
            rank[label] = rank.get(label, -1) + 1
            order.append((rank[label], label, item))
        in_turn = [item for _, _, item in sorted(order)]
        self.watched_items, self.mapped_items = (
            in_turn[:MAX_WATCHED_EXAMPLES],
            in_turn[:MAX_MAP_POINTS],
        )
        self._centre: Tensor | None = None
        self._axes: Tensor | None = None
        self._last_points: list[list[float]] = []

    def axes(self) -> dict[str, Tensor]:
        """Return the axes of the map, which keep it as it is; {} before the first evaluation."""
        return {} if self._axes is None else {"centre": self._centre, "axes": self._axes}

    def restore(self, kept: dict[str, Tensor]) -> None:
        """With the axes of a run that was interrupted."""
        if kept:
            self._centre, self._axes = (kept[name].to(get_device()) for name in ("centre", "axes"))

    def snapshot(self, features: Tensor, scores: Tensor) -> dict:
        """The fields of `Validated` that a page draws; `points` is [] where nothing moved."""
        if not self.labels:
            return {"watched_predictions": [], "confidence": [], "map_points": []} | {
                "map_labels": [],
                "map_predictions": [],
            }
        sure, answers = scores.softmax(1).max(1)
        points = self._project(features)
        moved, self._last_points = points != self._last_points, points
        return {
            "watched_predictions": answers[self.watched_items].tolist(),
            "confidence": [round(value, DECIMALS) for value in sure[self.watched_items].tolist()],
            "map_points": points if moved else [],
            "map_labels": [self.labels[item] for item in self.mapped_items],
            "map_predictions": answers[self.mapped_items].tolist(),
        }

    def _project(self, features: Tensor) -> list[list[float]]:
        if self._axes is None:
            self._centre = features.mean(0)
            wide = min(2, *features.shape)
            self._axes = torch.linalg.svd(features - self._centre, full_matrices=False).Vh[:wide]
        flat = (features[self.mapped_items] - self._centre) @ self._axes.T
        if flat.shape[1] < 2:  # a single example has no directions
            flat = torch.nn.functional.pad(flat, (0, 2 - flat.shape[1]))
        return [[round(x, DECIMALS), round(y, DECIMALS)] for x, y in flat.tolist()]

    def watch(
        self, inputs: Sequence, items: Sequence[int], labels: Sequence[int]
    ) -> WatchedExamples:
        """The watched examples themselves; the split is `items`, numbers into the other two."""
        chosen = [items[place] for place in self.watched_items]
        return WatchedExamples(
            [int(item) for item in chosen],
            [render_example(inputs[item]) for item in chosen],
            [int(labels[item]) for item in chosen],
            [int(items[place]) for place in self.mapped_items],
        )
