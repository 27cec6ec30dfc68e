"""A backbone, downloaded: by torchvision's and Hugging Face's own libraries, checked, told as
events. What needs torch or transformers is imported once the network is known to be there."""

import errno
import hashlib
import pickle
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from filelock import FileLock, Timeout

from trainers.backbones import Backbone, cache, get_bundled
from trainers.events import Event, JobDone, Progress, Stage
from trainers.system.atomic import fsync_dir, fsync_file, write_text
from trainers.system.settings import get_settings

# To hear from a host at all; a name that is looked up can take for ever.
CONNECT_TIMEOUT_SECONDS = 2.5
STALL_TIMEOUT_SECONDS = 30.0  # without a byte
PROGRESS_INTERVAL_SECONDS = 0.2  # between two events
# A part that nobody has written to for so long is of a process that died.
STALE_PART_SECONDS = 600.0
DISK_SPACE_MARGIN = 1.05  # of the download, on the disk

# Beside the weights: what the network is, and how it reads. Nothing that could be run.
SMALL_FILES = (
    "config.json",
    "merges.txt",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
)
SHARD_PATTERN = re.compile(r"model-\d+-of-\d+\.safetensors")


class DownloadError(RuntimeError):
    """A download that did not come; the text says why and what to do next."""


def download(backbone: Backbone) -> Iterator[Event]:
    """Fetches `backbone` and yields how far it is; the last event is `Done`. What is here already
    is left alone. Whole or not at all: a cut leaves nothing that counts as a backbone. Raises
    `NotFetched`."""
    began = time.monotonic()

    def seconds() -> float:
        return time.monotonic() - began

    if not cache.is_downloaded(backbone):
        steps = (
            _download_from_hub(backbone) if backbone.repo else _download_from_torchvision(backbone)
        )
        with _translate_errors(backbone), _socket_timeout():
            for step in steps:
                yield (
                    Stage("fetch", step, seconds())
                    if isinstance(step, str)
                    else Progress(*step, seconds(), unit="bytes")
                )
    yield JobDone({}, seconds())


DownloadSteps = Iterator[str | tuple[int, int]]  # what happens now, or (bytes done, bytes in all)


# --- torchvision --------------------------------------------------------------------------------


