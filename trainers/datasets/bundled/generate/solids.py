"""Solids from lines of text, for a pen to draw."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from trainers.datasets.bundled.generate.canvas import (
    BARK,
    BLACK,
    DARK,
    STEEL,
    TYRE,
    Colour,
    Pen,
    StableRng,
    blend,
    smooth_outline,
)

ROLE_COLOURS = {"dark": DARK, "bark": BARK, "seat": TYRE, "glass": STEEL}


def draw_solids(
    pen: Pen,
    rng: StableRng,
    text: str,
    roles: dict[str, Colour],
    start: float = 0,
    long: float = 1,
) -> None:
    """Solids from lines such as `solid paint .17 x,y x,y ...`: shape, colour, half width, outline.

    A `round` has its corners cut; a `barrel`, or a `band` round it, gives its z and hoops
    x,y,radius; `ribs` stripe a rectangle. x counts from `start` in units of `long`.
    """
    roles = {"paint": rng.paint_colour(), **ROLE_COLOURS, **roles}
    roles["shade"] = blend(roles["paint"], BLACK, 0.3)
    for shape, role, half, outline in parse_solids(text):
        colour = roles[role] if role in roles else rng.paint_colour()
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
