"""A finished run's model, tried on a visitor's own inputs; beside a second one if wanted."""

from collections.abc import Sequence

import streamlit as st

from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.run_snapshot import RunSnapshot
from pages.parts.results.abstention_choice import choose_precision, draw_threshold
from pages.parts.results.answer_table import draw_answer_table
from pages.parts.results.answers import draw_answer, draw_input, predict_inputs
from pages.parts.results.model_inputs import ModelInput, draw_inputs
from pages.parts.results.models import (
    ModelView,
    build_model_view,
    choose_second_model,
    ensure_loaded,
    has_weights,
)
from pages.parts.session.visitor import current_visitor
from trainers import datasets
from trainers.events import RunFinished
from trainers.serving import Prediction
from trainers.store import Run
from trainers.system.registry import UnknownKey

MAX_CARDS = 6  # more answers are a table


def show(_: RunSnapshot, end: RunFinished, run: Run) -> None:
    st.markdown("### Try it")
    if run.job.data.startswith("own-") and run.visitor != current_visitor():
        st.caption("It learned from somebody's own data: it can be tried in their browser.")
        return
    if not has_weights(run):
        st.caption(
            "There is no model here to try: it was made by an older version, on another computer, "
            "or its files were deleted. Run it again."
        )
        return
    if not ensure_loaded(run):
        return
    try:
        modality = datasets.get_dataset(run.job.data).modality
    except UnknownKey as error:
        st.caption(escape_markdown(str(error)))
        return
    st.caption("What you try is answered on this computer and not kept.")
    inputs = draw_inputs(run, modality)
    results = st.container()  # right below the inputs, though it depends on the slider below it
    left, right = st.columns(2, gap="large")
    with right:
        second = choose_second_model(run, modality)
    with left:
        target = choose_precision(run)
    models = [build_model_view(run, target)]
    if second and ensure_loaded(second):
        models.append(build_model_view(second, target))
    with left:
        draw_threshold(models[0], target)
    if inputs:
        answers = [predict_inputs(model, inputs) for model in models]
        if all(answers):
            with results:
                draw_answers(models, inputs, answers)


def draw_answers(
    models: Sequence[ModelView],
    inputs: Sequence[ModelInput],
    answers: Sequence[Sequence[Prediction]],
) -> None:
    st.markdown("#### Its answers" if len(models) == 1 else "#### Their answers")
    if len(inputs) > MAX_CARDS:
        draw_answer_table(models, inputs, answers)
        return
    for number, item in enumerate(inputs):
        with st.container(border=True):
            draw_input(item, answers[0][number])
            for model, column in zip(models, st.columns(len(models), gap="large"), strict=True):
                with column:
                    if len(models) > 1:
                        st.markdown(f"**{model.title}**")
                    draw_answer(model, answers[models.index(model)][number])
