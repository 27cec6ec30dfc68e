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

import numpy as np
from PIL import Image

from trainers.datasets.bundled.generate.canvas import CANVAS_PX, Point, StableRng
from trainers.datasets.bundled.generate.microscope import (
    CELL,
    CHROMATIN,
    INK,
    PARASITE,
    PIGMENT,
    Field,
    Spot,
    photograph,
    rasterize,
)

CLASSES = ("healthy", "ring stage", "late stage", "gametocyte", "artefact")


def draw(name: str, number: int) -> np.ndarray:
    """uint8 (64, 64, 3): field `number` of class `name`; the same pair gives the same picture.

    Chance comes from the pair alone; another version of Pillow may still shade an edge otherwise.
    Raises `KeyError` for a name that is not in `CLASSES`.
    """
    rng = StableRng(f"cells/{name}/{number}")
    x, y = (CANVAS_PX / 2 + 26 * rng.uniform(-1, 1) for _ in range(2))
    key = Spot(x, y, rng.uniform(36, 54), rng.uniform(0, 2 * math.pi))
    field = Field(rng)
    draw_surroundings(field, rng, key)
    PAINTER_OF_CLASS[name](field, rng, key)
    return photograph(field, rng)


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


def draw_red_cell(field: Field, rng: StableRng, spot: Spot) -> None:
    """A healthy red cell; where cells overlap they are darker."""
    low, high, wobble, waves = rng.choice(CELL_OUTLINES)
    squeeze, thickness = rng.uniform(low, high), render_cell_profile(*rng.choice(CELL_PROFILES))
    mask = rasterize([spot.outline(rng, wobble, squeeze, waves)])
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
    field.add(CELL, rng.uniform(0.85, 1.15), mask._replace(opacity=part), rough=0.15)


def draw_surroundings(field: Field, rng: StableRng, key: Spot) -> None:
    """Other cells round the place of the one in the middle, and at times what swims among them."""
    cells, apart = [key], rng.uniform(1.5, 2.3)
    if rng.bernoulli(0.2):
        spot = find_free_spot(rng, cells, key.r * rng.uniform(1.2, 1.6), 1)
        if spot:
            draw_white_cell(field, rng, spot)
            cells.append(spot)
    for _ in range(int(rng.uniform(3, 26))):
        spot = find_free_spot(rng, cells, key.r * rng.uniform(0.85, 1.1), apart / 2)
        if spot:
            draw_red_cell(field, rng, spot)
            cells.append(spot)
    for _ in range(int(rng.uniform(0, 3.5))):
        spot = find_free_spot(rng, cells, key.r * rng.uniform(0.15, 0.3), 1.05)
        if spot:
            draw_platelet(field, rng, spot)


def find_free_spot(rng: StableRng, cells: Sequence[Spot], r: float, apart: float) -> Spot | None:
    """A place for something of radius `r`, if a throw finds one `apart` (1: touching) from all."""
    x, y = rng.uniform(-r * 0.7, CANVAS_PX + r * 0.7), rng.uniform(-r * 0.7, CANVAS_PX + r * 0.7)
    if any(math.hypot(x - c.x, y - c.y) < apart * (r + c.r) for c in cells):
        return None
    return Spot(x, y, r, rng.uniform(0, 2 * math.pi))


def draw_platelet(field: Field, rng: StableRng, spot: Spot) -> None:
    mask = rasterize([spot.outline(rng, 0.2, rng.uniform(0.6, 1))], soft=2)
    field.add(CHROMATIN, rng.uniform(0.3, 0.7), mask, rough=1.4)


NUCLEUS_SHAPES = (  # lobes of a white cell's nucleus: x, y and radius of each, in radii of the cell
    ((-0.45, -0.2, 0.33), (-0.05, 0.3, 0.33), (0.42, 0.05, 0.33)),
    ((-0.4, 0.2, 0.36), (0.1, -0.35, 0.34), (0.45, 0.2, 0.3), (0.0, 0.0, 0.2)),
    ((-0.35, 0.0, 0.42), (0.38, 0.05, 0.4)),
    ((0.05, 0.0, 0.8),),
    ((-0.2, -0.3, 0.5), (-0.3, 0.25, 0.45), (0.25, -0.4, 0.35)),
)


