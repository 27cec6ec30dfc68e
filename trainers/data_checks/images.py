"""Problems of images that do not depend on what they show."""

from itertools import chain

import numpy as np

from trainers.data_checks.context import CheckContext
from trainers.data_checks.findings import Finding
from trainers.datasets.uploads.images import IMAGE_FORMATS
from trainers.datasets.uploads.writer import BLANK, TRUNCATED

# Ours.
MAX_AFFECTED_SHARE = 0.05  # of all pictures
MAX_SIZE_RATIO = 4  # smaller or larger than the usual one, by the side of a square of the same area
MAX_ASPECT_FACTOR = 2.5  # wider or taller than the usual one
MAX_OUTLIER_SHARE = 0.1  # of all; what more pictures have is not odd
MIN_CLASS_SHARE, MIN_SIZE_PURITY = 0.8, 0.9  # a size tells a class: share of it, share of the size
MIN_CLASS_EXAMPLES = 10  # pictures


def check_blank(known: CheckContext) -> Finding | None:
    places = np.flatnonzero(known.flags & BLANK)
    if not len(places):
        return None
    is_are = "is blank" if len(places) == 1 else "are blank"
    return Finding(
        key="blank",
        title=f"{known.format_count(len(places))} {is_are} or nearly so",
        count=len(places),
        effect="There is nothing on them to learn from or to be right about. Leave them out, "
        "unless an empty picture is one of the answers.",
        severity="warning" if len(places) >= MAX_AFFECTED_SHARE * len(known.labels) else "note",
        lowers_quality=len(places) >= MAX_AFFECTED_SHARE * len(known.labels),
        examples=known.make_examples(places),
        fix=known.make_fix("Leave the blank ones out", places),
    )


def check_truncated(known: CheckContext) -> Finding | None:
    places = np.flatnonzero(known.flags & TRUNCATED)
    if not len(places):
        return None
    lack = "lacks its" if len(places) == 1 else "lack their"
    return Finding(
        key="cut-off",
        title=f"{known.format_count(len(places))} {lack} lower part",
        count=len(places),
        effect="Below, they are one even grey, as a file looks of which a part was lost on the "
        "way. If the whole files still exist, bring those.",
        severity="warning" if len(places) >= MAX_AFFECTED_SHARE * len(known.labels) else "note",
        lowers_quality=len(places) >= MAX_AFFECTED_SHARE * len(known.labels),
        examples=known.make_examples(places),
    )


def check_unusual_sizes(known: CheckContext) -> Finding | None:
    side = np.sqrt(known.widths * known.heights.astype(float))
    usual, stretch = np.median(side), known.widths / known.heights
    small, large = side * MAX_SIZE_RATIO < usual, side > usual * MAX_SIZE_RATIO
    apart = stretch / np.median(stretch)
    long = np.maximum(apart, 1 / apart) > MAX_ASPECT_FACTOR
    odd = np.flatnonzero(small | large | long)
    if not len(odd) or len(odd) > MAX_OUTLIER_SHARE * len(side):
        return None
    told = ((small, "much smaller"), (large, "much larger"), (long & ~small & ~large, "stretched"))
    kinds = [f"{which.sum():,} {word}" for which, word in told if which.any()]
    notes = [f"{known.widths[place]:,} x {known.heights[place]:,}" for place in odd]
    is_are = "is" if len(odd) == 1 else "are"
    return Finding(
        key="odd-sizes",
        title=f"{known.format_count(len(odd))} {is_are} of an odd size: {', '.join(kinds)}",
        count=len(odd),
        effect="All are brought to one size before the model sees them: small ones turn blurred, "
        "stretched ones are squeezed. Look whether they belong here.",
        severity="note",
        examples=known.make_examples(odd, notes),
    )


def check_size_leakage(known: CheckContext) -> Finding | None:
    """Classes that nearly all have a size or a file format that hardly any other class has."""
    learned = ~known.is_test
    labels = known.labels[learned]
    counts = np.bincount(labels, minlength=len(known.data.classes))
    sizes = {
        "size": [f"{w:,} x {h:,} pixels" for w, h in zip(known.widths, known.heights, strict=True)],
        "kind": [IMAGE_FORMATS[kind] for kind in known.format_indices],
    }
    told: dict[int, str] = {}
    for values in sizes.values():
        if not values:
            continue
        names, which = np.unique(np.array(values)[learned], return_inverse=True)
        if len(names) < 2:
            continue
        number, times = np.unique(which * len(counts) + labels, return_counts=True)
        all_of = np.bincount(which)
        for key, count in zip(number, times, strict=True):
            value, label = divmod(int(key), len(counts))
            most = count >= MIN_CLASS_SHARE * counts[label]
            own = count >= MIN_SIZE_PURITY * all_of[value]
            if most and own and count >= MIN_CLASS_EXAMPLES:
                told.setdefault(label, f"{count / counts[label]:.0%} are {names[value]}")
    if not told:
        return None
    classes = known.data.classes
    which = f"{len(told):,} classes have" if len(told) > 1 else f"{classes[next(iter(told))]!r} has"
    places = chain.from_iterable(np.flatnonzero(known.labels == label)[:2] for label in told)
    return Finding(
        key="size-tells",
        title=f"{which} a size or a file format that hardly any other class has",
        count=len(told),
        effect="That often means another camera or another source. The model may learn to tell "
        "the sources apart and not what is on the pictures: the score would be high here and "
        "fall on new ones. Mix the sources, or bring all to one size and format.",
        severity="warning",
        lowers_quality=True,
        examples=known.make_examples(places),
        names=tuple(f"{classes[label]}: {what}" for label, what in told.items()),
    )
