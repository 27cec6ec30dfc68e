"""Download a data set of the catalog and store the part that runs use, in the form of an upload."""

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
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from trainers.datasets import catalog, registry
from trainers.datasets.catalog import CatalogEntry, DownloadError, format_size
from trainers.datasets.uploads import images, texts
from trainers.datasets.uploads.limits import BadUpload
from trainers.datasets.uploads.writer import DatasetWriter
from trainers.events import Event, JobDone, Progress, Stage
from trainers.system.paths import data_dir
from trainers.system.registry import look_up

DISK_SPACE_FACTOR = 3  # ours: the download, its unpacked files, and the stored examples
POLL_SECONDS = 0.5
DOWNLOAD_SUFFIXES = {".tgz", ".gz", ".zip", ".mat", ".parquet", ".jsonl", ".incomplete"}
COLUMNS = "text", "label"  # of the tables that publishers return
ARCHIVE_ERRORS = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError)
GONE_STATUS_CODES = (404, 410)
DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)

T = TypeVar("T")


def download(key: str) -> Iterator[Event]:
    """Download, convert and store a data set; yield progress, and `JobDone` at the end.

    Meant for a process of its own, so that an abandoned download ends with it. All or nothing is
    stored; the next call uses or clears what an interrupted download left. Raises `UnknownKey`
    and `DownloadError`.
    """
    from filelock import FileLock, Timeout

    row = look_up(catalog.CATALOG, key, "data set")
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
        if not catalog.is_downloaded(key):  # another process may have finished it meanwhile
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
    needed, free = DISK_SPACE_FACTOR * row.download_bytes, shutil.disk_usage(raw.parent).free
    if free < needed:
        raise DownloadError(
            f"{row.title} takes about {format_size(needed)} while it is unpacked; this disk has "
            f"{format_size(free)} left. Make room, and try again."
        )
    yield Stage("download", f"Downloading {row.title}, {format_size(row.download_bytes)}", clock())
    module, _, name = row.loader.partition(":")
    load = partial(getattr(import_module(module), name), raw)
    files, notices = yield from _run_with_progress(
        load, partial(_download_progress, row, raw, clock)
    )
    if row.modality == "images":
        noun, count = "pictures", len(files.files)
    else:
        noun, count = "rows", row.train_examples + row.test_examples
    yield Stage("convert", f"Keeping {count:,} {noun} in a form that trains fast", clock())
    folder = catalog.dataset_dir(row.key)
    shutil.rmtree(folder.with_suffix(".part"), ignore_errors=True)  # of an interrupted download
    with DatasetWriter(row.modality, "", folder) as writer:
        reading = (
            images.read_images(files, writer)
            if row.modality == "images"
            else texts.read_texts(files, writer, *COLUMNS)
        )
        for progress in reading:
            yield Progress(round(progress.fraction * count), count, clock(), noun)
        yield Stage("sides", "Keeping near-duplicates on one side of the split", clock())
        writer.finish(row.title, [*notices, *files.notices()])
    shutil.rmtree(raw, ignore_errors=True)
    yield Stage("clean", f"Kept in {folder}; the download itself was deleted", clock())


def _download_progress(row: CatalogEntry, raw: Path, clock: _Clock) -> Progress:
    """Return how much has been downloaded, judged by the sizes of the files in its folder."""
    done = 0
    with suppress(OSError):  # a file was just renamed
        for file in raw.rglob("*"):
            done += file.stat().st_size if file.suffix in DOWNLOAD_SUFFIXES else 0
    return Progress(min(done, row.download_bytes), row.download_bytes, clock(), "bytes")


def _run_with_progress(
    work: Callable[[], T], progress: Callable[[], Event]
) -> Generator[Event, None, T]:
    """Run `work` in a thread, yield `progress()` every `POLL_SECONDS`, and return its result."""
    outcome: Future[T] = Future()

    def body() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # raised again in the thread that waits
            outcome.set_exception(error)

    threading.Thread(target=body, daemon=True).start()
    while not wait([outcome], POLL_SECONDS).done:
        yield progress()
    return outcome.result()


@contextmanager
def _translate_errors(row: CatalogEntry, raw: Path) -> Iterator[None]:
    """Raise any error of a download as a `DownloadError`, which also names bundled data sets."""
    try:
        yield
    except (DownloadError, BadUpload) as error:
        message = str(error)
    except (OSError, http.client.HTTPException, RuntimeError, *ARCHIVE_ERRORS) as error:
        message = _error_message(row, error)
        if not isinstance(error, OSError) or error.errno in DISK_FULL_ERRNOS:
            shutil.rmtree(raw, ignore_errors=True)  # damaged, or it fills the disk
    else:
        return
    bundled = ", ".join(
        dataset.key
        for dataset in registry.BUNDLED_DATASETS.values()
        if dataset.modality == row.modality
    )
    raise DownloadError(f"{message} These come with Thaw and need no network: {bundled}.")


def _error_message(row: CatalogEntry, error: Exception) -> str:
    response = getattr(error, "response", None)  # of huggingface_hub; the others are urllib's
    status = getattr(response, "status_code", None) or getattr(error, "code", None)
    if match := re.search(r"HTTP Error (\d+)", str(error)):  # torchvision has it in its text
        status = int(match[1])
    if isinstance(error, OSError) and error.errno in DISK_FULL_ERRNOS:
        return (
            f"The disk is full, so {row.title} could not be kept; what had come was deleted. It "
            f"takes about {format_size(DISK_SPACE_FACTOR * row.download_bytes)} while it is "
            "unpacked. Make room, and try again."
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
