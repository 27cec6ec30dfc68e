"""Data sets to download, as a registry; nothing here needs torch or, until asked, a network.

`fetch` downloads one through `publishers`, keeps the part that runs use in the form of an upload
(`own`), and deletes the download. From then on it is a sample called by its key.
"""

import errno
import http.client
import re
import shutil
import tarfile
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from trainers.datasets import BUNDLED_DATASETS
from trainers.datasets.uploads import dataset, images, texts
from trainers.datasets.uploads.limits import BadUpload
from trainers.events import Event, JobDone, Progress, Stage
from trainers.system.paths import data_dir
from trainers.system.registry import UnknownKey, build_registry, look_up

DISK_SPACE_FACTOR = 3  # ours: the download, what it unpacks to, and what is kept of it
POLL_SECONDS = 0.5  # between two looks at how much has come
DOWNLOAD_SUFFIXES = {
    ".tgz",
    ".gz",
    ".zip",
    ".mat",
    ".parquet",
    ".jsonl",
    ".incomplete",
}  # what is downloaded
COLUMNS = "text", "label"  # of the tables that publishers hand over


@dataclass(frozen=True, kw_only=True)
class CatalogEntry:
    key: str  # in links and plans: never rename
    title: str
    description: str  # what it holds, in a line
    modality: str
    classes: int
    train_examples: int  # examples that are kept, doubles included
    test_examples: int
    subset: str  # which part of what is published that is
    matching_answers: dict[str, str]  # answers that it is like: ours
    source: str  # whose it is, and where it comes from
    licence: str
    download_bytes: int  # as published
    loader: str  # "module:function", called with a folder: downloads, and hands back what came


class DownloadError(RuntimeError):
    """A download that did not come; the text says what was asked, what is wrong, what to do."""


class DatasetNotDownloaded(UnknownKey):
    """A data set that exists and was not downloaded; the text says how to."""


OFFICIAL_SPLIT = "all of it, split as its authors did"

