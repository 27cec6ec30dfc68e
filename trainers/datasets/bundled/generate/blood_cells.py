"""Stained blood smears under a microscope, drawn by code: a specialised task without a licence.

A field is a stack of layers of optical density, one for each thing that takes up stain; light goes
through all of them, as in a slide. Stain, magnification, focus, light, neighbours, platelets and
white cells come from the same tables for every class: only what is in or on the cell near the
middle tells. The looks follow textbooks on malaria; nothing here is fit for a diagnosis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
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

CLASSES = ("healthy", "ring stage", "late stage", "gametocyte", "artefact")
IMAGE_PX = 64


def draw(name: str, number: int) -> np.ndarray:
    """uint8 (64, 64, 3): field `number` of class `name`; the same pair gives the same picture.

    Chance comes from the pair alone; another version of Pillow may still shade an edge otherwise.
    Raises `KeyError` for a name that is not in `CLASSES`.
    """
    dice = StableRng(f"cells/{name}/{number}")
    x, y = (CANVAS_PX / 2 + 26 * dice.uniform(-1, 1) for _ in range(2))
    key = Spot(x, y, dice.uniform(36, 54), dice.uniform(0, 2 * math.pi))
    field = Field(dice)
    draw_surroundings(field, dice, key)
    PAINTER_OF_CLASS[name](field, dice, key)
    return photograph(field, dice)


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
        self, dice: StableRng, wobble: float, squeeze: float = 1, waves: Sequence[int] = (2, 3, 5)
    ) -> list[Point]:
        """A closed outline, uneven by about `wobble` radii and `squeeze` times as wide as long."""
        r = np.ones(len(ANGLES))
        for wave in waves:
            r += wobble * dice.uniform(0, 1) * np.cos(wave * ANGLES + dice.uniform(0, 6.3))
        x, y = self.point_at(r * np.cos(ANGLES), squeeze * r * np.sin(ANGLES))
        return list(zip(x.tolist(), y.tolist(), strict=True))


class Mask(NamedTuple):
    """Part of a field, 0..1 in float32, and where in the field it is."""

    rows: slice
    columns: slice
    opacity: np.ndarray


class Field:
    """A slide in progress: layers of density, float32 (PX, PX); 1 is as dense as its stain gets."""

    def __init__(self, dice: StableRng):
        self.layers = np.zeros((5, CANVAS_PX, CANVAS_PX), np.float32)
        self.layers[CELL] = cloud_noise(dice, 5) * dice.uniform(
            0.02, 0.14
        )  # plasma takes stain too
        self.grain = cloud_noise(dice, 64)

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


def cloud_noise(dice: StableRng, cells: int) -> np.ndarray:
    """float32 (PX, PX) in 0..1: noise with so many bumps to a side."""
    rough = Image.fromarray((uniform_noise(dice, (cells, cells)) * 255).astype(np.uint8))
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


# What surrounds the cell in the middle, the same for all classes

# red cells: depth and width of the pale middle, how abrupt it is, a knob in it, its slit
CELL_PROFILES = (
    (0.55, 0.50, 2, 0.0, 1.0), (0.65, 0.45, 2, 0.0, 1.0), (0.40, 0.55, 4, 0.0, 1.0),
    (0.60, 0.60, 4, 0.0, 1.0), (0.25, 0.45, 2, 0.0, 1.0), (0.05, 0.40, 2, 0.0, 1.0),
    (0.60, 0.60, 4, 0.5, 1.0), (0.60, 0.50, 4, 0.0, 0.4),
)  # fmt: skip
CELL_OUTLINES = (  # width for length, at least and at most; unevenness; its waves
    (0.92, 1.00, 0.03, (2, 3, 5)),
    (0.90, 1.00, 0.05, (2, 3, 4)),
    (0.90, 1.00, 0.05, (2, 3, 4)),
    (0.72, 0.90, 0.04, (2, 3, 5)),  # oval
    (0.85, 1.00, 0.10, (2, 3, 4)),  # bent
    (0.92, 1.00, 0.05, (3, 9, 11)),  # crenated
)


@cache
def render_cell_profile(
    depth: float, wide: float, abrupt: float, knob: float, slit: float
) -> Image.Image:
    """The thickness of a red cell, seen flat: a greyscale picture of 1.25 radii to each side."""
    v, u = np.mgrid[-1.25:1.25:80j, -1.25:1.25:80j]
    r, middle = np.hypot(u, v), np.hypot(u, v / slit)
    thick = 0.72 + 0.24 * np.exp(-(((r - 0.85) / 0.25) ** 2))
    thick -= depth * np.exp(-((middle / wide) ** abrupt))
    thick += knob * np.exp(-((r / 0.25) ** 2))
    return Image.fromarray((thick.clip(0, 1) * 255).astype(np.uint8))


def draw_red_cell(field: Field, dice: StableRng, spot: Spot) -> None:
    """A healthy red cell; where cells overlap they are darker."""
    low, high, wobble, waves = dice.choice(CELL_OUTLINES)
    squeeze, thickness = dice.uniform(low, high), render_cell_profile(*dice.choice(CELL_PROFILES))
    mask = rasterize([spot.outline(dice, wobble, squeeze, waves)])
    height, width = mask.opacity.shape
    middle = thickness.width / 2
    k = middle / spot.r / 1.25  # from px of the field to px of the thickness
    c, s = k * math.cos(spot.angle), k * math.sin(spot.angle)
    dx, dy = mask.columns.start - spot.x, mask.rows.start - spot.y
    matrix = (c, s, middle + c * dx + s * dy,
              -s / squeeze, c / squeeze, middle + (c * dy - s * dx) / squeeze)  # fmt: skip
    bilinear = Image.Resampling.BILINEAR
    seen = thickness.transform((width, height), Image.Transform.AFFINE, matrix, bilinear)
    part = mask.opacity * (np.asarray(seen, np.float32) / 255)
    field.add(CELL, dice.uniform(0.85, 1.15), mask._replace(opacity=part), rough=0.15)


def draw_surroundings(field: Field, dice: StableRng, key: Spot) -> None:
    """Other cells round the place of the one in the middle, and at times what swims among them."""
    cells, apart = [key], dice.uniform(1.5, 2.3)
    if dice.bernoulli(0.2):
        spot = find_free_spot(dice, cells, key.r * dice.uniform(1.2, 1.6), 1)
        if spot:
            draw_white_cell(field, dice, spot)
            cells.append(spot)
    for _ in range(int(dice.uniform(3, 26))):
        spot = find_free_spot(dice, cells, key.r * dice.uniform(0.85, 1.1), apart / 2)
        if spot:
            draw_red_cell(field, dice, spot)
            cells.append(spot)
    for _ in range(int(dice.uniform(0, 3.5))):
        spot = find_free_spot(dice, cells, key.r * dice.uniform(0.15, 0.3), 1.05)
        if spot:
            draw_platelet(field, dice, spot)


def find_free_spot(dice: StableRng, cells: Sequence[Spot], r: float, apart: float) -> Spot | None:
    """A place for something of radius `r`, if a throw finds one `apart` (1: touching) from all."""
    x, y = dice.uniform(-r * 0.7, CANVAS_PX + r * 0.7), dice.uniform(-r * 0.7, CANVAS_PX + r * 0.7)
    if any(math.hypot(x - c.x, y - c.y) < apart * (r + c.r) for c in cells):
        return None
    return Spot(x, y, r, dice.uniform(0, 2 * math.pi))


def draw_platelet(field: Field, dice: StableRng, spot: Spot) -> None:
    mask = rasterize([spot.outline(dice, 0.2, dice.uniform(0.6, 1))], soft=2)
    field.add(CHROMATIN, dice.uniform(0.3, 0.7), mask, rough=1.4)


NUCLEUS_SHAPES = (  # lobes of a white cell's nucleus: x, y and radius of each, in radii of the cell
    ((-0.45, -0.2, 0.33), (-0.05, 0.3, 0.33), (0.42, 0.05, 0.33)),
    ((-0.4, 0.2, 0.36), (0.1, -0.35, 0.34), (0.45, 0.2, 0.3), (0.0, 0.0, 0.2)),
    ((-0.35, 0.0, 0.42), (0.38, 0.05, 0.4)),
    ((0.05, 0.0, 0.8),),
    ((-0.2, -0.3, 0.5), (-0.3, 0.25, 0.45), (0.25, -0.4, 0.35)),
)


def draw_white_cell(field: Field, dice: StableRng, spot: Spot) -> None:
    plasma = rasterize([spot.outline(dice, 0.06)], soft=2)
    field.add(dice.choice((CELL, PARASITE)), dice.uniform(0.15, 0.45), plasma, rough=1.2)
    lobes = [
        spot.sub_spot(u, v, share).outline(dice, 0.12)
        for u, v, share in dice.choice(NUCLEUS_SHAPES)
    ]
    field.add(CHROMATIN, dice.uniform(0.7, 1.1), rasterize(lobes, soft=2), rough=0.6)


# The cell in the middle: each function draws what makes the class


def draw_ring_stage(field: Field, dice: StableRng, key: Spot) -> None:
    """A thin ring with a dot or two on it, like a signet ring; now and then two of them."""
    draw_red_cell(field, dice, key)
    way, count = dice.uniform(0, 6.3), 2 if dice.bernoulli(0.25) else 1
    for i in range(count):
        away, angle = dice.uniform(0.1, 0.45) if count == 1 else 0.48, way + i * math.pi
        share = dice.uniform(0.34, 0.48) if count == 1 else dice.uniform(0.3, 0.36)
        spot = key.offset_spot(away, angle, share)._replace(angle=dice.uniform(0, 6.3))
        loop = spot.outline(dice, 0.12, dice.uniform(0.75, 1), (2, 3))
        field.wipe(rasterize([loop], soft=1), dice.uniform(0.1, 0.4))  # the vacuole in it is pale
        gap = dice.choice((0, 0, 0, 6))  # some are not closed
        path = loop[gap:] if gap else [*loop, loop[0], loop[1]]
        band = rasterize(lines=[(path, key.r * dice.uniform(0.09, 0.14))], soft=1)
        field.add(PARASITE, dice.uniform(0.6, 0.9), band, clear=0.4)
        field.add(CHROMATIN, 0.25, band)
        beads = dice.choice(((0,), (0,), (0, 18), (0, 7)))
        size = key.r * dice.uniform(0.13, 0.17)
        dots = [Spot(*path[bead], size, 0) for bead in beads]
        field.add(CHROMATIN, dice.uniform(0.8, 1.1), rasterize(dots=dots))


PARASITE_SHAPES = (  # size, unevenness and width of a body, how often it has a vacuole
    (0.75, 0.28, 0.9, 0.6),  # sprawling
    (0.75, 0.18, 0.8, 0.3),
    (0.60, 0.12, 0.9, 0.2),  # compact
    (0.85, 0.08, 0.5, 0.0),  # a band across the cell
)


def draw_late_stage(field: Field, dice: StableRng, key: Spot) -> None:
    """A big body with pigment grains, whole or split into many."""
    draw_red_cell(field, dice, key)
    spot = key.sub_spot(
        dice.uniform(-0.15, 0.15), dice.uniform(-0.15, 0.15), 1, dice.uniform(0, 6.3)
    )
    dice.choice((draw_trophozoite, draw_trophozoite, draw_schizont))(field, dice, spot)


def draw_trophozoite(field: Field, dice: StableRng, cell: Spot) -> None:
    share, wobble, squeeze, hollow = dice.choice(PARASITE_SHAPES)
    spot = cell.sub_spot(0, 0, share * dice.uniform(0.9, 1.1))
    body = rasterize(
        [spot.outline(dice, wobble, squeeze * dice.uniform(0.85, 1.1), (2, 3, 4, 5))], soft=2
    )
    field.add(PARASITE, dice.uniform(0.75, 1.1), body, clear=0.6, rough=0.8)
    if dice.bernoulli(hollow):
        field.wipe(rasterize([spot.sub_spot(0.35, 0.2, 0.3).outline(dice, 0.2)], soft=2), 0.5)
    u, v = dice.uniform(-0.6, -0.3), dice.uniform(-0.5, 0.5) * squeeze
    nucleus = spot.sub_spot(u, v, dice.uniform(0.22, 0.32)).outline(dice, 0.2)
    field.add(CHROMATIN, dice.uniform(0.7, 1), rasterize([nucleus], soft=1))
    draw_pigment(field, dice, spot, 0.5, int(dice.uniform(4, 12)))


def draw_schizont(field: Field, dice: StableRng, cell: Spot) -> None:
    """A schizont: its nuclei in a rosette or a heap round a clump of pigment."""
    spot = cell.sub_spot(0, 0, dice.uniform(0.6, 0.8))
    field.add(
        PARASITE, dice.uniform(0.3, 0.6), rasterize([spot.outline(dice, 0.08)], soft=2), clear=0.5
    )
    count, size = int(dice.uniform(6, 13)), dice.uniform(0.17, 0.22)
    dots = []
    for i in range(count):
        a, away = (i + dice.uniform(-0.2, 0.2)) * 2 * math.pi / count, dice.uniform(0.6, 0.85)
        dots.append(spot.offset_spot(away, a, size * dice.uniform(0.8, 1.15)))
    if count < 9 or dice.bernoulli(0.5):  # a heap
        dots += [
            spot.sub_spot(dice.uniform(-0.4, 0.4), dice.uniform(-0.4, 0.4), size) for _ in "abc"
        ]
    field.add(CHROMATIN, dice.uniform(0.75, 1.1), rasterize(dots=dots, soft=1))
    draw_pigment(field, dice, spot, 0.18, 4)


def draw_pigment(field: Field, dice: StableRng, spot: Spot, spread: float, count: int) -> None:
    """Brown-black grains, within `spread` radii along and less across."""
    grains = []
    for _ in range(count):
        u, v = dice.uniform(-1, 1) * spread, dice.uniform(-1, 1) * spread * 0.6
        grains.append(spot.sub_spot(u, v, dice.uniform(0.05, 0.1)))
    field.add(PIGMENT, dice.uniform(0.7, 1.1), rasterize(dots=grains))


def draw_gametocyte(field: Field, dice: StableRng, key: Spot) -> None:
    """A banana or a sausage, darker at its ends; what is left of its red cell hangs in the bend."""
    long, wide = dice.uniform(1.05, 1.3), dice.uniform(0.28, 0.42)
    bend = dice.uniform(0.1, 0.55) * dice.choice((-1, 1))
    blunt = dice.uniform(0.25, 0.5)  # the less, the rounder the ends

    def outline(grow: float, reach: float) -> list[Point]:
        edge = []
        for side, way in ((1, 1), (-1, -1)):
            for t in np.linspace(-way * reach, way * reach, 16).tolist():
                thick = side * grow * wide * max(0, 1 - (t / reach) ** 2) ** blunt
                edge.append(key.point_at(t * long, bend * (t * t - 0.4) + thick))
        return edge

    if dice.bernoulli(0.6):
        ghost = key.sub_spot(0, bend * 0.4, dice.uniform(0.6, 0.8))
        field.add(CELL, dice.uniform(0.4, 0.8), rasterize([ghost.outline(dice, 0.08, 0.8)], soft=2))
    body = rasterize([outline(1, 1)], soft=1)
    field.add(PARASITE, dice.uniform(0.8, 1.2), body, clear=0.85, rough=0.6)
    field.add(PARASITE, -dice.uniform(0.1, 0.4), rasterize([outline(0.75, 0.75)], soft=4))
    field.add(CHROMATIN, dice.uniform(0.1, 0.35), body)
    middle = key.sub_spot(dice.uniform(-0.15, 0.15), -0.35 * bend, dice.uniform(0.8, 1))
    nucleus = middle.sub_spot(0, 0, 0.3).outline(dice, 0.2, wide * 2)
    field.add(CHROMATIN, dice.uniform(0.3, 0.7), rasterize([nucleus], soft=3))
    draw_pigment(field, dice, middle, dice.uniform(0.25, 0.4), int(dice.uniform(6, 14)))


def draw_artefact(field: Field, dice: StableRng, key: Spot) -> None:
    """A healthy cell, and on or beside it something that only looks suspicious."""
    draw_red_cell(field, dice, key)
    x, y = (min(max(c + key.r * dice.uniform(-0.8, 0.8), 48), CANVAS_PX - 48) for c in key[:2])
    spot = Spot(x, y, key.r * dice.uniform(0.8, 1.2), dice.uniform(0, 6.3))
    dice.choice(
        (draw_precipitate, draw_fibre, draw_bubble, draw_scratches, draw_streaks, draw_ink_blot)
    )(field, dice, spot)


def draw_precipitate(field: Field, dice: StableRng, spot: Spot) -> None:
    """Grains of dried stain, hard and dark, in a heap that heeds no cell's edge."""
    grains = []
    for _ in range(int(dice.uniform(12, 40))):
        a, away = dice.uniform(0, 6.3), dice.random() * 1.3
        size = dice.uniform(0.04, 0.16) * (1.2 - 0.5 * away)
        grains.append(spot.offset_spot(away, a, size))
    field.add(CHROMATIN, dice.uniform(0.8, 1.2), rasterize(dots=grains))
    field.add(PIGMENT, dice.uniform(0.3, 0.8), rasterize(dots=grains[::2]))


