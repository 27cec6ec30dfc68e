"""Five kinds of vehicle, drawn by code: a sample that needs no download and has no licence.

Every vehicle is a solid in metres (x forwards, y up, z towards us while it faces right) before a
pinhole camera, so one description serves side, three-quarter, front and rear views. Place, light,
colour, size and clutter come from the same tables for every class: none of them gives it away.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
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
BARK, WICKER, ORANGE, YELLOW = (112, 82, 58), (190, 144, 88), (246, 100, 34), (250, 220, 90)
GLASS = ((204, 224, 238), (104, 130, 156), (44, 58, 74))
TINTED = ((120, 138, 156), (54, 64, 78), (30, 36, 46))
SKINS = ((240, 200, 170), (205, 150, 110), (140, 92, 62), (90, 58, 40))
LEAVES = ((62, 110, 52), (88, 128, 54), (44, 92, 62), (150, 128, 50), (160, 92, 44))
HEAPS = ((196, 160, 100), BARK, (140, 140, 140), DARK)
PAINTS = (
    (196, 36, 34), (226, 106, 30), (240, 190, 44), (70, 140, 62), (28, 84, 62), (60, 160, 170),
    (40, 92, 176), (28, 40, 92), (112, 62, 140), (226, 130, 150), (238, 238, 234), (188, 192, 198),
    (108, 112, 120), (40, 42, 48), (122, 78, 46), (222, 206, 168),
)
# fmt: on
CIRCLE = [(math.cos(a * math.pi / 8), math.sin(a * math.pi / 8)) for a in range(16)]


def draw(name: str, number: int) -> np.ndarray:
    """uint8 (64, 64, 3): drawing `number` of a `name`; the same pair gives the same picture.

    Chance comes from the pair alone; another version of Pillow may still shade an edge otherwise.
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
        thing(canvas, dice, dice.pick(CLUTTER), foot, PX * (0.12 + 0.4 * near * dice.random()))
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
        what, tall = dice.pick(CLUTTER[2:]), dice.between(0.2, 0.7) * PX
        tall = min(tall, (right - left) * (0.25 if what in ("bush", "fence") else 0.7))
        thing(canvas, dice, what, (dice.between(left, right), bottom + dice.between(2, 20)), tall)
    slant = dice.between(-6, 6)
    for _ in range(50 if dice.chance(0.06) else 0):  # rain
        x, y = dice.between(0, PX), dice.between(0, PX)
        canvas.line([(x, y), (x + slant, y + 16)], 1, (216, 222, 230))
    return photograph(canvas, dice)


def stand(canvas: Canvas, dice: Dice, size: Size, share: float, foot: Point | None = None) -> Pen:
    """A pen for a vehicle of `size` (m) that takes about `share` of the frame.

    Its wheels come to `foot` (px) where that is given; otherwise it is placed by chance, at times
    partly outside the frame.
    """
    way = dice.pick((-1, 1))  # the front towards us, or the rear
    views = ((0, 0.3), (0, 0.3), (0, 0.3), (0, 0.3), (0.3, 1), (0.3, 1), (0.3, 1), (1, 1.5))
    yaw = way * dice.between(*dice.pick(views))
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
    image, shrink, half, c, s = canvas.image, PX // IMAGE_PX, PX / 2, 1.0, 0.0
    if dice.chance(0.35):  # held askew, and a little closer so that no corner is empty
        turn = dice.between(-0.09, 0.09)
        c, s = math.cos(turn) * 0.92, math.sin(turn) * 0.92
        matrix = (c, s, half - (c + s) * half, -s, c, half - (c - s) * half)
        image = image.transform((PX, PX), Image.Transform.AFFINE, matrix)
    image = image.reduce(shrink)
    if dice.chance(0.25):
        image = image.filter(ImageFilter.GaussianBlur(dice.between(0.3, 0.8)))
    light = np.asarray(image, np.float64) / 255
    ys, xs = np.mgrid[0:IMAGE_PX, 0:IMAGE_PX] * shrink - half
    xs, ys = c * xs + s * ys + half, c * ys - s * xs + half  # where each pixel is on the canvas
    for x, y, r, colour in canvas.glows:
        if not (0 <= x < PX and 0 <= y < PX and canvas.image.getpixel((int(x), int(y))) == colour):
            continue  # something stands before it
        away = ((xs - x) ** 2 + (ys - y) ** 2) / max(r, 1) ** 2
        glare = 0.7 / (1 + away * away) + 0.12 / (1 + away / 9)
        light += glare[..., None] * np.array(colour) / 255
    exposure = dice.between(0.82, 1.15)
    light *= [exposure * dice.between(0.94, 1.06) for _ in range(3)]
    light = (light - 0.5) * dice.between(0.8, 1.15) + dice.between(0.45, 0.56)
    light += (noise(dice, light.shape) - 0.5) * dice.between(0.01, 0.08)
    return (light.clip(0, 1) * 255).astype(np.uint8)


# Vehicles: each function gives a size, and what paints it with a pen of that size

Paint = Callable[["Pen"], None]

# Length; heights of roof, windows and bonnet; x of the windscreen's foot, of the roof's two ends
# and of the cabin's rear; windows; clearance
CARS = (
    (3.9, 1.48, 0.92, 0.70, 0.95, 0.30, -1.45, -1.85, 2, 0.20),  # hatchback
    (4.6, 1.42, 0.90, 0.70, 0.95, 0.30, -0.95, -1.60, 2, 0.20),  # saloon
    (4.7, 1.48, 0.92, 0.70, 1.05, 0.40, -1.95, -2.25, 3, 0.20),  # estate
    (5.1, 1.72, 1.08, 0.95, 1.05, 0.60, -0.35, -0.55, 2, 0.35),  # pick-up
    (4.4, 1.78, 1.05, 0.80, 1.60, 0.75, -1.85, -2.10, 3, 0.20),  # people carrier
    (4.3, 1.20, 0.80, 0.55, 0.75, 0.10, -0.70, -1.75, 1, 0.14),  # sports car
    (4.5, 1.80, 1.10, 0.98, 1.00, 0.55, -2.00, -2.20, 3, 0.36),  # four by four
)


