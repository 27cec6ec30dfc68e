"""The drawings of the page Learn as SVG, made only from literals here and from lessons.json."""

from typing import Any

from pages.parts.figures.style import APPROACH_STYLES, FROZEN_COLOUR

BLUE, ORANGE, GREEN = (APPROACH_STYLES[key].colour for key in ("transfer", "fine_tune", "hybrid"))
VIOLET, GREY = APPROACH_STYLES["none"].colour, APPROACH_STYLES["scratch"].colour
# Respects the visitor's setting for less motion; the drawing is complete without it.
MOTION_QUERY = "@media (prefers-reduced-motion: no-preference)"


def svg(wide: int, high: int, alt: str, *parts: str, most_px: int | None = None) -> str:
    """Wrap `parts` in an SVG that fills its container, up to `most_px` (default: `wide`)."""
    return (
        f'<svg viewBox="0 0 {wide} {high}" width="100%" style="max-width:{most_px or wide}px" '
        f'role="img" fill="currentColor" font-size="16" aria-label="{alt}">{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, words: str, **more: str | int) -> str:
    attributes = {"text-anchor": "middle"} | {name.replace("_", "-"): v for name, v in more.items()}
    return f'<text x="{x:g}" y="{y:g}" {_attributes(attributes)}>{words}</text>'


def _box(x: float, y: float, wide: float, high: float, colour: str, **more: str | float) -> str:
    attributes = {"rx": 4, "fill": colour} | {name.replace("_", "-"): v for name, v in more.items()}
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{wide:g}" height="{high:g}" {_attributes(attributes)}/>'
    )


def _path(line: str, colour: str, **more: str | float) -> str:
    attributes = {"fill": "none", "stroke": colour, "stroke-width": 4, "stroke-linecap": "round",
             "stroke-linejoin": "round"}  # fmt: skip
    attributes |= {name.replace("_", "-"): value for name, value in more.items()}
    return f'<path d="{line}" {_attributes(attributes)}/>'


def _dot(x: float, y: float, radius: float, colour: str, **more: str | float) -> str:
    attributes = {"fill": colour} | {name.replace("_", "-"): value for name, value in more.items()}
    return f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" {_attributes(attributes)}/>'


def _attributes(attributes: dict) -> str:
    return " ".join(f'{name}="{value}"' for name, value in attributes.items())


def _translate(x: float, y: float, *parts: str, **more: str) -> str:
    attributes = f" {_attributes(more)}" if more else ""
    return f'<g transform="translate({x:g} {y:g})"{attributes}>{"".join(parts)}</g>'


# --- the article's analogies ------------------------------------------------------------------


def _eye(colour: str) -> str:
    return (
        _path("M0 26Q40 -14 80 26Q40 66 0 26Z", colour)
        + _dot(40, 26, 15, colour, fill_opacity=0.35)
        + _dot(40, 26, 7, colour)
    )


def _car(colour: str) -> str:
    return (
        _path("M4 30h62v-10l-14-3-9-13H22L13 17l-9 3Z", colour, fill=colour, fill_opacity=0.3)
        + _dot(18, 31, 7, colour)
        + _dot(53, 31, 7, colour)
    )


def _lorry(colour: str) -> str:
    return (
        _box(2, 0, 40, 28, colour, fill_opacity=0.3, stroke=colour, stroke_width=4)
        + _path("M42 10h15l10 10v8H42Z", colour, fill=colour, fill_opacity=0.3)
        + _dot(15, 31, 7, colour)
        + _dot(54, 31, 7, colour)
    )


def _motorcycle(colour: str) -> str:
    return (
        _dot(13, 26, 11, "none", stroke=colour, stroke_width=4)
        + _dot(57, 26, 11, "none", stroke=colour, stroke_width=4)
        + _path("M13 26L26 12H42L57 26L48 3H39M26 12L34 26H42", colour)
    )


def _tag(x: float, y: float, name: str, colour: str) -> str:
    wide = 18 + 9 * len(name)
    return _box(x - wide / 2, y, wide, 26, colour, rx=13, fill_opacity=0.22) + _text(
        x, y + 18, name, font_weight=600
    )


def _person(x: float, coat: str, *parts: str) -> str:
    return _translate(
        x,
        0,
        _dot(50, 34, 20, coat, fill_opacity=0.45),
        _path("M12 122V98Q12 66 50 66Q88 66 88 98V122Z", coat, fill=coat, fill_opacity=0.3),
        *parts,
    )


def _arrow(x: float, y: float, length: float = 44) -> str:
    return _path(f"M{x} {y}h{length}m-9 -9l9 9l-9 9", GREY, stroke_width=3)


