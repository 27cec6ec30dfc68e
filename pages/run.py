"""Run an approach and watch it learn. With a run in the address: that run, live or finished."""

from dataclasses import replace

import streamlit as st

from guide.approaches import APPROACHES
from guide.glossary import GLOSSARY
from pages.parts.figures import chart_text, drawings, example_map, run_charts, run_snapshot as tell
from pages.parts.figures.markdown import escape_markdown, format_data_title
from pages.parts.figures.run_snapshot import RunSnapshot
from pages.parts.figures.style import APPROACH_STYLES, FROZEN_COLOUR
from pages.parts.results import draw_results
from pages.parts.run_view import queue_view, resume
from pages.parts.run_view.event_feed import read_events
from pages.parts.run_view.narration import draw_narration
from pages.parts.session import guide_answers, room_context
from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.run_access import can_still_open, draw_share_menu, open_run, read_run_key
from pages.parts.session.start_job import start_job as queue
from pages.parts.session.visitor import current_visitor
from pages.parts.widgets import download_offer
from pages.parts.widgets.example_cards import ExampleCard, draw_example_cards
from pages.parts.widgets.glossary import TermLinker, link_marked_terms, link_term
from pages.parts.widgets.live_plot import draw_live_plot
from pages.parts.widgets.run_controls import build_run_params, can_use_data, draw_stop_and_cancel
from pages.parts.widgets.svg import draw_svg
from trainers import backbones, datasets
from trainers.backbones.compatibility import list_remarks
from trainers.data_checks.findings import Finding
from trainers.datasets import uploads
from trainers.events import JobFailed, RunFinished
from trainers.hosting.own_data import list_own_data
from trainers.jobs import PLAN_SETTINGS, Comparison
from trainers.plan import BadPlan, Plan
from trainers.reports.sentences import format_count
from trainers.store import Run, RunNotFound, get_store
from trainers.system.registry import UnknownKey

BUDGETS_SECONDS = (5, 10, 20, 30, 60, 120, 300, 600)
# A run that nobody is ahead of starts at once: look again soon, the first point should not wait.
POLL_SECONDS, STARTING_POLL_SECONDS = 0.5, 0.2
TRAINABLE_LABELS = {
    "auto": "As suits the backbone",
    "lora": "LoRA: small add-ons, the rest stays frozen",
    "all": "All weights",
}
TERMS = ("pre-trained", "frozen", "lora", "weights")  # of what an approach means

VALIDATION_HELP = (
    "The checks are training examples that were held back. While the last layer learns, five "
    "copies of it each go without a fifth of the examples, and are asked about those "
    "(cross-validation). While the whole model learns, a fifth is held back. In the end all are "
    "learned from, where there is time. The test asks about examples that nobody looked at before."
)


# --- before a run: what to run ------------------------------------------------------------------


def draw_setup_page() -> None:
    st.title("Run an approach")
    st.markdown("Everything is filled in already. Press Start, or change what you like.")
    found = room_context.find_room()
    room_context.draw_banner(found)
    if found:  # who comes by the menu begins with what the room has
        told = room_context.build_run_params(found[0].settings, found[1].number)
        st.query_params.update({name: told[name] for name in told if name not in st.query_params})
    left, right = st.columns([1.1, 1], gap="large")
    with left:
        plan = draw_settings_form()
    with right, st.container(border=True):
        draw_preview(plan)
        draw_start_button(plan)
    draw_latest_runs()


def read_param(name: str, known: list, otherwise: object) -> object:
    """What the address says about `name`, where it is one of `known`; for who comes by the menu
    what the guide advised last. Never a mix of both: that would be about other data."""
    said_there = st.query_params.to_dict() or st.session_state.get("wanted", {})
    word = said_there.get(name)
    return next((value for value in known if str(value) == word), otherwise)


