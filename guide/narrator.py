"""What happened in a run, in plain words, and what to do next. Rules as rows: of each kind the
first that holds speaks. All thresholds are ours.

The numbers come from trainers/reports/narrate.py. A row that would claim something asks for the end of an
interval that the counts carry (`…_low`, `…_high`), never for the share alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from types import MappingProxyType
from typing import NamedTuple


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """A run so far, in numbers; None where there is none. Shares are 0..1, intervals 95 %.

    `check_…`: the answers to examples that were not learned from, with the weights that are kept.
    Looks and passes are those of the last phase.
    """

    looks: int | None = None  # how often the checks were looked at
    checks: int | None = None
    check_share: float | None = None
    check_low: float | None = None
    check_high: float | None = None
    train_share: float | None = None  # at the last look
    gap_low: float | None = None  # what it is behind on new examples, at the least
    gap_high: float | None = None  # ... at the most
    ahead: float | None = None  # the checks, of what it learns from
    best_pass: float | None = None  # over the examples, when new ones were answered best
    flat: int | None = None  # looks since then
    rise: float | None = None  # of the checks' loss since it was lowest, as a multiple of that
    falling: bool | None = None  # that loss was lowest at the last look
    phases: int | None = None
    skipped: bool | None = None  # there was no time for a phase
    baseline: float | None = None  # right on the checks without any training
    gain: float | None = None  # of the checks' share over that
    gain_high: float | None = None  # ... at the most
    stopped: bool | None = None  # by the visitor
    budget: float | None = None  # seconds
    cut: bool | None = None  # it allowed fewer steps than the examples are worth
    right: int | None = None  # in the test; none of what follows before the end
    tests: int | None = None
    test_share: float | None = None
    test_low: float | None = None
    test_high: float | None = None
    width: float | None = None  # of that interval
    commonest: str | None = None  # class of the test
    commonest_share: float | None = None
    above_commonest: float | None = None  # test_low minus that: how far above it at the least
    macro_f1: float | None = None
    flatters: float | None = None  # the test's share minus macro-F1
    unanswered: str | None = None  # a class that was never the answer
    unanswered_tests: int | None = None  # test examples that are of it
    sure: int | None = None  # answers that were given with at least `SURE`
    sure_right: int | None = None
    sure_high: float | None = None  # of the share of them that is right


MIN_CONFIDENCE = 0.9

ACTIONS: Mapping[str, str] = MappingProxyType(
    {  # key: in links, never rename; label
        "more-seconds": "Run it again with more time",
        "again": "Run it again to its end",
        "more-examples": "Give it more examples",
        "add-examples": "Add examples to the data",
        "look-over": "Look the data over",
        "frozen": "Try transfer learning: the model stays frozen",
        "none": "See how far it gets without training",
        "mistakes": "See which class was taken for which",
        "sure": "See how sure it may be",
        "take": "Take the model away",
        "others": "Set up a comparison with the other approaches",
    }
)


class InRange(NamedTuple):
    """A test on one fact, kept as data: it lies between the two, both included."""

    fact: str
    low: float = -inf
    high: float = inf


@dataclass(frozen=True, kw_only=True)
class NarrationRule:
    key: str  # in test names: never rename
    kind: str  # what it is about: of each, one row speaks
    when: tuple[InRange, ...]  # all must hold
    template: str  # filled in with the facts
    action: str = ""  # a key of ACTIONS
    live: bool = False  # said while it runs; else at the end


class Narration(NamedTuple):
    rules: tuple[NarrationRule, ...]  # that spoke
    text: str
    action: str  # a key of ACTIONS; "" where nothing is to be done


MAX_SENTENCES = 2  # of the rows that speak: more are not read


def matches(test: InRange, facts: RunFacts) -> bool:
    value = getattr(facts, test.fact)
    return value is not None and test.low <= value <= test.high


def narrate(facts: RunFacts, rows: Sequence[NarrationRule], *, live: bool = False) -> Narration:
    """What `rows` say of a run, the first of each kind in their order, two of them at most; the
    first that knows something to do says what. While it is `live`, one of them."""
    spoke: dict[str, NarrationRule] = {}
    for row in rows:
        if row.live == live and all(matches(test, facts) for test in row.when):
            spoke.setdefault(row.kind, row)
    rest = spoke.pop(FALLBACK, None)
    chosen = tuple(spoke.values())[: 1 if live else MAX_SENTENCES] or ((rest,) if rest else ())
    words = " ".join(row.template.format(**vars(facts)) for row in chosen)
    return Narration(chosen, words, next((row.action for row in chosen if row.action), ""))


FALLBACK = "rest"  # the kind that speaks where no other does

SMALL_GAP, LARGE_GAP = 0.05, 0.10  # between shares
FEW_VALIDATION_EXAMPLES = 30
RELIABLE_VALIDATION_EXAMPLES = (
    100  # as in trainers/training/loop.py: fewer cannot tell which weights are best
)

FINAL_RULES = (
    NarrationRule(
        key="chance",
        kind="score",
        when=(InRange("above_commonest", high=0),),
        template="It has {right:,} of {tests:,} right, and always answering '{commonest}' would have "
        "{commonest_share:.0%}: from these test examples it cannot be told that it learned "
        "anything.",
        action="look-over",
    ),
    NarrationRule(
        key="few-tests",
        kind="score",
        when=(InRange("width", low=0.25),),
        template="There are only {tests:,} test examples: of others like them it may have anything "
        "from {test_low:.0%} to {test_high:.0%} right.",
        action="add-examples",
    ),
    NarrationRule(
        key="stopped",
        kind="learning",
        when=(InRange("stopped", 1),),
        template="You stopped it early: this is the best that it had found by then.",
        action="again",
    ),
    NarrationRule(
        key="skipped",
        kind="learning",
        when=(InRange("skipped", 1),),
        template="Its {budget:g} seconds were over before the second part could begin: only the new "
        "last layer has learned.",
        action="more-seconds",
    ),
    NarrationRule(
        key="time-was-short",
        kind="learning",
        when=(InRange("cut", 1), InRange("falling", 1), InRange("looks", low=3)),
        template="Its loss on new examples was still falling at the last step, and its plan for "
        "{budget:g} seconds held no more steps: it had not learned all that it can.",
        action="more-seconds",
    ),
    NarrationRule(
        key="thaw-did-not-help",
        kind="learning",
        when=(
            InRange("phases", 2),
            InRange("best_pass", high=0),
            InRange("flat", 3),
            InRange("checks", RELIABLE_VALIDATION_EXAMPLES),
        ),
        template="On the {checks:,} checks nothing after the first part was better: letting the whole "
        "model learn did not help here.",
        action="frozen",
    ),
    NarrationRule(
        key="memorising",
        kind="learning",
        when=(
            InRange("train_share", low=0.98),
            InRange("gap_low", low=LARGE_GAP),
            InRange("flat", low=1),
            InRange("best_pass", low=0.5),
        ),
        template="Training accuracy is {train_share:.0%}, but new examples ({check_share:.0%} right) "
        "stopped improving at pass {best_pass:.0f}: it is memorising. More examples would help "
        "more than more training.",
        action="more-examples",
    ),
    NarrationRule(
        key="gap",
        kind="learning",
        when=(InRange("gap_low", low=LARGE_GAP), InRange("train_share")),
        template="It has {train_share:.0%} of the examples it learns from right and {check_share:.0%} "
        "of new ones: part of what it learned holds for its own examples only.",
        action="more-examples",
    ),
    NarrationRule(
        key="few-checks",
        kind="learning",
        when=(InRange("checks", high=FEW_VALIDATION_EXAMPLES - 1),),
        template="Only {checks:,} examples checked its progress, so its curve says little; the test "
        "says more.",
        action="more-examples",
    ),
    NarrationRule(
        key="unanswered",
        kind="classes",
        when=(InRange("unanswered_tests", low=5),),
        template="It never answered '{unanswered}', though {unanswered_tests:,} test examples are of "
        "that class.",
        action="mistakes",
    ),
    NarrationRule(
        key="lopsided",
        kind="classes",
        when=(InRange("commonest_share", low=0.6), InRange("flatters", low=LARGE_GAP)),
        template="{commonest_share:.0%} of the test examples are '{commonest}', so the share that is "
        "right flatters: with every class counted the same (macro-F1) it is {macro_f1:.2f}.",
        action="mistakes",
    ),
    NarrationRule(
        key="too-sure",
        kind="sure",
        when=(InRange("sure_high", high=MIN_CONFIDENCE - 0.001),),
        template=f"It is too sure of itself: of {{sure:,}} answers given with at least {MIN_CONFIDENCE:.0%} only "
        "{sure_right:,} are right.",
        action="sure",
    ),
    NarrationRule(
        key="no-gain",
        kind="worth",
        when=(InRange("gain", high=0), InRange("checks", low=FEW_VALIDATION_EXAMPLES)),
        template="It has no more of the checks right ({check_share:.0%}) than no training at all "
        "({baseline:.0%}).",
        action="none",
    ),
    NarrationRule(
        key="all-right",
        kind="score",
        when=(InRange("test_share", low=1),),
        template="All {tests:,} test examples are right; of others like them most likely at least "
        "{test_low:.0%} are.",
        action="take",
    ),
    NarrationRule(
        key="ahead",
        kind="learning",
        when=(
            InRange("ahead", low=LARGE_GAP),
            InRange("check_share", low=0.5),
            InRange("train_share"),
        ),
        template="New examples are answered better ({check_share:.0%}) than those it learned from "
        "({train_share:.0%}): those were counted on the way, while it was still learning, and may "
        "be made harder for it. So nothing was learned by heart.",
        action="others",
    ),
    NarrationRule(
        key="carries-over",
        kind="learning",
        when=(
            InRange("gap_high", high=LARGE_GAP),
            InRange("ahead", high=LARGE_GAP),
            InRange("check_share", low=0.5),
            InRange("train_share"),
        ),
        template="New examples are answered nearly as well ({check_share:.0%}) as those it learned "
        "from ({train_share:.0%}): what it learned carries over.",
        action="others",
    ),
    NarrationRule(
        key="nothing-stands-out",
        kind=FALLBACK,
        when=(InRange("tests", low=1),),
        template="Nothing stands out: {right:,} of {tests:,} are right. Whether another approach does "
        "better, only a comparison can tell.",
        action="others",
    ),
)

LIVE_RULES = (
    NarrationRule(
        key="live-all-right",
        kind="now",
        live=True,
        when=(InRange("check_share", low=1), InRange("looks", low=2)),
        template="All {checks:,} new examples (the checks) are right: the test asks others.",
    ),
    NarrationRule(
        key="live-memorising",
        kind="now",
        live=True,
        when=(
            InRange("train_share", low=0.98),
            InRange("gap_low", low=LARGE_GAP),
            InRange("flat", low=3),
        ),
        template="It knows its own examples; new ones stopped improving at pass {best_pass:.0f}.",
    ),
    NarrationRule(
        key="live-flat",
        kind="now",
        live=True,
        when=(InRange("flat", low=3),),
        template="New examples have not been answered better since pass {best_pass:.0f}.",
    ),
    NarrationRule(
        key="live-rising",
        kind="now",
        live=True,
        when=(InRange("rise", low=1.25), InRange("looks", low=3)),
        template="The loss on new examples is rising: it grows surer of wrong answers.",
    ),
    NarrationRule(
        key="live-below",
        kind="now",
        live=True,
        when=(InRange("gain_high", high=0), InRange("looks", low=2)),
        template="So far below what no training at all gets ({baseline:.0%}).",
    ),
    NarrationRule(
        key="live-improving",
        kind="now",
        live=True,
        when=(InRange("falling", 1), InRange("looks", low=3)),
        template="It is still getting better: {check_share:.0%} of new examples are right.",
    ),
    NarrationRule(
        key="live-so-far",
        kind="now",
        live=True,
        when=(InRange("looks", low=1),),
        template="So far {check_share:.0%} of new examples (the checks) are right.",
    ),
)

RULES = FINAL_RULES + LIVE_RULES
