"""Five kinds of vehicle, drawn by code: a sample that needs no download and has no licence.

Every vehicle is a solid in metres (x forwards, y up, z towards us while it faces right) before a
pinhole camera, so one description serves side, three-quarter, front and rear views. Place, light,
colour, size and clutter come from the same tables for every class: none of them gives it away.
"""

from __future__ import annotations

import numpy as np

from trainers.datasets.bundled.generate.canvas import (
    AMBER,
    BLACK,
    CANVAS_PX,
    DARK,
    GLASS,
    HEAP_COLOURS,
    RED,
    STEEL,
    TINTED,
    TYRE,
    WHITE,
    YELLOW,
    Canvas,
    PaintPart,
    Pen,
    Point,
    Size,
    StableRng,
    blend,
    car_paint_gradient,
    photograph,
    smooth_outline,
)
from trainers.datasets.bundled.generate.scenery import (
    CLUTTER_PROPS,
    LIGHTS,
    PLACES,
    draw_ground_shadow,
    draw_prop,
    draw_road,
    draw_scenery,
)
from trainers.datasets.bundled.generate.solids import draw_solids
from trainers.datasets.bundled.generate.two_wheelers import make_bicycle, make_motorcycle

CLASSES = ("car", "lorry", "bus", "motorcycle", "bicycle")


def draw(name: str, number: int) -> np.ndarray:
    """uint8 (64, 64, 3): drawing `number` of a `name`; the same pair gives the same picture.

    Chance comes from the pair alone; another version of Pillow may still shade an edge otherwise.
    Raises `KeyError` for a name that is not in `CLASSES`.
    """
    rng = StableRng(f"{name}/{number}")
    light, place = rng.choice(LIGHTS), rng.choice(PLACES)
    canvas = Canvas(light)
    size, paint = VEHICLES[name](rng)
    pen = place_vehicle(canvas, rng, size, rng.uniform(0.5, 1.05))
    ground = pen.project(0, 0, 0)[1]
    draw_scenery(canvas, rng, place, pen.horizon)
    if rng.bernoulli(place.road):
        draw_road(pen, rng, size[2] * rng.uniform(1.4, 2.6) + 0.3)
    for _ in range(int(place.clutter * 2 * rng.random() + 0.5)):
        near = rng.random()  # 0 far away, 1 beside the vehicle
        canvas.haze = (1 - near) * min(0.7, 0.1 + 2 * light.fog)
        foot = (
            rng.uniform(0, CANVAS_PX),
            pen.horizon + (ground - pen.horizon) * (0.15 + 0.6 * near),
        )
        draw_prop(
            canvas,
            rng,
            rng.choice(CLUTTER_PROPS),
            foot,
            CANVAS_PX * (0.12 + 0.4 * near * rng.random()),
        )
    if rng.bernoulli(0.08):  # another vehicle, far off
        canvas.haze = min(0.6, 0.2 + light.fog)
        other, paint_other = VEHICLES[rng.choice(CLASSES)](rng)
        foot = (rng.uniform(0, CANVAS_PX), pen.horizon + 0.3 * (ground - pen.horizon))
        paint_other(place_vehicle(canvas, rng, other, rng.uniform(0.08, 0.14), foot))
    canvas.haze = light.fog
    draw_ground_shadow(pen, rng, size)
    paint(pen)
    if rng.bernoulli(0.3):  # something before it, over a third of it at most
        left, _, right, bottom = pen.bounding_box(size)
        what, tall = rng.choice(CLUTTER_PROPS[2:]), rng.uniform(0.2, 0.7) * CANVAS_PX
        tall = min(tall, (right - left) * (0.25 if what in ("bush", "fence") else 0.7))
        draw_prop(canvas, rng, what, (rng.uniform(left, right), bottom + rng.uniform(2, 20)), tall)
    slant = rng.uniform(-6, 6)
    for _ in range(50 if rng.bernoulli(0.06) else 0):  # rain
        x, y = rng.uniform(0, CANVAS_PX), rng.uniform(0, CANVAS_PX)
        canvas.line([(x, y), (x + slant, y + 16)], 1, (216, 222, 230))
    return photograph(canvas, rng)


def place_vehicle(
    canvas: Canvas, rng: StableRng, size: Size, share: float, foot: Point | None = None
) -> Pen:
    """A pen for a vehicle of `size` (m) that takes about `share` of the frame.

    Its wheels come to `foot` (px) where that is given; otherwise it is placed by chance, at times
    partly outside the frame.
    """
    way = rng.choice((-1, 1))  # the front towards us, or the rear
    views = ((0, 0.3), (0, 0.3), (0, 0.3), (0, 0.3), (0.3, 1), (0.3, 1), (0.3, 1), (1, 1.5))
    yaw = way * rng.uniform(*rng.choice(views))
    pen = Pen(canvas, yaw, rng.choice((-1, 1)), size[0] * rng.uniform(2, 5), size[1] * 0.6)
    left, top, right, bottom = pen.bounding_box(size)
    wide, tall = right - left, bottom - top
    pen.scale = share * CANVAS_PX / (0.75 * max(wide, tall) + 0.25 * min(wide, tall))
    pen.eye_m = min(rng.uniform(0.04, 0.42), 0.9 * share) * CANVAS_PX / pen.scale
    left, top, right, bottom = pen.bounding_box(size)
    x = CANVAS_PX / 2 + rng.uniform(-1, 1) * (max(0, CANVAS_PX - right + left) / 2 + 15)
    y = CANVAS_PX * 0.52 + rng.uniform(-0.6, 1) * (max(0, CANVAS_PX - bottom + top) / 2 + 6)
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


