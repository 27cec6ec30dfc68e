"""The guide: questions, and the advice alive beside them."""

from dataclasses import replace

import streamlit as st

from guide import APPROACHES, QUESTIONS, UNSURE, Advice, Answers, advise
from guide.advice import TRAINABLE_LABELS, suggest_settings
from guide.questions import Question
from pages.parts.figures import drawings
from pages.parts.figures.style import APPROACH_STYLES
from pages.parts.session import guide_answers
from pages.parts.widgets.glossary import TermLinker, link_term
from pages.parts.widgets.svg import draw_svg
from trainers import backbones, datasets

UNSURE_TITLE = "Not sure"
TERMS = ("pre-trained", "frozen", "lora", "weights", "overfitting", "zero-shot", "few-shot")
APPROACH_TERMS = {"transfer": "transfer-learning", "fine_tune": "fine-tuning", "hybrid": "hybrid"}


def list_option_titles(question: Question) -> dict[str, str]:
    return {option.key: option.title for option in question.options} | {UNSURE: UNSURE_TITLE}


def translate_answer_keys() -> None:
    """A link may name answers by their keys, which never change; the widgets know their titles."""
    named = {
        key: list_option_titles(QUESTIONS[key])[answer]
        for key, answer in st.query_params.items()
        if key in QUESTIONS and answer in list_option_titles(QUESTIONS[key])
    }
    if named:
        st.query_params.update(named)
        st.rerun()


def draw_question(question: Question, number: int | None = None) -> str:
    """The visitor's answer, "not sure" until they give one; it lives in the page's address."""
    titles = list_option_titles(question)
    heading = f"{number}. {question.title}" if number else question.title
    return st.radio(
        heading,
        list(titles),
        index=len(titles) - 1,
        format_func=titles.__getitem__,
        captions=[*(option.example for option in question.options), ""],
        help=question.help,
        key=question.key,
        bind="query-params",
    )


def draw_questions() -> Answers:
    """Four questions side by side, each with its follow-up below where it has one."""
    given: dict[str, str] = {}
    first = [question for question in QUESTIONS.values() if question.depends_on is None]
    for number, (question, column) in enumerate(zip(first, st.columns(len(first)), strict=True), 1):
        with column.container(border=True, height="stretch"):
            given[question.key] = draw_question(question, number)
            for more in QUESTIONS.values():
                follows = more.depends_on and more.depends_on[0] == question.key
                if follows and more.applies_to(Answers.from_mapping(given)):
                    st.space("small")
                    given[more.key] = draw_question(more)
    return Answers.from_mapping(given)


def draw_advice(advice: Advice) -> None:
    approach, look = APPROACHES[advice.approach], APPROACH_STYLES[advice.approach]
    words, aside = st.columns([3, 1.3], vertical_alignment="center")
    with words:
        st.caption("The article's rules point to")
        st.markdown(f"## :{look.badge}[{approach.title}]")
    with aside:
        draw_svg(drawings.layer_stack(advice.approach), key="advised")
    st.markdown(link_terms(approach.description))
    st.caption(approach.analogy)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(CLEARNESS_LABELS[advice.strength], color="gray")
        st.markdown(advice.strength_text)
    if advice.first_step:
        st.info(advice.first_step, icon=":material/flag:")


CLEARNESS_LABELS = {"clear": "Clear-cut", "leaning": "Leaning", "open": "Open"}


def draw_reasons(advice: Advice) -> None:
    st.markdown("### Why")
    if not advice.matching_rules:
        st.markdown("Answer a question, and the rule that it wakes is shown here.")
    for rule in advice.matching_rules:
        pull = "transfer" if rule.vote < 0 else "fine_tune" if rule.vote > 0 else None
        source = "the article" if rule.source == "article" else "our addition"
        towards = (
            f":{APPROACH_STYLES[pull].badge}[→ {APPROACHES[pull].title}]"
            if pull
            else ":gray[→ neither]"
        )
        weight = ", half a vote" if abs(rule.vote) == 0.5 else ""
        st.markdown(f"{link_terms(rule.because)}  \n:small[{towards}{weight} · {source}]")
        if rule.caveat:
            st.caption(f"The article contradicts itself here. {rule.caveat}")