def draw_fibre(field: Field, dice: StableRng, spot: Spot) -> None:
    """A thread across the field, in another plane than the cells; its edges bend the light."""
    bend, kink, thin = dice.uniform(-0.5, 0.5), dice.uniform(-0.4, 0.4), dice.uniform(0.08, 0.2)
    ts = np.linspace(-dice.uniform(0.9, 4), dice.uniform(0.9, 4), 24)
    x, y = spot.point_at(ts, bend * np.cos(ts * 1.1) + kink * np.sin(ts * 2.3))
    path, soft = list(zip(x.tolist(), y.tolist(), strict=True)), dice.choice((0, 1, 3))
    field.add(INK, -0.15, rasterize(lines=[(path, spot.r * thin * 2)], soft=soft + 1))
    field.add(INK, dice.uniform(0.6, 1), rasterize(lines=[(path, spot.r * thin)], soft=soft))
    field.add(INK, -0.3, rasterize(lines=[(path, spot.r * thin * 0.35)], soft=soft))


def draw_bubble(field: Field, dice: StableRng, spot: Spot) -> None:
    """Air: a dark rim with a bright line inside; of the large ones only a part is seen."""
    size = dice.choice((0.5, 0.8, 0.8, 3.5))
    middle = spot.sub_spot(-size if size > 1 else 0, 0, size)
    thick, dark, glow = dice.uniform(0.14, 0.24) / size, dice.uniform(0.5, 1), 0.25
    outer, inner, core = (
        rasterize([middle.sub_spot(0, 0, share).outline(dice, 0)], soft=1)
        for share in (1, 1 - thick, 1 - 1.5 * thick)
    )
    field.wipe(inner, dice.uniform(0.2, 0.9))
    for amount, mask in ((dark, outer), (-dark - glow, inner), (glow, core)):
        field.add(INK, amount, mask)


