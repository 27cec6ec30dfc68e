"""Five kinds of vehicle, drawn by code: a sample that needs no download and has no licence.

Every vehicle is a solid in metres (x forwards, y up, z towards us while it faces right) before a
pinhole camera, so one description serves side, three-quarter, front and rear views. Place, light,
colour, size and clutter come from the same tables for every class: none of them gives it away.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from trainers.datasets.bundled.generate.canvas import (
    AMBER,
    BARK,
    BLACK,
    CANVAS_PX,
    CLUTTER_PROPS,
    DARK,
    GLASS,
    HEAP_COLOURS,
    LIGHTS,
    PLACES,
    RED,
    SKIN_COLOURS,
    STEEL,
    TINTED,
    TYRE,
    WARM_LIGHT,
    WHITE,
    WICKER,
    YELLOW,
    Canvas,
    Colour,
    PaintPart,
    Pen,
    Point,
    Size,
    StableRng,
    blend,
    car_paint_gradient,
    draw_ground_shadow,
    draw_prop,
    draw_road,
    draw_scenery,
    photograph,
    smooth_outline,
)

CLASSES = ("car", "lorry", "bus", "motorcycle", "bicycle")


def draw(name: str, number: int) -> np.ndarray:
    """uint8 (64, 64, 3): drawing `number` of a `name`; the same pair gives the same picture.

    Chance comes from the pair alone; another version of Pillow may still shade an edge otherwise.
    Raises `KeyError` for a name that is not in `CLASSES`.
    """
    dice = StableRng(f"{name}/{number}")
    light, place = dice.choice(LIGHTS), dice.choice(PLACES)
    canvas = Canvas(light)
    size, paint = VEHICLES[name](dice)
    pen = place_vehicle(canvas, dice, size, dice.uniform(0.5, 1.05))
    ground = pen.project(0, 0, 0)[1]
    draw_scenery(canvas, dice, place, pen.horizon)
    if dice.bernoulli(place.road):
        draw_road(pen, dice, size[2] * dice.uniform(1.4, 2.6) + 0.3)
    for _ in range(int(place.clutter * 2 * dice.random() + 0.5)):
        near = dice.random()  # 0 far away, 1 beside the vehicle
        canvas.haze = (1 - near) * min(0.7, 0.1 + 2 * light.fog)
        foot = (
            dice.uniform(0, CANVAS_PX),
            pen.horizon + (ground - pen.horizon) * (0.15 + 0.6 * near),
        )
        draw_prop(
            canvas,
            dice,
            dice.choice(CLUTTER_PROPS),
            foot,
            CANVAS_PX * (0.12 + 0.4 * near * dice.random()),
        )
    if dice.bernoulli(0.08):  # another vehicle, far off
        canvas.haze = min(0.6, 0.2 + light.fog)
        other, paint_other = VEHICLES[dice.choice(CLASSES)](dice)
        foot = (dice.uniform(0, CANVAS_PX), pen.horizon + 0.3 * (ground - pen.horizon))
        paint_other(place_vehicle(canvas, dice, other, dice.uniform(0.08, 0.14), foot))
    canvas.haze = light.fog
    draw_ground_shadow(pen, dice, size)
    paint(pen)
    if dice.bernoulli(0.3):  # something before it, over a third of it at most
        left, _, right, bottom = pen.bounding_box(size)
        what, tall = dice.choice(CLUTTER_PROPS[2:]), dice.uniform(0.2, 0.7) * CANVAS_PX
        tall = min(tall, (right - left) * (0.25 if what in ("bush", "fence") else 0.7))
        draw_prop(
            canvas, dice, what, (dice.uniform(left, right), bottom + dice.uniform(2, 20)), tall
        )
    slant = dice.uniform(-6, 6)
    for _ in range(50 if dice.bernoulli(0.06) else 0):  # rain
        x, y = dice.uniform(0, CANVAS_PX), dice.uniform(0, CANVAS_PX)
        canvas.line([(x, y), (x + slant, y + 16)], 1, (216, 222, 230))
    return photograph(canvas, dice)


def place_vehicle(
    canvas: Canvas, dice: StableRng, size: Size, share: float, foot: Point | None = None
) -> Pen:
    """A pen for a vehicle of `size` (m) that takes about `share` of the frame.

    Its wheels come to `foot` (px) where that is given; otherwise it is placed by chance, at times
    partly outside the frame.
    """
    way = dice.choice((-1, 1))  # the front towards us, or the rear
    views = ((0, 0.3), (0, 0.3), (0, 0.3), (0, 0.3), (0.3, 1), (0.3, 1), (0.3, 1), (1, 1.5))
    yaw = way * dice.uniform(*dice.choice(views))
    pen = Pen(canvas, yaw, dice.choice((-1, 1)), size[0] * dice.uniform(2, 5), size[1] * 0.6)
    left, top, right, bottom = pen.bounding_box(size)
    wide, tall = right - left, bottom - top
    pen.scale = share * CANVAS_PX / (0.75 * max(wide, tall) + 0.25 * min(wide, tall))
    pen.eye_m = min(dice.uniform(0.04, 0.42), 0.9 * share) * CANVAS_PX / pen.scale
    left, top, right, bottom = pen.bounding_box(size)
    x = CANVAS_PX / 2 + dice.uniform(-1, 1) * (max(0, CANVAS_PX - right + left) / 2 + 15)
    y = CANVAS_PX * 0.52 + dice.uniform(-0.6, 1) * (max(0, CANVAS_PX - bottom + top) / 2 + 6)
    pen.cx, pen.horizon = x - (left + right) / 2, y - (top + bottom) / 2
    if foot:
        pen.cx, pen.horizon = foot[0], foot[1] - bottom
    return pen


# Vehicles: each function gives a size, and what paints it with a pen of that size


# Length; heights of roof, windows and bonnet; x of the windscreen's foot, of the roof's two ends
# and of the cabin's rear; windows; clearance
CAR_MODELS = (
    (3.9, 1.48, 0.92, 0.70, 0.95, 0.30, -1.45, -1.85, 2, 0.20),  # hatchback
    (4.6, 1.42, 0.90, 0.70, 0.95, 0.30, -0.95, -1.60, 2, 0.20),  # saloon
    (4.7, 1.48, 0.92, 0.70, 1.05, 0.40, -1.95, -2.25, 3, 0.20),  # estate
    (5.1, 1.72, 1.08, 0.95, 1.05, 0.60, -0.35, -0.55, 2, 0.35),  # pick-up
    (4.4, 1.78, 1.05, 0.80, 1.60, 0.75, -1.85, -2.10, 3, 0.20),  # people carrier
    (4.3, 1.20, 0.80, 0.55, 0.75, 0.10, -0.70, -1.75, 1, 0.14),  # sports car
    (4.5, 1.80, 1.10, 0.98, 1.00, 0.55, -2.00, -2.20, 3, 0.36),  # four by four
)


def make_car(dice: StableRng) -> tuple[Size, PaintPart]:
    length, top, belt, nose, cowl, screen, roof_end, rear, windows, ride = dice.choice(CAR_MODELS)
    paint, rim, half, h = dice.paint_colour(), dice.choice((STEEL, DARK, WHITE)), 0.88, length / 2
    roof, narrow = (
        dice.paint_colour() if dice.bernoulli(0.25) else paint,
        half - 0.35 * (top - belt),
    )

    def body(pen: Pen) -> None:
        shell = [(-h, ride + 0.15), (-h + 0.15, ride), (h - 0.15, ride), (h, ride + 0.12)]
        shell += [(h, nose - 0.08), (h - 0.15, nose + 0.04), (cowl, belt), (0.25 - h, belt)]
        pen.solid(smooth_outline([*shell, (-h, belt - 0.05)]), half, paint)
        if rear > 1.5 - h:  # the bed of a pick-up, and what it carries
            pen.block(0.1 - h, rear, belt, belt + 0.01, half - 0.1, DARK)
            pen.block(0.3 - h, rear - 0.2, belt, belt + 0.2, half - 0.15, dice.paint_colour())
        cabin = [(rear, belt - 0.02), (cowl, belt - 0.02), (screen, top - 0.05)]
        cabin += [(screen - 0.2, top), (roof_end, top), (roof_end - 0.1, top - 0.06)]
        pen.solid(cabin, half - 0.03, roof, narrow, glazed=True)
        low = (rear + 0.1, cowl - 0.15, belt + 0.03, half - 0.04)
        pen.side_windows(windows, low, (roof_end, screen - 0.02, top - 0.1, narrow + 0.03))
        for x in (screen + 0.25, screen - 0.85):
            pen.side(x, x + 0.03, ride + 0.15, belt, half, blend(paint, BLACK, 0.5))
        if dice.bernoulli(0.2):
            pen.side(0.1 - h, h - 0.1, ride + 0.2, ride + 0.35, half, dice.paint_colour())
        pen.end(h, ride + 0.05, ride + 0.2, half - 0.1, DARK)
        pen.end(h, ride + 0.24, nose - 0.1, 0.42, (DARK, BLACK))
        pen.end(-h, belt - 0.27, belt - 0.1, half, blend(paint, BLACK, 0.3))
        pen.end(h, ride + 0.2, ride + 0.33, 0.26, WHITE)
        pen.end(-h, ride + 0.2, ride + 0.33, 0.26, YELLOW)
        pen.lamps(h, nose - 0.12, belt - 0.16, half, 0.13)
        for z in (-half - 0.06, half + 0.06):
            pen.ball(cowl - 0.3, belt + 0.08, z, 0.09, paint)

    r, axles = 0.39 if ride > 0.3 else 0.33, (-h * 0.62, h * 0.64)
    return (length, top, half), lambda pen: pen.on_wheels(axles, r, half, body, rim)


LOG_POSITIONS = (
    (-0.8, 1.4),
    (-0.3, 1.4),
    (0.25, 1.4),
    (0.8, 1.4),
    (-0.5, 1.85),
    (0, 1.85),
    (0.5, 1.85),
)
BED_SOLID = "solid any 1.2 0,.95 1,.95 1,1.15 0,1.15\n"
LORRY_LOADS = (  # as `build` reads them; x runs from 0 to 1 along the bed
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
    BED_SOLID + "\n".join(f"barrel bark {z} {y / 50},{y},.28 "
                          f".96,{y},.28" for z, y in LOG_POSITIONS),
    BED_SOLID + """solid any 1 .02,1.15 .3,1.15 .3,2.4 .02,2.4
    solid any 1 .33,1.15 .55,1.15 .55,1.9 .33,1.9
    solid any 1 .58,1.15 .95,1.15 .95,2.7 .58,2.7""",
)  # fmt: skip


def make_lorry(dice: StableRng) -> tuple[Size, PaintPart]:
    load, h, half = dice.choice(LORRY_LOADS), dice.choice((3.2, 3.5, 3.8, 4.9)), 1.2
    paint, trim, roof = dice.paint_colour(), dice.paint_colour(), dice.uniform(2.7, 3.1)
    bonnet, bed = dice.choice((0, 0, 0, 0.8)), 2 * h - dice.uniform(2, 2.3)
    axles = [0.8 - h, h - 1.05] + ([1.9 - h] if h > 3.4 else []) + ([h - 2.6] if h > 4 else [])

    def cab(pen: Pen) -> None:
        rear, screen = bed + 0.2 - h - bonnet, h - bonnet
        outline = [(rear, 0.45), (screen, 0.45), (screen, 1.55), (screen - 0.25, roof - 0.2)]
        pen.solid([*outline, (screen - 0.6, roof), (rear, roof)], half, paint)
        if dice.bernoulli(0.4):
            pen.block(rear, screen - 0.7, roof, roof + 0.4, half - 0.2, paint)
        pen.side(rear, screen, 1.2, 1.32, half, trim)
        high = (rear + 0.3, screen - 0.35, roof - 0.35, half)
        pen.side_windows(1, (rear + 0.3, screen - 0.15, 1.6, half), high)
        pen.end(screen, 1.6, roof - 0.3, half - 0.1, GLASS, lean=0.2)
        if bonnet:
            pen.block(screen, h, 0.5, 1.5, half - 0.2, paint)
        pen.end(h, 0.5, 0.8, half - 0.1, (DARK, TYRE))
        pen.end(h, 0.85, 1.4, 0.6, (STEEL, DARK, BLACK))
        pen.lamps(h, 0.75, 0.75, half - 0.2, 0.17)
        pen.wing_mirrors(screen - 0.1, 1.6, half)

    def cargo(pen: Pen) -> None:
        pen.block(-h, bed - h, 0.7, 0.95, half - 0.2, DARK)
        pen.end(-h, 0.7, 0.9, half, RED)
        draw_solids(pen, dice, load, {"trim": trim, "heap": dice.choice(HEAP_COLOURS)}, -h, bed)

    def body(pen: Pen) -> None:
        pen.paint_far_to_near([(-1, cargo), (1, cab)])

    rim = dice.choice((STEEL, trim))
    return (2 * h, 3.3, half), lambda pen: pen.on_wheels(axles, 0.5, half, body, rim, arch=False)


BUS_MODELS = (  # half length; heights: roof, windows' edge; windows, decks, slope of the windscreen
    (4.5, 3.0, 1.25, 6, 1, 0.15, GLASS),  # city bus
    (4.0, 4.3, 1.20, 5, 2, 0.10, GLASS),  # double-decker
    (4.6, 3.4, 1.70, 6, 1, 0.40, TINTED),  # coach
    (3.0, 2.6, 1.25, 4, 1, 0.70, GLASS),  # minibus
    (3.8, 3.0, 1.40, 7, 1, 0.10, GLASS),  # old-timer
)


def make_bus(dice: StableRng) -> tuple[Size, PaintPart]:
    h, top, sill, windows, decks, slope, glass = dice.choice(BUS_MODELS)
    half, paint, band, inside = 1.2, dice.paint_colour(), dice.paint_colour(), dice.bernoulli(0.7)
    stripe = (0.4, sill - 0.25) if dice.bernoulli(0.4) else (sill - 0.55, sill - 0.35)
    doors = dice.choice(((h - 0.95,), (h - 0.95, -0.4), (-0.6,)))
    storey = (top - sill - 0.25) / decks

    def body(pen: Pen) -> None:
        shell = [(-h, 0.35), (h, 0.35), (h, sill), (h - slope, top - 0.2)]
        pen.solid([*shell, (h - slope - 0.2, top), (0.2 - h, top), (-h, top - 0.25)], half, paint)
        pen.side(-h, h, *stripe, half, car_paint_gradient(band)[1:])
        for x in (-h, h):
            pen.end(x, *stripe, half, band)
            pen.end(x, 0.38, 0.65, half - 0.1, (DARK, BLACK))
        pen.canvas.is_emissive = inside and pen.canvas.light.lamps
        pane = ((255, 240, 200), (230, 190, 120)) if pen.canvas.is_emissive else glass
        for low in (sill, sill + storey)[:decks]:
            high = low + storey - 0.12 * decks
            inset, lean = (slope * (y - sill) / (top - sill) for y in (low, high))
            below = (0.15 - h, h - 0.15 - inset, low, half)
            pen.side_windows(windows, below, (0.15 - h, h - 0.12 - lean, high, half), pane)
            pen.end(h - inset, low - 0.05, high, half - 0.12, pane, lean=lean - inset)
            pen.end(-h, low + 0.1, high, half - 0.3, pane)
        for x in doors:
            pen.side(x - 0.5, x + 0.4, 0.45, sill + storey - 0.2, half, DARK)
            for left in (x - 0.44, x - 0.02):
                pen.side(left, left + 0.36, 0.55, sill + storey - 0.3, half, pane)
        pen.end(h - slope, top - 0.41, top - 0.09, 0.8, BLACK)
        pen.end(h - slope, top - 0.36, top - 0.14, 0.6, AMBER)
        pen.canvas.is_emissive = False
        pen.lamps(h, 0.8, 0.95, half - 0.15, 0.17)
        pen.wing_mirrors(h - 0.1, sill + 0.4, half)

    axles, rim = (-h * 0.57, h - (1.1 if h < 3.5 else 2.2)), dice.choice((STEEL, paint))
    return (2 * h, top, half), lambda pen: pen.on_wheels(axles, 0.46, half, body, rim)


ENGINE_SOLIDS = """round engine .17 -.3,.2 .25,.2 .32,.6 -.25,.66
    ribs chrome .18 -.05,.3 .3,.55
    round seat .13 -.9,.85 -.4,.68 -.08,.7 -.12,.82 -.5,.82 -.9,.94
    round paint .16 -.15,.66 .3,.66 .38,.88 .15,1 -.1,.86
    """
MOTORCYCLE_MODELS = (  # radius and x of the wheels, height of the tail light, bars, shoulder, body
    (0.32, 0.70, 0.80, (0.40, 1.02), (-0.05, 1.33), ENGINE_SOLIDS),
    (0.31, 0.70, 0.86, (0.42, 0.90), (0.12, 1.28), ENGINE_SOLIDS + """
        round paint .2 -.2,.3 .4,.28 .72,.72 .62,.92 .25,.85
        round trim .21 0,.45 .45,.5 .5,.6 .05,.56
        round glass .12 .38,.88 .62,.88 .4,1.12"""),  # sports bike
    (0.33, 0.75, 0.80, (0.36, 1.08), (-0.15, 1.36), ENGINE_SOLIDS + """
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