CATALOG = build_registry(
    CatalogEntry(
        key="flowers102",
        title="Flowers",
        description="Photos of 102 kinds of flowers that grow in Britain, few of each.",
        modality="images",
        classes=102,
        train_examples=2040,
        test_examples=5000,
        subset="the authors' training and validation pictures; 5,000 of their 6,149 for the test",
        matching_answers={"specificity": "somewhat", "data_volume": "limited"},
        source="Nilsback and Zisserman, 102 Category Flower Dataset, University of Oxford",
        licence="none stated; published for research",
        download_bytes=344_878_000,
        loader="trainers.datasets.publishers:flowers102",
    ),
    CatalogEntry(
        key="pets",
        title="Pets",
        description="Photos of cats and dogs, by which of 37 breeds they are.",
        modality="images",
        classes=37,
        train_examples=3680,
        test_examples=3669,
        subset=OFFICIAL_SPLIT,
        matching_answers={"specificity": "common", "data_volume": "moderate"},
        source="Parkhi and others, Oxford-IIIT Pet Dataset",
        licence="CC BY-SA 4.0",
        download_bytes=811_092_049,
        loader="trainers.datasets.publishers:pets",
    ),
    CatalogEntry(
        key="eurosat",
        title="Land from above",
        description="Satellite pictures of Europe: fields, forests, rivers, roads, houses.",
        modality="images",
        classes=10,
        train_examples=20_000,
        test_examples=5000,
        subset="25,000 of the 27,000 pictures, in colour; a fifth of each class held back to test",
        matching_answers={"specificity": "specialised", "data_volume": "large"},
        source="Helber and others, EuroSAT, from Sentinel-2; as redistributed by TorchGeo",
        licence="MIT",
        download_bytes=94_280_567,
        loader="trainers.datasets.publishers:eurosat",
    ),
    CatalogEntry(
        key="fashion_mnist",
        title="Clothes",
        description="Small grey pictures of clothes, shoes and bags from a shop.",
        modality="images",
        classes=10,
        train_examples=20_000,
        test_examples=5000,
        subset="20,000 of 60,000 pictures to learn from, 5,000 of 10,000 to test",
        matching_answers={"specificity": "somewhat", "data_volume": "large"},
        source="Xiao, Rasul and Vollgraf, Fashion-MNIST, Zalando Research",
        licence="MIT",
        download_bytes=30_878_645,
        loader="trainers.datasets.publishers:fashion_mnist",
    ),
    CatalogEntry(
        key="dtd",
        title="Textures",
        description="Surfaces by the word that describes them: banded, bubbly, woven …",
        modality="images",
        classes=47,
        train_examples=3760,
        test_examples=1880,
        subset="all of it; of the ten splits of its authors, the first",
        matching_answers={"specificity": "somewhat", "data_volume": "moderate"},
        source="Cimpoi and others, Describable Textures Dataset, University of Oxford",
        licence="for research purposes",
        download_bytes=625_239_812,
        loader="trainers.datasets.publishers:dtd",
    ),
    CatalogEntry(
        key="banking77",
        title="Questions to a bank",
        description="What customers write to a bank, by which of 77 things they want.",
        modality="text",
        classes=77,
        train_examples=10_003,
        test_examples=3080,
        subset=OFFICIAL_SPLIT,
        matching_answers={"specificity": "somewhat", "data_volume": "moderate"},
        source="Casanueva and others, PolyAI; as kept by MTEB on Hugging Face",
        licence="CC BY 4.0",
        download_bytes=1_615_000,  # the hub tells it in rounded words
        loader="trainers.datasets.publishers:hub",
    ),
    CatalogEntry(
        key="ag_news",
        title="News",
        description="News in a sentence or two: world, sport, business, science.",
        modality="text",
        classes=4,
        train_examples=100_000,
        test_examples=7600,
        subset="100,000 of 120,000 texts to learn from; the whole test",
        matching_answers={"specificity": "common", "data_volume": "large"},
        source="Zhang, Zhao and LeCun, from Gulli's AG corpus; on Hugging Face",
        licence="for research and other non-commercial use",
        download_bytes=19_820_267,
        loader="trainers.datasets.publishers:hub",
    ),
    CatalogEntry(
        key="rotten_tomatoes",
        title="Film reviews",
        description="Sentences from film reviews: for the film or against it.",
        modality="text",
        classes=2,
        train_examples=9596,
        test_examples=1066,
        subset=OFFICIAL_SPLIT,
        matching_answers={"specificity": "common", "data_volume": "large"},
        source="Pang and Lee, from Rotten Tomatoes; on Hugging Face",
        licence="none stated",
        download_bytes=881_052,
        loader="trainers.datasets.publishers:hub",
    ),
    CatalogEntry(
        key="emotion",
        title="Feelings",
        description="Short messages by the feeling that they tell of: joy, sadness, anger "
        "and others.",
        modality="text",
        classes=6,
        train_examples=18_000,
        test_examples=2000,
        subset=OFFICIAL_SPLIT,
        matching_answers={"specificity": "common", "data_volume": "large"},
        source="Saravia and others, CARER, from Twitter; on Hugging Face",
        licence="for education and research only",
        download_bytes=1_287_193,
        loader="trainers.datasets.publishers:hub",
    ),
    CatalogEntry(
        key="medical_abstracts",
        title="Medical abstracts",
        description="Summaries of medical papers, by the kind of disease.",
        modality="text",
        classes=5,
        train_examples=11_550,
        test_examples=2888,
        subset=OFFICIAL_SPLIT,
        matching_answers={"specificity": "specialised", "data_volume": "large"},
        source="Schopf, Braun and Matthes, Medical Abstracts TC Corpus; on Hugging Face",
        licence="CC BY-SA 3.0",
        download_bytes=9_610_000,  # the hub tells it in rounded words
        loader="trainers.datasets.publishers:hub",
    ),
)


def format_size(count: int) -> str:
    """Bytes in words: "345 MB"."""
    return f"{count / 1e6:,.0f} MB" if count >= 1e7 else f"{count / 1e6:,.1f} MB"


