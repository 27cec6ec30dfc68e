"""The charts of the page Learn, from results measured beforehand or live."""

import base64
from typing import Any

from guide.approaches import APPROACHES
from pages.parts.figures.plotly_parts import LEGEND_ABOVE, Figure, error_bars
from pages.parts.figures.style import APPROACH_STYLES
from trainers.lessons.live import FitComparison, ScoreInterval, target_function

# The two classes of the toy data; they differ by marker as well.
FIRST_CLASS_COLOUR, SECOND_CLASS_COLOUR = (
    APPROACH_STYLES["transfer"].colour,
    APPROACH_STYLES["fine_tune"].colour,
)
GREY = "#7C7F87"
TRAIN_LABEL, TEST_LABEL = "the examples it learns from", "new ones"


def decision_boundary(case: dict[str, Any], thawed: int, side: float) -> Figure:
    """The predictions of a toy network with `thawed` layers over the plane, and its training data.

    Blue to orange, pale where the confidence is low. The plane reaches from -side to +side.
    """
    packed = base64.b64decode(case["surfaces"][thawed])
    cells = round(len(packed) ** 0.5)
    at = [side * (2 * cell / (cells - 1) - 1) for cell in range(cells)]
    rows = [[value / 255 for value in packed[row * cells :][:cells]] for row in range(cells)]
    data = [
        {
            "type": "contour",
            "x": at,
            "y": at,
            "z": rows,
            "zmin": 0,
            "zmax": 1,
            "autocontour": False,
            "contours": {"start": 0.1, "end": 0.9, "size": 0.1},
            "colorscale": [
                [0, FIRST_CLASS_COLOUR],
                [0.5, "rgba(128,128,128,0)"],
                [1, SECOND_CLASS_COLOUR],
            ],
            "opacity": 0.5,
            "line": {"width": 0},
            "showscale": False,
            "hoverinfo": "skip",
        },
        {
            "type": "contour",
            "x": at,
            "y": at,
            "z": rows,
            "autocontour": False,
            "contours": {"start": 0.5, "end": 0.5, "size": 1, "coloring": "none"},
            "line": {"width": 2, "color": GREY},
            "showscale": False,
            "showlegend": False,
            "hoverinfo": "skip",
        },
    ]
    for label, (name, symbol, colour) in enumerate(
        (("one class", "circle", FIRST_CLASS_COLOUR), ("the other", "diamond", SECOND_CLASS_COLOUR))
    ):
        pairs = zip(case["points"], case["labels"], strict=True)
        of_class = [point for point, other in pairs if other == label]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": [x for x, _ in of_class],
                "y": [y for _, y in of_class],
                "marker": {
                    "symbol": symbol,
                    "color": colour,
                    "size": 9 if len(case["points"]) < 100 else 6,
                    "line": {"width": 1, "color": "#FFFFFF"},
                },
                "hoverinfo": "skip",
            }
        )
    axis = {"visible": False, "range": [-side, side], "fixedrange": True}
    return {
        "data": data,
        "layout": {
            "height": 380,
            "uirevision": "border",
            "margin": {"l": 4, "r": 4, "t": 4, "b": 28},
            "xaxis": axis,
            "yaxis": axis | {"scaleanchor": "x"},
            "legend": {"orientation": "h", "y": -0.02, "yanchor": "top", "x": 0},
        },
    }


def accuracy_by_layers(case: dict[str, Any], thawed: int) -> Figure:
    """Accuracy against the number of trained layers besides the head; `thawed` is marked."""
    at = list(range(len(case["seen"])))
    data = [
        _line(TRAIN_LABEL, at, case["seen"], GREY, "dot"),
        _line(TEST_LABEL, at, case["unseen"], APPROACH_STYLES["hybrid"].colour, "solid")
        | {
            "mode": "lines+markers",
            "marker": {"size": [15 if place == thawed else 6 for place in at]},
        },
    ]
    return _chart(data, 250, "layers that learn, besides the head", "right, %")


