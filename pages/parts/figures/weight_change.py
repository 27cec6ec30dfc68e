"""What changed in a network, and what it forgot, as Plotly. Pure: tested without a browser."""

from collections.abc import Sequence

from pages.parts.figures.charts import Figure
from pages.parts.figures.style import FROZEN_COLOUR


def format_change(change: float | None) -> str:
    """How far a part moved, in few signs."""
    if change is None:
        return "new"
    percent = 100 * change
    if 0 < percent < 0.01:
        return "under 0.01 %"
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"


def weight_change_bars(parts: Sequence[dict], accent: str) -> Figure:
    """How far each part's weights moved, in percent of their size, from input to answer."""
    values = [100 * (part["change"] or 0.0) for part in parts]
    most = max(values) or 1.0
    words = [
        f"{format_change(part['change'])}{' (frozen)' if not part['learnable'] else ''}"
        for part in parts
    ]
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "y": [part["name"] for part in parts],
                "x": values,
                "text": words,
                "textposition": "outside",
                "cliponaxis": False,
                "marker": {
                    "color": [accent if part["learnable"] else FROZEN_COLOUR for part in parts]
                },
                "hovertemplate": "%{y}: %{text}<extra></extra>",
            }
        ],
        "layout": {
            "height": 70 + 32 * len(parts),
            "uirevision": "changed",
            "bargap": 0.3,
            "showlegend": False,
            "margin": {"l": 8, "r": 8, "t": 8, "b": 44},
            # Room for the words beside the longest bar.
            "xaxis": {
                "range": [0, 1.45 * most],
                "title": {"text": "moved, % of its size"},
                "fixedrange": True,
                "rangemode": "tozero",
            },
            "yaxis": {
                "autorange": "reversed",
                "automargin": True,
                "fixedrange": True,
                "showgrid": False,
                "type": "category",
            },
        },
    }


def forgetting_chart(found: dict, accent: str) -> Figure:
    """How many questions the backbone has right, before and after, with their 95 % intervals."""
    shares = [100 * found[name] / found["tests"] for name in ("before", "after")]
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "markers+text",
                "y": ["before", "after"],
                "x": shares,
                "text": [f"{share:.0f} %" for share in shares],
                "textposition": "top center",
                "cliponaxis": False,
                "marker": {
                    "size": 13,
                    "color": [FROZEN_COLOUR, accent],
                    "symbol": ["diamond", "circle"],
                },
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [100 * found[f"{n}_high"] - s for n, s in _label_shares(shares)],
                    "arrayminus": [s - 100 * found[f"{n}_low"] for n, s in _label_shares(shares)],
                    "color": "#7C7F87",
                },
                "hovertemplate": "%{y}: %{x:.1f} % right<extra></extra>",
            }
        ],
        "layout": {
            "height": 190,
            "uirevision": "forgot",
            "showlegend": False,
            "margin": {"l": 8, "r": 12, "t": 14, "b": 44},
            "xaxis": {"title": {"text": "right, %"}, "range": [0, 104], "fixedrange": True},
            "yaxis": {
                "autorange": "reversed",
                "automargin": True,
                "fixedrange": True,
                "showgrid": False,
                "type": "category",
                "range": [1.5, -0.8],
            },
        },
    }


def _label_shares(shares: Sequence[float]) -> list[tuple[str, float]]:
    return list(zip(("before", "after"), shares, strict=True))
