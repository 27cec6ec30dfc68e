"""How each data set is downloaded, by the libraries that its publishers meant for it.

Each function takes a folder for the download and hands back what came, as an upload would lie
there (`Members`: pictures in folders, or tables), and what to tell about it. torchvision checks
its files by their MD5; those of Hugging Face are checked here, by the sum that the hub tells.
"""

import hashlib
import io
import re
import shutil
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
from PIL import Image

from trainers.datasets.catalog import DownloadError
from trainers.datasets.uploads.archive import Member, UploadFiles
from trainers.datasets.uploads.limits import MAX_USED_EXAMPLES

CONNECT_TIMEOUT_SECONDS = 4  # a visitor is told within five
READ_TIMEOUT_SECONDS = 30  # without a byte
VGG_URL = "https://www.robots.ox.ac.uk/~vgg/data/"
URLS = {  # where torchvision fetches: asked before it is imported, which takes seconds
    "flowers102": f"{VGG_URL}flowers/102/",
    "pets": f"{VGG_URL}pets/",
    "eurosat": "https://huggingface.co/datasets/torchgeo/eurosat",
    "fashion_mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "dtd": f"{VGG_URL}dtd/",
}

Download = tuple[UploadFiles, list[str]]


class ImageRow(NamedTuple):
    split: str  # "train", "test", or "" where the publisher has no split
    label: str
    file: Path


# --- pictures, by torchvision -----------------------------------------------------------------


def flowers102(raw: Path) -> Download:
    with _torchvision_datasets(raw) as datasets:
        sides = {
            side: datasets.Flowers102(raw, split=side, download=True, loader=Path)
            for side in ("train", "val", "test")
        }
    return _collect_images(
        ImageRow("test" if side == "test" else "train", found.classes[label], file)
        for side, found in sides.items()
        for file, label in _iter_pairs(found)
    )


def pets(raw: Path) -> Download:
    with _torchvision_datasets(raw) as datasets:
        sides = {
            side: datasets.OxfordIIITPet(raw, split=split, download=True)
            for side, split in (("train", "trainval"), ("test", "test"))
        }
    return _collect_images(  # its pictures themselves would come decoded
        ImageRow(side, found.classes[label], file)
        for side, found in sides.items()
        for file, label in zip(found._images, found._labels, strict=True)
    )


def eurosat(raw: Path) -> Download:
    with _torchvision_datasets(raw) as datasets:
        found = datasets.EuroSAT(raw, download=True)
    return _collect_images(
        ImageRow("", found.classes[label], Path(file)) for file, label in found.samples
    )


def dtd(raw: Path) -> Download:
    with _torchvision_datasets(raw) as datasets:
        sides = {
            side: datasets.DTD(raw, split=side, download=True, loader=Path)
            for side in ("train", "val", "test")
        }
    return _collect_images(
        ImageRow("test" if side == "test" else "train", found.classes[label], file)
        for side, found in sides.items()
        for file, label in _iter_pairs(found)
    )


def fashion_mnist(raw: Path) -> Download:
    with _torchvision_datasets(raw) as datasets:
        sides = {
            side: datasets.FashionMNIST(raw, train=side == "train", download=True)
            for side in ("train", "test")
        }
    most_train, most_test = MAX_USED_EXAMPLES["images"]
    found, notices = UploadFiles(), []
    for side, most in (("train", most_train), ("test", most_test)):
        data, targets = sides[side].data.numpy(), sides[side].targets.numpy()
        rows, cut = _subsample(len(targets), most, side)
        notices += cut
        for row in rows:
            parts = (side, sides[side].classes[targets[row]], f"{row}.png")
            found.add(Member(parts, data[row].nbytes, partial(_encode_png, data[row])))
    return found, notices


def _encode_png(pixels: np.ndarray) -> io.BytesIO:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    out.seek(0)
    return out


def _iter_pairs(found: Sequence) -> Iterator[tuple[Path, int]]:
    return (found[number] for number in range(len(found)))


