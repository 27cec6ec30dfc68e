"""One folder at `THAW_ARTIFACT_URL`: any address that fsspec knows, such as s3://bucket/prefix.

The folder has every file under its SHA-256, and `manifest.json`, which is written last and names
them: readers see a complete folder or none. There is a marker file at the root. If it was seen
before and is missing, such as on a share that is not mounted, nothing counts as deleted and nothing
is uploaded.

fsspec's own caches (`filecache::`, `simplecache::`) are not used: they cache single files under
names of their own, while training, serving and export read whole folders by name, and erasing a
visitor's data would have to reach into a second cache.
"""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from trainers.system.atomic import PARTIAL_SUFFIX, unique_suffix
from trainers.system.paths import data_dir
from trainers.system.settings import get_settings

MANIFEST = "manifest.json"
MARKER = "shared-by-thaw"
EXCLUDED_FILES = ("take-away.zip",)  # made anew where it is downloaded
COMPLETION_FILES = ("model.safetensors", "about.json")  # written last: readers wait for these
OBJECT_STORE_PROTOCOLS = {"s3", "gs", "abfs"}  # without folders: s3fs would make a bucket of one
# By default s3fs and botocore wait more than 6 minutes for a server that does not answer.
S3_CONFIG = {"connect_timeout": 5, "read_timeout": 10, "retries": {"total_max_attempts": 1}}
S3_ATTEMPTS = 2

Manifest = dict[str, dict[str, Any]]  # file name -> {"bytes", "sha256"}


class CorruptObject(OSError):
    """A file is not what was uploaded."""


class StorageMissing(OSError):
    """The marker file that was seen at the address is missing."""


class RemoteFolder:
    """The folder `kind/key` at the address."""

    def __init__(self, kind: str, key: str) -> None:
        self.files, root = open_filesystem(storage_url())
        self.path = f"{root}/{kind}/{key}"

    def read_manifest(self) -> Manifest | None:
        """Return the manifest; None if there is no such folder."""
        try:
            return json.loads(self.files.cat_file(f"{self.path}/{MANIFEST}"))
        except FileNotFoundError:
            return None

    def upload(self, folder: Path, manifest: Manifest) -> None:
        """Upload the files that are new, then the manifest, then delete what it does not name."""
        _make_dir(self.files, self.path)
        digests = {name: facts["sha256"] for name, facts in manifest.items()}
        present = self._list_names()
        for name, digest in digests.items():
            if digest not in present:
                self.files.put_file(str(folder / name), f"{self.path}/{digest}")
        self._write_manifest(manifest)
        for name in present - {*digests.values(), MANIFEST}:
            self.files.rm_file(f"{self.path}/{name}")

    def download(self, folder: Path, manifest: Manifest) -> None:
        """Download all files into `folder`, each checked and renamed. Raises `CorruptObject`."""
        if bad := [name for name in manifest if Path(name).name != name]:
            raise CorruptObject(f"{bad[0]!r} is no name of a file.")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in sorted(manifest, key=lambda name: (name in COMPLETION_FILES, name)):
            digest = manifest[name]["sha256"]
            partial = folder / f"{name}{unique_suffix()}{PARTIAL_SUFFIX}"
            try:
                self.files.get_file(f"{self.path}/{digest}", str(partial))
                if _hash_file(partial) != digest:
                    raise CorruptObject(f"{name} of {self.path} is damaged.")
                partial.replace(folder / name)
            finally:
                partial.unlink(missing_ok=True)

    def delete(self) -> None:
        """Delete the manifest first, without which readers see no folder, then everything."""
        if self.files.exists(f"{self.path}/{MANIFEST}"):
            self.files.rm_file(f"{self.path}/{MANIFEST}")
        if self.files.exists(self.path):
            self.files.rm(self.path, recursive=True)

    def _write_manifest(self, manifest: Manifest) -> None:
        """Write it in one go: object stores do, in a file system a rename does."""
        path, content = f"{self.path}/{MANIFEST}", json.dumps(manifest).encode()
        if "file" in _protocols(self.files):
            self.files.pipe_file(f"{path}.part", content)
            self.files.mv(f"{path}.part", path)
        else:
            self.files.pipe_file(path, content)

    def _list_names(self) -> set[str]:
        try:
            paths = self.files.ls(self.path, detail=False)
        except FileNotFoundError:  # an object store has no empty folders
            return set()
        return {path.rstrip("/").rpartition("/")[2] for path in paths}


def build_manifest(folder: Path) -> Manifest:
    """Return the manifest of a local folder, without drafts."""
    files = [file for file in folder.iterdir() if file.is_file() and file.suffix != PARTIAL_SUFFIX]
    return {
        file.name: {"bytes": file.stat().st_size, "sha256": _hash_file(file)}
        for file in files
        if file.name not in EXCLUDED_FILES
    }


def is_tombstone(manifest: Manifest) -> bool:
    """Return whether this is what remains of deleted data."""
    return "examples.bin" not in manifest


def check_marker() -> None:
    """Write the marker on the first use. Raises `StorageMissing` if it was there and is missing."""
    files, root = open_filesystem(storage_url())
    seen = state_dir() / f"seen.{url_id()}"
    if not files.exists(f"{root}/{MARKER}"):
        if seen.exists():
            raise StorageMissing(
                f"no file {MARKER!r} there any more; if it is the right place, make one"
            )
        _make_dir(files, root)
        files.pipe_file(f"{root}/{MARKER}", b"What Thaw's app servers share. Leave this file here.")
    seen.touch()


def storage_url() -> str:
    """Return the address where things are shared; "" if they are not."""
    return get_settings().artifact_url


def url_id() -> str:
    """Return a hash of the address, which may hold a password and so is never written down."""
    return hashlib.sha256(storage_url().rstrip("/").encode()).hexdigest()[:16]


def state_dir() -> Path:
    """Return the local folder with what is known of the address."""
    folder = data_dir() / "artifacts"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@cache
def open_filesystem(url: str) -> tuple[Any, str]:
    """Return fsspec's file system and the path of the root in it."""
    from fsspec.core import url_to_fs  # slow to import, and not needed without an address

    options = {"config_kwargs": S3_CONFIG} if url.startswith("s3:") else {}
    files, root = url_to_fs(url, use_listings_cache=False, **options)
    if options:
        files.retries = S3_ATTEMPTS
    return files, root.rstrip("/")


def _protocols(files: Any) -> set[str]:
    return {files.protocol} if isinstance(files.protocol, str) else {*files.protocol}


def _make_dir(files: Any, path: str) -> None:
    if not OBJECT_STORE_PROTOCOLS & _protocols(files):
        files.makedirs(path, exist_ok=True)


def _hash_file(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
