"""Several runs side by side: curves, scores with their differences, and unequal settings."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from guide.approaches import APPROACHES
from pages.parts.figures import comparison_charts
from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.run_snapshot import (
    STATE_LABELS,
    RunSnapshot,
    fold_events,
    format_duration,
)
from pages.parts.run_view.event_feed import read_events
from pages.parts.session.visitor import current_visitor
from pages.parts.widgets.glossary import link_term
from pages.parts.widgets.live_plot import draw_live_plot
from trainers import backbones
from trainers.events import PredictionsRecorded, RunFinished
from trainers.hosting import sharing
from trainers.store import Run, RunNotFound, data_title, get_store
from trainers.system.registry import UnknownKey

MAX_COMPARED = 12  # nobody can tell more curves apart. Our choice
TRAINABLE_LABELS = {"auto": "as suits the model", "lora": "LoRA", "all": "all weights"}
SETTING_LABELS = {
    "Pre-trained model": link_term("backbone", "Pre-trained model"),
    "Seed": link_term("seed", "Seed"),
}


def draw_comparison(keys: Sequence[str]) -> None:
    st.title("Side by side")
    st.button("Back to all runs", icon=":material/arrow_back:", on_click=st.query_params.clear)
    runs, missing = load_runs(keys)
    if missing:
        st.warning(
            f"{missing} of them cannot be shown: deleted, somebody else's, or the link is "
            "incomplete.",
            icon=":material/link_off:",
        )
    if len(runs) < 2:
        st.info("Choose two runs or more, to see how they differ.", icon=":material/checklist:")
        return
    snapshots = [fold_events(read_events(run.id, list_run_ids(runs))) for run in runs]
    names = [f"{n} · {get_run_title(run)}" for n, run in enumerate(runs, 1)]
    if len({run.job.data for run in runs}) > 1:
        st.warning(
            "These were tested on different data. Their scores answer different questions, and "
            "the higher one is not the better model.",
            icon=":material/balance:",
        )
    st.markdown("## How much is right")
    draw_live_plot(
        comparison_charts.accuracy_comparison(list(zip(names, snapshots, strict=True))),
        key="side-by-side",
        alt="; ".join(
            f"{name}: {describe_outcome(run)}" for name, run in zip(names, runs, strict=True)
        ),
    )
    st.caption(
        f"On the {link_term('validation', 'checks')}, each on its own clock. "
        "What has no curve: its "
        "test score."
    )
    st.markdown("## Scores")
    tests = [build_predictions(run, story) for run, story in zip(runs, snapshots, strict=True)]
    st.markdown("\n".join(format_score_table(runs, snapshots, names, tests)))
    st.caption(
        "“Against 1” counts example by example, where both were asked: that sees smaller "
        "differences than two intervals laid beside each other. Where it holds zero, chance could "
        "be all there is."
    )
    if any(tests):
        from pages.parts.results.disagreements import draw_disagreements  # as in build_predictions

        draw_disagreements(runs, snapshots, names, tests)
    st.markdown("## What was set differently")
    st.markdown("\n".join(format_differences(runs)))


def load_runs(keys: Sequence[str]) -> tuple[list[Run], int]:
    """Return the runs with these ids, a comparison's runs in its place; and how many are gone."""
    runs: dict[str, Run] = {}
    missing = 0
    for key in keys:
        try:
            run = sharing.open_run(key, current_visitor())
            if run.kind == "compare":
                parts, gone = load_runs([row["run"] for row in (run.result or {}).get("runs", ())])
                runs |= {part.id: part for part in parts}
                missing += gone
            elif run.kind == "run":
                runs[run.id] = run
        except RunNotFound:
            missing += 1
    if len(runs) > MAX_COMPARED:
        st.caption(f"The first {MAX_COMPARED} of {len(runs)} are shown.")
    return list(runs.values())[:MAX_COMPARED], missing


def list_run_ids(runs: list[Run]) -> list[str]:
    return [run.id for run in runs]


