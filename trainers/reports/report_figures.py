"""The figures of the report as positions in px, which its template draws as SVG."""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from trainers.evaluation.calibration import reliability_bins
from trainers.events import Baseline, PredictionsRecorded, RunFinished, ValidationDone
from trainers.reports import calibration_text
from trainers.reports.report_advice import format_percent

MAX_MATRIX_CLASSES = 20  # a larger confusion matrix cannot be read
MAX_NAME_CHARS = 60  # of all classes together, to stand at the head of the matrix
MAX_TABLE_ROWS, MAX_POINTS = 25, 80  # of the curve
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 260, 44, 628, 12, 214  # of the curve
R_SIZE, R_LEFT, R_RIGHT, R_TOP, R_BOTTOM = 400, 50, 380, 12, 354  # of the reliability diagram


def build_curve(
    evaluations: Sequence[ValidationDone], baseline: Baseline | None, end: RunFinished
) -> dict[str, Any] | None:
    """Return accuracy against seconds in px of an SVG; None without evaluations."""
    if len(evaluations) < 2:
        return None
    longest = max(end.seconds, evaluations[-1].seconds)

    def place(seconds: float, share: float) -> tuple[float, float]:
        x = LEFT + (RIGHT - LEFT) * seconds / longest
        return round(x, 1), round(BOTTOM - (BOTTOM - TOP) * share, 1)

    def line(points: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{x},{y}" for x, y in points)

    marks = [
        (*place(evaluation.seconds, evaluation.accuracy), evaluation)
        for evaluation in _subsample_evenly(evaluations, MAX_POINTS)
    ]
    learning = [evaluation for evaluation in evaluations if evaluation.train_accuracy is not None]
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "right": RIGHT,
        "bottom": BOTTOM,
        "alt": f"Share right on the checks: {format_percent(evaluations[0].accuracy)} at first, "
        f"{format_percent(max(evaluation.accuracy for evaluation in evaluations))} at best, "
        f"{format_percent(evaluations[-1].accuracy)} "
        "in the end. The numbers stand in the table below.",
        "down": [
            {"at": place(0, share)[1], "says": f"{100 * share:.0f}"}
            for share in (0, 0.25, 0.5, 0.75, 1)
        ],
        "along": [{"at": place(at, 0)[0], "says": f"{at:g}"} for at in _axis_ticks(longest)],
        "checks": line(
            [place(evaluation.seconds, evaluation.accuracy) for evaluation in evaluations]
        ),
        "learning": [  # of each phase: each begins to count anew
            line([place(evaluation.seconds, evaluation.train_accuracy) for evaluation in phase])
            for _, phase in groupby(learning, key=lambda evaluation: evaluation.phase)
        ],
        "baseline": place(0, baseline.accuracy)[1] if baseline else None,
        "method": baseline.method if baseline else "",
        "points": [
            {
                "x": x,
                "y": y,
                "says": f"{format_percent(evaluation.accuracy)} after {evaluation.seconds:.1f} s",
                "anchor": "start" if x < 150 else "end" if x > 500 else "middle",
            }
            for x, y, evaluation in marks
        ],
        "rows": _subsample_evenly(evaluations, MAX_TABLE_ROWS),
    }


def _subsample_evenly(evaluations: Sequence[ValidationDone], count: int) -> list[ValidationDone]:
    """Return at most `count` of them, evenly, with the first and the last."""
    if len(evaluations) <= count:
        return list(evaluations)
    return [evaluations[round(n * (len(evaluations) - 1) / (count - 1))] for n in range(count)]


def _axis_ticks(longest: float) -> list[float]:
    """Return four to eight round numbers from 0 up to `longest`."""
    size = 1.0
    while longest / size > 8:
        size *= 10
    while longest / size < 4:
        size /= 10
    step = next(step for step in (size, 2 * size, 5 * size, 10 * size) if longest / step <= 8)
    return [round(n * step, 6) for n in range(int(longest / step) + 1)]


def build_reliability_diagram(recorded: PredictionsRecorded | None) -> dict[str, Any] | None:
    """Return confidence against accuracy in px of an SVG; None without probabilities."""
    if recorded is None or not recorded.best_confidence:
        return None
    is_correct = [a == b for a, b in zip(recorded.labels, recorded.predictions, strict=True)]
    bins = reliability_bins(recorded.best_confidence, is_correct)
    start = max(0, math.floor(10 * min(bin_.mean_confidence for bin_ in bins) - 0.5)) / 10

    def along(share: float) -> float:
        return round(
            R_LEFT + (R_RIGHT - R_LEFT) * (share - start) / (1 - start),
            1,
        )

    def up(share: float) -> float:
        return round(R_BOTTOM - (R_BOTTOM - R_TOP) * share, 1)

    ticks = [n / 10 for n in range(round(10 * start), 11, 1 if start >= 0.5 else 2)]
    return {
        "side": R_SIZE,
        "left": R_LEFT,
        "right": R_RIGHT,
        "bottom": R_BOTTOM,
        "down": [{"at": up(n / 4), "says": f"{25 * n}"} for n in range(5)],
        "along": [{"at": along(tick), "says": f"{100 * tick:.0f}"} for tick in ticks],
        "same": {"from": up(start), "to": up(1)},
        "line": " ".join(f"{along(bin_.mean_confidence)},{up(bin_.accuracy)}" for bin_ in bins),
        "points": [
            {
                "x": along(bin_.mean_confidence),
                "y": up(bin_.accuracy),
                "low": up(bin_.right_low),
                "high": up(bin_.right_high),
                "says": f"says {format_percent(bin_.mean_confidence)}: right {bin_.right:,} of "
                f"{bin_.count:,}",
            }
            for bin_ in bins
        ],
        "alt": f"How sure it says it is against how often it is right, in {len(bins)} "
        f"{'group' if len(bins) == 1 else 'groups'} of answers. The numbers stand in the table "
        "below.",
        "rows": bins,
        "told": calibration_text.describe_calibration(recorded.best_confidence, is_correct),
        "corrected": bool(recorded.calibrated_confidence),
    }


def build_matrix(end: RunFinished) -> dict[str, Any] | None:
    """Return the confusion matrix, or None if it would be too large to read."""
    names = end.classes
    if len(names) > MAX_MATRIX_CLASSES:
        return None
    is_short = sum(map(len, names)) <= MAX_NAME_CHARS
    return {
        "heads": names if is_short else [str(number) for number in range(1, len(names) + 1)],
        "rows": [
            {
                "name": name if is_short else f"{number + 1} · {name}",
                "cells": [
                    {
                        "count": count,
                        "kind": "right" if answer == number else "wrong" if count else "",
                        "share": round(45 * count / max(1, sum(row))),  # fainter than the text
                    }
                    for answer, count in enumerate(row)
                ],
            }
            for number, (name, row) in enumerate(zip(names, end.confusion_matrix, strict=True))
        ],
    }


def rank_confusions(end: RunFinished) -> list[tuple[int, int, int]]:
    """Return mistakes as (count, true class, predicted class), the most frequent first."""
    confusions = [
        (count, truth, prediction)
        for truth, row in enumerate(end.confusion_matrix)
        for prediction, count in enumerate(row)
        if count and truth != prediction
    ]
    return sorted(confusions, key=lambda confusion: (-confusion[0], confusion[1:]))
