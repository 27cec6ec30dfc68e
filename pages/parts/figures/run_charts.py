"""Charts of one run: accuracy, loss and test score, and the network that it trains."""

from typing import Any

from pages.parts.figures.plotly_parts import (
    CURVE_PX,
    LEGEND_ABOVE,
    Figure,
    annotation,
    error_bars,
    escape_html,
)
from pages.parts.figures.run_snapshot import RunSnapshot
from pages.parts.figures.style import APPROACH_STYLES
from trainers.events import RunFinished

LOSS_PX = 220
DEFAULT_COLOUR = "#888"  # before a run has started


def accuracy_curve(snapshot: RunSnapshot, *, against: str = "seconds") -> Figure:
    """Accuracy on the validation and training examples, against "seconds" or "epoch"."""
    evaluations = snapshot.evaluations
    colour = _colour(snapshot)
    x = _x_values(snapshot, against)
    train = [
        (at, evaluation.train_accuracy)
        for at, evaluation in zip(x, evaluations, strict=True)
        if evaluation.train_accuracy is not None
    ]
    data = [
        {
            "type": "scatter",
            "name": "held-out examples (checks)",
            "x": x,
            "y": [100 * evaluation.accuracy for evaluation in evaluations],
            "mode": "lines+markers",
            "line": {"color": colour, "width": 3},
            "marker": {"size": 5},
            "hovertemplate": "%{y:.0f} % right<extra></extra>",
        },
        {
            "type": "scatter",
            "name": "examples it learns from",
            "x": [at for at, _ in train],
            "y": [100 * accuracy for _, accuracy in train],
            "mode": "lines",
            "line": {"color": colour, "width": 1.5, "dash": "dot"},
            "hovertemplate": "%{y:.0f} % right<extra></extra>",
        },
    ]
    if isinstance(snapshot.end, RunFinished) and against == "seconds":
        data.append(_test_score(snapshot.end, colour))
    shapes, annotations = _phase_lines(snapshot, against)
    if snapshot.baseline:
        level = 100 * snapshot.baseline.accuracy
        line = {"color": APPROACH_STYLES["none"].colour, "width": 1.5, "dash": "dash"}
        shapes.append(
            {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": level, "y1": level}
            | {"line": line}
        )
        is_above = evaluations and evaluations[-1].accuracy < snapshot.baseline.accuracy
        side = "bottom" if is_above and level < 92 else "top"  # on the far side of the curve
        text = f"no training {level:.0f} %"
        annotations.append(annotation(1, level, text, xref="paper", xanchor="right", yanchor=side))
    return {
        "data": data,
        "layout": _layout(CURVE_PX, against, shapes, annotations)
        | {
            "yaxis": {"title": {"text": "right, %"}, "range": [0, 103], "fixedrange": False},
            # Room for a legend of two lines: on a phone the names do not fit in one.
            "margin": {"l": 52, "r": 12, "t": 54, "b": 42},
            "legend": LEGEND_ABOVE,
        },
    }


def _test_score(end: RunFinished, colour: str) -> dict:
    """The test accuracy with its interval, at the end of the run."""
    score, low, high = _test_percentages(end)
    return {
        "type": "scatter",
        "name": "the test, at the end",
        "x": [end.seconds],
        "y": [score],
        "mode": "markers",
        "marker": {"color": colour, "size": 11, "symbol": "star"},
        "error_y": error_bars([score], [low], [high], colour),
        "hovertemplate": "%{y:.0f} % right in the test<extra></extra>",
    }


def _test_percentages(end: RunFinished) -> tuple[float, float, float]:
    return 100 * end.test_accuracy, 100 * end.test_accuracy_low, 100 * end.test_accuracy_high


def loss_curve(snapshot: RunSnapshot, *, against: str = "seconds") -> Figure:
    """Training loss of each step (thin, dotted) and validation loss."""
    colour = _colour(snapshot)
    data = [
        {
            "type": "scatter",
            "name": "each step",
            "x": [_x_value(step, snapshot, against) for step in snapshot.steps],
            "y": [step.loss for step in snapshot.steps],
            "mode": "lines",
            "line": {"color": colour, "width": 1.5, "dash": "dot"},
            "hovertemplate": "%{y:.2f}<extra></extra>",
        },
        {
            "type": "scatter",
            "name": "held-out examples (checks)",
            "x": _x_values(snapshot, against),
            "y": [evaluation.loss for evaluation in snapshot.evaluations],
            "mode": "lines",
            "line": {"color": colour, "width": 2.5},
            "hovertemplate": "%{y:.2f}<extra></extra>",
        },
    ]
    shapes, _ = _phase_lines(snapshot, against)
    return {
        "data": data,
        "layout": _layout(LOSS_PX, against, shapes, [])
        | {"yaxis": {"title": {"text": "loss"}, "rangemode": "tozero"}, "legend": LEGEND_ABOVE},
    }


def score_line(end: RunFinished, accent: str) -> Figure:
    """The test accuracy on a line from 0 to 100 %, with its 95 % interval and chance level."""
    score, low, high = _test_percentages(end)
    chance = 100 / len(end.classes)
    return {
        "data": [
            {
                "type": "scatter",
                "x": [score],
                "y": [0],
                "mode": "markers",
                "marker": {"size": 13, "color": accent},
                "error_x": error_bars([score], [low], [high], accent, thickness=3, width=8),
                "hovertemplate": f"{score:.1f} % ({low:.1f} to {high:.1f})<extra></extra>",
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
            # With many classes, chance is near 0: a centred word would be cut off.
            "annotations": [annotation(chance, 1.0, "guessing", yanchor="bottom",
                                       xanchor="left" if chance < 10 else "auto")],
        },
    }  # fmt: skip


def layer_bars(blocks: list[dict], accent: str, frozen: str) -> Figure:
    """How many parameters each block of the network has, from input to output, and which train."""
    names = [escape_html(block["name"]) for block in blocks]
    trainable = [block["learnable"] for block in blocks]
    labels = [
        f"{_format_count(block['learnable'])} of {_format_count(block['parameters'])} learn"
        if block["learnable"]
        else f"{_format_count(block['parameters'])} frozen"
        for block in blocks
    ]
    largest = max(block["parameters"] for block in blocks)
    # Sublinear, or a head of 2,000 parameters beside 10 million would be invisible.
    widths = [max(0.14, (block["parameters"] / largest) ** 0.35) for block in blocks]
    # A small trainable share must stay visible too.
    shares = [
        max(0.12, block["learnable"] / block["parameters"]) if block["learnable"] else 0.0
        for block in blocks
    ]
    bars = list(zip(widths, shares, strict=True))
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "name": "learning",
                "y": names,
                "x": [width * share for width, share in bars],
                "marker": {"color": accent},
                "customdata": trainable,
                "hovertemplate": "%{customdata:,} numbers learn<extra></extra>",
            },
            {
                "type": "bar",
                "orientation": "h",
                "name": "frozen",
                "y": names,
                "x": [width * (1 - share) for width, share in bars],
                "marker": {"color": frozen, "opacity": 0.55},
                "customdata": [block["parameters"] - block["learnable"] for block in blocks],
                "text": labels,
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


def _colour(snapshot: RunSnapshot) -> str:
    if not snapshot.started:
        return DEFAULT_COLOUR
    return APPROACH_STYLES[snapshot.started.approach].colour


def _layout(height_px: int, against: str, shapes: list[dict], annotations: list[dict]) -> Figure:
    title = "seconds" if against == "seconds" else "passes over the examples (epochs)"
    return {
        "height": height_px,
        "uirevision": against,  # keeps the zoom while points arrive, until the axis changes
        "margin": {"l": 52, "r": 12, "t": 30, "b": 42},
        "hovermode": "x unified",
        "xaxis": {"title": {"text": title}, "rangemode": "tozero"},
        "shapes": shapes,
        "annotations": annotations,
    }


def _x_values(snapshot: RunSnapshot, against: str) -> list[float]:
    return [_x_value(evaluation, snapshot, against) for evaluation in snapshot.evaluations]


def _x_value(event: Any, snapshot: RunSnapshot, against: str) -> float:
    return event.seconds if against == "seconds" else snapshot.total_epochs(event)


def _phase_lines(snapshot: RunSnapshot, against: str) -> tuple[list[dict], list[dict]]:
    """A labelled line where each phase but the first begins, as shapes and annotations."""
    shapes, annotations = [], []
    for phase in snapshot.phases[1:]:
        evaluations = [event for event in snapshot.evaluations if event.phase == phase.phase]
        if not evaluations:
            continue
        x = _x_value(evaluations[0], snapshot, against)
        line = {"color": "#888", "width": 1, "dash": "dot"}
        shapes.append(
            {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": x, "x1": x, "line": line}
        )
        annotations.append(annotation(x, 0.03, " the rest thaws", yref="paper", xanchor="left"))
    return shapes, annotations


def _format_count(number: int) -> str:
    if number >= 1_000_000:
        return f"{number / 1_000_000:.1f} M"
    if number >= 10_000:
        return f"{number / 1000:.0f} k"
    return f"{number:,}"
