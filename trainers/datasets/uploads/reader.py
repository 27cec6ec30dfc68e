"""Import an upload: read its files in a stream, and store the examples as a data set."""

import hashlib
import os
import zipfile
import zlib
from collections.abc import Generator
from pathlib import Path

from trainers.datasets.uploads import images, inbox, tables, texts
from trainers.datasets.uploads.archive import UploadFiles, open_upload
from trainers.datasets.uploads.dataset import UploadedDataset, list_uploads
from trainers.datasets.uploads.limits import BadUpload, Progress, format_names, sanitize_line
from trainers.datasets.uploads.storage import LOCAL_VISITOR
from trainers.datasets.uploads.writer import DatasetWriter

FORMAT_VERSION = 1  # of the stored files; data stored in an older one is imported again


def import_upload(
    path: Path,
    *,
    title: str | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
    visitor: str = LOCAL_VISITOR,
) -> Generator[Progress, None, str]:
    """Read a zip, a table or a folder and store it; yield progress and return its id.

    The data set's key is then "own-<id>". Pictures are in a folder for each class, with or without
    folders train, val and test around them; texts are in a table, or in tables with those names. A
    column is given by its name or its number, from 1. Groups, among which scores are compared, are
    read from `group_column`, and for pictures from folders called class@group.
    Raises `BadUpload`; then, and if the generator is closed early, nothing is stored.
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
        with open_upload(path) as files:
            modality = _detect_modality(title, files)
            with DatasetWriter(modality, visitor) as writer:
                if modality == "images":
                    notices = yield from images.read_images(files, writer)
                else:
                    notices = yield from texts.read_texts(files, writer, *columns)
                if inbox.read_listing(path):
                    writer.extra_metadata["draft"] = path.name
                writer.extra_metadata["stamp"] = fingerprint_source(path, *columns)
                yield Progress(1.0, "looking for near-duplicates")
                key = writer.finish(title, [*notices, *files.notices()])
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


def _detect_modality(title: str, files: UploadFiles) -> str:
    """Return "images" or "text" by the names of the files. Raises `BadUpload`."""
    image_count = sum(member.suffix in images.IMAGE_SUFFIXES for member in files.files)
    table_count = sum(member.suffix in tables.SUFFIXES for member in files.files)
    # A single file is opened whatever it is called.
    if not image_count and not table_count and not files.is_single_file:
        raise BadUpload(_empty_upload_message(title, files))
    if image_count and files.is_single_file:
        raise BadUpload(
            f"{sanitize_line(title)} is a single picture. Bring a zip or a folder with a folder "
            "of pictures for each class."
        )
    # Pictures may come with a table, or with a caption each; a table may come with a logo.
    has_images = image_count > 0 and (not table_count or 1 < image_count >= table_count)
    return "images" if has_images else "text"


def _empty_upload_message(title: str, files: UploadFiles) -> str:
    names = [member.name for member in files.files]
    contents = f" It holds {format_names(names)}." if names else ""
    return " ".join(
        [
            f"{sanitize_line(title)} holds no pictures and no tables.{contents}",
            "Bring a zip or a folder with a folder of pictures (JPEG, PNG, WebP, BMP, GIF, HEIC) "
            "for each class, or a table (CSV, TSV, XLSX, JSON lines, Parquet).",
            *files.notices(),
        ]
    )


def fingerprint_source(path: Path, *columns: str | None) -> str:
    """Return a hash of the names, sizes and times of the files in `path`, and of the columns.

    It changes if `path` is edited. The contents are not read.
    """
    digest = hashlib.sha256(repr((FORMAT_VERSION, str(path.resolve()), columns)).encode())
    walk = os.walk(path) if path.is_dir() else [(path.parent, [], [path.name])]
    for where, folders, files in walk:
        folders.sort()
        for name in sorted(files):
            status = os.lstat(os.path.join(where, name))
            digest.update(repr((str(where), name, status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()


def find_previous_import(
    path: Path,
    text_column: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
) -> UploadedDataset | None:
    """Return what the terminal imported from `path` earlier, if nothing has changed since."""
    fingerprint = fingerprint_source(path, text_column, label_column, group_column)
    return next(
        (
            upload
            for upload in list_uploads(LOCAL_VISITOR)
            if upload.source_fingerprint == fingerprint
        ),
        None,
    )