def draw_settings_form() -> Plan:
    room, person = room_context.find_room() or (None, None)
    held = room.settings if room else None  # what stays as the room has it
    keys = list(held.approaches if held else APPROACHES)
    approach = st.segmented_control(
        "Approach",
        keys,
        default=read_param("approach", keys, "transfer" if "transfer" in keys else keys[0]),
        format_func=lambda key: APPROACHES[key].title,
        required=True,
        key="approach",
        wrap=True,
    )
    st.caption(TermLinker(*TERMS)(APPROACHES[approach].description))
    data = held.data if held and not held.allows_change("data") else choose_data()
    sample = datasets.get_dataset(data)
    st.caption(f"{escape_markdown(sample.description)} {sample.classes} classes; {sample.origin}.")
    st.page_link(
        "data.py",
        label="Look this data over" if held else "Look this data over, or bring your own",
        icon=":material/folder_open:",
        query_params={"data": data},
    )
    free = not held or held.allows_change("per_class")
    per_class = choose_examples_per_class(approach, sample) if free else held.examples_per_class
    mends = choose_fixes(sample)
    seconds = choose_budget() if not held or held.allows_change("seconds") else held.seconds
    if held:
        room_context.draw_locked_settings(held, person.number)
    if held and not held.allows_change("expert"):
        return Plan(
            data=data,
            approach=approach,
            backbone=held.backbone_for(data),
            examples_per_class=per_class,
            seconds=seconds,
            seed=held.seed_for(person.number),
            fixes=mends,
        )
    with st.expander("Expert settings", icon=":material/tune:"):
        backbone = choose_backbone(sample)
        keys = list(TRAINABLE_LABELS)
        what_learns = st.radio(
            "What learns in fine-tuning and hybrid",
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
        examples_per_class=per_class,
        seconds=seconds,
        seed=seed,
        trainable=what_learns,
        fixes=mends,
    )


def choose_data() -> str:
    usable = {found.key: found for found in list_usable_data()}
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
        format_func=tell.format_duration,
        key="seconds",
        help="A ceiling: the run plans its steps to fit, and ends sooner when it stops improving.",
    )


HUB_PREFIX = "hf:"


def choose_backbone(sample: datasets.Dataset) -> str:
    """The backbone that the visitor chose: its key, also of one that is still to be downloaded."""
    rows = {row.key: row for row in backbones.list_for_modality(sample.modality)}
    wanted = st.query_params.get("backbone", "")
    other = sample.modality == "text"
    keys = [*rows, *([HUB_PREFIX] if other else [])]
    named = HUB_PREFIX if other and wanted.startswith(HUB_PREFIX) else wanted
    backbone = st.selectbox(
        "Backbone (the pre-trained model)",
        keys,
        index=keys.index(named) if named in keys else 0,
        format_func=lambda key: (
            format_backbone_option(rows[key]) if key in rows else "Another, by its name …"
        ),
        key=f"backbone_{sample.modality}",
    )
    if backbone == HUB_PREFIX:
        name = st.text_input(
            "Name of an encoder at Hugging Face",
            wanted.removeprefix(HUB_PREFIX) if named == HUB_PREFIX else "",
            max_chars=backbones.MAX_HUB_KEY_CHARS,
            placeholder="organisation/model, or organisation/model@revision",
            key="hub_name",
            help="Any text encoder with weights as safetensors. No code of its own is ever run.",
        )
        backbone = HUB_PREFIX + name.strip() if name.strip() else backbones.get_bundled("text").key
    try:
        about = backbones.pick(backbone)
    except UnknownKey as error:
        raise BadPlan(str(error)) from None
    named = link_term("weights", "numbers (parameters)")
    numbers = f"; {format_count(about.parameters)} {named}" if about.parameters else ""
    st.caption(
        f"{about.good_for} Reads {about.input_description}{numbers}. "
        f"{escape_markdown(about.source)}, {about.licence}."
    )
    return backbone


def format_backbone_option(row: backbones.Backbone) -> str:
    return (
        row.title
        if backbones.is_downloaded(row)
        else f"{row.title} · {row.download_size} to download"
    )


def list_usable_data() -> list[datasets.Dataset]:
    """What this visitor can run on: what comes with Thaw, what was downloaded, and their own."""
    return [*list_own_data(current_visitor()), *datasets.list_available()]


def choose_examples_per_class(approach: str, sample: datasets.Dataset) -> int | None:
    """Examples of each class; None for all of the visitor's own."""
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
    """The mends of the visitor's own data that the address names, and that exist."""
    found = uploads.load_check(sample.key) if isinstance(sample, uploads.StoredDataset) else None
    if not found:
        return ()
    findings = [Finding.from_json(one) for one in found["findings"]]
    titles = {one.key: f"{one.fix.title}: {one.title}" for one in findings if one.fix}
    if not titles:
        return ()
    named = st.query_params.get("mends", "").split(",")
    with st.container(gap="xsmall"):
        return tuple(
            key
            for key, title in titles.items()
            if st.checkbox(escape_markdown(title), key in named, key=f"mend_{sample.key}_{key}")
        )


def supports_zero_shot(approach: str, sample: datasets.Dataset) -> bool:
    """Whether class names can do without any example."""
    return approach == "none" and sample.modality == "text"