def car(dice: Dice) -> tuple[Size, Paint]:
    length, top, belt, nose, cowl, screen, roof_end, rear, windows, ride = dice.pick(CARS)
    paint, rim, half, h = dice.paint(), dice.pick((STEEL, DARK, WHITE)), 0.88, length / 2
    roof, narrow = dice.paint() if dice.chance(0.25) else paint, half - 0.35 * (top - belt)

    def body(pen: Pen) -> None:
        shell = [(-h, ride + 0.15), (-h + 0.15, ride), (h - 0.15, ride), (h, ride + 0.12)]
        shell += [(h, nose - 0.08), (h - 0.15, nose + 0.04), (cowl, belt), (0.25 - h, belt)]
        pen.solid(smooth([*shell, (-h, belt - 0.05)]), half, paint)
        if rear > 1.5 - h:  # the bed of a pick-up, and what it carries
            pen.block(0.1 - h, rear, belt, belt + 0.01, half - 0.1, DARK)
            pen.block(0.3 - h, rear - 0.2, belt, belt + 0.2, half - 0.15, dice.paint())
        cabin = [(rear, belt - 0.02), (cowl, belt - 0.02), (screen, top - 0.05)]
        cabin += [(screen - 0.2, top), (roof_end, top), (roof_end - 0.1, top - 0.06)]
        pen.solid(cabin, half - 0.03, roof, narrow, glazed=True)
        low = (rear + 0.1, cowl - 0.15, belt + 0.03, half - 0.04)
        pen.panes(windows, low, (roof_end, screen - 0.02, top - 0.1, narrow + 0.03))
        for x in (screen + 0.25, screen - 0.85):
            pen.side(x, x + 0.03, ride + 0.15, belt, half, mix(paint, BLACK, 0.5))
        if dice.chance(0.2):
            pen.side(0.1 - h, h - 0.1, ride + 0.2, ride + 0.35, half, dice.paint())
        pen.end(h, ride + 0.05, ride + 0.2, half - 0.1, DARK)
        pen.end(h, ride + 0.24, nose - 0.1, 0.42, (DARK, BLACK))
        pen.end(-h, belt - 0.27, belt - 0.1, half, mix(paint, BLACK, 0.3))
        pen.end(h, ride + 0.2, ride + 0.33, 0.26, WHITE)
        pen.end(-h, ride + 0.2, ride + 0.33, 0.26, YELLOW)
        pen.lamps(h, nose - 0.12, belt - 0.16, half, 0.13)
        for z in (-half - 0.06, half + 0.06):
            pen.ball(cowl - 0.3, belt + 0.08, z, 0.09, paint)

    r, axles = 0.39 if ride > 0.3 else 0.33, (-h * 0.62, h * 0.64)
    return (length, top, half), lambda pen: pen.on_wheels(axles, r, half, body, rim)


LOGS = ((-0.8, 1.4), (-0.3, 1.4), (0.25, 1.4), (0.8, 1.4), (-0.5, 1.85), (0, 1.85), (0.5, 1.85))
BED = "solid any 1.2 0,.95 1,.95 1,1.15 0,1.15\n"
LOADS = (  # as `build` reads them; x runs from 0 to 1 along the bed
    """solid paint 1.2 0,.95 1,.95 1,3.4 0,3.4
    ribs shade 1.2 0,1 1,3.4""",  # a container
    """solid paint 1.2 0,.95 1,.95 1,3.2 0,3.2
    side trim 1.2 .08,1.3 .92,1.3 .92,2.1 .08,2.1""",
    """solid heap .95 .1,2 .95,2 .7,2.7 .4,2.8
    solid paint 1.2 0,1 1,1 1,2.3 -.05,2.1
    ribs shade 1.2 .05,1 1,2.1""",  # tippers, one of them tipping
    """solid heap .95 .08,2 .8,3.3 .5,3.5 .2,2.8
    solid paint 1.2 0,1 .92,2.4 .76,3.55 -.15,2.15""",
    """barrel paint 0 .02,2.05,1.1 .98,2.05,1.1
    band shade 0 .2,2.05,1.12 .22,2.05,1.12
    band trim 0 .4,2.05,1.12 .6,2.05,1.12
    band shade 0 .78,2.05,1.12 .8,2.05,1.12""",  # a tanker
    """solid dark .6 0,.9 1,.9 1,1.6 .1,1.6
    barrel paint 0 .05,2.5,.45 .35,2.1,1.1 .65,1.95,1.1 1,1.8,.6
    band trim 0 .48,2.03,1.12 .52,2.02,1.12""",  # a mixer
    BED + "\n".join(f"barrel bark {z} {y / 50},{y},.28 .96,{y},.28" for z, y in LOGS),
    BED + """solid any 1 .02,1.15 .3,1.15 .3,2.4 .02,2.4
    solid any 1 .33,1.15 .55,1.15 .55,1.9 .33,1.9
    solid any 1 .58,1.15 .95,1.15 .95,2.7 .58,2.7""",
)  # fmt: skip