def _download_from_torchvision(backbone: Backbone) -> DownloadSteps:
    url = find_weights_url(backbone)
    yield f"Asking {urlsplit(url).hostname} for {backbone.name}"
    total = _connect(lambda: _fetch_content_length(url)) or backbone.download_bytes
    folder = cache.torch_hub_path()
    drafts = folder / ".thaw"  # what lies in here is ours alone, and half
    _check_disk_space(folder, total)
    drafts.mkdir(parents=True, exist_ok=True)
    with _lock_download(drafts / f"{backbone.key}.lock"):
        if cache.is_downloaded(backbone):
            return
        draft = drafts / backbone.key
        shutil.rmtree(draft, ignore_errors=True)  # of one that died
        yield f"Downloading {backbone.name}"

        def fetched() -> None:
            from trainers.networks.torchvision import get_weights

            # Loaded as well, so what cannot be read is found now. It checks the publisher's hash.
            get_weights(backbone).get_state_dict(
                model_dir=draft, progress=False, check_hash=True, weights_only=True
            )

        try:
            yield from _track_progress(fetched, lambda: _total_bytes(draft.glob("*")), total)
            fsync_file(draft / backbone.weights_file)
            (draft / backbone.weights_file).replace(folder / backbone.weights_file)
            fsync_dir(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def find_weights_url(backbone: Backbone) -> str:
    """Return the URL of the weights in torchvision's code, found without importing torchvision.

    Importing it takes longer than finding out that there is no network.
    """
    for source in Path(find_spec("torchvision").submodule_search_locations[0], "models").glob("*"):
        if source.suffix == ".py":
            text = source.read_text("utf-8")
            if match := re.search(rf'"(https?://[^"]*/{re.escape(backbone.weights_file)})"', text):
                return match[1]
    raise DownloadError(
        "The installed torchvision does not know the weights "
        f"{backbone.weights_file}. Install a version "
        "that Thaw was made for: see pyproject.toml."
    )


def _fetch_content_length(url: str) -> int:
    request = Request(url, method="HEAD")  # noqa: S310, the address is torchvision's
    with urlopen(request, timeout=CONNECT_TIMEOUT_SECONDS) as answer:  # noqa: S310
        return int(answer.headers.get("Content-Length") or 0)


# --- Hugging Face -------------------------------------------------------------------------------


def _download_from_hub(backbone: Backbone) -> DownloadSteps:
    from huggingface_hub import HfApi, constants, get_session, snapshot_download
    from huggingface_hub.utils import disable_progress_bars

    if constants.HF_HUB_OFFLINE:
        raise DownloadError(
            "HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set, so nothing is downloaded from Hugging "
            f"Face. Unset it, or use {get_bundled(backbone.modality).key}, which comes with Thaw."
        )
    disable_progress_bars()  # events tell it
    endpoint = get_settings().hf_endpoint or constants.ENDPOINT
    yield f"Asking {urlsplit(endpoint).hostname} for {backbone.name}"
    _connect(lambda: get_session().head(endpoint, timeout=CONNECT_TIMEOUT_SECONDS))
    about = HfApi(endpoint=endpoint).model_info(
        backbone.repo,
        revision=backbone.revision or None,
        files_metadata=True,
        timeout=STALL_TIMEOUT_SECONDS,
    )
    if about.gated:  # said before the first byte
        raise DownloadError(GATED_MESSAGE.format(repo=backbone.repo))
    wanted = {file.rfilename: file for file in about.siblings}
    names = select_files(set(wanted), backbone)
    total = sum(wanted[name].size or 0 for name in names)
    folder = cache.backbone_path(backbone)
    _check_disk_space(folder, total)
    source = {
        "repo_id": backbone.repo,
        "revision": about.sha,
        "endpoint": endpoint,
        "cache_dir": cache.hf_hub_path(),
    }
    blobs = folder / "blobs"
    parts = set(blobs.glob("*.incomplete"))
    for part in [*parts]:
        if time.time() - part.stat().st_mtime > STALE_PART_SECONDS:
            part.unlink(missing_ok=True)

    def fetched() -> None:
        from trainers.networks.hf_config import load_config

        place = snapshot_download(allow_patterns=["config.json"], **source)
        load_config(Path(place), backbone.key)  # before the weights: it may be no encoder
        snapshot_download(allow_patterns=names, **source)

    def done() -> int:
        here = (folder / "snapshots" / about.sha / name for name in names)
        return _total_bytes(here) + _total_bytes(set(blobs.glob("*.incomplete")) - parts)

    yield f"Downloading {backbone.name}"
    try:
        yield from _track_progress(fetched, done, total)
    finally:
        for part in set(blobs.glob("*.incomplete")) - parts:
            part.unlink(missing_ok=True)
    yield "Checking that it is what was published"
    for name in names:
        _verify_checksum(folder / "snapshots" / about.sha / name, wanted[name])
        fsync_file(folder / "snapshots" / about.sha / name)
    if not backbone.revision:
        # The commit, as the cache notes those of branches.
        write_text(folder / "refs" / "thaw", about.sha)


def select_files(names: set[str], backbone: Backbone) -> list[str]:
    """The files to fetch of those that a repository has. Raises `NotFetched` where it has no
    safetensors weights, or no way to read a text."""
    weights = (
        [cache.WEIGHTS_FILE]
        if cache.WEIGHTS_FILE in names
        else sorted(filter(SHARD_PATTERN.fullmatch, names))
    )
    if not weights:
        raise DownloadError(
            f"{backbone.repo} has no weights in the safetensors form. Other forms can hold "
            "programs that run when they are opened, so Thaw opens none. Choose another model, "
            f"or use {get_bundled(backbone.modality).key}, which comes with Thaw."
        )
    if len(weights) > 1:
        weights.append(cache.WEIGHTS_INDEX_FILE)
    readers = [name for name in cache.TOKENIZER_FILES if name in names]
    if not readers or "config.json" not in names:
        raise DownloadError(
            f"{backbone.repo} has no tokenizer or no config.json, so it is no model that reads "
            f"texts. Choose another, or use {get_bundled(backbone.modality).key}."
        )
    readers = readers[:1] if readers[0] == cache.TOKENIZER_FILES[0] else readers
    return [*weights, *readers, *(name for name in SMALL_FILES if name in names)]


def _verify_checksum(file: Path, published: Any) -> None:
    """Compares `file` with the publisher's sum: SHA-256 of large files, git's own of small ones."""
    with open(file, "rb") as opened:
        if published.lfs:
            expected, found = published.lfs.sha256, hashlib.file_digest(opened, "sha256")
        else:
            head = f"blob {file.stat().st_size}\0".encode()
            found = hashlib.sha1(head, usedforsecurity=False)
            found.update(opened.read())
            expected = published.blob_id
    if expected and found.hexdigest() != expected:
        for path in {file.resolve(), file}:  # the link and what it leads to
            path.unlink(missing_ok=True)
        raise DownloadError(
            f"{file.name} is not the published file: its checksum differs. It was deleted. "
            "Something on the way changed it, or the download was damaged: try again."
        )


# --- both ---------------------------------------------------------------------------------------


def _track_progress(work: Callable[[], Any], done: Callable[[], int], total: int) -> Iterator:
    """Do `work` beside, and yields (bytes done, in all) until it is over; raises what it does."""
    future = _run_in_thread(work)
    while not future.done():
        time.sleep(PROGRESS_INTERVAL_SECONDS)
        yield min(done(), total), total
    future.result()
    yield total, total


def _run_in_thread(work: Callable[[], Any]) -> Future:
    """`work`, in a thread that nobody waits for when the process ends."""
    future: Future = Future()

    def body() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=body, daemon=True).start()
    return future


