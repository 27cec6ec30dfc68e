"""What learning curves say: where they cross, and what more data would bring. Pure.

`right` has, for each (approach, examples of each class, draw), which test examples were predicted
correctly, bool (tests,). The test set is the same for all; a draw is one choice of training
examples, the same for every approach.
"""

from collections.abc import Collection, Mapping
from itertools import pairwise
from math import sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.stats import t as students_t

from guide.approaches import APPROACHES

OutcomeTable = Mapping[tuple[str, int, int], NDArray[np.bool_]]

MIN_SIZES = 3  # two points fit any line
NUM_BOOTSTRAPS = 200
MAX_INTERVAL_WIDTH = 0.06  # a forecast no more exact than this is none; ours
MIN_WORTHWHILE_GAIN = 0.01  # not worth collecting twice the data for; ours
POWER_LAW_EXPONENTS = np.geomspace(
    0.1, 2.0, 8
)  # of the inverse power law; measured ones lie between: Hestness
# et al. 2017, "Deep Learning Scaling is Predictable, Empirically", found 0.07 to 0.5


class CurveAnalysis(NamedTuple):
    words: str
    crossings: list[dict]  # of each pair of approaches, see `crossing`
    extrapolations: list[dict]  # of each approach, see `forecast`


def analyse_curves(
    right: OutcomeTable, cut_short: Mapping[str, int] | None = None, hurried: Collection[str] = ()
) -> CurveAnalysis:
    """The words for all curves, a line each. `right` holds the runs that had time to learn from
    every example; `cut_short`: the smallest number of each class for which an approach never had;
    `hurried`: approaches that mostly ended by the clock."""
    cut_short = cut_short or {}
    tried = sorted({size for _, size, _ in right} | set(cut_short.values()))
    approaches = list(dict.fromkeys(approach for approach, _, _ in right))
    # What trains least is the one that the others have to beat.
    approaches.sort(key=lambda key: key != "transfer")
    pairs = [
        find_crossing(second, first, right)
        for place, first in enumerate(approaches)
        for second in approaches[place + 1 :]
    ]
    pairs = [pair for pair in pairs if pair["gaps"]]
    futures = [extrapolate(key, right, cut_short.get(key)) for key in approaches]
    futures.sort(key=lambda one: (-one["per_class"], -one["accuracy"]))
    lines = [_describe_scores(futures, right)] if futures else []
    lines += [
        _describe_crossing(pair, tried)
        for pair in pairs
        if pair["second"] == approaches[0] or pair["outcome"] == "crosses"
    ]
    lines += [_describe_extrapolation(one) for one in futures]
    lines += [
        f"{_capitalise(_approach_title(key))} had no time to learn from all of "
        f"even {size:,} of each class: it "
        "needs more seconds."
        for key, size in cut_short.items()
        if key not in approaches
    ]
    if right and not has_repeated_draws(right):
        lines.append(
            "Each size was tried with one choice of examples alone, and another could come out "
            "differently: more seconds would buy more choices."
        )
    if slow := [_approach_title(key) for key in hurried if key in approaches]:
        lines.append(
            f"Most runs of {' and '.join(slow)} ended because time was up, not because they no "
            "longer improved: with more seconds they may do better, and the curves may cross "
            "elsewhere."
        )
    return CurveAnalysis("\n".join(lines), pairs, futures)


class SizeGap(NamedTuple):
    """One approach minus another, in shares of the test, at one size."""

    per_class: int
    difference: float
    low: float  # 95 % interval
    high: float
    p: float  # of so large a difference if both were equally good


def compare_by_size(first: str, second: str, right: OutcomeTable) -> list[SizeGap]:
    """`first` minus `second` at each size that both were tried with.

    Counted are the test examples, as in `trainers.evaluation.metrics.compare_paired`, and how far
    the draws differ.
    """
    apart: dict[int, Any] = {}
    for approach, size, draw in sorted(right, key=lambda key: key[1:]):
        if approach == first and (second, size, draw) in right:
            one = right[first, size, draw].astype(float) - right[second, size, draw]
            apart.setdefault(size, []).append(one)
    between, freedom = pool_draw_variance(
        {size: np.mean(draws, axis=1) for size, draws in apart.items()}
    )
    found = []
    for size, draws in apart.items():
        each, count = np.mean(draws, axis=0), len(draws[0]) + 2
        middle = each.sum() / count
        by_test = (((each**2).sum() + 1) / count - middle**2) / count
        by_draw = between / size / len(draws)
        # Welch and Satterthwaite: few draws tell little about how far draws differ.
        both = (by_test + by_draw) ** 2
        sure = both / (by_test**2 / (count - 1) + (by_draw**2 / freedom if freedom else 0.0))
        error = sqrt(by_test + by_draw)
        reach = students_t.ppf(0.975, sure) * error
        p = 2 * students_t.sf(abs(middle) / error, sure)
        edges = (middle - reach, middle + reach)
        found.append(SizeGap(size, *(float(n) for n in (each.mean(), *edges, p))))
    return found


