"""Five kinds of vehicle, drawn by code: a sample that needs no download and has no licence.

Every vehicle is a solid in metres (x forwards, y up, z towards us while it faces right) before a
pinhole camera, so one description serves side, three-quarter, front and rear views. Place, light,
colour, size and clutter come from the same tables for every class: none of them gives it away.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

CLASSES = ("car", "lorry", "bus", "motorcycle", "bicycle")
IMAGE_PX = 64
PX = 192  # pictures are drawn this large, then shrunk, for smooth lines

T = TypeVar("T")
Colour = tuple[int, int, int]
Colours = Colour | Sequence[Colour]  # one colour, or a gradient from top to bottom
Point = tuple[float, float]  # px on a canvas, or metres in a profile
Point3 = tuple[float, float, float]  # metres
Size = tuple[float, float, float]  # length, height and half the width, in metres

# fmt: off
WHITE, BLACK, TYRE, DARK = (255, 255, 255), (0, 0, 0), (30, 30, 33), (50, 52, 58)
STEEL, WARM, RED, AMBER = (178, 182, 188), (255, 238, 190), (206, 34, 30), (255, 170, 50)
BARK, WICKER, ORANGE = (112, 82, 58), (190, 144, 88), (246, 100, 34)
GLASS = ((204, 224, 238), (104, 130, 156), (44, 58, 74))
TINTED = ((120, 138, 156), (54, 64, 78), (30, 36, 46))
SKINS = ((240, 200, 170), (205, 150, 110), (140, 92, 62), (90, 58, 40))
LEAVES = ((62, 110, 52), (88, 128, 54), (44, 92, 62), (150, 128, 50), (160, 92, 44))
PAINTS = (
    (196, 36, 34), (226, 106, 30), (240, 190, 44), (70, 140, 62), (28, 84, 62), (60, 160, 170),
    (40, 92, 176), (28, 40, 92), (112, 62, 140), (226, 130, 150), (238, 238, 234), (188, 192, 198),
    (108, 112, 120), (40, 42, 48), (122, 78, 46), (222, 206, 168),
)
# fmt: on
CIRCLE = [(math.cos(a * math.pi / 8), math.sin(a * math.pi / 8)) for a in range(16)]


def draw(name: str, number: int) -> np.ndarray:
    """uint8 (64, 64, 3): drawing `number` of a `name`; the same pair gives the same picture, always.

    Raises `KeyError` for a name that is not in `CLASSES`.
    """
    dice = Dice(f"{name}/{number}")
    light, place = dice.pick(LIGHTS), dice.pick(PLACES)
    canvas = Canvas(light)
    size, paint = VEHICLES[name](dice)
    pen = stand(canvas, dice, size, dice.between(0.5, 1.05))
    ground = pen.at(0, 0, 0)[1]
    scenery(canvas, dice, place, pen.horizon)
    if dice.chance(place.road):
        road(pen, dice, size[2] * dice.between(1.4, 2.6) + 0.3)
    for _ in range(int(place.clutter * 2 * dice.random() + 0.5)):
        near = dice.random()  # 0 far away, 1 beside the vehicle
        canvas.haze = (1 - near) * min(0.7, 0.1 + 2 * light.fog)
        foot = (dice.between(0, PX), pen.horizon + (ground - pen.horizon) * (0.15 + 0.6 * near))
        tall = PX * (0.12 + 0.4 * near * dice.random())
        thing(canvas, dice, dice.pick(list(THINGS)), foot, tall)
    if dice.chance(0.08):  # another vehicle, far off
        canvas.haze = min(0.6, 0.2 + light.fog)
        other, paint_other = VEHICLES[dice.pick(CLASSES)](dice)
        foot = (dice.between(0, PX), pen.horizon + 0.3 * (ground - pen.horizon))
        paint_other(stand(canvas, dice, other, dice.between(0.08, 0.14), foot))
    canvas.haze = light.fog
    ground_shadow(pen, dice, size)
    paint(pen)
    if dice.chance(0.3):  # something before it, over a third of it at most
        left, _, right, bottom = pen.bounds(size)
        tall, name = dice.between(0.2, 0.7) * PX, dice.pick(list(THINGS)[2:])
        tall = min(tall, (right - left) * (0.25 if name in ("bush", "fence") else 0.7))
        foot = (dice.between(left, right), bottom + dice.between(2, 20))
        thing(canvas, dice, name, foot, tall)
    if dice.chance(0.08):
        slant = dice.between(-6, 6)
        for _ in range(50):  # rain
            x, y = dice.between(0, PX), dice.between(0, PX)
            canvas.line([(x, y), (x + slant, y + 16)], 1, (216, 222, 230))
    return photograph(canvas, dice)


def stand(canvas: Canvas, dice: Dice, size: Size, share: float, foot: Point | None = None) -> Pen:
    """A pen for a vehicle of `size` (m) that takes about `share` of the frame.

    Its wheels come to `foot` (px) where that is given; otherwise it is placed by chance, at times
    partly outside the frame.
    """
    yaw = dice.between(0.3, 1.05) * dice.pick((-1, 1))
    if dice.chance(0.5):
        yaw = dice.between(-0.3, 0.3)
    elif dice.chance(0.25):
        yaw = dice.between(1.1, 1.5) * dice.pick((-1, 1))
    pen = Pen(canvas, yaw, dice.pick((-1, 1)), size[0] * dice.between(2, 5), size[1] * 0.6)
    left, top, right, bottom = pen.bounds(size)
    wide, tall = right - left, bottom - top
    pen.scale = share * PX / (0.75 * max(wide, tall) + 0.25 * min(wide, tall))
    pen.eye_m = min(dice.between(0.04, 0.42), 0.9 * share) * PX / pen.scale
    left, top, right, bottom = pen.bounds(size)
    x = PX / 2 + dice.between(-1, 1) * (max(0, PX - right + left) / 2 + 15)
    y = PX * 0.52 + dice.between(-0.6, 1) * (max(0, PX - bottom + top) / 2 + 6)
    pen.cx, pen.horizon = x - (left + right) / 2, y - (top + bottom) / 2
    if foot:
        pen.cx, pen.horizon = foot[0], foot[1] - bottom
    return pen


def photograph(canvas: Canvas, dice: Dice) -> np.ndarray:
    """What a simple camera makes of the canvas: uint8 (64, 64, 3)."""
    image = canvas.image
    if dice.chance(0.35):  # held askew, and a little closer so that no corner is empty
        turn, half = dice.between(-0.09, 0.09), PX / 2
        c, s = math.cos(turn) * 0.92, math.sin(turn) * 0.92
        matrix = (c, s, half - (c + s) * half, -s, c, half - (c - s) * half)
        image = image.transform((PX, PX), Image.Transform.AFFINE, matrix)
    image = image.reduce(PX // IMAGE_PX)
    if dice.chance(0.25):
        image = image.filter(ImageFilter.GaussianBlur(dice.between(0.3, 0.9)))
    light = np.asarray(image, np.float64) / 255
    ys, xs = np.mgrid[0:IMAGE_PX, 0:IMAGE_PX] * (PX // IMAGE_PX)
    for x, y, r, colour in canvas.glows:
        away = ((xs - x) ** 2 + (ys - y) ** 2) / max(r, 1) ** 2
        glare = 0.7 / (1 + away * away) + 0.12 / (1 + away / 9)
        light += glare[..., None] * np.array(colour) / 255
    light *= [dice.between(0.93, 1.07) * dice.between(0.85, 1.12) for _ in range(3)]
    light = (light - 0.5) * dice.between(0.75, 1.15) + dice.between(0.42, 0.58)
    light += (noise(dice, light.shape) - 0.5) * dice.between(0.01, 0.09)
    return (light.clip(0, 1) * 255).astype(np.uint8)


# Vehicles: each gives its size and what paints it

Drawing = tuple[Size, Callable[["Pen"], None]]


class Car(NamedTuple):
    length: float
    roof: float  # heights: of the roof, of the lower edge of the windows, of the bonnet
    belt: float
    nose: float
    cowl: float  # where the windscreen begins, where the roof begins and ends, where it all ends
    screen: float
    roof_end: float
    rear: float
    windows: int
    ride: float  # clearance


CARS = (
    Car(3.9, 1.48, 0.92, 0.70, 0.95, 0.30, -1.45, -1.85, 2, 0.20),  # hatchback
    Car(4.6, 1.42, 0.90, 0.70, 0.95, 0.30, -0.95, -1.60, 2, 0.20),  # saloon
    Car(4.7, 1.48, 0.92, 0.70, 1.05, 0.40, -1.95, -2.25, 3, 0.20),  # estate
    Car(5.1, 1.72, 1.08, 0.95, 1.05, 0.60, -0.35, -0.55, 2, 0.35),  # pick-up
    Car(4.4, 1.78, 1.05, 0.80, 1.60, 0.75, -1.85, -2.10, 3, 0.20),  # people carrier
    Car(4.3, 1.20, 0.80, 0.55, 0.75, 0.10, -0.70, -1.75, 1, 0.14),  # sports car
    Car(4.5, 1.80, 1.10, 0.98, 1.00, 0.55, -2.00, -2.20, 3, 0.36),  # four by four
)


def car(dice: Dice) -> Drawing:
    row = dice.pick(CARS)
    paint, rim, half, h = dice.paint(), dice.pick((STEEL, DARK, WHITE)), 0.88, row.length / 2
    roof = dice.paint() if dice.chance(0.25) else paint
    nose, belt, top, ride = row.nose, row.belt, row.roof, row.ride

    def lean(y: float) -> float:  # the cabin narrows towards the roof
        return half - 0.03 - 0.35 * (y - belt)

    def body(pen: Pen) -> None:
        shell = [(-h, ride + 0.15), (-h + 0.15, ride), (h - 0.15, ride), (h, ride + 0.12)]
        shell += [(h, nose - 0.08), (h - 0.15, nose + 0.04), (row.cowl, belt), (0.25 - h, belt)]
        pen.solid(smooth([*shell, (-h, belt - 0.05)]), half, paint)
        if row.rear > 1.5 - h:  # the bed of a pick-up, and what it carries
            pen.block(0.1 - h, row.rear, belt, belt + 0.01, half - 0.1, DARK)
            pen.block(0.3 - h, row.rear - 0.2, belt, belt + 0.2, half - 0.15, dice.paint())
        cabin = [(row.rear, belt - 0.02), (row.cowl, belt - 0.02), (row.screen, top - 0.05)]
        cabin += [(row.screen - 0.2, top), (row.roof_end, top), (row.roof_end - 0.1, top - 0.06)]
        pen.solid(cabin, lean, roof, glazed=True)
        low, high = belt + 0.03, top - 0.1
        pen.panes(row.windows, (row.rear + 0.1, row.cowl - 0.15, low, lean(low)),
                  (row.roof_end, row.screen - 0.02, high, lean(high)))  # fmt: skip
        for x in (row.screen + 0.25, row.screen - 0.85):
            pen.side(x, x + 0.03, ride + 0.15, belt, half, mix(paint, BLACK, 0.5))
        if dice.chance(0.2):
            pen.side(0.1 - h, h - 0.1, ride + 0.2, ride + 0.35, half, dice.paint())
        pen.end(h, ride + 0.05, ride + 0.2, half - 0.1, DARK)
        pen.end(h, ride + 0.24, nose - 0.1, 0.42, (DARK, BLACK))
        pen.end(-h, belt - 0.27, belt - 0.1, half, mix(paint, BLACK, 0.3))
        pen.end(h, ride + 0.2, ride + 0.33, 0.26, WHITE)
        pen.end(-h, ride + 0.2, ride + 0.33, 0.26, (250, 220, 90))
        pen.lamps(h, nose - 0.12, belt - 0.16, half, 0.13)
        for z in (-half - 0.06, half + 0.06):
            pen.ball(row.cowl - 0.3, belt + 0.08, z, 0.09, paint)

    r = 0.39 if ride > 0.3 else 0.33
    axles = (-h * 0.62, h * 0.64)
    return (row.length, top, half), lambda pen: pen.on_wheels(axles, r, half, body, rim)


def lorry(dice: Dice) -> Drawing:
    load = dice.pick(LOADS)
    trailer = load is box_load and dice.chance(0.5)
    h, half = dice.between(4.5, 5.2) if trailer else dice.between(3.1, 3.8), 1.2
    paint, trim, roof = dice.paint(), dice.paint(), dice.between(2.7, 3.1)
    back, screen = h - dice.between(1.7, 2.1), h - dice.pick((0, 0, 0, 0.8))  # of the cab

    def cab(pen: Pen) -> None:
        rear = back + screen - h
        outline = [(rear, 0.45), (screen, 0.45), (screen, 1.55), (screen - 0.25, roof - 0.2)]
        pen.solid([*outline, (screen - 0.6, roof), (rear, roof)], half, paint)
        if dice.chance(0.4):
            pen.block(rear, screen - 0.7, roof, roof + 0.4, half - 0.2, paint)
        pen.side(rear, screen, 1.2, 1.32, half, trim)
        pen.panes(1, (rear + 0.3, screen - 0.15, 1.6, half),
                  (rear + 0.3, screen - 0.35, roof - 0.35, half))  # fmt: skip
        pen.end(screen, 1.6, roof - 0.3, half - 0.1, GLASS, lean=0.2)
        if screen < h:
            pen.block(screen, h, 0.5, 1.5, half - 0.2, paint)
        pen.end(h, 0.5, 0.8, half - 0.1, (DARK, TYRE))
        pen.end(h, 0.85, 1.4, 0.6, (STEEL, DARK, BLACK))
        pen.lamps(h, 0.75, 0.75, half - 0.2, 0.17)
        for z in (-half - 0.15, half + 0.15):
            pen.limb([(screen - 0.1, 1.6, z), (screen - 0.1, 2.2, z)], 0.16, DARK)

    def cargo(pen: Pen) -> None:
        pen.block(-h, back - 0.2, 0.7, 0.95, half - 0.2, DARK)
        pen.end(-h, 0.7, 0.9, half, RED)
        load(pen, dice, -h, back - 0.2, trim)

    def body(pen: Pen) -> None:
        pen.in_order([(-1, cargo), (1, cab)])

    axles = (
        [0.8 - h, 1.9 - h, h - 1.05][0 if h > 3.4 else 1 :]
        if h < 3.4
        else [0.8 - h, 1.9 - h, h - 1.05]
    )
    rim = dice.pick((STEEL, trim))
    return (2 * h, 3.3, half), lambda pen: pen.on_wheels(axles, 0.5, half, body, rim, arch=False)


def box_load(pen: Pen, dice: Dice, rear: float, front: float, trim: Colour) -> None:
    top, paint, low = dice.between(3.1, 3.6), dice.paint(), dice.between(1.2, 2.2)
    pen.block(rear, front, 0.95, top, 1.2, paint)
    if dice.chance(0.5):
        pen.side(rear + 0.2, front - 0.2, low, low + dice.between(0.3, 1), 1.2, trim)
    for x in np.arange(rear, front, dice.pick((0.7, 1.2, 2, 20))):
        pen.side(x, x + 0.05, 1, top, 1.2, mix(paint, BLACK, 0.25))
    pen.end(rear, 1.05, top - 0.1, 1.1, mix(paint, BLACK, 0.15))
    pen.end(rear, 1.05, top - 0.1, 0.04, BLACK)


def tipper(pen: Pen, dice: Dice, rear: float, front: float, trim: Colour) -> None:
    tip = dice.pick((0, 0, dice.between(0.15, 0.6)))  # radians, about the rear hinge
    paint, heap = dice.paint(), dice.pick(((196, 160, 100), BARK, (140, 140, 140), DARK))
    c, s = math.cos(tip), math.sin(tip)

    def turned(*points: Point) -> list[Point]:
        return [(rear + x * c - y * s, 1 + x * s + y * c) for x, y in points]

    long = front - rear
    pen.solid(turned((0.4, 1), (long - 0.2, 1), (long - 1.3, 1.6), (1.6, 1.8)), 0.95, heap)
    pen.solid(turned((0, 0), (long, 0), (long, 1.3), (-0.2, 1.1)), 1.2, paint)
    for x in np.arange(0.3, long, 0.8):
        pen.rod([(*p, 1.2) for p in turned((x, 0.05), (x, 1.1))], 0.1, mix(paint, BLACK, 0.3))


def tank(pen: Pen, dice: Dice, rear: float, front: float, trim: Colour) -> None:
    paint, y = dice.paint(), 2.05
    pen.barrel([(rear + 0.1, y, 1.1), (front - 0.1, y, 1.1)], paint)
    if dice.chance(0.5):
        pen.barrel([(rear + 1.2, y, 1.11), (front - 1.2, y, 1.11)], trim)
    for x in np.linspace(rear + 0.7, front - 0.7, 4):
        pen.barrel([(x, y, 1.12), (x + 0.1, y, 1.12)], mix(paint, BLACK, 0.3))
    pen.block(rear + 1.5, front - 1.5, y + 1.1, y + 1.2, 0.3, DARK)


def mixer(pen: Pen, dice: Dice, rear: float, front: float, trim: Colour) -> None:
    x, paint = (rear + front) / 2 + 0.4, dice.paint()
    drum = [(rear + 0.3, 2.5, 0.45), (x - 0.7, 2.1, 1.1), (x + 0.6, 1.95, 1.1), (front, 1.8, 0.6)]
    pen.barrel(drum, paint)
    pen.rod([(x - 1, 1.2, 1.0), (x - 0.4, 2.2, 1.1), (x, 3, 0.6)], 0.25, trim)
    pen.rod([(rear + 0.1, 1, 1), (rear + 0.5, 2.3, 0.7)], 0.15, DARK)


def logs(pen: Pen, dice: Dice, rear: float, front: float, trim: Colour) -> None:
    for y, zs in ((1.3, (-0.8, -0.25, 0.3, 0.85)), (1.75, (-0.5, 0.05, 0.6)), (2.2, (-0.2, 0.35))):
        for z in zs:
            start = rear + dice.between(0, 0.4)
            pen.barrel([(start, y, 0.28), (front - 0.3, y, 0.28)], BARK, z, (226, 186, 132))
    pen.block(front - 0.15, front, 1, 2.4, 1.1, DARK)


def crates(pen: Pen, dice: Dice, rear: float, front: float, trim: Colour) -> None:
    pen.block(rear, front, 0.95, 1.15, 1.2, trim)
    edges = [rear + 0.1, *np.arange(rear + 1, front - 1, dice.pick((1, 1.4, 9))), front - 0.1]
    for x, end in zip(edges, edges[1:], strict=False):
        pen.block(x, end - 0.1, 1.15, dice.between(1.6, 2.9), 1.05, dice.paint())


LOADS = (box_load, box_load, tipper, tank, mixer, logs, crates)


class Bus(NamedTuple):
    length: float
    height: float
    sill: float  # height of the lower edge of the windows
    windows: int
    decks: int
    slope: float  # of the windscreen
    glass: Colours


BUSES = (
    Bus(9.0, 3.0, 1.25, 6, 1, 0.15, GLASS),  # city bus
    Bus(8.0, 4.3, 1.20, 5, 2, 0.10, GLASS),  # double-decker
    Bus(9.2, 3.4, 1.70, 6, 1, 0.40, TINTED),  # coach
    Bus(6.0, 2.6, 1.25, 4, 1, 0.70, GLASS),  # minibus
    Bus(7.5, 3.0, 1.40, 7, 1, 0.10, GLASS),  # old-timer
)


def bus(dice: Dice) -> Drawing:
    row = dice.pick(BUSES)
    h, half, top, sill, slope = row.length / 2 * dice.between(0.95, 1.08), 1.2, *row[1:3], row.slope
    paint, band, two_tone, full = dice.paint(), dice.paint(), dice.chance(0.4), dice.chance(0.7)
    doors = dice.pick(((h - 0.95,), (h - 0.95, -0.4), (-0.6,)))
    storey = (top - sill - 0.25) / row.decks

    def body(pen: Pen) -> None:
        shell = [(-h, 0.35), (h, 0.35), (h, sill), (h - slope, top - 0.2)]
        pen.solid([*shell, (h - slope - 0.2, top), (0.2 - h, top), (-h, top - 0.25)], half, paint)
        low, high = (0.4, sill - 0.25) if two_tone else (sill - 0.55, sill - 0.35)
        pen.side(-h, h, low, high, half, coat(band)[1:])
        pen.end(h, low, high, half, band)
        pen.end(-h, low, high, half, band)
        for x in doors:
            pen.side(x - 0.5, x + 0.4, 0.45, sill + storey - 0.2, half, mix(paint, BLACK, 0.5))
        pen.end(h, 0.38, 0.6, half, DARK)
        pen.end(-h, 0.38, 0.75, half - 0.2, (DARK, BLACK))
        pen.canvas.own_light = full and pen.canvas.light.lamps  # someone is in
        glass = ((255, 240, 200), (230, 190, 120)) if pen.canvas.own_light else row.glass
        for deck in range(row.decks):
            low = sill + deck * storey
            high = low + storey - (0.3 if row.decks > 1 else 0.15)
            inset, lean = (slope * (y - sill) / (top - sill) for y in (low, high))
            pen.panes(row.windows, (0.15 - h, h - 0.15 - inset, low, half),
                      (0.15 - h, h - 0.12 - lean, high, half), glass)  # fmt: skip
            pen.end(h - inset, low - 0.05, high, half - 0.12, glass, lean=lean - inset)
            pen.end(-h, low + 0.1, high, half - 0.3, glass)
        for x in doors:
            for left in (x - 0.44, x - 0.02):
                pen.side(left, left + 0.36, 0.55, sill + storey - 0.3, half, glass)
        for x, colour in ((0.8, BLACK), (0.6, AMBER)):
            pen.end(h - slope, top - 0.28 - x / 6, top - 0.22 + x / 6, x, colour)
        pen.canvas.own_light = False
        pen.lamps(h, 0.8, 0.95, half - 0.15, 0.17)
        for z in (-half - 0.15, half + 0.15):
            pen.limb([(h - 0.1, sill + 0.5, z), (h - 0.1, sill + 0.95, z)], 0.16, DARK)

    axles, rim = (-h * 0.57, h - (1.1 if h < 3.5 else 2.2)), dice.pick((STEEL, paint))
    return (2 * h, top, half), lambda pen: pen.on_wheels(axles, 0.46, half, body, rim)


class Rider(NamedTuple):
    """Someone on a saddle, in the plane of the bike; limbs go to both sides of it."""

    hip: Point
    shoulder: Point
    hand: Point
    feet: tuple[Point, Point]  # far, near
    scale: float
    top: Colour
    trousers: Colour
    skin: Colour
    hat: Colour

    def parts(self) -> list[tuple[float, Callable[[Pen], None]]]:
        """For `Pen.in_order`: the far limbs, then what goes after the bike."""
        far, near = (lambda pen: self.limbs(pen, -1)), (lambda pen: self.limbs(pen, 1))
        return [(-0.1, far), (-0.05, self.trunk), (0.2, near)]

    def limbs(self, pen: Pen, near: int) -> None:
        (hx, hy), (sx, sy), (ax, ay), k = self.hip, self.shoulder, self.hand, self.scale
        (fx, fy), z = self.feet[near > 0], 0.13 * near * k
        knee = ((hx + fx) / 2 + 0.2 * k, (hy + fy) / 2 + 0.12 * k, z * 1.4)
        pen.limb([(hx, hy, z), knee, (fx, fy, z)], 0.15 * k, self.trousers)
        pen.limb([(fx - 0.04, fy, z), (fx + 0.14 * k, fy, z)], 0.1 * k, DARK)
        elbow = ((sx + ax) / 2 - 0.02, (sy + ay) / 2 - 0.08 * k, z * 2.4)
        sleeve = [(sx, sy - 0.03, z * 1.3), elbow, (ax, ay, z * 2)]
        pen.limb(sleeve, 0.11 * k, mix(self.top, BLACK, 0.12))
        pen.ball(ax, ay, z * 2, 0.06 * k, self.skin)

    def trunk(self, pen: Pen) -> None:
        (sx, sy), k = self.shoulder, self.scale
        for z in (-0.09 * k, 0.09 * k):
            pen.limb([(*self.hip, z), (sx, sy, z)], 0.25 * k, self.top)
        for x, y, r, colour in (
            (10, 24, 13, self.skin),
            (8, 28, 14, self.hat),
            (16, 19, 8, self.skin),
        ):
            pen.ball(sx + x / 100 * k, sy + y / 100 * k, 0, r / 100 * k, colour)


class Motorcycle(NamedTuple):
    r: float  # of the wheels, which stand at plus and minus `base`
    base: float
    tail: float  # height of the tail light
    bars: Point
    shoulder: Point
    hulls: str  # solids: colour, half width, outline


ENGINE = """engine .17 -.3,.2 .25,.2 .32,.6 -.25,.66
    seat .13 -.9,.85 -.4,.68 -.08,.7 -.12,.82 -.5,.82 -.9,.94
    paint .16 -.15,.66 .3,.66 .38,.88 .15,1 -.1,.86"""
MOTORCYCLES = (
    Motorcycle(0.32, 0.70, 0.80, (0.40, 1.02), (-0.05, 1.33), ENGINE),
    Motorcycle(0.31, 0.70, 0.86, (0.42, 0.90), (0.12, 1.28), ENGINE + """
        paint .2 -.2,.3 .4,.28 .72,.72 .62,.92 .25,.85
        trim .21 0,.45 .45,.5 .5,.6 .05,.56
        glass .12 .38,.88 .62,.88 .4,1.12"""),  # sports bike
    Motorcycle(0.33, 0.75, 0.80, (0.36, 1.08), (-0.15, 1.36), ENGINE + """
        trim .3 -1.05,.5 -.5,.5 -.5,.8 -1.05,.8
        trim .2 -1.1,.94 -.7,.94 -.7,1.24 -1.1,1.24
        glass .15 .42,.95 .52,.95 .36,1.35"""),  # tourer with its cases
    Motorcycle(0.33, 0.85, 0.62, (0.26, 1.08), (-0.22, 1.25), """
        engine .17 -.35,.2 .25,.2 .3,.55 -.3,.6
        trim .1 -1.15,.5 -.8,.6 -.5,.55 -.6,.72 -.9,.75 -1.15,.6
        seat .15 -.75,.68 -.1,.58 -.1,.68 -.35,.72 -.75,.86
        paint .17 -.15,.6 .35,.7 .4,.88 .2,.94 -.1,.74"""),  # cruiser
    Motorcycle(0.23, 0.62, 0.66, (0.42, 1.0), (-0.2, 1.32), """
        paint .17 -.57,.2 .3,.2 .34,.3 -.1,.32 -.12,.72 -.82,.72 -.87,.5
        paint .22 .26,.24 .4,.24 .48,.9 .38,.95
        seat .14 -.8,.7 -.1,.7 -.14,.8 -.75,.84"""),  # scooter
)  # fmt: skip


def motorcycle(dice: Dice) -> Drawing:
    row, ridden = dice.pick(MOTORCYCLES), dice.chance(0.55)
    b, r, (bx, by) = row.base, row.r, row.bars
    paint, trim, chrome = dice.paint(), dice.paint(), dice.pick((STEEL, DARK, (206, 208, 212)))
    colours = {"paint": paint, "trim": trim, "glass": GLASS[0], "seat": (34, 34, 38)}
    colours["engine"] = mix(DARK, chrome, 0.3)
    clothes = (dice.paint(), mix(dice.paint(), BLACK, 0.6), dice.pick(SKINS), dice.paint())
    feet = ((0.05, 0.32), (0.0, 0.3))
    rider = Rider((-0.32, row.tail + 0.12), row.shoulder, (bx - 0.03, by), feet, 1, *clothes)

    def rear(pen: Pen) -> None:
        pen.spoked(-b, r, 0.13, TYRE, 0.1)
        guard = [(-0.25, 0.2), (0.1, 0.3), (0.1, 0.4), (-0.25, 0.36)]
        pen.solid([(x - b, r + y) for x, y in guard], 0.08, trim)
        pen.lamp(-b - 0.24, row.tail, 0, 0.07, RED)

    def middle(pen: Pen) -> None:
        pen.rod([(-b, r, 0.05), (-0.2, 0.42, 0.05)], 0.09, DARK)
        for line in row.hulls.splitlines():
            if line.strip():
                role, half, outline = line.split(None, 2)
                pen.solid(smooth(points(outline)), float(half), colours[role])
        if r > 0.3:
            for y in (0.34, 0.42, 0.5):
                pen.side(-0.05, 0.24, y, y + 0.035, 0.18, chrome)
            pipe = [(0.28, 0.45, 0.17), (0.2, 0.22, 0.18), (-0.3, 0.25, 0.2), (-b - 0.1, r, 0.2)]
            pen.limb(pipe, 0.08, chrome)

    def front(pen: Pen) -> None:
        pen.spoked(b, r, 0.12, TYRE, 0.09)
        guard = [(-0.2, 0.24), (0.15, 0.22), (0.12, 0.32), (-0.15, 0.34)]
        pen.solid([(b + x, r + y) for x, y in guard], 0.07, paint)
        for z in (-0.1, 0.1):
            pen.rod([(b, r, z), (bx, by, z)], 0.06, chrome)
            pen.rod([(bx, by, z), (bx - 0.08, by + 0.03, z * 3.6)], 0.05, TYRE)
            pen.rod([(bx, by, z * 2), (bx, by + 0.12, z * 3)], 0.025, TYRE)
            pen.ball(bx, by + 0.12, z * 3, 0.045, TYRE)
        pen.ball(bx + 0.1, by - 0.14, 0, 0.12, trim)
        pen.lamp(bx + 0.18, by - 0.14, 0, 0.1, WARM)

    far, *near = rider.parts() if ridden else [(0, lambda pen: None)]
    parts = [far, (-b, rear), (0, middle), (b, front), *near]
    size = (2 * (b + r), row.shoulder[1] + 0.35 if ridden else 1.2, 0.35)
    return size, lambda pen: pen.in_order(parts)


class Bicycle(NamedTuple):
    r: float
    tyre: float
    saddle: Point
    bars: Point
    shoulder: Point
    style: str
    scale: float = 1.0


BICYCLES = (
    Bicycle(0.34, 0.04, (-0.2, 1.0), (0.5, 0.95), (0.22, 1.4), "racing"),
    Bicycle(0.34, 0.055, (-0.26, 0.92), (0.3, 1.1), (-0.12, 1.45), "city"),
    Bicycle(0.34, 0.08, (-0.22, 0.94), (0.4, 1.02), (0.08, 1.43), "mountain"),
    Bicycle(0.25, 0.07, (-0.2, 0.68), (0.26, 0.84), (-0.1, 1.06), "child's", 0.78),
)


def bicycle(dice: Dice) -> Drawing:
    row, ridden, paint = dice.pick(BICYCLES), dice.chance(0.5), dice.paint()
    (sx, sy), (bx, by), r, k = row.saddle, row.bars, row.r, row.scale
    tyre = dice.pick((TYRE, TYRE, TYRE, BARK, mix(dice.paint(), BLACK, 0.4)))
    rear, front, crank, seat = (-0.53 * k, r), (0.53 * k, r), (-0.06 * k, r * 0.86), (sx, sy - 0.12)
    head, neck = (0.34 * k, by - 0.12), (0.4 * k, by - 0.3 * k)
    turn = dice.between(0, 2 * math.pi)
    dx, dy = 0.16 * k * math.cos(turn), 0.16 * k * math.sin(turn)
    feet = ((crank[0] - dx, crank[1] - dy), (crank[0] + dx, crank[1] + dy))
    clothes = (dice.paint(), dice.paint(), dice.pick(SKINS), dice.paint())
    rider = Rider((sx, sy + 0.08), row.shoulder, row.bars, feet, k, *clothes)
    low, basket = row.style in ("city", "child's"), dice.chance(0.6)

    def back(pen: Pen) -> None:
        pen.spoked(*rear, row.tyre, tyre, 0.035, 8)
        if row.style == "city":
            pen.block(rear[0] - 0.25, rear[0] + 0.25, 2 * r + 0.05, 2 * r + 0.09, 0.08, DARK)
        for z in (-0.2, 0.2) if k < 1 and basket else ():  # stabilisers
            pen.ball(rear[0], 0.09, z, 0.09, TYRE)

    def frame(pen: Pen) -> None:
        top = ((crank[0] + seat[0]) / 2, (crank[1] + seat[1]) / 2) if low else seat
        for a, b in ((rear, crank), (rear, seat), (crank, seat), (crank, neck), (top, head)):
            pen.rod([(*a, 0), (*b, 0)], 0.035 if a == rear else 0.055, paint)
        pen.rod([(*seat, 0), (sx, sy, 0)], 0.04, STEEL)
        pen.limb([(sx - 0.12 * k, sy + 0.02, 0), (sx + 0.12 * k, sy, 0)], 0.08, TYRE)
        pen.ball(*crank, 0.04, 0.08 * k, DARK)
        for (x, y), z in zip(feet, (-0.08, 0.08), strict=True):
            pen.rod([(*crank, z), (x, y, z)], 0.03, STEEL)
            pen.rod([(x - 0.06, y, z), (x + 0.06, y, z)], 0.05, DARK)

    def steering(pen: Pen) -> None:
        pen.spoked(*front, row.tyre, tyre, 0.035, 8)
        pen.rod([(*front, 0), (*neck, 0), (*head, 0)], 0.06, paint)
        pen.rod([(*head, 0), (bx - 0.06, by, 0)], 0.04, STEEL)
        drop = ((0.12, -0.03), (0.08, -0.16), (-0.03, -0.17)) if row.style == "racing" else ()
        for z in (-0.22 * k, 0.22 * k):
            hook = [(bx + x, by + y, z) for x, y in drop]
            pen.rod([(bx - 0.06, by, 0), (bx, by, z), *hook], 0.045, DARK)
        if low and basket:
            pen.block(bx + 0.08, bx + 0.34, by - 0.22, by, 0.16, WICKER)
        pen.lamp(neck[0] + 0.08, neck[1] + 0.08, 0, 0.05, WARM)

    far, *near = rider.parts() if ridden else [(0, lambda pen: None)]
    parts = [far, (-0.5, back), (-0.1, frame), (0.5, steering), *near]
    size = (1.75 * k, row.shoulder[1] + 0.4 * k if ridden else by, 0.25)
    return size, lambda pen: pen.in_order(parts)


VEHICLES = {"car": car, "lorry": lorry, "bus": bus, "motorcycle": motorcycle, "bicycle": bicycle}

# Light and place, the same for all


class Light(NamedTuple):
    tint: tuple[float, float, float]  # what is left of red, green and blue
    sky: tuple[Colour, ...]  # from the top down to the horizon; empty: that of the place
    haze: Colour
    fog: float  # share of haze before the vehicle; far things get more
    shadow: float  # darkness of the shadow on the ground
    sun: bool = False  # a hard shadow, to one side
    lamps: bool = False  # headlights and windows are lit


# fmt: off
LIGHTS = (
    Light((1, 1, 1), (), (206, 218, 228), 0, 0.5),  # day
    Light((1.08, 1.03, 0.94), (), (214, 224, 230), 0, 0.6, sun=True),
    Light((1.08, 0.9, 0.7), ((110, 150, 196), (244, 214, 164)), (240, 206, 160), 0.04, 0.6, sun=True),
    Light((0.8, 0.83, 0.86), ((150, 158, 168), (206, 208, 210)), (190, 194, 198), 0.05, 0.35),
    Light((0.66, 0.55, 0.6), ((66, 58, 112), (176, 92, 110), (250, 164, 92)), (190, 120, 110), 0.06, 0.4,
          lamps=True),  # dusk
    Light((0.45, 0.48, 0.62), ((8, 12, 32), (26, 34, 66)), (30, 36, 60), 0.05, 0.4, lamps=True),
    Light((0.88, 0.9, 0.92), ((196, 200, 204), (212, 214, 216)), (206, 210, 212), 0.3, 0.3),  # fog
)
# fmt: on


def street(canvas: Canvas, dice: Dice, y: float) -> None:
    x = -dice.between(0, 40)
    while x < PX:
        wide, tall, step = dice.between(28, 70), dice.between(30, 150), dice.between(11, 17)
        wall = mix(dice.paint(), STEEL, 0.5)
        canvas.box(x, y - tall, x + wide, y + 2, (mix(wall, WHITE, 0.15), mix(wall, BLACK, 0.2)))
        if dice.chance(0.5):
            peak = (x + wide / 2, y - tall - wide * 0.3)
            roof = mix(wall, (110, 50, 40), 0.5)
            canvas.fill([(x, y - tall), (x + wide, y - tall), peak], roof)
        for top in np.arange(y - tall + 5, y - step, step):
            for left in np.arange(x + 4, x + wide - step * 0.6, step):
                pane = mix((70, 84, 100), (190, 210, 225), dice.random() * 0.6)
                if canvas.light.lamps and dice.chance(0.3):
                    canvas.own_light, pane = True, (240, 200, 120)
                canvas.box(left, top, left + step * 0.5, top + step * 0.6, pane)
                canvas.own_light = False
        x += wide


def ridge(canvas: Canvas, dice: Dice, y: float, tall: float, colours: Colours) -> None:
    """Hills across the whole picture, up to `tall` px high."""
    tops = [(PX * i / 5, y - tall * dice.between(0.1, 1)) for i in range(-1, 7)]
    canvas.fill(smooth([(-PX, y + 2), *tops, (2 * PX, y + 2)]), colours)


def country(canvas: Canvas, dice: Dice, y: float) -> None:
    ridge(canvas, dice, y, 60, ((130, 156, 168), (150, 176, 160)))
    ridge(canvas, dice, y, 32, ((120, 156, 90), (96, 136, 70)))
    for _ in range(int(dice.between(1, 7))):
        thing(canvas, dice, "tree", (dice.between(0, PX), y + 2), dice.between(14, 60))


def snow(canvas: Canvas, dice: Dice, y: float) -> None:
    ridge(canvas, dice, y, 90, ((244, 248, 252), (150, 172, 196), (190, 206, 222)))
    for _ in range(int(dice.between(2, 8))):
        thing(canvas, dice, "fir", (dice.between(0, PX), y + 3), dice.between(20, 80))


def desert(canvas: Canvas, dice: Dice, y: float) -> None:
    for _ in range(int(dice.between(0, 3))):
        x, wide, top = dice.between(0, PX), dice.between(20, 50), y - dice.between(15, 60)
        mesa = [(x - wide, y), (x - wide * 0.7, top), (x + wide * 0.6, top), (x + wide, y)]
        canvas.fill(mesa, ((206, 130, 86), (170, 92, 62), (196, 140, 96)))
    ridge(canvas, dice, y, 26, ((226, 184, 122), (206, 160, 100)))


def sea(canvas: Canvas, dice: Dice, y: float) -> None:
    edge = y - dice.between(4, 14)
    canvas.box(0, edge, PX, y + 2, ((60, 120, 160), (110, 176, 190), (220, 232, 230)))
    for _ in range(int(dice.between(0, 4))):
        x, tall = dice.between(0, PX), dice.between(8, 30)
        canvas.fill([(x, edge + 3), (x + tall * 0.5, edge + 3), (x, edge - tall)], WHITE)
        canvas.box(x - tall * 0.2, edge + 2, x + tall * 0.6, edge + 5, dice.paint())
    if dice.chance(0.6):
        for x in range(0, PX, 24):
            canvas.line([(x, y + 2), (x, y - 14), (x + 24, y - 14)], 2, WHITE)


def garage(canvas: Canvas, dice: Dice, y: float) -> None:
    wall, step, bricks = mix(dice.paint(), STEEL, 0.55), dice.between(7, 14), dice.chance(0.5)
    canvas.box(0, 0, PX, y + 1, (mix(wall, WHITE, 0.15), mix(wall, BLACK, 0.15)))
    for row in range(int(max(y, 0) // step) + 1):
        top = y - row * step
        canvas.line([(0, top), (PX, top)], 1, mix(wall, BLACK, 0.25))
        for x in np.arange(row % 2 * step, PX, 2 * step) if bricks else ():
            canvas.line([(x, top), (x, top - step)], 1, mix(wall, BLACK, 0.25))
    if dice.chance(0.6):
        x, wide, door = dice.between(-30, 150), dice.between(40, 110), mix(dice.paint(), STEEL, 0.3)
        for top in np.linspace(y - wide * 0.9, y, 9)[:-1]:
            canvas.box(x, top, x + wide, top + wide / 9, (mix(door, BLACK, 0.35), door, door))


def studio(canvas: Canvas, dice: Dice, y: float) -> None:
    """A roll of paper: the wall runs into the floor."""
    tone = mix(dice.paint(), (200, 200, 204), dice.between(0.4, 0.9))
    dark, pale = mix(tone, BLACK, 0.35), mix(tone, WHITE, 0.35)
    canvas.box(0, 0, PX, PX, (dark, tone, pale, mix(tone, BLACK, 0.15)))


class Place(NamedTuple):
    paint: Callable[[Canvas, Dice, float], None]  # what stands on the horizon, at height y
    sky: tuple[Colour, ...]
    ground: tuple[Colour, Colour]
    clutter: float  # things that stand about, on average
    road: float  # how often a road leads through


BLUE, PALE = ((84, 140, 206), (150, 192, 230), (216, 230, 238)), ((150, 174, 204), (226, 230, 234))
PLACES = (
    Place(street, BLUE, ((150, 148, 146), (116, 116, 118)), 2.5, 0.8),
    Place(street, PALE, ((168, 160, 150), (130, 124, 118)), 2.5, 0.8),
    Place(country, BLUE, ((128, 158, 84), (92, 128, 60)), 2, 0.7),
    Place(country, PALE, ((190, 176, 104), (150, 140, 76)), 2, 0.7),
    Place(snow, PALE, ((236, 240, 246), (208, 216, 228)), 1.5, 0.5),
    Place(desert, BLUE, ((226, 190, 132), (190, 146, 92)), 1, 0.6),
    Place(sea, BLUE, ((206, 196, 176), (168, 160, 148)), 1.5, 0.5),
    Place(garage, PALE, ((150, 148, 144), (104, 102, 100)), 1, 0.1),
    Place(studio, PALE, ((150, 150, 152), (170, 170, 172)), 0, 0),
)


def scenery(canvas: Canvas, dice: Dice, place: Place, horizon: float) -> None:
    canvas.own_light = bool(canvas.light.sky)
    canvas.box(0, min(0, horizon - 30), PX, horizon + 1, canvas.light.sky or place.sky)
    canvas.own_light = False
    canvas.box(0, horizon, PX, PX, place.ground)
    canvas.haze = min(0.8, 0.1 + 2 * canvas.light.fog)
    place.paint(canvas, dice, horizon)
    height, grain = int(PX - horizon), dice.pick((3, 6, 12))
    if place.paint is studio or height < 8:
        return
    rough = noise(dice, (height // grain + 2, PX // grain)) * dice.between(25, 90)
    mask = Image.fromarray(rough.astype(np.uint8)).resize((PX, height), Image.Resampling.BILINEAR)
    canvas.image.paste(canvas.lit(DARK), (0, int(horizon)), mask)


def road(pen: Pen, dice: Dice, reach: float) -> None:
    """Asphalt along the vehicle's way, with its lines; `reach` is half its width in metres."""
    far = 40 * reach
    near = min(far, (0.85 * pen.far_m - 2 * reach) / max(0.02, abs(pen.sin)))  # not into the lens
    start, stop = (-far, near) if pen.sin > 0 else (-near, far)
    grey = mix((104, 104, 108), (150, 140, 130), dice.random() * 0.6)
    line = mix(dice.pick((WHITE, (236, 200, 90))), grey, 0.25)
    bands = [(start, stop, -reach, 2 * reach, (mix(grey, WHITE, 0.15), grey))]
    bands += [(start, stop, -0.94 * reach, -0.86 * reach, line)]
    z, step = reach * dice.between(0.75, 1.1), reach * 1.5
    bands += [(i * step, (i + 0.5) * step, z, z + 0.08 * reach, line) for i in range(-6, 7)]
    for x0, x1, z0, z1, colours in bands:
        if start <= x0 and x1 <= stop:
            corners = ((x0, z1), (x1, z1), (x1, z0), (x0, z0))
            pen.canvas.fill([pen.at(x, 0, z) for x, z in corners], colours)