def draw_scratches(field: Field, dice: StableRng, spot: Spot) -> None:
    """Straight tears that lay the bare glass open, with a dark edge of pushed-up stain."""
    for _ in range(int(dice.uniform(1, 3.5))):
        v, lean, thin = (dice.uniform(-0.4, 0.4) for _ in range(3))
        ends = [
            spot.point_at(-dice.uniform(1, 4), v - lean),
            spot.point_at(dice.uniform(1, 4), v + lean),
        ]
        wide = spot.r * (0.14 + 0.2 * abs(thin))
        field.add(CHROMATIN, dice.uniform(0.1, 0.45), rasterize(lines=[(ends, wide * 1.4)], soft=1))
        field.wipe(rasterize(lines=[(ends, wide)]), 0.95)


def draw_streaks(field: Field, dice: StableRng, spot: Spot) -> None:
    """A smear far out of focus, drawn out one way."""
    strokes = []
    for _ in range(int(dice.uniform(2, 6))):
        part = spot.sub_spot(
            dice.uniform(-0.4, 0.4), dice.uniform(-0.5, 0.5), dice.uniform(0.7, 1.8)
        )
        strokes.append(part.outline(dice, 0.1, dice.uniform(0.1, 0.3)))
    mask = rasterize(strokes, soft=dice.uniform(5, 10))
    field.add(dice.choice((CHROMATIN, PARASITE, INK)), dice.uniform(0.7, 1.1), mask)


