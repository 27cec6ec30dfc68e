"""Section "What changed inside": how far the weights of each layer moved."""

import streamlit as st

from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.run_snapshot import RunSnapshot
from pages.parts.figures.style import APPROACH_STYLES
from pages.parts.figures.weight_change import format_change, weight_change_bars
from pages.parts.widgets.glossary import link_marked_terms
from pages.parts.widgets.live_plot import draw_live_plot
from trainers.events import RunFinished, WeightsCompared
from trainers.reports.sentences import format_count
from trainers.store import Run

WEIGHT_CHANGE_HELP = (
    "A layer's [[weights|weights]] are one long list of numbers. *Moved 5 %* means: the way from "
    "the old list to the new one is 5 % as long as the old list itself (the root of the squared "
    "differences, against the root of the squares). The new last layer started from nothing, so "
    "there is no before to compare with. Averages that some picture networks keep of what they see "
    "(batch-norm) are not counted: they are no numbers that learn."
)


def show(snapshot: RunSnapshot, end: RunFinished, run: Run) -> None:
    st.markdown("### What changed inside the model")
    if end.approach in ("none", "simple"):
        st.markdown(
            "Nothing was trained: the backbone is as it came."
            if end.approach == "none"
            else "There is no pre-trained model in this approach, so there is no before."
        )
        return
    if snapshot.weight_change is None:
        st.markdown("This run is older than this look inside. Run it again to see it.")
        return
    parts = snapshot.weight_change.blocks
    st.markdown(link_marked_terms(describe_changes(snapshot.weight_change, end.approach)))
    if not any(part["change"] for part in parts):  # from scratch or frozen: there is no bar
        draw_table(parts)
        return
    draw_live_plot(
        weight_change_bars(parts, APPROACH_STYLES[end.approach].colour),
        key="changed",
        alt="How far each part moved, from input to answer: "
        + "; ".join(f"{part['name']} {format_change(part['change'])}" for part in parts),
    )
    st.caption(link_marked_terms(WEIGHT_CHANGE_HELP))
    with st.expander("As a table", icon=":material/table:"):
        draw_table(parts)


def describe_changes(comparison: WeightsCompared, approach: str) -> str:
    """Return what moved and what did not, as Markdown with marked terms."""
    parts = comparison.blocks
    learned, total = (sum(part[name] for part in parts) for name in ("learnable", "parameters"))
    share = learned / max(1, total)
    opening = (
        f"**{format_count(learned)} of {format_count(total)} numbers learned** "
        f"({'under 0.1' if share < 0.001 else f'{100 * share:.3g}'} %)."
    )
    if approach == "scratch":
        return (
            f"{opening} All of them began at random, so how far they moved says nothing: there is "
            "no knowledge from before that could have been kept or lost."
        )
    known = [part for part in parts if part["change"] is not None]
    moved = [part for part in known if part["change"]]
    if is_restored(comparison):
        return (
            f"{opening} The backbone learned, too, but on the checks it was best where it had "
            "started, so it was put back: not one of its numbers is another than when it came."
        )
    if not moved:
        return (
            f"{opening} They are all in the new last layer. The backbone is [[frozen]]: not one of "
            "its numbers is another than when it came."
        )
    still = len(known) - len(moved)
    rest = f" {still} of {len(known)} parts did not move at all." if still else ""
    if len(moved) == 1:
        return f"{opening} Of the backbone only one part moved: {_describe_move(moved[0])}.{rest}"
    most = max(moved, key=lambda part: part["change"])
    ends = f"From input to answer: {_describe_move(moved[0])}, {_describe_move(moved[-1])}."
    if most not in (moved[0], moved[-1]):
        ends += f" The most: {_describe_move(most)}."
    if most is moved[-1]:
        ends += " What is close to the input is general and can stay; what is close to the answer "
        ends += "fits the new task."
    if any(part["learnable"] < part["parameters"] for part in moved):
        ends += " Only small add-ons learned ([[lora|LoRA]]); what they do counts as a move of the "
        ends += "layer that they stand beside."
    return f"{opening} {ends}{rest}"


def is_restored(comparison: WeightsCompared) -> bool:
    """Return whether the backbone was trained and its initial weights were restored as the best."""
    known = [part for part in comparison.blocks if part["change"] is not None]
    return any(part["learnable"] for part in known) and not any(part["change"] for part in known)


def _describe_move(part: dict) -> str:
    return f"*{escape_markdown(part['name'])}* moved {format_change(part['change'])}"


def draw_table(parts: list[dict]) -> None:
    rows = ["| part, from input to answer | numbers | that learned | moved |", "|---|---|---|---|"]
    rows += [
        f"| {escape_markdown(part['name'])} | {part['parameters']:,} | {part['learnable']:,} "
        f"| {format_change(part['change'])} |"
        for part in parts
    ]
    st.markdown("\n".join(rows))