def model_fits(fits: FitComparison) -> Figure:
    """Noisy points, the function behind them, and the fits of the two methods."""
    stiff, flexible = APPROACH_STYLES["transfer"].colour, APPROACH_STYLES["fine_tune"].colour
    grid = fits.grid.tolist()
    data = [
        _curve("the line to be found", grid, target_function(fits.grid).tolist(), GREY, "dot"),
        _curve("stiff", grid, fits.stiff.prediction.tolist(), stiff, "solid"),
        _curve("flexible", grid, fits.flexible.prediction.tolist(), flexible, "dash"),
        {
            "type": "scatter",
            "mode": "markers",
            "name": "marks",
            "x": fits.x.tolist(),
            "y": fits.y.tolist(),
            "marker": {"color": GREY, "size": 8 if len(fits.x) < 60 else 5},
            "hoverinfo": "skip",
        },
    ]
    figure = _chart(data, 340, "", "")
    for axis, reach in (("xaxis", 1.02), ("yaxis", 2.2)):
        figure["layout"][axis] |= {"range": [-reach, reach], "showticklabels": False}
    return figure


def fit_errors(fits: FitComparison) -> Figure:
    """Mean errors of both methods, on the training points and on new ones."""
    names = ["on the marks", "on new points"]
    pairs = (
        ("stiff", fits.stiff, APPROACH_STYLES["transfer"].colour, ""),
        ("flexible", fits.flexible, APPROACH_STYLES["fine_tune"].colour, "/"),
    )
    data = [
        {
            "type": "bar",
            "name": name,
            "x": names,
            "y": [fit.train_error, fit.test_error],
            "text": [f"{fit.train_error:.2f}", f"{fit.test_error:.2f}"],
            "textposition": "outside",
            "cliponaxis": False,
            "marker": {"color": colour, "pattern": {"shape": pattern}},
            "hoverinfo": "skip",
        }
        for name, fit, colour, pattern in pairs
    ]
    figure = _chart(data, 260, "", "mean error")
    figure["layout"]["yaxis"] |= {"range": [0, 1.3]}
    figure["layout"]["xaxis"] |= {"type": "category"}
    return figure


def approach_curves(result: dict[str, Any]) -> Figure:
    """Test accuracy per step for each approach, with a line where the hybrid thaws."""
    data = []
    for key, shares in result["right"].items():
        at = [result["every"] * place for place in range(len(shares))]
        colour = APPROACH_STYLES[key].colour
        data.append(_line(APPROACHES[key].title, at, shares, colour, DASHES[key]))
    figure = _chart(data, 320, "steps", "new points right, %")
    head, colour = result["head_steps"], APPROACH_STYLES["hybrid"].colour
    figure["layout"] |= {
        "shapes": [{"type": "line", "x0": head, "x1": head, "yref": "paper", "y0": 0, "y1": 1,
                    "line": {"color": colour, "dash": "dot", "width": 1.5}}],
        "annotations": [{"x": head, "y": 0.02, "yref": "paper", "text": "the hybrid thaws",
                         "showarrow": False, "xanchor": "left", "xshift": 5, "yanchor": "bottom"}],
    }  # fmt: skip
    return figure


DASHES = {"transfer": "dot", "fine_tune": "dash", "hybrid": "solid"}


def class_similarity(names: list[str], values: list[float], truth: int) -> Figure:
    """Similarity of a message to each class name; the largest is the prediction."""
    answer = max(range(len(values)), key=values.__getitem__)
    marks = ["answer, right" if n == answer == truth else "answer, wrong" if n == answer
             else "the truth" if n == truth else "" for n in range(len(values))]  # fmt: skip
    colours = [APPROACH_STYLES["none"].colour if n == answer else GREY for n in range(len(values))]
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "y": names,
                "x": values,
                "text": marks,
                "textposition": "outside",
                "cliponaxis": False,
                "marker": {"color": colours},
                "hovertemplate": "%{x:.2f}<extra></extra>",
            }
        ],
        "layout": {
            "height": 70 + 28 * len(names),
            "uirevision": "likeness",
            "bargap": 0.3,
            "margin": {"l": 8, "r": 8, "t": 8, "b": 40},
            "xaxis": {"range": [min(-0.05, *values), max(values) * 1.5], "fixedrange": True,
                      "title": {"text": "likeness to the name"}},
            "yaxis": {"autorange": "reversed", "automargin": True, "fixedrange": True,
                      "showgrid": False, "type": "category"},
        },
    }  # fmt: skip