def lorry(dice: Dice) -> tuple[Size, Paint]:
    load, h, half = dice.pick(LOADS), dice.pick((3.2, 3.5, 3.8, 4.9)), 1.2
    paint, trim, roof = dice.paint(), dice.paint(), dice.between(2.7, 3.1)
    bonnet, bed = dice.pick((0, 0, 0, 0.8)), 2 * h - dice.between(2, 2.3)
    axles = [0.8 - h, h - 1.05] + ([1.9 - h] if h > 3.4 else []) + ([h - 2.6] if h > 4 else [])

    def cab(pen: Pen) -> None:
        rear, screen = bed + 0.2 - h - bonnet, h - bonnet
        outline = [(rear, 0.45), (screen, 0.45), (screen, 1.55), (screen - 0.25, roof - 0.2)]
        pen.solid([*outline, (screen - 0.6, roof), (rear, roof)], half, paint)
        if dice.chance(0.4):
            pen.block(rear, screen - 0.7, roof, roof + 0.4, half - 0.2, paint)
        pen.side(rear, screen, 1.2, 1.32, half, trim)
        high = (rear + 0.3, screen - 0.35, roof - 0.35, half)
        pen.panes(1, (rear + 0.3, screen - 0.15, 1.6, half), high)
        pen.end(screen, 1.6, roof - 0.3, half - 0.1, GLASS, lean=0.2)
        if bonnet:
            pen.block(screen, h, 0.5, 1.5, half - 0.2, paint)
        pen.end(h, 0.5, 0.8, half - 0.1, (DARK, TYRE))
        pen.end(h, 0.85, 1.4, 0.6, (STEEL, DARK, BLACK))
        pen.lamps(h, 0.75, 0.75, half - 0.2, 0.17)
        pen.mirrors(screen - 0.1, 1.6, half)

    def cargo(pen: Pen) -> None:
        pen.block(-h, bed - h, 0.7, 0.95, half - 0.2, DARK)
        pen.end(-h, 0.7, 0.9, half, RED)
        build(pen, dice, load, {"trim": trim, "heap": dice.pick(HEAPS)}, -h, bed)

    def body(pen: Pen) -> None:
        pen.in_order([(-1, cargo), (1, cab)])

    rim = dice.pick((STEEL, trim))
    return (2 * h, 3.3, half), lambda pen: pen.on_wheels(axles, 0.5, half, body, rim, arch=False)


BUSES = (  # half length; heights: roof, windows' edge; windows, decks, slope of the windscreen
    (4.5, 3.0, 1.25, 6, 1, 0.15, GLASS),  # city bus
    (4.0, 4.3, 1.20, 5, 2, 0.10, GLASS),  # double-decker
    (4.6, 3.4, 1.70, 6, 1, 0.40, TINTED),  # coach
    (3.0, 2.6, 1.25, 4, 1, 0.70, GLASS),  # minibus
    (3.8, 3.0, 1.40, 7, 1, 0.10, GLASS),  # old-timer
)


def bus(dice: Dice) -> tuple[Size, Paint]:
    h, top, sill, windows, decks, slope, glass = dice.pick(BUSES)
    half, paint, band, inside = 1.2, dice.paint(), dice.paint(), dice.chance(0.7)
    stripe = (0.4, sill - 0.25) if dice.chance(0.4) else (sill - 0.55, sill - 0.35)
    doors = dice.pick(((h - 0.95,), (h - 0.95, -0.4), (-0.6,)))
    storey = (top - sill - 0.25) / decks

    def body(pen: Pen) -> None:
        shell = [(-h, 0.35), (h, 0.35), (h, sill), (h - slope, top - 0.2)]
        pen.solid([*shell, (h - slope - 0.2, top), (0.2 - h, top), (-h, top - 0.25)], half, paint)
        pen.side(-h, h, *stripe, half, coat(band)[1:])
        for x in (-h, h):
            pen.end(x, *stripe, half, band)
            pen.end(x, 0.38, 0.65, half - 0.1, (DARK, BLACK))
        pen.canvas.own_light = inside and pen.canvas.light.lamps
        pane = ((255, 240, 200), (230, 190, 120)) if pen.canvas.own_light else glass
        for low in (sill, sill + storey)[:decks]:
            high = low + storey - 0.12 * decks
            inset, lean = (slope * (y - sill) / (top - sill) for y in (low, high))
            below = (0.15 - h, h - 0.15 - inset, low, half)
            pen.panes(windows, below, (0.15 - h, h - 0.12 - lean, high, half), pane)
            pen.end(h - inset, low - 0.05, high, half - 0.12, pane, lean=lean - inset)
            pen.end(-h, low + 0.1, high, half - 0.3, pane)
        for x in doors:
            pen.side(x - 0.5, x + 0.4, 0.45, sill + storey - 0.2, half, DARK)
            for left in (x - 0.44, x - 0.02):
                pen.side(left, left + 0.36, 0.55, sill + storey - 0.3, half, pane)
        pen.end(h - slope, top - 0.41, top - 0.09, 0.8, BLACK)
        pen.end(h - slope, top - 0.36, top - 0.14, 0.6, AMBER)
        pen.canvas.own_light = False
        pen.lamps(h, 0.8, 0.95, half - 0.15, 0.17)
        pen.mirrors(h - 0.1, sill + 0.4, half)

    axles, rim = (-h * 0.57, h - (1.1 if h < 3.5 else 2.2)), dice.pick((STEEL, paint))
    return (2 * h, top, half), lambda pen: pen.on_wheels(axles, 0.46, half, body, rim)


ENGINE = """round engine .17 -.3,.2 .25,.2 .32,.6 -.25,.66
    ribs chrome .18 -.05,.3 .3,.55
    round seat .13 -.9,.85 -.4,.68 -.08,.7 -.12,.82 -.5,.82 -.9,.94
    round paint .16 -.15,.66 .3,.66 .38,.88 .15,1 -.1,.86
    """