def pool_draw_variance(groups: Mapping[int, NDArray[np.float64]]) -> tuple[float, int]:
    """Return the pooled variance between draws within each size, times that size, and its d.o.f.

    Differences between draws are assumed to shrink as the size grows, like errors of a mean: a few
    draws at one size alone would say too little.
    """
    told = {size: group for size, group in groups.items() if len(group) > 1}
    freedom = sum(len(group) - 1 for group in told.values())
    squares = sum(size * float(np.var(group)) * len(group) for size, group in told.items())
    return (squares / freedom, freedom) if freedom else (0.0, 0)


def find_crossing(first: str, second: str, right: OutcomeTable) -> dict:
    """How `first` stands against `second` along the sizes.

    "outcome": "crosses" (once, "between" two sizes: behind at one and ahead at the other, or the
    other way round, neither by chance), "ahead" or "behind" (where it can be told), "cannot tell".
    "ahead" and "behind": the sizes at which there is no doubt: 5 % each for a crossing, which needs
    two; otherwise 5 % for all together (Bonferroni). Of curves that truly are one, 4 % were told
    apart with two draws or three, and 2 % or fewer crossed; with a single draw 61 and 10 % (400
    simulated each), so a single draw tells nothing.
    """
    found = compare_by_size(first, second, right)
    turns = _find_sign_changes(_significant_signs(found, 0.05))
    crosses = len(turns) == 1
    sure = _significant_signs(found, 0.05 if crosses else 0.05 / max(1, len(found)))
    if not has_repeated_draws(right):
        crosses, sure = False, []
    ahead = [size for size, sign in sure if sign > 0]
    behind = [size for size, sign in sure if sign < 0]
    outcome = "cannot tell"
    if crosses:
        outcome = "crosses"
    elif bool(ahead) != bool(behind):
        outcome = "ahead" if ahead else "behind"
    return {
        "first": first,
        "second": second,
        "outcome": outcome,
        "between": list(turns[0]) if crosses else [],
        "ahead": ahead,
        "behind": behind,
        "gaps": [gap._asdict() for gap in found],
    }


def _significant_signs(found: list[SizeGap], p: float) -> list[tuple[int, int]]:
    return [(gap.per_class, 1 if gap.difference > 0 else -1) for gap in found if gap.p < p]


