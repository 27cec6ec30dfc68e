"""Imported data on disk, used like any other data set.

`data_dir()/data/<id>` holds `examples.bin` (pictures as JPEG or PNG, texts as UTF-8, concatenated),
`index.npz`, `about.json` and, after a data check, `check.json`. Downloaded data sets have the same
files under `data_dir()/online/<key>`. The index has a row for each example that a run can use:

    starts, ends     int64 (N,)   bytes in examples.bin
    labels, test     int64, bool
    same, near       int64        ids that duplicates and near-duplicates share
    groups           int64        if groups were named
    widths, heights  int32        of the original pictures
    kinds, marks     uint8        index into `images.IMAGE_FORMATS`; flags of `ImageSource`
"""

import io
import json
import re
import shutil
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from trainers.datasets.thumbnails import render_example
from trainers.datasets.types import Dataset, DatasetFacts, DatasetSplits, Split, sample_per_class
from trainers.datasets.uploads import storage
from trainers.datasets.uploads.limits import MAX_USED_EXAMPLES, BadUpload, format_names
from trainers.datasets.uploads.storage import (
    LOCAL_VISITOR,
    METADATA_ERRORS,
    dataset_dir,
    load_check,
    read_metadata,
)
from trainers.system import feature_cache, object_store
from trainers.system.atomic import write_text
from trainers.system.paths import data_dir
from trainers.system.registry import UnknownKey

PREVIEW_EXAMPLES, MAX_PREVIEW_EXAMPLES = 6, 20  # more than 6 only if there are more classes
DELETED_MESSAGE = "This data was deleted, so nothing can be run on it any more. Bring it again."


@dataclass(frozen=True, eq=False)
class StoredExamples(Sequence):
    """Pictures (uint8 H x W x 3, of different sizes) or texts, read and decoded on access."""

    modality: str
    file: Path
    starts: np.ndarray
    ends: np.ndarray

    @cached_property
    def _buffer(self) -> np.ndarray:
        return np.memmap(self.file, mode="r")

    def __len__(self) -> int:
        return len(self.starts)

    def read_bytes(self, row: int) -> bytes:
        """Return the stored bytes of an example, not decoded."""
        return self._buffer[self.starts[row] : self.ends[row]].tobytes()

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice | np.ndarray | list):
            return StoredExamples(self.modality, self.file, self.starts[row], self.ends[row])
        raw = self.read_bytes(row)
        if self.modality == "text":
            return raw.decode("utf-8")
        return np.asarray(Image.open(io.BytesIO(raw)).convert("RGB"))