def make_motorcycle(dice: StableRng) -> tuple[Size, PaintPart]:
    r, b, tail, (bx, by), shoulder, hulls = dice.choice(MOTORCYCLE_MODELS)
    paint, trim, chrome = (
        dice.paint_colour(),
        dice.paint_colour(),
        dice.choice((STEEL, DARK, (206, 208, 212))),
    )
    roles = {"paint": paint, "trim": trim, "engine": blend(DARK, chrome, 0.3), "chrome": chrome}

    def rear(pen: Pen) -> None:
        pen.spoked_wheel(-b, r, 0.13, TYRE, 0.1)
        guard = [(-0.25, 0.2), (0.1, 0.3), (0.1, 0.4), (-0.25, 0.36)]
        pen.solid([(x - b, r + y) for x, y in guard], 0.08, trim)
        pen.lamp(-b - 0.24, tail, 0, 0.07, RED)

    def middle(pen: Pen) -> None:
        pen.rod([(-b, r, 0.05), (-0.2, 0.42, 0.05)], 0.09, DARK)
        draw_solids(pen, dice, hulls, roles)
        if r > 0.3:
            pipe = [(0.28, 0.45, 0.17), (0.2, 0.22, 0.18), (-0.3, 0.25, 0.2), (-b - 0.1, r, 0.2)]
            pen.limb(pipe, 0.08, chrome)

    def front(pen: Pen) -> None:
        pen.spoked_wheel(b, r, 0.12, TYRE, 0.09)
        guard = [(-0.2, 0.24), (0.15, 0.22), (0.12, 0.32), (-0.15, 0.34)]
        pen.solid([(b + x, r + y) for x, y in guard], 0.07, paint)
        for z in (-0.1, 0.1):
            pen.rod([(b, r, z), (bx, by, z)], 0.06, chrome)
            pen.rod([(bx, by, z), (bx - 0.08, by + 0.03, z * 3.6)], 0.05, TYRE)
            pen.rod([(bx, by, z * 2), (bx, by + 0.12, z * 3)], 0.025, TYRE)
            pen.ball(bx, by + 0.12, z * 3, 0.045, TYRE)
        pen.ball(bx + 0.1, by - 0.14, 0, 0.12, trim)
        pen.lamp(bx + 0.18, by - 0.14, 0, 0.1, WARM_LIGHT)

    feet = ((0.05, 0.32), (0.0, 0.3))
    people = make_rider(dice, (-0.32, tail + 0.12), shoulder, (bx - 0.03, by), feet, 0.55)
    parts = [*people[:1], (-b, rear), (0, middle), (b, front), *people[1:]]
    size = (2 * (b + r), shoulder[1] + 0.35 if people else 1.2, 0.35)
    return size, lambda pen: pen.paint_far_to_near(parts)


