"""A slide under a microscope: stains, layers of density, and the camera on the eyepiece."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from trainers.datasets.bundled.generate.canvas import (
    CANVAS_PX,
    Colour,
    Point,
    StableRng,
    uniform_noise,
)

IMAGE_PX = 64
# Stains: the empty field, a red cell, a parasite's body, its chromatin (also that of white cells
# and platelets) and its pigment, as each looks with white light behind it
# fmt: off
STAINS: tuple[tuple[Colour, ...], ...] = (
    ((246, 238, 238), (226, 148, 150), (128, 128, 196), (122, 38, 128), (70, 48, 40)),  # pink
    ((242, 232, 240), (208, 146, 176), (124, 112, 190), (104, 30, 122), (66, 42, 46)),  # magenta
    ((228, 234, 242), (166, 172, 196), (112, 116, 190), (102, 38, 132), (60, 46, 44)),  # blue-grey
    ((246, 238, 218), (214, 162, 128), (136, 118, 164), (114, 42, 106), (64, 42, 28)),  # brownish
    ((240, 238, 224), (186, 176, 152), (116, 116, 166), (106, 40, 118), (60, 46, 32)),  # alkaline
    ((240, 236, 236), (222, 184, 178), (140, 134, 190), (126, 58, 142), (80, 60, 50)),  # pale
)
INK_COLOURS: tuple[Colour, ...] = (  # whatever does not belong on a slide
    (46, 44, 52), (46, 44, 52), (44, 52, 104), (86, 66, 46), (50, 92, 84), (140, 54, 62),
)
# fmt: on
CELL, PARASITE, CHROMATIN, PIGMENT, INK = range(5)
ANGLES = np.linspace(0, 2 * math.pi, 36, endpoint=False)


class Spot(NamedTuple):
    """Where something lies: its middle and radius in px of `PX`, and which way it is turned."""

    x: float
    y: float
    r: float
    angle: float

    def point_at(self, u: float, v: float) -> Point:
        """The px of a point in radii from the middle, along and across."""
        c, s = self.r * math.cos(self.angle), self.r * math.sin(self.angle)
        return (self.x + c * u - s * v, self.y + s * u + c * v)

    def sub_spot(self, u: float, v: float, share: float, turn: float = 0) -> Spot:
        """A spot `share` as large, at that point of this one."""
        return Spot(*self.point_at(u, v), self.r * share, self.angle + turn)

    def offset_spot(self, away: float, angle: float, share: float) -> Spot:
        """A spot `share` as large, so many radii from the middle."""
        return self.sub_spot(away * math.cos(angle), away * math.sin(angle), share)

    def outline(
        self, rng: StableRng, wobble: float, squeeze: float = 1, waves: Sequence[int] = (2, 3, 5)
    ) -> list[Point]:
        """A closed outline, uneven by about `wobble` radii and `squeeze` times as wide as long."""
        r = np.ones(len(ANGLES))
        for wave in waves:
            r += wobble * rng.uniform(0, 1) * np.cos(wave * ANGLES + rng.uniform(0, 6.3))
        x, y = self.point_at(r * np.cos(ANGLES), squeeze * r * np.sin(ANGLES))
        return list(zip(x.tolist(), y.tolist(), strict=True))


class Mask(NamedTuple):
    """Part of a field, 0..1 in float32, and where in the field it is."""

    rows: slice
    columns: slice
    opacity: np.ndarray


class Field:
    """A slide in progress: layers of density, float32 (PX, PX); 1 is as dense as its stain gets."""

    def __init__(self, rng: StableRng):
        self.layers = np.zeros((5, CANVAS_PX, CANVAS_PX), np.float32)
        self.layers[CELL] = cloud_noise(rng, 5) * rng.uniform(0.02, 0.14)  # plasma takes stain too
        self.grain = cloud_noise(rng, 64)

    def add(
        self, layer: int, amount: float, mask: Mask, clear: float = 0, rough: float = 0
    ) -> None:
        """Lay a mask on a layer, evenly or `rough` (0..2); `clear` is the share of red cell that
        gives way to it."""
        rows, columns, part = mask
        if clear:
            self.layers[CELL, rows, columns] *= 1 - clear * part
        if rough:
            part = part * (1 - rough / 2 + rough * self.grain[rows, columns])
        self.layers[layer, rows, columns] += amount * part

    def wipe(self, mask: Mask, share: float) -> None:
        """Take that share of everything away."""
        rows, columns, part = mask
        self.layers[:, rows, columns] *= 1 - share * part


def cloud_noise(rng: StableRng, cells: int) -> np.ndarray:
    """float32 (PX, PX) in 0..1: noise with so many bumps to a side."""
    rough = Image.fromarray((uniform_noise(rng, (cells, cells)) * 255).astype(np.uint8))
    return (
        np.asarray(rough.resize((CANVAS_PX, CANVAS_PX), Image.Resampling.BILINEAR), np.float32)
        / 255
    )


def rasterize(
    outlines: Sequence[Sequence[Point]] = (),
    dots: Sequence[Spot] = (),
    lines: Sequence[tuple[Sequence[Point], float]] = (),
    soft: float = 0,
) -> Mask:
    """Filled outlines, round dots and lines (points, px wide), blurred by `soft` px."""
    spots = [p for outline in outlines for p in outline] + [p for path, _ in lines for p in path]
    spots += [(x + way * r, y + way * r) for x, y, r, _ in dots for way in (-1, 1)]
    xs, ys = zip(*spots, strict=True)
    pad = 3 * soft + max((px for _, px in lines), default=0) + 1
    x0, x1 = (int(min(max(x, 0), CANVAS_PX - 1)) for x in (min(xs) - pad, max(xs) + pad))
    y0, y1 = (int(min(max(y, 0), CANVAS_PX - 1)) for y in (min(ys) - pad, max(ys) + pad))
    mask = Image.new("L", (x1 - x0 + 1, y1 - y0 + 1))
    ink = ImageDraw.Draw(mask)
    for outline in outlines:
        ink.polygon([(x - x0, y - y0) for x, y in outline], fill=255)
    for x, y, r, _ in dots:
        ink.ellipse((x - r - x0, y - r - y0, x + r - x0, y + r - y0), fill=255)
    for path, px in lines:
        moved = [(x - x0, y - y0) for x, y in path]
        ink.line(moved, fill=255, width=max(1, round(px)), joint="curve")
    if soft:
        mask = mask.filter(ImageFilter.BoxBlur(soft))
    part = np.asarray(mask, np.float32) / 255
    return Mask(slice(y0, y1 + 1), slice(x0, x1 + 1), part)


def photograph(field: Field, rng: StableRng) -> np.ndarray:
    """What a camera on the eyepiece makes of the slide: uint8 (64, 64, 3)."""
    empty, *stains = rng.choice(STAINS)
    light = (
        transmit_light(field, rng, stains)
        * (np.array(vary_colour(rng, empty, 6)) / 255)
        * lamp_brightness(rng)
    )
    exposure = rng.uniform(0.82, 1.05)
    light *= [exposure * rng.uniform(0.93, 1.07) for _ in range(3)]  # and the white balance
    light = (light - 0.6) * rng.uniform(0.8, 1.15) + 0.6 + rng.uniform(-0.1, 0.06)
    light += (uniform_noise(rng, light.shape) - 0.5) * rng.uniform(0.01, 0.09)
    return (light.clip(0, 1) * 255).astype(np.uint8)


def transmit_light(field: Field, rng: StableRng, stains: Sequence[Colour]) -> np.ndarray:
    """The share of light that the slide and the lenses let through: float (64, 64, 3)."""
    stains = [
        *(vary_colour(rng, stain, 14) for stain in stains),
        vary_colour(rng, rng.choice(INK_COLOURS), 20),
    ]
    strength = np.array([rng.uniform(0.7, 1.3), *[rng.uniform(0.75, 1.2)] * 2, 1, 1])
    density = -np.log(np.array(stains) / 255) * strength[:, None]
    if rng.bernoulli(0.6):  # a little out of focus, edges of cells shine or darken
        cells = Image.fromarray((field.layers[CELL] * 100).clip(0, 255).astype(np.uint8))
        wide = np.asarray(cells.filter(ImageFilter.BoxBlur(5)), np.float32) / 100
        field.layers[CELL] += (field.layers[CELL] - wide) * rng.uniform(-0.3, 0.6)
    blur = ImageFilter.GaussianBlur(rng.uniform(0.1, 0.8) if rng.bernoulli(0.7) else 0)
    shift, seen = rng.uniform(-1.6, 1.6), []  # lenses do not bring all colours to one place
    for column, off in zip(density.T.tolist(), (2 - shift, 2, 2 + shift), strict=True):
        # Not `@`: its threads would take longer to meet than to multiply.
        thick = sum(layer * amount for layer, amount in zip(field.layers, column, strict=True))
        image = Image.fromarray((np.exp(-thick).clip(0, 1.2) * 212).astype(np.uint8))
        box, px = (off, 2, CANVAS_PX - 4 + off, CANVAS_PX - 2), (IMAGE_PX, IMAGE_PX)
        seen.append(np.asarray(image.resize(px, Image.Resampling.BOX, box=box).filter(blur)))
    return np.stack(seen, axis=-1) / 212


def vary_colour(rng: StableRng, colour: Colour, most: int) -> Colour:
    """The colour with each of its parts moved by up to `most`."""
    r, g, b = (min(255, max(1, int(part + rng.uniform(-most, most)))) for part in colour)
    return (r, g, b)


def lamp_brightness(rng: StableRng) -> np.ndarray:
    """How much light reaches each pixel (64, 64, 1): uneven, less at the rim, none beyond it."""
    y, x = np.mgrid[-1 : 1 : IMAGE_PX * 1j, -1 : 1 : IMAGE_PX * 1j]
    way, slope, rim = rng.uniform(0, 6.3), rng.uniform(0, 0.15), rng.uniform(0, 0.18)
    light = 1 + slope * (math.cos(way) * x + math.sin(way) * y) - rim * (x * x + y * y)
    if rng.bernoulli(0.2):  # the round edge of the eyepiece
        way, r = rng.uniform(0, 6.3), rng.uniform(1.4, 2.2)
        off = r - rng.uniform(0.85, 1.15)
        away = np.hypot(x - off * math.cos(way), y - off * math.sin(way))
        light *= 0.06 + 0.94 * ((r - away) * rng.uniform(8, 24) + 0.5).clip(0, 1)
    return light[..., None]
