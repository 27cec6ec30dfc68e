"""Events to Plotly, as plain dicts. Pure: tested without a browser."""

from collections.abc import Collection, Sequence
from html import escape
from math import log10
from statistics import fmean
from typing import Any

from guide.approaches import APPROACHES
from pages.parts.figures.run_snapshot import RunSnapshot, format_short_duration
from pages.parts.figures.style import APPROACH_STYLES, FROZEN_COLOUR, ApproachStyle
from trainers.events import CurvePoint, RunFinished

Figure = dict[str, Any]
CURVE_PX, LOSS_PX, MAP_PX = 324, 220, 330
MAX_LABEL_CHARS = 22
MIN_AXIS_SECONDS = 0.1  # shorter times stand there on an axis of time
# Marks by class: on the map a class is told by shape as well as by colour.
CLASS_SYMBOLS = ("circle", "square", "diamond", "cross", "x", "triangle-up", "star", "hexagon",
           "triangle-down", "pentagon")  # fmt: skip
CLASS_COLOURS = ("#2A80CF", "#D9650D", "#0B9A72", "#8C62B8", "#C0445E", "#9A7327", "#3FA0A8",
                 "#7C7F87", "#B8578F", "#6B8E23")  # fmt: skip


def accuracy_curve(story: RunSnapshot, *, against: str = "seconds") -> Figure:
    """Share right on the validation examples, and while learning, against "seconds" or "epoch"."""
    looks = story.evaluations
    colour = APPROACH_STYLES[story.started.approach].colour if story.started else "#888"
    x = _x_values(story, against)
    data = [
        {
            "type": "scatter",
            "name": "held-out examples (checks)",
            "x": x,
            "y": [100 * look.accuracy for look in looks],
            "mode": "lines+markers",
            "line": {"color": colour, "width": 3},
            "marker": {"size": 5},
            "hovertemplate": "%{y:.0f} % right<extra></extra>",
        },
        {
            "type": "scatter",
            "name": "examples it learns from",
            "x": [at for at, look in zip(x, looks, strict=True) if look.train_accuracy is not None],
            "y": [100 * look.train_accuracy for look in looks if look.train_accuracy is not None],
            "mode": "lines",
            "line": {"color": colour, "width": 1.5, "dash": "dot"},
            "hovertemplate": "%{y:.0f} % right<extra></extra>",
        },
    ]
    if (
        isinstance(story.end, RunFinished) and against == "seconds"
    ):  # the axis ends where the run does
        data.append(_test_score(story.end, colour))
    shapes, notes = _phase_lines(story, against)
    if story.baseline:
        level = 100 * story.baseline.accuracy
        line = {"color": APPROACH_STYLES["none"].colour, "width": 1.5, "dash": "dash"}
        shapes.append(
            {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": level, "y1": level}
            | {"line": line}
        )
        above = looks and looks[-1].accuracy < story.baseline.accuracy
        side = "bottom" if above and level < 92 else "top"  # where the curve is not
        notes.append(
            _annotation(
                1, level, f"no training {level:.0f} %", xref="paper", xanchor="right", yanchor=side
            )
        )
    return {
        "data": data,
        "layout": _layout(CURVE_PX, against, shapes, notes)
        | {
            "yaxis": {"title": {"text": "right, %"}, "range": [0, 103], "fixedrange": False},
            # Above the plot, with room for two lines: on a phone the names do not fit in one.
            "margin": {"l": 52, "r": 12, "t": 54, "b": 42},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        },
    }


def _test_score(end: RunFinished, colour: str) -> dict:
    """The test score with its interval, when it was known."""
    at, low, high = end.test_accuracy, end.test_accuracy_low, end.test_accuracy_high
    return {
        "type": "scatter",
        "name": "the test, at the end",
        "x": [end.seconds],
        "y": [100 * at],
        "mode": "markers",
        "marker": {"color": colour, "size": 11, "symbol": "star"},
        "error_y": {"type": "data", "symmetric": False, "array": [100 * (high - at)],
                    "arrayminus": [100 * (at - low)], "color": colour, "thickness": 1.5},
        "hovertemplate": "%{y:.0f} % right in the test<extra></extra>",
    }  # fmt: skip


def loss_curve(story: RunSnapshot, *, against: str = "seconds") -> Figure:
    """Loss of the steps (thin, dotted) and of the validation examples."""
    colour = APPROACH_STYLES[story.started.approach].colour if story.started else "#888"
    data = [
        {
            "type": "scatter",
            "name": "each step",
            "x": [_x_value(step, story, against) for step in story.steps],
            "y": [step.loss for step in story.steps],
            "mode": "lines",
            "line": {"color": colour, "width": 1.5, "dash": "dot"},
            "hovertemplate": "%{y:.2f}<extra></extra>",
        },
        {
            "type": "scatter",
            "name": "held-out examples (checks)",
            "x": _x_values(story, against),
            "y": [look.loss for look in story.evaluations],
            "mode": "lines",
            "line": {"color": colour, "width": 2.5},
            "hovertemplate": "%{y:.2f}<extra></extra>",
        },
    ]
    shapes, _ = _phase_lines(story, against)
    return {
        "data": data,
        "layout": _layout(LOSS_PX, against, shapes, [])
        | {
            "yaxis": {"title": {"text": "loss"}, "rangemode": "tozero"},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        },
    }


def example_map(story: RunSnapshot) -> Figure:
    """The validation examples where the model sees them; filled where its answer is right."""
    places: list[list[float]] = []
    for look in story.evaluations:
        places = look.map_points or places  # [] where nothing moved
    data = []
    if places and story.started:
        look, classes = story.evaluations[-1], story.started.classes
        for label in sorted(set(look.map_labels)):
            own = [n for n, other in enumerate(look.map_labels) if other == label]
            for right in (True, False):
                these = [n for n in own if (look.map_predictions[n] == label) == right]
                answers = [_escape_html(classes[look.map_predictions[n]]) for n in these]
                data.append(_example_markers(label, classes[label], right, places, these, answers))
    return {
        "data": data,
        "layout": {
            "height": MAP_PX,
            "uirevision": "map",
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "xaxis": {"visible": False, "range": _padded_range([x for x, _ in places])},
            "yaxis": {"visible": False, "range": _padded_range([y for _, y in places])},
            "legend": {"orientation": "h", "y": -0.04, "font": {"size": 12}},
            # A longer list would take the map's room, and there are not so many looks of a mark.
            "showlegend": len(data) <= 2 * MAX_BARS,
        },
    }


def _example_markers(
    label: int, name: str, right: bool, places: list[list[float]], these: list[int], answers: list
) -> dict:
    """The examples of one class: filled marks where the answer is right, hollow where not."""
    symbol, whole = CLASS_SYMBOLS[label % len(CLASS_SYMBOLS)], _escape_html(name)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": _escape_html(_truncate(name)),
        "legendgroup": whole,
        "showlegend": right,
        "x": [places[n][0] for n in these],
        "y": [places[n][1] for n in these],
        "text": answers,
        "hovertemplate": f"{whole}<br>answer: %{{text}}<extra></extra>",
        "marker": {
            "color": CLASS_COLOURS[label % len(CLASS_COLOURS)],
            "symbol": symbol if right else f"{symbol}-open",
            "size": 9 if right else 11,
            "line": {"width": 0 if right else 2},
        },
    }


