"""The reliability diagram of a run."""

from collections.abc import Sequence

from pages.parts.figures.plotly_parts import LEGEND_ABOVE, Figure, error_bars
from trainers.evaluation.calibration import ReliabilityBin

CURVE_PX = 380


def reliability_diagram(
    uncalibrated: Sequence[ReliabilityBin], calibrated: Sequence[ReliabilityBin], colour: str
) -> Figure:
    """Accuracy against confidence, with 95 % intervals, before and after temperature scaling.

    `calibrated` is empty without a temperature. A calibrated model is on the diagonal.
    """
    bins = [*uncalibrated, *calibrated]
    lowest = min((each.low for each in bins), default=0.0)
    start = 100 * max(0.0, min(lowest, 0.9) - 0.05)
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
        _bin_trace("as it came", uncalibrated, "#8A8D93", "circle-open", "dot"),
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
            "legend": LEGEND_ABOVE,
        },
    }


def _bin_trace(
    name: str, bins: Sequence[ReliabilityBin], colour: str, symbol: str, dash: str
) -> dict:
    accuracy = [100 * each.accuracy for each in bins]
    return {
        "type": "scatter",
        "name": name,
        "x": [100 * each.mean_confidence for each in bins],
        "y": accuracy,
        "error_y": error_bars(
            accuracy,
            [100 * each.right_low for each in bins],
            [100 * each.right_high for each in bins],
            colour,
            width=4,
        ),
        "text": [f"{each.right:,} of {each.count:,} right" for each in bins],
        "hovertemplate": "says %{x:.0f} %: %{text}<extra></extra>",
        "mode": "lines+markers",
        "marker": {"color": colour, "symbol": symbol, "size": 10, "line": {"width": 2}},
        "line": {"color": colour, "width": 1.5, "dash": dash},
    }
