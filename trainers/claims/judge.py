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
    Contest,
    Measured,
    Verdict,
    contests,
    title,
)
from trainers.evaluation.metrics import Gap, over_draws
from trainers.evaluation.verdict import TOLERATED

FOR, AGAINST, OPEN = "for", "against", "open"
MARKS = {FOR: "[for]", AGAINST: "[against]", OPEN: "[open]"}
SAVED = 0.75  # the article's
USEFUL = 2  # times as good as guessing; ours


def judge(claim: str, results: Sequence[Measured]) -> Verdict:
    """The verdict on `claim`, in words and numbers. `numbers` holds "scores" (a row for each data
    set, approach and number of examples: test score with interval, seconds) and "found" (a row for
    each thing that speaks for or against). Raises `UnknownKey`."""
    found = JUDGES[claim](contests(claim), results)
    outcome = _outcome([row["speaks"] for row in found])
    lines = [_summary(outcome, found), *(f"{MARKS[row['speaks']]} {row['words']}" for row in found)]
    return Verdict(outcome, "\n".join(lines), {"scores": scores(results), "found": found})


def _outcome(speak: Sequence[str]) -> str:
    those_for, against = speak.count(FOR), speak.count(AGAINST)
    if those_for:
        return HOLDS if not against and 2 * those_for > len(speak) else PARTLY
    return FAILS if against else UNKNOWN


def _summary(outcome: str, found: Sequence[dict]) -> str:
    speak = [row["speaks"] for row in found]
    told = f"{speak.count(FOR)} of {len(speak)} counts speak for it, {speak.count(AGAINST)} against"
    if left := speak.count(OPEN):
        told += f", and {left} cannot be told" if left > 1 else ", and 1 cannot be told"
    words = {
        HOLDS: "It holds",
        PARTLY: "It holds partly",
        FAILS: "It does not hold here",
        UNKNOWN: "It cannot be told yet",
    }
    return f"{words[outcome]}: {told}."


def scores(results: Sequence[Measured]) -> list[dict]:
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


def _draws(contest: Contest, arm: Arm, results: Iterable[Measured]) -> dict[int, Measured]:
    """The runs of an arm, by seed."""
    wanted = (contest.data, arm.approach, arm.per_class)
    return {one.seed: one for one in results if (one.data, one.approach, one.per_class) == wanted}


def _pairs(
    contest: Contest, first: Arm, second: Arm, results: Iterable[Measured]
) -> list[tuple[Measured, Measured]]:
    """The runs of two arms on the same choice of examples, and on the test examples that all were
    asked: a short budget looks at the first of them only."""
    one, other = _draws(contest, first, results), _draws(contest, second, results)
    both = [(one[seed], other[seed]) for seed in contest.seeds if seed in one and seed in other]
    tests = min((len(run.right) for pair in both for run in pair), default=0)
    return [tuple(replace(run, right=run.right[:tests]) for run in pair) for pair in both]


def _gap(pairs: Sequence[tuple[Measured, Measured]]) -> Gap:
    """How far the first are ahead."""
    return over_draws([run.right for run, _ in pairs], [run.right for _, run in pairs])


def _row(data: str, speaks: str, words: str, **numbers: object) -> dict:
    return {"data": data, "speaks": speaks, "words": f"{title(data)}: {words}", **numbers}


def _missing(data: str, what: str = "") -> dict:
    return _row(data, OPEN, f"{what}not measured.")


def _named(arm: Arm) -> str:
    return APPROACHES[arm.approach].title.lower()


def _right(pairs: Sequence[tuple[Measured, Measured]]) -> str:
    one, other = (mean(mean(pair[place].right) for pair in pairs) for place in (0, 1))
    return f"{one:.0%} against {other:.0%} right"


def _span(gap: Gap) -> str:
    return f"{100 * gap.difference:+.1f} points, {100 * gap.low:+.1f} to {100 * gap.high:+.1f}"


# --- the claims -----------------------------------------------------------------------------------


def _better(contest: Contest, results: Sequence[Measured]) -> list[dict]:
    """For: the first arm is certainly better than the second. Against: certainly worse."""
    first, second = contest.arms
    pairs = _pairs(contest, first, second, results)
    if not pairs:
        return [_missing(contest.data)]
    gap = _gap(pairs)
    speaks = FOR if gap.low > 0 else AGAINST if gap.high < 0 else OPEN
    word = {FOR: "certainly better", AGAINST: "certainly worse", OPEN: "no certain difference"}
    words = f"{_named(first)} {_right(pairs)} for {_named(second)}, {word[speaks]} ({_span(gap)})."
    return [_row(contest.data, speaks, words, **gap._asdict())]


