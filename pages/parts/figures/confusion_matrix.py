"""The confusion matrix of a run, plain or clickable."""

from pages.parts.figures.plotly_parts import Figure, escape_html, truncate, with_opacity

FRAME_LINE = {"color": "#888", "width": 3}  # visible on light and on dark


def confusion_matrix(classes: list[str], matrix: list[list[int]], accent: str) -> Figure:
    """A heat map of the counts: rows are the true classes, columns the predictions."""
    names = [escape_html(name) for name in classes]
    hide_counts = len(names) > 12
    tick_step = 1 + len(names) // 25  # with more names, there is no room for any
    is_short = all(len(name) <= 2 for name in names)  # such as digits
    ticks = {
        "tickmode": "array",
        "tickvals": names[::tick_step],
        "ticktext": [escape_html(truncate(name)) for name in classes[::tick_step]],
    }
    return {
        "data": [
            {
                "type": "heatmap",
                "z": [[count or None for count in row] for row in matrix],
                "x": names,
                "y": names,
                "text": [
                    [str(count) if count and not hide_counts else "" for count in row]
                    for row in matrix
                ],
                "texttemplate": "%{text}",
                # Pale enough for the page's text colour to stay readable on it.
                "colorscale": [[0, with_opacity(accent, 0.12)], [1, with_opacity(accent, 0.6)]],
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
                      "showticklabels": tick_step == 1, "tickangle": 0 if is_short else -35,
                      "showgrid": False, "type": "category"} | ticks,
            "yaxis": {"title": {"text": "the truth", "standoff": 14}, "automargin": True,
                      "autorange": "reversed", "showgrid": False, "type": "category"} | ticks,
        },
    }  # fmt: skip


def clickable_confusion_matrix(
    classes: list[str], matrix: list[list[int]], accent: str, cell: tuple[int, int] | None
) -> Figure:
    """The confusion matrix without zoom, so that clicks select; `cell` (row, column) is framed."""
    figure = confusion_matrix(classes, matrix, accent)
    layout = figure["layout"] | {"dragmode": False}
    for axis in ("xaxis", "yaxis"):
        layout[axis] = layout[axis] | {"fixedrange": True}
    if cell:
        row, column = cell
        frame = {"type": "rect", "x0": column - 0.5, "x1": column + 0.5}
        layout["shapes"] = [frame | {"y0": row - 0.5, "y1": row + 0.5, "line": FRAME_LINE}]
    return figure | {"layout": layout}
