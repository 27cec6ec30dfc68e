"""The chart of accuracy per class or group."""

from collections.abc import Collection, Sequence

from pages.parts.figures.plotly_parts import Figure, error_bars, escape_html, truncate
from trainers.evaluation.subgroups import SubgroupScore

MAX_ROWS = 25  # with more subgroups, the lowest are shown
ROW_PX = 26


def subgroup_scores(
    subgroups: Sequence[SubgroupScore], clear: Collection[str], overall: float, accent: str
) -> Figure:
    """Accuracy of each subgroup with test examples, the lowest on top, with its 95 % interval.

    A filled diamond marks those in `clear`, which differ significantly from the others.
    """
    tested = (subgroup for subgroup in subgroups if subgroup.tests)
    shown = sorted(tested, key=lambda subgroup: subgroup.share)[:MAX_ROWS]
    is_clear = [subgroup.name in clear for subgroup in shown]
    accuracy = [100 * subgroup.share for subgroup in shown]
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "markers",
                "x": accuracy,
                "y": list(range(len(shown))),
                "error_x": error_bars(
                    accuracy,
                    [100 * subgroup.low for subgroup in shown],
                    [100 * subgroup.high for subgroup in shown],
                    accent,
                    thickness=2,
                    width=5,
                ),
                "marker": {
                    "color": accent,
                    "size": [15 if clear else 10 for clear in is_clear],
                    "symbol": ["diamond" if clear else "circle-open" for clear in is_clear],
                    "line": {"width": 2},
                },
                "text": [
                    f"{escape_html(subgroup.name)}: {subgroup.right:,} of {subgroup.tests:,} right"
                    for subgroup in shown
                ],
                "hovertemplate": "%{text}<br>%{x:.0f} %<extra></extra>",
            }
        ],
        "layout": {
            "height": 70 + ROW_PX * len(shown),
            "uirevision": "fixed",
            "margin": {"l": 8, "r": 12, "t": 22, "b": 24},
            "showlegend": False,
            "xaxis": {"range": [-2, 102], "ticksuffix": " %", "fixedrange": True},
            "yaxis": {
                "tickvals": list(range(len(shown))),
                "ticktext": [escape_html(truncate(subgroup.name)) for subgroup in shown],
                "range": [len(shown) - 0.4, -0.6],
                "automargin": True,
                "fixedrange": True,
                "showgrid": False,
                "zeroline": False,
            },
            "shapes": [
                {"type": "line", "x0": 100 * overall, "x1": 100 * overall, "yref": "paper"}
                | {"y0": 0, "y1": 1, "line": {"color": "#888", "dash": "dot", "width": 1.5}}
            ],
            "annotations": [
                {"x": 100 * overall, "y": 1, "yref": "paper", "yanchor": "bottom"}
                | {"text": "all", "showarrow": False, "font": {"size": 12}}
            ],
        },
    }