@contextmanager
def _torchvision_datasets(raw: Path) -> Iterator[ModuleType]:
    """Its datasets: somebody answers there, nothing stalls, nothing half is used."""
    _require_reachable(URLS[raw.name])
    from torchvision import datasets
    from torchvision.datasets import utils

    # What was being unpacked when it was cut would pass for whole; an archive has its checksum.
    for place in raw.glob("*/*"):
        if place.is_dir():
            shutil.rmtree(place)
    raw.mkdir(parents=True, exist_ok=True)
    before, bar = socket.getdefaulttimeout(), utils.tqdm
    socket.setdefaulttimeout(READ_TIMEOUT_SECONDS)  # urllib's own is never
    utils.tqdm = partial(bar, disable=True)  # the events tell how far it is
    try:
        yield datasets
    finally:
        socket.setdefaulttimeout(before)
        utils.tqdm = bar


def _collect_images(pictures: Iterable[ImageRow]) -> Download:
    """Those that runs use, as an upload would lie there."""
    sides: dict[str, list[ImageRow]] = {}
    for picture in pictures:
        sides.setdefault(picture.split, []).append(picture)
    most_train, most_test = MAX_USED_EXAMPLES["images"]
    most = {"train": most_train, "test": most_test, "": most_train + most_test}
    found, notices = UploadFiles(), []
    for side, all_of_it in sides.items():
        rows, cut = _subsample(len(all_of_it), most[side], side)
        notices += cut
        for row in rows:
            _, label, file = all_of_it[row]
            parts = (*filter(None, (side,)), label, file.name)
            found.add(Member(parts, file.stat().st_size, partial(open, file, "rb")))
    return found, notices


def _subsample(count: int, most: int, side: str) -> tuple[np.ndarray, list[str]]:
    """Which of `count` are kept, always the same, and the notice that says so."""
    if count <= most:
        return np.arange(count), []
    doing = {"train": "to learn from", "test": "to test on", "": "published"}[side]
    notice = (
        f"Of {count:,} examples {doing}, a fixed choice of {most:,} is kept: a run uses no more."
    )
    return np.sort(np.random.default_rng(0).permutation(count)[:most]), [notice]


# --- texts, from Hugging Face -----------------------------------------------------------------


class HubTable(NamedTuple):
    repo: str
    revision: str
    files: dict[str, tuple[str, ...]]  # by side
    text_column: str  # the columns
    label_column: str
    class_names: tuple[str, ...] = ()  # of numbered labels
    first_label: int = 0  # number of the first


PARQUET_FILES = {"train": ("data/train-00000-of-00001.parquet",),
           "test": ("data/test-00000-of-00001.parquet",)}  # fmt: skip
HUB_TABLES = {
    # The copy that the MTEB benchmark uses: each row has the name of its label.
    "banking77": HubTable(
        "mteb/banking77",
        "0fd18e25b25c072e09e0d92ab615fda904d66300",
        {"train": ("train.jsonl",), "test": ("test.jsonl",)},
        "text",
        "label_text",
    ),
    "ag_news": HubTable(
        "fancyzhx/ag_news",
        "eb185aade064a813bc0b7f42de02595523103ca4",
        PARQUET_FILES,
        "text",
        "label",
        ("World", "Sports", "Business", "Sci/Tech"),
    ),
    "rotten_tomatoes": HubTable(
        "cornell-movie-review-data/rotten_tomatoes",
        "aa13bc287fa6fcab6daf52f0dfb9994269ffea28",
        {"train": ("train.parquet", "validation.parquet"), "test": ("test.parquet",)},
        "text",
        "label",
        ("negative", "positive"),
    ),
    "emotion": HubTable(
        "dair-ai/emotion",
        "cab853a1dbdf4c42c2b3ef2173804746df8825fe",
        {
            "train": (
                "split/train-00000-of-00001.parquet",
                "split/validation-00000-of-00001.parquet",
            ),
            "test": ("split/test-00000-of-00001.parquet",),
        },
        "text",
        "label",
        ("sadness", "joy", "love", "anger", "fear", "surprise"),
    ),
    "medical_abstracts": HubTable(
        "TimSchopf/medical_abstracts",
        "main",  # its commits are known by their first digits only, and the hub wants them whole
        PARQUET_FILES,
        "medical_abstract",
        "condition_label",
        (
            "neoplasms",
            "digestive system diseases",
            "nervous system diseases",
            "cardiovascular diseases",
            "general pathological conditions",
        ),
        first_label=1,
    ),
}


