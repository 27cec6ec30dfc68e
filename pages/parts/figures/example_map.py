"""The map of the validation examples, as the model arranges them."""

from pages.parts.figures.plotly_parts import (
    CLASS_COLOURS,
    CLASS_SYMBOLS,
    MAX_BARS,
    Figure,
    escape_html,
    truncate,
)
from pages.parts.figures.run_snapshot import RunSnapshot

MAP_PX = 330


def example_map(snapshot: RunSnapshot) -> Figure:
    """The validation examples at their map points; filled if the prediction is right."""
    points: list[list[float]] = []
    for evaluation in snapshot.evaluations:
        points = evaluation.map_points or points  # [] where nothing moved
    data = []
    if points and snapshot.started:
        last, classes = snapshot.evaluations[-1], snapshot.started.classes
        for label in sorted(set(last.map_labels)):
            of_class = [n for n, other in enumerate(last.map_labels) if other == label]
            for is_right in (True, False):
                chosen = [n for n in of_class if (last.map_predictions[n] == label) == is_right]
                markers = _class_markers(label, classes[label], is_right)
                data.append(
                    markers
                    | {
                        "x": [points[n][0] for n in chosen],
                        "y": [points[n][1] for n in chosen],
                        "text": [escape_html(classes[last.map_predictions[n]]) for n in chosen],
                    }
                )
    return {
        "data": data,
        "layout": {
            "height": MAP_PX,
            "uirevision": "map",
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "xaxis": {"visible": False, "range": _padded_range([x for x, _ in points])},
            "yaxis": {"visible": False, "range": _padded_range([y for _, y in points])},
            "legend": {"orientation": "h", "y": -0.04, "font": {"size": 12}},
            # A longer legend would take the map's room, and the symbols would repeat.
            "showlegend": len(data) <= 2 * MAX_BARS,
        },
    }


def _class_markers(label: int, name: str, is_right: bool) -> dict:
    """The marker style of one class: filled for right predictions, hollow for wrong ones."""
    symbol, full_name = CLASS_SYMBOLS[label % len(CLASS_SYMBOLS)], escape_html(name)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": escape_html(truncate(name)),
        "legendgroup": full_name,
        "showlegend": is_right,
        "hovertemplate": f"{full_name}<br>answer: %{{text}}<extra></extra>",
        "marker": {
            "color": CLASS_COLOURS[label % len(CLASS_COLOURS)],
            "symbol": symbol if is_right else f"{symbol}-open",
            "size": 9 if is_right else 11,
            "line": {"width": 0 if is_right else 2},
        },
    }


def _padded_range(values: list[float]) -> list[float]:
    """Return the range of `values` with 7 % of room on both sides."""
    low, high = min(values, default=0), max(values, default=1)
    room = 0.07 * (high - low) or 1
    return [low - room, high + room]
