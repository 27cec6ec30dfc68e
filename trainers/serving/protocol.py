"""The protocol between a page's process and the one that predicts: JSON, and bytes beside it.

A frame is two lengths, JSON in UTF-8, and blobs end to end, whose sizes are in the JSON. Nothing of
it is ever unpickled or executed.
"""

import json
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO

from trainers.datasets.uploads.limits import MAX_IMAGE_BYTES, MB

MAX_MESSAGE_BYTES = 32 * MB  # of JSON: 256 texts of 10,000 characters take 10
MAX_BLOB_BYTES = 2 * MAX_IMAGE_BYTES
_LENGTHS = struct.Struct(">II")


class FrameError(ValueError):
    """The bytes are not a frame, or too long."""


def send(to: BinaryIO, message: dict[str, Any], blobs: Sequence[bytes] = ()) -> None:
    """Write a frame. Raises `BadFrame` for one that is too long, and OSError."""
    words = json.dumps(message | {"sizes": [len(blob) for blob in blobs]}).encode()
    total = sum(map(len, blobs))
    if len(words) > MAX_MESSAGE_BYTES or total > MAX_BLOB_BYTES:
        raise FrameError(f"A frame of {len(words):,} and {total:,} bytes is too long.")
    to.write(_LENGTHS.pack(len(words), total))
    to.write(words)
    for blob in blobs:
        to.write(blob)
    to.flush()


def receive(of: BinaryIO) -> tuple[dict[str, Any], list[bytes]] | None:
    """The next frame; None at the end. Raises `BadFrame`, and OSError."""
    lengths = of.read(_LENGTHS.size)
    if not lengths:
        return None
    if len(lengths) < _LENGTHS.size:
        raise FrameError("It was cut off.")
    words, total = _LENGTHS.unpack(lengths)
    if words > MAX_MESSAGE_BYTES or total > MAX_BLOB_BYTES:
        raise FrameError(f"A frame of {words:,} and {total:,} bytes is too long.")
    told, rest = of.read(words), of.read(total)
    if len(told) < words or len(rest) < total:
        raise FrameError("It was cut off.")
    try:
        message = json.loads(told)
        sizes = message.pop("sizes")
        if sum(sizes) != total or min(sizes, default=0) < 0:
            raise FrameError("Its sizes do not add up.")
    except FrameError:
        raise
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise FrameError(f"It is not understood ({error}).") from None
    blobs, at = [], 0
    for size in sizes:
        blobs.append(rest[at : at + size])
        at += size
    return message, blobs
