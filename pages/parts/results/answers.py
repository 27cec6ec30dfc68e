"""Predictions for a visitor's inputs, one card each."""

import base64
from collections.abc import Sequence
from hashlib import sha256

import streamlit as st

from pages.parts.figures.markdown import escape_markdown
from pages.parts.results.abstention_choice import format_threshold
from pages.parts.results.model_inputs import MAX_IMAGES, ModelInput
from pages.parts.results.models import ModelView
from trainers import serving
from trainers.serving import InferenceError, Prediction
from trainers.serving.tables import MAX_ROWS

TOP_K = 3  # classes that have a bar
# Predictions cached for this visitor, of two models: moving a slider must not ask again. That of an
# image holds the image, made small.
MAX_CACHED_ANSWERS = {"text": 2 * MAX_ROWS, "images": 2 * MAX_IMAGES}
OUT_OF_DISTRIBUTION = "Unlike what it learned from"


def predict_inputs(model: ModelView, inputs: Sequence[ModelInput]) -> list[Prediction]:
    """Return a prediction for each input, cached ones included; [] if that fails."""
    cache: dict[tuple[str, str], Prediction] = st.session_state.setdefault("tryit-answers", {})
    keys = [(model.run.id, hash_input(item)) for item in inputs]
    new = {  # the same input twice is asked once
        key: item.content for key, item in zip(keys, inputs, strict=True) if key not in cache
    }
    status = st.empty()
    try:
        done, predictions = 0, []
        for batch in serving.batch_inputs(list(new.values())):
            if len(new) > len(batch):
                status.progress(done / len(new), text=f"{done:,} of {len(new):,} answered")
            predictions += serving.predict(model.run.id, batch)
            done += len(batch)
    except InferenceError as error:
        status.warning(escape_markdown(str(error)), icon=":material/error:")
        return []
    status.empty()
    cache |= dict(zip(new, predictions, strict=True))
    answers = [cache[key] for key in keys]
    kind = "images" if predictions and predictions[0].shown else "text"
    while len(cache) > MAX_CACHED_ANSWERS[kind]:
        cache.pop(next(iter(cache)))
    return answers


def hash_input(item: ModelInput) -> str:
    data = (
        item.content.encode("utf-8", "replace") if isinstance(item.content, str) else item.content
    )
    return sha256(data).hexdigest()


def draw_input(item: ModelInput, answer: Prediction) -> None:
    name = escape_markdown(item.name)
    if item.label:
        name += f" (the right answer: **{escape_markdown(item.label)}**)"
    if isinstance(item.content, str):
        st.markdown(
            f"> {escape_markdown(item.content[:600])}" + (f"\n\n{name}" if item.label else "")
        )
    elif answer.shown:
        with st.container(horizontal=True, vertical_alignment="center"):
            raw = base64.b64decode(answer.shown.partition(",")[2])
            st.image(raw, width=120, alt=f"What was given: {item.name}")
            st.markdown(name, width="content")
    else:
        st.markdown(name)


def draw_answer(model: ModelView, answer: Prediction) -> None:
    if answer.error:
        st.markdown(f":material/error: {escape_markdown(answer.error)}")
        return
    best = escape_markdown(model.classes[answer.label])
    if answer.unlike:
        st.markdown(
            ":orange-badge[:material/visibility_off: " + OUT_OF_DISTRIBUTION + "]",
            help="Judged by the pre-trained backbone. About one in twenty inputs of the right kind "
            "is taken for unlike, too; and something new can still look familiar.",
        )
        st.markdown(
            f"It is farther from all that the model learned from than "
            f"{100 - 100 * answer.rarer:.0f} % of that is from the rest. If it had to choose, it "
            f"would say {best}; how sure it is means nothing here."
        )
        return
    if model.is_unsure(answer):
        st.markdown(":gray-badge[:material/help: Not sure]")
        st.caption(
            f"The likeliest is {best}, at {answer.sureness[answer.label]:.0%}; below "
            f"{format_threshold(model.threshold.min_confidence)} too few such answers are right."
        )
    else:
        st.markdown(f"**{best}**")
    for label in sorted(range(len(answer.sureness)), key=lambda label: -answer.sureness[label])[
        :TOP_K
    ]:
        confidence = answer.sureness[label]
        text = f"{100 * confidence:.0f} alike"
        if not model.is_similarity:
            text = _format_percent(confidence)
        st.progress(
            min(1.0, max(0.0, confidence)), text=f"{escape_markdown(model.classes[label])}: {text}"
        )
    if answer.why:
        st.caption(escape_markdown(answer.why))


def _format_percent(confidence: float) -> str:
    """Return a confidence in per cent; never 100 %: no model knows that."""
    if confidence > 0.99:
        return "over 99 %"
    return f"{confidence:.0%}".replace("%", " %") if confidence >= 0.01 else "under 1 %"
