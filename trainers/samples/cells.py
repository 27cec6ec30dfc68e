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
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from trainers.samples.scenes import PX, Colour, Dice, Point, mix, noise

CLASSES = ("healthy", "ring stage", "late stage", "gametocyte", "artefact")
IMAGE_PX = 64


def draw(name: str, number: int) -> np.ndarray:
    """uint8 (64, 64, 3): field `number` of class `name`; the same pair gives the same picture.

    Chance comes from the pair alone; another version of Pillow may still shade an edge otherwise.
    Raises `KeyError` for a name that is not in `CLASSES`.
    """
    dice = Dice(f"cells/{name}/{number}")
    x, y = (PX / 2 + 26 * dice.between(-1, 1) for _ in range(2))
    key = Spot(x, y, dice.between(36, 54), dice.between(0, 2 * math.pi))
    field = Field(dice)
    crowd(field, dice, key)
    KEYS[name](field, dice, key)
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
INKS: tuple[Colour, ...] = (  # whatever does not belong on a slide
    (46, 44, 52), (46, 44, 52), (44, 52, 104), (86, 66, 46), (50, 92, 84), (140, 54, 62),
)
# fmt: on
CELL, BODY, CHROMATIN, PIGMENT, INK = range(5)
ANGLES = np.linspace(0, 2 * math.pi, 36, endpoint=False)


class Spot(NamedTuple):
    """Where something lies: its middle and radius in px of `PX`, and which way it is turned."""

    x: float
    y: float
    r: float
    turn: float

    def at(self, u: float, v: float) -> Point:
        """The px of a point in radii from the middle, along and across."""
        c, s = self.r * math.cos(self.turn), self.r * math.sin(self.turn)
        return (self.x + c * u - s * v, self.y + s * u + c * v)

    def part(self, u: float, v: float, share: float, turn: float = 0) -> Spot:
        """A spot `share` as large, at that point of this one."""
        return Spot(*self.at(u, v), self.r * share, self.turn + turn)

    def dot(self, u: float, v: float, share: float) -> tuple[float, float, float]:
        return (*self.at(u, v), self.r * share)

    def blob(
        self, dice: Dice, wobble: float, squeeze: float = 1, waves: Sequence[int] = (2, 3, 5)
    ) -> list[Point]:
        """A closed outline, uneven by about `wobble` radii and `squeeze` times as wide as long."""
        r = np.ones(len(ANGLES))
        for wave in waves:
            r += wobble * dice.between(0, 1) * np.cos(wave * ANGLES + dice.between(0, 6.3))
        x, y = self.at(r * np.cos(ANGLES), squeeze * r * np.sin(ANGLES))
        return list(zip(x.tolist(), y.tolist(), strict=True))


class Field:
    """A slide in progress: float32 layers of density, each (PX, PX), 1 for a fully stained thing."""

    def __init__(self, dice: Dice):
        self.layers = np.zeros((5, PX, PX), np.float32)
        self.layers[CELL] = clouds(dice, 5) * dice.between(0.02, 0.14)  # plasma takes stain too
        self.grain = clouds(dice, 64)

    def add(self, layer: int, amount: float, mask: np.ndarray, clear: float = 0) -> None:
        """Put `mask` (0..1) on a layer; `clear` is the share of red cell that gives way to it."""
        if clear:
            self.layers[CELL] *= 1 - clear * mask
        self.layers[layer] += amount * mask

    def rough(self, mask: np.ndarray, share: float = 0.6) -> np.ndarray:
        """The same mask, as uneven as stained plasma is."""
        return mask * (1 - share / 2 + share * self.grain)


def clouds(dice: Dice, cells: int) -> np.ndarray:
    """float32 (PX, PX) in 0..1: noise with so many bumps to a side."""
    rough = Image.fromarray((noise(dice, (cells, cells)) * 255).astype(np.uint8))
    return np.asarray(rough.resize((PX, PX), Image.Resampling.BILINEAR), np.float32) / 255


def drawn(
    outlines: Sequence[Sequence[Point]] = (),
    dots: Sequence[tuple[float, float, float]] = (),
    lines: Sequence[tuple[Sequence[Point], float]] = (),
    soft: float = 0,
) -> np.ndarray:
    """float32 (PX, PX) in 0..1: filled outlines, dots (x, y, r) and lines (points, px), blurred."""
    mask = Image.new("L", (PX, PX))
    ink = ImageDraw.Draw(mask)
    for outline in outlines:
        ink.polygon(outline, fill=255)
    for x, y, r in dots:
        ink.ellipse((x - r, y - r, x + r, y + r), fill=255)
    for points, px in lines:
        ink.line(points, fill=255, width=max(1, round(px)), joint="curve")
    if soft:
        mask = mask.filter(ImageFilter.BoxBlur(soft))
    return np.asarray(mask, np.float32) / 255


