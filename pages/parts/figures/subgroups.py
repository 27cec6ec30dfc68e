"""The figure of the scores of classes or groups: plain dicts for Plotly. Pure."""

from collections.abc import Collection, Sequence

from pages.parts.figures.charts import Figure, _escape_html, _truncate
from trainers.evaluation.subgroups import SubgroupScore

MAX_ROWS = 25  # parts that are drawn; the lowest, where there are more
ROW_PX = 26


def subgroup_scores(
    parts: Sequence[SubgroupScore], clear: Collection[str], overall: float, accent: str
) -> Figure:
    """Share right of each part that has examples, the lowest on top, with its 95 % interval; a
    filled diamond where it is clearly apart from the others, a hollow circle where not."""
    shown = sorted((part for part in parts if part.tests), key=lambda part: part.share)[:MAX_ROWS]
    apart = [part.name in clear for part in shown]
    at = [100 * part.share for part in shown]
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "markers",
                "x": at,
                "y": list(range(len(shown))),
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [100 * (part.high - part.share) for part in shown],
                    "arrayminus": [100 * (part.share - part.low) for part in shown],
                    "thickness": 2,
                    "width": 5,
                    "color": accent,
                },
                "marker": {
                    "color": accent,
                    "size": [15 if one else 10 for one in apart],
                    "symbol": ["diamond" if one else "circle-open" for one in apart],
                    "line": {"width": 2},
                },
                "text": [
                    f"{_escape_html(part.name)}: {part.right:,} of {part.tests:,} right"
                    for part in shown
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
                "ticktext": [_escape_html(_truncate(part.name)) for part in shown],
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
