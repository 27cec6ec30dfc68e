"""What drawn pictures share: colours, chance, and a canvas with its pen and camera."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

IMAGE_PX = 64
CANVAS_PX = 192  # pictures are drawn this large, then shrunk, for smooth lines

Item = TypeVar("T")
Colour = tuple[int, int, int]
Colours = Colour | Sequence[Colour]  # one colour, or a gradient from top to bottom
Point = tuple[float, float]  # px on a canvas, or metres in a profile
Point3 = tuple[float, float, float]  # metres
Size = tuple[float, float, float]  # length, height and half the width, in metres
PaintPart = Callable[["Pen"], None]

# fmt: off
WHITE, BLACK, TYRE, DARK = (255, 255, 255), (0, 0, 0), (30, 30, 33), (50, 52, 58)
STEEL, WARM_LIGHT, RED, AMBER = (178, 182, 188), (255, 238, 190), (206, 34, 30), (255, 170, 50)
BARK, WICKER, ORANGE, YELLOW = (112, 82, 58), (190, 144, 88), (246, 100, 34), (250, 220, 90)
GLASS = ((204, 224, 238), (104, 130, 156), (44, 58, 74))
TINTED = ((120, 138, 156), (54, 64, 78), (30, 36, 46))
SKIN_COLOURS = ((240, 200, 170), (205, 150, 110), (140, 92, 62), (90, 58, 40))
LEAF_COLOURS = ((62, 110, 52), (88, 128, 54), (44, 92, 62), (150, 128, 50), (160, 92, 44))
HEAP_COLOURS = ((196, 160, 100), BARK, (140, 140, 140), DARK)
PAINT_COLOURS = (
    (196, 36, 34), (226, 106, 30), (240, 190, 44), (70, 140, 62), (28, 84, 62), (60, 160, 170),
    (40, 92, 176), (28, 40, 92), (112, 62, 140), (226, 130, 150), (238, 238, 234), (188, 192, 198),
    (108, 112, 120), (40, 42, 48), (122, 78, 46), (222, 206, 168),
)
# fmt: on
CIRCLE_POINTS = [(math.cos(a * math.pi / 8), math.sin(a * math.pi / 8)) for a in range(16)]


class Light(NamedTuple):
    tint: tuple[float, float, float]  # what is left of red, green and blue
    sky: tuple[Colour, ...]  # from the top down to the horizon; empty: that of the place
    haze: Colour
    fog: float  # share of haze before the vehicle; far things get more
    shadow: float  # darkness of the shadow on the ground
    sun: bool = False  # a hard shadow, to one side
    lamps: bool = False  # headlights and windows are lit


class StableRng:
    """Chance from `random()` alone: the one stream that Python promises to keep over versions."""

    def __init__(self, seed: str):
        self.random = random.Random(seed).random

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self.random()

    def bernoulli(self, share: float) -> bool:
        return self.random() < share

    def choice(self, rows: Sequence[Item]) -> Item:
        return rows[int(self.random() * len(rows))]

    def paint_colour(self) -> Colour:
        """One of `PAINTS`, a little lighter, darker or duller than the table says."""
        return blend(
            self.choice(PAINT_COLOURS), self.choice((WHITE, BLACK, STEEL)), self.uniform(0, 0.3)
        )


def uniform_noise(rng: StableRng, shape: tuple[int, ...]) -> np.ndarray:
    """float64 of `shape` in 0..1, from the generator that NumPy has frozen for good."""
    return np.random.RandomState(int(rng.random() * 2**32)).random_sample(shape)


def blend(a: Colour, b: Colour, share: float) -> Colour:
    """`a` with `share` (0..1) of `b` in it."""
    (r, g, b), (red, green, blue) = a, b
    return (int(r + (red - r) * share), int(g + (green - g) * share), int(b + (blue - b) * share))


def car_paint_gradient(colour: Colour) -> list[Colour]:
    """Painted metal from shoulder to sill: a gleam of sky, the colour, the dark of the road."""
    return [blend(colour, WHITE, 0.45), colour, colour, blend(colour, BLACK, 0.45)]


def shade_metal(colour: Colour, up: float) -> Colour:
    """The same paint where it looks up (1), sideways (0) or down (-1)."""
    return blend(colour, WHITE, 0.4 * up) if up > 0 else blend(colour, BLACK, 0.12 - 0.5 * up)


def smooth_outline(outline: Sequence[Point]) -> list[Point]:
    """The same closed outline with its corners cut (Chaikin): twice as many points."""
    cut = []
    for (ax, ay), (bx, by) in zip(outline, [*outline[1:], outline[0]], strict=True):
        cut += [(ax * 0.8 + bx * 0.2, ay * 0.8 + by * 0.2)]
        cut += [(ax * 0.2 + bx * 0.8, ay * 0.2 + by * 0.8)]
    return cut


class Canvas:
    """A picture in progress. Positions are in pixels of `PX`, y downwards."""

    def __init__(self, light: Light):
        self.light, self.haze, self.is_emissive = light, 0.0, False
        self.image = Image.new("RGB", (CANVAS_PX, CANVAS_PX))
        self.drawing = ImageDraw.Draw(self.image)
        self.light_spots: list[tuple[float, float, float, Colour]] = []

    def apply_light(self, colour: Colour) -> Colour:
        """`colour` as it looks in this light, behind `self.haze` (0..1), unless it shines."""
        if self.is_emissive:
            return colour
        keep, haze = 1 - self.haze, self.haze
        (r, g, b), (tr, tg, tb), (hr, hg, hb) = colour, self.light.tint, self.light.haze
        r, g, b = r * tr * keep + hr * haze, g * tg * keep + hg * haze, b * tb * keep + hb * haze
        return (min(255, int(r)), min(255, int(g)), min(255, int(b)))

    def fill(self, outline: Sequence[Point], colours: Colours) -> None:
        """A polygon in one colour, or shaded from its top to its bottom."""
        if isinstance(colours[0], int):
            self.drawing.polygon(outline, fill=self.apply_light(colours))
            return
        xs, ys = zip(*outline, strict=True)
        low, rise = min(ys), max(max(ys) - min(ys), 1)
        x0, x1 = max(0, int(min(xs))), min(CANVAS_PX, int(max(xs)) + 1)
        y0, y1 = max(0, int(low)), min(CANVAS_PX, int(low + rise) + 1)
        if x1 <= x0 or y1 <= y0:
            return
        mask = Image.new("L", (x1 - x0, y1 - y0))
        ImageDraw.Draw(mask).polygon([(x - x0, y - y0) for x, y in outline], fill=255)
        inks, count = [self.apply_light(colour) for colour in colours], len(colours)
        column = Image.frombytes("RGB", (1, count), bytes(c for ink in inks for c in ink))
        a, b = max(0, min((y0 - low) / rise, 0.99)), min((y1 - low) / rise, 1)
        part = (0, a * count, 1, max(a + 0.01, b) * count)  # some of the gradient may be outside
        shades = column.resize(mask.size, Image.Resampling.BILINEAR, box=part)
        self.image.paste(shades, (x0, y0), mask)

    def box(self, x0: float, y0: float, x1: float, y1: float, colours: Colours) -> None:
        self.fill([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colours)

    def disc(self, x: float, y: float, r: float, colour: Colour) -> None:
        self.drawing.ellipse((x - r, y - r, x + r, y + r), fill=self.apply_light(colour))

    def ball(self, x: float, y: float, r: float, colour: Colour) -> None:
        """A round thing lit from above on the left."""
        self.disc(x, y, r, blend(colour, BLACK, 0.3))
        self.disc(x - r * 0.15, y - r * 0.2, r * 0.75, colour)
        self.disc(x - r * 0.3, y - r * 0.4, r * 0.35, blend(colour, WHITE, 0.15))

    def line(self, spots: Sequence[Point], px: float, colour: Colour) -> None:
        self.drawing.line(
            spots, fill=self.apply_light(colour), width=max(1, round(px)), joint="curve"
        )

    def lamp(self, x: float, y: float, r: float, halo: float, colour: Colour) -> None:
        """A disc by day, a bright spot in a halo of so many radii after dark."""
        self.is_emissive = self.light.lamps
        self.disc(x, y, r, colour)
        self.is_emissive = False
        if self.light.lamps:
            self.light_spots.append((x, y, r * halo, colour))


class Pen:
    """Draws solids in metres on a canvas, as seen from `eye_m` above the ground.

    `yaw` (radians) turns the front (above 0) or the rear (below 0) towards us; `mirror` (1 or -1)
    makes it face right or left. The gaze is level, so the horizon is at `horizon` px.
    """

    def __init__(self, canvas: Canvas, yaw: float, mirror: int, far_m: float, eye_m: float):
        self.canvas, self.mirror, self.far_m, self.eye_m = canvas, mirror, far_m, eye_m
        self.sin, self.cos = math.sin(yaw), math.cos(yaw)
        self.scale, self.cx, self.horizon = 1.0, 0.0, 0.0  # px per metre at the vehicle's middle

    def project(self, x: float, y: float, z: float) -> Point:
        near = self.scale / (1 - (z * self.cos + x * self.sin) / self.far_m)
        across = (x * self.cos - z * self.sin) * self.mirror
        return (self.cx + across * near, self.horizon + (self.eye_m - y) * near)

    def bounding_box(self, size: Size) -> tuple[float, float, float, float]:
        """Left, top, right and bottom, in px, of a box of that size."""
        h, high, half = size[0] / 2, size[1], size[2]
        seen = [self.project(x, y, z) for x in (-h, h) for y in (0, high) for z in (-half, half)]
        xs, ys = zip(*seen, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    def paint_far_to_near(self, parts: Sequence[tuple[float, PaintPart]]) -> None:
        """Paint parts, each at its x, from far to near; as given when seen from the side."""
        if abs(self.sin) > 0.35:
            parts = sorted(parts, key=lambda part: part[0] * self.sin)
        for _, paint in parts:
            paint(self)

    def face(self, corners: Sequence[Point3], colours: Colours) -> None:
        """A flat face, if its outside (corners counter-clockwise) is towards us."""
        seen = [self.project(*p) for p in corners]
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

    def side_windows(self, count: int, low: tuple, high: tuple, glass: Colours = GLASS) -> None:
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
            paint = GLASS if glazed and up < 0.93 else shade_metal(colour, up)
            self.face([(ax, ay, az), (ax, ay, -az), (bx, by, -bz), (bx, by, bz)], paint)
        self.face(ring, car_paint_gradient(colour))

    def block(self, x0: float, x1: float, y0: float, y1: float, half: float, colour: Colour):
        self.solid([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], half, colour)

    def barrel(self, hoops: Sequence[Point3], colour: Colour, z: float, closed: bool) -> None:
        """A round body along x through hoops (x, y, radius), its middle at `z`."""
        turns = list(zip(CIRCLE_POINTS, CIRCLE_POINTS[-1:] + CIRCLE_POINTS[:-1], strict=True))
        for (ax, ay, ar), (bx, by, br) in pairwise(hoops):
            for (c, s), (d, t) in turns:
                low = [(ax, ay + ar * t, z + ar * d), (bx, by + br * t, z + br * d)]
                high = [(bx, by + br * s, z + br * c), (ax, ay + ar * s, z + ar * c)]
                self.face(low + high, shade_metal(colour, s))
        for (x, y, r), way in ((hoops[0], 1), (hoops[-1], -1)) if closed else ():
            rim = [(x, y + r * s, z + r * c) for c, s in CIRCLE_POINTS[::way]]
            self.face(rim, (blend(colour, WICKER, 0.6), colour))

    def rod(self, path: Sequence[Point3], wide_m: float, colour: Colour) -> None:
        self.canvas.line([self.project(*p) for p in path], wide_m * self.scale, colour)

    def limb(self, path: Sequence[Point3], wide_m: float, colour: Colour) -> None:
        """A thick line with round ends and a lit upper side."""
        seen, r = [self.project(*p) for p in path], wide_m * self.scale / 2
        for x, y in (seen[0], seen[-1]):
            self.canvas.disc(x, y, r, colour)
        self.canvas.line(seen, 2 * r, colour)
        gleam = [(x - r * 0.3, y - r * 0.3) for x, y in seen]
        self.canvas.line(gleam, r * 0.7, blend(colour, WHITE, 0.2))

    def ball(self, x: float, y: float, z: float, r: float, colour: Colour) -> None:
        self.canvas.ball(*self.project(x, y, z), r * self.scale, colour)

    def wing_mirrors(self, x: float, y: float, half: float) -> None:
        for z in (-half - 0.15, half + 0.15):
            self.limb([(x, y, z), (x, y + 0.5, z)], 0.16, DARK)

    def lamp(self, x: float, y: float, z: float, r: float, colour: Colour) -> None:
        """A round lamp at the front (x > 0) or the rear, brightest when that faces us."""
        seen, facing = self.project(x, y, z), self.sin * math.copysign(1, x)
        if facing > -0.2:
            halo = 1.6 + 1.6 * max(0, facing)
            self.canvas.lamp(*seen, r * self.scale, halo, blend(colour, WHITE, 0.2))

    def lamps(self, x: float, head: float, tail: float, half: float, r: float) -> None:
        """Headlights and tail lights at those heights, wrapped round the corners."""
        self.side(x - 2.5 * r, x - 0.04, head - r / 2, head + r / 2, half, WARM_LIGHT)
        self.side(0.04 - x, 2 * r - x, tail - r / 2, tail + r / 2, half, RED)
        for z in (1.5 * r - half, half - 1.5 * r):
            self.lamp(x, head, z, r, WARM_LIGHT)
            self.lamp(-x, tail, z, r * 0.9, RED)

    def circle_points(self, x: float, y: float, r: float, z: float) -> list[Point3]:
        return [(x + r * c, y + r * s, z) for c, s in CIRCLE_POINTS]

    def on_wheels(self, axles: Sequence[float], r: float, half: float, body: PaintPart, rim: Colour,
                  arch: bool = True) -> None:  # fmt: skip
        """`body` on its wheels: treads and the far side before it, the near side's discs after."""
        for x in axles:
            for a, b in ((-half, 0.25 - half), (half - 0.25, half)):
                for z in (a, b - 0.05):
                    self.canvas.fill(
                        [self.project(*p) for p in self.circle_points(x, r, r, z)], TYRE
                    )
                tread = ((0.05, a), (0.05, b), (1.6 * r, b), (1.6 * r, a))
                self.canvas.fill([self.project(x, y, z) for y, z in tread], TYRE)
        body(self)
        for x in axles:
            if arch:
                over = self.circle_points(x, r, r * 1.22, half)
                self.face([p for p in over if p[1] >= r * 0.9], BLACK)
            self.face(self.circle_points(x, r, r, half), (blend(TYRE, WHITE, 0.2), TYRE, BLACK))
            self.face(self.circle_points(x, r, r * 0.62, half), (rim, blend(rim, BLACK, 0.5)))
            self.face(self.circle_points(x, r, r * 0.4, half), (blend(rim, BLACK, 0.6), rim))

    def spoked_wheel(
        self, x: float, r: float, wide: float, tyre: Colour, hub: float, spokes: int = 4
    ):
        """The wheel of a two-wheeler: a hoop `wide` metres thick, round a hub."""
        ring = self.circle_points(x, r, r - wide / 2, 0)
        self.rod([*ring, ring[0]], wide, tyre)
        for c, s in CIRCLE_POINTS[:: 16 // spokes]:
            self.rod([(x, r, 0), (x + c * (r - wide), r + s * (r - wide), 0)], 0.015, STEEL)
        self.ball(x, r, 0, hub, STEEL)


def photograph(canvas: Canvas, rng: StableRng) -> np.ndarray:
    """What a simple camera makes of the canvas: uint8 (64, 64, 3)."""
    image, shrink, half, c, s = canvas.image, CANVAS_PX // IMAGE_PX, CANVAS_PX / 2, 1.0, 0.0
    if rng.bernoulli(0.35):  # held askew, and a little closer so that no corner is empty
        turn = rng.uniform(-0.09, 0.09)
        c, s = math.cos(turn) * 0.92, math.sin(turn) * 0.92
        matrix = (c, s, half - (c + s) * half, -s, c, half - (c - s) * half)
        image = image.transform((CANVAS_PX, CANVAS_PX), Image.Transform.AFFINE, matrix)
    image = image.reduce(shrink)
    if rng.bernoulli(0.25):
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.8)))
    light = np.asarray(image, np.float64) / 255
    ys, xs = np.mgrid[0:IMAGE_PX, 0:IMAGE_PX] * shrink - half
    xs, ys = c * xs + s * ys + half, c * ys - s * xs + half  # where each pixel is on the canvas
    for x, y, r, colour in canvas.light_spots:
        if not (
            0 <= x < CANVAS_PX
            and 0 <= y < CANVAS_PX
            and canvas.image.getpixel((int(x), int(y))) == colour
        ):
            continue  # something stands before it
        away = ((xs - x) ** 2 + (ys - y) ** 2) / max(r, 1) ** 2
        glare = 0.7 / (1 + away * away) + 0.12 / (1 + away / 9)
        light += glare[..., None] * np.array(colour) / 255
    exposure = rng.uniform(0.82, 1.15)
    light *= [exposure * rng.uniform(0.94, 1.06) for _ in range(3)]
    light = (light - 0.5) * rng.uniform(0.8, 1.15) + rng.uniform(0.45, 0.56)
    light += (uniform_noise(rng, light.shape) - 0.5) * rng.uniform(0.01, 0.08)
    return (light.clip(0, 1) * 255).astype(np.uint8)
