"""Predictions for many inputs: a table, counts in words above it, and the same as CSV."""

from collections.abc import Sequence

import streamlit as st

from guide.approaches import APPROACHES
from pages.parts.figures.markdown import escape_markdown
from pages.parts.results.answers import OUT_OF_DISTRIBUTION, hash_input
from pages.parts.results.model_inputs import ModelInput
from pages.parts.results.models import ModelView
from trainers import serving
from trainers.serving import InferenceError, Prediction
from trainers.serving.drift import MIN_ANSWERS, describe_drift, detect_drift
from trainers.serving.tables import write_csv
from trainers.store import Run

NOT_SURE, NO_ANSWER = "Not sure", "No answer"
DRIFT_TEST_HELP = (
    "Two-sample tests against at most 300 examples of its test, each at 1 %: how many are unlike "
    "what it learned from (Fisher), how far they lie from that (Kolmogorov-Smirnov), and its "
    "answers (chi-square). The same input twice counts once."
)


def draw_answer_table(
    models: Sequence[ModelView],
    inputs: Sequence[ModelInput],
    answers: Sequence[Sequence[Prediction]],
) -> None:
    pictures = not isinstance(inputs[0].content, str)
    shown = {"Picture": [prediction.shown for prediction in answers[0]]} if pictures else {}
    columns = {"Input": [item.name if pictures else item.content for item in inputs]}
    for number, (model, predictions) in enumerate(zip(models, answers, strict=True), 1):
        mark = ""
        if len(models) > 1:
            mark = f" ({number}: {APPROACHES[model.run.job.approach].title})"
        texts = [format_answer(model, prediction) for prediction in predictions]
        columns[f"Answer{mark}"] = texts
        columns[f"Likeliest{mark}"] = [
            model.classes[prediction.label] if text == NOT_SURE else ""
            for prediction, text in zip(predictions, texts, strict=True)
        ]
        measure = "Likeness" if model.is_similarity else "Probability"
        columns[f"{measure}{mark}"] = [
            None
            if prediction.error or prediction.unlike
            else round(prediction.sureness[prediction.label], 4)
            for prediction in predictions
        ]
        columns[f"Note{mark}"] = [prediction.error for prediction in predictions]
        st.markdown(_describe_counts(model, predictions, texts))
        draw_drift(model, inputs, predictions)
    columns = {name: values for name, values in columns.items() if any(values)}
    st.dataframe(
        shown | columns,
        hide_index=True,
        column_config={"Picture": st.column_config.ImageColumn("Picture")},
    )
    names, rows = join_columns(inputs, columns)
    st.download_button(
        "Download the answers (CSV)",
        write_csv(names, rows).encode("utf-8-sig"),  # with the mark, or Excel takes it for Latin-1
        "answers.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
    )


def format_answer(model: ModelView, answer: Prediction) -> str:
    """Return a prediction as the text of a table's cell."""
    if answer.error:
        return NO_ANSWER
    if answer.unlike:
        return OUT_OF_DISTRIBUTION
    return NOT_SURE if model.is_unsure(answer) else model.classes[answer.label]


def _describe_counts(
    model: ModelView, predictions: Sequence[Prediction], texts: Sequence[str]
) -> str:
    unlike, unsure = texts.count(OUT_OF_DISTRIBUTION), texts.count(NOT_SURE)
    answered = len(predictions) - unlike - unsure - texts.count(NO_ANSWER)
    return (
        f"{model.title}: {answered:,} of {len(predictions):,} answered, {unsure:,} not sure, "
        f"{unlike:,} unlike what it learned from."
    )


def draw_drift(
    model: ModelView, inputs: Sequence[ModelInput], predictions: Sequence[Prediction]
) -> None:
    """Draw whether these inputs look like those that the model was tested on."""
    pairs = zip(inputs, predictions, strict=True)
    distinct = {hash_input(item): prediction for item, prediction in pairs}
    answers = [prediction for prediction in distinct.values() if not prediction.error]
    shift = (
        detect_drift(answers, load_test_answers(model.run)) if len(answers) >= MIN_ANSWERS else None
    )
    classes = [f"**{escape_markdown(name)}**" for name in model.classes]
    lines = describe_drift(shift, classes, len(answers))
    if shift is None:
        st.caption(" ".join(lines))
        return
    badge = ":orange-badge[:material/difference: Other than in its test]"
    if not shift.has_drift:
        badge = ":green-badge[:material/check: Like in its test]"
    st.markdown("\n".join([badge, "", *(f"- {line}" for line in lines)]), help=DRIFT_TEST_HELP)


def load_test_answers(run: Run) -> list[Prediction]:
    """Return predictions for test examples, computed once; [] if they cannot be had."""
    cached = st.session_state.setdefault("tryit-tested", {})
    if run.id not in cached:
        try:
            with st.spinner("Answering examples of its test, to hold these against …"):
                cached[run.id] = [
                    Prediction.from_dict(record)
                    for record in serving.call_endpoint("tested", run.id)
                ]
        except InferenceError:
            return []
    return cached[run.id]


def join_columns(
    inputs: Sequence[ModelInput], columns: dict[str, list]
) -> tuple[list[str], list[list]]:
    """Return header and rows of the CSV: a table's own columns, then the answers."""
    answers = list(zip(*columns.values(), strict=True))
    if not inputs[0].row:
        return list(columns), [list(row) for row in answers]
    added = {name: place for place, name in enumerate(columns) if name != "Input"}
    own = inputs[0].columns
    names = [*own, *(name if name not in own else f"{name} (model)" for name in added)]
    return names, [
        [*item.row, *(row[place] for place in added.values())]
        for item, row in zip(inputs, answers, strict=True)
    ]
