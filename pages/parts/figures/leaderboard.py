"""The board of a room as a table: names and scores, nothing else of anybody's runs. Pure."""

from collections.abc import Sequence

from guide.approaches import APPROACHES
from pages.parts.figures import run_snapshot as tell
from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.style import APPROACH_STYLES
from trainers.hosting.rooms import BoardRow
from trainers.store import data_title

# The marks of the chart as signs: an approach is never told by its colour alone.
MARKER_SIGNS = {
    "circle": "●",
    "square": "■",
    "diamond": "◆",
    "cross": "✚",
    "x": "✖",
    "triangle-up": "▲",
}
SHORT_STATE_LABELS = {"queued": "waits", "running": "runs"}
EMPTY_TEXT = "Nobody has started a run yet."


def format_table(lines: Sequence[BoardRow], first: int = 1) -> str:
    """The lines as Markdown, the place of the first being `first`. Five columns fit on a phone."""
    several_data = len({line.data for line in lines}) > 1
    several_sizes = len({line.examples_per_class for line in lines}) > 1
    head = ["", "name", "approach"]
    head += ["data"] * several_data + ["examples"] * several_sizes + ["right", "time"]
    rows = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for place, line in enumerate(lines, first):
        name, title = escape_markdown(line.name), APPROACHES[line.approach].title
        cells = [str(place) if line.score is not None else ""]
        cells.append(f"**{name} (you)**" if line.is_mine else name)
        cells.append(f":{APPROACH_STYLES[line.approach].badge}[{title}]")
        if several_data:
            cells.append(
                "own data" if line.data == "own" else escape_markdown(data_title(line.data))
            )
        if several_sizes:
            cells.append("all" if line.examples_per_class is None else f"{line.examples_per_class}")
        cells += [
            format_score(line),
            "" if line.seconds is None else tell.format_short_duration(line.seconds),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def format_score(line: BoardRow) -> str:
    """What is right, with its interval; or what the run is at."""
    if line.score is None:
        return tell.STATE_LABELS[line.state]
    if line.low is None or line.high is None:
        return f"**{line.score:.0%}**"
    return f"**{line.score:.0%}** ({100 * line.low:.0f} to {100 * line.high:.0f})"


def format_wall_table(lines: Sequence[BoardRow], first: int) -> str:
    """The lines in three narrow columns: the approach is its mark, which the chart explains."""
    rows = ["| | | |", "|---|---|---|"]
    for place, line in enumerate(lines, first):
        look = APPROACH_STYLES[line.approach]
        mark = f":{look.badge}[{MARKER_SIGNS[look.mark]}]"
        right = (
            SHORT_STATE_LABELS.get(line.state, "–")
            if line.score is None
            else f"**{line.score:.0%}**"
        )
        number = str(place) if line.score is not None else ""
        rows.append(f"| {number} | {mark} {escape_markdown(line.name)} | {right} |")
    return "\n".join(rows)


def describe_rank(lines: Sequence[BoardRow]) -> str:
    """Where the one who looks stands, in words; "" where they have no score."""
    done = [line for line in lines if line.score is not None]
    mine = [line for line in done if line.is_mine]
    if not mine:
        return ""
    best = mine[0]
    people: dict[str, float] = {}
    for line in done:
        people.setdefault(line.name, line.score)
    place = 1 + sum(other > best.score for other in people.values())
    alike = sum(other == best.score for other in people.values()) > 1
    with_whom = ", with others" if alike else ""
    return (
        f"You: place {place} of {len(people)}{with_whom}, {best.score:.0%} right with "
        f"{APPROACHES[best.approach].title}."
    )


def describe_caveat(lines: Sequence[BoardRow]) -> str:
    """What has to be known to read it."""
    if len({line.data for line in lines}) > 1:
        return "Scores on different data cannot be held against each other."
    return ""
