"""Does a claim hold? Pure: from what its runs left to a verdict with its numbers.

Each data set (or count) speaks "for" or "against" the claim, or stays "open"; what was not
measured is open. Guide/claims.py says in words what is asked here.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from math import sqrt
from statistics import mean

from scipy.stats import binomtest

from guide.approaches import APPROACHES
from trainers import datasets
from trainers.claims import (
    FAILS,
    HOLDS,
    PARTLY,
    UNKNOWN,
    Arm,
    Comparison,
    RunResult,
    Verdict,
    dataset_title,
    list_comparisons,
)
from trainers.evaluation.metrics import PairedGap, compare_over_seeds
from trainers.evaluation.verdict import TOLERANCE

SUPPORTS, CONTRADICTS, INCONCLUSIVE = "for", "against", "open"
EVIDENCE_LABELS = {SUPPORTS: "[for]", CONTRADICTS: "[against]", INCONCLUSIVE: "[open]"}
MIN_TIME_SAVED = 0.75  # the article's
MIN_TIMES_CHANCE = 2  # times as good as guessing; ours


def judge(claim: str, results: Sequence[RunResult]) -> Verdict:
    """The verdict on `claim`, in words and numbers. `numbers` holds "scores" (a row for each data
    set, approach and number of examples: test score with interval, seconds) and "found" (a row for
    each thing that speaks for or against). Raises `UnknownKey`."""
    found = JUDGES[claim](list_comparisons(claim), results)
    outcome = _decide_outcome([row["speaks"] for row in found])
    lines = [
        _summarise(outcome, found),
        *(f"{EVIDENCE_LABELS[row['speaks']]} {row['words']}" for row in found),
    ]
    return Verdict(outcome, "\n".join(lines), {"scores": summarise_scores(results), "found": found})


def _decide_outcome(speak: Sequence[str]) -> str:
    those_for, against = speak.count(SUPPORTS), speak.count(CONTRADICTS)
    if those_for:
        return HOLDS if not against and 2 * those_for > len(speak) else PARTLY
    return FAILS if against else UNKNOWN


def _summarise(outcome: str, found: Sequence[dict]) -> str:
    speak = [row["speaks"] for row in found]
    told = (
        f"{speak.count(SUPPORTS)} of {len(speak)} counts speak for it, "
        f"{speak.count(CONTRADICTS)} against"
    )
    if left := speak.count(INCONCLUSIVE):
        told += f", and {left} cannot be told" if left > 1 else ", and 1 cannot be told"
    words = {
        HOLDS: "It holds",
        PARTLY: "It holds partly",
        FAILS: "It does not hold here",
        UNKNOWN: "It cannot be told yet",
    }
    return f"{words[outcome]}: {told}."


def summarise_scores(results: Sequence[RunResult]) -> list[dict]:
    """The mean test score of each way on each data set, over its draws. The interval is Wilson's
    for as many tests as there are examples: more draws do not make more of them."""
    rows = []
    for key in dict.fromkeys((one.data, one.approach, one.per_class) for one in results):
        those = [one for one in results if (one.data, one.approach, one.per_class) == key]
        tests = min(len(one.right) for one in those)
        right = mean(mean(one.right[:tests]) for one in those)
        interval = binomtest(round(right * tests), tests).proportion_ci(0.95, method="wilson")
        rows.append(
            {
                "data": key[0],
                "approach": key[1],
                "per_class": key[2],
                "right": right,
                "low": min(float(interval.low), right),
                "high": max(float(interval.high), right),
                "tests": tests,
                "seconds": mean(one.seconds for one in those),
                "runs": len(those),
            }
        )
    return rows


# --- what the results have of a contest -----------------------------------------------------------


def _runs_by_seed(
    contest: Comparison, arm: Arm, results: Iterable[RunResult]
) -> dict[int, RunResult]:
    """The runs of an arm, by seed."""
    wanted = (contest.data, arm.approach, arm.examples_per_class)
    return {one.seed: one for one in results if (one.data, one.approach, one.per_class) == wanted}


def _pair_runs(
    contest: Comparison, first: Arm, second: Arm, results: Iterable[RunResult]
) -> list[tuple[RunResult, RunResult]]:
    """The runs of two arms on the same choice of examples, and on the test examples that all were
    asked: a short budget looks at the first of them only."""
    one, other = _runs_by_seed(contest, first, results), _runs_by_seed(contest, second, results)
    both = [(one[seed], other[seed]) for seed in contest.seeds if seed in one and seed in other]
    tests = min((len(run.right) for pair in both for run in pair), default=0)
    return [tuple(replace(run, right=run.right[:tests]) for run in pair) for pair in both]


def _compute_gap(pairs: Sequence[tuple[RunResult, RunResult]]) -> PairedGap:
    """Return how far the first approach is ahead."""
    return compare_over_seeds([run.right for run, _ in pairs], [run.right for _, run in pairs])


def _finding_row(data: str, speaks: str, words: str, **numbers: object) -> dict:
    return {"data": data, "speaks": speaks, "words": f"{dataset_title(data)}: {words}", **numbers}


def _missing_row(data: str, what: str = "") -> dict:
    return _finding_row(data, INCONCLUSIVE, f"{what}not measured.")


def _approach_title(arm: Arm) -> str:
    return APPROACHES[arm.approach].title.lower()


def _format_accuracies(pairs: Sequence[tuple[RunResult, RunResult]]) -> str:
    one, other = (mean(mean(pair[place].right) for pair in pairs) for place in (0, 1))
    return f"{one:.0%} against {other:.0%} right"


def _format_gap(gap: PairedGap) -> str:
    return f"{100 * gap.difference:+.1f} points, {100 * gap.low:+.1f} to {100 * gap.high:+.1f}"


# --- the claims -----------------------------------------------------------------------------------


def _judge_better(contest: Comparison, results: Sequence[RunResult]) -> list[dict]:
    """For: the first arm is certainly better than the second. Against: certainly worse."""
    first, second = contest.arms
    pairs = _pair_runs(contest, first, second, results)
    if not pairs:
        return [_missing_row(contest.data)]
    gap = _compute_gap(pairs)
    speaks = SUPPORTS if gap.low > 0 else CONTRADICTS if gap.high < 0 else INCONCLUSIVE
    word = {
        SUPPORTS: "certainly better",
        CONTRADICTS: "certainly worse",
        INCONCLUSIVE: "no certain difference",
    }
    words = (
        f"{_approach_title(first)} {_format_accuracies(pairs)} for "
        f"{_approach_title(second)}, {word[speaks]} ({_format_gap(gap)})."
    )
    return [_finding_row(contest.data, speaks, words, **gap._asdict())]


def _judge_time_saved(contest: Comparison, results: Sequence[RunResult]) -> list[dict]:
    """For: three quarters of the time to what scratch reaches are saved, whichever the choice of
    examples. Against: none is."""
    pairs = _pair_runs(contest, *contest.arms, results)
    if not pairs:
        return [_missing_row(contest.data)]
    if why := _no_level_reason(pairs):
        return [_finding_row(contest.data, INCONCLUSIVE, why)]
    runs = []
    for transfer, scratch in pairs:
        runs.append(_compare_times(transfer, scratch, best_accuracy(scratch)))
    saved = [0.0 if run["first"] is None else 1 - run["first"] / run["second"] for run in runs]
    speaks = (
        SUPPORTS
        if min(saved) >= MIN_TIME_SAVED
        else CONTRADICTS
        if max(saved) <= 0
        else INCONCLUSIVE
    )
    told = [
        f"{run['level']:.0%} of the checks after {run['second']:.1f} s from scratch, "
        + ("never" if run["first"] is None else f"{run['first']:.1f} s")
        + " by transfer learning"
        for run in runs
    ]
    words = f"{'; '.join(told)}. Saved: {_format_range(saved)}."
    if any(scratch.cut_short for _, scratch in pairs):
        words += " From scratch was still improving, or might have been, when its time was up."
    return [
        _finding_row(
            contest.data, speaks, words, saved=saved, times=runs, ways=_list_approaches(contest)
        )
    ]


def seconds_to_accuracy(run: RunResult, level: float) -> float | None:
    """Seconds until a run first had `level` of the checks right; None where it never had."""
    return next((seconds for seconds, share in run.looks if share >= level), None)


def best_accuracy(run: RunResult) -> float:
    """The most that a run ever had right of the checks."""
    return max(share for _, share in run.looks)


def _no_level_reason(pairs: Sequence[tuple[RunResult, RunResult]]) -> str:
    """Return why the times of these runs to a common accuracy would mean nothing; "" if they do."""
    if any(one.checks != other.checks for one, other in pairs):
        return "not the same checks, since the time was too short for all. Give it more seconds."
    for run in (run for pair in pairs for run in pair):
        right = round(best_accuracy(run) * run.checks)
        interval = binomtest(right, run.checks).proportion_ci(0.95, method="wilson")
        if interval.low <= MIN_TIMES_CHANCE / run.classes:
            named = APPROACHES[run.approach].title.lower()
            return (
                f"{named} gets to {best_accuracy(run):.0%} of the checks, not certainly "
                "twice as good as "
                "guessing: the time to that says nothing."
            )
    return ""


def _format_range(shares: Sequence[float]) -> str:
    low, high = f"{min(shares):.0%}", f"{max(shares):.0%}"
    return low if low == high else f"{low} to {high}"


def _list_approaches(contest: Comparison) -> list[str]:
    return [arm.approach for arm in contest.arms]


def _judge_early_and_late(contest: Comparison, results: Sequence[RunResult]) -> list[dict]:
    """Two counts. At first fine-tuning is quicker, to a level that both reach; later, when only a
    new last layer need learn, transfer learning is, and nearly as good as fine-tuning gets."""
    pairs = _pair_runs(contest, *contest.arms, results)
    if not pairs:
        return [_missing_row(contest.data, "at first, "), _missing_row(contest.data, "later, ")]
    if why := _no_level_reason(pairs):
        return [
            _finding_row(contest.data, INCONCLUSIVE, f"{what}, {why}")
            for what in ("at first", "later")
        ]
    at_first, later = [], []
    for transfer, tuned in pairs:
        both, near = (
            min(best_accuracy(transfer), best_accuracy(tuned)),
            best_accuracy(tuned) - TOLERANCE,
        )
        at_first.append(_compare_times(transfer, tuned, both))
        later.append(_compare_times(transfer, tuned, near, known_seconds=transfer.first_seconds))
    dearer = [run["first"] > run["second"] for run in at_first]
    saves = [run["first"] is not None and run["first"] < run["second"] for run in later]
    return [
        _judge_times(contest, "at first", at_first, dearer),
        _judge_times(contest, "later", later, saves),
    ]


def _compare_times(
    transfer: RunResult, tuned: RunResult, level: float, known_seconds: float = 0
) -> dict:
    """Seconds of both to a level; without those for what transfer learning knows already."""
    took = seconds_to_accuracy(transfer, level)
    return {
        "seed": tuned.seed,
        "level": level,
        "first": None if took is None else max(0.0, took - known_seconds),
        "second": seconds_to_accuracy(tuned, level),
    }


def _judge_times(
    contest: Comparison, what: str, runs: list[dict], as_claimed: Sequence[bool]
) -> dict:
    speaks = SUPPORTS if all(as_claimed) else INCONCLUSIVE if any(as_claimed) else CONTRADICTS
    told = [
        ("never" if run["first"] is None else f"{run['first']:.1f} s")
        + f" by transfer learning, {run['second']:.1f} s by fine-tuning, to {run['level']:.0%} of "
        "the checks"
        for run in runs
    ]
    words = f"{what}, {'; '.join(told)}."
    return _finding_row(
        contest.data, speaks, words, part=what, times=runs, ways=_list_approaches(contest)
    )


def _judge_specificity(given: Sequence[Comparison], results: Sequence[RunResult]) -> list[dict]:
    """For pictures and for texts: does fine-tuning gain more on the special task?"""
    rows = []
    for modality in ("images", "text"):
        those = [
            contest
            for contest in given
            if datasets.BUNDLED_DATASETS[contest.data].modality == modality
        ]
        kinds = {
            datasets.BUNDLED_DATASETS[t.data].matching_answers["specificity"]: t for t in those
        }
        near, far = kinds["common"], kinds["specialised"]
        pairs = {
            contest.data: _pair_runs(contest, *contest.arms, results) for contest in (near, far)
        }
        if not all(pairs.values()):
            rows.append(_missing_row(far.data))
            continue
        usual, special = _compute_gap(pairs[near.data]), _compute_gap(pairs[far.data])
        middle = special.difference - usual.difference
        # Different tests, so their errors are independent: the half widths add as squares do.
        half = sqrt(((special.high - special.low) ** 2 + (usual.high - usual.low) ** 2) / 4)
        low, high = middle - half, middle + half
        speaks = SUPPORTS if low > 0 else CONTRADICTS if high < 0 else INCONCLUSIVE
        words = (
            f"fine-tuning gains {100 * special.difference:+.1f} points over transfer learning, and "
            f"{100 * usual.difference:+.1f} on {dataset_title(near.data).lower()}: "
            f"{100 * middle:+.1f} more ({100 * low:+.1f} to {100 * high:+.1f})."
        )
        gap = {"difference": middle, "low": low, "high": high}
        rows.append(_finding_row(far.data, speaks, words, against=near.data, **gap))
    return rows


def _judge_as_good_and_faster(contest: Comparison, results: Sequence[RunResult]) -> list[dict]:
    """For: as good as the second, and sooner done every time. Against: worse, or later."""
    first, second = contest.arms
    pairs = _pair_runs(contest, first, second, results)
    if not pairs:
        return [_missing_row(contest.data)]
    gap = _compute_gap(pairs)
    sooner = [one.seconds < other.seconds for one, other in pairs]
    if gap.low >= -TOLERANCE and all(sooner):
        speaks = SUPPORTS
    elif gap.high < 0 or not any(sooner):
        speaks = CONTRADICTS
    else:
        speaks = INCONCLUSIVE
    took = [mean(pair[place].seconds for pair in pairs) for place in (0, 1)]
    words = (
        f"{_approach_title(first)} {_format_accuracies(pairs)} for "
        f"{_approach_title(second)} ({_format_gap(gap)}), "
        f"in {took[0]:.1f} against {took[1]:.1f} s."
    )
    return [_finding_row(contest.data, speaks, words, **gap._asdict(), seconds=took)]


def _judge_useful(contest: Comparison, results: Sequence[RunResult]) -> list[dict]:
    """For: certainly twice as good as guessing, and no worse than a classic method with all."""
    *few, classic = contest.arms
    rows = []
    for arm in few:
        what = f"{arm.examples_per_class} of each" if arm.examples_per_class else "names alone"
        pairs = _pair_runs(contest, arm, classic, results)
        if not pairs:
            rows.append(_missing_row(contest.data, f"{what}, "))
            continue
        (score,) = summarise_scores([run for run, _ in pairs])
        gap, enough = _compute_gap(pairs), MIN_TIMES_CHANCE / pairs[0][0].classes
        if score["high"] < enough:
            speaks = CONTRADICTS
        elif score["low"] > enough and gap.low >= -TOLERANCE:
            speaks = SUPPORTS
        else:
            speaks = INCONCLUSIVE
        words = (
            f"{what}, {_format_accuracies(pairs)} for a classic method with "
            f"{classic.examples_per_class} of each "
            f"({_format_gap(gap)}); guessing would have {1 / pairs[0][0].classes:.0%}."
        )
        rows.append(
            _finding_row(
                contest.data, speaks, words, per_class=arm.examples_per_class, **gap._asdict()
            )
        )
    return rows


def _judge_each(judged: Callable[..., list[dict]]) -> Callable[..., list[dict]]:
    """Every contest by itself."""
    return lambda given, results: [row for contest in given for row in judged(contest, results)]


JUDGES = {
    "training-time": _judge_each(_judge_time_saved),
    "minimal-data": _judge_each(_judge_better),
    "limited-data": _judge_each(_judge_better),
    "moderate-data": _judge_each(_judge_better),
    "compute": _judge_each(_judge_early_and_late),
    "specificity": _judge_specificity,
    "hybrid": _judge_each(_judge_as_good_and_faster),
    "few-shot": _judge_each(_judge_useful),
}
