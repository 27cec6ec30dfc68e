"""A room's leaderboard as Markdown: names and scores, nothing else about anybody's runs."""

from collections.abc import Sequence

from guide.approaches import APPROACHES
from pages.parts.figures import run_snapshot as tell
from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.style import APPROACH_STYLES
from trainers.hosting.board import BoardRow
from trainers.store import data_title

# The chart's markers as characters: approaches never differ by colour alone.
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


def format_table(entries: Sequence[BoardRow], first: int = 1) -> str:
    """Return the entries as a table, ranked from `first`. Five columns fit on a phone."""
    has_several_data = len({entry.data for entry in entries}) > 1
    has_several_sizes = len({entry.examples_per_class for entry in entries}) > 1
    head = ["", "name", "approach"]
    head += ["data"] * has_several_data
    head += ["examples"] * has_several_sizes + ["right", "time"]
    rows = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for place, entry in enumerate(entries, first):
        name, title = escape_markdown(entry.name), APPROACHES[entry.approach].title
        cells = [str(place) if entry.score is not None else ""]
        cells.append(f"**{name} (you)**" if entry.is_mine else name)
        cells.append(f":{APPROACH_STYLES[entry.approach].badge}[{title}]")
        if has_several_data:
            cells.append(
                "own data" if entry.data == "own" else escape_markdown(data_title(entry.data))
            )
        if has_several_sizes:
            cells.append(
                "all" if entry.examples_per_class is None else f"{entry.examples_per_class}"
            )
        cells += [
            format_score(entry),
            "" if entry.seconds is None else tell.format_short_duration(entry.seconds),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def format_score(entry: BoardRow) -> str:
    """Return the accuracy with its interval, or the state of a run without a score."""
    if entry.score is None:
        return tell.STATE_LABELS[entry.state]
    if entry.low is None or entry.high is None:
        return f"**{entry.score:.0%}**"
    return f"**{entry.score:.0%}** ({100 * entry.low:.0f} to {100 * entry.high:.0f})"


def format_wall_table(entries: Sequence[BoardRow], first: int) -> str:
    """Return the entries in three narrow columns, with the approach as its marker."""
    rows = ["| | | |", "|---|---|---|"]
    for place, entry in enumerate(entries, first):
        style = APPROACH_STYLES[entry.approach]
        mark = f":{style.badge}[{MARKER_SIGNS[style.mark]}]"
        right = (
            SHORT_STATE_LABELS.get(entry.state, "–")
            if entry.score is None
            else f"**{entry.score:.0%}**"
        )
        number = str(place) if entry.score is not None else ""
        rows.append(f"| {number} | {mark} {escape_markdown(entry.name)} | {right} |")
    return "\n".join(rows)


def describe_rank(entries: Sequence[BoardRow]) -> str:
    """Return the visitor's own rank as a sentence; "" without a score."""
    done = [entry for entry in entries if entry.score is not None]
    mine = [entry for entry in done if entry.is_mine]
    if not mine:
        return ""
    best = mine[0]
    people: dict[str, float] = {}
    for entry in done:
        people.setdefault(entry.name, entry.score)
    rank = 1 + sum(other > best.score for other in people.values())
    is_shared = sum(other == best.score for other in people.values()) > 1
    shared = ", with others" if is_shared else ""
    return (
        f"You: place {rank} of {len(people)}{shared}, {best.score:.0%} right with "
        f"{APPROACHES[best.approach].title}."
    )


def describe_caveat(entries: Sequence[BoardRow]) -> str:
    """Return what readers of the table must know, or ""."""
    if len({entry.data for entry in entries}) > 1:
        return "Scores on different data cannot be held against each other."
    return ""
