"""The figures of the page Learn: measured results to Plotly, as plain dicts. Pure."""

import base64
from typing import Any

from guide.approaches import APPROACHES
from pages.parts.figures.charts import Figure
from pages.parts.figures.style import APPROACH_STYLES
from trainers.lessons.live import FitComparison, ScoreInterval, target_function

# The two classes of the toy, told by mark as well as by colour.
FIRST_CLASS_COLOUR, SECOND_CLASS_COLOUR = (
    APPROACH_STYLES["transfer"].colour,
    APPROACH_STYLES["fine_tune"].colour,
)
GREY = "#7C7F87"
TRAIN_LABEL, TEST_LABEL = "the examples it learns from", "new ones"


def decision_boundary(case: dict[str, Any], thawed: int, side: float) -> Figure:
    """What a toy network with `thawed` layers answers all over the plane (blue to orange, pale
    where it is not sure), and the examples that it learned from."""
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
        own = [
            place
            for place, other in zip(case["points"], case["labels"], strict=True)
            if other == label
        ]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": [x for x, _ in own],
                "y": [y for _, y in own],
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
    """The shares right against how many layers learn besides the head; a large mark where the
    slider is."""
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


def model_fits(found: FitComparison) -> Figure:
    """The marks, the line that they lie near, and what the two methods make of them."""
    stiff, flexible = APPROACH_STYLES["transfer"].colour, APPROACH_STYLES["fine_tune"].colour
    grid = found.grid.tolist()
    data = [
        _curve("the line to be found", grid, target_function(found.grid).tolist(), GREY, "dot"),
        _curve("stiff", grid, found.stiff.prediction.tolist(), stiff, "solid"),
        _curve("flexible", grid, found.flexible.prediction.tolist(), flexible, "dash"),
        {
            "type": "scatter",
            "mode": "markers",
            "name": "marks",
            "x": found.x.tolist(),
            "y": found.y.tolist(),
            "marker": {"color": GREY, "size": 8 if len(found.x) < 60 else 5},
            "hoverinfo": "skip",
        },
    ]
    figure = _chart(data, 340, "", "")
    for axis, reach in (("xaxis", 1.02), ("yaxis", 2.2)):
        figure["layout"][axis] |= {"range": [-reach, reach], "showticklabels": False}
    return figure


def fit_errors(found: FitComparison) -> Figure:
    """The mean errors of both methods, on the marks and on new points."""
    names = ["on the marks", "on new points"]
    pairs = (
        ("stiff", found.stiff, APPROACH_STYLES["transfer"].colour, ""),
        ("flexible", found.flexible, APPROACH_STYLES["fine_tune"].colour, "/"),
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


def approach_curves(found: dict[str, Any]) -> Figure:
    """New points right along the steps, for each way; a line where the hybrid thaws."""
    data = []
    for key, shares in found["right"].items():
        at = [found["every"] * place for place in range(len(shares))]
        look = APPROACH_STYLES[key]
        data.append(_line(APPROACHES[key].title, at, shares, look.colour, DASHES[key]))
    figure = _chart(data, 320, "steps", "new points right, %")
    head = found["head_steps"]
    figure["layout"] |= {
        "shapes": [
            {
                "type": "line",
                "x0": head,
                "x1": head,
                "yref": "paper",
                "y0": 0,
                "y1": 1,
                "line": {"color": APPROACH_STYLES["hybrid"].colour, "dash": "dot", "width": 1.5},
            }
        ],
        "annotations": [
            {
                "x": head,
                "y": 0.02,
                "yref": "paper",
                "text": "the hybrid thaws",
                "showarrow": False,
                "xanchor": "left",
                "xshift": 5,
                "yanchor": "bottom",
            }
        ],
    }
    return figure


DASHES = {"transfer": "dot", "fine_tune": "dash", "hybrid": "solid"}


def class_similarity(names: list[str], values: list[float], truth: int) -> Figure:
    """How like a message is to the name of each class; the largest is the answer."""
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


def accuracy_by_shots(found: dict[str, Any]) -> Figure:
    """The share right against how many examples of each class; the names alone as a line."""
    at = [int(shot) for shot in found["few"]]
    data = [
        _line(
            "the mean of the examples",
            at,
            list(found["few"].values()),
            APPROACH_STYLES["none"].colour,
            "solid",
        )
        | {"mode": "lines+markers"},
        _line("the names alone", [at[0], at[-1]], [found["zero"]] * 2, GREY, "dash"),
    ]
    figure = _chart(data, 280, "examples of each class", "right in the test, %")
    figure["layout"]["xaxis"] |= {"type": "log", "tickvals": at, "ticktext": [str(n) for n in at]}
    return figure


def run_curve(run: dict[str, Any]) -> Figure:
    """A run as the page Run draws it: checks as a line, training examples dotted."""
    colour = APPROACH_STYLES["fine_tune"].colour
    data = [
        _line("checks", run["steps"], run["unseen"], colour, "solid"),
        _line(TRAIN_LABEL, run["steps"], run["seen"], GREY, "dot"),
    ]
    figure = _chart(data, 320, "steps", "right, %")
    figure["layout"]["yaxis"] |= {"range": [40, 103]}
    return figure


def repeated_tests(tested: list[ScoreInterval], share: float) -> Figure:
    """Each test as its score and interval, from top to bottom; a line at the truth. Tests whose
    interval misses it are hollow diamonds."""
    data = []
    for holds, name, symbol, colour in (
        (True, "holds the truth", "circle", APPROACH_STYLES["hybrid"].colour),
        (False, "misses it", "diamond-open", APPROACH_STYLES["fine_tune"].colour),
    ):
        own = [(n, test) for n, test in enumerate(tested, 1) if test.contains(share) == holds]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": [100 * test.score for _, test in own],
                "y": [n for n, _ in own],
                "marker": {"symbol": symbol, "color": colour, "size": 9},
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [100 * (test.high - test.score) for _, test in own],
                    "arrayminus": [100 * (test.score - test.low) for _, test in own],
                    "color": colour,
                    "thickness": 2,
                    "width": 4,
                },
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
    made = _curve(name, x, [100 * share for share in shares], colour, dash)
    return made | {"hovertemplate": "%{y:.0f} %<extra></extra>", "hoverinfo": "y"}


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
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        },
    }