# What surrounds the cell in the middle, the same for all classes

DISCS = (  # red cells: depth and width of the pale middle, how abrupt it is, a knob in it, its slit
    (0.55, 0.50, 2, 0.0, 1.0), (0.65, 0.45, 2, 0.0, 1.0), (0.40, 0.55, 4, 0.0, 1.0),
    (0.60, 0.60, 4, 0.0, 1.0), (0.25, 0.45, 2, 0.0, 1.0), (0.05, 0.40, 2, 0.0, 1.0),
    (0.60, 0.60, 4, 0.5, 1.0), (0.60, 0.50, 4, 0.0, 0.4),
)  # fmt: skip
OUTLINES = (  # width for length, at least and at most; unevenness; its waves
    (0.92, 1.00, 0.03, (2, 3, 5)),
    (0.90, 1.00, 0.05, (2, 3, 4)),
    (0.90, 1.00, 0.05, (2, 3, 4)),
    (0.72, 0.90, 0.04, (2, 3, 5)),  # oval
    (0.85, 1.00, 0.10, (2, 3, 4)),  # bent
    (0.92, 1.00, 0.05, (3, 9, 11)),  # crenated
)


@cache
def disc(depth: float, wide: float, abrupt: float, knob: float, slit: float) -> Image.Image:
    """The thickness of a red cell, seen flat: a greyscale picture of 1.25 radii to each side."""
    v, u = np.mgrid[-1.25:1.25:80j, -1.25:1.25:80j]
    r, middle = np.hypot(u, v), np.hypot(u, v / slit)
    thick = 0.72 + 0.24 * np.exp(-(((r - 0.85) / 0.25) ** 2))
    thick -= depth * np.exp(-((middle / wide) ** abrupt)) * 0.8
    thick += knob * np.exp(-((r / 0.25) ** 2))
    return Image.fromarray((thick.clip(0, 1) * 255).astype(np.uint8))