@st.cache_data(show_spinner=False)
def load_bundled_preview(data: str) -> list[tuple[str, str]]:
    """Examples of a bundled sample: the same for every visitor."""
    return datasets.get_dataset(data).preview()


def load_preview(data: str) -> list[tuple[str, str]]:
    """Examples of a data set; a visitor's own go into no cache that others share."""
    return (
        load_bundled_preview(data)
        if data in datasets.BUNDLED_DATASETS
        else datasets.get_dataset(data).preview()
    )


def draw_preview(plan: Plan) -> None:
    look = APPROACH_STYLES[plan.approach]
    words, aside = st.columns([2, 1], vertical_alignment="center")
    words.markdown(f"## :{look.badge}[{APPROACHES[plan.approach].title}]")
    words.markdown(f"on *{escape_markdown(datasets.get_dataset(plan.data).title)}*")
    with aside:
        draw_svg(drawings.layer_stack(plan.approach), key="preview-picture")
    with st.skeleton(height=260):
        some = (
            6 if datasets.get_dataset(plan.data).modality == "images" else 3
        )  # Start stays in sight
        cards: list[ExampleCard] = [
            {"example": shown, "label": label} for shown, label in load_preview(plan.data)[:some]
        ]
        draw_example_cards(cards, key="preview", colour=look.colour)


def draw_start_button(plan: Plan) -> None:
    backbone = backbones.pick(plan.backbone)
    facts = datasets.get_dataset(plan.data).facts
    if plan.approach != "simple":
        for remark in list_remarks(backbone, facts) if facts else ():
            st.caption(f":material/info: {escape_markdown(remark)}")
        if not backbones.is_downloaded(backbone):
            download_offer.draw_download_offer(
                plan.backbone,
                f"**{escape_markdown(backbone.title)}** is not on this computer yet: "
                f"{backbone.download_size} from "
                f"{'Hugging Face' if backbone.repo else 'PyTorch'}, kept in "
                f"`{backbones.backbone_path(backbone)}`. Nothing else is sent or loaded.",
            )
            bundled = backbones.get_bundled(backbone.modality)
            st.button(
                f"Use {bundled.title.partition(':')[0]} instead: it comes with Thaw",
                on_click=select_backbone,
                args=(bundled,),
                width="stretch",
            )
            return
    wait = get_store().estimate_wait(current_visitor())
    if wait.position:
        st.caption(f":material/hourglass_empty: Busy: {tell.describe_wait(wait)}")
    elif not get_store().count_ready_workers():
        st.caption(":material/hourglass_empty: The training process is still warming up.")
    else:
        st.caption(":material/bolt: Ready to start at once.")
    room = room_context.find_room()
    pressed = st.button(
        "Start",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        disabled=bool(room and room[0].paused),
    )
    if pressed and (key := room_context.start_run(plan)):
        st.query_params.from_dict({"run": key} | build_guide_params(plan))
        st.rerun()
    if not room:
        draw_compare_button(plan, "Compare all approaches instead", width="stretch")


def select_backbone(row: backbones.Backbone) -> None:
    """Chooses a backbone in the form."""
    st.session_state[f"backbone_{row.modality}"] = row.key
    st.query_params["backbone"] = row.key


def draw_compare_button(plan: Plan, label: str, **look: str) -> None:
    """Starts every approach with the settings of `plan`, one after another."""
    most = len(Comparison.approaches) * plan.seconds
    if st.button(
        label,
        icon=":material/stacked_line_chart:",
        help="The same examples, the same test, one after another: at most "
        f"{tell.format_duration(most)}.",
        **look,
    ):
        settings = {name: getattr(plan, name) for name in PLAN_SETTINGS}
        answers = guide_answers.decode(build_guide_params(plan).get(guide_answers.PARAM, ""))
        job = Comparison(visitor=current_visitor(), answers=answers, **settings)
        if key := queue(job):
            st.switch_page("compare.py", query_params={"compare": key})


def build_guide_params(plan: Plan) -> dict[str, str]:
    """What the guide was told, for the address, where it was told of the data of `plan`."""
    known = st.query_params
    if guide_answers.PARAM not in known and "run" not in known:  # who went to Run by the menu
        known = st.session_state.get("wanted", {})
    text = known.get(guide_answers.PARAM, "")
    return {guide_answers.PARAM: text} if text and known.get("data", plan.data) == plan.data else {}


def draw_latest_runs() -> None:
    runs = get_store().list_runs(current_visitor(), limit=5)
    if not runs:
        return
    st.markdown("### Your latest runs")
    for run in runs:
        score = run.result.get("test_accuracy") if run.result else None
        ending = f"{score:.0%} right" if score is not None else tell.STATE_LABELS[run.state]
        title = f"{APPROACHES[run.job.approach].title} on {format_data_title(run.job.data)}"
        st.page_link("run.py", label=f"{title}: {ending}", query_params={"run": run.id})


