"""Section "Why this answer": the parts of a picture or the words that an answer rests on."""

from typing import NamedTuple

import streamlit as st

from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.run_snapshot import RunSnapshot
from pages.parts.results.models import ensure_loaded
from pages.parts.run_view.event_feed import read_events
from pages.parts.session.visitor import current_visitor
from pages.parts.widgets.saliency import draw_heatmap, draw_highlighted_text
from trainers import serving
from trainers.datasets.uploads.limits import MAX_TEXT_CHARS
from trainers.events import PredictionsRecorded, RunFinished
from trainers.serving import InferenceError
from trainers.serving.attribution import LIMITATIONS, describe_attribution, format_change
from trainers.store import Run
from trainers.system.object_store import fetch_run_dir

MAX_MISTAKES, MAX_CORRECT = 8, 4  # examples to choose from
MAX_CACHED_EXPLANATIONS = 20  # each may hold a picture
OWN_TEXT = -1  # in place of an example's index: a text that the visitor types


def show(snapshot: RunSnapshot, end: RunFinished, run: Run) -> None:
    st.markdown("### What an answer rests on")
    if run.job.data.startswith("own-") and run.visitor != current_visitor():
        st.caption("The examples are shown only to who added them.")
        return
    answers = next(
        (event for event in read_events(run.id) if isinstance(event, PredictionsRecorded)), None
    )
    if answers is None or not (fetch_run_dir(run.id) / "model.safetensors").is_file():
        st.caption("This run left no model here to ask. Run it again to look at its answers.")
        return
    is_text = snapshot.started.modality == "text"
    st.markdown(
        f"Choose an answer of the test. The model is asked again and again, each time "
        f"{'without one word' if is_text else 'with one place of the picture blurred'}: where it "
        "then becomes less sure, that is what the answer rests on."
    )
    item = st.selectbox(
        "Answer to look at",
        [*list_candidates(answers), *([OWN_TEXT] if is_text else [])],
        format_func=lambda item: format_example(item, answers, end.classes),
        key="why_item",
    )
    query = choose_query(item, answers, end, run)
    if query is None:
        return
    explanation = _cached_explanations().get(query)
    if explanation is None and st.session_state.get("why_wanted") == query:
        if not ensure_loaded(run):
            return
        explanation = compute_saliency(query)
    if explanation:
        draw_explanation(explanation, end.classes)
        return
    st.button(
        "Show what it rests on",
        type="primary",
        icon=":material/search:",
        on_click=st.session_state.__setitem__,
        args=("why_wanted", query),
    )


class SaliencyQuery(NamedTuple):
    """An answer to explain; also the key of its cached explanation."""

    run: str
    item: int | None = None  # index into `PredictionsRecorded`; None: `text` instead
    text: str = ""
    label: int | None = None  # the class to explain; None: the answer


def choose_query(
    item: int, answers: PredictionsRecorded, end: RunFinished, run: Run
) -> SaliencyQuery | None:
    """Return what to explain; None until the visitor typed a text."""
    if item == OWN_TEXT:
        text = st.text_area("Your text", max_chars=MAX_TEXT_CHARS, key="why_text").strip()
        return SaliencyQuery(run.id, text=text) if text else None
    says, truth = answers.predictions[item], answers.labels[item]
    label = says
    if says != truth:
        label = st.segmented_control(
            "What speaks for",
            [says, truth],
            default=says,
            format_func=lambda label: (
                f"{escape_markdown(end.classes[label])} "
                f"({'the answer' if label == says else 'the truth'})"
            ),
            required=True,
            key=f"why_label_{item}",
        )
    return SaliencyQuery(run.id, item=item, label=label)


def compute_saliency(query: SaliencyQuery) -> dict | None:
    """Return the explanation from the loaded model; on failure draw a warning and return None.

    Cached in this session only, since it holds the example.
    """
    inputs = [query.text] if query.item is None else []
    try:
        with st.spinner("Asking again, with a part taken away each time …"):
            (explanation,) = serving.call_endpoint(
                "explain", query.run, inputs, item=query.item, label=query.label
            )
        problem = explanation.get("error", "")
    except InferenceError as error:
        problem = str(error)
    if problem:
        del st.session_state["why_wanted"]
        st.warning(escape_markdown(problem), icon=":material/error:")
        return None
    cache = _cached_explanations()
    cache[query] = explanation
    while len(cache) > MAX_CACHED_EXPLANATIONS:
        cache.pop(next(iter(cache)))
    return explanation


def _cached_explanations() -> dict[SaliencyQuery, dict]:
    return st.session_state.setdefault("explained", {})


def list_candidates(answers: PredictionsRecorded) -> list[int]:
    """Return test examples: the surest mistakes, then a few right answers of different classes."""
    sure = answers.best_confidence or [0.0] * len(answers.predictions)
    order = sorted(range(len(answers.predictions)), key=lambda item: -sure[item])
    wrong = [item for item in order if answers.predictions[item] != answers.labels[item]]
    right: dict[int, int] = {}
    for item in order:
        if answers.predictions[item] == answers.labels[item]:
            right.setdefault(answers.labels[item], item)
    return wrong[:MAX_MISTAKES] + list(right.values())[:MAX_CORRECT]


def format_example(item: int, answers: PredictionsRecorded, classes: list[str]) -> str:
    """Return the name of a test example in the list, as plain text."""
    if item == OWN_TEXT:
        return "A text of your own …"
    says, truth = answers.predictions[item], answers.labels[item]
    sure = f", {answers.best_confidence[item]:.0%} sure" if answers.confidence else ""
    if says == truth:
        return f"Right: {classes[says]}{sure} (test example {item + 1})"
    return f"Wrong: says {classes[says]}{sure}; it is {classes[truth]} (test example {item + 1})"


def draw_explanation(explanation: dict, classes: list[str]) -> None:
    """Draw an explanation made by trainers/serving/attribution.py."""
    measure, answer = explanation["measure"], classes[explanation["answer"]]
    gives = f"{explanation['sureness']:.0%} probability"
    if measure == "likeness":
        gives = f"a likeness of {explanation['sureness']:.2f} (from -1 to 1)"
    st.markdown(f"The model gives **{escape_markdown(answer)}** {gives}.")
    st.markdown(escape_markdown(describe_attribution(explanation, answer)))
    if explanation["what"] == "picture":
        draw_heatmap(
            explanation["picture"],
            explanation["change"],
            alt=describe_attribution(explanation, answer),
            key="why-picture",
        )
        table = {f"column {n + 1}": column for n, column in enumerate(zip(*explanation["change"]))}  # noqa: B905 - rows are equally long
        caption = f"By how much the {measure} falls with each place blurred, row by row"
    else:
        draw_highlighted_text(explanation["words"], measure, key="why-text")
        st.caption(
            "Orange and solid: the answer rests on it, the thicker the more. Blue and dashed: it "
            "speaks against the answer. Point at a word for its number."
        )
        table = {
            "words": [word.strip() for word, _ in explanation["words"]],
            f"{measure} falls by": [change for _, change in explanation["words"]],
        }
        caption = f"By how much the {measure} falls without each word"
    with st.expander("The numbers", icon=":material/table:"):
        st.caption(
            f"{caption}. Below 0: it rises. "
            f"The most that it changes: {format_largest_change(explanation)}."
        )
        st.dataframe(table, hide_index=True)
    st.caption(f":material/info: {LIMITATIONS}")


def format_largest_change(explanation: dict) -> str:
    changes = [change for row in explanation.get("change", ()) for change in row]
    changes += [change for _, change in explanation.get("words", ())]
    return format_change(max(changes, key=abs), explanation["measure"])
