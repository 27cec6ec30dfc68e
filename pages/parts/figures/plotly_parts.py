"""Parts that several charts share: axes, legends, error bars, text. All plain dicts for Plotly."""

from collections.abc import Collection, Sequence
from html import escape
from math import log10
from typing import Any

Figure = dict[str, Any]
CURVE_PX = 324
MAX_LABEL_CHARS = 22
MAX_BARS = 20  # of a bar chart or a legend; more would not fit on a screen
MIN_AXIS_SECONDS = 0.1  # on a time axis, shorter times are drawn here
# Classes differ by symbol as well as by colour.
CLASS_SYMBOLS = ("circle", "square", "diamond", "cross", "x", "triangle-up", "star", "hexagon",
                 "triangle-down", "pentagon")  # fmt: skip
CLASS_COLOURS = ("#2A80CF", "#D9650D", "#0B9A72", "#8C62B8", "#C0445E", "#9A7327", "#3FA0A8",
                 "#7C7F87", "#B8578F", "#6B8E23")  # fmt: skip
LEGEND_ABOVE = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
TIME_TICKS = {
    0.1: "0.1 s",
    1: "1 s",
    10: "10 s",
    60: "1 min",
    600: "10 min",
    3600: "1 h",
    36000: "10 h",
}


def error_bars(
    values: Sequence[float], low: Sequence[float], high: Sequence[float], colour: str, **style: Any
) -> dict:
    """Return the error bars of `values`, for intervals from `low` to `high` on the same scale."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [top - value for value, top in zip(values, high, strict=True)],
        "arrayminus": [value - bottom for value, bottom in zip(values, low, strict=True)],
        "color": colour,
        "thickness": 1.5,
    } | style


def time_axis(seconds: Collection[float], minimum: float = MIN_AXIS_SECONDS) -> dict:
    """Return a logarithmic axis: on a linear one, only the longest time would be visible."""
    low = max(minimum, min(1.0, *seconds))
    return {
        "type": "log",
        "range": [log10(low / 1.6), log10(max(60.0, *seconds) * 1.3)],
        "tickvals": list(TIME_TICKS),
        "ticktext": list(TIME_TICKS.values()),
        "tickangle": 0,
    }


def annotation(x: float, y: float, text: str, **more: str) -> dict:
    return {"x": x, "y": y, "text": text, "showarrow": False, "font": {"size": 12}, **more}


def truncate(name: str) -> str:
    """Shorten an axis label to `MAX_LABEL_CHARS`, to leave room for the chart."""
    return name if len(name) <= MAX_LABEL_CHARS else f"{name[: MAX_LABEL_CHARS - 1]}…"


def escape_html(name: str) -> str:
    """Escape a name: Plotly would read `<b>` as markup."""
    return escape(name, quote=False)


def with_opacity(colour: str, opacity: float) -> str:
    """Return the colour "#RRGGBB" as "rgba(…)"."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