def ground_shadow(pen: Pen, dice: Dice, size: Size) -> None:
    h, half, light = size[0] / 2 * 0.96, max(size[2] * 0.95, 0.1), pen.canvas.light
    long = size[1] * dice.between(0.3, 0.8) if light.sun else 0
    dx, dz = long * dice.pick((-0.8, 0.8)), long * dice.between(-0.6, 0.2)
    under = [(-h, half), (h, half), (h, -half), (-h, -half)]
    near = [pen.at(x, 0, z) for x, z in under]
    away = [pen.at(x + dx, 0, z + dz) for x, z in under]  # the shadow of the roof
    sides = [[near[i - 1], near[i], away[i], away[i - 1]] for i in range(4)]
    pen.canvas.shade([near, away, *sides], light.shadow, 1 if light.sun else 4)


# fmt: off
THINGS = {  # shape, colour and numbers: x and y of points, in heights from the foot; r of a ball
    "tree": (("box", BARK, -.05, 0, .05, .5), ("ball", "leaf", -.2, .5, .2), ("ball", "leaf", .2, .52, .2),
             ("ball", "leaf", 0, .6, .26), ("ball", "leaf", -.1, .76, .2), ("ball", "leaf", .1, .72, .2)),
    "fir": (("fill", "leaf", -.3, .08, .3, .08, 0, .55), ("fill", "leaf", -.23, .35, .23, .35, 0, .78),
            ("fill", "leaf", -.16, .6, .16, .6, 0, 1)),
    "bush": tuple(("ball", "leaf", x, y, .2) for x, y in ((-.5, .2), (.5, .2), (-.3, .45), (.35, .4), (0, .6),
            (-.15, .3), (.2, .25), (-.35, .15), (.05, .15))),
    "lamp": (("box", "any", -.015, 0, .015, 1), ("box", "any", 0, .97, .16, 1), ("lamp", WARM, .16, .96, .04)),
    "cone": (("fill", ORANGE, -.14, 0, .14, 0, 0, .4), ("box", WHITE, -.07, .14, .07, .22),
             ("box", ORANGE, -.18, 0, .18, .04)),
    "sign": (("box", STEEL, -.02, 0, .02, .8), ("ball", RED, 0, .8, .14), ("ball", WHITE, 0, .8, .09)),
    "warning": (("box", STEEL, -.02, 0, .02, .8), ("fill", AMBER, -.16, .65, .16, .65, 0, .95),
                ("ball", DARK, 0, .74, .04)),
    "post": (("box", "any", -.06, 0, .06, .6), ("box", DARK, .02, 0, .06, .6)),
    "person": (("box", "dark", -.1, 0, -.02, .5), ("box", "dark", .03, 0, .11, .5),
               ("fill", "any", -.1, .45, .1, .45, .12, .82, -.12, .82), ("ball", "skin", 0, .91, .08)),
    "fence": (*(("box", "any", x / 3 - .02, 0, x / 3 + .02, .35) for x in range(-4, 5)),
              ("box", "any", -1.5, .12, 1.5, .16), ("box", "any", -1.5, .27, 1.5, .31)),
}
# fmt: on