def draw_white_cell(field: Field, rng: StableRng, spot: Spot) -> None:
    plasma = rasterize([spot.outline(rng, 0.06)], soft=2)
    field.add(rng.choice((CELL, PARASITE)), rng.uniform(0.15, 0.45), plasma, rough=1.2)
    lobes = [
        spot.sub_spot(u, v, share).outline(rng, 0.12) for u, v, share in rng.choice(NUCLEUS_SHAPES)
    ]
    field.add(CHROMATIN, rng.uniform(0.7, 1.1), rasterize(lobes, soft=2), rough=0.6)


# The cell in the middle: each function draws what makes the class


def draw_ring_stage(field: Field, rng: StableRng, key: Spot) -> None:
    """A thin ring with a dot or two on it, like a signet ring; now and then two of them."""
    draw_red_cell(field, rng, key)
    way, count = rng.uniform(0, 6.3), 2 if rng.bernoulli(0.25) else 1
    for i in range(count):
        away, angle = rng.uniform(0.1, 0.45) if count == 1 else 0.48, way + i * math.pi
        share = rng.uniform(0.34, 0.48) if count == 1 else rng.uniform(0.3, 0.36)
        spot = key.offset_spot(away, angle, share)._replace(angle=rng.uniform(0, 6.3))
        loop = spot.outline(rng, 0.12, rng.uniform(0.75, 1), (2, 3))
        field.wipe(rasterize([loop], soft=1), rng.uniform(0.1, 0.4))  # the vacuole in it is pale
        gap = rng.choice((0, 0, 0, 6))  # some are not closed
        path = loop[gap:] if gap else [*loop, loop[0], loop[1]]
        band = rasterize(lines=[(path, key.r * rng.uniform(0.09, 0.14))], soft=1)
        field.add(PARASITE, rng.uniform(0.6, 0.9), band, clear=0.4)
        field.add(CHROMATIN, 0.25, band)
        beads = rng.choice(((0,), (0,), (0, 18), (0, 7)))
        size = key.r * rng.uniform(0.13, 0.17)
        dots = [Spot(*path[bead], size, 0) for bead in beads]
        field.add(CHROMATIN, rng.uniform(0.8, 1.1), rasterize(dots=dots))


PARASITE_SHAPES = (  # size, unevenness and width of a body, how often it has a vacuole
    (0.75, 0.28, 0.9, 0.6),  # sprawling
    (0.75, 0.18, 0.8, 0.3),
    (0.60, 0.12, 0.9, 0.2),  # compact
    (0.85, 0.08, 0.5, 0.0),  # a band across the cell
)


def draw_late_stage(field: Field, rng: StableRng, key: Spot) -> None:
    """A big body with pigment grains, whole or split into many."""
    draw_red_cell(field, rng, key)
    spot = key.sub_spot(rng.uniform(-0.15, 0.15), rng.uniform(-0.15, 0.15), 1, rng.uniform(0, 6.3))
    rng.choice((draw_trophozoite, draw_trophozoite, draw_schizont))(field, rng, spot)


def draw_trophozoite(field: Field, rng: StableRng, cell: Spot) -> None:
    share, wobble, squeeze, hollow = rng.choice(PARASITE_SHAPES)
    spot = cell.sub_spot(0, 0, share * rng.uniform(0.9, 1.1))
    body = rasterize(
        [spot.outline(rng, wobble, squeeze * rng.uniform(0.85, 1.1), (2, 3, 4, 5))], soft=2
    )
    field.add(PARASITE, rng.uniform(0.75, 1.1), body, clear=0.6, rough=0.8)
    if rng.bernoulli(hollow):
        field.wipe(rasterize([spot.sub_spot(0.35, 0.2, 0.3).outline(rng, 0.2)], soft=2), 0.5)
    u, v = rng.uniform(-0.6, -0.3), rng.uniform(-0.5, 0.5) * squeeze
    nucleus = spot.sub_spot(u, v, rng.uniform(0.22, 0.32)).outline(rng, 0.2)
    field.add(CHROMATIN, rng.uniform(0.7, 1), rasterize([nucleus], soft=1))
    draw_pigment(field, rng, spot, 0.5, int(rng.uniform(4, 12)))