# --- a run ----------------------------------------------------------------------------------------


def draw_run_page() -> None:
    try:
        run = open_run("run")
        if run.kind != "run":
            raise RunNotFound(run.id)
    except RunNotFound as error:
        st.title("Run an approach")
        st.warning(str(error), icon=":material/link_off:")
        if st.button("Set up a new run"):
            st.query_params.clear()
            st.rerun()
        return
    look, approach = APPROACH_STYLES[run.job.approach], APPROACHES[run.job.approach]
    room_context.draw_banner(room_context.find_room())
    words, aside = st.columns([5, 1], vertical_alignment="center")
    words.markdown(f"# :{look.badge}[{approach.title}] on {format_data_title(run.job.data)}")
    words.markdown(TermLinker(*TERMS)(approach.description))
    with aside:
        draw_svg(drawings.layer_stack(run.job.approach), key="run-picture")
    if queue_view.draw_if_queued(run):
        return
    resume.draw_resumed_from_link(run)
    poll = POLL_SECONDS if run.started_at else STARTING_POLL_SECONDS
    st.fragment(error_boundary()(watch_run), run_every=None if run.is_over else poll)(run)


def watch_run(run: Run) -> None:
    """The live part. It keeps the order and the height of what it draws, so nothing jumps."""
    was_over, waited = run.is_over, not run.started_at
    if not was_over:
        if not can_still_open(run):
            st.rerun()
        run = get_store().get_run(run.id)
    events = read_events(run.id)
    told = tell.fold_events(events)
    if (run.is_over and not was_over) or (waited and told.evaluations):
        st.rerun()  # a finished page polls no more; one that starts looks often until a value
    wait = None if run.started_at else get_store().estimate_wait(run.visitor, run.id)
    ready = bool(run.started_at or get_store().count_ready_workers())
    st.progress(tell.compute_progress(told, run), text=tell.describe_status(told, run, wait, ready))
    # What comes and goes has a place of its own: a chart that changes its place is made anew.
    with st.container():
        draw_controls(run)
    with st.container():
        match told.end:
            case RunFinished():
                draw_result(told, told.end)
                draw_narration(events, run)
            case JobFailed():
                st.error(escape_markdown(told.end.text), icon=":material/error:")
            case None if run.job.approach not in ("none", "simple"):
                draw_narration(events, run)
        if told.notices:
            notices = (f":material/info: {escape_markdown(notice.text)}" for notice in told.notices)
            st.caption("  \n".join(notices))
    if run.job.approach not in ("none", "simple"):
        draw_charts(told, run)
    if isinstance(told.end, RunFinished):
        draw_results(told, told.end, run)


def draw_controls(run: Run) -> None:
    draw_stop_and_cancel(run, queue_view.STOP_LABEL)
    if not run.is_over:
        draw_share_menu(run)
        return
    resume.draw_resume_offer(run)
    with st.container(horizontal=True):
        draw_share_menu(run)
        if not can_use_data(run.job.data):
            st.caption(
                "It cannot be run again here: its data was deleted, or belongs to somebody else."
            )
        else:
            pressed = st.button("Run again", icon=":material/replay:")
            if pressed and (again := room_context.start_run(replace(run.job, schedule=None))):
                st.query_params.from_dict({"run": again} | build_guide_params(run.job))
                st.rerun(scope="app")
            if not room_context.find_room():
                draw_compare_button(run.job, "Compare with the others")
            if st.button("Change the settings", icon=":material/tune:"):
                st.query_params.from_dict(build_run_params(run.job) | build_guide_params(run.job))
                st.rerun(scope="app")