def thing(canvas: Canvas, dice: Dice, name: str, foot: Point, tall: float) -> None:
    """One of `THINGS`, `tall` px high, standing at `foot` (px)."""
    (x, y), way = foot, dice.pick((-1, 1))
    named = {"leaf": dice.pick(LEAVES), "any": mix(dice.paint(), STEEL, 0.2)}
    named |= {"dark": mix(dice.paint(), BLACK, 0.5), "skin": dice.pick(SKINS)}
    for shape, colour, *numbers in THINGS[name]:
        paint = mix(named.get(colour, colour), BLACK, dice.random() * 0.25)
        spots = [
            (x + way * a * tall, y - b * tall) for a, b in zip(*[iter(numbers)] * 2, strict=False)
        ]
        r = numbers[-1] * tall
        if shape == "fill":
            canvas.fill(spots, coat(paint))
        elif shape == "box":
            (x0, y0), (x1, y1) = spots
            canvas.box(min(x0, x1), y1, max(x0, x1), y0, paint)
        else:
            canvas.ball(*spots[0], r, paint)
        if shape == "lamp":
            canvas.glow(*spots[0], 2 * r, WARM)


# Tools


class Dice:
    """Chance from `random()` alone: the one stream that Python promises to keep over versions."""

    def __init__(self, seed: str):
        self.random = random.Random(seed).random

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.random()

    def chance(self, share: float) -> bool:
        return self.random() < share

    def pick(self, rows: Sequence[T]) -> T:
        return rows[int(self.random() * len(rows))]

    def paint(self) -> Colour:
        """One of `PAINTS`, a little lighter, darker or duller than the table says."""
        return mix(self.pick(PAINTS), self.pick((WHITE, BLACK, STEEL)), self.between(0, 0.3))


