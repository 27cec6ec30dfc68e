"""The result of a comparison: scores, costs, and the maps of the approaches as animations."""

import streamlit as st

from guide.approaches import APPROACHES
from pages.parts.comparison.verdict import format_badge
from pages.parts.figures import comparison_charts
from pages.parts.figures.map_animation import MAP_HELP, build_animation, describe_animation
from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.run_snapshot import RunSnapshot
from pages.parts.run_view.map_examples import load_map_examples
from pages.parts.widgets.glossary import link_term
from pages.parts.widgets.live_plot import draw_live_plot
from pages.parts.widgets.map_animation import draw_map_animation
from trainers.reports.sentences import format_count
from trainers.store import Run

ANIMATED_APPROACHES = ("transfer", "fine_tune", "hybrid")  # whose maps tell them apart


def draw_result(result: dict) -> None:
    st.markdown("## What came out")
    st.markdown("\n".join(format_score_table(result)))
    for key, text in result["failed"].items():
        st.warning(f"{APPROACHES[key].title}: {escape_markdown(text)}", icon=":material/error:")
    st.markdown("### Worth its time?")
    draw_live_plot(
        comparison_charts.accuracy_against_cost(result["runs"]),
        key="cost",
        alt="; ".join(
            f"{APPROACHES[run['approach']].title}: {run['test_accuracy']:.0%} in "
            f"{run['seconds']:.1f} s"
            for run in result["runs"]
        ),
    )
    st.caption(
        "A filled mark: no cheaper approach has as good a test score. The bars are 95 % intervals."
    )
    st.markdown("\n".join(format_cost_table(result)))


def format_score_table(result: dict) -> list[str]:
    """Return the scores as lines of Markdown. A phone has no room for the costs beside them."""
    rows = [
        f"| approach | right in the test | {link_term('interval', '95 % interval')} "
        f"| against the advised | {link_term('macro-f1')} |",
        "|---|---|---|---|---|",
    ]
    for run in sort_by_score(result):
        rows.append(
            f"| {format_badge(run['approach'])}"
            f" | {run['test_right']:,} of {run['test_examples']:,}, {run['test_accuracy']:.1%}"
            f" | {run['test_accuracy_low']:.0%} to {run['test_accuracy_high']:.0%}"
            f" | {format_difference(result['against_advised'].get(run['approach']))}"
            f" | {run['macro_f1']:.2f} |"
        )
    return rows


def format_cost_table(result: dict) -> list[str]:
    rows = [
        f"| approach | time | {link_term('weights', 'numbers')} that learned | memory at most "
        "| to be stored |",
        "|---|---|---|---|---|",
    ]
    for run in sort_by_score(result):
        rows.append(
            f"| {format_badge(run['approach'])} | {run['seconds']:.1f} s"
            f" | {format_count(run['learnable_parameters'])}"
            f" | {format_bytes(run['peak_memory_bytes'])} | {format_bytes(run['stored_bytes'])} |"
        )
    return rows


def sort_by_score(result: dict) -> list[dict]:
    return sorted(result["runs"], key=lambda run: -run["test_accuracy"])


def format_difference(paired: dict | None) -> str:
    """Return the difference to the advised run, in points with their interval."""
    if paired is None:
        return "the advised one"
    low, high = 100 * paired["low"], 100 * paired["high"]
    return f"{100 * paired['difference']:+.1f} points ({low:+.1f} to {high:+.1f})"


def format_bytes(count: int) -> str:
    if not count:
        return "–"
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.1f} kB"


def draw_map_animations(runs: dict[str, Run], snapshots: dict[str, RunSnapshot]) -> None:
    """Draw the maps of the approaches as animations, side by side on one slider."""
    animations = {
        key: animation
        for key in ANIMATED_APPROACHES
        if key in snapshots and (animation := build_animation(snapshots[key]))
    }
    if not animations:
        return
    title = "How each model saw the examples"
    with st.expander(title, icon=":material/movie:", on_change="rerun", key="films") as opened:
        if not opened.open:
            return
        loaded = [load_map_examples(snapshots[key], runs[key]) for key in animations]
        # The same examples for all; of several reasons the first will do.
        examples = {item: example for found, _ in loaded for item, example in found.items()}
        draw_map_animation([*animations.values()], examples, key="films-side-by-side")
        if reasons := [reason for _, reason in loaded if reason]:
            st.caption(f":material/visibility_off: {escape_markdown(reasons[0])}")
        st.markdown(
            "\n".join(
                f"- {format_badge(key)}: {describe_animation(animation)}"
                for key, animation in animations.items()
            )
        )
        st.caption(MAP_HELP + " Each map has its own scale and its own clock.")
