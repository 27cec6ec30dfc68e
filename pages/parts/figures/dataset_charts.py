"""Charts of a data set: examples per class, and how long each approach would train on it."""

from collections.abc import Sequence

from guide.approaches import APPROACHES
from pages.parts.figures.plotly_parts import (
    LEGEND_ABOVE,
    MAX_BARS,
    Figure,
    escape_html,
    time_axis,
    truncate,
)
from pages.parts.figures.run_snapshot import format_short_duration
from pages.parts.figures.style import APPROACH_STYLES, FROZEN_COLOUR


def class_counts(counts: Sequence[tuple[str, int, int]]) -> Figure:
    """Training and test examples per class, of the `MAX_BARS` largest classes.

    `counts` has (class, training examples, test examples).
    """
    largest = sorted(counts, key=lambda row: row[1] + row[2], reverse=True)[:MAX_BARS][::-1]
    sides = (
        (1, "to learn from", APPROACH_STYLES["transfer"].colour, ""),
        (2, "to test", FROZEN_COLOUR, "/"),
    )
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "name": name,
                "x": [row[column] for row in largest],
                "y": list(range(len(largest))),
                "marker": {"color": colour, "pattern": {"shape": pattern}},
                "customdata": [escape_html(row[0]) for row in largest],
                "hovertemplate": f"%{{customdata}}: %{{x:,}} {name}<extra></extra>",
            }
            for column, name, colour, pattern in sides
        ],
        "layout": {
            "height": 70 + 26 * len(largest),
            "barmode": "stack",
            "bargap": 0.3,
            "margin": {"l": 8, "r": 12, "t": 30, "b": 24},
            "legend": LEGEND_ABOVE,
            "xaxis": {"rangemode": "tozero"},
            "yaxis": {
                "tickvals": list(range(len(largest))),
                "ticktext": [escape_html(truncate(row[0])) for row in largest],
                "automargin": True,
            },
            "uirevision": "fixed",
        },
    }


def estimated_times(seconds: dict[str, float]) -> Figure:
    """Seconds that each approach would take, the shortest on top."""
    keys = sorted(seconds, key=seconds.__getitem__, reverse=True)
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "x": [max(1.0, seconds[key]) for key in keys],
                "y": [APPROACHES[key].title for key in keys],
                "marker": {"color": [APPROACH_STYLES[key].colour for key in keys]},
                "text": [format_short_duration(seconds[key]) for key in keys],
                "textposition": "outside",  # in the page's text colour: white would be faint
                "cliponaxis": False,
                "hovertemplate": "%{text}<extra></extra>",
            }
        ],
        "layout": {
            "height": 60 + 34 * len(keys),
            "margin": {"l": 8, "r": 48, "t": 8, "b": 36},
            "xaxis": time_axis(seconds.values(), minimum=0.5),
            "yaxis": {"automargin": True},
            "uirevision": "fixed",
        },
    }
