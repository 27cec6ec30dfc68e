"""How sure a model is against how often it is right, as Plotly. Pure."""

from collections.abc import Sequence

from pages.parts.figures.charts import Figure
from trainers.evaluation.calibration import ReliabilityBin

CURVE_PX = 380


def reliability_diagram(
    came: Sequence[ReliabilityBin], calibrated: Sequence[ReliabilityBin], colour: str
) -> Figure:
    """How sure it says it is against the share that is right, with 95 % intervals: as it came, and
    by its temperature where there is one. On the line the two are the same."""
    least = min((one.low for one in [*came, *calibrated]), default=0.0)
    start = 100 * max(0.0, min(least, 0.9) - 0.05)
    data = [
        {
            "type": "scatter",
            "name": "as sure as right",
            "x": [start, 100],
            "y": [start, 100],
            "mode": "lines",
            "line": {"color": "#8A8D93", "width": 1.5, "dash": "dash"},
            "hoverinfo": "skip",
        },
        _bin_trace("as it came", came, "#8A8D93", "circle-open", "dot"),
    ]
    if calibrated:
        data.append(_bin_trace("by its temperature", calibrated, colour, "diamond", "solid"))
    return {
        "data": data,
        "layout": {
            "height": CURVE_PX,
            "uirevision": "reliability",
            "margin": {"l": 56, "r": 12, "t": 54, "b": 46},
            "xaxis": {"title": {"text": "how sure it says it is, %"}, "range": [start, 101.5]},
            "yaxis": {"title": {"text": "right, %"}, "range": [0, 103]},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        },
    }


def _bin_trace(
    name: str, found: Sequence[ReliabilityBin], colour: str, symbol: str, dash: str
) -> dict:
    return {
        "type": "scatter",
        "name": name,
        "x": [100 * one.mean_confidence for one in found],
        "y": [100 * one.accuracy for one in found],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [100 * (one.right_high - one.accuracy) for one in found],
            "arrayminus": [100 * (one.accuracy - one.right_low) for one in found],
            "color": colour,
            "thickness": 1.5,
            "width": 4,
        },
        "text": [f"{one.right:,} of {one.count:,} right" for one in found],
        "hovertemplate": "says %{x:.0f} %: %{text}<extra></extra>",
        "mode": "lines+markers",
        "marker": {"color": colour, "symbol": symbol, "size": 10, "line": {"width": 2}},
        "line": {"color": colour, "width": 1.5, "dash": dash},
    }
