"""Duplicates: copies and near-copies, with two labels, or on both sides of the split."""

import numpy as np

from trainers.data_checks.context import CheckContext
from trainers.data_checks.findings import MAX_EXAMPLES, Finding

MAX_DUPLICATE_SHARE = 0.05  # of all examples; ours. Copies that come by accident are a handful


def _find_repeats(known: CheckContext, number: np.ndarray) -> np.ndarray:
    """The places of all but the first that share a number, a label and a side of the split; of
    what is kept the first in the order of its index, so that a check finds the same ones again."""
    order = (
        np.argsort(known.index_rows, kind="stable") if known.index_rows is not None else slice(None)
    )
    alike = np.column_stack([number, known.labels, known.is_test])[order]
    _, first = np.unique(alike, axis=0, return_index=True)
    later = np.ones(len(alike), dtype=bool)
    later[first] = False
    return np.sort(np.arange(len(alike))[order][later])


def _group_repeats(
    known: CheckContext, number: np.ndarray, extra: np.ndarray
) -> tuple[list[int], list[str]]:
    """The places of `extra` with what each is a copy of before it, group by group, and notes."""
    places, notes = [], []
    for group in dict.fromkeys(number[extra].tolist()):
        members = np.flatnonzero(number == group)
        for at, place in enumerate(members[:3]):
            places.append(place)
            notes.append(f"{len(members):,} alike" if at == 0 else "")
        if len(places) >= MAX_EXAMPLES:
            break
    return places, notes


def check_duplicates(known: CheckContext) -> Finding | None:
    extra = _find_repeats(known, known.duplicate_ids)
    if not len(extra):
        return None
    share = len(extra) / len(known.labels)
    places, notes = _group_repeats(known, known.duplicate_ids, extra)
    is_are = "is a copy" if len(extra) == 1 else "are copies"
    return Finding(
        key="doubles",
        title=f"{known.format_count(len(extra))} {is_are} of another",
        count=len(extra),
        effect="A copy teaches nothing new, it only weighs more, in training and in the score. "
        "If they came by accident, leave them out; one of each stays.",
        severity="warning" if share >= MAX_DUPLICATE_SHARE else "note",
        lowers_quality=share >= MAX_DUPLICATE_SHARE,
        examples=known.make_examples(places, notes),
        fix=known.make_fix("Leave the copies out", extra),
    )


def check_near_duplicates(known: CheckContext) -> Finding | None:
    copies = _find_repeats(known, known.duplicate_ids)
    extra = np.setdiff1d(_find_repeats(known, known.near_duplicate_ids), copies)
    if not len(extra):
        return None
    share = len(extra) / len(known.labels)
    places, notes = _group_repeats(known, known.near_duplicate_ids, extra)
    is_are = "is nearly" if len(extra) == 1 else "are nearly"
    kind = (
        "saved anew, in another size or another light"
        if known.data.modality == "images"
        else "with a word or two changed"
    )
    return Finding(
        key="near-doubles",
        title=f"{known.format_count(len(extra))} {is_are} the same as another",
        count=len(extra),
        effect=f"They look like one {known.noun} {kind}, and teach little that is new. If that "
        "is what they are, keep one of each; if they only resemble each other, keep them all.",
        severity="warning" if share >= MAX_DUPLICATE_SHARE else "note",
        lowers_quality=share >= MAX_DUPLICATE_SHARE,
        examples=known.make_examples(places, notes),
        fix=known.make_fix("Keep one of each", extra),
    )


def check_conflicting_labels(known: CheckContext) -> Finding | None:
    pairs = np.unique(np.column_stack([known.duplicate_ids, known.labels]), axis=0)
    items, labels = np.unique(pairs[:, 0], return_counts=True)
    torn = items[labels > 1]
    if not len(torn):
        return None
    places = np.flatnonzero(np.isin(known.duplicate_ids, torn))
    together = places[np.argsort(known.duplicate_ids[places], kind="stable")]
    share = len(places) / len(known.labels)
    is_are = "is there under two labels" if len(torn) == 1 else "are there under two labels"
    return Finding(
        key="two-labels",
        title=f"{known.format_count(len(torn))} {is_are}",
        count=len(torn),
        effect="Whichever answer the model gives, one of the labels calls it wrong. Correct the "
        "labels, or leave all of their copies out.",
        severity="warning",
        lowers_quality=share >= MAX_DUPLICATE_SHARE / 5,
        examples=known.make_examples(together),
        fix=known.make_fix("Leave them out", places),
    )


def check_leakage(known: CheckContext) -> Finding | None:
    if left := known.metadata.get("twins", 0):
        places = [
            int(np.flatnonzero(known.index_rows == row)[0])
            for row in known.metadata["twins_shown"]
            if row in known.index_rows
        ]
        was = "example was" if left == 1 else "examples were"
        return Finding(
            key="in-both",
            title=f"{left:,} training {was} in your test as well, or nearly so",
            count=left,
            effect="They were left out of training, or the model would be asked what it has been "
            "told. Have a look at how the test was made if there are many.",
            severity="note",
            examples=known.make_examples(places, ["in the test"] * len(places)),
        )
    told = (
        np.isin(known.near_duplicate_ids, known.near_duplicate_ids[~known.is_test]) & known.is_test
    )
    if not told.any():
        return None
    count = int(told.sum())
    places, notes = [], []
    for place in np.flatnonzero(told)[:6]:
        twin = np.flatnonzero(
            (known.near_duplicate_ids == known.near_duplicate_ids[place]) & ~known.is_test
        )[0]
        places += [twin, place]
        notes += ["in training", "in the test"]
    share = count / int(known.is_test.sum())
    is_are = "is" if count == 1 else "are"
    return Finding(
        key="in-both",
        title=f"{known.format_count(count, f'test {known.noun}')} {is_are} in training "
        "as well, or nearly",
        count=count,
        effect="The model is asked what it has been told, so the score is a little better than it "
        "should be."
        if share < MAX_DUPLICATE_SHARE
        else "The model is asked what it has been told: the score will flatter.",
        severity="warning" if share >= MAX_DUPLICATE_SHARE else "note",
        lowers_quality=share >= MAX_DUPLICATE_SHARE,
        examples=known.make_examples(places, notes),
    )
