"""The guide's questions answered from the data, and the advice that follows."""

import streamlit as st

from guide import APPROACHES, QUESTIONS, UNSURE, Answers, advise
from guide.questions import Question
from pages.parts.data_view.check import BUDGET_SECONDS, list_enabled_fixes
from pages.parts.figures import dataset_charts, drawings
from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.style import APPROACH_STYLES
from pages.parts.session import guide_answers
from pages.parts.widgets.glossary import TermLinker
from pages.parts.widgets.live_plot import draw_live_plot
from pages.parts.widgets.svg import draw_svg
from trainers.datasets import Dataset

QUESTION_KEYS = ("data_volume", "data_quality", "specificity", "compute")


def draw_questions(sample: Dataset, result: dict) -> None:
    st.markdown("## The questions, answered by your data")
    st.caption("Measured where it can be. Every answer is yours to change.")
    suggested, evidence = result["answers"], result["evidence"]
    answers_by_key = {"modality": sample.modality}
    left, right = st.columns([1.2, 1], gap="large")
    with left:
        for key in QUESTION_KEYS:
            answers_by_key[key] = draw_question(sample, QUESTIONS[key], suggested, evidence)
    answers = Answers.from_mapping(answers_by_key)
    with right:
        draw_advice(sample, answers)
        draw_estimated_times(evidence.get("compute", {}).get("per_approach", {}))


def draw_question(sample: Dataset, question: Question, suggested: dict, evidence: dict) -> str:
    titles = {option.key: option.title for option in question.options} | {UNSURE: "Not sure"}
    with st.container(border=True, gap="xsmall"):
        chosen = st.radio(
            question.title,
            list(titles),
            index=list(titles).index(suggested.get(question.key, UNSURE)),
            format_func=titles.__getitem__,
            horizontal=True,
            key=f"{question.key}-{sample.key}",
        )
        text = evidence.get(question.key, {}).get("says", "")
        if chosen != suggested.get(question.key, UNSURE):
            text += f" (Measured: {titles[suggested.get(question.key, UNSURE)]}.)"
        st.caption(escape_markdown(text))
    return chosen


def draw_advice(sample: Dataset, answers: Answers) -> None:
    advice = advise(answers)
    approach, style = APPROACHES[advice.approach], APPROACH_STYLES[advice.approach]
    with st.container(border=True):
        words, aside = st.columns([2, 1], vertical_alignment="center")
        words.caption("The article's rules then point to")
        words.markdown(f"## :{style.badge}[{approach.title}]")
        with aside:
            draw_svg(drawings.layer_stack(advice.approach), key="advised")
        link_terms = TermLinker("lora", "pre-trained", "overfitting")
        for rule in advice.matching_rules:
            st.markdown(f"- {link_terms(rule.because)}")
        st.caption(advice.strength_text)
        fixes = list_enabled_fixes(sample)
        params = {"approach": advice.approach, "data": sample.key, "seconds": str(BUDGET_SECONDS)}
        params[guide_answers.PARAM] = guide_answers.encode(answers)
        if fixes:
            params["mends"] = ",".join(fixes)
        label = "Run it on this data"
        if st.button(label, type="primary", icon=":material/play_arrow:", width="stretch"):
            st.switch_page("run.py", query_params=params)
        if fixes:
            st.caption(f"With {len(fixes)} of the mends above.")
        st.page_link(
            "guide.py",
            label="Take these answers to the guide",
            icon=":material/explore:",
            query_params={key: value for key, value in vars(answers).items() if value != UNSURE},
        )


def draw_estimated_times(times: dict[str, dict]) -> None:
    """Draw how long each approach would take; nothing if that was not measured."""
    if not times:
        return
    seconds = {key: estimate["seconds"] for key, estimate in times.items()}
    st.markdown("### How long each would take here")
    draw_live_plot(
        dataset_charts.estimated_times(seconds),
        key="times",
        alt="; ".join(f"{APPROACHES[key].title}: {s:.0f} seconds" for key, s in seconds.items()),
    )
    st.caption("From a few timed steps on this computer; runs often end sooner.")