def draw_schizont(field: Field, rng: StableRng, cell: Spot) -> None:
    """A schizont: its nuclei in a rosette or a heap round a clump of pigment."""
    spot = cell.sub_spot(0, 0, rng.uniform(0.6, 0.8))
    field.add(
        PARASITE, rng.uniform(0.3, 0.6), rasterize([spot.outline(rng, 0.08)], soft=2), clear=0.5
    )
    count, size = int(rng.uniform(6, 13)), rng.uniform(0.17, 0.22)
    dots = []
    for i in range(count):
        a, away = (i + rng.uniform(-0.2, 0.2)) * 2 * math.pi / count, rng.uniform(0.6, 0.85)
        dots.append(spot.offset_spot(away, a, size * rng.uniform(0.8, 1.15)))
    if count < 9 or rng.bernoulli(0.5):  # a heap
        dots += [spot.sub_spot(rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4), size) for _ in "abc"]
    field.add(CHROMATIN, rng.uniform(0.75, 1.1), rasterize(dots=dots, soft=1))
    draw_pigment(field, rng, spot, 0.18, 4)


def draw_pigment(field: Field, rng: StableRng, spot: Spot, spread: float, count: int) -> None:
    """Brown-black grains, within `spread` radii along and less across."""
    grains = []
    for _ in range(count):
        u, v = rng.uniform(-1, 1) * spread, rng.uniform(-1, 1) * spread * 0.6
        grains.append(spot.sub_spot(u, v, rng.uniform(0.05, 0.1)))
    field.add(PIGMENT, rng.uniform(0.7, 1.1), rasterize(dots=grains))


def draw_gametocyte(field: Field, rng: StableRng, key: Spot) -> None:
    """A banana or a sausage, darker at its ends; what is left of its red cell hangs in the bend."""
    long, wide = rng.uniform(1.05, 1.3), rng.uniform(0.28, 0.42)
    bend = rng.uniform(0.1, 0.55) * rng.choice((-1, 1))
    blunt = rng.uniform(0.25, 0.5)  # the less, the rounder the ends

    def outline(grow: float, reach: float) -> list[Point]:
        edge = []
        for side, way in ((1, 1), (-1, -1)):
            for t in np.linspace(-way * reach, way * reach, 16).tolist():
                thick = side * grow * wide * max(0, 1 - (t / reach) ** 2) ** blunt
                edge.append(key.point_at(t * long, bend * (t * t - 0.4) + thick))
        return edge

    if rng.bernoulli(0.6):
        ghost = key.sub_spot(0, bend * 0.4, rng.uniform(0.6, 0.8))
        field.add(CELL, rng.uniform(0.4, 0.8), rasterize([ghost.outline(rng, 0.08, 0.8)], soft=2))
    body = rasterize([outline(1, 1)], soft=1)
    field.add(PARASITE, rng.uniform(0.8, 1.2), body, clear=0.85, rough=0.6)
    field.add(PARASITE, -rng.uniform(0.1, 0.4), rasterize([outline(0.75, 0.75)], soft=4))
    field.add(CHROMATIN, rng.uniform(0.1, 0.35), body)
    middle = key.sub_spot(rng.uniform(-0.15, 0.15), -0.35 * bend, rng.uniform(0.8, 1))
    nucleus = middle.sub_spot(0, 0, 0.3).outline(rng, 0.2, wide * 2)
    field.add(CHROMATIN, rng.uniform(0.3, 0.7), rasterize([nucleus], soft=3))
    draw_pigment(field, rng, middle, rng.uniform(0.25, 0.4), int(rng.uniform(6, 14)))


def draw_artefact(field: Field, rng: StableRng, key: Spot) -> None:
    """A healthy cell, and on or beside it something that only looks suspicious."""
    draw_red_cell(field, rng, key)
    x, y = (min(max(c + key.r * rng.uniform(-0.8, 0.8), 48), CANVAS_PX - 48) for c in key[:2])
    spot = Spot(x, y, key.r * rng.uniform(0.8, 1.2), rng.uniform(0, 6.3))
    rng.choice(
        (draw_precipitate, draw_fibre, draw_bubble, draw_scratches, draw_streaks, draw_ink_blot)
    )(field, rng, spot)


def draw_precipitate(field: Field, rng: StableRng, spot: Spot) -> None:
    """Grains of dried stain, hard and dark, in a heap that heeds no cell's edge."""
    grains = []
    for _ in range(int(rng.uniform(12, 40))):
        a, away = rng.uniform(0, 6.3), rng.random() * 1.3
        size = rng.uniform(0.04, 0.16) * (1.2 - 0.5 * away)
        grains.append(spot.offset_spot(away, a, size))
    field.add(CHROMATIN, rng.uniform(0.8, 1.2), rasterize(dots=grains))
    field.add(PIGMENT, rng.uniform(0.3, 0.8), rasterize(dots=grains[::2]))


