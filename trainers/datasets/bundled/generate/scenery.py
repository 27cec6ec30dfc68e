"""Places, light and things that stand about: the same for every class, so that none tells one."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from trainers.datasets.bundled.generate.canvas import (
    AMBER,
    BARK,
    BLACK,
    CANVAS_PX,
    DARK,
    LEAF_COLOURS,
    ORANGE,
    RED,
    SKIN_COLOURS,
    STEEL,
    WARM_LIGHT,
    WHITE,
    YELLOW,
    Canvas,
    Colour,
    Colours,
    Light,
    Pen,
    Point,
    Size,
    StableRng,
    blend,
    car_paint_gradient,
    smooth_outline,
    uniform_noise,
)


class Place(NamedTuple):
    sky: tuple[Colour, ...]
    ground: tuple[Colour, Colour]
    clutter: float  # things that stand about, on average
    road: float  # how often a road leads through
    # What closes the view, if anything.
    wall: Callable[[Canvas, StableRng, float], None] | None = None
    ridges: tuple[tuple[float, Colours], ...] = ()  # hills and their height in px; below 0: level
    background_prop: tuple[str, float, float] = (
        "tree",
        0,
        0,
    )  # what stands there, smallest and largest px


def draw_street(canvas: Canvas, rng: StableRng, y: float) -> None:
    x = -rng.uniform(0, 40)
    while x < CANVAS_PX:
        wide, tall, step = rng.uniform(28, 70), rng.uniform(30, 150), rng.uniform(11, 17)
        wall = blend(rng.paint_colour(), STEEL, 0.5)
        canvas.box(
            x, y - tall, x + wide, y + 2, (blend(wall, WHITE, 0.15), blend(wall, BLACK, 0.2))
        )
        if rng.bernoulli(0.5):
            peak = (x + wide / 2, y - tall - wide * 0.3)
            canvas.fill(
                [(x, y - tall), (x + wide, y - tall), peak], blend(wall, (110, 50, 40), 0.5)
            )
        for top in np.arange(y - tall + 5, y - step, step):
            for left in np.arange(x + 4, x + wide - step * 0.6, step):
                pane = blend((70, 84, 100), (190, 210, 225), rng.random() * 0.6)
                if canvas.light.lamps and rng.bernoulli(0.3):
                    canvas.is_emissive, pane = True, (240, 200, 120)
                canvas.box(left, top, left + step * 0.5, top + step * 0.6, pane)
                canvas.is_emissive = False
        x += wide


def draw_garage(canvas: Canvas, rng: StableRng, y: float) -> None:
    wall, step, bricks = (
        blend(rng.paint_colour(), STEEL, 0.55),
        rng.uniform(7, 14),
        rng.bernoulli(0.5),
    )
    canvas.box(0, 0, CANVAS_PX, y + 1, (blend(wall, WHITE, 0.15), blend(wall, BLACK, 0.15)))
    for row in range(int(max(y, 0) // step) + 1):
        top = y - row * step
        canvas.line([(0, top), (CANVAS_PX, top)], 1, blend(wall, BLACK, 0.25))
        for x in np.arange(row % 2 * step, CANVAS_PX, 2 * step) if bricks else ():
            canvas.line([(x, top), (x, top - step)], 1, blend(wall, BLACK, 0.25))
    if rng.bernoulli(0.6):
        x, wide, door = (
            rng.uniform(-30, 150),
            rng.uniform(40, 110),
            blend(rng.paint_colour(), STEEL, 0.3),
        )
        for top in np.linspace(y - wide * 0.9, y, 9)[:-1]:
            canvas.box(x, top, x + wide, top + wide / 9, (blend(door, BLACK, 0.35), door, door))


def draw_studio(canvas: Canvas, rng: StableRng, y: float) -> None:
    """A roll of paper: the wall runs into the floor."""
    tone = blend(rng.paint_colour(), (200, 200, 204), rng.uniform(0.4, 0.9))
    dark, pale = blend(tone, BLACK, 0.35), blend(tone, WHITE, 0.35)
    canvas.box(0, 0, CANVAS_PX, CANVAS_PX, (dark, tone, pale, blend(tone, BLACK, 0.15)))


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
BLUE_SKY = ((84, 140, 206), (150, 192, 230), (216, 230, 238))
PALE_SKY = ((150, 174, 204), (226, 230, 234))
HILLS = ((60, ((130, 156, 168), (150, 176, 160))), (32, ((120, 156, 90), (96, 136, 70))))
ALPS = (90, ((244, 248, 252), (150, 172, 196), (190, 206, 222)))
DUNES = (26, ((226, 184, 122), (206, 160, 100)))
SEA = (-10, ((60, 120, 160), (110, 176, 190), (220, 232, 230)))
PLACES = (
    Place(BLUE_SKY, ((150, 148, 146), (116, 116, 118)), 2.5, 0.8, draw_street),
    Place(PALE_SKY, ((168, 160, 150), (130, 124, 118)), 2.5, 0.8, draw_street),
    Place(BLUE_SKY, ((128, 158, 84), (92, 128, 60)), 2, 0.7, None, HILLS, ("tree", 14, 60)),
    Place(PALE_SKY, ((190, 176, 104), (150, 140, 76)), 2, 0.7, None, HILLS, ("tree", 14, 60)),
    Place(PALE_SKY, ((236, 240, 246), (208, 216, 228)), 1.5, 0.5, None, (ALPS,), ("fir", 20, 80)),
    Place(BLUE_SKY, ((226, 190, 132), (190, 146, 92)), 1, 0.6, None, (DUNES,), ("mesa", 15, 60)),
    Place(BLUE_SKY, ((206, 196, 176), (168, 160, 148)), 1.5, 0.5, None, (SEA,), ("boat", 8, 30)),
    Place(PALE_SKY, ((150, 148, 144), (104, 102, 100)), 1, 0.1, draw_garage),
    Place(PALE_SKY, ((150, 150, 152), (170, 170, 172)), 0, 0, draw_studio),
)
PROPS = {  # shape, colour and numbers: x and y of points, in heights from the foot; r of a ball
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
             ("lamp", WARM_LIGHT, .16, .96, .04)),
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
# mesas and boats are only for far away, trees never stand before it
CLUTTER_PROPS = tuple(PROPS)[2:]
# fmt: on


def draw_prop(canvas: Canvas, rng: StableRng, name: str, foot: Point, tall: float) -> None:
    """One of `THINGS`, `tall` px high, standing at `foot` (px)."""
    (x, y), way = foot, rng.choice((-1, 1))
    roles = {"leaf": rng.choice(LEAF_COLOURS), "any": blend(rng.paint_colour(), STEEL, 0.2)}
    roles |= {"dark": blend(rng.paint_colour(), BLACK, 0.5), "skin": rng.choice(SKIN_COLOURS)}
    for shape, colour, *numbers in PROPS[name]:
        paint = blend(roles.get(colour, colour), BLACK, rng.random() * 0.25)
        pairs = zip(numbers[::2], numbers[1::2], strict=False)
        spots = [(x + way * a * tall, y - b * tall) for a, b in pairs]
        if shape == "fill":
            canvas.fill(spots, car_paint_gradient(paint))
        elif shape == "box":
            (x0, y0), (x1, y1) = spots
            canvas.box(x0, y0, x1, y1, paint)
        elif shape == "ball":
            canvas.ball(*spots[0], numbers[-1] * tall, paint)
        else:
            canvas.lamp(*spots[0], numbers[-1] * tall, 2, WARM_LIGHT)


def draw_scenery(canvas: Canvas, rng: StableRng, place: Place, horizon: float) -> None:
    canvas.is_emissive = bool(canvas.light.sky)
    canvas.box(0, min(0, horizon - 30), CANVAS_PX, horizon + 1, canvas.light.sky or place.sky)
    canvas.is_emissive = False
    canvas.box(0, horizon, CANVAS_PX, CANVAS_PX, place.ground)
    canvas.haze = min(0.8, 0.1 + 2 * canvas.light.fog)
    if place.wall:
        place.wall(canvas, rng, horizon)
    for tall, colours in place.ridges:
        tops = [max(-tall, tall * rng.uniform(0.1, 1)) for _ in range(8)]
        hills = [(CANVAS_PX * (i - 1) / 5, horizon - top) for i, top in enumerate(tops)]
        canvas.fill(
            smooth_outline([(-CANVAS_PX, horizon + 2), *hills, (2 * CANVAS_PX, horizon + 2)]),
            colours,
        )
    what, small, large = place.background_prop
    for _ in range(int(rng.uniform(1, 7)) if large else 0):
        draw_prop(
            canvas,
            rng,
            what,
            (rng.uniform(0, CANVAS_PX), horizon + 2),
            rng.uniform(small, large),
        )
    height, grain = int(CANVAS_PX - horizon), rng.choice((3, 6, 12))
    if place.wall is not draw_studio and height > 8:  # uneven ground
        rough = uniform_noise(rng, (height // grain + 2, CANVAS_PX // grain)) * rng.uniform(25, 90)
        mask = Image.fromarray(rough.astype(np.uint8))
        mask = mask.resize((CANVAS_PX, height), Image.Resampling.BILINEAR)
        canvas.image.paste(canvas.apply_light(DARK), (0, int(horizon)), mask)


def draw_road(pen: Pen, rng: StableRng, reach: float) -> None:
    """Asphalt along the vehicle's way, with its lines; `reach` is half its width in metres."""
    far = 40 * reach
    near = min(far, (0.85 * pen.far_m - 2 * reach) / max(0.02, abs(pen.sin)))  # not into the lens
    start, stop = (-far, near) if pen.sin > 0 else (-near, far)
    grey = blend((104, 104, 108), (150, 140, 130), rng.random() * 0.6)
    line = blend(rng.choice((WHITE, YELLOW)), grey, 0.25)
    z, step = reach * rng.uniform(0.75, 1.1), reach * 1.5
    bands = [(start, stop, -reach, 2 * reach, (blend(grey, WHITE, 0.15), grey))]
    bands += [(start, stop, -0.94 * reach, -0.86 * reach, line)]
    bands += [(i * step, (i + 0.5) * step, z, z + 0.08 * reach, line) for i in range(-6, 7)]
    for x0, x1, z0, z1, colours in bands:
        if start <= x0 and x1 <= stop:
            corners = ((x0, z1), (x1, z1), (x1, z0), (x0, z0))
            pen.canvas.fill([pen.project(x, 0, z) for x, z in corners], colours)


def draw_ground_shadow(pen: Pen, rng: StableRng, size: Size) -> None:
    h, half, light = size[0] / 2 * 0.96, max(size[2] * 0.95, 0.1), pen.canvas.light
    long = size[1] * rng.uniform(0.3, 0.8) if light.sun else 0
    dx, dz = long * rng.choice((-0.8, 0.8)), long * rng.uniform(-0.6, 0.2)
    under = [(-h, half), (h, half), (h, -half), (-h, -half)]
    near = [pen.project(x, 0, z) for x, z in under]
    away = [pen.project(x + dx, 0, z + dz) for x, z in under]  # the shadow of the roof
    mask = Image.new("L", (CANVAS_PX, CANVAS_PX))
    for outline in (near, away, *([near[i - 1], near[i], away[i], away[i - 1]] for i in range(4))):
        ImageDraw.Draw(mask).polygon(outline, fill=int(255 * light.shadow))
    mask = mask.filter(ImageFilter.BoxBlur(1 if light.sun else 4))
    pen.canvas.image.paste(blend(BLACK, light.haze, 0.12), mask=mask)