def _find_sign_changes(sure: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The sizes between which the sign changes."""
    return [(one[0], two[0]) for one, two in pairwise(sure) if one[1] != two[1]]


def has_repeated_draws(right: OutcomeTable) -> bool:
    """Return whether any size was tried with more than one choice of examples."""
    return any(draw for _, _, draw in right)


def extrapolate(approach: str, right: OutcomeTable, cut_short: int | None = None) -> dict:
    """Return what twice the largest number of examples would probably bring `approach`.

    "low" and "high": the gain in shares of the test set, the middle 90 % of forecasts over
    resampled test examples and draws, half of them by an inverse power law of the error with a
    floor, half by a line against the logarithm. "outcome": "yes", "no" (at most `LITTLE`),
    "perhaps" (a narrow range that includes no gain), "cannot tell"; then "why".
    """
    keys = sorted((key for key in right if key[0] == approach), key=lambda key: key[1:])
    sizes = np.array([size for _, size, _ in keys], dtype=float)
    answers = np.stack([right[key] for key in keys]).astype(float)
    most = int(sizes.max())
    found = {
        "approach": approach,
        "per_class": most,
        "accuracy": float(answers[sizes == most].mean()),
        "outcome": "cannot tell",
        "low": None,
        "high": None,
        "why": "",
    }
    if cut_short is not None:
        return found | {
            "why": f"there was no time to learn from all of {cut_short:,} of each class, so it "
            "needs more seconds first"
        }
    if len(set(sizes)) < MIN_SIZES:
        return found | {"why": f"a forecast needs at least {MIN_SIZES} sizes"}
    if not has_repeated_draws(right):
        return found | {"why": "each size was tried with one choice of examples alone"}
    gains = _bootstrap_gains(sizes, answers, most)
    low, high = (float(edge) for edge in np.quantile(gains, (0.05, 0.95)))
    if high <= MIN_WORTHWHILE_GAIN and high - low <= MAX_INTERVAL_WIDTH:
        outcome = "no"
    elif low > MIN_WORTHWHILE_GAIN or (low > 0 and high - low <= MAX_INTERVAL_WIDTH):
        outcome = "yes"
    else:
        outcome = "perhaps" if high - low <= MAX_INTERVAL_WIDTH else "cannot tell"
    why = "" if outcome != "cannot tell" else f"twice as many may bring {_format_range(low, high)}"
    return found | {"outcome": outcome, "low": low, "high": high, "why": why}


def _bootstrap_gains(sizes: NDArray, answers: NDArray, most: int) -> list[float]:
    """Return the gain at twice `most`, once for each resampling and kind of curve."""
    rng = np.random.default_rng(0)
    means = answers.mean(1)
    between, _ = pool_draw_variance({size: means[sizes == size] for size in set(sizes)})
    noise = np.sqrt(between / sizes)
    gains = []
    for _ in range(NUM_BOOTSTRAPS):
        asked = rng.integers(0, answers.shape[1], answers.shape[1])
        error = 1 - answers[:, asked].mean(1) + rng.normal(0, noise)
        for fit in (fit_power_law, fit_log_line):
            now, then = np.clip(fit(sizes, error, np.array([most, 2.0 * most])), 0, 1)
            gains.append(now - then)
    return gains


def fit_power_law(sizes: NDArray, error: NDArray, at: NDArray) -> NDArray:
    """a * n ** -b + c with a, c >= 0, fitted to `error` and read `at` other sizes."""
    best, least = np.zeros(len(at)), np.inf
    for power in POWER_LAW_EXPONENTS:
        (height, floor), residue = nnls(_design_matrix(sizes**-power), error)
        if residue < least:
            best, least = height * at**-power + floor, residue
    return best


def fit_log_line(sizes: NDArray, error: NDArray, at: NDArray) -> NDArray:
    """A straight line against the logarithm: it does not flatten out, as the power law does."""
    line, *_ = np.linalg.lstsq(_design_matrix(np.log(sizes)), error)
    return _design_matrix(np.log(at)) @ line


def _design_matrix(values: NDArray) -> NDArray:
    return np.column_stack([values, np.ones(len(values))])


def _describe_scores(futures: list[dict], right: OutcomeTable) -> str:
    most = max(one["per_class"] for one in futures)
    there = [one for one in futures if one["per_class"] == most]
    tests = len(next(iter(right.values())))
    scores = ", ".join(f"{_approach_title(one['approach'])} {one['accuracy']:.1%}" for one in there)
    return f"With {most:,} of each class, of {tests:,} test examples right: {scores}."


def _describe_crossing(pair: dict, sizes: list[int]) -> str:
    """Return where `first` begins to pay, in words; `sizes` are all that were tried."""
    first, second = _approach_title(pair["first"]), _approach_title(pair["second"])
    match pair["outcome"]:
        case "crosses":
            few, many = pair["between"]
            if many in pair["ahead"]:
                return (
                    f"{_capitalise(first)} pays from somewhere between {few:,} and {many:,} "
                    "examples of "
                    f"each class: with {few:,} {second} is ahead, with {many:,} {first} is."
                )
            return (
                f"{_capitalise(first)} is ahead of {second} with {few:,} examples of "
                "each class, and "
                f"behind it with {many:,}: the curves cross in between."
            )
        case "ahead":
            few, many = pair["ahead"][0], pair["ahead"][-1]
            told = f"{_capitalise(first)} pays with {few:,} examples of each class: it is ahead of "
            told += second
            told += ", and fewer were not tried." if few == sizes[0] else "."
            if few != sizes[0]:
                told += " Whether it does with fewer cannot be told."
            if many != sizes[-1]:
                told += f" Whether it still does with more than {many:,} cannot be told."
            return told
        case "behind":
            many = pair["behind"][-1]
            told = f"{_capitalise(first)} does not pay with {many:,} examples of each class: "
            told += f"{second} is ahead."
            return told + (
                " More were not tried."
                if many == sizes[-1]
                else " Whether it does with more cannot be told."
            )
    unseen = 100 * min((gap["high"] - gap["low"]) / 2 for gap in pair["gaps"])
    return (
        f"From how many examples on {first} pays against {second} cannot be told: even where it is "
        f"clearest, differences below about {unseen:.0f} points are invisible."
    )


def _describe_extrapolation(one: dict) -> str:
    name, twice = _approach_title(one["approach"]), 2 * one["per_class"]
    if one["outcome"] == "cannot tell":
        return f"What more examples would bring {name} cannot be told: {one['why']}."
    if one["outcome"] == "no":
        return (
            f"{_capitalise(name)} has levelled off: {twice:,} of each class would "
            "hardly bring anything "
            f"(at most {max(0.0, 100 * one['high']):.1f} points)."
        )
    brings = _format_range(one["low"], one["high"])
    return f"{twice:,} of each class would probably bring {name} {brings}, if its curve goes on so."


def _format_range(low: float, high: float) -> str:
    if low < 0:
        return f"between {-100 * low:.1f} points less and {max(0.0, 100 * high):.1f} more"
    return f"between {100 * low:.1f} and {100 * high:.1f} points"


def _approach_title(approach: str) -> str:
    return APPROACHES[approach].title.lower()


def _capitalise(text: str) -> str:
    return text[0].upper() + text[1:]
