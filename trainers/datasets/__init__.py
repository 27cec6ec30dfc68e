"""Data sets to learn from: bundled, downloaded and uploaded. Nothing here needs torch.

Reading one touches the network only where a visitor asks for a download (`downloads`).
"""

from typing import Any

from trainers.datasets import registry
from trainers.datasets.facts import WORD_PATTERN, compute_facts, detect_language
from trainers.datasets.lookup import get_dataset, list_available
from trainers.datasets.registry import SPECIFICITIES, find_closest
from trainers.datasets.types import (
    EMPTY_SPLIT,
    Dataset,
    DatasetFacts,
    DatasetSplits,
    Split,
    sample_per_class,
)

__all__ = [
    "EMPTY_SPLIT",
    "SPECIFICITIES",
    "WORD_PATTERN",
    "Dataset",
    "DatasetFacts",
    "DatasetSplits",
    "Split",
    "compute_facts",
    "detect_language",
    "find_closest",
    "get_dataset",
    "list_available",
    "sample_per_class",
]


def __getattr__(name: str) -> Any:
    # Not bound here: tests replace the rows, and do so in one place, `registry`.
    if name == "BUNDLED_DATASETS":
        return registry.BUNDLED_DATASETS
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