def _padded_range(values: list[float]) -> list[float]:
    """A range that holds all `values` with a little room."""
    low, high = min(values, default=0), max(values, default=1)
    room = 0.07 * (high - low) or 1
    return [low - room, high + room]


def confusion_matrix(classes: list[str], matrix: list[list[int]], accent: str) -> Figure:
    """Which class was taken for which: rows are the truth, columns the answer."""
    names = [_escape_html(name) for name in classes]
    many = len(names) > 12
    step = 1 + len(names) // 25  # more names than that find no room, and below none at all
    level = all(len(name) <= 2 for name in names)  # digits need no tilt
    ticks = {"tickmode": "array", "tickvals": names[::step],
             "ticktext": [_escape_html(_truncate(name)) for name in classes[::step]]}  # fmt: skip
    return {
        "data": [
            {
                "type": "heatmap",
                "z": [[value or None for value in row] for row in matrix],
                "x": names,
                "y": names,
                "text": [[str(value) if value and not many else "" for value in r] for r in matrix],
                "texttemplate": "%{text}",
                # Never so full that the page's text colour could not be read on it.
                "colorscale": [[0, _with_opacity(accent, 0.12)], [1, _with_opacity(accent, 0.6)]],
                "showscale": False,
                "xgap": 2,
                "ygap": 2,
                "hovertemplate": "%{y} taken for %{x}: %{z}<extra></extra>",
            }
        ],
        "layout": {
            "height": max(300, min(640, 120 + 34 * len(names))),
            "uirevision": "confusion",
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "xaxis": {"title": {"text": "the model's answer"}, "automargin": True,
                      "showticklabels": step == 1, "tickangle": 0 if level else -35,
                      "showgrid": False, "type": "category"} | ticks,
            "yaxis": {"title": {"text": "the truth", "standoff": 14}, "automargin": True,
                      "autorange": "reversed", "showgrid": False, "type": "category"} | ticks,
        },
    }  # fmt: skip