def make_car(rng: StableRng) -> tuple[Size, PaintPart]:
    length, top, belt, nose, cowl, screen, roof_end, rear, windows, ride = rng.choice(CAR_MODELS)
    paint, rim, half, h = rng.paint_colour(), rng.choice((STEEL, DARK, WHITE)), 0.88, length / 2
    roof, narrow = (
        rng.paint_colour() if rng.bernoulli(0.25) else paint,
        half - 0.35 * (top - belt),
    )

    def body(pen: Pen) -> None:
        shell = [(-h, ride + 0.15), (-h + 0.15, ride), (h - 0.15, ride), (h, ride + 0.12)]
        shell += [(h, nose - 0.08), (h - 0.15, nose + 0.04), (cowl, belt), (0.25 - h, belt)]
        pen.solid(smooth_outline([*shell, (-h, belt - 0.05)]), half, paint)
        if rear > 1.5 - h:  # the bed of a pick-up, and what it carries
            pen.block(0.1 - h, rear, belt, belt + 0.01, half - 0.1, DARK)
            pen.block(0.3 - h, rear - 0.2, belt, belt + 0.2, half - 0.15, rng.paint_colour())
        cabin = [(rear, belt - 0.02), (cowl, belt - 0.02), (screen, top - 0.05)]
        cabin += [(screen - 0.2, top), (roof_end, top), (roof_end - 0.1, top - 0.06)]
        pen.solid(cabin, half - 0.03, roof, narrow, glazed=True)
        low = (rear + 0.1, cowl - 0.15, belt + 0.03, half - 0.04)
        pen.side_windows(windows, low, (roof_end, screen - 0.02, top - 0.1, narrow + 0.03))
        for x in (screen + 0.25, screen - 0.85):
            pen.side(x, x + 0.03, ride + 0.15, belt, half, blend(paint, BLACK, 0.5))
        if rng.bernoulli(0.2):
            pen.side(0.1 - h, h - 0.1, ride + 0.2, ride + 0.35, half, rng.paint_colour())
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


def make_lorry(rng: StableRng) -> tuple[Size, PaintPart]:
    load, h, half = rng.choice(LORRY_LOADS), rng.choice((3.2, 3.5, 3.8, 4.9)), 1.2
    paint, trim, roof = rng.paint_colour(), rng.paint_colour(), rng.uniform(2.7, 3.1)
    bonnet, bed = rng.choice((0, 0, 0, 0.8)), 2 * h - rng.uniform(2, 2.3)
    axles = [0.8 - h, h - 1.05] + ([1.9 - h] if h > 3.4 else []) + ([h - 2.6] if h > 4 else [])

    def cab(pen: Pen) -> None:
        rear, screen = bed + 0.2 - h - bonnet, h - bonnet
        outline = [(rear, 0.45), (screen, 0.45), (screen, 1.55), (screen - 0.25, roof - 0.2)]
        pen.solid([*outline, (screen - 0.6, roof), (rear, roof)], half, paint)
        if rng.bernoulli(0.4):
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
        draw_solids(pen, rng, load, {"trim": trim, "heap": rng.choice(HEAP_COLOURS)}, -h, bed)

    def body(pen: Pen) -> None:
        pen.paint_far_to_near([(-1, cargo), (1, cab)])

    rim = rng.choice((STEEL, trim))
    return (2 * h, 3.3, half), lambda pen: pen.on_wheels(axles, 0.5, half, body, rim, arch=False)


BUS_MODELS = (  # half length; heights: roof, windows' edge; windows, decks, slope of the windscreen
    (4.5, 3.0, 1.25, 6, 1, 0.15, GLASS),  # city bus
    (4.0, 4.3, 1.20, 5, 2, 0.10, GLASS),  # double-decker
    (4.6, 3.4, 1.70, 6, 1, 0.40, TINTED),  # coach
    (3.0, 2.6, 1.25, 4, 1, 0.70, GLASS),  # minibus
    (3.8, 3.0, 1.40, 7, 1, 0.10, GLASS),  # old-timer
)


def make_bus(rng: StableRng) -> tuple[Size, PaintPart]:
    h, top, sill, windows, decks, slope, glass = rng.choice(BUS_MODELS)
    half, paint, band, inside = 1.2, rng.paint_colour(), rng.paint_colour(), rng.bernoulli(0.7)
    stripe = (0.4, sill - 0.25) if rng.bernoulli(0.4) else (sill - 0.55, sill - 0.35)
    doors = rng.choice(((h - 0.95,), (h - 0.95, -0.4), (-0.6,)))
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

    axles, rim = (-h * 0.57, h - (1.1 if h < 3.5 else 2.2)), rng.choice((STEEL, paint))
    return (2 * h, top, half), lambda pen: pen.on_wheels(axles, 0.46, half, body, rim)


VEHICLES = {
    "car": make_car,
    "lorry": make_lorry,
    "bus": make_bus,
    "motorcycle": make_motorcycle,
    "bicycle": make_bicycle,
}
