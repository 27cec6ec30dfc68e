"""Pictures of an upload: the class from the folder, each picture decoded, resized and RGB."""

import hashlib
import io
import os
import unicodedata
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageOps
from pillow_heif import register_heif_opener

from trainers.datasets.uploads import near_duplicates
from trainers.datasets.uploads.archive import Member, UploadFiles
from trainers.datasets.uploads.limits import (
    MAX_ASPECT_RATIO,
    MAX_IMAGE_BYTES,
    MB,
    SHORT_SIDE_PX,
    BadUpload,
    Progress,
    format_names,
)
from trainers.datasets.uploads.writer import BLANK, TRUNCATED, DatasetWriter, ImageSource

IMAGE_SUFFIXES = {
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".png",
    ".webp",
    ".bmp",
    ".gif",
    ".heic",
    ".heif",
    ".hif",
}
IMAGE_FORMATS = (
    "JPEG",
    "PNG",
    "WEBP",
    "BMP",
    "GIF",
    "HEIF",
)  # PIL's other decoders are never tried
register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
MAX_HEIF_PX = 50_000_000  # the largest telephones make 49; one takes 7 bytes a pixel to decode
TRAIN_FOLDERS, TEST_FOLDERS = (
    {"train", "training", "val", "valid", "validation", "dev"},
    {"test", "testing"},
)
MAX_LOSSLESS_PX = 128 * 128  # JPEG would harm small pictures and save little
JPEG_QUALITY = 95
DECODE_THREADS = min(4, os.cpu_count() or 1)  # each may hold a picture of its limit, 350 MB
UNREADABLE_LABEL = "files that could not be read as pictures"
GROUP_SEPARATOR = "@"  # in the name of a folder: ants@night is the class ants, the group night
MAX_BLANK_STD = 2.5  # of 255, in the liveliest colour; the flattest picture of our 7 sets has 5.9
MAX_BLANK_RANGE = 64  # between the darkest and lightest of every 64th pixel: spares the look at all
DECODER_FILL_GREY, TRUNCATION_DIVISOR = (
    128,
    10,
)  # with which decoders fill what is lost; a tenth of the height at least
BACKGROUND_COLOUR = (255, 255, 255)  # behind transparent pictures, as a page shows them


class LabelledImage(NamedTuple):
    member: Member
    label: str
    is_test: bool
    group: str = ""


def read_images(files: UploadFiles, writer: DatasetWriter) -> Generator[Progress, None, list[str]]:
    """Write the pictures among `files`, in order, with few in memory at a time; return notices.

    Raises `BadUpload`.
    """
    labelled = []
    for image in _assign_labels(files):
        if image.member.size > MAX_IMAGE_BYTES:
            files.skip(f"files above {MAX_IMAGE_BYTES // MB} MB", image.member.name)
        else:
            labelled.append(image)
    with ThreadPoolExecutor(DECODE_THREADS) as pool:  # PIL releases the GIL while it decodes
        pending: deque[Future] = deque()
        for number, (member, label, is_test, group) in enumerate(labelled):
            for later in labelled[number + len(pending) : number + 2 * DECODE_THREADS]:
                pending.append(pool.submit(_process_image, later.member))
            if number % 20 == 0:
                yield Progress(number / len(labelled), f"{number:,} of {len(labelled):,} pictures")
            if processed := pending.popleft().result():
                encoded, identity, source = processed
                writer.add(
                    encoded, label, identity=identity, test=is_test, source=source, group=group
                )
            else:
                files.skip(UNREADABLE_LABEL, member.name)
    if unreadable := files.skipped.get(UNREADABLE_LABEL):
        writer.unusable["unreadable"] = len(unreadable), unreadable
    if not len(writer):
        raise BadUpload(
            f"None of the {len(labelled):,} files named as pictures could be read: they are empty, "
            "damaged, too large, or something else under a picture's name. Open one to see, and "
            "save them as JPEG or PNG."
        )
    if groups := [name for name in writer.groups if name]:
        return [
            f"Folders are called class{GROUP_SEPARATOR}group: what follows the {GROUP_SEPARATOR} "
            f"was taken for a group ({format_names(groups)}), among which scores are compared, "
            "and not for a class of its own."
        ]
    return []


def _process_image(member: Member) -> tuple[bytes, bytes, ImageSource] | None:
    """Return the picture as it is stored, the hash of its file, and its properties.

    None if it cannot be read.
    """
    try:
        with member.open() as file:
            raw = file.read()
        picture, lossless = open_image(io.BytesIO(raw))
        encoded = _encode_image(picture, lossless=lossless)
        return encoded, hashlib.sha256(raw).digest(), _inspect_image(raw, picture)
    except Exception:  # decoders raise nearly anything when bytes are not a picture
        return None


def _inspect_image(raw: bytes, picture: Image.Image) -> ImageSource:
    with Image.open(io.BytesIO(raw), formats=IMAGE_FORMATS) as header:  # reads no pixels
        width, height = header.size
        format_index = IMAGE_FORMATS.index(header.format)
    if (width > height) != (picture.width > picture.height) and picture.width != picture.height:
        width, height = height, width  # rotated, according to its EXIF
    fingerprint = near_duplicates.fingerprint_image(picture)
    return ImageSource(fingerprint, width, height, format_index, detect_flags(np.asarray(picture)))


