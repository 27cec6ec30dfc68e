"""report.html: a finished run on one page, for whoever decides. Made from events alone: no model.

The page is trainers/report.html, with its charts drawn as SVG: 4.8 MB of plotly.js in an e-mail
for two charts serve nobody, and without a script the page opens everywhere, prints, and cannot run
what a visitor wrote. It holds no example of the data and no link to the run.
"""

import math
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from guide import Answers, BadAnswer, advise
from guide.approaches import APPROACHES
from guide.narrator import FINAL_RULES, narrate
from guide.questions import QUESTIONS, UNSURE
from trainers import backbones, datasets
from trainers.evaluation import subgroups
from trainers.evaluation.calibration import reliability_bins
from trainers.evaluation.verdict import BASELINES
from trainers.events import (
    Baseline,
    Event,
    PhaseDone,
    PhaseStarted,
    PredictionsRecorded,
    RunFinished,
    RunStarted,
    ValidationDone,
)
from trainers.reports import calibration_text, sentences
from trainers.reports.mistakes import is_data_readable, load_test_groups
from trainers.reports.model_card import MAX_CLASSES_LISTED, list_limitations
from trainers.reports.narrate import narrate_run, run_facts
from trainers.store import FINISHED, Run, data_title, get_store
from trainers.system.registry import UnknownKey

MAX_MATRIX_CLASSES = 20  # classes; a larger confusion matrix is no longer read
MAX_MISTAKES = 8  # most frequent ones told
MAX_NAME_CHARS = 60  # of all classes together, to stand at the head of the matrix
MAX_TABLE_ROWS, MAX_POINTS = 25, 80  # of the curve, as a table and as marks
MAX_HALF_INTERVAL = 0.04  # a score known less well than that asks for more test examples. Ours
# When a run is told to have learned by heart: as its narrator does.
MEMORISING_RULE = next(row for row in FINAL_RULES if row.key == "memorising")


class ReportUnavailable(ValueError):
    """There is no report of such a run; the text says why and what to do."""


def render_report(
    run: Run,
    events: Sequence[Event],
    comparison: Mapping[str, Any] | None = None,
    *,
    answers: Mapping[str, str] | None = None,
    owner: bool = True,
) -> str:
    """The page, HTML. `comparison` is the last event of one that the run was part of; without one
    `answers` say what the guide was told, where that is known. Not for the `owner` of the run it
    is without the groups and the key of own data. Raises `NoReport`."""
    started = next((event for event in events if isinstance(event, RunStarted)), None)
    end = events[-1] if events else None
    if run.kind != "run" or started is None or not isinstance(end, RunFinished):
        raise ReportUnavailable(
            f"{run.id} is no finished run ({run.kind}, {run.state}). Only a run that ended with a "
            "score has a report."
        )
    looks = [event for event in events if isinstance(event, ValidationDone)]
    baseline = next((event for event in events if isinstance(event, Baseline)), None)
    answered = next((event for event in events if isinstance(event, PredictionsRecorded)), None)
    mixed = _rank_confusions(end)
    public = not run.job.data.startswith("own-")
    title = APPROACHES[end.approach].title
    return _load_template().render(
        title=f"{title} on {data_title(end.data)}",
        date=time.strftime("%d %B %Y", time.localtime(run.finished_at or run.created_at)).lstrip(
            "0"
        ),
        percent=format_percent,
        end=end,
        score=sentences.describe_score(end),
        short=narrate_run(events).text,
        against=sentences.compare_with_baseline(started, baseline, looks),
        guess=1 / len(end.classes),
        question=_build_question(started, end),
        advice=_build_advice(end, comparison, _parse_answers(answers or {})),
        made=_build_training(run, started, end, events),
        curve=_build_curve(looks, baseline, end),
        mixed=[
            f"{end.classes[truth]} was taken for {end.classes[answer]}: {times:,} of "
            f"{sum(end.confusion_matrix[truth]):,}"
            for times, truth, answer in mixed[:MAX_MISTAKES]
        ],
        grid=_build_matrix(end),
        lanes=_build_approaches(end, comparison),
        next_steps=suggest_next_steps(end, looks, events, mixed, comparison),
        limits=list_limitations(run, run.job, events),
        command=sentences.format_command(run.job)
        if public or (owner and is_data_readable(run))
        else "",
        made_by=_generator_label(),
        groups=_build_groups(run, answered, end) if owner else None,
        sure=_build_reliability_diagram(answered),
        **_build_classes(end),
    )