def accuracy_race(stories: dict[str, RunSnapshot]) -> Figure:
    """Every approach's share right on the checks, each against its own seconds. What has no curve
    is a line across at its test score; so the charts of a race fill in from the left."""
    return _accuracy_curves(
        [(APPROACHES[key].title, APPROACH_STYLES[key], one) for key, one in stories.items()]
    )


def accuracy_comparison(named: Sequence[tuple[str, RunSnapshot]]) -> Figure:
    """As `race`, of any runs, each with what to call it. An approach has its own colour, unless
    it is there twice."""
    approaches = [story.started.approach if story.started else "" for _, story in named]
    unknown = ApproachStyle("#888", "gray", "solid", "circle")
    looks = [APPROACH_STYLES.get(approach, unknown) for approach in approaches]
    if len(set(approaches)) < len(approaches):
        dashes = [look.dash for look in APPROACH_STYLES.values()]
        looks = [
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
            (_escape_html(name), look, story)
            for (name, story), look in zip(named, looks, strict=True)
        ]
    )


def _accuracy_curves(lines: Sequence[tuple[str, ApproachStyle, RunSnapshot]]) -> Figure:
    data = []
    for name, look, story in lines:
        line = {"color": look.colour, "width": 3, "dash": look.dash}
        # Some marks, not one a look: a curve of a hundred would be a band.
        marker = {"symbol": look.mark, "size": 8, "maxdisplayed": 8}
        common = {"type": "scatter", "name": name, "line": line, "marker": marker}
        if story.evaluations:
            data.append(
                common
                | {
                    "x": [one.seconds for one in story.evaluations],
                    "y": [100 * one.accuracy for one in story.evaluations],
                    "mode": "lines+markers",
                    "hovertemplate": "%{y:.0f} % right<extra></extra>",
                }
            )
        elif isinstance(story.end, RunFinished):
            level = 100 * story.end.test_accuracy
            data.append(
                common
                | {"x": [0, story.end.seconds, None], "y": [level, level, None]}
                | {
                    "mode": "lines+markers",
                    "hovertemplate": "%{y:.0f} % in the test<extra></extra>",
                }
            )
    return {
        "data": data,
        "layout": _layout(CURVE_PX + 40, "seconds", [], [])
        | {
            "yaxis": {"title": {"text": "right, %"}, "range": [0, 103]},
            "margin": {"l": 52, "r": 12, "t": 84, "b": 42},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        },
    }