def get_run_title(run: Run) -> str:
    return get_store().get_summary(run.id).title


def describe_outcome(run: Run) -> str:
    end = run.result or {}
    if "test_accuracy" in end:
        return f"{end['test_accuracy']:.0%} right in the test"
    return STATE_LABELS[run.state]


def format_score_table(
    runs: list[Run], snapshots: list[RunSnapshot], names: list[str], tests: list[Any]
) -> list[str]:
    from trainers.evaluation.metrics import compare_predictions

    rows = [
        f"| run | right in the {link_term('test')} (95 % "
        f"{link_term('interval')}) | against 1 | time |",
        "|---|---|---|---|",
    ]
    for number, (run, snapshot, name) in enumerate(zip(runs, snapshots, names, strict=True)):
        end = snapshot.end
        label = f"**{escape_markdown(name)}**"  # no colour: in the figure it may be another
        if not isinstance(end, RunFinished):
            rows.append(f"| {label} | {STATE_LABELS[run.state]} | | |")
            continue
        if number == 0 or not (tests[0] and tests[number]):  # itself, or unknown
            against = "–"
        elif gap := compare_predictions(tests[number], tests[0]):
            low, high = 100 * gap.low, 100 * gap.high
            against = f"{100 * gap.difference:+.1f} points ({low:+.1f} to {high:+.1f})"
        else:
            against = "another test"
        rows.append(
            f"| {label} | {end.test_accuracy:.1%} ({end.test_accuracy_low:.0%} to "
            f"{end.test_accuracy_high:.0%}) of {end.test_examples:,}"
            f" | {against} | {end.seconds:.1f} s |"
        )
    return rows


def build_predictions(run: Run, snapshot: RunSnapshot) -> Any:
    """Return the test predictions of a run; None if it was not tested."""
    from trainers.evaluation.metrics import Predictions

    predictions = [
        event for event in read_events(run.id, None) if isinstance(event, PredictionsRecorded)
    ]
    if not (predictions and predictions[-1].labels) or not isinstance(snapshot.end, RunFinished):
        return None
    test = (run.job.data, run.job.fixes)
    return Predictions(test, predictions[-1].labels, predictions[-1].predictions)


def format_differences(runs: list[Run]) -> list[str]:
    """Return a table of the settings that differ between the runs, as lines of Markdown."""
    settings = [describe_settings(run) for run in runs]
    differing = [name for name in settings[0] if len({each[name] for each in settings}) > 1]
    if not differing:
        return ["Nothing: all settings are the same. What differs, the clock or chance has done."]
    rows = ["| setting | in which runs |", "|---|---|"]  # on a phone there is no room for more
    for name in differing:
        values = [each[name] for each in settings]
        parts = [
            f"{escape_markdown(value)} "
            f"({', '.join(str(n) for n, v in enumerate(values, 1) if v == value)})"
            for value in dict.fromkeys(values)
        ]
        rows.append(f"| {SETTING_LABELS.get(name, name)} | {'; '.join(parts)} |")
    if same := [
        f"{name.lower()} {value}" for name, value in settings[0].items() if name not in differing
    ]:
        rows += ["", f"The same in all: {escape_markdown('; '.join(same))}."]
    return rows


def describe_settings(run: Run) -> dict[str, str]:
    """Return what was set, in words."""
    plan = run.job
    per_class = "all" if plan.examples_per_class is None else f"{plan.examples_per_class:,}"
    return {
        "Approach": APPROACHES[plan.approach].title,
        "Data": data_title(plan.data),
        "Examples of each class": per_class,
        "Time budget": format_duration(plan.seconds),
        "Pre-trained model": get_backbone_title(plan.backbone),
        "What is trained": TRAINABLE_LABELS[plan.trainable],
        "Seed": str(plan.seed),
        "Left out": ", ".join(plan.fixes) or "nothing",
    }


def get_backbone_title(key: str) -> str:
    try:
        return backbones.pick(key).title.partition(":")[0]
    except UnknownKey:
        return key
