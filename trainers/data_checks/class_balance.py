"""How many usable examples there are, of each class and in the test set."""

import numpy as np

from guide.questions import MODERATE_MIN_EXAMPLES_PER_CLASS
from trainers.data_checks.context import CheckContext
from trainers.data_checks.findings import Finding

# Ours, all of them.
MIN_EXAMPLES_PER_CLASS = 10  # examples of a class: fewer, and which ones they happen to be decides
IMBALANCE_RATIO, SEVERE_IMBALANCE_RATIO = (
    3,
    10,
)  # times as many of the largest class as of the smallest
MAX_INTERVAL_WIDTH = 0.2  # width of the interval around a score of 80 %: at 60 examples
MAX_UNREADABLE_SHARE = 0.05  # of all items
MAX_CLASSES_SHOWN = 12  # classes

UNREADABLE_REASONS = {
    "unreadable": (
        "file that could not be read as a picture",
        "files that could not be read as pictures",
        "Empty, cut short or something else under a picture's name: they are not used. If they "
        "should count, open one to see what it is and save it anew.",
    ),
    "no text": (
        "row without a text",
        "rows without a text",
        "There is nothing to learn from them, so they are not used.",
    ),
    "no label": (
        "row without a label",
        "rows without a label",
        "Without a right answer nothing can be learned from them, so they are not used. Label "
        "them if you can.",
    ),
}


def check_unreadable(known: CheckContext) -> Finding | None:
    left = known.metadata.get("unusable", {})
    reasons = [
        (why, left[why]["count"]) for why in UNREADABLE_REASONS if left.get(why, {}).get("count")
    ]
    if not reasons:
        return None
    count = sum(number for _, number in reasons)
    title = " and ".join(f"{n:,} {UNREADABLE_REASONS[why][n > 1]}" for why, n in reasons)
    return Finding(
        key="unreadable",
        title=title,
        count=count,
        effect=UNREADABLE_REASONS[reasons[0][0]][2],
        severity="warning" if count >= MAX_UNREADABLE_SHARE * len(known.labels) else "note",
        names=tuple(left[reasons[0][0]]["names"]),
    )


def check_missing_classes(known: CheckContext) -> Finding | None:
    learned, tested = known.count_classes(), known.count_classes(test=True)
    never = np.flatnonzero((learned == 0) & (tested > 0))
    untested = np.flatnonzero((tested == 0) & (learned > 0))
    if not len(never) and not len(untested):
        return None
    which, doing = (never, "learn from") if len(never) else (untested, "test on")
    some = f"{len(which):,} classes" if len(which) > 1 else repr(known.data.classes[which[0]])
    if len(never):
        effect = (
            "The model cannot learn this answer, so each such example in the test will count as "
            "wrong. Move some of them into training, or leave the class out."
        )
    else:
        effect = "The score says nothing about them. With three examples or more, one is tested."
    return Finding(
        key="unmatched",
        title=f"There are no examples of {some} to {doing}",
        count=len(which),
        effect=effect,
        severity="problem" if len(never) else "note",
        names=tuple(known.data.classes[label] for label in which),
    )


def check_class_spellings(known: CheckContext) -> Finding | None:
    alike: dict[str, list[str]] = {}
    for name in known.data.classes:
        letters = "".join(sign for sign in name.casefold() if sign.isalnum())
        alike.setdefault(letters or name, []).append(name)
    same = [names for names in alike.values() if len(names) > 1]
    if not same:
        return None
    told = [" and ".join(map(repr, names)) for names in same]
    more = f", and {len(same) - 1:,} more like these" if len(same) > 1 else ""
    return Finding(
        key="spellings",
        title=f"{told[0]} may be one class{more}",
        count=len(same),
        effect="They are written in different ways, so to the model they are different answers. If "
        "they mean the same, write them in one way and add the data again.",
        severity="warning",
        names=tuple(told[:MAX_CLASSES_SHOWN]),
    )


def check_few_examples(known: CheckContext) -> Finding | None:
    counts = known.count_classes()
    small = np.flatnonzero((counts < MODERATE_MIN_EXAMPLES_PER_CLASS) & (counts > 0))
    if not len(small):
        return None
    least = counts[small].min()
    limit = (
        MIN_EXAMPLES_PER_CLASS
        if least < MIN_EXAMPLES_PER_CLASS
        else MODERATE_MIN_EXAMPLES_PER_CLASS
    )
    small = small[counts[small] < limit]
    which = (
        f"{len(small):,} classes have"
        if len(small) > 1
        else f"{known.data.classes[small[0]]!r} has"
    )
    if len(small) == np.count_nonzero(counts):
        which = "Every class has"
    return Finding(
        key="few-examples",
        title=f"{which} fewer than {limit} examples to learn from",
        count=len(small),
        effect="With so few, it depends on which ones they happen to be how well they are told "
        "apart. More examples help here more than anything else: "
        f"{MODERATE_MIN_EXAMPLES_PER_CLASS} of "
        "each are a start.",
        severity="warning" if limit == MIN_EXAMPLES_PER_CLASS else "note",
        names=_format_class_counts(known, small, counts),
    )


def check_imbalance(known: CheckContext) -> Finding | None:
    counts = known.count_classes()
    present = np.flatnonzero(counts)
    most, least = (present[pick(counts[present])] for pick in (np.argmax, np.argmin))
    times = counts[most] / counts[least]
    if times < IMBALANCE_RATIO:
        return None
    rare = present[counts[present] * IMBALANCE_RATIO <= counts[most]]
    tested = known.count_classes(test=True)
    always = tested[most] / max(1, tested.sum())
    common = known.data.classes[most]
    return Finding(
        key="imbalance",
        title=f"{common!r} has {times:.0f} times as many examples as {known.data.classes[least]!r}",
        count=len(rare),
        effect=f"A model may lean to what is common: whoever always says {common!r} is already "
        f"right in {always:.0%} of the test. Look at the score of each class, and gather more of "
        "the rare ones.",
        severity="warning" if times >= SEVERE_IMBALANCE_RATIO else "note",
        names=_format_class_counts(known, np.append(rare, most), counts),
    )


def check_test_size(known: CheckContext) -> Finding | None:
    from scipy.stats import binomtest

    count = int(known.is_test.sum())
    if not count:
        return None
    around = binomtest(round(0.8 * count), count).proportion_ci(0.95, method="wilson")
    if around.high - around.low <= MAX_INTERVAL_WIDTH:
        return None
    return Finding(
        key="small-test",
        title=f"The test has only {known.format_count(count, 'example')}",
        count=count,
        effect=f"A score of 80 % on so few could in truth be anything from {around.low:.0%} to "
        f"{around.high:.0%}: smaller differences mean nothing. Bring more examples, or take the "
        "score as a hint.",
        severity="warning",
    )


def _format_class_counts(
    known: CheckContext, which: np.ndarray, counts: np.ndarray
) -> tuple[str, ...]:
    order = which[np.argsort(counts[which], kind="stable")]
    told = [f"{known.data.classes[label]}: {counts[label]:,}" for label in order]
    if len(told) > MAX_CLASSES_SHOWN:
        told[MAX_CLASSES_SHOWN - 1 :] = [f"and {len(told) - MAX_CLASSES_SHOWN + 1:,} more classes"]
    return tuple(told)
