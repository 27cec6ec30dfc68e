"""Charts of a tested claim: scores, times, or scores with their cost, per data set."""

from guide.approaches import APPROACHES
from pages.parts.figures.plotly_parts import LEGEND_ABOVE, Figure, error_bars, escape_html
from pages.parts.figures.style import APPROACH_STYLES


def claim_scores(scores: list[dict]) -> Figure:
    """Test accuracies with their 95 % intervals: a row per data set, a mark per approach.

    `scores` are those of trainers.claims.judge, each with the "title" of its data set.
    """
    titles = list(dict.fromkeys(row["title"] for row in scores))[::-1]
    series = list(dict.fromkeys((row["approach"], row["per_class"]) for row in scores))
    has_several_sizes = len({per_class for _, per_class in series}) > 1
    data = []
    for number, (approach, per_class) in enumerate(series):
        rows = [
            row for row in scores if (row["approach"], row["per_class"]) == (approach, per_class)
        ]
        offset = 0.3 * (number / max(1, len(series) - 1) - 0.5)  # keeps the intervals apart
        accuracies = [100 * row["right"] for row in rows]
        data.append(
            _markers(approach, per_class if has_several_sizes else None)
            | {
                "x": accuracies,
                "y": [titles.index(row["title"]) - offset for row in rows],
                "error_x": error_bars(
                    accuracies,
                    [100 * row["low"] for row in rows],
                    [100 * row["high"] for row in rows],
                    APPROACH_STYLES[approach].colour,
                ),
                "hovertemplate": "%{x:.0f} % right<extra>%{fullData.name}</extra>",
            }
        )
    return {
        "data": data,
        "layout": _layout(titles)
        | {"xaxis": {"title": {"text": "right in the test, %"}, "range": [0, 101]}},
    }


def claim_times(results: list[dict]) -> Figure:
    """Seconds to a common accuracy: a line per run, with a cross if it was never reached.

    `results` are those of trainers.claims.judge, each with the "title" of its data set.
    """
    titles = [row["title"] for row in results][::-1]
    runs = [
        (row["title"], times, draw) for row in results for draw, times in enumerate(row["times"])
    ]
    longest = max(times[side] or 0 for _, times, _ in runs for side in ("first", "second"))
    data = []
    for number, side in enumerate(("first", "second")):
        approach, offset = results[0]["ways"][number], (0.24, -0.06)[number]
        x, y = [], []
        for title, times, draw in runs:
            height = titles.index(title) + offset - 0.1 * draw
            x += [0, longest if times[side] is None else times[side], None]
            y += [height, height, None]
        is_missing = [flag for _, times, _ in runs for flag in (False, times[side] is None, False)]
        style = APPROACH_STYLES[approach]
        trace = _markers(approach) | {
            "x": x,
            "y": y,
            "mode": "lines+markers",
            "line": {"color": style.colour, "dash": style.dash},
            "hovertemplate": "%{x:.1f} s<extra>%{fullData.name}</extra>",
        }
        trace["marker"] |= {
            "size": [0, 11, 0] * len(runs),
            "symbol": ["x" if missing else style.mark for missing in is_missing],
        }
        data.append(trace)
    return {
        "data": data,
        "layout": _layout(titles)
        | {"xaxis": {"title": {"text": "seconds"}, "rangemode": "tozero"}},
    }


def claim_cost(scores: list[dict]) -> Figure:
    """As `claim_scores`, with the seconds as text beside each mark.

    Not a time axis: marks would overlap where two approaches take equally long.
    """
    approaches = dict.fromkeys(row["approach"] for row in scores)
    # Here the number of examples depends only on the data set.
    figure = claim_scores([row | {"per_class": None} for row in scores])
    for approach, trace in zip(approaches, tuple(figure["data"]), strict=True):
        rows = [row for row in scores if row["approach"] == approach]
        figure["data"].append(
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
    lowest = min(100 * row["low"] for row in scores)
    # The axis starts at the scores, so that close ones differ, and leaves room for the seconds.
    figure["layout"]["xaxis"]["range"] = [10 * (lowest // 10), 100 + 0.3 * (100 - lowest)]
    return figure


def _markers(approach: str, per_class: int | None = None) -> dict:
    """The marks of one approach; `per_class` goes into the name, and 0 (zero-shot) is hollow."""
    style = APPROACH_STYLES[approach]
    shots = "" if per_class is None else f", {per_class} of each" if per_class else ", names alone"
    return {
        "type": "scatter",
        "name": APPROACHES[approach].title + shots,
        "mode": "markers",
        "marker": {
            "color": style.colour,
            "size": 11,
            "symbol": style.mark + ("-open" if per_class == 0 else ""),
        },
    }


def _layout(titles: list[str]) -> dict:
    return {
        "height": 130 + 52 * len(titles),
        "margin": {"l": 8, "r": 12, "t": 60, "b": 42},
        "yaxis": {
            "tickvals": list(range(len(titles))),
            "ticktext": [escape_html(title) for title in titles],
            "range": [-0.6, len(titles) - 0.4],
            "automargin": True,
            "showgrid": False,
            "zeroline": False,
        },
        "legend": LEGEND_ABOVE,
        "uirevision": "fixed",
    }