MOTORCYCLES = (  # radius and x of the wheels, height of the tail light, bars, shoulder, body
    (0.32, 0.70, 0.80, (0.40, 1.02), (-0.05, 1.33), ENGINE),
    (0.31, 0.70, 0.86, (0.42, 0.90), (0.12, 1.28), ENGINE + """
        round paint .2 -.2,.3 .4,.28 .72,.72 .62,.92 .25,.85
        round trim .21 0,.45 .45,.5 .5,.6 .05,.56
        round glass .12 .38,.88 .62,.88 .4,1.12"""),  # sports bike
    (0.33, 0.75, 0.80, (0.36, 1.08), (-0.15, 1.36), ENGINE + """
        solid trim .3 -1.05,.5 -.5,.5 -.5,.8 -1.05,.8
        solid trim .2 -1.1,.94 -.7,.94 -.7,1.24 -1.1,1.24
        round glass .15 .42,.95 .52,.95 .36,1.35"""),  # tourer with its cases
    (0.33, 0.85, 0.62, (0.26, 1.08), (-0.22, 1.25), """round engine .17 -.35,.2 .25,.2 .3,.55 -.3,.6
        round trim .1 -1.15,.5 -.8,.6 -.5,.55 -.6,.72 -.9,.75 -1.15,.6
        round seat .15 -.75,.68 -.1,.58 -.1,.68 -.35,.72 -.75,.86
        round paint .17 -.15,.6 .35,.7 .4,.88 .2,.94 -.1,.74"""),  # cruiser
    (0.23, 0.62, 0.66, (0.42, 1.0), (-0.2, 1.32),
        """round paint .17 -.57,.2 .3,.2 .34,.3 -.1,.32 -.12,.72 -.82,.72 -.87,.5
        round paint .22 .26,.24 .4,.24 .48,.9 .38,.95
        round seat .14 -.8,.7 -.1,.7 -.14,.8 -.75,.84"""),  # scooter
)  # fmt: skip


def motorcycle(dice: Dice) -> tuple[Size, Paint]:
    r, b, tail, (bx, by), shoulder, hulls = dice.pick(MOTORCYCLES)
    paint, trim, chrome = dice.paint(), dice.paint(), dice.pick((STEEL, DARK, (206, 208, 212)))
    roles = {"paint": paint, "trim": trim, "engine": mix(DARK, chrome, 0.3), "chrome": chrome}

    def rear(pen: Pen) -> None:
        pen.spoked(-b, r, 0.13, TYRE, 0.1)
        guard = [(-0.25, 0.2), (0.1, 0.3), (0.1, 0.4), (-0.25, 0.36)]
        pen.solid([(x - b, r + y) for x, y in guard], 0.08, trim)
        pen.lamp(-b - 0.24, tail, 0, 0.07, RED)

    def middle(pen: Pen) -> None:
        pen.rod([(-b, r, 0.05), (-0.2, 0.42, 0.05)], 0.09, DARK)
        build(pen, dice, hulls, roles)
        if r > 0.3:
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

    feet = ((0.05, 0.32), (0.0, 0.3))
    people = rider(dice, (-0.32, tail + 0.12), shoulder, (bx - 0.03, by), feet, 0.55)
    parts = [*people[:1], (-b, rear), (0, middle), (b, front), *people[1:]]
    size = (2 * (b + r), shoulder[1] + 0.35 if people else 1.2, 0.35)
    return size, lambda pen: pen.in_order(parts)


BICYCLES = (  # radius and thickness of the wheels, saddle, bars, rider's shoulder, scale
    ("racing", 0.34, 0.04, (-0.2, 1.0), (0.5, 0.95), (0.22, 1.4), 1),
    ("city", 0.34, 0.055, (-0.26, 0.92), (0.3, 1.1), (-0.12, 1.45), 1),
    ("mountain", 0.34, 0.08, (-0.22, 0.94), (0.4, 1.02), (0.08, 1.43), 1),
    ("child's", 0.25, 0.07, (-0.2, 0.68), (0.26, 0.84), (-0.1, 1.06), 0.78),
)


def bicycle(dice: Dice) -> tuple[Size, Paint]:
    style, r, thick, (sx, sy), (bx, by), shoulder, k = dice.pick(BICYCLES)
    paint, tyre = dice.paint(), dice.pick((TYRE, TYRE, BARK, mix(dice.paint(), BLACK, 0.4)))
    rear, front, crank, seat = (-0.53 * k, r), (0.53 * k, r), (-0.06 * k, r * 0.86), (sx, sy - 0.12)
    head, neck, turn = (0.34 * k, by - 0.12), (0.4 * k, by - 0.3 * k), dice.between(0, 2 * math.pi)
    dx, dy = 0.16 * k * math.cos(turn), 0.16 * k * math.sin(turn)
    feet = ((crank[0] - dx, crank[1] - dy), (crank[0] + dx, crank[1] + dy))
    low, extras = style in ("city", "child's"), dice.chance(0.6)

    def back(pen: Pen) -> None:
        pen.spoked(*rear, thick, tyre, 0.035, 8)
        if style == "city":
            pen.block(rear[0] - 0.25, rear[0] + 0.25, 2 * r + 0.05, 2 * r + 0.09, 0.08, DARK)
        for z in (-0.2, 0.2) if k < 1 and extras else ():  # stabilisers
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
        pen.spoked(*front, thick, tyre, 0.035, 8)
        pen.rod([(*front, 0), (*neck, 0), (*head, 0)], 0.06, paint)
        pen.rod([(*head, 0), (bx - 0.06, by, 0)], 0.04, STEEL)
        drop = ((0.12, -0.03), (0.08, -0.16), (-0.03, -0.17)) if style == "racing" else ()
        for z in (-0.22 * k, 0.22 * k):
            hook = [(bx + x, by + y, z) for x, y in drop]
            pen.rod([(bx - 0.06, by, 0), (bx, by, z), *hook], 0.045, DARK)
        if low and extras:
            pen.block(bx + 0.08, bx + 0.34, by - 0.22, by, 0.16, WICKER)
        pen.lamp(neck[0] + 0.08, neck[1] + 0.08, 0, 0.05, WARM)

    people = rider(dice, (sx, sy + 0.08), shoulder, (bx, by), feet, 0.5, k)
    parts = [*people[:1], (-0.5, back), (-0.1, frame), (0.5, steering), *people[1:]]
    size = (1.75 * k, shoulder[1] + 0.4 * k if people else by, 0.25)
    return size, lambda pen: pen.in_order(parts)


