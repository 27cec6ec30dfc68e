"""The figures of what a run had right and wrong: plain dicts for Plotly. Pure."""

from pages.parts.figures import charts
from pages.parts.figures.charts import Figure


def clickable_confusion_matrix(
    classes: list[str], counts: list[list[int]], accent: str, cell: tuple[int, int] | None
) -> Figure:
    """The confusion matrix, to be clicked: it does not zoom, and `cell` is framed."""
    drawn = charts.confusion_matrix(classes, counts, accent)
    layout = drawn["layout"] | {"dragmode": False}
    for axis in ("xaxis", "yaxis"):
        layout[axis] = layout[axis] | {"fixedrange": True}
    if cell:
        row, column = cell
        frame = {"type": "rect", "x0": column - 0.5, "x1": column + 0.5}
        layout["shapes"] = [frame | {"y0": row - 0.5, "y1": row + 0.5, "line": FRAME_LINE}]
    return drawn | {"layout": layout}


FRAME_LINE = {"color": "#888", "width": 3}  # seen on light and on dark