def accuracy_by_shots(result: dict[str, Any]) -> Figure:
    """Accuracy against examples per class, with zero-shot as a horizontal line."""
    at = [int(shot) for shot in result["few"]]
    colour, accuracies = APPROACH_STYLES["none"].colour, list(result["few"].values())
    data = [
        _line("the mean of the examples", at, accuracies, colour, "solid")
        | {"mode": "lines+markers"},
        _line("the names alone", [at[0], at[-1]], [result["zero"]] * 2, GREY, "dash"),
    ]  # fmt: skip
    figure = _chart(data, 280, "examples of each class", "right in the test, %")
    figure["layout"]["xaxis"] |= {"type": "log", "tickvals": at, "ticktext": [str(n) for n in at]}
    return figure


def run_curve(run: dict[str, Any]) -> Figure:
    """A run as the page Run draws it: validation accuracy, with training accuracy dotted."""
    colour = APPROACH_STYLES["fine_tune"].colour
    data = [
        _line("checks", run["steps"], run["unseen"], colour, "solid"),
        _line(TRAIN_LABEL, run["steps"], run["seen"], GREY, "dot"),
    ]
    figure = _chart(data, 320, "steps", "right, %")
    figure["layout"]["yaxis"] |= {"range": [40, 103]}
    return figure


def repeated_tests(tested: list[ScoreInterval], share: float) -> Figure:
    """Scores of repeated tests with their intervals, and a line at the true accuracy `share`.

    Tests whose interval misses it are hollow diamonds.
    """
    data = []
    for holds, name, symbol, colour in (
        (True, "holds the truth", "circle", APPROACH_STYLES["hybrid"].colour),
        (False, "misses it", "diamond-open", APPROACH_STYLES["fine_tune"].colour),
    ):
        chosen = [(n, test) for n, test in enumerate(tested, 1) if test.contains(share) == holds]
        scores = [100 * test.score for _, test in chosen]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": scores,
                "y": [n for n, _ in chosen],
                "marker": {"symbol": symbol, "color": colour, "size": 9},
                "error_x": error_bars(
                    scores,
                    [100 * test.low for _, test in chosen],
                    [100 * test.high for _, test in chosen],
                    colour,
                    thickness=2,
                    width=4,
                ),
                "hovertemplate": "%{x:.1f} %<extra></extra>",
            }
        )
    at = 100 * share
    figure = _chart(data, 430, "right in the test, %", "")
    figure["layout"]["xaxis"] |= {"range": [20, 101]}
    figure["layout"]["yaxis"] |= {
        "autorange": "reversed",
        "showticklabels": False,
        "showgrid": False,
        "title": {"text": "tests"},
    }
    figure["layout"] |= {
        "shapes": [{"type": "line", "x0": at, "x1": at, "yref": "paper", "y0": 0, "y1": 1,
                    "line": {"color": GREY, "dash": "dash", "width": 2}}],
        "hovermode": "closest",
    }  # fmt: skip
    return figure


def _line(name: str, x: list, shares: list[float], colour: str, dash: str) -> dict:
    curve = _curve(name, x, [100 * share for share in shares], colour, dash)
    return curve | {"hovertemplate": "%{y:.0f} %<extra></extra>", "hoverinfo": "y"}


def _curve(name: str, x: list, y: list[float], colour: str, dash: str) -> dict:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": x,
        "y": y,
        "line": {"color": colour, "width": 2.5, "dash": dash},
        "hoverinfo": "skip",
    }


def _chart(data: list[dict], height_px: int, x: str, y: str) -> Figure:
    return {
        "data": data,
        "layout": {
            "height": height_px,
            "uirevision": "learn",
            "margin": {"l": 52 if y else 12, "r": 12, "t": 54, "b": 44 if x else 24},
            "hovermode": "x unified",
            "xaxis": {"title": {"text": x}, "fixedrange": True},
            "yaxis": {"title": {"text": y}, "fixedrange": True},
            "legend": LEGEND_ABOVE,
        },
    }
