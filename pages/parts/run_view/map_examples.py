"""The examples on a run's map, small enough to send them all; who may see them sees them."""

import streamlit as st

from pages.parts.figures.run_snapshot import RunSnapshot
from pages.parts.session.visitor import current_visitor, require_access
from trainers import datasets
from trainers.datasets.thumbnails import make_thumbnail
from trainers.datasets.uploads import BadUpload
from trainers.plan import Plan
from trainers.store import Run
from trainers.system.registry import UnknownKey

MAX_TEXT_CHARS = 240  # of a text: more would not fit beside a map
MAX_CACHED_MAPS = 6  # maps of own data, of one visitor
DATA_CHANGED_MESSAGE = (
    "The examples are others by now than those of this run, so they are not shown."
)


def load_map_examples(snapshot: RunSnapshot, run: Run) -> tuple[dict[int, str], str]:
    """The examples on the map by their number: texts, or pictures as data: URIs; and why there are
    none, where that is so."""
    first = next((e for e in snapshot.evaluations if e.map_labels), None)
    if not (
        snapshot.started
        and snapshot.watched_examples
        and snapshot.watched_examples.map_indices
        and first
    ):
        return {}, "This run is older than this film: it did not note which examples are on it."
    items, data = tuple(snapshot.watched_examples.map_indices), run.job.data
    own = data.startswith("own-")
    if own and run.visitor != current_visitor():
        return {}, "The examples are shown only to who added them."
    try:
        require_access(
            datasets.get_dataset(data)
        )  # a run that was brought in may be on another visitor's
        if own:  # these go into no cache that others share
            kept = st.session_state.setdefault("mapped", {})
            if (run.job, items) not in kept:
                if len(kept) >= MAX_CACHED_MAPS:
                    kept.clear()
                kept[run.job, items] = _load_thumbnails(run.job, items)
            labels, classes, shown = kept[run.job, items]
        else:
            labels, classes, shown = _load_public(run.job.as_json(), items)
    except (UnknownKey, BadUpload) as error:
        return {}, str(error)
    except (OSError, ValueError) as error:
        return {}, f"The examples could not be read ({error})."
    if labels != first.map_labels or classes != tuple(snapshot.started.classes):
        return {}, DATA_CHANGED_MESSAGE
    return dict(zip(items, shown, strict=True)), ""


@st.cache_data(show_spinner=False, max_entries=40)  # each at most 150 pictures of some 1.5 kB
def _load_public(
    plan: dict, items: tuple[int, ...]
) -> tuple[list[int], tuple[str, ...], list[str]]:
    return _load_thumbnails(Plan.from_json(plan), items)


def _load_thumbnails(
    plan: Plan, items: tuple[int, ...]
) -> tuple[list[int], tuple[str, ...], list[str]]:
    """(labels, names of all classes, the examples) of the training examples numbered `items`."""
    data = datasets.get_dataset(plan.data).load_subset(
        items, plan.examples_per_class, plan.seed, plan.fixes
    )
    make = _truncate if data.modality == "text" else make_thumbnail
    return data.train.labels.tolist(), data.classes, [make(one) for one in data.train.inputs]


def _truncate(text: str) -> str:
    return text if len(text) <= MAX_TEXT_CHARS else f"{text[:MAX_TEXT_CHARS]} …"
