"""The chart that shows what a confidence threshold costs in coverage and gains in accuracy."""

from collections.abc import Sequence

from pages.parts.figures.plotly_parts import Figure
from trainers.evaluation.abstention import AbstentionThreshold

HEIGHT_PX = 280


def coverage_accuracy_curve(
    steps: Sequence[AbstentionThreshold], chosen: AbstentionThreshold, accent: str
) -> Figure:
    """Accuracy of the answered validation examples against the share of them that is answered.

    One point per threshold, with its lower bound below, and the chosen threshold as a mark.
    """
    coverage = [100 * step.coverage for step in steps]
    accuracy = [100 * step.right / step.answered_count for step in steps]
    lower_bound = [100 * step.accuracy_lower_bound for step in steps]
    line = {"type": "scatter", "mode": "lines", "x": coverage}
    return {
        "data": [
            line
            | {
                "name": "right among the answered checks",
                "y": accuracy,
                "line": {"color": accent, "width": 3, "shape": "hv"},
                "hovertemplate": "%{x:.0f} % answered: %{y:.0f} % right<extra></extra>",
            },
            line
            | {
                "name": "at least, were the line fixed beforehand (nine times in ten)",
                "y": lower_bound,
                "line": {"color": accent, "width": 1.5, "dash": "dot", "shape": "hv"},
                "hovertemplate": "%{x:.0f} % answered: at least %{y:.0f} %<extra></extra>",
            },
            {
                "type": "scatter",
                "mode": "markers",
                "name": "chosen",
                "x": [100 * chosen.coverage],
                "y": [100 * chosen.right / chosen.answered_count],
                "marker": {"size": 13, "symbol": "diamond", "color": accent},
                "hovertemplate": "chosen: %{x:.0f} % answered, %{y:.0f} % right<extra></extra>",
            },
        ],
        "layout": {
            "height": HEIGHT_PX,
            "uirevision": "trade",
            "margin": {"l": 48, "r": 12, "t": 12, "b": 42},
            "xaxis": {"title": {"text": "checks answered (%)"}, "range": [0, 101]},
            "yaxis": {"range": [max(0.0, min(lower_bound) - 3), 101], "ticksuffix": " %"},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        },
    }
