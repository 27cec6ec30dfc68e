"""The form: approach, data, number of examples, budget, and the expert settings."""

import streamlit as st

from guide.approaches import APPROACHES
from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.run_snapshot import format_duration
from pages.parts.run_setup.backbone import choose_backbone
from pages.parts.session import room_context
from pages.parts.session.visitor import current_visitor
from pages.parts.widgets.glossary import TermLinker, link_marked_terms
from trainers import datasets
from trainers.data_checks.findings import Finding
from trainers.datasets import uploads
from trainers.hosting.own_data import list_own_data
from trainers.plan import Plan

BUDGETS_SECONDS = (5, 10, 20, 30, 60, 120, 300, 600)
TRAINABLE_LABELS = {
    "auto": "As suits the backbone",
    "lora": "LoRA: small add-ons, the rest stays frozen",
    "all": "All weights",
}
APPROACH_TERMS = ("pre-trained", "frozen", "lora", "weights")  # linked in its description


def draw_settings_form() -> Plan:
    """Draw the form and return what it says. In a room some settings are fixed by its leader.

    Raises `BadPlan`.
    """
    room, person = room_context.find_room() or (None, None)
    limits = room.settings if room else None
    keys = list(limits.approaches if limits else APPROACHES)
    approach = st.segmented_control(
        "Approach",
        keys,
        default=read_param("approach", keys, "transfer" if "transfer" in keys else keys[0]),
        format_func=lambda key: APPROACHES[key].title,
        required=True,
        key="approach",
        wrap=True,
    )
    st.caption(TermLinker(*APPROACH_TERMS)(APPROACHES[approach].description))
    data = limits.data if limits and not limits.allows_change("data") else choose_data()
    sample = datasets.get_dataset(data)
    st.caption(f"{escape_markdown(sample.description)} {sample.classes} classes; {sample.origin}.")
    st.page_link(
        "data.py",
        label="Look this data over" if limits else "Look this data over, or bring your own",
        icon=":material/folder_open:",
        query_params={"data": data},
    )
    can_choose_count = not limits or limits.allows_change("per_class")
    count = (
        choose_examples_per_class(approach, sample)
        if can_choose_count
        else limits.examples_per_class
    )
    fixes = choose_fixes(sample)
    seconds = choose_budget() if not limits or limits.allows_change("seconds") else limits.seconds
    if limits:
        room_context.draw_locked_settings(limits, person.number)
    if limits and not limits.allows_change("expert"):
        return Plan(
            data=data,
            approach=approach,
            backbone=limits.backbone_for(data),
            examples_per_class=count,
            seconds=seconds,
            seed=limits.seed_for(person.number),
            fixes=fixes,
        )
    with st.expander("Expert settings", icon=":material/tune:"):
        backbone = choose_backbone(sample)
        keys = list(TRAINABLE_LABELS)
        trainable = st.radio(
            "What is trained in fine-tuning and hybrid",
            keys,
            index=keys.index(read_param("what_learns", keys, "auto")),
            format_func=TRAINABLE_LABELS.__getitem__,
            key="what_learns",
        )
        seed = st.number_input(
            "Seed",
            0,
            10_000,
            read_param("seed", list(range(10_001)), 0),
            help="The number that chance starts from: another one, other examples and another "
            "start; the same one, the same again.",
            key="seed",
        )
    return Plan(
        data=data,
        approach=approach,
        backbone=backbone,
        examples_per_class=count,
        seconds=seconds,
        seed=seed,
        trainable=trainable,
        fixes=fixes,
    )


def read_param(name: str, known: list, otherwise: object) -> object:
    """Return the value of `name` in the address if it is one of `known`, else `otherwise`.

    Without any in the address, what the guide advised last counts. Never a mix of both: that would
    be about other data.
    """
    params = st.query_params.to_dict() or st.session_state.get("wanted", {})
    text = params.get(name)
    return next((value for value in known if str(value) == text), otherwise)


def choose_data() -> str:
    usable = {dataset.key: dataset for dataset in list_usable_data()}
    return st.selectbox(
        "Data",
        list(usable),
        index=list(usable).index(read_param("data", list(usable), "digits")),
        format_func=lambda key: usable[key].title,
        key="data",
    )


def choose_budget() -> float:
    return st.select_slider(
        "Time budget",
        BUDGETS_SECONDS,
        value=read_param("seconds", list(BUDGETS_SECONDS), 30),
        format_func=format_duration,
        key="seconds",
        help="A ceiling: the run plans its steps to fit, and ends sooner when it stops improving.",
    )


def list_usable_data() -> list[datasets.Dataset]:
    """Return the visitor's own data, and what comes with Thaw or was downloaded."""
    return [*list_own_data(current_visitor()), *datasets.list_available()]


def choose_examples_per_class(approach: str, sample: datasets.Dataset) -> int | None:
    """Return the number of examples of each class; None for all."""
    most = max((learn for _, learn, _ in getattr(sample, "class_counts", ())), default=0)
    if most:  # classes of differing sizes
        wanted = read_param("per_class", list(range(1, most + 1)), None)
        every = st.toggle("Learn from all examples", wanted is None, key=f"all_{sample.key}")
        if every:
            learn = sum(learn for _, learn, _ in sample.class_counts)
            st.caption(f"{learn:,} in all; {describe_split(sample)}")
            return None
    else:
        most = sample.train_examples_per_class
        wanted = read_param("per_class", list(range(most + 1)), 50)
    least = 0 if supports_zero_shot(approach, sample) else 1
    per_class = most
    if least < most:  # a slider with one place raises
        per_class = st.slider(
            "Examples of each class to learn from",
            least,
            most,
            max(least, min(most, 50 if wanted is None else wanted)),
            key=f"per_class_{sample.key}_{least}",
            help="With 0, texts are compared with the names of the classes (zero-shot)."
            if least == 0
            else None,
        )
    st.caption(f"At most {per_class * sample.classes:,} in all; {describe_split(sample)}")
    return per_class


def describe_split(sample: datasets.Dataset) -> str:
    return link_marked_terms(
        "a fifth of them [[validation|checks progress]]. "
        f"{sample.test_examples:,} others are kept for the "
        "[[test]]."
    )


def choose_fixes(sample: datasets.Dataset) -> tuple[str, ...]:
    """Return the keys of the findings whose fix is chosen; own data that was checked has some."""
    check = uploads.load_check(sample.key) if isinstance(sample, uploads.StoredDataset) else None
    if not check:
        return ()
    findings = [Finding.from_json(record) for record in check["findings"]]
    titles = {
        finding.key: f"{finding.fix.title}: {finding.title}" for finding in findings if finding.fix
    }
    if not titles:
        return ()
    chosen = st.query_params.get("mends", "").split(",")
    with st.container(gap="xsmall"):
        return tuple(
            key
            for key, title in titles.items()
            if st.checkbox(escape_markdown(title), key in chosen, key=f"mend_{sample.key}_{key}")
        )


def supports_zero_shot(approach: str, sample: datasets.Dataset) -> bool:
    """Return whether the names of the classes can do without any example."""
    return approach == "none" and sample.modality == "text"