def _time_saved(contest: Contest, results: Sequence[Measured]) -> list[dict]:
    """For: three quarters of the time to what scratch reaches are saved, whichever the choice of
    examples. Against: none is."""
    pairs = _pairs(contest, *contest.arms, results)
    if not pairs:
        return [_missing(contest.data)]
    if why := _no_level(pairs):
        return [_row(contest.data, OPEN, why)]
    runs = []
    for transfer, scratch in pairs:
        runs.append(_times(transfer, scratch, best(scratch)))
    saved = [0.0 if run["first"] is None else 1 - run["first"] / run["second"] for run in runs]
    speaks = FOR if min(saved) >= SAVED else AGAINST if max(saved) <= 0 else OPEN
    told = [
        f"{run['level']:.0%} of the checks after {run['second']:.1f} s from scratch, "
        + ("never" if run["first"] is None else f"{run['first']:.1f} s")
        + " by transfer learning"
        for run in runs
    ]
    words = f"{'; '.join(told)}. Saved: {_range(saved)}."
    if any(scratch.cut_short for _, scratch in pairs):
        words += " From scratch was still improving, or might have been, when its time was up."
    return [_row(contest.data, speaks, words, saved=saved, times=runs, ways=_ways(contest))]


def reached(run: Measured, level: float) -> float | None:
    """Seconds until a run first had `level` of the checks right; None where it never had."""
    return next((seconds for seconds, share in run.looks if share >= level), None)


def best(run: Measured) -> float:
    """The most that a run ever had right of the checks."""
    return max(share for _, share in run.looks)


def _no_level(pairs: Sequence[tuple[Measured, Measured]]) -> str:
    """Why the times of these runs to a common level would say nothing; "" where they do."""
    if any(one.checks != other.checks for one, other in pairs):
        return "not the same checks, since the time was too short for all. Give it more seconds."
    for run in (run for pair in pairs for run in pair):
        right = round(best(run) * run.checks)
        interval = binomtest(right, run.checks).proportion_ci(0.95, method="wilson")
        if interval.low <= USEFUL / run.classes:
            named = APPROACHES[run.approach].title.lower()
            return (
                f"{named} gets to {best(run):.0%} of the checks, not certainly twice as good as "
                "guessing: the time to that says nothing."
            )
    return ""


def _range(shares: Sequence[float]) -> str:
    low, high = f"{min(shares):.0%}", f"{max(shares):.0%}"
    return low if low == high else f"{low} to {high}"


def _ways(contest: Contest) -> list[str]:
    return [arm.approach for arm in contest.arms]


def _at_first_and_later(contest: Contest, results: Sequence[Measured]) -> list[dict]:
    """Two counts. At first fine-tuning is quicker, to a level that both reach; later, when only a
    new last layer need learn, transfer learning is, and nearly as good as fine-tuning gets."""
    pairs = _pairs(contest, *contest.arms, results)
    if not pairs:
        return [_missing(contest.data, "at first, "), _missing(contest.data, "later, ")]
    if why := _no_level(pairs):
        return [_row(contest.data, OPEN, f"{what}, {why}") for what in ("at first", "later")]
    at_first, later = [], []
    for transfer, tuned in pairs:
        both, near = min(best(transfer), best(tuned)), best(tuned) - TOLERATED
        at_first.append(_times(transfer, tuned, both))
        later.append(_times(transfer, tuned, near, known_seconds=transfer.first_seconds))
    dearer = [run["first"] > run["second"] for run in at_first]
    saves = [run["first"] is not None and run["first"] < run["second"] for run in later]
    return [
        _count(contest, "at first", at_first, dearer),
        _count(contest, "later", later, saves),
    ]


def _times(transfer: Measured, tuned: Measured, level: float, known_seconds: float = 0) -> dict:
    """Seconds of both to a level; without those for what transfer learning knows already."""
    took = reached(transfer, level)
    return {
        "seed": tuned.seed,
        "level": level,
        "first": None if took is None else max(0.0, took - known_seconds),
        "second": reached(tuned, level),
    }


