"""Whether the advice was right, and where it was wrong: why, and what to do."""

import streamlit as st

from guide.approaches import APPROACHES
from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.run_snapshot import OUTCOME_BADGES
from pages.parts.figures.style import APPROACH_STYLES
from trainers.events import PilotDone


def draw_verdict(result: dict, pilot: PilotDone | None) -> None:
    colour, icon, title = OUTCOME_BADGES[result["outcome"]]
    with st.container(border=True):
        st.markdown(f"## :{colour}[{icon} {title}]")
        answers = (
            "the answers that were given"
            if result.get("answers_from") == "visitor"
            else "answers measured from the data"
        )
        st.markdown(
            f"On {answers}, the article's rules point to {format_badge(result['advised_article'])}."
        )
        if pilot:
            st.markdown(
                f"{escape_markdown(pilot.summary)} So the advice was "
                f"{format_badge(result['advised'])}."
            )
        st.markdown(escape_markdown(result["verdict"]))


def draw_wrong_advice(result: dict) -> None:
    """Draw which answer or rule misled the advice, if it was wrong, and what to do."""
    reasons, to_do = result.get("why_wrong"), result.get("to_do")  # older comparisons have neither
    if not to_do:
        return
    with st.container(border=True):
        left, right = st.columns([1.6, 1], gap="large") if reasons else (None, st.container())
        if reasons:
            misled = "the advice" if result["outcome"] == "wrong" else "the article's rules"
            left.markdown(f"### What misled {misled}")
            left.markdown(format_bullets(reasons))
        right.markdown("### What to do")
        right.markdown(format_bullets(to_do))


def format_bullets(lines: str) -> str:
    return "\n".join(f"- {escape_markdown(line)}" for line in lines.splitlines())


def format_badge(approach: str) -> str:
    return f":{APPROACH_STYLES[approach].badge}[**{APPROACHES[approach].title}**]"