def noise(dice: Dice, shape: tuple[int, ...]) -> np.ndarray:
    """float64 of `shape` in 0..1, from the generator that NumPy has frozen for good."""
    return np.random.RandomState(int(dice.random() * 2**32)).random_sample(shape)


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """`a` with `share` (0..1) of `b` in it."""
    return tuple(int(p + (q - p) * share) for p, q in zip(a, b, strict=True))


def coat(colour: Colour) -> list[Colour]:
    """Painted metal from shoulder to sill: a gleam of sky, the colour, the dark of the road."""
    return [mix(colour, WHITE, 0.45), colour, colour, mix(colour, BLACK, 0.45)]


def metal(colour: Colour, up: float) -> Colour:
    """The same paint where it looks up (1), sideways (0) or down (-1)."""
    return mix(colour, WHITE, 0.4 * up) if up > 0 else mix(colour, BLACK, 0.12 - 0.5 * up)


@lru_cache
def points(text: str) -> list[Point]:
    """An outline written as in SVG: "x,y x,y ..."."""
    return [tuple(map(float, pair.split(","))) for pair in text.split()]


def smooth(outline: Sequence[Point]) -> list[Point]:
    """The same closed outline with its corners cut (Chaikin): twice as many points."""
    cut = []
    for (ax, ay), (bx, by) in zip(outline, [*outline[1:], outline[0]], strict=True):
        cut += [(ax * 0.8 + bx * 0.2, ay * 0.8 + by * 0.2)]
        cut += [(ax * 0.2 + bx * 0.8, ay * 0.2 + by * 0.8)]
    return cut


