"""A room's leaderboard as a chart."""

from collections.abc import Collection, Sequence
from math import floor

from guide.approaches import APPROACHES
from pages.parts.figures.plotly_parts import LEGEND_ABOVE, Figure, error_bars
from pages.parts.figures.style import APPROACH_STYLES
from trainers.hosting.board import BoardRow

CHART_PX, WALL_PX = 340, 430
X_AXIS_TITLES = {"seconds": "seconds that it took", "per_class": "examples of each class"}


def score_chart(
    entries: Sequence[BoardRow],
    approaches: Collection[str],
    *,
    by: str = "seconds",
    most_x: float = 0,
    wall: bool = False,
) -> Figure:
    """Test accuracies against "seconds" or "per_class", a mark per finished run.

    Every approach of the room is in the legend from the start, so that styles do not change when
    runs arrive; for the same reason the x axis reaches at least to `most_x`.
    """
    size = 17 if wall else 13
    data = []
    for key in [key for key in APPROACHES if key in approaches]:
        done = [
            entry
            for entry in entries
            if entry.approach == key and entry.score is not None and getattr(entry, by) is not None
        ]
        style, scores = APPROACH_STYLES[key], [100 * entry.score for entry in done]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": APPROACHES[key].title,
                "x": [getattr(entry, by) for entry in done],
                "y": scores,
                "marker": {"color": style.colour, "symbol": style.mark, "size": size},
                "error_y": error_bars(
                    scores,
                    [100 * _default_to(entry.low, entry.score) for entry in done],
                    [100 * _default_to(entry.high, entry.score) for entry in done],
                    style.colour,
                ),
                "hovertemplate": "%{y:.0f} % right<extra>%{fullData.name}</extra>",
                "showlegend": True,
            }
        )
    xs = [x for trace in data for x in trace["x"]]
    lows = [entry.low for entry in entries if entry.low is not None]
    # In steps of ten, so that the axis does not move at every run.
    lowest = max(0, 10 * floor(10 * min(lows, default=0.0) - 0.2))
    return {
        "data": data,
        "layout": {
            "height": WALL_PX if wall else CHART_PX,
            "uirevision": "board",
            "hovermode": "closest",
            "margin": {"l": 70 if wall else 52, "r": 12, "t": 54, "b": 64 if wall else 48},
            "xaxis": {
                "title": {"text": X_AXIS_TITLES[by], "font": {"size": size}},
                "tickfont": {"size": size},
                "range": [0, 1.06 * max([most_x, *xs], default=1)],
            },
            "yaxis": {
                "title": {"text": "right in the test, %", "font": {"size": size}},
                "tickfont": {"size": size},
                "range": [lowest, 102],
            },
            "legend": LEGEND_ABOVE | {"font": {"size": size}},
        },
    }


def describe_scores(entries: Sequence[BoardRow]) -> str:
    """Describe the chart in a sentence, for screen readers."""
    done = [entry for entry in entries if entry.score is not None]
    if not done:
        return "No run is finished yet."
    best = max(done, key=lambda entry: entry.score)
    return (
        f"{len(done)} finished runs; the best is {best.score:.0%} right, with "
        f"{APPROACHES[best.approach].title}."
    )


def _default_to(value: float | None, default: float) -> float:
    return default if value is None else value
