"""Examples made small enough to show: texts as they are, pictures as data: URIs."""

import base64
import io

import numpy as np
from PIL import Image

THUMB_PX = 64
MIN_SIDE_PX = 48


def make_thumbnail(example: np.ndarray) -> str:
    """A picture (uint8 H x W x 3) as a data: URI of little more than a kilobyte."""
    image = Image.fromarray(np.asarray(example))
    out = io.BytesIO()
    image.resize(
        (MIN_SIDE_PX, max(1, round(MIN_SIDE_PX * image.height / image.width))),
        Image.Resampling.BICUBIC,
    ).save(out, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode()


def render_example(example: str | np.ndarray) -> str:
    """The text as it is, or a picture (uint8 H x W x 3) as the data: URI of a PNG."""
    if isinstance(example, str):
        return example
    image = Image.fromarray(np.asarray(example))
    out = io.BytesIO()
    image.resize(
        (THUMB_PX, max(1, round(THUMB_PX * image.height / image.width))), Image.Resampling.BICUBIC
    ).save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
