"""A visitor's own data: read in a stream, kept on this computer, used like a sample.

`read` goes through `members` (what a zip or a folder holds), then `images` or `tables` and
`texts`; `keep` has the form in which the examples lie and the sample that they make.
"""

import hashlib
import os
import zipfile
import zlib
from collections.abc import Generator
from pathlib import Path

from trainers.datasets.uploads import images, inbox, tables, texts
from trainers.datasets.uploads.archive import open_upload
from trainers.datasets.uploads.dataset import (
    LOCAL_VISITOR,
    DatasetWriter,
    StoredDataset,
    UploadedDataset,
    delete,
    get_upload,
    list_uploads,
    load_check,
    save_check,
)
from trainers.datasets.uploads.limits import BadUpload, Progress, format_names, sanitize_line

__all__ = [
    "BadUpload",
    "Progress",
    "StoredDataset",
    "UploadedDataset",
    "delete",
    "find_previous_import",
    "fingerprint_source",
    "get_upload",
    "import_upload",
    "list_uploads",
    "load_check",
    "save_check",
]


def import_upload(
    path: Path,
    *,
    title: str | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
    visitor: str = LOCAL_VISITOR,
) -> Generator[Progress, None, str]:
    """Read a zip, a table, or a folder, and keep it: yields how far it is, ends with the id.

    The sample is then called "own-<id>". Pictures lie in a folder for each class, with or without
    train, val and test around them; texts in a table, or in tables called so. A column is given
    by name or by number, from 1; that of the groups, among which scores are compared, is read only
    where it is named (of pictures: folders called class@group). `of(visitor)` finds it again.
    Raises `BadUpload`; then, and when closed, nothing is kept.
    """
    path = Path(path)
    columns = (text_column, label_column, group_column)
    title = title or path.resolve().name
    if not path.exists():
        raise BadUpload(f"There is no file or folder {sanitize_line(str(path))}. Check the name.")
    if not (path.is_dir() or path.is_file()):
        raise BadUpload(
            f"{sanitize_line(title)} is neither a file nor a folder, so it was not opened."
        )
    try:
        with open_upload(path) as found:
            pictures = sum(member.suffix in images.IMAGE_SUFFIXES for member in found.files)
            written = sum(member.suffix in tables.SUFFIXES for member in found.files)
            # Beside pictures may lie a table or a caption each; beside a table a logo.
            as_pictures = pictures > 0 and (not written or 1 < pictures >= written)
            if (
                not pictures and not written and not found.is_single_file
            ):  # what comes alone is looked at
                raise BadUpload(_empty_upload_message(title, found.files, found.notices()))
            if pictures and found.is_single_file:
                raise BadUpload(
                    f"{sanitize_line(title)} is a single picture. Bring a zip or a folder "
                    "with a folder "
                    "of pictures for each class."
                )
            with DatasetWriter("images" if as_pictures else "text", visitor) as keeper:
                if as_pictures:
                    notices = yield from images.read_images(found, keeper)
                else:
                    notices = yield from texts.read_texts(found, keeper, *columns)
                if inbox.read_listing(path):
                    keeper.extra_metadata["draft"] = path.name
                keeper.extra_metadata["stamp"] = fingerprint_source(path, *columns)
                yield Progress(1.0, "looking for near-duplicates")
                key = keeper.finish(title, [*notices, *found.notices()])
        yield Progress(1.0, "kept")
        return key
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadUpload(
            f"{sanitize_line(title)} is a damaged zip ({error}). Pack it again."
        ) from None
    except OSError as error:
        raise BadUpload(
            f"{sanitize_line(title)} could not be read or kept: {error.strerror or error}."
        ) from None


def fingerprint_source(path: Path, *columns: str | None) -> str:
    """What tells whether `path` is still what was read, with the same columns: names, sizes and
    times of its files, not what is in them."""
    told = hashlib.sha256(repr((FORMAT_VERSION, str(path.resolve()), columns)).encode())
    for where, folders, files in (
        os.walk(path) if path.is_dir() else [(path.parent, [], [path.name])]
    ):
        folders.sort()
        for name in sorted(files):
            about = os.lstat(os.path.join(where, name))
            told.update(repr((str(where), name, about.st_size, about.st_mtime_ns)).encode())
    return told.hexdigest()


FORMAT_VERSION = 1  # of what is kept: a newer one is read anew


def find_previous_import(
    path: Path,
    text_column: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
) -> UploadedDataset | None:
    """What the terminal has read of `path` before, where nothing about it has changed since."""
    now = fingerprint_source(path, text_column, label_column, group_column)
    return next((own for own in list_uploads(LOCAL_VISITOR) if own.source_fingerprint == now), None)


def _empty_upload_message(title: str, files: list, notices: list[str]) -> str:
    seen = f" It holds {format_names([member.name for member in files])}." if files else ""
    return " ".join(
        [
            f"{sanitize_line(title)} holds no pictures and no tables.{seen}",
            "Bring a zip or a folder with a folder of pictures (JPEG, PNG, WebP, BMP, GIF, HEIC) "
            "for each class, or a table (CSV, TSV, XLSX, JSON lines, Parquet).",
            *notices,
        ]
    )