def _connect(ask: Callable[[], Any]) -> Any:
    """Return the result of `ask` within `REACH_SECONDS`, name resolution included."""
    return _run_in_thread(ask).result(timeout=CONNECT_TIMEOUT_SECONDS)


@contextmanager
def _lock_download(lock: Path) -> Iterator[None]:
    try:
        with FileLock(lock, timeout=0):
            yield
    except Timeout:
        raise DownloadError(
            "This is being downloaded already, by another process of Thaw. Wait for it to end."
        ) from None


def _total_bytes(files: Iterator[Path]) -> int:
    found = 0
    for file in files:
        try:
            found += file.stat().st_size
        except OSError:  # renamed in this moment
            continue
    return found


def _check_disk_space(folder: Path, total: int) -> None:
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if free < DISK_SPACE_MARGIN * total:
        raise DownloadError(
            f"It takes {total / 1e6:,.0f} MB on disk, and only {free / 1e6:,.0f} MB are free. Make "
            "room, or set TORCH_HOME or HF_HOME to a folder on another disk."
        )


@contextmanager
def _socket_timeout() -> Iterator[None]:
    """torch.hub sets no limit of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL_TIMEOUT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


GATED_MESSAGE = (
    "{repo} is only for those who have accepted its terms. Accept them on its page at Hugging "
    "Face, set HF_TOKEN to a token of your account, and try again."
)


@contextmanager
def _translate_errors(backbone: Backbone) -> Iterator[None]:
    """Raise errors of the download as texts that tell a visitor what to do next."""
    try:
        yield
    except DownloadError:
        raise
    except Exception as error:
        if type(error).__module__.startswith("trainers"):  # written for visitors already
            raise
        if said := _user_message(error, backbone):
            raise DownloadError(said) from error
        raise


def _user_message(error: Exception, backbone: Backbone) -> str | None:
    """None for what no download should raise: a fault of ours is called that elsewhere."""
    from huggingface_hub import errors

    instead = f"Or use {get_bundled(backbone.modality).key}, which comes with Thaw."
    name = backbone.repo or backbone.weights_file
    if isinstance(error, errors.GatedRepoError):
        return GATED_MESSAGE.format(repo=backbone.repo)
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{name} has no revision {backbone.revision!r}. Leave it out for the latest."
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"There is no model {name} at Hugging Face, or it is private. Check the name: "
            "organisation/model, as in the address of its page."
        )
    code = None
    if isinstance(error, HTTPError):
        code = error.code
        error.close()
    if isinstance(error, errors.HfHubHTTPError):
        code = error.response.status_code
    if code in (404, 410):
        return f"The publisher no longer has {name}. Choose another backbone. {instead}"
    if code:
        return f"The publisher answered with error {code} for {name}. Try later. {instead}"
    if "hash value" in str(error) or "Consistency check" in str(error):
        return (
            f"{name} did not arrive as it was published: its checksum or size differs, so it was "
            "thrown away. The connection may have been cut. Try again."
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The disk is full. Make room and fetch it again; what had come was removed."
    if isinstance(error, PermissionError) or getattr(error, "errno", None) == errno.EROFS:
        return (
            f"Nothing may be written to {cache.backbone_path(backbone)}. Set "
            "TORCH_HOME or HF_HOME to a "
            "folder of your own."
        )
    if isinstance(error, OSError) or type(error).__module__.startswith("httpx"):
        return (
            f"{name} could not be downloaded: there is no network, or something blocks the way "
            f"({_shorten_error(error)}). Check the connection and try again. {instead}"
        )
    if isinstance(error, pickle.UnpicklingError):
        return f"{name} holds more than numbers, so it was not opened. {instead}"
    return None


def _shorten_error(error: Exception) -> str:
    text = str(getattr(error, "reason", None) or error) or "no answer in time"
    return f"{text.splitlines()[0][:120]}"