def rider(dice: Dice, hip: Point, shoulder: Point, hand: Point, feet: tuple[Point, Point],
          chance: float, k: float = 1) -> list[tuple[float, Paint]]:  # fmt: skip
    """Parts for `Pen.in_order`: far limbs, trunk, near limbs; none where nobody rides.

    Places are in the plane of the bike, the far foot first; `k` is 1 for an adult.
    """
    if not dice.chance(chance):
        return []
    top, trousers, skin, hat = dice.paint(), dice.paint(), dice.pick(SKINS), dice.paint()
    (hx, hy), (sx, sy), (ax, ay) = hip, shoulder, hand

    def limbs(pen: Pen, side: int) -> None:
        (fx, fy), z = feet[side > 0], 0.13 * side * k
        knee = ((hx + fx) / 2 + 0.2 * k, (hy + fy) / 2 + 0.12 * k, z * 1.4)
        elbow = ((sx + ax) / 2 - 0.02, (sy + ay) / 2 - 0.08 * k, z * 2.4)
        pen.limb([(hx, hy, z), knee, (fx, fy, z)], 0.15 * k, mix(trousers, BLACK, 0.3))
        pen.limb([(fx - 0.04, fy, z), (fx + 0.14 * k, fy, z)], 0.1 * k, DARK)
        sleeve = [(sx, sy - 0.03, z * 1.3), elbow, (ax, ay, z * 2)]
        pen.limb(sleeve, 0.11 * k, mix(top, BLACK, 0.12))
        pen.ball(ax, ay, z * 2, 0.06 * k, skin)

    def trunk(pen: Pen) -> None:
        for z in (-0.09 * k, 0.09 * k):
            pen.limb([(hx, hy, z), (sx, sy, z)], 0.25 * k, top)
        pen.ball(sx + 0.1 * k, sy + 0.24 * k, 0, 0.13 * k, skin)
        pen.ball(sx + 0.08 * k, sy + 0.28 * k, 0, 0.14 * k, hat)
        pen.ball(sx + 0.16 * k, sy + 0.19 * k, 0, 0.08 * k, skin)

    return [(-0.1, lambda pen: limbs(pen, -1)), (-0.05, trunk), (0.2, lambda pen: limbs(pen, 1))]


ROLES = {"dark": DARK, "bark": BARK, "seat": TYRE, "glass": STEEL}
VEHICLES = {"car": car, "lorry": lorry, "bus": bus, "motorcycle": motorcycle, "bicycle": bicycle}


def build(
    pen: Pen, dice: Dice, text: str, roles: dict[str, Colour], start: float = 0, long: float = 1
) -> None:
    """Solids from lines such as `solid paint .17 x,y x,y ...`: shape, colour, half width, outline.

    A `round` has its corners cut; a `barrel`, or a `band` round it, gives its z and hoops
    x,y,radius; `ribs` stripe a rectangle. x counts from `start` in units of `long`.
    """
    roles = {"paint": dice.paint(), **ROLES, **roles}
    roles["shade"] = mix(roles["paint"], BLACK, 0.3)
    for shape, role, half, outline in parsed(text):
        colour = roles[role] if role in roles else dice.paint()
        outline = [(start + x * long, *rest) for x, *rest in outline]
        if shape in ("barrel", "band"):
            pen.barrel(outline, colour, half, closed=shape == "barrel")
        elif shape == "side":
            pen.face([(x, y, half) for x, y in outline], colour)
        elif shape == "ribs":
            (x0, y0), (x1, y1) = outline
            for x in np.linspace(x0, x1, 7)[:-1]:
                pen.side(x, x + (x1 - x0) / 25, y0, y1, half, colour)
        else:
            pen.solid(smooth(outline) if shape == "round" else outline, half, colour)


@lru_cache
def parsed(text: str) -> list[tuple[str, str, float, list[tuple[float, ...]]]]:
    rows = [line.split() for line in text.splitlines() if line.strip()]
    return [(a, b, float(c), [tuple(map(float, p.split(","))) for p in d]) for a, b, c, *d in rows]


# Light and place, the same for all


class Light(NamedTuple):
    tint: tuple[float, float, float]  # what is left of red, green and blue
    sky: tuple[Colour, ...]  # from the top down to the horizon; empty: that of the place
    haze: Colour
    fog: float  # share of haze before the vehicle; far things get more
    shadow: float  # darkness of the shadow on the ground
    sun: bool = False  # a hard shadow, to one side
    lamps: bool = False  # headlights and windows are lit


class Place(NamedTuple):
    sky: tuple[Colour, ...]
    ground: tuple[Colour, Colour]
    clutter: float  # things that stand about, on average
    road: float  # how often a road leads through
    wall: Callable[[Canvas, Dice, float], None] | None = None  # what closes the view, if anything
    ridges: tuple[tuple[float, Colours], ...] = ()  # hills and their height in px; below 0: level
    far: tuple[str, float, float] = ("tree", 0, 0)  # what stands there, smallest and largest px


