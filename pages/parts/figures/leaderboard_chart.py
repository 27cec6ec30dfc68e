"""The board of a room to Plotly, as plain dicts. Pure."""

from collections.abc import Collection, Sequence
from math import floor as floor_of
from typing import Any

from guide.approaches import APPROACHES
from pages.parts.figures.style import APPROACH_STYLES
from trainers.hosting.rooms import BoardRow

Figure = dict[str, Any]
CHART_PX, WALL_PX = 340, 430
# What the x axis shows -> the field of `BoardRow`.
FIELD_OF = {"seconds": "seconds", "per_class": "examples_per_class"}
X_AXIS_TITLES = {"seconds": "seconds that it took", "per_class": "examples of each class"}


def score_chart(
    lines: Sequence[BoardRow],
    approaches: Collection[str],
    *,
    by: str = "seconds",
    most_x: float = 0,
    wall: bool = False,
) -> Figure:
    """Test scores against "seconds" or "per_class", a mark for each finished run. Every approach
    of the room has its place from the start, so that none changes its look when others come; the
    axis reaches to `most_x` from the start, too."""
    size = 17 if wall else 13
    data = []
    for key in [key for key in APPROACHES if key in approaches]:
        done = [one for one in lines if one.approach == key and one.score is not None]
        done = [one for one in done if getattr(one, FIELD_OF[by]) is not None]
        look = APPROACH_STYLES[key]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": APPROACHES[key].title,
                "x": [getattr(one, FIELD_OF[by]) for one in done],
                "y": [100 * one.score for one in done],
                "marker": {"color": look.colour, "symbol": look.mark, "size": size},
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [100 * (_default_to(one.high, one.score) - one.score) for one in done],
                    "arrayminus": [
                        100 * (one.score - _default_to(one.low, one.score)) for one in done
                    ],
                    "color": look.colour,
                    "thickness": 1.5,
                },
                "hovertemplate": "%{y:.0f} % right<extra>%{fullData.name}</extra>",
                "showlegend": True,
            }
        )
    xs = [x for one in data for x in one["x"]]
    lows = [one.low for one in lines if one.low is not None]
    floor = max(0, 10 * floor_of(10 * min(lows, default=0.0) - 0.2))
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
                "range": [floor, 102],  # in steps of ten: it does not move at every run
            },
            "legend": {
                "orientation": "h",
                "y": 1.02,
                "yanchor": "bottom",
                "x": 0,
                "font": {"size": size},
            },
        },
    }


def describe_scores(lines: Sequence[BoardRow]) -> str:
    """What the chart shows, for those who do not see it."""
    done = [line for line in lines if line.score is not None]
    if not done:
        return "No run is finished yet."
    best = max(done, key=lambda line: line.score)
    return (
        f"{len(done)} finished runs; the best is {best.score:.0%} right, with "
        f"{APPROACHES[best.approach].title}."
    )


def _default_to(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