def approach_analogy(approach: str) -> str:
    """Draw the article's analogy of `approach`: ice stays frozen, the approach's colour trains."""
    if approach == "transfer":
        return svg(
            470, 190,
            "An eye in ice, which stays as it is, looks at a car, a lorry and a motorcycle. Only "
            "their three names are new.",
            _translate(20, 52, _eye(FROZEN_COLOUR)),
            _text(60, 146, "the eye stays"),
            _arrow(118, 78),
            *(
                _translate(x, 56, draw(GREY)) + _tag(x + 35, 116, name, BLUE)
                for x, draw, name in ((186, _car, "car"), (286, _lorry, "lorry"),
                                      (380, _motorcycle, "motorcycle"))
            ),
            _text(320, 172, "the names are learned"),
        )  # fmt: skip
    if approach == "fine_tune":
        heart = "M0 12C-18 -4 -10 -18 0 -8C10 -18 18 -4 0 12Z"
        return svg(
            470, 190,
            "A general physician in ice, an arrow through a school, and a heart specialist in "
            "orange: the whole person has learned.",
            _person(20, FROZEN_COLOUR, _path("M36 72Q36 96 50 96Q64 96 64 72M50 96V108", GREY,
                                      stroke_width=3), _dot(50, 111, 5, GREY)),
            _text(70, 148, "a general physician"),
            _arrow(140, 80, 34),
            _translate(192, 54, _path("M0 18L34 2L68 18L34 34Z", ORANGE, fill=ORANGE,
                                  fill_opacity=0.3),
                   _path("M14 26V44Q34 56 54 44V26M68 18V40", ORANGE, stroke_width=3)),
            _text(226, 128, "more school"),
            _arrow(278, 80, 34),
            _person(340, ORANGE,
                    f'<path transform="translate(50 96) scale(1.3)" d="{heart}" '
                    f'fill="{ORANGE}"/>'),
            _text(390, 148, "a heart specialist"),
            _text(235, 176, "everything may change"),
        )  # fmt: skip
    return svg(
        470, 190,
        "First an eye in ice and three new names. Then the eye itself, now in green, learns what "
        "the names missed.",
        _text(98, 24, "first the names", font_weight=600),
        _translate(14, 52, _eye(FROZEN_COLOUR)),
        _arrow(104, 78, 26),
        *(_tag(176, 40 + 30 * n, name, GREEN)
          for n, name in enumerate(("car", "lorry", "cycle"))),
        _path("M235 30V150", GREY, stroke_width=1.5, stroke_dasharray="3 6"),
        _text(360, 24, "then the eye, gently", font_weight=600),
        _translate(262, 52, _eye(GREEN),
               _path("M8 -6q6 10 0 13q-6 -3 0 -13M40 -14q6 10 0 13q-6 -3 0 -13M72 -6q6 10 0 13"
                     "q-6 -3 0 -13", FROZEN_COLOUR, fill=FROZEN_COLOUR, stroke_width=1)),
        _arrow(352, 78, 26),
        *(_tag(424, 40 + 30 * n, name, GREEN)
          for n, name in enumerate(("car", "lorry", "cycle"))),
        _text(235, 176, "from a good start, in small corrections"),
    )  # fmt: skip


# --- what a backbone knows ------------------------------------------------------------------------


