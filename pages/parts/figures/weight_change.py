"""Charts of how far a network's weights moved, and of what it forgot."""

from collections.abc import Sequence

from pages.parts.figures.plotly_parts import Figure, error_bars
from pages.parts.figures.style import FROZEN_COLOUR


def format_change(change: float | None) -> str:
    """Return a relative change as a short percentage; "new" for None."""
    if change is None:
        return "new"
    percent = 100 * change
    if 0 < percent < 0.01:
        return "under 0.01 %"
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"


def weight_change_bars(blocks: Sequence[dict], accent: str) -> Figure:
    """Relative weight change of each block in percent, from input to output."""
    values = [100 * (block["change"] or 0.0) for block in blocks]
    largest = max(values) or 1.0
    labels = [
        f"{format_change(block['change'])}{' (frozen)' if not block['learnable'] else ''}"
        for block in blocks
    ]
    colours = [accent if block["learnable"] else FROZEN_COLOUR for block in blocks]
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "y": [block["name"] for block in blocks],
                "x": values,
                "text": labels,
                "textposition": "outside",
                "cliponaxis": False,
                "marker": {"color": colours},
                "hovertemplate": "%{y}: %{text}<extra></extra>",
            }
        ],
        "layout": {
            "height": 70 + 32 * len(blocks),
            "uirevision": "changed",
            "bargap": 0.3,
            "showlegend": False,
            "margin": {"l": 8, "r": 8, "t": 8, "b": 44},
            # Room for the label beside the longest bar.
            "xaxis": {"range": [0, 1.45 * largest], "title": {"text": "moved, % of its size"},
                      "fixedrange": True, "rangemode": "tozero"},
            "yaxis": {"autorange": "reversed", "automargin": True, "fixedrange": True,
                      "showgrid": False, "type": "category"},
        },
    }  # fmt: skip


def forgetting_chart(result: dict, accent: str) -> Figure:
    """Accuracy on the pretraining task before and after, with 95 % intervals."""
    names = ("before", "after")
    accuracy = [100 * result[name] / result["tests"] for name in names]
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "markers+text",
                "y": ["before", "after"],
                "x": accuracy,
                "text": [f"{share:.0f} %" for share in accuracy],
                "textposition": "top center",
                "cliponaxis": False,
                "marker": {"size": 13, "color": [FROZEN_COLOUR, accent],
                           "symbol": ["diamond", "circle"]},
                "error_x": error_bars(
                    accuracy,
                    [100 * result[f"{name}_low"] for name in names],
                    [100 * result[f"{name}_high"] for name in names],
                    "#7C7F87",
                ),
                "hovertemplate": "%{y}: %{x:.1f} % right<extra></extra>",
            }
        ],
        "layout": {
            "height": 190,
            "uirevision": "forgot",
            "showlegend": False,
            "margin": {"l": 8, "r": 12, "t": 14, "b": 44},
            "xaxis": {"title": {"text": "right, %"}, "range": [0, 104], "fixedrange": True},
            "yaxis": {"autorange": "reversed", "automargin": True, "fixedrange": True,
                      "showgrid": False, "type": "category", "range": [1.5, -0.8]},
        },
    }  # fmt: skip