def learning_curves(points: Sequence[CurvePoint], forecast: Sequence[dict] = ()) -> Figure:
    """Share right in the test against examples of each class, on a log axis: the mean of the
    choices of examples as a curve, each choice as a mark (hollow where time was too short), the
    95 % interval as a band; and at twice the examples what is forecast."""
    data = []
    for key in dict.fromkeys(point.approach for point in points):
        look, own = APPROACH_STYLES[key], [point for point in points if point.approach == key]
        sizes = sorted({point.examples_per_class for point in own})
        at = [[point for point in own if point.examples_per_class == size] for size in sizes]
        middle = [fmean(100 * point.correct / point.test_examples for point in some) for some in at]
        low = [fmean(100 * point.low for point in some) for some in at]
        high = [fmean(100 * point.high for point in some) for some in at]
        common = {"type": "scatter", "legendgroup": key}
        aside = common | {"showlegend": False, "hoverinfo": "skip"}
        data += [
            aside
            | {"x": sizes + sizes[::-1], "y": high + low[::-1], "mode": "lines", "fill": "toself"}
            | {"fillcolor": _with_opacity(look.colour, 0.13), "line": {"width": 0}},
            aside
            | {
                "x": [point.examples_per_class for point in own],
                "y": [100 * point.correct / point.test_examples for point in own],
                "mode": "markers",
                "marker": {
                    "color": look.colour,
                    "size": 5,
                    "symbol": ["circle" if one.used_all_examples else "circle-open" for one in own],
                },
            },
            common
            | {
                "name": APPROACHES[key].title,
                "x": sizes,
                "y": middle,
                "mode": "lines+markers",
                "marker": {"size": 7, "symbol": look.mark},
                "line": {"color": look.colour, "width": 3, "dash": look.dash},
                "hovertemplate": "%{y:.1f} % with %{x} of each class<extra></extra>",
            },
        ]
        data += [
            aside | _forecast_trace(one, 100 * one["accuracy"], look.colour)
            for one in forecast
            if one["approach"] == key and one["low"] is not None
        ]
    sizes = sorted({point.examples_per_class for point in points})
    marks = [*sizes, 2 * sizes[-1]] if forecast else sizes
    return {
        "data": data,
        "layout": {
            "height": CURVE_PX + 40,
            "margin": {"l": 52, "r": 12, "t": 54, "b": 48},
            "xaxis": {
                "type": "log",
                "title": {"text": "training examples of each class"},
                "tickvals": marks,
                "ticktext": [f"{mark:,}" for mark in marks],
            },
            "yaxis": {"title": {"text": "right in the test, %"}},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            "uirevision": "curves",
        },
    }


def _forecast_trace(one: dict, now: float, colour: str) -> dict:
    """A dotted line to the middle of the range at twice the examples, and the range."""
    low, high = now + 100 * one["low"], min(100.0, now + 100 * one["high"])
    then = (low + high) / 2
    return {
        "x": [one["per_class"], 2 * one["per_class"]],
        "y": [now, then],
        "mode": "lines",
        "line": {"color": colour, "width": 2, "dash": "dot"},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [0, max(0.0, high - then)],
            "arrayminus": [0, max(0.0, then - low)],
            "color": colour,
            "thickness": 1.5,
        },
    }


def accuracy_against_cost(runs: list[dict]) -> Figure:
    """Test score with its interval against seconds; filled where no cheaper one is as good."""
    sensible = pareto_front(runs)
    data = []
    for run in runs:
        look, right = APPROACH_STYLES[run["approach"]], 100 * run["test_accuracy"]
        data.append(
            {
                "type": "scatter",
                "name": APPROACHES[run["approach"]].title,
                "x": [max(MIN_AXIS_SECONDS, run["seconds"])],
                "y": [right],
                "mode": "markers",
                "marker": {
                    "color": look.colour,
                    "size": 13,
                    "symbol": look.mark + ("" if run["approach"] in sensible else "-open"),
                    "line": {"width": 0 if run["approach"] in sensible else 2},
                },
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [100 * run["test_accuracy_high"] - right],
                    "arrayminus": [right - 100 * run["test_accuracy_low"]],
                    "color": look.colour,
                    "thickness": 1.5,
                },
                "hovertemplate": "%{y:.0f} % in %{x:.1f} s<extra>%{fullData.name}</extra>",
            }
        )
    return {
        "data": data,
        "layout": {
            "height": CURVE_PX,
            "margin": {"l": 52, "r": 12, "t": 70, "b": 48},
            "xaxis": _time_axis([run["seconds"] for run in runs]),
            "yaxis": {"title": {"text": "right in the test, %"}},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            "uirevision": "fixed",
        },
    }


def pareto_front(runs: list[dict]) -> set[str]:
    """Approaches for which no cheaper one has as good a score."""
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


def claim_scores(scores: list[dict]) -> Figure:
    """Test scores with their 95 % intervals: a line for each data set, a mark for each approach.
    `scores` as trainers.claims.judge makes them, each with the "title" of its data."""
    lines = list(dict.fromkeys(row["title"] for row in scores))[::-1]
    ways = list(dict.fromkeys((row["approach"], row["per_class"]) for row in scores))
    several = len({per_class for _, per_class in ways}) > 1  # then a name must say which
    data = []
    for place, (approach, per_class) in enumerate(ways):
        rows = [
            row for row in scores if (row["approach"], row["per_class"]) == (approach, per_class)
        ]
        # Marks of one line lie beside each other, so that intervals can be told apart.
        lift = 0.3 * (place / max(1, len(ways) - 1) - 0.5)
        data.append(
            _claim_markers(approach, named=per_class if several else None)
            | {
                "x": [100 * row["right"] for row in rows],
                "y": [lines.index(row["title"]) - lift for row in rows],
                "error_x": _error_bars(rows, APPROACH_STYLES[approach].colour),
                "hovertemplate": "%{x:.0f} % right<extra>%{fullData.name}</extra>",
            }
        )
    return {
        "data": data,
        "layout": _claim_layout(len(lines), lines)
        | {"xaxis": {"title": {"text": "right in the test, %"}, "range": [0, 101]}},
    }


