"""What a room measured, in plain words: every number comes from the lines of its board.

Only what was set alike is held side by side. Of luck only different draws of the examples (seeds)
can tell: a run with the same seed repeats the other, whoever started it.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from guide.approaches import APPROACHES
from trainers.hosting.board import BoardRow

MIN_SEEDS = 2  # draws of each that can be set side by side. Ours
SIGNIFICANCE_LEVEL = 0.05  # a gap that chance makes less often than this is more than luck


class ScoreGroup(NamedTuple):
    """Runs that were done alike."""

    name: str
    run_count: int
    min_score: float  # test accuracy, 0..1
    median_score: float  # the median of the draws
    max_score: float
    median_seconds: float  # the median
    seed_scores: tuple[float, ...]  # one a draw


# What the runs of a room are grouped by -> the field of `BoardRow`.
FIELD_OF = {"approach": "approach", "per_class": "examples_per_class"}


def group_runs(lines: Sequence[BoardRow], by: str) -> list[ScoreGroup]:
    """The finished runs, by "approach" (in the order of the approaches) or by "per_class"."""
    done = [line for line in lines if line.score is not None]
    keys = (
        [key for key in APPROACHES if any(line.approach == key for line in done)]
        if by == "approach"
        else sorted({line.examples_per_class for line in done}, key=lambda n: (n is None, n))
    )
    found = []
    for key in keys:
        these = [line for line in done if getattr(line, FIELD_OF[by]) == key]
        every, scores = sorted(line.score for line in these), _median_per_seed(these)
        seconds = median(line.seconds for line in these)
        found.append(
            ScoreGroup(
                _group_title(key), len(these), every[0], median(scores), every[-1], seconds, scores
            )
        )
    return found


def _median_per_seed(lines: Sequence[BoardRow]) -> tuple[float, ...]:
    """The scores, those of runs that repeat each other once: by their median."""
    draws = defaultdict(list)
    for line in lines:
        draws[line.seed].append(line.score)
    return tuple(sorted(median(scores) for scores in draws.values()))


def _group_title(key: str | int | None) -> str:
    if isinstance(key, str):
        return APPROACHES[key].title
    return "All examples" if key is None else f"{key} of each class"


def summarise_room(lines: Sequence[BoardRow], *, data: str, by: str = "approach") -> list[str]:
    """What came out on `data`, one sentence a point; [] where nothing is finished. Plain text."""
    kinds = defaultdict(list)  # what was set alike, but for `by`
    for line in lines:
        if line.data == data and line.score is not None:
            other = line.examples_per_class if by == "approach" else line.approach
            kinds[other, line.budget_seconds, line.backbone].append(line)
    if not kinds:
        return []
    (other, budget, _), alike = max(kinds.items(), key=lambda kind: len(kind[1]))
    found = group_runs(alike, by)
    said = [_describe_group(group) for group in found]
    if len(kinds) > 1:
        every = sum(map(len, kinds.values()))
        said.insert(
            0,
            f"Of {every} runs, the {len(alike)} that were set alike are held side by side: "
            f"{_group_title(other)}, a budget of {budget:g} s.",
        )
    if len(found) < 2:
        return [*said, "That is one kind only: with another beside it, there is something to see."]
    return said + (_describe_gains(found) if by == "per_class" else _describe_best(found))


def _describe_group(group: ScoreGroup) -> str:
    runs, draws = (
        "1 run" if group.run_count == 1 else f"{group.run_count} runs",
        len(group.seed_scores),
    )
    if draws < group.run_count:
        runs += f" of {draws} draw{'s' * (draws > 1)}"
    if group.run_count == 1:
        return (
            f"{group.name}: {runs}, {group.median_score:.0%} right in {group.median_seconds:.0f} s."
        )
    return (
        f"{group.name}: {runs}, typically {group.median_score:.0%} right ({group.min_score:.0%} to "
        f"{group.max_score:.0%}), in {group.median_seconds:.0f} s."
    )


def _describe_best(found: Sequence[ScoreGroup]) -> list[str]:
    first, second = sorted(found, key=lambda group: group.median_score, reverse=True)[:2]
    if min(len(first.seed_scores), len(second.seed_scores)) < MIN_SEEDS:
        return [_describe_too_few_seeds(first, second)]
    won, pairs = _count_wins(first, second)
    held = f"one draw of each side by side, {first.name} was the better in {won} of {pairs} pairs"
    if _is_chance(first, second):
        return [
            f"Whether {first.name} is ahead of {second.name} cannot be told from these runs: "
            f"{held}, which luck alone does, too."
        ]
    return [f"{first.name} was ahead of {second.name}, by more than luck: {held}."]


def _describe_gains(found: Sequence[ScoreGroup]) -> list[str]:
    """What each step up in examples brought."""
    said = []
    for fewer, more in pairwise(found):
        if min(len(fewer.seed_scores), len(more.seed_scores)) < MIN_SEEDS:
            said.append(_describe_too_few_seeds(fewer, more))
            continue
        step = (
            f"From {fewer.name} to {more.name}: "
            f"{100 * (more.median_score - fewer.median_score):+.0f} points"
        )
        said.append(f"{step}, which may be luck." if _is_chance(fewer, more)
                    else f"{step}, by more than luck.")  # fmt: skip
    return said


def _count_wins(one: ScoreGroup, other: ScoreGroup) -> tuple[int, int]:
    """In how many pairs, a run of each, `one` has more right; and how many pairs there are."""
    pairs = [(a, b) for a in one.seed_scores for b in other.seed_scores]
    return sum(a > b for a, b in pairs), len(pairs)


def _is_chance(one: ScoreGroup, other: ScoreGroup) -> bool:
    """Whether runs that do not differ would lie so far apart as well: Mann and Whitney's test."""
    from scipy.stats import mannwhitneyu  # takes long to import

    return not mannwhitneyu(one.seed_scores, other.seed_scores).pvalue < SIGNIFICANCE_LEVEL


def _describe_too_few_seeds(one: ScoreGroup, other: ScoreGroup) -> str:
    return (
        f"Whether {one.name} and {other.name} differ cannot be told from one draw: a second run of "
        "each, with another seed, shows how much is luck."
    )