def detect_flags(pixels: np.ndarray) -> int:
    """Return BLANK | TRUNCATED as they apply to a picture, uint8 (H, W, 3)."""
    flags = 0
    span = np.ptp(pixels[::8, ::8], (0, 1)).max()
    if span < MAX_BLANK_RANGE and pixels.std((0, 1)).max() < MAX_BLANK_STD:
        flags |= BLANK
    lost = len(pixels) // TRUNCATION_DIVISOR
    if (
        lost
        and (pixels[-lost:] == DECODER_FILL_GREY).all()
        and not (pixels[:lost] == DECODER_FILL_GREY).all()
    ):
        flags |= TRUNCATED
    return flags


def _assign_labels(files: UploadFiles) -> Iterator[LabelledImage]:
    """Yield each picture with its class and side, taken from the names of its folders."""
    pictures = []
    for member in files.files:
        if member.suffix in IMAGE_SUFFIXES:
            pictures.append(member)
        else:
            files.skip("files that are no pictures", member.name)
    wrapper = 0  # folders around everything
    inside = [member.parts[:-1] for member in pictures]
    while len({parts[wrapper : wrapper + 1] for parts in inside if parts[wrapper:]}) == 1:
        wrapper += 1
    tops = {parts[wrapper].lower() for parts in inside if parts[wrapper:]}
    if not tops and wrapper:
        wrapper -= 1  # all lie in one folder: a single class, and that will be said
    parted = bool(
        tops & TRAIN_FOLDERS and tops & (TEST_FOLDERS | TRAIN_FOLDERS - {"train", "training"})
    )
    any_class = False
    for member in pictures:
        parts = member.parts[wrapper:-1]
        top = parts[0].lower() if parts else ""
        if parted and top not in TRAIN_FOLDERS | TEST_FOLDERS:
            files.skip("pictures outside train and test", member.name)
        elif len(parts) > parted:
            any_class = True
            label = unicodedata.normalize("NFC", parts[parted]).strip()
            named, _, group = (part.strip() for part in label.rpartition(GROUP_SEPARATOR))
            if not (named and group):
                named, group = label, ""
            yield LabelledImage(member, named or "?", parted and top in TEST_FOLDERS, group)
        else:
            files.skip("pictures outside a class's folder", member.name)
    if not any_class:
        raise BadUpload(
            f"There are {len(pictures):,} pictures, but no folders that say what they show. Put "
            "the pictures of each class in a folder with its name, and add those folders."
        )


def open_image(file: BinaryIO) -> tuple[Image.Image, bool]:
    """Return the picture upright, RGB, with a short side of at most `SHORT_SIDE_PX`.

    Also return whether its pixels are still those of a lossless file. Raises whatever PIL raises.
    """
    image = Image.open(file, formats=IMAGE_FORMATS)
    most = MAX_HEIF_PX if image.format == "HEIF" else Image.MAX_IMAGE_PIXELS
    if image.width * image.height > most:
        raise Image.DecompressionBombError  # from half as many on as PIL's own error
    lossless = image.format in ("PNG", "BMP", "GIF")
    # A JPEG is decoded at the fraction of its size that is still larger than what is kept.
    image.draft("RGB", (SHORT_SIDE_PX, SHORT_SIDE_PX))
    image.load()
    try:
        upright = ImageOps.exif_transpose(image)
    except Exception:  # broken EXIF, sound picture
        upright = image
    if upright.mode.startswith("I"):  # 16 bits; PIL would cut them off at 255
        values = np.asarray(upright, dtype=np.float64) / 257
        upright = Image.fromarray(values.clip(0, 255).astype(np.uint8))
    clear = "A" in upright.mode or "a" in upright.mode or "transparency" in upright.info
    upright = upright.convert("RGBA" if clear else "RGB")
    width, height = upright.size
    side = min(width, height)
    if max(width, height) > MAX_ASPECT_RATIO * side:
        upright = ImageOps.fit(
            upright, (min(width, MAX_ASPECT_RATIO * side), min(height, MAX_ASPECT_RATIO * side))
        )
    if side > SHORT_SIDE_PX:
        lossless = False
        scale = SHORT_SIDE_PX / side
        upright = upright.resize(
            (round(upright.width * scale), round(upright.height * scale)),
            Image.Resampling.BICUBIC,
            reducing_gap=3,
        )
    if clear:
        behind = Image.new("RGBA", upright.size, (*BACKGROUND_COLOUR, 255))
        upright = Image.alpha_composite(behind, upright).convert("RGB")
    return upright, lossless


def _encode_image(picture: Image.Image, *, lossless: bool) -> bytes:
    """Return the picture as PNG or JPEG without metadata (place, camera, name)."""
    clean = Image.fromarray(np.asarray(picture))
    out = io.BytesIO()
    if lossless or clean.width * clean.height <= MAX_LOSSLESS_PX:
        clean.save(out, "PNG", compress_level=3)
    else:
        clean.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()