@dataclass(frozen=True, kw_only=True)
class StoredDataset(Dataset):
    """A data set that was imported: an upload, or one from the catalog."""

    notices: tuple[str, ...]  # shown when it was imported
    class_counts: tuple[tuple[str, int, int], ...]  # (class, training examples, test examples)
    created_at: float  # seconds since 1970
    size_bytes: int  # on disk

    def load_splits(
        self, examples_per_class: int | None = None, seed: int = 0, fixes: Collection[str] = ()
    ) -> DatasetSplits:
        storage.refresh(self.key)
        folder = dataset_dir(self.key)
        metadata = read_metadata(folder)
        if metadata.get("deleted"):
            raise BadUpload(DELETED_MESSAGE)
        index = np.load(folder / "index.npz", allow_pickle=False)
        labels = index["labels"].astype(np.int64)
        examples = StoredExamples(
            self.modality, folder / "examples.bin", index["starts"], index["ends"]
        )
        excluded = [row for rows in self.excluded_rows(fixes).values() for row in rows]
        train, test = _train_test_rows(
            index, np.array(excluded, dtype=int), examples_per_class, seed
        )

        def select(rows: np.ndarray) -> Split:
            inputs = list(examples[rows]) if self.modality == "text" else examples[rows]
            groups = index["groups"][rows] if "groups" in index else None
            return Split(inputs, labels[rows], groups, tuple(metadata.get("groups", ())))

        classes = tuple(metadata["classes"])
        has_words = self.modality == "text" and all(re.search(r"[^\W\d_]{3}", c) for c in classes)
        return DatasetSplits(
            self.modality, classes, select(train), select(test), classes if has_words else ()
        )

    def split_rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the index rows, int64, of `load_splits()`'s training and test examples."""
        with np.load(dataset_dir(self.key) / "index.npz", allow_pickle=False) as index:
            return _train_test_rows(index, np.array([], dtype=int), None, 0)

    def read_index(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return about.json and the columns of the index."""
        folder = dataset_dir(self.key)
        with np.load(folder / "index.npz", allow_pickle=False) as index:
            return read_metadata(folder), dict(index)

    def excluded_rows(self, fixes: Collection[str]) -> dict[str, tuple[int, ...]]:
        """Return the index rows that each of `fixes` (keys of findings) excludes.

        Raises `BadUpload` if the last data check has no such finding.
        """
        findings = (load_check(self.key) or {}).get("findings", []) if fixes else []
        rows = {
            finding["key"]: tuple(finding["mend"]["rows"])  # "mend": its stored name
            for finding in findings
            if finding.get("mend")
        }
        if missing := [key for key in fixes if key not in rows]:
            raise BadUpload(
                f"{self.title} was to be used with {format_names(missing)} mended, but no look "
                "at this data found that. Look the data over again, then choose the mends anew."
            )
        return {key: rows[key] for key in fixes}

    def preview(self) -> list[tuple[str, str]]:
        data = self.load_splits(max(1, PREVIEW_EXAMPLES // max(1, self.classes)))
        pairs = list(zip(data.train.inputs, data.train.labels, strict=True))[:MAX_PREVIEW_EXAMPLES]
        return [(render_example(example), data.classes[label]) for example, label in pairs]


@dataclass(frozen=True, kw_only=True)
class UploadedDataset(StoredDataset):
    """A visitor's own data."""

    visitor: str  # nobody else is shown it
    columns: tuple[str, ...]  # of the imported table; () for pictures
    text_label_columns: tuple[int, int]  # positions of the two columns that were read
    group_column: int | None  # position of the column with the groups
    group_names: tuple[str, ...]  # () if none were named
    draft_key: str  # of the draft in the inbox that may still have its files; "" if none
    source_fingerprint: str  # of the files it came from: see `uploads.fingerprint_source`


def _train_test_rows(
    index: Any, excluded: np.ndarray, examples_per_class: int | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the shuffled index rows of the training and test sets."""
    labels, test = index["labels"], index["test"]
    is_excluded = np.isin(np.arange(len(labels)), excluded)
    train = np.flatnonzero(~test)
    train = train[sample_per_class(labels[train], examples_per_class, seed, is_excluded[train])]
    # Always in the same shuffled order: a prefix of the test set must not be a single class.
    test = np.random.default_rng(0).permutation(np.flatnonzero(test))
    return train, test[~is_excluded[test]]


def get_upload(key: str) -> UploadedDataset:
    """Return the upload called `key` ("own-<id>"). Raises `UnknownKey`."""
    metadata, fields = read_stored(key)
    return UploadedDataset(
        **fields,
        visitor=metadata.get("visitor", LOCAL_VISITOR),
        columns=tuple(metadata.get("columns", ())),
        text_label_columns=tuple(metadata.get("text_and_label", (0, 1))),
        group_column=metadata.get("group_column"),
        group_names=tuple(metadata.get("groups", ())),
        draft_key=metadata.get("draft", ""),
        source_fingerprint=metadata.get("stamp", ""),
    )


def list_uploads(visitor: str, also: Collection[str] = ()) -> list[UploadedDataset]:
    """Return the uploads of `visitor`, newest first, without deleted or damaged ones.

    `also` are keys that the database knows. Where several app servers share their files, uploads
    that came to another server are fetched.
    """
    keys = {f"own-{file.parent.name}" for file in (data_dir() / "data").glob("*/about.json")}
    if object_store.storage_url():
        keys |= set(also)
    uploads = []
    for key in keys:
        with suppress(UnknownKey):
            uploads.append(get_upload(key))
    mine = [upload for upload in uploads if upload.visitor == visitor and upload.classes]
    return sorted(mine, key=lambda upload: upload.created_at, reverse=True)


def change_owner(key: str, visitor: str) -> None:
    """Give the upload to another visitor, atomically. Raises `UnknownKey`."""
    storage.refresh(key)
    metadata, _ = read_stored(key)
    text = json.dumps(metadata | {"visitor": visitor}, ensure_ascii=False)
    write_text(dataset_dir(key) / "about.json", text, apart=True)
    storage.publish(key)


def delete(key: str) -> None:
    """Delete the data, but keep its modality, so that runs on it can still be shown.

    Raises `UnknownKey`.
    """
    folder = dataset_dir(key)
    if match := storage.UPLOAD_KEY.fullmatch(key):
        object_store.mark_pending(object_store.DATA, match[1])
    try:
        metadata, _ = read_stored(key)
    except UnknownKey:  # damaged: the modality is not known
        shutil.rmtree(folder)
    else:
        tombstone = {"modality": metadata["modality"], "deleted": True}
        write_text(folder / "about.json", json.dumps(tombstone), apart=True)
        for name in ("examples.bin", "index.npz", "check.json"):
            (folder / name).unlink(missing_ok=True)
    storage.publish(key)
    feature_cache.delete(key)


def read_stored(key: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return about.json of the data `key`, and the fields of its `StoredDataset`.

    Raises `UnknownKey` if there is no such data, or it is damaged.
    """
    folder = dataset_dir(key)
    try:
        metadata = read_metadata(folder)
        return metadata, _dataset_fields(key, metadata)
    except METADATA_ERRORS:
        raise UnknownKey(
            f"What is kept of the data {key!r} is damaged. Delete it, and bring it again."
        ) from None


def _dataset_fields(key: str, metadata: dict[str, Any]) -> dict[str, Any]:
    modality = metadata["modality"]
    if metadata.get("deleted"):
        metadata |= {"title": "Deleted data", "own_test": False}
        metadata |= {"classes": [], "train": [], "test": [], "notices": []}
    noun = "pictures" if modality == "images" else "texts"
    train, test = sum(metadata["train"]), sum(metadata["test"])
    split_by = "your own split" if metadata["own_test"] else "a fifth of each class, held back"
    counts = zip(metadata["classes"], metadata["train"], metadata["test"], strict=True)
    return {
        "key": key,
        "title": metadata["title"],
        "description": f"{train + test:,} {noun} of your own: {test:,} of them for the test "
        f"({split_by}).",
        "origin": "yours; it lies where the host of this Thaw keeps files and nowhere else"
        if object_store.storage_url()
        else "yours; it lies on the computer that Thaw runs on and nowhere else",
        "modality": modality,
        "classes": len(metadata["classes"]),
        "train_examples_per_class": min(filter(None, metadata["train"]), default=0),
        "test_examples": min(test, MAX_USED_EXAMPLES[modality][1]),
        "matching_answers": {},
        "loader": "",
        "notices": tuple(metadata["notices"]),
        "class_counts": tuple(counts),
        "created_at": metadata.get("created", 0.0),
        "size_bytes": metadata.get("bytes", 0),
        "facts": DatasetFacts(**metadata["facts"]) if "facts" in metadata else None,
    }