def claim_times(found: list[dict]) -> Figure:
    """Seconds to a common level: a line for each data set and way. A cross where it was never
    reached. `found` as trainers.claims.judge makes them, each with a "title"."""
    lines = [row["title"] for row in found][::-1]
    runs = [(row["title"], run, place) for row in found for place, run in enumerate(row["times"])]
    most = max(run[way] or 0 for _, run, _ in runs for way in ("first", "second"))
    data = []
    for number, way in enumerate(("first", "second")):
        approach, lift = found[0]["ways"][number], (0.24, -0.06)[number]
        x, y = [], []
        for title, run, place in runs:
            at = lines.index(title) + lift - 0.1 * place  # one line a run, none on another
            x += [0, most if run[way] is None else run[way], None]
            y += [at, at, None]
        marks = [mark for _, run, _ in runs for mark in (False, run[way] is None, False)]
        data.append(
            _claim_markers(approach)
            | {
                "x": x,
                "y": y,
                "mode": "lines+markers",
                "line": {
                    "color": APPROACH_STYLES[approach].colour,
                    "dash": APPROACH_STYLES[approach].dash,
                },
                "hovertemplate": "%{x:.1f} s<extra>%{fullData.name}</extra>",
            }
        )
        data[-1]["marker"] |= {
            "size": [0, 11, 0] * len(runs),
            "symbol": ["x" if never else _symbol(approach) for never in marks],
        }
    return {
        "data": data,
        "layout": _claim_layout(len(lines), lines)
        | {"xaxis": {"title": {"text": "seconds"}, "rangemode": "tozero"}},
    }


def claim_cost(scores: list[dict]) -> Figure:
    """As `claim_scores`, with its seconds behind each mark. Against an axis of time marks would lie
    one on another where two ways take equally long, which is what such a claim may come to."""
    ways = dict.fromkeys(row["approach"] for row in scores)
    # How many examples there are depends on the data alone here.
    drawn = claim_scores([row | {"per_class": None} for row in scores])
    for approach, trace in zip(ways, tuple(drawn["data"]), strict=True):
        rows = [row for row in scores if row["approach"] == approach]
        drawn["data"].append(
            {
                "type": "scatter",
                "mode": "text",
                "x": [100 * row["high"] for row in rows],
                "y": trace["y"],
                "text": [f"  {row['seconds']:.1f} s" for row in rows],
                "textposition": "middle right",
                "showlegend": False,
                "hoverinfo": "skip",
            }
        )
    least = min(100 * row["low"] for row in scores)
    # From the scores on, and with room for the seconds: these are told apart only close by.
    drawn["layout"]["xaxis"]["range"] = [10 * (least // 10), 100 + 0.3 * (100 - least)]
    return drawn


def _claim_markers(approach: str, named: int | None = None) -> dict:
    """What the marks of one approach have in common: told by shape as well as by colour."""
    many = "" if named is None else f", {named} of each" if named else ", names alone"
    return {
        "type": "scatter",
        "name": APPROACHES[approach].title + many,
        "mode": "markers",
        "marker": {
            "color": APPROACH_STYLES[approach].colour,
            "size": 11,
            "symbol": _symbol(approach, named),
        },
    }


def _symbol(approach: str, named: int | None = None) -> str:
    return APPROACH_STYLES[approach].mark + ("-open" if named == 0 else "")


def _error_bars(rows: list[dict], colour: str) -> dict:
    return {
        "type": "data",
        "symmetric": False,
        "array": [100 * (row["high"] - row["right"]) for row in rows],
        "arrayminus": [100 * (row["right"] - row["low"]) for row in rows],
        "color": colour,
        "thickness": 1.5,
    }


def _claim_layout(count: int, lines: list[str]) -> dict:
    return {
        "height": 130 + 52 * count,
        "margin": {"l": 8, "r": 12, "t": 60, "b": 42},
        "yaxis": {
            "tickvals": list(range(count)),
            "ticktext": [_escape_html(line) for line in lines],
            "range": [-0.6, count - 0.4],
            "automargin": True,
            "showgrid": False,
            "zeroline": False,
        },
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "uirevision": "fixed",
    }


def class_counts(counts: Sequence[tuple[str, int, int]]) -> Figure:
    """Examples of each class, to learn from and to test; the largest classes where many."""
    shown = sorted(counts, key=lambda one: one[1] + one[2], reverse=True)[:MAX_BARS][::-1]
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
                "x": [one[place] for one in shown],
                "y": list(range(len(shown))),
                "marker": {"color": colour, "pattern": {"shape": pattern}},
                "customdata": [_escape_html(one[0]) for one in shown],
                "hovertemplate": f"%{{customdata}}: %{{x:,}} {name}<extra></extra>",
            }
            for place, name, colour, pattern in sides
        ],
        "layout": {
            "height": 70 + 26 * len(shown),
            "barmode": "stack",
            "bargap": 0.3,
            "margin": {"l": 8, "r": 12, "t": 30, "b": 24},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            "xaxis": {"rangemode": "tozero"},
            "yaxis": {
                "tickvals": list(range(len(shown))),
                "ticktext": [_escape_html(_truncate(one[0])) for one in shown],
                "automargin": True,
            },
            "uirevision": "fixed",
        },
    }