def draw_fibre(field: Field, rng: StableRng, spot: Spot) -> None:
    """A thread across the field, in another plane than the cells; its edges bend the light."""
    bend, kink, thin = rng.uniform(-0.5, 0.5), rng.uniform(-0.4, 0.4), rng.uniform(0.08, 0.2)
    ts = np.linspace(-rng.uniform(0.9, 4), rng.uniform(0.9, 4), 24)
    x, y = spot.point_at(ts, bend * np.cos(ts * 1.1) + kink * np.sin(ts * 2.3))
    path, soft = list(zip(x.tolist(), y.tolist(), strict=True)), rng.choice((0, 1, 3))
    field.add(INK, -0.15, rasterize(lines=[(path, spot.r * thin * 2)], soft=soft + 1))
    field.add(INK, rng.uniform(0.6, 1), rasterize(lines=[(path, spot.r * thin)], soft=soft))
    field.add(INK, -0.3, rasterize(lines=[(path, spot.r * thin * 0.35)], soft=soft))


def draw_bubble(field: Field, rng: StableRng, spot: Spot) -> None:
    """Air: a dark rim with a bright line inside; of the large ones only a part is seen."""
    size = rng.choice((0.5, 0.8, 0.8, 3.5))
    middle = spot.sub_spot(-size if size > 1 else 0, 0, size)
    thick, dark, glow = rng.uniform(0.14, 0.24) / size, rng.uniform(0.5, 1), 0.25
    outer, inner, core = (
        rasterize([middle.sub_spot(0, 0, share).outline(rng, 0)], soft=1)
        for share in (1, 1 - thick, 1 - 1.5 * thick)
    )
    field.wipe(inner, rng.uniform(0.2, 0.9))
    for amount, mask in ((dark, outer), (-dark - glow, inner), (glow, core)):
        field.add(INK, amount, mask)


def draw_scratches(field: Field, rng: StableRng, spot: Spot) -> None:
    """Straight tears that lay the bare glass open, with a dark edge of pushed-up stain."""
    for _ in range(int(rng.uniform(1, 3.5))):
        v, lean, thin = (rng.uniform(-0.4, 0.4) for _ in range(3))
        ends = [
            spot.point_at(-rng.uniform(1, 4), v - lean),
            spot.point_at(rng.uniform(1, 4), v + lean),
        ]
        wide = spot.r * (0.14 + 0.2 * abs(thin))
        field.add(CHROMATIN, rng.uniform(0.1, 0.45), rasterize(lines=[(ends, wide * 1.4)], soft=1))
        field.wipe(rasterize(lines=[(ends, wide)]), 0.95)


def draw_streaks(field: Field, rng: StableRng, spot: Spot) -> None:
    """A smear far out of focus, drawn out one way."""
    strokes = []
    for _ in range(int(rng.uniform(2, 6))):
        part = spot.sub_spot(rng.uniform(-0.4, 0.4), rng.uniform(-0.5, 0.5), rng.uniform(0.7, 1.8))
        strokes.append(part.outline(rng, 0.1, rng.uniform(0.1, 0.3)))
    mask = rasterize(strokes, soft=rng.uniform(5, 10))
    field.add(rng.choice((CHROMATIN, PARASITE, INK)), rng.uniform(0.7, 1.1), mask)


def draw_ink_blot(field: Field, rng: StableRng, spot: Spot) -> None:
    """A dot of ink or dirt: one colour up to its hard edge, at times with splashes."""
    share = rng.uniform(0.4, 0.75)
    drops = [spot.sub_spot(0, 0, share).outline(rng, rng.choice((0.03, 0.25)))]
    for _ in range(int(rng.uniform(0, 4))):
        u, v = rng.uniform(-1.3, 1.3), rng.uniform(-1.3, 1.3)
        drops.append(spot.sub_spot(u, v, rng.uniform(0.06, 0.15)).outline(rng, 0.2))
    field.add(INK, rng.uniform(0.8, 1.3), rasterize(drops))


CLASS_PAINTERS = (draw_red_cell, draw_ring_stage, draw_late_stage, draw_gametocyte, draw_artefact)
PAINTER_OF_CLASS = dict(zip(CLASSES, CLASS_PAINTERS, strict=True))
