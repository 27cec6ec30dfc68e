"""Motorcycles, bicycles and their riders."""

from __future__ import annotations

import math

from trainers.datasets.bundled.generate.canvas import (
    BARK,
    BLACK,
    DARK,
    RED,
    SKIN_COLOURS,
    STEEL,
    TYRE,
    WARM_LIGHT,
    WICKER,
    PaintPart,
    Pen,
    Point,
    Size,
    StableRng,
    blend,
)
from trainers.datasets.bundled.generate.solids import draw_solids

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


def make_motorcycle(rng: StableRng) -> tuple[Size, PaintPart]:
    r, b, tail, (bx, by), shoulder, hulls = rng.choice(MOTORCYCLE_MODELS)
    paint, trim, chrome = (
        rng.paint_colour(),
        rng.paint_colour(),
        rng.choice((STEEL, DARK, (206, 208, 212))),
    )
    roles = {"paint": paint, "trim": trim, "engine": blend(DARK, chrome, 0.3), "chrome": chrome}

    def rear(pen: Pen) -> None:
        pen.spoked_wheel(-b, r, 0.13, TYRE, 0.1)
        guard = [(-0.25, 0.2), (0.1, 0.3), (0.1, 0.4), (-0.25, 0.36)]
        pen.solid([(x - b, r + y) for x, y in guard], 0.08, trim)
        pen.lamp(-b - 0.24, tail, 0, 0.07, RED)

    def middle(pen: Pen) -> None:
        pen.rod([(-b, r, 0.05), (-0.2, 0.42, 0.05)], 0.09, DARK)
        draw_solids(pen, rng, hulls, roles)
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
    people = make_rider(rng, (-0.32, tail + 0.12), shoulder, (bx - 0.03, by), feet, 0.55)
    parts = [*people[:1], (-b, rear), (0, middle), (b, front), *people[1:]]
    size = (2 * (b + r), shoulder[1] + 0.35 if people else 1.2, 0.35)
    return size, lambda pen: pen.paint_far_to_near(parts)


BICYCLE_MODELS = (  # radius and thickness of the wheels, saddle, bars, rider's shoulder, scale
    ("racing", 0.34, 0.04, (-0.2, 1.0), (0.5, 0.95), (0.22, 1.4), 1),
    ("city", 0.34, 0.055, (-0.26, 0.92), (0.3, 1.1), (-0.12, 1.45), 1),
    ("mountain", 0.34, 0.08, (-0.22, 0.94), (0.4, 1.02), (0.08, 1.43), 1),
    ("child's", 0.25, 0.07, (-0.2, 0.68), (0.26, 0.84), (-0.1, 1.06), 0.78),
)


def make_bicycle(rng: StableRng) -> tuple[Size, PaintPart]:
    style, r, thick, (sx, sy), (bx, by), shoulder, k = rng.choice(BICYCLE_MODELS)
    paint, tyre = (
        rng.paint_colour(),
        rng.choice((TYRE, TYRE, BARK, blend(rng.paint_colour(), BLACK, 0.4))),
    )
    rear, front, crank, seat = (-0.53 * k, r), (0.53 * k, r), (-0.06 * k, r * 0.86), (sx, sy - 0.12)
    head, neck, turn = (0.34 * k, by - 0.12), (0.4 * k, by - 0.3 * k), rng.uniform(0, 2 * math.pi)
    dx, dy = 0.16 * k * math.cos(turn), 0.16 * k * math.sin(turn)
    feet = ((crank[0] - dx, crank[1] - dy), (crank[0] + dx, crank[1] + dy))
    low, extras = style in ("city", "child's"), rng.bernoulli(0.6)

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

    people = make_rider(rng, (sx, sy + 0.08), shoulder, (bx, by), feet, 0.5, k)
    parts = [*people[:1], (-0.5, back), (-0.1, frame), (0.5, steering), *people[1:]]
    size = (1.75 * k, shoulder[1] + 0.4 * k if people else by, 0.25)
    return size, lambda pen: pen.paint_far_to_near(parts)


def make_rider(rng: StableRng, hip: Point, shoulder: Point, hand: Point, feet: tuple[Point, Point],
          chance: float, k: float = 1) -> list[tuple[float, PaintPart]]:  # fmt: skip
    """Parts for `Pen.in_order`: far limbs, trunk, near limbs; none where nobody rides.

    Places are in the plane of the bike, the far foot first; `k` is 1 for an adult.
    """
    if not rng.bernoulli(chance):
        return []
    top, trousers, skin, hat = (
        rng.paint_colour(),
        rng.paint_colour(),
        rng.choice(SKIN_COLOURS),
        rng.paint_colour(),
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
