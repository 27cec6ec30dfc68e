"""Describe a run in plain words and suggest what to do next.

The rules are rows: of each kind, the first that matches is used. All thresholds are chosen by us.
The facts come from trainers/reports/narrate.py. A row that makes a claim tests the end of an
interval (`…_low`, `…_high`) that the counts support, never the observed share alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from types import MappingProxyType
from typing import NamedTuple


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """A run so far, in numbers; None where unknown. Shares are 0 to 1, intervals 95 %.

    Validation facts are those of the best weights. Evaluations and epochs are those of the last
    phase. The test facts are None until the run has finished.
    """

    evaluations: int | None = None  # on the validation set
    validation_examples: int | None = None
    validation_accuracy: float | None = None
    validation_low: float | None = None
    validation_high: float | None = None
    train_accuracy: float | None = None  # at the last evaluation
    gap_low: float | None = None  # training minus validation accuracy, at least
    gap_high: float | None = None  # … at most
    validation_lead: float | None = None  # validation minus training accuracy
    best_epoch: float | None = None
    evaluations_since_best: int | None = None
    loss_rise: float | None = None  # last validation loss divided by the lowest
    loss_is_falling: bool | None = None  # the last validation loss is the lowest
    accuracy_is_rising: bool | None = None  # the last validation accuracy is above all before
    phases: int | None = None
    phase_skipped: bool | None = None  # there was no time for a phase
    baseline_accuracy: float | None = None  # on the validation set, without training
    baseline_gain: float | None = None  # validation_accuracy minus baseline_accuracy
    baseline_gain_high: float | None = None  # … at most
    stopped_by_user: bool | None = None
    budget_seconds: float | None = None
    ran_out_of_time: bool | None = None  # the budget allowed fewer steps than planned
    test_correct: int | None = None
    test_examples: int | None = None
    test_accuracy: float | None = None
    test_low: float | None = None
    test_high: float | None = None
    test_interval_width: float | None = None
    majority_class: str | None = None  # of the test set
    majority_share: float | None = None
    margin_over_majority: float | None = None  # test_low minus majority_share
    macro_f1: float | None = None
    accuracy_above_macro_f1: float | None = None  # test_accuracy minus macro_f1
    unpredicted_class: str | None = None  # a class that was never predicted
    unpredicted_class_examples: int | None = None  # its test examples
    confident_answers: int | None = None  # test predictions with at least `MIN_CONFIDENCE`
    confident_correct: int | None = None
    confident_accuracy_high: float | None = None


MIN_CONFIDENCE = 0.9

ACTIONS: Mapping[str, str] = MappingProxyType(
    {  # key (in links: never rename): label
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
    """A condition on one fact, as data: low <= fact <= high."""

    fact: str
    low: float = -inf
    high: float = inf


@dataclass(frozen=True, kw_only=True)
class NarrationRule:
    key: str  # in test names: never rename
    kind: str  # the topic: at most one rule of each kind is used
    when: tuple[InRange, ...]  # all must hold
    template: str  # filled in with the facts
    action: str = ""  # a key of ACTIONS
    live: bool = False  # used while the run is going on, otherwise at its end


class Narration(NamedTuple):
    rules: tuple[NarrationRule, ...]  # those used
    text: str
    action: str  # a key of ACTIONS, or ""


MAX_SENTENCES = 2  # chosen by us: more are not read


def matches(test: InRange, facts: RunFacts) -> bool:
    value = getattr(facts, test.fact)
    return value is not None and test.low <= value <= test.high


def narrate(facts: RunFacts, rows: Sequence[NarrationRule], *, live: bool = False) -> Narration:
    """Describe a run by the first matching row of each kind, in the order of `rows`.

    At most `MAX_SENTENCES` rows are used, one while the run is `live`. The action is that of the
    first used row that has one.
    """
    matching: dict[str, NarrationRule] = {}
    for row in rows:
        if row.live == live and all(matches(test, facts) for test in row.when):
            matching.setdefault(row.kind, row)
    fallback = matching.pop(FALLBACK, None)
    limit = 1 if live else MAX_SENTENCES
    chosen = tuple(matching.values())[:limit] or ((fallback,) if fallback else ())
    text = " ".join(row.template.format(**vars(facts)) for row in chosen)
    return Narration(chosen, text, next((row.action for row in chosen if row.action), ""))


FALLBACK = "rest"  # the kind that is used only if no other matches

SMALL_GAP, LARGE_GAP = 0.05, 0.10  # between shares
FEW_VALIDATION_EXAMPLES = 30
# As in trainers/training/loop.py: fewer cannot tell which weights are best.
RELIABLE_VALIDATION_EXAMPLES = 100

FINAL_RULES = (
    NarrationRule(
        key="chance",
        kind="score",
        when=(InRange("margin_over_majority", high=0),),
        template="It has {test_correct:,} of {test_examples:,} right, and always answering "
        "'{majority_class}' would have {majority_share:.0%}: these test examples do not show that "
        "it learned anything.",
        action="look-over",
    ),
    NarrationRule(
        key="few-tests",
        kind="score",
        when=(InRange("test_interval_width", low=0.25),),
        template="There are only {test_examples:,} test examples: of others like them it may have "
        "anything from {test_low:.0%} to {test_high:.0%} right.",
        action="add-examples",
    ),
    NarrationRule(
        key="stopped",
        kind="learning",
        when=(InRange("stopped_by_user", 1),),
        template="You stopped it early: this is the best that it had found by then.",
        action="again",
    ),
    NarrationRule(
        key="skipped",
        kind="learning",
        when=(InRange("phase_skipped", 1),),
        template="Its {budget_seconds:g} seconds were over before the second part could begin: "
        "only the new last layer has learned.",
        action="more-seconds",
    ),
    NarrationRule(
        key="time-was-short",
        kind="learning",
        when=(
            InRange("ran_out_of_time", 1),
            InRange("loss_is_falling", 1),
            InRange("accuracy_is_rising", 1),  # a loss also falls by mere confidence
            InRange("evaluations", low=3),
        ),
        template="It ran out of time while still improving: its validation accuracy was highest at "
        "the last step of its {budget_seconds:g} seconds.",
        action="more-seconds",
    ),
    NarrationRule(
        key="thaw-did-not-help",
        kind="learning",
        when=(
            InRange("phases", 2),
            InRange("best_epoch", high=0),
            InRange("evaluations_since_best", 3),
            InRange("validation_examples", RELIABLE_VALIDATION_EXAMPLES),
        ),
        template="On the {validation_examples:,} validation examples nothing after the first part "
        "was better: letting the whole model learn did not help here.",
        action="frozen",
    ),
    NarrationRule(
        key="memorising",
        kind="learning",
        when=(
            InRange("train_accuracy", low=0.98),
            InRange("gap_low", low=LARGE_GAP),
            InRange("evaluations_since_best", low=1),
            InRange("best_epoch", low=0.5),
        ),
        template="Training accuracy is {train_accuracy:.0%}, but new examples "
        "({validation_accuracy:.0%} right) stopped improving at pass {best_epoch:.0f}: it is "
        "memorising. More examples would help more than more training.",
        action="more-examples",
    ),
    NarrationRule(
        key="gap",
        kind="learning",
        when=(InRange("gap_low", low=LARGE_GAP), InRange("train_accuracy")),
        template="It has {train_accuracy:.0%} of the examples it learns from right and "
        "{validation_accuracy:.0%} of new ones: part of what it learned holds for its own "
        "examples only.",
        action="more-examples",
    ),
    NarrationRule(
        key="few-checks",
        kind="learning",
        when=(InRange("validation_examples", high=FEW_VALIDATION_EXAMPLES - 1),),
        template="Only {validation_examples:,} examples checked its progress, so its curve says "
        "little; the test says more.",
        action="more-examples",
    ),
    NarrationRule(
        key="unanswered",
        kind="classes",
        when=(InRange("unpredicted_class_examples", low=5),),
        template="It never answered '{unpredicted_class}', though {unpredicted_class_examples:,} "
        "test examples are of that class.",
        action="mistakes",
    ),
    NarrationRule(
        key="lopsided",
        kind="classes",
        when=(
            InRange("majority_share", low=0.6),
            InRange("accuracy_above_macro_f1", low=LARGE_GAP),
        ),
        template="{majority_share:.0%} of the test examples are '{majority_class}', so the share "
        "that is right flatters: with every class counted the same (macro-F1) it is "
        "{macro_f1:.2f}.",
        action="mistakes",
    ),
    NarrationRule(
        key="too-sure",
        kind="sure",
        when=(InRange("confident_accuracy_high", high=MIN_CONFIDENCE - 0.001),),
        template="It is too sure of itself: of {confident_answers:,} answers given with at least "
        f"{MIN_CONFIDENCE:.0%} only {{confident_correct:,}} are right.",
        action="sure",
    ),
    NarrationRule(
        key="no-gain",
        kind="worth",
        when=(
            InRange("baseline_gain", high=0),
            InRange("validation_examples", low=FEW_VALIDATION_EXAMPLES),
        ),
        template="Its validation accuracy ({validation_accuracy:.0%}) is no higher than without "
        "any training ({baseline_accuracy:.0%}).",
        action="none",
    ),
    NarrationRule(
        key="all-right",
        kind="score",
        when=(InRange("test_accuracy", low=1),),
        template="All {test_examples:,} test examples are right; of others like them most likely "
        "at least {test_low:.0%} are.",
        action="take",
    ),
    NarrationRule(
        key="ahead",
        kind="learning",
        when=(
            InRange("validation_lead", low=LARGE_GAP),
            InRange("validation_accuracy", low=0.5),
            InRange("train_accuracy"),
        ),
        template="New examples are answered better ({validation_accuracy:.0%}) than those it "
        "learned from ({train_accuracy:.0%}): those were counted while it was still learning, and "
        "may be made harder for it. So it did not memorise them.",
        action="others",
    ),
    NarrationRule(
        key="carries-over",
        kind="learning",
        when=(
            InRange("gap_high", high=LARGE_GAP),
            InRange("validation_lead", high=LARGE_GAP),
            InRange("validation_accuracy", low=0.5),
            InRange("train_accuracy"),
        ),
        template="New examples are answered nearly as well ({validation_accuracy:.0%}) as those it "
        "learned from ({train_accuracy:.0%}): what it learned carries over.",
        action="others",
    ),
    NarrationRule(
        key="nothing-stands-out",
        kind=FALLBACK,
        when=(InRange("test_examples", low=1),),
        template="Nothing stands out: {test_correct:,} of {test_examples:,} are right. Whether "
        "another approach does better, only a comparison can tell.",
        action="others",
    ),
)

LIVE_RULES = (
    NarrationRule(
        key="live-all-right",
        kind="now",
        live=True,
        when=(InRange("validation_accuracy", low=1), InRange("evaluations", low=2)),
        template="All {validation_examples:,} new examples (the checks) are right: the test asks "
        "others.",
    ),
    NarrationRule(
        key="live-memorising",
        kind="now",
        live=True,
        when=(
            InRange("train_accuracy", low=0.98),
            InRange("gap_low", low=LARGE_GAP),
            InRange("evaluations_since_best", low=3),
        ),
        template="It knows its own examples; new ones stopped improving at pass {best_epoch:.0f}.",
    ),
    NarrationRule(
        key="live-flat",
        kind="now",
        live=True,
        when=(InRange("evaluations_since_best", low=3),),
        template="New examples have not been answered better since pass {best_epoch:.0f}.",
    ),
    NarrationRule(
        key="live-rising",
        kind="now",
        live=True,
        when=(InRange("loss_rise", low=1.25), InRange("evaluations", low=3)),
        template="The loss on new examples is rising: it grows more confident in wrong answers.",
    ),
    NarrationRule(
        key="live-below",
        kind="now",
        live=True,
        when=(InRange("baseline_gain_high", high=0), InRange("evaluations", low=2)),
        template="So far below what no training at all gets ({baseline_accuracy:.0%}).",
    ),
    NarrationRule(
        key="live-improving",
        kind="now",
        live=True,
        when=(InRange("loss_is_falling", 1), InRange("evaluations", low=3)),
        template="It is still getting better: {validation_accuracy:.0%} of new examples are right.",
    ),
    NarrationRule(
        key="live-so-far",
        kind="now",
        live=True,
        when=(InRange("evaluations", low=1),),
        template="So far {validation_accuracy:.0%} of new examples (the validation set) are right.",
    ),
)

RULES = FINAL_RULES + LIVE_RULES