def hub(raw: Path) -> Download:
    """The tables of `raw.name`: the two columns, the rows that runs use, labels by their names."""
    import pyarrow
    from pyarrow import json, parquet

    table = HUB_TABLES[raw.name]
    found, notices = UploadFiles(), []
    for (side, names), most in zip(table.files.items(), MAX_USED_EXAMPLES["text"], strict=True):
        parts = []
        for name in names:
            file = _download_from_hub(table, name, raw)
            read = json.read_json if file.suffix == ".jsonl" else parquet.read_table
            parts.append(read(file).select([table.text_column, table.label_column]))
        whole = pyarrow.concat_tables(parts)
        rows, cut = _subsample(len(whole), most, side)
        notices += cut
        texts, labels = whole.take(rows).to_pydict().values()
        if table.class_names:
            labels = [table.class_names[label - table.first_label] for label in labels]
        labels = [label.replace("_", " ") for label in labels]
        raw.mkdir(exist_ok=True)
        lying = raw / f"{side}.parquet"
        parquet.write_table(pyarrow.table({"text": texts, "label": labels}), lying)
        found.add(Member((lying.name,), lying.stat().st_size, partial(open, lying, "rb")))
    return found, notices


def _download_from_hub(table: HubTable, name: str, raw: Path) -> Path:
    """The file, from the cache under `HF_HOME` or the hub. Never code, never another file."""
    import huggingface_hub as hf

    place = {"repo_id": table.repo, "filename": name, "repo_type": "dataset",
             "revision": table.revision}  # fmt: skip
    if isinstance(cached := hf.try_to_load_from_cache(**place), str):
        return Path(cached)
    if hf.constants.is_offline_mode():
        raise DownloadError(
            "HF_HUB_OFFLINE is set, so nothing is downloaded from Hugging Face. Unset it, and try "
            "again."
        )
    _require_reachable(hf.constants.ENDPOINT)
    hf.utils.disable_progress_bars()
    url = hf.hf_hub_url(**place)
    try:
        etag = hf.get_hf_file_metadata(url).etag  # without the patience of the next line
        file = Path(hf.hf_hub_download(**place, local_dir=raw))
    except (hf.errors.LocalEntryNotFoundError, hf.errors.HTTPError) as error:
        # The first says that it is not in the cache either; why it was not got stands behind it.
        known = isinstance(error, hf.errors.LocalEntryNotFoundError)
        why = (error.__cause__ if known else None) or error
        raise why if isinstance(why, OSError) else ConnectionError(str(why)) from None
    if not _matches_etag(file, etag):
        file.unlink()
        raise RuntimeError(f"{name} has another checksum than the hub says")
    return file


def _matches_etag(file: Path, etag: str | None) -> bool:
    """Return whether the file has this `etag`: SHA-256 of large files, git's hash of others.

    True if a mirror sends something else, which says nothing."""
    raw = file.read_bytes()
    blob = b"blob %d\0" % len(raw) + raw
    sums = {64: hashlib.sha256(raw), 40: hashlib.sha1(blob, usedforsecurity=False)}
    known = re.fullmatch(r"[0-9a-f]+", etag or "") and sums.get(len(etag))
    return not known or known.hexdigest() == etag


# --- is there a network? ----------------------------------------------------------------------


def _require_reachable(address: str) -> None:
    """Raises `BadFetch` within `ANSWER_SECONDS` where nobody answers there, through the proxies
    that are set. In a thread: looking up a name knows no time limit."""
    outcome: list[bool] = []
    asking = threading.Thread(target=lambda: outcome.append(_is_reachable(address)), daemon=True)
    asking.start()
    asking.join(CONNECT_TIMEOUT_SECONDS)
    if not any(outcome):
        host = urllib.request.urlparse(address).netloc
        raise DownloadError(
            f"{host} does not answer. Check that this computer has a network (and HTTPS_PROXY, if "
            "it needs one), and try again."
        )


def _is_reachable(address: str) -> bool:
    request = urllib.request.Request(address, method="HEAD")  # noqa: S310, an address of ours
    try:
        with urllib.request.urlopen(request, timeout=CONNECT_TIMEOUT_SECONDS):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:  # whatever it says, it is there
        error.close()
        return True
    except OSError:
        return False