class Canvas:
    """A picture in progress. Positions are in pixels of `PX`, y downwards."""

    def __init__(self, light: Light):
        self.light, self.haze, self.own_light = light, 0.0, False
        self.image = Image.new("RGB", (PX, PX))
        self.ink = ImageDraw.Draw(self.image)
        self.glows: list[tuple[float, float, float, Colour]] = []

    def lit(self, colour: Colour) -> Colour:
        """`colour` as it looks in this light, behind `self.haze` (0..1)."""
        if self.own_light:
            return colour
        keep, haze = 1 - self.haze, self.haze
        (r, g, b), (tr, tg, tb), (hr, hg, hb) = colour, self.light.tint, self.light.haze
        r, g, b = r * tr * keep + hr * haze, g * tg * keep + hg * haze, b * tb * keep + hb * haze
        return (min(255, int(r)), min(255, int(g)), min(255, int(b)))

    def fill(self, outline: Sequence[Point], colours: Colours) -> None:
        """A polygon in one colour, or shaded from its top to its bottom."""
        if isinstance(colours[0], int):
            self.ink.polygon(outline, fill=self.lit(colours))
            return
        xs, ys = zip(*outline, strict=True)
        low, rise, count = min(ys), max(max(ys) - min(ys), 1), len(colours)
        x0, y0, x1 = max(0, int(min(xs))), max(0, int(low)), min(PX, int(max(xs)) + 1)
        y1 = min(PX, int(low + rise) + 1)
        if x1 <= x0 or y1 <= y0:
            return
        mask = Image.new("L", (x1 - x0, y1 - y0))
        ImageDraw.Draw(mask).polygon([(x - x0, y - y0) for x, y in outline], fill=255)
        column = Image.frombytes(
            "RGB", (1, count), bytes(c for row in colours for c in self.lit(row))
        )
        a, b = (min(max((y - low) / rise, 0), 1) * count for y in (y0, y1))
        b = max(b, a + 0.01) if a < count else count
        seen = (0, min(a, count - 0.01), 1, b)
        shades = column.resize(mask.size, Image.Resampling.BILINEAR, box=seen)
        self.image.paste(shades, (x0, y0), mask)

    def box(self, x0: float, y0: float, x1: float, y1: float, colours: Colours) -> None:
        self.fill([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colours)

    def disc(self, x: float, y: float, r: float, colour: Colour) -> None:
        self.ink.ellipse((x - r, y - r, x + r, y + r), fill=self.lit(colour))

    def ball(self, x: float, y: float, r: float, colour: Colour) -> None:
        """A round thing lit from above on the left."""
        self.disc(x, y, r, mix(colour, BLACK, 0.3))
        self.disc(x - r * 0.15, y - r * 0.2, r * 0.75, colour)
        self.disc(x - r * 0.3, y - r * 0.4, r * 0.35, mix(colour, WHITE, 0.15))

    def line(self, spots: Sequence[Point], px: float, colour: Colour) -> None:
        self.ink.line(spots, fill=self.lit(colour), width=max(1, round(px)), joint="curve")

    def shade(self, shapes: Iterable[Sequence[Point]], share: float, soft_px: float) -> None:
        """Darken what lies under `shapes` by `share`, with an edge `soft_px` wide."""
        mask = Image.new("L", (PX, PX))
        ink = ImageDraw.Draw(mask)
        for outline in shapes:
            ink.polygon(outline, fill=int(255 * share))
        mask = mask.filter(ImageFilter.BoxBlur(soft_px))
        self.image.paste(mix(BLACK, self.light.haze, 0.12), mask=mask)

    def glow(self, x: float, y: float, r: float, colour: Colour) -> None:
        """A lamp: nothing by day, a bright spot in its halo after dark."""
        if self.light.lamps:
            self.glows.append((x, y, r, colour))


class Pen:
    """Draws solids in metres on a canvas, as seen from `eye_m` above the ground.

    `yaw` (radians) turns the front (above 0) or the rear (below 0) towards us; `mirror` (1 or -1)
    makes it face right or left. The gaze is level, so the horizon is at `horizon` px.
    """

    def __init__(self, canvas: Canvas, yaw: float, mirror: int, far_m: float, eye_m: float):
        self.canvas, self.mirror, self.far_m, self.eye_m = canvas, mirror, far_m, eye_m
        self.sin, self.cos = math.sin(yaw), math.cos(yaw)
        self.scale, self.cx, self.horizon = 1.0, 0.0, 0.0  # px per metre at the vehicle's middle

    def at(self, x: float, y: float, z: float) -> Point:
        near = self.scale / (1 - (z * self.cos + x * self.sin) / self.far_m)
        across = (x * self.cos - z * self.sin) * self.mirror
        return (self.cx + across * near, self.horizon + (self.eye_m - y) * near)

    def bounds(self, size: Size) -> tuple[float, float, float, float]:
        """Left, top, right and bottom, in px, of a box of that size."""
        h, high, half = size[0] / 2, size[1], size[2]
        seen = [self.at(x, y, z) for x in (-h, h) for y in (0, high) for z in (-half, half)]
        xs, ys = zip(*seen, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    def face(self, corners: Sequence[Point3], colours: Colours) -> bool:
        """A flat face, if its outside (corners counter-clockwise) is towards us; whether it is."""
        seen = [self.at(*p) for p in corners]
        turn = sum(
            a[0] * b[1] - b[0] * a[1] for a, b in zip(seen, seen[1:] + seen[:1], strict=True)
        )
        if turn * self.mirror >= 0:
            return False
        self.canvas.fill(seen, colours)
        return True

    def side(self, x0: float, x1: float, y0: float, y1: float, z: float, colours: Colours) -> None:
        """A rectangle on the side towards us."""
        self.face([(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)], colours)

    def end(self, x: float, y0: float, y1: float, half: float, colours: Colours, lean: float = 0):
        """A rectangle across the front (x > 0) or the rear; its top is `lean` metres further in."""
        z, top = math.copysign(half, x), x - math.copysign(lean, x)
        self.face([(x, y0, z), (x, y0, -z), (top, y1, -z), (top, y1, z)], colours)

    def panes(self, count: int, low: tuple, high: tuple, glass: Colours = GLASS) -> None:
        """`count` side windows between two edges, each (rear x, front x, y, z)."""
        for i in range(count):
            s, t = (i + 0.08) / count, (i + 0.96) / count
            (a, b, y, z), (c, d, v, w) = low, high
            bottom = [(a + (b - a) * s, y, z), (a + (b - a) * t, y, z)]
            self.face([*bottom, (c + (d - c) * t, v, w), (c + (d - c) * s, v, w)], glass)

    def solid(self, profile: Sequence[Point], half: float | Callable[[float], float],
              colour: Colour, glazed: bool = False) -> None:  # fmt: skip
        """A convex profile (x, y), counter-clockwise, to both sides of the middle plane.

        `half` is its half width, at any height or by height; `glazed` puts glass in its ends.
        """
        wide = half if callable(half) else lambda y: half
        ring = [(x, y, wide(y)) for x, y in profile]
        for (ax, ay, az), (bx, by, bz) in zip(ring, ring[1:] + ring[:1], strict=True):
            up = (ax - bx) / (math.hypot(bx - ax, by - ay) or 1)
            paint = GLASS if glazed and up < 0.93 else metal(colour, up)
            self.face([(ax, ay, az), (ax, ay, -az), (bx, by, -bz), (bx, by, bz)], paint)
        self.face(ring, coat(colour))

    def block(self, x0: float, x1: float, y0: float, y1: float, half: float, colour: Colour):
        self.solid([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], half, colour)

    def barrel(self, hoops: Sequence[Point3], colour: Colour, z: float = 0, cap: Colour = STEEL):
        """A round body along x through hoops (x, y, radius), its middle at `z`."""
        turns = list(zip(CIRCLE, CIRCLE[-1:] + CIRCLE[:-1], strict=True))
        for (ax, ay, ar), (bx, by, br) in zip(hoops, hoops[1:], strict=False):
            for (c, s), (d, t) in turns:
                low = [(ax, ay + ar * t, z + ar * d), (bx, by + br * t, z + br * d)]
                high = [(bx, by + br * s, z + br * c), (ax, ay + ar * s, z + ar * c)]
                self.face(low + high, metal(colour, s))
        for (x, y, r), way in ((hoops[0], 1), (hoops[-1], -1)):
            rim = [(x, y + r * s, z + r * c) for c, s in CIRCLE[::way]]
            self.face(rim, (cap, mix(cap, colour, 0.6)))

    def rod(self, path: Sequence[Point3], wide_m: float, colour: Colour) -> None:
        self.canvas.line([self.at(*p) for p in path], wide_m * self.scale, colour)

    def limb(self, path: Sequence[Point3], wide_m: float, colour: Colour) -> None:
        """A thick line with round ends and a lit upper side."""
        seen, r = [self.at(*p) for p in path], wide_m * self.scale / 2
        for x, y in (seen[0], seen[-1]):
            self.canvas.disc(x, y, r, colour)
        self.canvas.line(seen, 2 * r, colour)
        gleam = [(x - r * 0.3, y - r * 0.3) for x, y in seen]
        self.canvas.line(gleam, r * 0.7, mix(colour, WHITE, 0.2))

    def ball(self, x: float, y: float, z: float, r: float, colour: Colour) -> None:
        self.canvas.ball(*self.at(x, y, z), r * self.scale, colour)

    def lamp(self, x: float, y: float, z: float, r: float, colour: Colour) -> None:
        """A round lamp at the front (x > 0) or the rear, brightest when that faces us."""
        seen, facing = self.at(x, y, z), self.sin * math.copysign(1, x)
        if facing > -0.2:
            self.canvas.disc(*seen, r * self.scale, mix(colour, WHITE, 0.3))
            self.canvas.glow(*seen, r * self.scale * (1.6 + 1.6 * max(0, facing)), colour)

    def lamps(self, x: float, head: float, tail: float, half: float, r: float) -> None:
        """Headlights and tail lights at those heights, wrapped round the corners."""
        self.side(x - 2.5 * r, x - 0.04, head - r / 2, head + r / 2, half, WARM)
        self.side(0.04 - x, 2 * r - x, tail - r / 2, tail + r / 2, half, RED)
        for z in (1.5 * r - half, half - 1.5 * r):
            self.lamp(x, head, z, r, WARM)
            self.lamp(-x, tail, z, r * 0.9, RED)

    def hoop(self, x: float, y: float, r: float, z: float) -> list[Point3]:
        return [(x + r * c, y + r * s, z) for c, s in CIRCLE]

    def on_wheels(self, axles: Sequence[float], r: float, half: float, body: Callable[[Pen], None],
                  rim: Colour, arch: bool = True) -> None:  # fmt: skip
        """`body` on its wheels: treads and the far side before it, the near side's discs after."""
        for x in axles:
            for a, b in ((-half, 0.25 - half), (half - 0.25, half)):
                for z in (a, b - 0.05):
                    self.canvas.fill([self.at(*p) for p in self.hoop(x, r, r, z)], TYRE)
                tread = ((0.05, a), (0.05, b), (1.6 * r, b), (1.6 * r, a))
                self.canvas.fill([self.at(x, y, z) for y, z in tread], TYRE)
        body(self)
        for x in axles:
            if arch:
                over = self.hoop(x, r, r * 1.22, half)
                self.face([p for p in over if p[1] >= r * 0.9], BLACK)
            self.face(self.hoop(x, r, r, half), (mix(TYRE, WHITE, 0.2), TYRE, BLACK))
            self.face(self.hoop(x, r, r * 0.62, half), (rim, mix(rim, BLACK, 0.5)))
            self.face(self.hoop(x, r, r * 0.4, half), (mix(rim, BLACK, 0.6), rim))

    def spoked(self, x: float, r: float, wide: float, tyre: Colour, hub: float, spokes: int = 4):
        """The wheel of a two-wheeler: a hoop `wide` metres thick, round a hub."""
        ring = self.hoop(x, r, r - wide / 2, 0)
        self.rod([*ring, ring[0]], wide, tyre)
        for c, s in CIRCLE[:: 16 // spokes]:
            self.rod([(x, r, 0), (x + c * (r - wide), r + s * (r - wide), 0)], 0.015, STEEL)
        self.ball(x, r, 0, hub, STEEL)

    def in_order(self, parts: Sequence[tuple[float, Callable[[Pen], None]]]) -> None:
        """Paint parts, each at its x, from far to near; as given when seen from the side."""
        if abs(self.sin) > 0.35:
            parts = sorted(parts, key=lambda part: part[0] * self.sin)
        for _, paint in parts:
            paint(self)