def to_markdown() -> str:
    """The data sets as a Markdown table, for the README."""
    rows = ["| `--data` | download | what it holds | source | licence |", "|---|---|---|---|---|"]
    rows += [
        f"| `{row.key}` | {format_size(row.download_bytes)} | {row.description} "
        f"{row.classes} classes "
        f"| {row.source} | {row.licence} |"
        for row in CATALOG.values()
    ]
    return "\n".join(rows)


def dataset_dir(key: str) -> Path:
    """Where the data set lies, or would."""
    return data_dir() / "online" / look_up(CATALOG, key, "data set").key


def is_downloaded(key: str) -> bool:
    try:
        _, fields = dataset.read_stored(key)
    except UnknownKey:
        return False
    return key in CATALOG and bool(fields["classes"])  # one that was deleted has none


class DownloadedDataset(dataset.StoredDataset):
    """A data set that was downloaded: everybody's, not a visitor's own."""


def get_downloaded(key: str) -> DownloadedDataset:
    """The data set called `key`. Raises `NotHere` when it was never downloaded.

    When it was deleted since, the runs on it can still be read; its data cannot.
    """
    row = look_up(CATALOG, key, "data set")
    try:
        _, fields = dataset.read_stored(key)
    except UnknownKey:
        raise DatasetNotDownloaded(download_hint(row)) from None
    fields |= {
        "title": row.title,
        "description": row.description,
        "matching_answers": row.matching_answers,
    }
    return DownloadedDataset(**fields | {"origin": f"real: {row.source} (licence: {row.licence})"})


def download_hint(row: CatalogEntry) -> str:
    return (
        f"{row.title} ({row.key}) is not on this computer. To download it, "
        f"{format_size(row.download_bytes)}: thaw download {row.key}"
    )


def delete(key: str) -> None:
    """Deletes what was downloaded. Raises `NotHere`."""
    if not is_downloaded(key):
        raise DatasetNotDownloaded(download_hint(look_up(CATALOG, key, "data set")))
    dataset.delete(key)


def download(key: str) -> Iterator[Event]:
    """Downloads, converts and keeps a data set, telling how far it is; ends with `Done`.

    Made for a process of its own, with which an abandoned download ends. Whole or not at all:
    what a cut left behind is used or cleared by the next call. Raises `UnknownKey`, `BadFetch`.
    """
    from filelock import FileLock, Timeout

    row = look_up(CATALOG, key, "data set")
    clock = _Clock()
    raw = data_dir() / "downloads" / key
    raw.parent.mkdir(exist_ok=True)
    lock = FileLock(raw.with_suffix(".lock"))
    while not lock.is_locked:
        try:
            lock.acquire(timeout=1)
        except Timeout:
            yield Stage("wait", f"Another download of {row.title} is under way.", clock())
    try:
        if not is_downloaded(key):  # somebody else may have brought it
            with _translate_errors(row, raw):
                yield from _download_and_store(row, raw, clock)
    finally:
        lock.release()
    yield JobDone({}, clock())


class _Clock:
    def __init__(self) -> None:
        self.started_at = time.monotonic()

    def __call__(self) -> float:
        return time.monotonic() - self.started_at


def _download_and_store(row: CatalogEntry, raw: Path, clock: _Clock) -> Iterator[Event]:
    need, room = DISK_SPACE_FACTOR * row.download_bytes, shutil.disk_usage(raw.parent).free
    if room < need:
        raise DownloadError(
            f"{row.title} takes about {format_size(need)} while it is unpacked; this disk has "
            f"{format_size(room)} left. Make room, and try again."
        )
    yield Stage("download", f"Downloading {row.title}, {format_size(row.download_bytes)}", clock())
    module, _, name = row.loader.partition(":")
    work = partial(getattr(import_module(module), name), raw)
    found, notices = yield from _run_with_progress(
        work, partial(_download_progress, row, raw, clock)
    )
    pictures = row.modality == "images"
    what, count = (
        ("pictures", len(found.files))
        if pictures
        else ("rows", row.train_examples + row.test_examples)
    )
    yield Stage("convert", f"Keeping {count:,} {what} in a form that trains fast", clock())
    shutil.rmtree(dataset_dir(row.key).with_suffix(".part"), ignore_errors=True)  # of a cut
    with dataset.DatasetWriter(row.modality, "", dataset_dir(row.key)) as keeper:
        reading = (
            images.read_images(found, keeper)
            if pictures
            else texts.read_texts(found, keeper, *COLUMNS)
        )
        for progress in reading:
            yield Progress(round(progress.fraction * count), count, clock(), what)
        yield Stage("sides", "Keeping near-duplicates on one side of the split", clock())
        keeper.finish(row.title, [*notices, *found.notices()])
    shutil.rmtree(raw, ignore_errors=True)
    yield Stage(
        "clean", f"Kept in {dataset_dir(row.key)}; the download itself was deleted", clock()
    )