def draw_result(told: RunSnapshot, end: RunFinished) -> None:
    look = APPROACH_STYLES[end.approach]
    with st.container(border=True):
        score, words = st.columns([1, 2.4], gap="large", vertical_alignment="center")
        with score:
            st.markdown(f"Test score\n# :{look.badge}[{end.test_accuracy:.0%}]")
        with words:
            st.markdown(TermLinker("test")(tell.describe_score(end)))
            draw_live_plot(
                run_charts.score_line(end, look.colour),
                key="score-line",
                alt=f"{end.test_accuracy:.0%}, between {end.test_accuracy_low:.0%} and "
                f"{end.test_accuracy_high:.0%} (95 % interval).",
            )
        if better := tell.compare_with_baseline(told):
            st.markdown(TermLinker("validation|checks")(better))
        elif told.baseline and not told.evaluations:  # else it is of what is learned from
            st.markdown(f"With {told.baseline.method}: {told.baseline.accuracy:.0%} right.")
        with st.grid(4, min_column_width=150):
            st.metric("Time", f"{end.seconds:.1f} s")
            st.metric(
                "Numbers that learned",
                format_count(end.trainable_parameters),
                help=GLOSSARY["weights"].definition,
            )
            st.metric("Passes (epochs)", f"{end.epochs:.0f}", help=GLOSSARY["epoch"].definition)
            st.metric(
                "Macro-F1",
                f"{end.macro_f1:.2f}",
                help="From 0 to 1. Each class gets a score for how many of its examples are found "
                "and how many found are really of it; this is the mean, so a rare class counts as "
                "much as a common one.",
            )


def draw_charts(told: RunSnapshot, run: Run) -> None:
    colour = APPROACH_STYLES[run.job.approach].colour
    left, right = st.columns([1.4, 1], gap="medium")
    with left:
        with st.container(horizontal=True, horizontal_alignment="distribute"):
            st.markdown("## How much is right", help=VALIDATION_HELP)
            against = st.segmented_control(
                "Draw the curves by seconds, or by passes over the examples",
                ["seconds", "epoch"],
                # A last layer alone learns in a blink: by seconds its curve would stand upright.
                default="epoch" if run.job.approach == "transfer" else "seconds",
                format_func={"seconds": "by seconds", "epoch": "by passes"}.__getitem__,
                required=True,
                label_visibility="collapsed",
                key=f"against-{run.job.approach}",
            )
        draw_live_plot(
            run_charts.accuracy_curve(told, against=against),
            key="accuracy",
            alt=chart_text.describe_accuracy(told),
        )
    with right:
        st.markdown(
            "## What the model sees",
            help="Each mark is an example held out for checking. Close together: alike to the "
            "model. Hollow marks are answered wrong. The two directions are those in which the "
            "examples differ most at the start, and stay fixed.",
        )
        draw_live_plot(
            example_map.example_map(told),
            key="map",
            alt=chart_text.describe_map(told),
        )
        st.caption(chart_text.describe_map(told))
    left, right = st.columns([1.4, 1], gap="medium")
    with left:
        st.markdown(
            "## How wrong it is (loss)",
            help="The number that training makes smaller. It also counts how sure a wrong answer "
            "was, so it can rise while more answers become right.",
        )
        draw_live_plot(
            run_charts.loss_curve(told, against=against),
            key="loss",
            alt=chart_text.describe_loss(told),
        )
        if told.end and told.evaluations:
            with st.expander("The curves as a table", icon=":material/table:"):
                st.markdown("\n".join(chart_text.format_table(told)))
    with right:
        st.markdown("## Frozen and learning")
        if told.phases:
            phase = told.phases[-1]
            share = phase.trainable_parameters / max(1, sum(p["parameters"] for p in phase.blocks))
            part = "under 0.1%" if share < 0.001 else "100%" if share == 1 else f"{share:.1%}"
            st.caption(
                f"{format_count(phase.trainable_parameters)} "
                f"{link_term('weights', 'numbers')} learn, "
                f"{part} of all."
            )
            draw_live_plot(
                run_charts.layer_bars(phase.blocks, colour, FROZEN_COLOUR),
                key="layers",
                alt=chart_text.describe_layers(phase),
            )
        else:
            st.skeleton(height=220)
    st.markdown("## A few examples, and the answer now")
    if run.job.data.startswith("own-") and run.visitor != current_visitor():
        st.caption("The examples are shown only to who added them.")
    elif told.watched_examples and told.started:
        draw_example_cards(build_cards(told), key="watched", colour=colour)
    else:
        st.skeleton(height=150)


def build_cards(told: RunSnapshot) -> list[ExampleCard]:
    classes, look = told.started.classes, told.evaluations[-1] if told.evaluations else None
    cards: list[ExampleCard] = []
    for place, (shown, label) in enumerate(
        zip(told.watched_examples.inputs, told.watched_examples.labels, strict=True)
    ):
        answer = classes[look.watched_predictions[place]] if look else ""
        sure = look.confidence[place] if look else 0.0
        cards.append({"example": shown, "label": classes[label], "answer": answer, "sure": sure})
    return cards


if read_run_key("run"):
    draw_run_page()
else:
    try:
        draw_setup_page()
    except BadPlan as error:
        st.warning(escape_markdown(str(error)), icon=":material/error:")
