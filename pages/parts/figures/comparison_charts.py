"""Charts that compare runs: accuracy over time, accuracy against cost, learning curves."""

from collections.abc import Sequence
from statistics import fmean

from guide.approaches import APPROACHES
from pages.parts.figures.plotly_parts import (
    CLASS_COLOURS,
    CLASS_SYMBOLS,
    CURVE_PX,
    LEGEND_ABOVE,
    MIN_AXIS_SECONDS,
    Figure,
    error_bars,
    escape_html,
    time_axis,
    with_opacity,
)
from pages.parts.figures.run_snapshot import RunSnapshot
from pages.parts.figures.style import APPROACH_STYLES, ApproachStyle
from trainers.events import CurvePoint, RunFinished

UNKNOWN_STYLE = ApproachStyle("#888", "gray", "solid", "circle")


def accuracy_race(snapshots: dict[str, RunSnapshot]) -> Figure:
    """Validation accuracy of each approach, against the seconds of its own run.

    An approach without evaluations gets a horizontal line at its test accuracy. So the curves
    fill in from the left while the runs go on.
    """
    return _accuracy_curves(
        [
            (APPROACHES[key].title, APPROACH_STYLES[key], snapshot)
            for key, snapshot in snapshots.items()
        ]
    )


def accuracy_comparison(named: Sequence[tuple[str, RunSnapshot]]) -> Figure:
    """As `accuracy_race`, for any runs with names.

    Each approach has its own style, unless two runs share one: then each run gets its own.
    """
    approaches = [run.started.approach if run.started else "" for _, run in named]
    styles = [APPROACH_STYLES.get(approach, UNKNOWN_STYLE) for approach in approaches]
    if len(set(approaches)) < len(approaches):
        dashes = [style.dash for style in APPROACH_STYLES.values()]
        styles = [
            ApproachStyle(
                CLASS_COLOURS[n % len(CLASS_COLOURS)],
                "",
                dashes[n % len(dashes)],
                CLASS_SYMBOLS[n % len(CLASS_SYMBOLS)],
            )
            for n in range(len(named))
        ]
    return _accuracy_curves(
        [
            (escape_html(name), style, snapshot)
            for (name, snapshot), style in zip(named, styles, strict=True)
        ]
    )


def _accuracy_curves(curves: Sequence[tuple[str, ApproachStyle, RunSnapshot]]) -> Figure:
    data = []
    for name, style, snapshot in curves:
        trace = {
            "type": "scatter",
            "name": name,
            "mode": "lines+markers",
            "line": {"color": style.colour, "width": 3, "dash": style.dash},
            # Not a marker per evaluation: a hundred of them would hide the line.
            "marker": {"symbol": style.mark, "size": 8, "maxdisplayed": 8},
        }
        if snapshot.evaluations:
            trace |= {
                "x": [evaluation.seconds for evaluation in snapshot.evaluations],
                "y": [100 * evaluation.accuracy for evaluation in snapshot.evaluations],
                "hovertemplate": "%{y:.0f} % right<extra></extra>",
            }
        elif isinstance(snapshot.end, RunFinished):
            level = 100 * snapshot.end.test_accuracy
            trace |= {
                "x": [0, snapshot.end.seconds, None],
                "y": [level, level, None],
                "hovertemplate": "%{y:.0f} % in the test<extra></extra>",
            }
        else:
            continue
        data.append(trace)
    return {
        "data": data,
        "layout": {
            "height": CURVE_PX + 40,
            "uirevision": "seconds",
            "hovermode": "x unified",
            "shapes": [],
            "annotations": [],
            "xaxis": {"title": {"text": "seconds"}, "rangemode": "tozero"},
            "yaxis": {"title": {"text": "right, %"}, "range": [0, 103]},
            "margin": {"l": 52, "r": 12, "t": 84, "b": 42},
            "legend": LEGEND_ABOVE,
        },
    }


def accuracy_against_cost(runs: list[dict]) -> Figure:
    """Test accuracy with its interval against seconds; runs on the Pareto front are filled."""
    front = pareto_front(runs)
    data = []
    for run in runs:
        style, accuracy = APPROACH_STYLES[run["approach"]], 100 * run["test_accuracy"]
        on_front = run["approach"] in front
        low, high = 100 * run["test_accuracy_low"], 100 * run["test_accuracy_high"]
        data.append(
            {
                "type": "scatter",
                "name": APPROACHES[run["approach"]].title,
                "x": [max(MIN_AXIS_SECONDS, run["seconds"])],
                "y": [accuracy],
                "mode": "markers",
                "marker": {
                    "color": style.colour,
                    "size": 13,
                    "symbol": style.mark + ("" if on_front else "-open"),
                    "line": {"width": 0 if on_front else 2},
                },
                "error_y": error_bars([accuracy], [low], [high], style.colour),
                "hovertemplate": "%{y:.0f} % in %{x:.1f} s<extra>%{fullData.name}</extra>",
            }
        )
    return {
        "data": data,
        "layout": {
            "height": CURVE_PX,
            "margin": {"l": 52, "r": 12, "t": 70, "b": 48},
            "xaxis": time_axis([run["seconds"] for run in runs]),
            "yaxis": {"title": {"text": "right in the test, %"}},
            "legend": LEGEND_ABOVE,
            "uirevision": "fixed",
        },
    }