def _download_progress(row: CatalogEntry, raw: Path, clock: _Clock) -> Progress:
    """How much of the download has come, by the files that grow in its folder."""
    done = 0
    with suppress(OSError):  # one was renamed just now
        for file in raw.rglob("*"):
            done += file.stat().st_size if file.suffix in DOWNLOAD_SUFFIXES else 0
    return Progress(min(done, row.download_bytes), row.download_bytes, clock(), "bytes")


T = TypeVar("T")


def _run_with_progress(
    work: Callable[[], T], told: Callable[[], Event]
) -> Generator[Event, None, T]:
    """What `work` gives, which runs in a thread; tells of it while it lasts."""
    outcome: Future[T] = Future()

    def body() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # it belongs to whoever waits
            outcome.set_exception(error)

    threading.Thread(target=body, daemon=True).start()
    while not wait([outcome], POLL_SECONDS).done:
        yield told()
    return outcome.result()


ARCHIVE_ERRORS = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError)
GONE_STATUS_CODES = (404, 410)


@contextmanager
def _translate_errors(row: CatalogEntry, raw: Path) -> Iterator[None]:
    """What can go wrong with a download, as a `BadFetch` that also says what needs none."""
    needs_none = ", ".join(s.key for s in BUNDLED_DATASETS.values() if s.modality == row.modality)
    try:
        yield
    except (DownloadError, BadUpload) as error:
        said = str(error)
    except (OSError, http.client.HTTPException, RuntimeError, *ARCHIVE_ERRORS) as error:
        said = _error_message(row, error)
        if not isinstance(error, OSError) or error.errno in DISK_FULL_ERRNOS:
            shutil.rmtree(raw, ignore_errors=True)  # of no use, or in the way
    else:
        return
    raise DownloadError(f"{said} These come with Thaw and need no network: {needs_none}.")


DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)


def _error_message(row: CatalogEntry, error: Exception) -> str:
    answer = getattr(error, "response", None)  # of huggingface_hub; the others are urllib's
    status = getattr(answer, "status_code", None) or getattr(error, "code", None)
    if told := re.search(r"HTTP Error (\d+)", str(error)):  # torchvision put it in a text
        status = int(told[1])
    if isinstance(error, OSError) and error.errno in DISK_FULL_ERRNOS:
        return (
            f"The disk is full, so {row.title} could not be kept; what had come was deleted. "
            f"It takes about {format_size(DISK_SPACE_FACTOR * row.download_bytes)} "
            "while it is unpacked. Make "
            "room, and try again."
        )
    if status in GONE_STATUS_CODES:
        return (
            f"{row.title} is no longer where it was published (error {status}). A newer version "
            "of Thaw may know where it is."
        )
    if status:
        return f"The publisher of {row.title} answered with error {status}. Try again later."
    if isinstance(error, (RuntimeError, *ARCHIVE_ERRORS)):
        return (
            f"{row.title} did not arrive whole: its checksum is wrong, or it does not open. "
            "Probably the connection broke off. Nothing of it was kept. Try again."
        )
    return (
        f"The connection broke off while {row.title} came ({type(error).__name__}). Nothing half "
        "is kept. Try again."
    )