def street(canvas: Canvas, dice: Dice, y: float) -> None:
    x = -dice.between(0, 40)
    while x < PX:
        wide, tall, step = dice.between(28, 70), dice.between(30, 150), dice.between(11, 17)
        wall = mix(dice.paint(), STEEL, 0.5)
        canvas.box(x, y - tall, x + wide, y + 2, (mix(wall, WHITE, 0.15), mix(wall, BLACK, 0.2)))
        if dice.chance(0.5):
            peak = (x + wide / 2, y - tall - wide * 0.3)
            canvas.fill([(x, y - tall), (x + wide, y - tall), peak], mix(wall, (110, 50, 40), 0.5))
        for top in np.arange(y - tall + 5, y - step, step):
            for left in np.arange(x + 4, x + wide - step * 0.6, step):
                pane = mix((70, 84, 100), (190, 210, 225), dice.random() * 0.6)
                if canvas.light.lamps and dice.chance(0.3):
                    canvas.own_light, pane = True, (240, 200, 120)
                canvas.box(left, top, left + step * 0.5, top + step * 0.6, pane)
                canvas.own_light = False
        x += wide


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


# fmt: off
LIGHTS = (
    Light((1, 1, 1), (), (206, 218, 228), 0, 0.5),  # day
    Light((1.08, 1.03, 0.94), (), (214, 224, 230), 0, 0.6, sun=True),
    Light((1.08, 0.9, 0.7), ((110, 150, 196), (244, 214, 164)), (240, 206, 160),
          0.04, 0.6, sun=True),
    Light((0.8, 0.83, 0.86), ((150, 158, 168), (206, 208, 210)), (190, 194, 198), 0.05, 0.35),
    Light((0.66, 0.55, 0.6), ((66, 58, 112), (176, 92, 110), (250, 164, 92)), (190, 120, 110),
          0.06, 0.4, lamps=True),  # dusk
    Light((0.45, 0.48, 0.62), ((8, 12, 32), (26, 34, 66)), (30, 36, 60), 0.05, 0.4, lamps=True),
    Light((0.88, 0.9, 0.92), ((196, 200, 204), (212, 214, 216)), (206, 210, 212), 0.3, 0.3),  # fog
)
BLUE, PALE = ((84, 140, 206), (150, 192, 230), (216, 230, 238)), ((150, 174, 204), (226, 230, 234))
HILLS = ((60, ((130, 156, 168), (150, 176, 160))), (32, ((120, 156, 90), (96, 136, 70))))
ALPS = (90, ((244, 248, 252), (150, 172, 196), (190, 206, 222)))
DUNES = (26, ((226, 184, 122), (206, 160, 100)))
SEA = (-10, ((60, 120, 160), (110, 176, 190), (220, 232, 230)))
PLACES = (
    Place(BLUE, ((150, 148, 146), (116, 116, 118)), 2.5, 0.8, street),
    Place(PALE, ((168, 160, 150), (130, 124, 118)), 2.5, 0.8, street),
    Place(BLUE, ((128, 158, 84), (92, 128, 60)), 2, 0.7, None, HILLS, ("tree", 14, 60)),
    Place(PALE, ((190, 176, 104), (150, 140, 76)), 2, 0.7, None, HILLS, ("tree", 14, 60)),
    Place(PALE, ((236, 240, 246), (208, 216, 228)), 1.5, 0.5, None, (ALPS,), ("fir", 20, 80)),
    Place(BLUE, ((226, 190, 132), (190, 146, 92)), 1, 0.6, None, (DUNES,), ("mesa", 15, 60)),
    Place(BLUE, ((206, 196, 176), (168, 160, 148)), 1.5, 0.5, None, (SEA,), ("boat", 8, 30)),
    Place(PALE, ((150, 148, 144), (104, 102, 100)), 1, 0.1, garage),
    Place(PALE, ((150, 150, 152), (170, 170, 172)), 0, 0, studio),
)
THINGS = {  # shape, colour and numbers: x and y of points, in heights from the foot; r of a ball
    "mesa": (("fill", (190, 120, 82), -.8, 0, .8, 0, .5, 1, -.6, 1),),
    "boat": (("fill", WHITE, 0, .1, .5, .1, 0, 1), ("box", "any", -.2, -.05, .6, .1)),
    "tree": (("box", BARK, -.05, 0, .05, .5), ("ball", "leaf", -.2, .5, .2),
             ("ball", "leaf", .2, .52, .2), ("ball", "leaf", 0, .6, .26),
             ("ball", "leaf", -.1, .76, .2), ("ball", "leaf", .1, .72, .2)),
    "fir": (("fill", "leaf", -.3, .08, .3, .08, 0, .55),
            ("fill", "leaf", -.23, .35, .23, .35, 0, .78),
            ("fill", "leaf", -.16, .6, .16, .6, 0, 1)),
    "bush": tuple(("ball", "leaf", x, y, .2) for x, y in (
        (-.5, .2), (.5, .2), (-.3, .45), (.35, .4), (0, .6), (-.15, .3), (.2, .25), (-.35, .15))),
    "lamp": (("box", "any", -.015, 0, .015, 1), ("box", "any", 0, .97, .16, 1),
             ("lamp", WARM, .16, .96, .04)),
    "cone": (("fill", ORANGE, -.14, 0, .14, 0, 0, .4), ("box", WHITE, -.07, .14, .07, .22),
             ("box", ORANGE, -.18, 0, .18, .04)),
    "sign": (("box", STEEL, -.02, 0, .02, .8), ("ball", RED, 0, .8, .14),
             ("ball", WHITE, 0, .8, .09)),
    "warning": (("box", STEEL, -.02, 0, .02, .8), ("fill", AMBER, -.16, .65, .16, .65, 0, .95),
                ("ball", DARK, 0, .74, .04)),
    "post": (("box", "any", -.06, 0, .06, .6), ("box", DARK, .02, 0, .06, .6)),
    "person": (("box", "dark", -.1, 0, -.02, .5), ("box", "dark", .03, 0, .11, .5),
               ("fill", "any", -.1, .45, .1, .45, .12, .82, -.12, .82),
               ("ball", "skin", 0, .91, .08)),
    "fence": (*(("box", "any", x / 3 - .02, 0, x / 3 + .02, .35) for x in range(-4, 5)),
              ("box", "any", -1.5, .12, 1.5, .16), ("box", "any", -1.5, .27, 1.5, .31)),
}
CLUTTER = tuple(THINGS)[2:]  # mesas and boats are only for far away, trees never stand before it
# fmt: on