def draw_ink_blot(field: Field, dice: StableRng, spot: Spot) -> None:
    """A dot of ink or dirt: one colour up to its hard edge, at times with splashes."""
    share = dice.uniform(0.4, 0.75)
    drops = [spot.sub_spot(0, 0, share).outline(dice, dice.choice((0.03, 0.25)))]
    for _ in range(int(dice.uniform(0, 4))):
        u, v = dice.uniform(-1.3, 1.3), dice.uniform(-1.3, 1.3)
        drops.append(spot.sub_spot(u, v, dice.uniform(0.06, 0.15)).outline(dice, 0.2))
    field.add(INK, dice.uniform(0.8, 1.3), rasterize(drops))


CLASS_PAINTERS = (draw_red_cell, draw_ring_stage, draw_late_stage, draw_gametocyte, draw_artefact)
PAINTER_OF_CLASS = dict(zip(CLASSES, CLASS_PAINTERS, strict=True))


# The microscope and its camera


def photograph(field: Field, dice: StableRng) -> np.ndarray:
    """What a camera on the eyepiece makes of the slide: uint8 (64, 64, 3)."""
    empty, *stains = dice.choice(STAINS)
    light = (
        transmit_light(field, dice, stains)
        * (np.array(vary_colour(dice, empty, 6)) / 255)
        * lamp_brightness(dice)
    )
    exposure = dice.uniform(0.82, 1.05)
    light *= [exposure * dice.uniform(0.93, 1.07) for _ in range(3)]  # and the white balance
    light = (light - 0.6) * dice.uniform(0.8, 1.15) + 0.6 + dice.uniform(-0.1, 0.06)
    light += (uniform_noise(dice, light.shape) - 0.5) * dice.uniform(0.01, 0.09)
    return (light.clip(0, 1) * 255).astype(np.uint8)


