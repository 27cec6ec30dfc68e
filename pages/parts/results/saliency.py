"""Why this answer: where on a picture the model looks, which words of a text mattered."""

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
MAX_CACHED_EXPLANATIONS = 20  # explanations; each may hold a picture
OWN_TEXT = -1  # a text of the visitor's own


def show(told: RunSnapshot, end: RunFinished, run: Run) -> None:
    st.markdown("### What an answer rests on")
    if run.job.data.startswith("own-") and run.visitor != current_visitor():
        st.caption("The examples are shown only to who added them.")
        return
    answered = next(
        (one for one in read_events(run.id) if isinstance(one, PredictionsRecorded)), None
    )
    if answered is None or not (fetch_run_dir(run.id) / "model.safetensors").is_file():
        st.caption("This run left no model here to ask. Run it again to look at its answers.")
        return
    is_text = told.started.modality == "text"
    st.markdown(
        f"Choose an answer of the test. The model is asked again and again, each time "
        f"{'without one word' if is_text else 'with one place of the picture blurred'}: where it "
        "then becomes less sure, that is what the answer rests on."
    )
    item = st.selectbox(
        "Answer to look at",
        [*list_candidates(answered), *([OWN_TEXT] if is_text else [])],
        format_func=lambda item: format_example(item, answered, end.classes),
        key="why_item",
    )
    asked = choose_query(item, answered, end, run)
    if asked is None:
        return
    found = _cached_explanations().get(asked)
    if found is None and st.session_state.get("why_wanted") == asked:
        if not ensure_loaded(run):
            return
        found = compute_saliency(asked)
    if found:
        draw_explanation(found, end.classes)
        return
    st.button(
        "Show what it rests on",
        type="primary",
        icon=":material/search:",
        on_click=st.session_state.__setitem__,
        args=("why_wanted", asked),
    )


class SaliencyQuery(NamedTuple):
    """What the visitor wants to know."""

    run: str
    item: int | None = None  # of the test, in the order of `Answered`; None: `text`
    text: str = ""
    label: int | None = None  # the class that is asked about; None: the answer


def choose_query(
    item: int, answered: PredictionsRecorded, end: RunFinished, run: Run
) -> SaliencyQuery | None:
    """None before it was said."""
    if item == OWN_TEXT:
        text = st.text_area("Your text", max_chars=MAX_TEXT_CHARS, key="why_text").strip()
        return SaliencyQuery(run.id, text=text) if text else None
    says, truth = answered.predictions[item], answered.labels[item]
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


def compute_saliency(asked: SaliencyQuery) -> dict | None:
    """What the warm model finds; kept in this browser tab alone, since it holds the example. None,
    and why in words, where it finds nothing."""
    inputs = [asked.text] if asked.item is None else []
    try:
        with st.spinner("Asking again, with a part taken away each time …"):
            (found,) = serving.call_endpoint(
                "explain", asked.run, inputs, item=asked.item, label=asked.label
            )
        failed = found.get("error", "")
    except InferenceError as error:
        failed = str(error)
    if failed:
        del st.session_state["why_wanted"]
        st.warning(escape_markdown(failed), icon=":material/error:")
        return None
    kept = _cached_explanations()
    kept[asked] = found
    while len(kept) > MAX_CACHED_EXPLANATIONS:
        kept.pop(next(iter(kept)))
    return found


def _cached_explanations() -> dict[SaliencyQuery, dict]:
    return st.session_state.setdefault("explained", {})


def list_candidates(answered: PredictionsRecorded) -> list[int]:
    """Test examples: the surest mistakes first, then a few right answers of different classes."""
    sure = answered.best_confidence or [0.0] * len(answered.predictions)
    order = sorted(range(len(answered.predictions)), key=lambda item: -sure[item])
    wrong = [item for item in order if answered.predictions[item] != answered.labels[item]]
    right: dict[int, int] = {}
    for item in order:
        if answered.predictions[item] == answered.labels[item]:
            right.setdefault(answered.labels[item], item)
    return wrong[:MAX_MISTAKES] + list(right.values())[:MAX_CORRECT]


def format_example(item: int, answered: PredictionsRecorded, classes: list[str]) -> str:
    """As the list names it; a list shows no Markdown."""
    if item == OWN_TEXT:
        return "A text of your own …"
    says, truth = answered.predictions[item], answered.labels[item]
    sure = f", {answered.best_confidence[item]:.0%} sure" if answered.confidence else ""
    if says == truth:
        return f"Right: {classes[says]}{sure} (test example {item + 1})"
    return f"Wrong: says {classes[says]}{sure}; it is {classes[truth]} (test example {item + 1})"


def draw_explanation(found: dict, classes: list[str]) -> None:
    """An explanation, as trainers/serving/attribution.py makes it."""
    measure, answer = found["measure"], classes[found["answer"]]
    gives = f"{found['sureness']:.0%} probability"
    if measure == "likeness":
        gives = f"a likeness of {found['sureness']:.2f} (from -1 to 1)"
    st.markdown(f"The model gives **{escape_markdown(answer)}** {gives}.")
    st.markdown(escape_markdown(describe_attribution(found, answer)))
    if found["what"] == "picture":
        draw_heatmap(
            found["picture"],
            found["change"],
            alt=describe_attribution(found, answer),
            key="why-picture",
        )
        table = {f"column {n + 1}": column for n, column in enumerate(zip(*found["change"]))}  # noqa: B905 - rows are equally long
        told = f"By how much the {measure} falls with each place blurred, row by row"
    else:
        draw_highlighted_text(found["words"], measure, key="why-text")
        st.caption(
            "Orange and solid: the answer rests on it, the thicker the more. Blue and dashed: it "
            "speaks against the answer. Point at a word for its number."
        )
        table = {
            "words": [word.strip() for word, _ in found["words"]],
            f"{measure} falls by": [change for _, change in found["words"]],
        }
        told = f"By how much the {measure} falls without each word"
    with st.expander("The numbers", icon=":material/table:"):
        st.caption(
            f"{told}. Below 0: it rises. The most that it changes: {format_largest_change(found)}."
        )
        st.dataframe(table, hide_index=True)
    st.caption(f":material/info: {LIMITATIONS}")


def format_largest_change(found: dict) -> str:
    changes = [change for row in found.get("change", ()) for change in row]
    changes += [change for _, change in found.get("words", ())]
    return format_change(max(changes, key=abs), found["measure"])