MAX_BARS = 20


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
                "textposition": "outside",  # in the page's own colour: white would be faint on it
                "cliponaxis": False,
                "hovertemplate": "%{text}<extra></extra>",
            }
        ],
        "layout": {
            "height": 60 + 34 * len(keys),
            "margin": {"l": 8, "r": 48, "t": 8, "b": 36},
            "xaxis": _time_axis(seconds.values(), least=0.5),
            "yaxis": {"automargin": True},
            "uirevision": "fixed",
        },
    }


def _time_axis(seconds: Collection[float], least: float = MIN_AXIS_SECONDS) -> dict:
    """From less than a second to a day: on an even scale all but the longest would be a hair."""
    low = max(least, min(1.0, *seconds))
    return {
        "type": "log",
        "range": [log10(low / 1.6), log10(max(60.0, *seconds) * 1.3)],
        "tickvals": list(TIME_TICKS),
        "ticktext": list(TIME_TICKS.values()),
        "tickangle": 0,
    }


TIME_TICKS = {
    0.1: "0.1 s",
    1: "1 s",
    10: "10 s",
    60: "1 min",
    600: "10 min",
    3600: "1 h",
    36000: "10 h",
}


def score_line(end: RunFinished, accent: str) -> Figure:
    """The test score as a point on 0 to 100 %, with its 95 % interval, and chance as a mark."""
    low, at, high = (
        100 * share for share in (end.test_accuracy_low, end.test_accuracy, end.test_accuracy_high)
    )
    chance = 100 / len(end.classes)
    return {
        "data": [
            {
                "type": "scatter",
                "x": [at],
                "y": [0],
                "mode": "markers",
                "marker": {"size": 13, "color": accent},
                "error_x": {"type": "data", "symmetric": False, "array": [high - at],
                            "arrayminus": [at - low], "thickness": 3, "width": 8, "color": accent},
                "hovertemplate": f"{at:.1f} % ({low:.1f} to {high:.1f})<extra></extra>",
            }
        ],
        "layout": {
            "height": 84,
            "uirevision": "score",
            "margin": {"l": 8, "r": 14, "t": 18, "b": 24},
            "showlegend": False,
            "xaxis": {"range": [0, 101], "ticksuffix": " %", "fixedrange": True},
            "yaxis": {"visible": False, "range": [-1, 1], "fixedrange": True},
            "shapes": [{"type": "line", "x0": chance, "x1": chance, "y0": -1, "y1": 1,
                        "line": {"color": "#888", "dash": "dot", "width": 1.5}}],
            # Of many classes guessing is near 0: the word begins there, or it would be cut off.
            "annotations": [_annotation(chance, 1.0, "guessing", yanchor="bottom",
                                  xanchor="left" if chance < 10 else "auto")],
        },
    }  # fmt: skip


