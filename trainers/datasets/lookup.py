"""Data sets by key, wherever they come from: bundled, downloaded, or uploaded."""

from trainers.datasets import catalog, registry, uploads
from trainers.datasets.types import Dataset
from trainers.system.registry import look_up


def get_dataset(key: str) -> Dataset:
    """Return the bundled, downloaded or uploaded data set called `key`.

    Raises `UnknownKey`, which names a similar key or says how to download the data set.
    """
    if key.startswith("own-"):
        return uploads.get_upload(key)
    if key in catalog.CATALOG:
        return catalog.get_downloaded(key)
    return look_up(registry.BUNDLED_DATASETS, key, "sample")


def list_available() -> list[Dataset]:
    """Return the bundled data sets, then those that were downloaded."""
    return [
        *registry.BUNDLED_DATASETS.values(),
        *(catalog.get_downloaded(k) for k in catalog.CATALOG if catalog.is_downloaded(k)),
    ]