def thing(canvas: Canvas, dice: Dice, name: str, foot: Point, tall: float) -> None:
    """One of `THINGS`, `tall` px high, standing at `foot` (px)."""
    (x, y), way = foot, dice.pick((-1, 1))
    roles = {"leaf": dice.pick(LEAVES), "any": mix(dice.paint(), STEEL, 0.2)}
    roles |= {"dark": mix(dice.paint(), BLACK, 0.5), "skin": dice.pick(SKINS)}
    for shape, colour, *numbers in THINGS[name]:
        paint = mix(roles.get(colour, colour), BLACK, dice.random() * 0.25)
        pairs = zip(numbers[::2], numbers[1::2], strict=False)
        spots = [(x + way * a * tall, y - b * tall) for a, b in pairs]
        if shape == "fill":
            canvas.fill(spots, coat(paint))
        elif shape == "box":
            (x0, y0), (x1, y1) = spots
            canvas.box(x0, y0, x1, y1, paint)
        elif shape == "ball":
            canvas.ball(*spots[0], numbers[-1] * tall, paint)
        else:
            canvas.lamp(*spots[0], numbers[-1] * tall, 2, WARM)


def scenery(canvas: Canvas, dice: Dice, place: Place, horizon: float) -> None:
    canvas.own_light = bool(canvas.light.sky)
    canvas.box(0, min(0, horizon - 30), PX, horizon + 1, canvas.light.sky or place.sky)
    canvas.own_light = False
    canvas.box(0, horizon, PX, PX, place.ground)
    canvas.haze = min(0.8, 0.1 + 2 * canvas.light.fog)
    if place.wall:
        place.wall(canvas, dice, horizon)
    for tall, colours in place.ridges:
        tops = [max(-tall, tall * dice.between(0.1, 1)) for _ in range(8)]
        hills = [(PX * (i - 1) / 5, horizon - top) for i, top in enumerate(tops)]
        canvas.fill(smooth([(-PX, horizon + 2), *hills, (2 * PX, horizon + 2)]), colours)
    what, small, large = place.far
    for _ in range(int(dice.between(1, 7)) if large else 0):
        thing(canvas, dice, what, (dice.between(0, PX), horizon + 2), dice.between(small, large))
    height, grain = int(PX - horizon), dice.pick((3, 6, 12))
    if place.wall is not studio and height > 8:  # uneven ground
        rough = noise(dice, (height // grain + 2, PX // grain)) * dice.between(25, 90)
        mask = Image.fromarray(rough.astype(np.uint8))
        mask = mask.resize((PX, height), Image.Resampling.BILINEAR)
        canvas.image.paste(canvas.lit(DARK), (0, int(horizon)), mask)


def road(pen: Pen, dice: Dice, reach: float) -> None:
    """Asphalt along the vehicle's way, with its lines; `reach` is half its width in metres."""
    far = 40 * reach
    near = min(far, (0.85 * pen.far_m - 2 * reach) / max(0.02, abs(pen.sin)))  # not into the lens
    start, stop = (-far, near) if pen.sin > 0 else (-near, far)
    grey = mix((104, 104, 108), (150, 140, 130), dice.random() * 0.6)
    line = mix(dice.pick((WHITE, YELLOW)), grey, 0.25)
    z, step = reach * dice.between(0.75, 1.1), reach * 1.5
    bands = [(start, stop, -reach, 2 * reach, (mix(grey, WHITE, 0.15), grey))]
    bands += [(start, stop, -0.94 * reach, -0.86 * reach, line)]
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
    mask = Image.new("L", (PX, PX))
    for outline in (near, away, *([near[i - 1], near[i], away[i], away[i - 1]] for i in range(4))):
        ImageDraw.Draw(mask).polygon(outline, fill=int(255 * light.shadow))
    mask = mask.filter(ImageFilter.BoxBlur(1 if light.sun else 4))
    pen.canvas.image.paste(mix(BLACK, light.haze, 0.12), mask=mask)


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
    (r, g, b), (red, green, blue) = a, b
    return (int(r + (red - r) * share), int(g + (green - g) * share), int(b + (blue - b) * share))


def coat(colour: Colour) -> list[Colour]:
    """Painted metal from shoulder to sill: a gleam of sky, the colour, the dark of the road."""
    return [mix(colour, WHITE, 0.45), colour, colour, mix(colour, BLACK, 0.45)]


def metal(colour: Colour, up: float) -> Colour:
    """The same paint where it looks up (1), sideways (0) or down (-1)."""
    return mix(colour, WHITE, 0.4 * up) if up > 0 else mix(colour, BLACK, 0.12 - 0.5 * up)


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
        """`colour` as it looks in this light, behind `self.haze` (0..1), unless it shines."""
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
        low, rise = min(ys), max(max(ys) - min(ys), 1)
        x0, x1 = max(0, int(min(xs))), min(PX, int(max(xs)) + 1)
        y0, y1 = max(0, int(low)), min(PX, int(low + rise) + 1)
        if x1 <= x0 or y1 <= y0:
            return
        mask = Image.new("L", (x1 - x0, y1 - y0))
        ImageDraw.Draw(mask).polygon([(x - x0, y - y0) for x, y in outline], fill=255)
        inks, count = [self.lit(colour) for colour in colours], len(colours)
        column = Image.frombytes("RGB", (1, count), bytes(c for ink in inks for c in ink))
        a, b = max(0, min((y0 - low) / rise, 0.99)), min((y1 - low) / rise, 1)
        part = (0, a * count, 1, max(a + 0.01, b) * count)  # some of the gradient may be outside
        shades = column.resize(mask.size, Image.Resampling.BILINEAR, box=part)
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

    def lamp(self, x: float, y: float, r: float, halo: float, colour: Colour) -> None:
        """A disc by day, a bright spot in a halo of so many radii after dark."""
        self.own_light = self.light.lamps
        self.disc(x, y, r, colour)
        self.own_light = False
        if self.light.lamps:
            self.glows.append((x, y, r * halo, colour))


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

    def in_order(self, parts: Sequence[tuple[float, Paint]]) -> None:
        """Paint parts, each at its x, from far to near; as given when seen from the side."""
        if abs(self.sin) > 0.35:
            parts = sorted(parts, key=lambda part: part[0] * self.sin)
        for _, paint in parts:
            paint(self)

    def face(self, corners: Sequence[Point3], colours: Colours) -> None:
        """A flat face, if its outside (corners counter-clockwise) is towards us."""
        seen = [self.at(*p) for p in corners]
        (ax, ay), (bx, by), (cx, cy) = seen[0], seen[len(seen) // 3], seen[2 * len(seen) // 3]
        if ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax)) * self.mirror < 0:
            self.canvas.fill(seen, colours)

    def side(self, x0: float, x1: float, y0: float, y1: float, z: float, colours: Colours) -> None:
        """A rectangle on the side towards us."""
        self.face([(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)], colours)

    def end(self, x: float, y0: float, y1: float, half: float, colours: Colours, lean: float = 0):
        """A rectangle across the front (x > 0) or the rear; its top is `lean` metres further in."""
        z, top = math.copysign(half, x), x - math.copysign(lean, x)
        self.face([(x, y0, z), (x, y0, -z), (top, y1, -z), (top, y1, z)], colours)

    def panes(self, count: int, low: tuple, high: tuple, glass: Colours = GLASS) -> None:
        """`count` side windows between two edges, each (rear x, front x, y, z)."""
        (a, b, y, z), (c, d, v, w) = low, high
        for i in range(count):
            s, t = (i + 0.08) / count, (i + 0.96) / count
            bottom = [(a + (b - a) * s, y, z), (a + (b - a) * t, y, z)]
            self.face([*bottom, (c + (d - c) * t, v, w), (c + (d - c) * s, v, w)], glass)

    def solid(self, profile: Sequence[Point], half: float, colour: Colour,
              narrow: float | None = None, glazed: bool = False) -> None:  # fmt: skip
        """A convex profile (x, y), counter-clockwise, to both sides of the middle plane.

        Its half width goes from `half` at its lowest to `narrow` at its highest point; `glazed`
        puts glass in its ends.
        """
        low, high = min(y for _, y in profile), max(y for _, y in profile)
        taper = (half - (half if narrow is None else narrow)) / (high - low)
        ring = [(x, y, half - taper * (y - low)) for x, y in profile]
        for (ax, ay, az), (bx, by, bz) in zip(ring, ring[1:] + ring[:1], strict=True):
            up = (ax - bx) / (math.hypot(bx - ax, by - ay) or 1)
            paint = GLASS if glazed and up < 0.93 else metal(colour, up)
            self.face([(ax, ay, az), (ax, ay, -az), (bx, by, -bz), (bx, by, bz)], paint)
        self.face(ring, coat(colour))

    def block(self, x0: float, x1: float, y0: float, y1: float, half: float, colour: Colour):
        self.solid([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], half, colour)

    def barrel(self, hoops: Sequence[Point3], colour: Colour, z: float, closed: bool) -> None:
        """A round body along x through hoops (x, y, radius), its middle at `z`."""
        turns = list(zip(CIRCLE, CIRCLE[-1:] + CIRCLE[:-1], strict=True))
        for (ax, ay, ar), (bx, by, br) in pairwise(hoops):
            for (c, s), (d, t) in turns:
                low = [(ax, ay + ar * t, z + ar * d), (bx, by + br * t, z + br * d)]
                high = [(bx, by + br * s, z + br * c), (ax, ay + ar * s, z + ar * c)]
                self.face(low + high, metal(colour, s))
        for (x, y, r), way in ((hoops[0], 1), (hoops[-1], -1)) if closed else ():
            rim = [(x, y + r * s, z + r * c) for c, s in CIRCLE[::way]]
            self.face(rim, (mix(colour, WICKER, 0.6), colour))

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

    def mirrors(self, x: float, y: float, half: float) -> None:
        for z in (-half - 0.15, half + 0.15):
            self.limb([(x, y, z), (x, y + 0.5, z)], 0.16, DARK)

    def lamp(self, x: float, y: float, z: float, r: float, colour: Colour) -> None:
        """A round lamp at the front (x > 0) or the rear, brightest when that faces us."""
        seen, facing = self.at(x, y, z), self.sin * math.copysign(1, x)
        if facing > -0.2:
            halo = 1.6 + 1.6 * max(0, facing)
            self.canvas.lamp(*seen, r * self.scale, halo, mix(colour, WHITE, 0.2))

    def lamps(self, x: float, head: float, tail: float, half: float, r: float) -> None:
        """Headlights and tail lights at those heights, wrapped round the corners."""
        self.side(x - 2.5 * r, x - 0.04, head - r / 2, head + r / 2, half, WARM)
        self.side(0.04 - x, 2 * r - x, tail - r / 2, tail + r / 2, half, RED)
        for z in (1.5 * r - half, half - 1.5 * r):
            self.lamp(x, head, z, r, WARM)
            self.lamp(-x, tail, z, r * 0.9, RED)

    def hoop(self, x: float, y: float, r: float, z: float) -> list[Point3]:
        return [(x + r * c, y + r * s, z) for c, s in CIRCLE]

    def on_wheels(self, axles: Sequence[float], r: float, half: float, body: Paint, rim: Colour,
                  arch: bool = True) -> None:  # fmt: skip
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