def layer_bars(parts: list[dict], accent: str, frozen: str) -> Figure:
    """Each part of the network, from input to answer: how many numbers it has, which learn."""
    names = [_escape_html(part["name"]) for part in parts]
    learn = [part["learnable"] for part in parts]
    kept = [part["parameters"] - part["learnable"] for part in parts]
    words = [
        f"{_format_count(part['learnable'])} of {_format_count(part['parameters'])} learn"
        if part["learnable"]
        else f"{_format_count(part['parameters'])} frozen"
        for part in parts
    ]
    most = max(part["parameters"] for part in parts)
    # Bars by share, not by size: a last layer of 2,000 numbers beside 10 million would not be seen.
    widths = [max(0.14, (part["parameters"] / most) ** 0.35) for part in parts]
    shares = [
        # A part that learns a little must show that it does.
        max(0.12, part["learnable"] / part["parameters"]) if part["learnable"] else 0.0
        for part in parts
    ]
    share = list(zip(widths, shares, strict=True))
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "name": "learning",
                "y": names,
                "x": [width * part for width, part in share],
                "marker": {"color": accent},
                "customdata": learn,
                "hovertemplate": "%{customdata:,} numbers learn<extra></extra>",
            },
            {
                "type": "bar",
                "orientation": "h",
                "name": "frozen",
                "y": names,
                "x": [width * (1 - part) for width, part in share],
                "marker": {"color": frozen, "opacity": 0.55},
                "customdata": kept,
                "text": words,
                "textposition": "outside",
                "cliponaxis": False,
                "hovertemplate": "%{customdata:,} numbers frozen<extra></extra>",
            },
        ],
        "layout": {
            "height": 60 + 30 * len(names),
            "uirevision": "layers",
            "barmode": "stack",
            "bargap": 0.25,
            "margin": {"l": 8, "r": 8, "t": 24, "b": 8},
            "xaxis": {"visible": False, "range": [0, 1.65], "fixedrange": True},
            "yaxis": {"autorange": "reversed", "automargin": True, "fixedrange": True,
                      "showgrid": False, "type": "category"},
            "legend": {"orientation": "h", "y": 1.14, "traceorder": "normal"},
        },
    }  # fmt: skip


def _layout(height_px: int, against: str, shapes: list[dict], notes: list[dict]) -> Figure:
    title = "seconds" if against == "seconds" else "passes over the examples (epochs)"
    return {
        "height": height_px,
        "uirevision": against,  # zoom is kept while points come, not when the axis means another
        "margin": {"l": 52, "r": 12, "t": 30, "b": 42},
        "hovermode": "x unified",
        "xaxis": {"title": {"text": title}, "rangemode": "tozero"},
        "shapes": shapes,
        "annotations": notes,
    }


def _x_values(story: RunSnapshot, against: str) -> list[float]:
    return [_x_value(look, story, against) for look in story.evaluations]


def _x_value(event: Any, story: RunSnapshot, against: str) -> float:
    if against == "seconds":
        return event.seconds
    before = sum(
        done.epochs for phase, done in story.finished_phases.items() if phase < event.phase
    )
    return before + event.epoch


def _phase_lines(story: RunSnapshot, against: str) -> tuple[list[dict], list[dict]]:
    """A line and a word where each phase but the first begins."""
    shapes, notes = [], []
    for phase in story.phases[1:]:
        looks = [look for look in story.evaluations if look.phase == phase.phase]
        if not looks:
            continue
        x = _x_value(looks[0], story, against)
        line = {"color": "#888", "width": 1, "dash": "dot"}
        shapes.append(
            {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": x, "x1": x, "line": line}
        )
        notes.append(_annotation(x, 0.03, " the rest thaws", yref="paper", xanchor="left"))
    return shapes, notes


def _annotation(x: float, y: float, text: str, **more: str) -> dict:
    return {"x": x, "y": y, "text": text, "showarrow": False, "font": {"size": 12}, **more}


def _truncate(name: str) -> str:
    """A name beside an axis: a long one would leave no room for what is drawn."""
    return name if len(name) <= MAX_LABEL_CHARS else f"{name[: MAX_LABEL_CHARS - 1]}…"


def _escape_html(name: str) -> str:
    """A name that Plotly shows as it is: it would read `<b>` as markup."""
    return escape(name, quote=False)


def _with_opacity(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def _format_count(number: int) -> str:
    if number >= 1_000_000:
        return f"{number / 1_000_000:.1f} M"
    if number >= 10_000:
        return f"{number / 1000:.0f} k"
    return f"{number:,}"
