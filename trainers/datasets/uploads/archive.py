"""The files of an upload, in a zip or a folder: opened one at a time, never unpacked to disk."""

import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from trainers.datasets.uploads import inbox
from trainers.datasets.uploads.limits import (
    MAX_BYTES,
    MAX_FILES,
    MAX_RATIO,
    MB,
    MIN_BYTES_FOR_RATIO,
    BadUpload,
    format_names,
    sanitize_line,
)

JUNK_NAMES = {"__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "@eadir"}
JUNK_LABEL = "hidden files and those that systems leave behind"
ARCHIVE_SUFFIXES = {".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst"}


@dataclass(frozen=True)
class Member:
    """One file: its path as the parts of a name, its size, and how to open it."""

    parts: tuple[str, ...]
    size: int
    open: Callable[[], BinaryIO]

    @property
    def name(self) -> str:
        return "/".join(self.parts)

    @property
    def display_name(self) -> str:
        """The name on one line, without characters that move or hide what stands around it."""
        return sanitize_line(self.name)

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.parts[-1]).suffix.lower()


@dataclass
class UploadFiles:
    """The files of an upload that may be used, and the names of those that were skipped."""

    files: list[Member] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=dict)  # reason -> names
    file_count: int = 0
    is_single_file: bool = False  # one file, not a zip or a folder of them

    def add(self, member: Member) -> None:
        self.file_count += 1
        if any(map(_is_junk, member.parts)):
            self.skip(JUNK_LABEL, member.name)
        elif member.suffix in ARCHIVE_SUFFIXES:
            self.skip("packed files inside (unpack them first)", member.name)
        else:
            self.files.append(member)
        if self.file_count > MAX_FILES:
            raise BadUpload(
                f"There are more than {MAX_FILES:,} files. Keep at most that many: a few hundred "
                "of each class teach as much."
            )

    def skip(self, reason: str, name: str) -> None:
        self.skipped.setdefault(reason, []).append(name)

    def notices(self) -> list[str]:
        return [
            f"Passed over, {reason}: {format_names(names)}."
            for reason, names in self.skipped.items()
        ]


def _is_junk(name: str) -> bool:
    return name.lower() in JUNK_NAMES or name.startswith(".")


@contextmanager
def open_upload(path: Path) -> Iterator[UploadFiles]:
    """Open the files of `path`: a folder, a zip, a single file, or a draft from the inbox.

    Members can be read until the block ends. Raises `BadUpload`.
    """
    upload = UploadFiles()
    listed = inbox.read_listing(path)
    if listed is None:
        listed = [(path, (path.name,))] if path.is_file() else []
    if len(listed) > 1 or (listed and len(listed[0][1]) > 1):
        for file, parts in listed:
            upload.add(Member(parts, file.stat().st_size, partial(open, file, "rb")))
        check_size(sum(member.size for member in upload.files))
        yield upload
        return
    if not listed:
        _add_folder(path, upload)
        yield upload
        return
    path, parts = listed[0]
    single = Member(parts, path.stat().st_size, partial(open, path, "rb"))
    upload.is_single_file = True
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if "[Content_Types].xml" in archive.NameToInfo:  # a workbook is a zip, too
                upload.files.append(single)
            else:
                upload.is_single_file = False
                _add_zip(archive, single.size, upload)
            yield upload
    elif single.suffix in ARCHIVE_SUFFIXES:
        raise BadUpload(
            f"{single.display_name} cannot be opened as a zip: it is damaged or packed another "
            "way. Pack the folder again, as a .zip."
        )
    else:
        check_size(single.size)
        upload.files.append(single)
        yield upload


def _add_folder(path: Path, upload: UploadFiles) -> None:
    total = 0
    for where, folders, files in os.walk(path):  # follows no links
        for name in list(folders):
            if os.path.islink(os.path.join(where, name)):
                upload.skip("links", name)
            elif _is_junk(name):
                upload.skip(JUNK_LABEL, name)
                folders.remove(name)
        folders.sort()
        for name in sorted(files):
            file = Path(where, name)
            status = file.lstat()
            parts = file.relative_to(path).parts
            if stat.S_ISLNK(status.st_mode):
                upload.skip("links", "/".join(parts))
            elif not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
                upload.skip("things that are no files", "/".join(parts))
            else:
                total += status.st_size
                check_size(total)
                upload.add(Member(parts, status.st_size, partial(open, file, "rb")))


def _add_zip(archive: zipfile.ZipFile, packed: int, upload: UploadFiles) -> None:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if any(entry.flag_bits & 1 for entry in entries):
        raise BadUpload("The zip is locked with a password. Pack it again without one.")
    # zipfile reads no more of an entry than it declares, so the sum of the declared sizes holds.
    total = sum(entry.file_size for entry in entries)
    check_size(total)
    if total > MIN_BYTES_FOR_RATIO and total > MAX_RATIO * packed:
        raise BadUpload(
            f"The zip has {packed:,} bytes and would unpack to {total / MB:,.0f} MB: pictures and "
            "texts never shrink that far, so it was not opened. Pack only pictures or tables."
        )
    for entry in entries:
        parts = tuple(part for part in entry.filename.replace("\\", "/").split("/") if part)
        if not parts:
            continue
        if stat.S_ISLNK(entry.external_attr >> 16):
            upload.skip("links", entry.filename)
        elif entry.filename[0] in "/\\" or ".." in parts or parts[0][1:2] == ":":
            upload.skip("files whose path leads out of the zip", entry.filename)
        else:
            upload.add(Member(parts, entry.file_size, partial(archive.open, entry)))


def check_size(total: int) -> None:
    """Raise `BadUpload` if the unpacked size, in bytes, is above the limit."""
    if total > MAX_BYTES:
        raise BadUpload(
            f"Unpacked, this is more than {MAX_BYTES // MB:,} MB. Make the pictures smaller "
            f"(Thaw looks at 256 pixels at most) or choose fewer."
        )
