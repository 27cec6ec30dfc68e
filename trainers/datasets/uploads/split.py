"""Split an upload into training and test sets by content, so that the split is always the same."""

import numpy as np

from trainers.datasets.uploads.limits import TEST_SHARE

MIN_EXAMPLES_TO_TEST = 3  # a class with fewer has no test example


def split_by_hash(labels: np.ndarray, hashes: np.ndarray) -> np.ndarray:
    """Return a mask, bool (N,), of a fifth of each class: the test set.

    The order of a hash of the content (int64, not negative) decides, so examples with the same
    content are on the same side. A class of at least three examples has at least one in the test.
    """
    test = np.zeros(len(labels), dtype=bool)
    order = np.lexsort((labels, hashes))
    is_repeat = np.diff(hashes[order]) == 0
    # The same content under two labels: its hash alone decides, or the classes would disagree.
    ambiguous = hashes[order][1:][is_repeat & (np.diff(labels[order]) != 0)]
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        groups, group, counts = np.unique(hashes[rows], return_inverse=True, return_counts=True)
        is_ambiguous = np.isin(groups, ambiguous)
        in_test = is_ambiguous & (groups < TEST_SHARE * 2**63)
        room = max(1, round(TEST_SHARE * len(rows))) if len(rows) >= MIN_EXAMPLES_TO_TEST else 0
        room -= counts[in_test].sum()
        fits = ~is_ambiguous & (counts <= room)
        in_test |= fits & (np.cumsum(counts * fits) <= room)
        test[rows] = in_test[group]
    return test


def split_by_group(
    labels: np.ndarray, hashes: np.ndarray, test: np.ndarray, groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return a split that keeps each group of near-duplicates on one side, and the exceptions.

    The exceptions are labels of classes so alike that nothing would be left to test; they keep
    the split `test`, which was made by hashes.
    """
    grouped = split_by_hash(labels, groups)
    exceptions = np.setdiff1d(labels[test], labels[grouped])
    return np.where(np.isin(labels, exceptions), test, grouped), exceptions


def select_usable_rows(
    labels: np.ndarray,
    hashes: np.ndarray,
    test: np.ndarray,
    kept: np.ndarray,
    limits: tuple[int, int],
) -> np.ndarray:
    """Return the sorted rows that runs use: at most `limits` of (training, test) among `kept`.

    Each class gets its share and at least one row, in the order of a hash of the content.
    """
    selected = []
    for side, limit in zip((kept & ~test, kept & test), limits, strict=True):
        rows = np.flatnonzero(side)
        if len(rows) > limit:
            rows = rows[np.lexsort((hashes[rows], labels[rows]))]
            counts = np.bincount(labels[rows])
            rank = np.arange(len(rows)) - (np.cumsum(counts) - counts)[labels[rows]]
            rows = rows[np.argsort(rank / counts[labels[rows]], kind="stable")[:limit]]
        selected.append(rows)
    return np.sort(np.concatenate(selected))
