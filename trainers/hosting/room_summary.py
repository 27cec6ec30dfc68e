"""A room's results in sentences; every number comes from the rows of its board.

Only runs with the same settings are compared. Only runs with different seeds show how much is luck:
a run with the same seed repeats the other, whoever started it.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from guide.approaches import APPROACHES
from trainers.hosting.board import BoardRow

MIN_SEEDS = 2  # of each group, for a comparison. Our choice
SIGNIFICANCE_LEVEL = 0.05  # of the Mann-Whitney U test


class ScoreGroup(NamedTuple):
    """Runs that differ in their seeds only."""

    name: str
    run_count: int
    min_score: float  # test accuracy, 0..1
    median_score: float  # over the seeds
    max_score: float
    median_seconds: float
    seed_scores: tuple[float, ...]  # the median of each seed, ascending


# What runs are grouped by (a stored key) -> the field of `BoardRow`.
FIELD_OF = {"approach": "approach", "per_class": "examples_per_class"}


def group_runs(rows: Sequence[BoardRow], by: str) -> list[ScoreGroup]:
    """Group the finished runs by "approach", in the guide's order, or by "per_class", ascending."""
    finished = [row for row in rows if row.score is not None]
    keys = (
        [key for key in APPROACHES if any(row.approach == key for row in finished)]
        if by == "approach"
        else sorted({row.examples_per_class for row in finished}, key=lambda n: (n is None, n))
    )
    groups = []
    for key in keys:
        members = [row for row in finished if getattr(row, FIELD_OF[by]) == key]
        scores, seed_scores = [row.score for row in members], _median_per_seed(members)
        groups.append(
            ScoreGroup(
                name=_group_title(key),
                run_count=len(members),
                min_score=min(scores),
                median_score=median(seed_scores),
                max_score=max(scores),
                median_seconds=median(row.seconds for row in members),
                seed_scores=seed_scores,
            )
        )
    return groups


def _median_per_seed(rows: Sequence[BoardRow]) -> tuple[float, ...]:
    """Return the median score of each seed, ascending: repeats of a run count once."""
    by_seed = defaultdict(list)
    for row in rows:
        by_seed[row.seed].append(row.score)
    return tuple(sorted(median(scores) for scores in by_seed.values()))


def _group_title(key: str | int | None) -> str:
    if isinstance(key, str):
        return APPROACHES[key].title
    return "All examples" if key is None else f"{key} of each class"


def summarise_room(rows: Sequence[BoardRow], *, data: str, by: str = "approach") -> list[str]:
    """Return the results on `data` as sentences (plain text), [] if no run is finished."""
    by_settings = defaultdict(list)  # the runs by all settings except `by`
    for row in rows:
        if row.data == data and row.score is not None:
            other = row.examples_per_class if by == "approach" else row.approach
            by_settings[other, row.budget_seconds, row.backbone].append(row)
    if not by_settings:
        return []
    (other, budget, _), alike = max(by_settings.items(), key=lambda item: len(item[1]))
    groups = group_runs(alike, by)
    sentences = [_describe_group(group) for group in groups]
    if len(by_settings) > 1:
        total = sum(map(len, by_settings.values()))
        sentences.insert(
            0,
            f"Of {total} runs, the {len(alike)} that were set alike are held side by side: "
            f"{_group_title(other)}, a budget of {budget:g} s.",
        )
    if len(groups) < 2:
        return [
            *sentences,
            "That is one kind only: with another beside it, there is something to see.",
        ]
    return sentences + (_describe_gains(groups) if by == "per_class" else _describe_best(groups))


def _describe_group(group: ScoreGroup) -> str:
    runs = "1 run" if group.run_count == 1 else f"{group.run_count} runs"
    draws = len(group.seed_scores)
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


def _describe_best(groups: Sequence[ScoreGroup]) -> list[str]:
    first, second = sorted(groups, key=lambda group: group.median_score, reverse=True)[:2]
    if min(len(first.seed_scores), len(second.seed_scores)) < MIN_SEEDS:
        return [_describe_too_few_seeds(first, second)]
    won, pairs = _count_wins(first, second)
    evidence = (
        f"one draw of each side by side, {first.name} was the better in {won} of {pairs} pairs"
    )
    if _is_chance(first, second):
        return [
            f"Whether {first.name} is ahead of {second.name} cannot be told from these runs: "
            f"{evidence}, which luck alone does, too."
        ]
    return [f"{first.name} was ahead of {second.name}, by more than luck: {evidence}."]


def _describe_gains(groups: Sequence[ScoreGroup]) -> list[str]:
    """Return a sentence for each increase in the number of examples."""
    sentences = []
    for fewer, more in pairwise(groups):
        if min(len(fewer.seed_scores), len(more.seed_scores)) < MIN_SEEDS:
            sentences.append(_describe_too_few_seeds(fewer, more))
            continue
        step = (
            f"From {fewer.name} to {more.name}: "
            f"{100 * (more.median_score - fewer.median_score):+.0f} points"
        )
        verdict = "which may be luck" if _is_chance(fewer, more) else "by more than luck"
        sentences.append(f"{step}, {verdict}.")
    return sentences


def _count_wins(first: ScoreGroup, second: ScoreGroup) -> tuple[int, int]:
    """Return in how many pairs of seeds `first` scores higher, and the number of pairs."""
    pairs = [(a, b) for a in first.seed_scores for b in second.seed_scores]
    return sum(a > b for a, b in pairs), len(pairs)


def _is_chance(first: ScoreGroup, second: ScoreGroup) -> bool:
    """Return whether chance explains the difference, by the Mann-Whitney U test."""
    from scipy.stats import mannwhitneyu  # takes long to import

    return not mannwhitneyu(first.seed_scores, second.seed_scores).pvalue < SIGNIFICANCE_LEVEL


def _describe_too_few_seeds(first: ScoreGroup, second: ScoreGroup) -> str:
    return (
        f"Whether {first.name} and {second.name} differ cannot be told from one draw: a second "
        "run of each, with another seed, shows how much is luck."
    )