BICYCLE_MODELS = (  # radius and thickness of the wheels, saddle, bars, rider's shoulder, scale
    ("racing", 0.34, 0.04, (-0.2, 1.0), (0.5, 0.95), (0.22, 1.4), 1),
    ("city", 0.34, 0.055, (-0.26, 0.92), (0.3, 1.1), (-0.12, 1.45), 1),
    ("mountain", 0.34, 0.08, (-0.22, 0.94), (0.4, 1.02), (0.08, 1.43), 1),
    ("child's", 0.25, 0.07, (-0.2, 0.68), (0.26, 0.84), (-0.1, 1.06), 0.78),
)


def make_bicycle(dice: StableRng) -> tuple[Size, PaintPart]:
    style, r, thick, (sx, sy), (bx, by), shoulder, k = dice.choice(BICYCLE_MODELS)
    paint, tyre = (
        dice.paint_colour(),
        dice.choice((TYRE, TYRE, BARK, blend(dice.paint_colour(), BLACK, 0.4))),
    )
    rear, front, crank, seat = (-0.53 * k, r), (0.53 * k, r), (-0.06 * k, r * 0.86), (sx, sy - 0.12)
    head, neck, turn = (0.34 * k, by - 0.12), (0.4 * k, by - 0.3 * k), dice.uniform(0, 2 * math.pi)
    dx, dy = 0.16 * k * math.cos(turn), 0.16 * k * math.sin(turn)
    feet = ((crank[0] - dx, crank[1] - dy), (crank[0] + dx, crank[1] + dy))
    low, extras = style in ("city", "child's"), dice.bernoulli(0.6)

    def back(pen: Pen) -> None:
        pen.spoked_wheel(*rear, thick, tyre, 0.035, 8)
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
        pen.spoked_wheel(*front, thick, tyre, 0.035, 8)
        pen.rod([(*front, 0), (*neck, 0), (*head, 0)], 0.06, paint)
        pen.rod([(*head, 0), (bx - 0.06, by, 0)], 0.04, STEEL)
        drop = ((0.12, -0.03), (0.08, -0.16), (-0.03, -0.17)) if style == "racing" else ()
        for z in (-0.22 * k, 0.22 * k):
            hook = [(bx + x, by + y, z) for x, y in drop]
            pen.rod([(bx - 0.06, by, 0), (bx, by, z), *hook], 0.045, DARK)
        if low and extras:
            pen.block(bx + 0.08, bx + 0.34, by - 0.22, by, 0.16, WICKER)
        pen.lamp(neck[0] + 0.08, neck[1] + 0.08, 0, 0.05, WARM_LIGHT)

    people = make_rider(dice, (sx, sy + 0.08), shoulder, (bx, by), feet, 0.5, k)
    parts = [*people[:1], (-0.5, back), (-0.1, frame), (0.5, steering), *people[1:]]
    size = (1.75 * k, shoulder[1] + 0.4 * k if people else by, 0.25)
    return size, lambda pen: pen.paint_far_to_near(parts)