def pareto_front(runs: list[dict]) -> set[str]:
    """Return the approaches for which no cheaper one is at least as accurate."""
    return {
        run["approach"]
        for run in runs
        if not any(
            other["seconds"] <= run["seconds"]
            and other["test_accuracy"] >= run["test_accuracy"]
            and other is not run
            for other in runs
        )
    }


def learning_curves(points: Sequence[CurvePoint], extrapolations: Sequence[dict] = ()) -> Figure:
    """Test accuracy against training examples per class, on a log axis.

    Each approach has a curve of the mean over draws, a mark per draw (hollow if the run did not
    use all examples), a band for the 95 % interval, and its extrapolation to twice the examples.
    """
    data = []
    for key in dict.fromkeys(point.approach for point in points):
        own = [point for point in points if point.approach == key]
        data += _learning_curve(key, own)
        data += [
            _extrapolation(row, APPROACH_STYLES[key].colour)
            | {"type": "scatter", "legendgroup": key, "showlegend": False, "hoverinfo": "skip"}
            for row in extrapolations
            if row["approach"] == key and row["low"] is not None
        ]
    sizes = sorted({point.examples_per_class for point in points})
    ticks = [*sizes, 2 * sizes[-1]] if extrapolations else sizes
    return {
        "data": data,
        "layout": {
            "height": CURVE_PX + 40,
            "margin": {"l": 52, "r": 12, "t": 54, "b": 48},
            "xaxis": {
                "type": "log",
                "title": {"text": "training examples of each class"},
                "tickvals": ticks,
                "ticktext": [f"{tick:,}" for tick in ticks],
            },
            "yaxis": {"title": {"text": "right in the test, %"}},
            "legend": LEGEND_ABOVE,
            "uirevision": "curves",
        },
    }


def _learning_curve(approach: str, points: Sequence[CurvePoint]) -> list[dict]:
    """The band, the marks and the curve of one approach, in this order."""
    style = APPROACH_STYLES[approach]
    sizes = sorted({point.examples_per_class for point in points})
    by_size = [[point for point in points if point.examples_per_class == size] for size in sizes]
    low = [fmean(100 * point.low for point in draws) for draws in by_size]
    high = [fmean(100 * point.high for point in draws) for draws in by_size]
    common = {"type": "scatter", "legendgroup": approach}
    silent = common | {"showlegend": False, "hoverinfo": "skip"}
    return [
        silent
        | {"x": sizes + sizes[::-1], "y": high + low[::-1], "mode": "lines", "fill": "toself"}
        | {"fillcolor": with_opacity(style.colour, 0.13), "line": {"width": 0}},
        silent
        | {
            "x": [point.examples_per_class for point in points],
            "y": [_accuracy(point) for point in points],
            "mode": "markers",
            "marker": {
                "color": style.colour,
                "size": 5,
                "symbol": ["circle" if p.used_all_examples else "circle-open" for p in points],
            },
        },
        common
        | {
            "name": APPROACHES[approach].title,
            "x": sizes,
            "y": [fmean(map(_accuracy, draws)) for draws in by_size],
            "mode": "lines+markers",
            "marker": {"size": 7, "symbol": style.mark},
            "line": {"color": style.colour, "width": 3, "dash": style.dash},
            "hovertemplate": "%{y:.1f} % with %{x} of each class<extra></extra>",
        },
    ]


def _accuracy(point: CurvePoint) -> float:
    return 100 * point.correct / point.test_examples


def _extrapolation(row: dict, colour: str) -> dict:
    """A dotted line to the middle of the predicted range at twice the examples, with the range."""
    now = 100 * row["accuracy"]
    low, high = now + 100 * row["low"], min(100.0, now + 100 * row["high"])
    middle = (low + high) / 2
    return {
        "x": [row["per_class"], 2 * row["per_class"]],
        "y": [now, middle],
        "mode": "lines",
        "line": {"color": colour, "width": 2, "dash": "dot"},
        "error_y": error_bars(
            [now, middle], [now, min(low, middle)], [now, max(high, middle)], colour
        ),
    }
