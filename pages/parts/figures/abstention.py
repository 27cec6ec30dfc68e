"""The figure of "Try it". Pure."""

from collections.abc import Sequence

from pages.parts.figures.charts import Figure
from trainers.evaluation.abstention import AbstentionThreshold

HEIGHT_PX = 280


def coverage_accuracy_curve(
    steps: Sequence[AbstentionThreshold], chosen: AbstentionThreshold, accent: str
) -> Figure:
    """How many of the checks are answered against how many of those are right: every threshold,
    and the chosen one. Below lies the lower bound of each."""
    share = [100 * step.coverage for step in steps]
    found = [100 * step.right / step.answered_count for step in steps]
    low = [100 * step.accuracy_lower_bound for step in steps]
    at = [100 * chosen.coverage, 100 * chosen.right / chosen.answered_count]
    line = {"type": "scatter", "mode": "lines", "x": share}
    return {
        "data": [
            line
            | {
                "name": "right among the answered checks",
                "y": found,
                "line": {"color": accent, "width": 3, "shape": "hv"},
                "hovertemplate": "%{x:.0f} % answered: %{y:.0f} % right<extra></extra>",
            },
            line
            | {
                "name": "at least, were the line fixed beforehand (nine times in ten)",
                "y": low,
                "line": {"color": accent, "width": 1.5, "dash": "dot", "shape": "hv"},
                "hovertemplate": "%{x:.0f} % answered: at least %{y:.0f} %<extra></extra>",
            },
            {
                "type": "scatter",
                "mode": "markers",
                "name": "chosen",
                "x": at[:1],
                "y": at[1:],
                "marker": {"size": 13, "symbol": "diamond", "color": accent},
                "hovertemplate": "chosen: %{x:.0f} % answered, %{y:.0f} % right<extra></extra>",
            },
        ],
        "layout": {
            "height": HEIGHT_PX,
            "uirevision": "trade",
            "margin": {"l": 48, "r": 12, "t": 12, "b": 42},
            "xaxis": {"title": {"text": "checks answered (%)"}, "range": [0, 101]},
            "yaxis": {"range": [max(0.0, min(low) - 3), 101], "ticksuffix": " %"},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        },
    }