def draw_changes(advice: Advice) -> None:
    st.markdown("### What would change it")
    if not advice.changes:
        st.markdown("No single answer.")
    for change in advice.changes:
        question = QUESTIONS[change.question]
        option = next(option for option in question.options if option.key == change.answer)
        look = APPROACH_STYLES[change.approach]
        st.markdown(
            f'"{option.title}" for *{question.title[0].lower()}{question.title[1:]}* '
            f"→ :{look.badge}[{APPROACHES[change.approach].title}]"
        )
    runner_up = advice.runner_up
    st.markdown(
        f"Runner-up: {link_term(APPROACH_TERMS[runner_up], f'**{APPROACHES[runner_up].title}**')}."
    )


def draw_run_button(advice: Advice, answers: Answers) -> None:
    sample, unlike = datasets.find_closest(answers)
    # Where images or text was left open, the sample decides.
    settings = suggest_settings(replace(answers, modality=sample.modality), advice.approach)
    per_class = settings.examples_per_class
    default = backbones.pick_default(sample).resolve_trainable("auto", advice.approach)
    wanted = {
        "approach": advice.approach,
        "data": sample.key,
        "per_class": str(min(per_class if per_class else 10**6, sample.train_examples_per_class)),
        "seconds": str(settings.seconds),
        # Named only where it is a choice: another data set may have another backbone.
        "what_learns": "auto" if settings.trainable == default else settings.trainable,
        guide_answers.PARAM: guide_answers.encode(answers),
    }
    st.session_state["wanted"] = wanted  # for who goes to Run by the menu
    label = "Run it on a sample like yours"
    if st.button(label, type="primary", icon=":material/play_arrow:", width="stretch"):
        st.switch_page("run.py", query_params=wanted)
    st.caption(f"Closest sample: **{sample.title}**, {sample.origin}. {sample.description}")
    if unlike:
        names = " and ".join(RESEMBLANCE_LABELS[key] for key in unlike)
        st.caption(f"It does not resemble your answer about {names}.")


RESEMBLANCE_LABELS = {
    "specificity": "how special the task is",
    "data_volume": "the number of examples",
}


def draw_settings(advice: Advice) -> None:
    settings = advice.settings
    key = settings.backbone
    known = backbones.pick(key).title if key else "one for images, one for text"
    st.markdown("### The settings that follow")
    st.markdown(
        f"- {link_term('backbone', 'Backbone')} (the pre-trained model): {known}\n"
        f"- What is trained: {link_terms(TRAINABLE_LABELS[settings.trainable])}\n"
        f"- A first run of at most **{settings.seconds} seconds**\n"
        f"- Examples of each class: **{settings.examples_per_class or 'all there are'}**"
    )
    st.caption(
        "Your answer about computing changes few recommendations; it sets what is trained and "
        "how long the first run may take."
    )


link_terms = TermLinker(*TERMS)
st.title("Freeze it, fine-tune it, or thaw it step by step?")
st.markdown(
    link_terms(
        "You have a pre-trained model and a task of your own. A few questions, and Thaw says "
        "which way to adapt the model. Then it runs that way in front of you, so that you can see "
        "whether the advice holds."
    )
)
st.page_link(
    "data.py",
    label="Have your data at hand? Let it answer the questions",
    icon=":material/folder_open:",
)
translate_answer_keys()
answers = draw_questions()
advice = advise(answers)
st.space("small")
left, right = st.columns([1, 1.1], gap="large")
with left:
    with st.container(border=True):
        draw_advice(advice)
        draw_run_button(advice, answers)
    st.markdown("### The rules on a map")
    draw_svg(drawings.rules_map(answers), key="rules-map")
    st.caption("Across: how many examples of each class. Up: how special the task is.")
with right:
    draw_reasons(advice)
    draw_changes(advice)
    draw_settings(advice)
with st.expander("What to watch out for: five challenges", icon=":material/visibility:"):
    for challenge in advice.challenges:
        st.markdown(
            f"**{challenge.title}.** {challenge.reason}  \n:gray[Thaw: {challenge.thaw_checks}]"
        )