def _count(contest: Contest, what: str, runs: list[dict], as_claimed: Sequence[bool]) -> dict:
    speaks = FOR if all(as_claimed) else OPEN if any(as_claimed) else AGAINST
    told = [
        ("never" if run["first"] is None else f"{run['first']:.1f} s")
        + f" by transfer learning, {run['second']:.1f} s by fine-tuning, to {run['level']:.0%} of "
        "the checks"
        for run in runs
    ]
    words = f"{what}, {'; '.join(told)}."
    return _row(contest.data, speaks, words, part=what, times=runs, ways=_ways(contest))


def _special(given: Sequence[Contest], results: Sequence[Measured]) -> list[dict]:
    """For pictures and for texts: does fine-tuning gain more on the special task?"""
    rows = []
    for modality in ("images", "text"):
        those = [
            contest for contest in given if datasets.SAMPLES[contest.data].modality == modality
        ]
        kinds = {datasets.SAMPLES[t.data].resembles["specificity"]: t for t in those}
        near, far = kinds["common"], kinds["specialised"]
        pairs = {contest.data: _pairs(contest, *contest.arms, results) for contest in (near, far)}
        if not all(pairs.values()):
            rows.append(_missing(far.data))
            continue
        usual, special = _gap(pairs[near.data]), _gap(pairs[far.data])
        middle = special.difference - usual.difference
        # Different tests, so their errors are independent: the half widths add as squares do.
        half = sqrt(((special.high - special.low) ** 2 + (usual.high - usual.low) ** 2) / 4)
        low, high = middle - half, middle + half
        speaks = FOR if low > 0 else AGAINST if high < 0 else OPEN
        words = (
            f"fine-tuning gains {100 * special.difference:+.1f} points over transfer learning, and "
            f"{100 * usual.difference:+.1f} on {title(near.data).lower()}: "
            f"{100 * middle:+.1f} more ({100 * low:+.1f} to {100 * high:+.1f})."
        )
        gap = {"difference": middle, "low": low, "high": high}
        rows.append(_row(far.data, speaks, words, against=near.data, **gap))
    return rows


def _as_good_and_sooner(contest: Contest, results: Sequence[Measured]) -> list[dict]:
    """For: as good as the second, and sooner done every time. Against: worse, or later."""
    first, second = contest.arms
    pairs = _pairs(contest, first, second, results)
    if not pairs:
        return [_missing(contest.data)]
    gap = _gap(pairs)
    sooner = [one.seconds < other.seconds for one, other in pairs]
    if gap.low >= -TOLERATED and all(sooner):
        speaks = FOR
    elif gap.high < 0 or not any(sooner):
        speaks = AGAINST
    else:
        speaks = OPEN
    took = [mean(pair[place].seconds for pair in pairs) for place in (0, 1)]
    words = (
        f"{_named(first)} {_right(pairs)} for {_named(second)} ({_span(gap)}), "
        f"in {took[0]:.1f} against {took[1]:.1f} s."
    )
    return [_row(contest.data, speaks, words, **gap._asdict(), seconds=took)]


def _useful(contest: Contest, results: Sequence[Measured]) -> list[dict]:
    """For: certainly twice as good as guessing, and no worse than a classic method with all."""
    *few, classic = contest.arms
    rows = []
    for arm in few:
        what = f"{arm.per_class} of each" if arm.per_class else "names alone"
        pairs = _pairs(contest, arm, classic, results)
        if not pairs:
            rows.append(_missing(contest.data, f"{what}, "))
            continue
        (score,) = scores([run for run, _ in pairs])
        gap, enough = _gap(pairs), USEFUL / pairs[0][0].classes
        if score["high"] < enough:
            speaks = AGAINST
        elif score["low"] > enough and gap.low >= -TOLERATED:
            speaks = FOR
        else:
            speaks = OPEN
        words = (
            f"{what}, {_right(pairs)} for a classic method with {classic.per_class} of each "
            f"({_span(gap)}); guessing would have {1 / pairs[0][0].classes:.0%}."
        )
        rows.append(_row(contest.data, speaks, words, per_class=arm.per_class, **gap._asdict()))
    return rows


def _each(judged: Callable[..., list[dict]]) -> Callable[..., list[dict]]:
    """Every contest by itself."""
    return lambda given, results: [row for contest in given for row in judged(contest, results)]


JUDGES = {
    "training-time": _each(_time_saved),
    "minimal-data": _each(_better),
    "limited-data": _each(_better),
    "moderate-data": _each(_better),
    "compute": _each(_at_first_and_later),
    "specificity": _special,
    "hybrid": _each(_as_good_and_sooner),
    "few-shot": _each(_useful),
}
