"""report.html: a finished run on one page, made from its events alone, without the model.

The page is trainers/reports/report.html, with its charts drawn as SVG: 4.8 MB of plotly.js in an
e-mail for two charts serve nobody, and without a script the page opens everywhere, prints, and
cannot run what a visitor wrote. It holds no example of the data and no link to the run.
"""

import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from guide.approaches import APPROACHES
from trainers import backbones, datasets
from trainers.evaluation import subgroups
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
from trainers.reports import sentences
from trainers.reports.mistakes import is_data_readable, load_test_groups
from trainers.reports.model_card import MAX_CLASSES_LISTED, list_limitations
from trainers.reports.narrate import narrate_run
from trainers.reports.report_advice import (
    build_advice,
    format_percent,
    parse_answers,
    suggest_next_steps,
)
from trainers.reports.report_figures import (
    build_curve,
    build_matrix,
    build_reliability_diagram,
    rank_confusions,
)
from trainers.store import FINISHED, Run, data_title, get_store
from trainers.system.registry import UnknownKey
from trainers.system.version import get_thaw_version

MAX_MISTAKES = 8  # most frequent ones listed


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
    """Return the page as HTML.

    `comparison` is the result of one that the run was part of; without it `answers` are those to
    the guide, if known. Others than the run's `owner` get no groups and no key of own data.
    Raises `ReportUnavailable`.
    """
    started = next((event for event in events if isinstance(event, RunStarted)), None)
    end = events[-1] if events else None
    if run.kind != "run" or started is None or not isinstance(end, RunFinished):
        raise ReportUnavailable(
            f"{run.id} is no finished run ({run.kind}, {run.state}). Only a run that ended with a "
            "score has a report."
        )
    evaluations = [event for event in events if isinstance(event, ValidationDone)]
    baseline = next((event for event in events if isinstance(event, Baseline)), None)
    recorded = next((event for event in events if isinstance(event, PredictionsRecorded)), None)
    confusions = rank_confusions(end)
    is_public = not run.job.data.startswith("own-")
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
        against=sentences.compare_with_baseline(started, baseline, evaluations),
        guess=1 / len(end.classes),
        question=_build_question(started, end),
        advice=build_advice(end, comparison, parse_answers(answers or {})),
        made=_build_training(run, started, end, events),
        curve=build_curve(evaluations, baseline, end),
        mixed=[
            f"{end.classes[truth]} was taken for {end.classes[prediction]}: {count:,} of "
            f"{sum(end.confusion_matrix[truth]):,}"
            for count, truth, prediction in confusions[:MAX_MISTAKES]
        ],
        grid=build_matrix(end),
        lanes=_build_approaches(end, comparison),
        next_steps=suggest_next_steps(end, evaluations, events, confusions, comparison),
        limits=list_limitations(run, run.job, events),
        command=sentences.format_command(run.job)
        if is_public or (owner and is_data_readable(run))
        else "",
        made_by=_generator_label(),
        groups=_build_groups(run, recorded, end) if owner else None,
        sure=build_reliability_diagram(recorded),
        **_build_classes(end),
    )


@cache
def _load_template() -> Template:
    html = Path(__file__).with_name("report.html").read_text("utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(html)


def _build_question(started: RunStarted, end: RunFinished) -> dict[str, str]:
    noun = "picture" if started.modality == "images" else "text"
    held_out = started.validation_examples
    try:
        sample = datasets.get_dataset(end.data)
        about = f"{sample.description} Made: {sample.origin}."
    except (UnknownKey, AttributeError):
        about = "This data is not on the computer any more."
    return {
        "asked": f"To which of {len(end.classes):,} classes does a {noun} belong? A model was to "
        "learn it from examples, and was then asked about others that it had never seen.",
        "title": data_title(end.data),
        "about": about,
        "counts": f"{end.train_examples:,} examples to learn from"
        + (f", of which {held_out:,} were held out to see when to stop" if held_out else "")
        + f"; {end.test_examples:,} others for the test, used once.",
    }


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


def _build_classes(end: RunFinished) -> dict[str, Any]:
    """Return each class with its interval, the lowest score first, and the clear gaps."""
    parts = subgroups.score_confusion(end.confusion_matrix, end.classes)
    gaps = subgroups.describe_gaps(parts, subgroups.find_gaps(parts), "class")
    parts.sort(key=lambda part: (not part.tests, part.share or 0.0))
    return {
        "classes": parts[:MAX_CLASSES_LISTED],
        "left_out": max(0, len(parts) - MAX_CLASSES_LISTED),
        "gaps": " ".join(gaps),
    }


def _build_groups(
    run: Run, recorded: PredictionsRecorded | None, end: RunFinished
) -> dict[str, Any] | None:
    """Return each group that the data names, likewise; None if there are none."""
    split = load_test_groups(run, recorded, end.classes)
    if split is None:
        return None
    parts = subgroups.score_groups(recorded, split.groups, split.group_names)
    lines = subgroups.describe_gaps(parts, subgroups.find_gaps(parts), "group")
    lines += filter(None, (subgroups.describe_class_mix(part, end.test_accuracy) for part in parts))
    return {"parts": parts, "told": " ".join(lines)}


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


def _generator_label() -> str:
    return f"Made by Thaw {version}." if (version := get_thaw_version()) else "Made by Thaw."


def render_stored_report(
    run: Run, *, answers: Mapping[str, str] | None = None, owner: bool = True
) -> str:
    """Return the report of a stored run, for its `owner` or others. Raises `ReportUnavailable`."""
    events = [event for _, event in get_store().read_events(run.id)]
    return render_report(run, events, find_comparison(run), answers=answers, owner=owner)


def find_comparison(run: Run) -> dict[str, Any] | None:
    """Return the result of the newest comparison that the run was part of."""
    for job in get_store().list_runs(run.visitor, kind="compare"):
        if job.state == FINISHED and run.id in [lane.get("run") for lane in job.result["runs"]]:
            return job.result
    return None