def make_rider(dice: StableRng, hip: Point, shoulder: Point, hand: Point, feet: tuple[Point, Point],
          chance: float, k: float = 1) -> list[tuple[float, PaintPart]]:  # fmt: skip
    """Parts for `Pen.in_order`: far limbs, trunk, near limbs; none where nobody rides.

    Places are in the plane of the bike, the far foot first; `k` is 1 for an adult.
    """
    if not dice.bernoulli(chance):
        return []
    top, trousers, skin, hat = (
        dice.paint_colour(),
        dice.paint_colour(),
        dice.choice(SKIN_COLOURS),
        dice.paint_colour(),
    )
    (hx, hy), (sx, sy), (ax, ay) = hip, shoulder, hand

    def limbs(pen: Pen, side: int) -> None:
        (fx, fy), z = feet[side > 0], 0.13 * side * k
        knee = ((hx + fx) / 2 + 0.2 * k, (hy + fy) / 2 + 0.12 * k, z * 1.4)
        elbow = ((sx + ax) / 2 - 0.02, (sy + ay) / 2 - 0.08 * k, z * 2.4)
        pen.limb([(hx, hy, z), knee, (fx, fy, z)], 0.15 * k, blend(trousers, BLACK, 0.3))
        pen.limb([(fx - 0.04, fy, z), (fx + 0.14 * k, fy, z)], 0.1 * k, DARK)
        sleeve = [(sx, sy - 0.03, z * 1.3), elbow, (ax, ay, z * 2)]
        pen.limb(sleeve, 0.11 * k, blend(top, BLACK, 0.12))
        pen.ball(ax, ay, z * 2, 0.06 * k, skin)

    def trunk(pen: Pen) -> None:
        for z in (-0.09 * k, 0.09 * k):
            pen.limb([(hx, hy, z), (sx, sy, z)], 0.25 * k, top)
        pen.ball(sx + 0.1 * k, sy + 0.24 * k, 0, 0.13 * k, skin)
        pen.ball(sx + 0.08 * k, sy + 0.28 * k, 0, 0.14 * k, hat)
        pen.ball(sx + 0.16 * k, sy + 0.19 * k, 0, 0.08 * k, skin)

    return [(-0.1, lambda pen: limbs(pen, -1)), (-0.05, trunk), (0.2, lambda pen: limbs(pen, 1))]