@cache
def _load_template() -> Template:
    html = Path(__file__).with_name("report.html").read_text("utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(html)


def format_percent(share: float) -> str:
    return f"{share:.0%}"


# --- its parts ----------------------------------------------------------------------------------


def _build_question(started: RunStarted, end: RunFinished) -> dict[str, str]:
    thing = "picture" if started.modality == "images" else "text"
    held = started.validation_examples
    try:
        sample = datasets.get_dataset(end.data)
        about = f"{sample.description} Made: {sample.origin}."
    except (UnknownKey, AttributeError):
        about = "This data is not on the computer any more."
    return {
        "asked": f"To which of {len(end.classes):,} classes does a {thing} belong? A model was to "
        "learn it from examples, and was then asked about others that it had never seen.",
        "title": data_title(end.data),
        "about": about,
        "counts": f"{end.train_examples:,} examples to learn from"
        + (f", of which {held:,} were held out to see when to stop" if held else "")
        + f"; {end.test_examples:,} others for the test, used once.",
    }


def _build_advice(
    end: RunFinished, comparison: Mapping[str, Any] | None, told_before: Answers | None
) -> dict[str, Any]:
    """What was advised and why, and whether it was right: as far as it is known."""
    told = {"given": [], "reasons": [], "source": "", "why_wrong": []}
    if comparison is None:
        lines = [
            "This run stood alone: it is not known here what the guide was told, or what it "
            "advised."
        ]
        if told_before:
            advice = advise(told_before)
            lines = [
                f"The article's rules point to {_approach_title(advice.approach)}. "
                f"{_describe_match(advice.approach, end)}"
            ]
            told |= {
                "given": _format_answers(told_before, {}),
                "reasons": advice.matching_rules,
                "source": advice.strength_text,
            }
        return told | {
            "lines": lines,
            "short": "Whether another approach would do better was not tried.",
            "verdict": "Not known: this run stood alone. A comparison in Thaw runs every approach "
            "on the same examples and says how sure the difference is.",
        }
    advised, article = comparison.get("advised", ""), comparison.get("advised_article", "")
    lines = []
    if article:
        lines.append(f"The article's rules point to {_approach_title(article)}.")
    if advised and advised != article:
        lines.append(
            f"A short trial on parts of the training examples led to {_approach_title(advised)}."
        )
    if advised:
        lines.append(
            f"So the advice was {_approach_title(advised)}. {_describe_match(advised, end)}"
        )
    answers = _parse_answers(comparison.get("answers", {}))
    if answers:
        told |= {
            "given": _format_answers(answers, comparison),
            "reasons": advise(answers).matching_rules,
            "source": advise(answers).strength_text,
        }
    outcome = comparison.get("outcome", "")
    return told | {
        "lines": lines or ["Nothing was advised."],
        "short": OUTCOME_TEXTS[outcome].format(
            advised=_approach_title(advised), best=_approach_title(comparison["best"])
        ),
        "verdict": comparison["verdict"] or "Nothing was advised.",
        "why_wrong": comparison.get("why_wrong", "").splitlines(),
    }


def _describe_match(advised: str, end: RunFinished) -> str:
    return f"It is {'' if advised == end.approach else 'not '}the run of this report."


OUTCOME_TEXTS = {
    "right": "The advice, {advised}, was right: no other approach that can be advised is clearly "
    "better.",
    "wrong": "The advice, {advised}, was wrong: {best} is better.",
    "cannot tell": "Whether the advice, {advised}, was the best cannot be told from this test.",
    "": "Nothing was advised.",
}


def _parse_answers(given: Mapping[str, str]) -> Answers | None:
    try:
        return Answers.from_mapping(given) if given else None
    except (BadAnswer, TypeError):  # of another version, or brought in from a file
        return None


def _format_answers(answers: Answers, comparison: Mapping[str, Any]) -> list[str]:
    """The questions with their answers, and where those come from."""
    measured = comparison.get("measured", {})
    by_visitor = comparison.get("answers_from") == "visitor"
    told = []
    for key, question in QUESTIONS.items():
        answer = getattr(answers, key)
        if answer == UNSURE:
            continue
        title = next(option.title for option in question.options if option.key == answer)
        evidence = "" if by_visitor else measured.get(key, {}).get("says", "")
        how = "answered in the guide" if by_visitor else f"measured: {evidence}" if evidence else ""
        told.append(f"{question.title} {title}{f' ({how})' if how else ''}")
    return told


def _build_training(
    run: Run, started: RunStarted, end: RunFinished, events: Sequence[Event]
) -> dict[str, Any]:
    done = {event.phase: event for event in events if isinstance(event, PhaseDone)}
    phases = [
        {
            "title": event.title,
            "numbers": event.trainable_parameters,
            "passes": f"{ended.epochs:.1f}" if (ended := done.get(event.phase)) else "–",
            "why": ended.stop_reason if ended else "–",
        }
        for event in events
        if isinstance(event, PhaseStarted)
    ]
    lines = []
    if end.approach != "simple":
        try:
            row = backbones.pick(run.job.backbone)
            lines.append(f"Backbone (the pre-trained model): {row.title}; {row.source}.")
        except UnknownKey:
            lines.append(f"Backbone (the pre-trained model): {run.job.backbone}.")
    share = end.trainable_parameters / max(1, end.parameters)
    where = {"cpu": "the processor", "cuda": "a graphics card", "mps": "Apple's graphics"}
    lines += [
        f"{sentences.format_count(end.trainable_parameters)} of "
        f"{sentences.format_count(end.parameters)} numbers learned "
        f"({share:.2%}).",
        f"{end.seconds:.0f} of at most {run.job.seconds:g} seconds were used, on "
        f"{where.get(started.device, started.device)}; seed {run.job.seed} (the number that "
        "chance starts from).",
    ]
    if end.stopped_by_user:
        lines.append("It was stopped early by hand; the best so far was tested.")
    approach = APPROACHES[end.approach]
    return {
        "title": approach.title,
        "meaning": approach.description,
        "lines": lines,
        "phases": phases,
    }


def _rank_confusions(end: RunFinished) -> list[tuple[int, int, int]]:
    """Mistakes as (how often, the truth, the answer), the most frequent first."""
    found = [
        (times, truth, answer)
        for truth, row in enumerate(end.confusion_matrix)
        for answer, times in enumerate(row)
        if times and truth != answer
    ]
    return sorted(found, key=lambda one: (-one[0], one[1:]))


def _build_matrix(end: RunFinished) -> dict[str, Any] | None:
    """The confusion matrix, or None where it would be too large to read."""
    names = end.classes
    if len(names) > MAX_MATRIX_CLASSES:
        return None
    short = sum(map(len, names)) <= MAX_NAME_CHARS
    return {
        "heads": names if short else [str(number) for number in range(1, len(names) + 1)],
        "rows": [
            {
                "name": name if short else f"{number + 1} · {name}",
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


def _build_classes(end: RunFinished) -> dict[str, Any]:
    """Each class with its interval, the lowest score first, and which gaps are clear: judged as
    the page of the run does."""
    parts = subgroups.score_confusion(end.confusion_matrix, end.classes)
    gaps = subgroups.describe_gaps(parts, subgroups.find_gaps(parts), "class")
    parts.sort(key=lambda part: (not part.tests, part.share or 0.0))
    return {
        "classes": parts[:MAX_CLASSES_LISTED],
        "left_out": max(0, len(parts) - MAX_CLASSES_LISTED),
        "gaps": " ".join(gaps),
    }


def _build_groups(
    run: Run, answered: PredictionsRecorded | None, end: RunFinished
) -> dict[str, Any] | None:
    """Each group that the data names, likewise; None where there is nothing to tell of them."""
    split = load_test_groups(run, answered, end.classes)
    if split is None:
        return None
    parts = subgroups.score_groups(answered, split.groups, split.group_names)
    told = subgroups.describe_gaps(parts, subgroups.find_gaps(parts), "group")
    told += filter(None, (subgroups.describe_class_mix(part, end.test_accuracy) for part in parts))
    return {"parts": parts, "told": " ".join(told)}


def _format_list(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _build_approaches(
    end: RunFinished, comparison: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    return [
        {
            "title": APPROACHES[lane["approach"]].title,
            "advised": lane["approach"] == comparison.get("advised"),
            "this": lane["approach"] == end.approach,
            "share": lane["test_accuracy"],
            "low": lane["test_accuracy_low"],
            "high": lane["test_accuracy_high"],
            "seconds": lane["seconds"],
        }
        for lane in (comparison or {"runs": ()})["runs"]
    ]


def suggest_next_steps(
    end: RunFinished,
    looks: Sequence[ValidationDone],
    events: Sequence[Event],
    mixed: Sequence[tuple[int, int, int]],
    comparison: Mapping[str, Any] | None,
) -> list[str]:
    """What to do, the most useful first."""
    told = []
    if comparison is None:
        told.append(
            "Compare the approaches on this data: one run alone cannot say whether another would "
            "do better."
        )
    else:
        for lane in comparison["runs"]:
            if lane["approach"] in BASELINES and lane["test_accuracy_low"] > end.test_accuracy_high:
                told.append(
                    f"Use “{APPROACHES[lane['approach']].title}”: it has "
                    f"{format_percent(lane['test_accuracy'])} right, clearly more: no "
                    "network need be "
                    "trained for this."
                )
        told += comparison.get("to_do", "").splitlines()
        better = comparison["best"] if comparison.get("outcome") == "wrong" else ""
        better = better or (comparison.get("outcome") == "right" and comparison["advised"])
        if better and better != end.approach:
            told.append(f"Use {_approach_title(better)} rather than the run of this report.")
    facts = run_facts(events)
    if narrate(facts, [MEMORISING_RULE]).rules:
        told.append(
            f"It has {format_percent(facts.train_accuracy)} of the examples right "
            "that it learned from, "
            f"and {format_percent(facts.validation_accuracy)} of those held out: it "
            "learns them by heart. More "
            "examples would help more than more training."
        )
    ends = [event.stop_reason for event in events if isinstance(event, PhaseDone)]
    last = looks[-1] if looks else None
    # The lowest loss at the last look: it was still learning.
    falling = last and last.loss <= min(look.loss for look in looks if look.phase == last.phase)
    if falling and ends[-1:] == ["time is up"]:
        told.append("Give it more seconds: time was up while it was still learning.")
    if mixed and mixed[0][0] > 2:
        times, truth, answer = mixed[0]
        told.append(
            f"Look at the examples of {end.classes[truth]} that were taken for "
            f"{end.classes[answer]} ({times:,}): are some labelled wrong, or can the two not be "
            "told apart? If neither, more examples of both would help most."
        )
    half = (end.test_accuracy_high - end.test_accuracy_low) / 2
    if half > MAX_HALF_INTERVAL:
        told.append(
            f"Test with more examples: with {end.test_examples:,} the score is known to about "
            f"{100 * half:.0f} points either way; four times as many would halve that."
        )
    told.append(
        "Before it is used, try it on new examples from where it will be used: another camera, "
        "place or writer may lower the score."
    )
    return list(dict.fromkeys(told))


def _approach_title(approach: str) -> str:
    return APPROACHES[approach].title.lower() if approach in APPROACHES else "none"


def _generator_label() -> str:
    try:
        return f"Made by Thaw {version('thaw')}."
    except PackageNotFoundError:  # run from a folder, not installed
        return "Made by Thaw."


# --- the curve ----------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 260, 44, 628, 12, 214


def _build_curve(
    looks: Sequence[ValidationDone], baseline: Baseline | None, end: RunFinished
) -> dict[str, Any] | None:
    """Share right against seconds, as places in a drawing; None where nothing was looked at."""
    if len(looks) < 2:
        return None
    most = max(end.seconds, looks[-1].seconds)

    def place(seconds: float, share: float) -> tuple[float, float]:
        along = LEFT + (RIGHT - LEFT) * seconds / most
        return round(along, 1), round(BOTTOM - (BOTTOM - TOP) * share, 1)

    def line(points: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{x},{y}" for x, y in points)

    marks = [
        (*place(look.seconds, look.accuracy), look) for look in _subsample_evenly(looks, MAX_POINTS)
    ]
    learning = [look for look in looks if look.train_accuracy is not None]
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "right": RIGHT,
        "bottom": BOTTOM,
        "alt": f"Share right on the checks: {format_percent(looks[0].accuracy)} at first, "
        f"{format_percent(max(look.accuracy for look in looks))} at best, "
        f"{format_percent(looks[-1].accuracy)} "
        "in the end. The numbers stand in the table below.",
        "down": [
            {"at": place(0, share)[1], "says": f"{100 * share:.0f}"}
            for share in (0, 0.25, 0.5, 0.75, 1)
        ],
        "along": [{"at": place(at, 0)[0], "says": f"{at:g}"} for at in _axis_ticks(most)],
        "checks": line([place(look.seconds, look.accuracy) for look in looks]),
        "learning": [  # of each phase: each begins to count anew
            line([place(look.seconds, look.train_accuracy) for look in some])
            for _, some in groupby(learning, key=lambda look: look.phase)
        ],
        "baseline": place(0, baseline.accuracy)[1] if baseline else None,
        "method": baseline.method if baseline else "",
        "points": [
            {
                "x": x,
                "y": y,
                "says": f"{format_percent(look.accuracy)} after {look.seconds:.1f} s",
                "anchor": "start" if x < 150 else "end" if x > 500 else "middle",
            }
            for x, y, look in marks
        ],
        "rows": _subsample_evenly(looks, MAX_TABLE_ROWS),
    }


def _subsample_evenly(looks: Sequence[ValidationDone], most: int) -> list[ValidationDone]:
    """At most so many of them, evenly, with the first and the last."""
    if len(looks) <= most:
        return list(looks)
    return [looks[round(n * (len(looks) - 1) / (most - 1))] for n in range(most)]


def _axis_ticks(most: float) -> list[float]:
    """Round numbers from 0 on, four to eight of them."""
    size = 1.0
    while most / size > 8:
        size *= 10
    while most / size < 4:
        size /= 10
    step = next(step for step in (size, 2 * size, 5 * size, 10 * size) if most / step <= 8)
    return [round(n * step, 6) for n in range(int(most / step) + 1)]


# --- how sure it is -----------------------------------------------------------------------------

RELIABILITY_SIZE, RELIABILITY_LEFT, RELIABILITY_RIGHT, RELIABILITY_TOP, RELIABILITY_BOTTOM = (
    400,
    50,
    380,
    12,
    354,
)


def _build_reliability_diagram(answered: PredictionsRecorded | None) -> dict[str, Any] | None:
    """How sure it said it was against how often it was right, as places in a drawing; None where
    it gave no probabilities."""
    if answered is None or not answered.best_confidence:
        return None
    right = [a == b for a, b in zip(answered.labels, answered.predictions, strict=True)]
    found = reliability_bins(answered.best_confidence, right)
    start = max(0, math.floor(10 * min(one.mean_confidence for one in found) - 0.5)) / 10

    def along(share: float) -> float:
        return round(
            RELIABILITY_LEFT
            + (RELIABILITY_RIGHT - RELIABILITY_LEFT) * (share - start) / (1 - start),
            1,
        )

    def up(share: float) -> float:
        return round(RELIABILITY_BOTTOM - (RELIABILITY_BOTTOM - RELIABILITY_TOP) * share, 1)

    ticks = [n / 10 for n in range(round(10 * start), 11, 1 if start >= 0.5 else 2)]
    return {
        "side": RELIABILITY_SIZE,
        "left": RELIABILITY_LEFT,
        "right": RELIABILITY_RIGHT,
        "bottom": RELIABILITY_BOTTOM,
        "down": [{"at": up(n / 4), "says": f"{25 * n}"} for n in range(5)],
        "along": [{"at": along(tick), "says": f"{100 * tick:.0f}"} for tick in ticks],
        "same": {"from": up(start), "to": up(1)},
        "line": " ".join(f"{along(one.mean_confidence)},{up(one.accuracy)}" for one in found),
        "points": [
            {
                "x": along(one.mean_confidence),
                "y": up(one.accuracy),
                "low": up(one.right_low),
                "high": up(one.right_high),
                "says": f"says {format_percent(one.mean_confidence)}: right {one.right:,} of "
                f"{one.count:,}",
            }
            for one in found
        ],
        "alt": f"How sure it says it is against how often it is right, in {len(found)} "
        f"{'group' if len(found) == 1 else 'groups'} of answers. The numbers stand in the table "
        "below.",
        "rows": found,
        "told": calibration_text.describe_calibration(answered.best_confidence, right),
        "corrected": bool(answered.calibrated_confidence),
    }


# --- of a run in the store ----------------------------------------------------------------------


def render_stored_report(
    run: Run, *, answers: Mapping[str, str] | None = None, owner: bool = True
) -> str:
    """The report of a run in the store, for its `owner` or for others. Raises `NoReport`."""
    events = [event for _, event in get_store().read_events(run.id)]
    return render_report(run, events, find_comparison(run), answers=answers, owner=owner)


def find_comparison(run: Run) -> dict[str, Any] | None:
    """The end of the newest comparison that the run was part of."""
    for one in get_store().list_runs(run.visitor, kind="compare"):
        if one.state == FINISHED and run.id in [lane.get("run") for lane in one.result["runs"]]:
            return one.result
    return None