def red_cell(field: Field, dice: Dice, spot: Spot, amount: float = 1) -> None:
    """A healthy red cell; where cells overlap they are darker."""
    low, high, wobble, waves = dice.pick(OUTLINES)
    squeeze, thickness = dice.between(low, high), disc(*dice.pick(DISCS))
    outline, amount = spot.blob(dice, wobble, squeeze, waves), amount * dice.between(0.85, 1.15)
    reach, (x, y) = spot.r * 1.25, spot[:2]
    x0, y0 = max(0, int(x - reach)), max(0, int(y - reach))
    x1, y1 = min(PX, int(x + reach)), min(PX, int(y + reach))
    if x1 <= x0 or y1 <= y0:
        return
    mask = Image.new("L", (x1 - x0, y1 - y0))
    ImageDraw.Draw(mask).polygon([(a - x0, b - y0) for a, b in outline], fill=255)
    k = thickness.width / 2 / reach  # from px of the field to px of the thickness
    c, s, middle = k * math.cos(spot.turn), k * math.sin(spot.turn), thickness.width / 2
    dx, dy = x0 - x, y0 - y
    matrix = (c, s, middle + c * dx + s * dy,
              -s / squeeze, c / squeeze, middle + (c * dy - s * dx) / squeeze)  # fmt: skip
    seen = thickness.transform(mask.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    part = np.asarray(ImageChops.multiply(seen, mask), np.float32)
    field.layers[CELL, y0:y1, x0:x1] += part * (amount / 255)


def crowd(field: Field, dice: Dice, key: Spot) -> None:
    """Other cells round the place of the one in the middle, and at times what swims among them."""
    cells, apart = [key], dice.between(1.5, 2.3)
    if dice.chance(0.2):
        spot = near(dice, cells, key.r * dice.between(1.2, 1.6), 1)
        if spot:
            white_cell(field, dice, spot)
            cells.append(spot)
    for _ in range(int(dice.between(3, 26))):
        spot = near(dice, cells, key.r * dice.between(0.85, 1.1), apart / 2)
        if spot:
            red_cell(field, dice, spot)
            cells.append(spot)
    for _ in range(int(dice.between(0, 3.5))):
        spot = near(dice, cells, key.r * dice.between(0.15, 0.3), 1.05)
        if spot:
            platelet(field, dice, spot)


def near(dice: Dice, cells: Sequence[Spot], r: float, apart: float) -> Spot | None:
    """A place for something of radius `r`, if a throw finds one `apart` (1: touching) from all."""
    x, y = dice.between(-r * 0.7, PX + r * 0.7), dice.between(-r * 0.7, PX + r * 0.7)
    if any(math.hypot(x - c.x, y - c.y) < apart * (r + c.r) for c in cells):
        return None
    return Spot(x, y, r, dice.between(0, 2 * math.pi))


def platelet(field: Field, dice: Dice, spot: Spot) -> None:
    mask = drawn([spot.blob(dice, 0.2, dice.between(0.6, 1))], soft=2)
    field.add(CHROMATIN, dice.between(0.3, 0.7), field.rough(mask, 1.4))


NUCLEI = (  # lobes of a white cell's nucleus: x, y and radius of each, in radii of the cell
    ((-0.45, -0.2, 0.33), (-0.05, 0.3, 0.33), (0.42, 0.05, 0.33)),
    ((-0.4, 0.2, 0.36), (0.1, -0.35, 0.34), (0.45, 0.2, 0.3), (0.0, 0.0, 0.2)),
    ((-0.35, 0.0, 0.42), (0.38, 0.05, 0.4)),
    ((0.05, 0.0, 0.8),),
    ((-0.2, -0.3, 0.5), (-0.3, 0.25, 0.45), (0.25, -0.4, 0.35)),
)


def white_cell(field: Field, dice: Dice, spot: Spot) -> None:
    plasma = drawn([spot.blob(dice, 0.06)], soft=2)
    field.add(dice.pick((CELL, BODY)), dice.between(0.15, 0.45), field.rough(plasma, 1.2))
    lobes = [spot.part(u, v, share).blob(dice, 0.12) for u, v, share in dice.pick(NUCLEI)]
    field.add(CHROMATIN, dice.between(0.7, 1.1), field.rough(drawn(lobes, soft=2)))


# The cell in the middle: each function draws what makes the class


def ring_stage(field: Field, dice: Dice, key: Spot) -> None:
    """A thin ring with a dot or two on it, like a signet ring; now and then two of them."""
    red_cell(field, dice, key)
    way, count = dice.between(0, 6.3), 2 if dice.chance(0.25) else 1
    for i in range(count):
        away, angle = dice.between(0.1, 0.45) if count == 1 else 0.48, way + i * math.pi
        share = dice.between(0.34, 0.48) if count == 1 else dice.between(0.3, 0.36)
        spot = key.part(away * math.cos(angle), away * math.sin(angle), share, dice.between(0, 6.3))
        loop, thin = spot.blob(dice, 0.12, dice.between(0.75, 1)), key.r * dice.between(0.1, 0.15)
        field.add(BODY, -0.15, drawn([loop], soft=1), clear=0.35)  # the vacuole in it is pale
        gap = dice.pick((0, 0, 0, 6))  # some are not closed
        path = loop[gap:] if gap else [*loop, loop[0], loop[1]]
        band = drawn(lines=[(path, thin)], soft=1)
        field.add(BODY, dice.between(0.6, 0.9), band, clear=0.4)
        field.add(CHROMATIN, 0.25, band)
        beads = (dice.pick(((0,), (0,), (0, 18), (0, 7))))
        size = key.r * dice.between(0.13, 0.17)
        field.add(CHROMATIN, dice.between(0.8, 1.1), drawn(dots=[(*path[b], size) for b in beads]))


def late_stage(field: Field, dice: Dice, key: Spot) -> None:
    """A big body with pigment grains: grown, across the cell as a band, or split into many."""
    red_cell(field, dice, key)
    u, v = dice.between(-0.15, 0.15), dice.between(-0.15, 0.15)
    spot = key.part(u, v, dice.between(0.6, 0.8), dice.between(0, 6.3))
    dice.pick((grown, grown, band, split, split))(field, dice, spot)


def grown(field: Field, dice: Dice, spot: Spot) -> None:
    body = [spot.blob(dice, dice.between(0.1, 0.3), dice.between(0.7, 1), (2, 3, 4, 5))]
    mask = field.rough(drawn(body, soft=2))
    field.add(BODY, dice.between(0.75, 1.1), mask, clear=0.6)
    if dice.chance(0.5):  # a vacuole
        hole = drawn([spot.part(0.35, 0.2, 0.3).blob(dice, 0.2)], soft=2)
        field.layers[BODY] *= 1 - 0.6 * hole
    nucleus = spot.part(dice.between(-0.6, -0.3), dice.between(-0.3, 0.3), dice.between(0.22, 0.32))
    field.add(CHROMATIN, dice.between(0.7, 1), drawn([nucleus.blob(dice, 0.2)], soft=1))
    pigment(field, dice, spot, 0.5, int(dice.between(4, 12)))


def band(field: Field, dice: Dice, spot: Spot) -> None:
    wide = dice.between(0.4, 0.6)
    mask = field.rough(drawn([spot.part(0, 0, 1.15).blob(dice, 0.08, wide)], soft=2))
    field.add(BODY, dice.between(0.8, 1.1), mask, clear=0.6)
    nucleus = [spot.part(dice.between(-0.5, 0.5), 0.2, 0.28).blob(dice, 0.2, 0.6)]
    field.add(CHROMATIN, dice.between(0.7, 1), drawn(nucleus, soft=1))
    pigment(field, dice, spot, 0.4, int(dice.between(4, 10)))


def split(field: Field, dice: Dice, spot: Spot) -> None:
    """A schizont: its nuclei in a rosette or a heap round a clump of pigment."""
    field.add(BODY, dice.between(0.3, 0.6), drawn([spot.blob(dice, 0.08)], soft=2), clear=0.5)
    count, size = int(dice.between(6, 13)), dice.between(0.17, 0.22)
    dots = []
    for i in range(count):
        a, away = (i + dice.between(-0.2, 0.2)) * 2 * math.pi / count, dice.between(0.6, 0.85)
        dots.append(spot.dot(away * math.cos(a), away * math.sin(a), size))
    if count < 9 or dice.chance(0.5):  # a heap
        dots += [spot.dot(dice.between(-0.4, 0.4), dice.between(-0.4, 0.4), size) for _ in "abc"]
    field.add(CHROMATIN, dice.between(0.75, 1.1), drawn(dots=dots, soft=1))
    pigment(field, dice, spot, 0.18, 4)


def pigment(field: Field, dice: Dice, spot: Spot, spread: float, count: int) -> None:
    """Grains of brown-black pigment, within `spread` radii along and half that across."""
    grains = []
    for _ in range(count):
        u, v = dice.between(-1, 1) * spread, dice.between(-1, 1) * spread * 0.6
        grains.append(spot.dot(u, v, dice.between(0.05, 0.1)))
    field.add(PIGMENT, dice.between(0.7, 1.1), drawn(dots=grains))


def gametocyte(field: Field, dice: Dice, key: Spot) -> None:
    """A banana or a sausage, darker at its ends; what is left of its red cell hangs in the bend."""
    long, wide = dice.between(1.1, 1.35), dice.between(0.26, 0.4)
    bend = dice.between(0.1, 0.55) * dice.pick((-1, 1))
    blunt = dice.between(0.35, 0.6)  # below 0.5 the ends are round, above it they taper

    def outline(grow: float, reach: float) -> list[Point]:
        edge = []
        for side, way in ((1, 1), (-1, -1)):
            for t in np.linspace(-way * reach, way * reach, 16).tolist():
                thick = side * grow * wide * max(0, 1 - (t / reach) ** 2) ** blunt
                edge.append(key.at(t * long, bend * (t * t - 0.4) + thick))
        return edge

    if dice.chance(0.6):
        ghost = key.part(0, bend * 0.4, dice.between(0.6, 0.8))
        field.add(CELL, dice.between(0.4, 0.8), drawn([ghost.blob(dice, 0.08, 0.8)], soft=2))
    body = drawn([outline(1, 1)], soft=1)
    inside = drawn([outline(0.75, 0.75)], soft=4)
    field.add(BODY, dice.between(0.8, 1.2), field.rough(body - 0.35 * inside), clear=0.85)
    field.add(CHROMATIN, dice.between(0.1, 0.35), body)
    middle = key.part(dice.between(-0.15, 0.15), -0.35 * bend, dice.between(0.8, 1))
    nucleus = middle.part(0, 0, 0.3).blob(dice, 0.2, wide * 2)
    field.add(CHROMATIN, dice.between(0.3, 0.7), drawn([nucleus], soft=3))
    pigment(field, dice, middle, dice.between(0.25, 0.4), int(dice.between(6, 14)))


def artefact(field: Field, dice: Dice, key: Spot) -> None:
    """A healthy cell, and on or beside it something that only looks suspicious."""
    red_cell(field, dice, key)
    x, y = (min(max(c + key.r * dice.between(-0.8, 0.8), 48), PX - 48) for c in key[:2])
    spot = Spot(x, y, key.r * dice.between(0.8, 1.2), dice.between(0, 6.3))
    dice.pick((precipitate, fibre, bubble, scratch, streaks, blot))(field, dice, spot)


def precipitate(field: Field, dice: Dice, spot: Spot) -> None:
    """Grains of dried stain, hard and dark, in a heap that heeds no cell's edge."""
    grains = []
    for _ in range(int(dice.between(12, 40))):
        a, away = dice.between(0, 6.3), dice.random() * 1.1
        size = dice.between(0.04, 0.16) * (1.2 - 0.6 * away)
        grains.append(spot.dot(away * math.cos(a), 0.7 * away * math.sin(a), size))
    field.add(CHROMATIN, dice.between(0.8, 1.2), drawn(dots=grains))
    field.add(PIGMENT, dice.between(0.3, 0.8), drawn(dots=grains[::2]))


def fibre(field: Field, dice: Dice, spot: Spot) -> None:
    """A thread across the field, in another plane than the cells; its edges bend the light."""
    bend, kink, thin = dice.between(-0.5, 0.5), dice.between(-0.4, 0.4), dice.between(0.08, 0.2)
    ts = np.linspace(-dice.between(0.9, 4), dice.between(0.9, 4), 24)
    x, y = spot.at(ts, bend * np.cos(ts * 1.1) + kink * np.sin(ts * 2.3))
    path, soft = list(zip(x.tolist(), y.tolist(), strict=True)), dice.pick((0, 1, 3))
    field.add(INK, -0.15, drawn(lines=[(path, spot.r * thin * 2)], soft=soft + 1))
    field.add(INK, dice.between(0.6, 1), drawn(lines=[(path, spot.r * thin)], soft=soft))
    field.add(INK, -0.3, drawn(lines=[(path, spot.r * thin * 0.35)], soft=soft))


def bubble(field: Field, dice: Dice, spot: Spot) -> None:
    """Air: a dark rim with a bright line inside; of the large ones only a part is seen."""
    size = dice.pick((0.5, 0.8, 0.8, 3.5))
    middle = spot.part(-size if size > 1 else 0, 0, size)
    loop = middle.blob(dice, 0.04)
    loop += loop[:2]
    thick = spot.r * dice.between(0.14, 0.24)
    field.add(INK, -0.1, drawn([loop]), clear=dice.between(0.2, 0.9))
    field.add(INK, dice.between(0.5, 1), drawn(lines=[(loop, thick)], soft=2))
    inner = [(middle.x + (x - middle.x) * 0.8, middle.y + (y - middle.y) * 0.8) for x, y in loop]
    field.add(INK, -0.25, drawn(lines=[(inner, thick * 0.5)], soft=1))


def scratch(field: Field, dice: Dice, spot: Spot) -> None:
    """Straight tears that lay the bare glass open, with a dark edge of pushed-up stain."""
    for _ in range(int(dice.between(1, 3.5))):
        v, lean, thin = (dice.between(-0.5, 0.5) for _ in range(3))
        ends = [spot.at(-dice.between(1, 4), v - lean), spot.at(dice.between(1, 4), v + lean)]
        wide = spot.r * (0.12 + 0.12 * abs(thin))
        field.add(CHROMATIN, dice.between(0.1, 0.5), drawn(lines=[(ends, wide + 5)], soft=1))
        torn = drawn(lines=[(ends, wide)])
        field.layers *= 1 - 0.95 * torn


def streaks(field: Field, dice: Dice, spot: Spot) -> None:
    """A smear far out of focus, drawn out one way."""
    lines = []
    for _ in range(int(dice.between(3, 7))):
        v, t = dice.between(-0.6, 0.6), dice.between(-0.3, 0.3)
        ends = [spot.at(t - dice.between(0.8, 2), v), spot.at(t + dice.between(0.8, 2), v)]
        lines.append((ends, spot.r * dice.between(0.12, 0.4)))
    mask = drawn(lines=lines, soft=dice.between(4, 8))
    field.add(dice.pick((CHROMATIN, BODY, INK)), dice.between(0.7, 1.1), mask)


def blot(field: Field, dice: Dice, spot: Spot) -> None:
    """A dot of ink or dirt: one colour up to its hard edge, at times with splashes."""
    share = dice.between(0.4, 0.75)
    drops = [spot.part(0, 0, share).blob(dice, dice.pick((0.03, 0.25)))]
    for _ in range(int(dice.between(0, 4))):
        u, v = dice.between(-1.3, 1.3), dice.between(-1.3, 1.3)
        drops.append(spot.part(u, v, dice.between(0.06, 0.15)).blob(dice, 0.2))
    field.add(INK, dice.between(0.8, 1.3), drawn(drops))


KEYS = {
    "healthy": red_cell,
    "ring stage": ring_stage,
    "late stage": late_stage,
    "gametocyte": gametocyte,
    "artefact": artefact,
}


# The microscope and its camera


def photograph(field: Field, dice: Dice) -> np.ndarray:
    """What a camera on the eyepiece makes of the slide: uint8 (64, 64, 3)."""
    empty, *stains = dice.pick(STAINS)
    stains = [*(vary(dice, stain, 14) for stain in stains), vary(dice, dice.pick(INKS), 20)]
    strength = np.array([dice.between(0.7, 1.3), *[dice.between(0.75, 1.2)] * 2, 1, 1])
    density = -np.log(np.array(stains) / 255) * strength[:, None]
    if dice.chance(0.6):  # a little out of focus, edges of cells shine or darken
        cells = Image.fromarray((field.layers[CELL] * 100).clip(0, 255).astype(np.uint8))
        wide = np.asarray(cells.filter(ImageFilter.BoxBlur(5)), np.float32) / 100
        field.layers[CELL] += (field.layers[CELL] - wide) * dice.between(-0.3, 0.6)
    passed = np.exp(-density.T.astype(np.float32) @ field.layers.reshape(5, -1))
    channels, shift = (passed.clip(0, 1.2) * 212).astype(np.uint8), dice.between(-1.6, 1.6)
    seen = []
    for channel, tone, way in zip(channels, vary(dice, empty, 6), (-1, 0, 1), strict=True):
        image, off = Image.fromarray(channel.reshape(PX, PX)), 2 + way * shift
        box = (off, 2, PX - 4 + off, PX - 2)  # lenses do not bring all colours to one place
        image = image.resize((IMAGE_PX, IMAGE_PX), Image.Resampling.BOX, box=box)
        seen.append((image, tone))
    blur = dice.between(0.1, 0.8) if dice.chance(0.7) else 0
    images = [image.filter(ImageFilter.GaussianBlur(blur)) for image, _ in seen]
    light = np.stack([np.asarray(image, np.float32) for image in images], axis=-1) / 212
    light *= np.array([tone for _, tone in seen], np.float32) / 255
    light *= lamp(dice)
    light *= [dice.between(0.82, 1.04) * dice.between(0.94, 1.06) for _ in range(3)]
    light = (light - 0.6) * dice.between(0.8, 1.15) + 0.6 + dice.between(-0.1, 0.06)
    light += (noise(dice, light.shape) - 0.5) * dice.between(0.01, 0.09)
    return (light.clip(0, 1) * 255).astype(np.uint8)


def vary(dice: Dice, colour: Colour, most: int) -> Colour:
    """The colour with each of its parts moved by up to `most`."""
    r, g, b = (min(255, max(1, int(part + dice.between(-most, most)))) for part in colour)
    return (r, g, b)


def lamp(dice: Dice) -> np.ndarray:
    """How much light reaches each pixel (64, 64, 1): uneven, less at the rim, none beyond it."""
    y, x = np.mgrid[-1 : 1 : IMAGE_PX * 1j, -1 : 1 : IMAGE_PX * 1j]
    way, slope, rim = dice.between(0, 6.3), dice.between(0, 0.15), dice.between(0, 0.18)
    light = 1 + slope * (math.cos(way) * x + math.sin(way) * y) - rim * (x * x + y * y)
    if dice.chance(0.2):  # the round edge of the eyepiece
        way, r = dice.between(0, 6.3), dice.between(1.4, 2.2)
        off = r - dice.between(0.85, 1.15)
        away = np.hypot(x - off * math.cos(way), y - off * math.sin(way))
        light *= 0.06 + 0.94 * ((r - away) * dice.between(8, 24) + 0.5).clip(0, 1)
    return light[..., None]