ROLE_COLOURS = {"dark": DARK, "bark": BARK, "seat": TYRE, "glass": STEEL}
VEHICLES = {
    "car": make_car,
    "lorry": make_lorry,
    "bus": make_bus,
    "motorcycle": make_motorcycle,
    "bicycle": make_bicycle,
}


def draw_solids(
    pen: Pen,
    dice: StableRng,
    text: str,
    roles: dict[str, Colour],
    start: float = 0,
    long: float = 1,
) -> None:
    """Solids from lines such as `solid paint .17 x,y x,y ...`: shape, colour, half width, outline.

    A `round` has its corners cut; a `barrel`, or a `band` round it, gives its z and hoops
    x,y,radius; `ribs` stripe a rectangle. x counts from `start` in units of `long`.
    """
    roles = {"paint": dice.paint_colour(), **ROLE_COLOURS, **roles}
    roles["shade"] = blend(roles["paint"], BLACK, 0.3)
    for shape, role, half, outline in parse_solids(text):
        colour = roles[role] if role in roles else dice.paint_colour()
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
            pen.solid(smooth_outline(outline) if shape == "round" else outline, half, colour)


@lru_cache
def parse_solids(text: str) -> list[tuple[str, str, float, list[tuple[float, ...]]]]:
    rows = [line.split() for line in text.splitlines() if line.strip()]
    return [(a, b, float(c), [tuple(map(float, p.split(","))) for p in d]) for a, b, c, *d in rows]