def transmit_light(field: Field, dice: StableRng, stains: Sequence[Colour]) -> np.ndarray:
    """The share of light that the slide and the lenses let through: float (64, 64, 3)."""
    stains = [
        *(vary_colour(dice, stain, 14) for stain in stains),
        vary_colour(dice, dice.choice(INK_COLOURS), 20),
    ]
    strength = np.array([dice.uniform(0.7, 1.3), *[dice.uniform(0.75, 1.2)] * 2, 1, 1])
    density = -np.log(np.array(stains) / 255) * strength[:, None]
    if dice.bernoulli(0.6):  # a little out of focus, edges of cells shine or darken
        cells = Image.fromarray((field.layers[CELL] * 100).clip(0, 255).astype(np.uint8))
        wide = np.asarray(cells.filter(ImageFilter.BoxBlur(5)), np.float32) / 100
        field.layers[CELL] += (field.layers[CELL] - wide) * dice.uniform(-0.3, 0.6)
    blur = ImageFilter.GaussianBlur(dice.uniform(0.1, 0.8) if dice.bernoulli(0.7) else 0)
    shift, seen = dice.uniform(-1.6, 1.6), []  # lenses do not bring all colours to one place
    for column, off in zip(density.T.tolist(), (2 - shift, 2, 2 + shift), strict=True):
        # Not `@`: its threads would take longer to meet than to multiply.
        thick = sum(layer * amount for layer, amount in zip(field.layers, column, strict=True))
        image = Image.fromarray((np.exp(-thick).clip(0, 1.2) * 212).astype(np.uint8))
        box, px = (off, 2, CANVAS_PX - 4 + off, CANVAS_PX - 2), (IMAGE_PX, IMAGE_PX)
        seen.append(np.asarray(image.resize(px, Image.Resampling.BOX, box=box).filter(blur)))
    return np.stack(seen, axis=-1) / 212


def vary_colour(dice: StableRng, colour: Colour, most: int) -> Colour:
    """The colour with each of its parts moved by up to `most`."""
    r, g, b = (min(255, max(1, int(part + dice.uniform(-most, most)))) for part in colour)
    return (r, g, b)


def lamp_brightness(dice: StableRng) -> np.ndarray:
    """How much light reaches each pixel (64, 64, 1): uneven, less at the rim, none beyond it."""
    y, x = np.mgrid[-1 : 1 : IMAGE_PX * 1j, -1 : 1 : IMAGE_PX * 1j]
    way, slope, rim = dice.uniform(0, 6.3), dice.uniform(0, 0.15), dice.uniform(0, 0.18)
    light = 1 + slope * (math.cos(way) * x + math.sin(way) * y) - rim * (x * x + y * y)
    if dice.bernoulli(0.2):  # the round edge of the eyepiece
        way, r = dice.uniform(0, 6.3), dice.uniform(1.4, 2.2)
        off = r - dice.uniform(0.85, 1.15)
        away = np.hypot(x - off * math.cos(way), y - off * math.sin(way))
        light *= 0.06 + 0.94 * ((r - away) * dice.uniform(8, 24) + 0.5).clip(0, 1)
    return light[..., None]