def filter_grid(result: dict[str, Any], picture: int) -> str:
    """Draw a picture, the strongest 3 x 3 filters of the first layer, and their responses to it."""
    example = result["answers"][picture]
    side, gap, left = 74, 12, 104
    crisp = 'style="image-rendering:pixelated"'
    parts = [
        _translate(0, 8, _image(example["picture"], 84, crisp)),
        _text(42, 112, example["label"]),
    ]
    for number, (kernel, answer) in enumerate(zip(result["weights"], example["maps"], strict=True)):
        x, y = left + (side + gap) * (number % 3), 8 + 136 * (number // 3)
        cell = 14
        for row, line in enumerate(kernel):
            for column, (red, green, blue) in enumerate(line):
                parts.append(
                    _box(x + 16 + cell * column, y + cell * row, cell, cell,
                         f"rgb({red},{green},{blue})", rx=0)
                )  # fmt: skip
        parts.append(_translate(x, y + 3 * cell + 6, _image(answer, side, crisp)))
    wide = left + 3 * (side + gap) - gap
    return svg(
        wide,
        272,
        f"A picture ({example['label']}) and {len(result['weights'])} of the {result['all']} "
        "filters of the first layer. Under each filter, bright where it answers: mostly at edges "
        "in one direction, or at one colour.",
        *parts,
        most_px=440,
    )


def _image(uri: str, side: int, more: str) -> str:
    frame = _box(0, 0, side, side, "none", rx=0, stroke="currentColor", stroke_opacity=0.35)
    return f'<image href="{uri}" width="{side}" height="{side}" {more}/>{frame}'


# --- LoRA -----------------------------------------------------------------------------------------


def lora_diagram(rank: int, size: int) -> str:
    """Draw a frozen matrix of `size` x `size`, and two trainable ones of `size` x `rank`."""
    side = 150
    # Drawn to scale, but never too thin to be seen.
    thin = max(3.0, side * rank / size)
    whole, learn = size * size, 2 * size * rank
    return svg(
        470, 216,
        f"A large frozen table of {whole:,} numbers, plus the product of two thin tables with "
        f"{learn:,} numbers that learn: {learn / whole:.1%}.",
        _box(4, 24, side, side, FROZEN_COLOUR, fill_opacity=0.55),
        _path("M79 64v70M49 82l60 34M109 82l-60 34", "#FFFFFF", stroke_width=3,
              stroke_opacity=0.8),
        _text(79, 196, "frozen"),
        _text(79, 213, f"{whole:,} numbers", font_size=15),
        _text(182, 107, "+", font_size=30),
        _box(212, 24, thin, side, ORANGE, rx=1),
        _text(212 + thin + 20, 107, "×", font_size=24),
        _box(212 + thin + 40, 24, side, thin, ORANGE, rx=1),
        _text(300, 196, "learns"),
        _text(300, 213, f"{learn:,} numbers, {learn / whole:.1%}", font_size=15),
    )  # fmt: skip


# --- hybrid ---------------------------------------------------------------------------------------


def thawing_animation() -> str:
    """Draw five layers: the last trains first, then the others thaw, from the output backwards."""
    bars = []
    for number in range(5):
        x, high = 14 + 46 * number, 52 + 14 * number
        y = 136 - high
        bars.append(_box(x, y, 34, high, FROZEN_COLOUR, rx=6, fill_opacity=0.55))
        share = (0.15, 0.3, 0.5, 0.75, 1)[number]
        bars.append(
            _box(x, y + high * (1 - share), 34, high * share, GREEN, rx=6,
                 **{"class": f"warm warm{number}"})
        )  # fmt: skip
        if number < 4:
            drop = f"M{x + 17} 142q6 10 0 13q-6 -3 0 -13"
            bars.append(f'<path d="{drop}" fill="{FROZEN_COLOUR}" class="drop"/>')
    late = "".join(f".warm{n} {{ animation-delay: {1.2 + 0.6 * (3 - n):.1f}s }}" for n in range(4))
    style = (
        f"<style>{MOTION_QUERY} {{"
        ".warm { animation: warm 1.4s ease-out backwards; transform-box: fill-box;"
        " transform-origin: bottom } "
        ".drop { animation: drop 1.6s ease-in 1.2s 4 backwards } "
        f".warm4 {{ animation-delay: 0s }} {late}"
        "@keyframes warm { from { transform: scaleY(0) } }"
        "@keyframes drop { from { opacity: 0; transform: translateY(-8px) } }"
        "}</style>"
    )
    return svg(
        250,
        182,
        "Five layers from input to answer. The last learns first; then the others thaw, those near "
        "the answer most, those near the input least.",
        style,
        *bars,
        _text(31, 176, "input", font_size=15),
        _text(215, 176, "answer", font_size=15),
        most_px=320,
    )


# --- chat models ----------------------------------------------------------------------------------


def encoder_and_chat_model() -> str:
    """Draw an encoder, which names a class, above a chat model, which writes word by word."""

    def row(y: float, name: str, colour: str, out: str, out_wide: float) -> str:
        return _translate(
            0, y,
            _text(0, 12, name, text_anchor="start", font_weight=700),
            _box(0, 24, 150, 44, GREY, rx=8, fill_opacity=0.2),
            _text(75, 51, "“Where is my parcel?”", font_size=15),
            _arrow(156, 46, 26),
            *(_box(196 + 18 * n, 30 - 4 * n, 13, 32 + 8 * n, FROZEN_COLOUR, fill_opacity=0.6)
              for n in range(4)),
            _arrow(276, 46, 26),
            _box(312, 24, out_wide, 44, colour, rx=8, fill_opacity=0.25),
            _text(312 + out_wide / 2, 51, out, font_size=15),
        )  # fmt: skip

    return svg(
        470, 212,
        "An encoder turns the message Where is my parcel into the class delivery. A chat model "
        "answers it: It left on … and then the next word, and the next.",
        row(4, "An encoder reads (Thaw)", BLUE, "class: delivery", 150),
        row(112, "A chat model writes", ORANGE, "It · left · us · on …", 150),
        _path("M322 186q-20 18 -76 4m10 -9l-10 9l12 7", ORANGE, stroke_width=2.5),
        _text(464, 204, "each word goes back in", font_size=15, text_anchor="end"),
    )  # fmt: skip
