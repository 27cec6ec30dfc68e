"""Run an approach and watch it learn. With a run in the address: that run, live or finished."""

from dataclasses import replace

import streamlit as st

from guide.approaches import APPROACHES
from guide.glossary import GLOSSARY
from pages.parts.figures import chart_text, charts as figures, drawings, run_snapshot as tell
from pages.parts.figures.markdown import plain, title_of
from pages.parts.figures.run_snapshot import Story
from pages.parts.figures.style import FROZEN, LOOKS
from pages.parts.results import closer
from pages.parts.run_view import queue_view, resume
from pages.parts.run_view.event_feed import events_of
from pages.parts.run_view.narration import narration
from pages.parts.session import guide_answers, room_context
from pages.parts.session.error_boundary import told_plainly
from pages.parts.session.run_access import addressed, opened, share, still_open
from pages.parts.session.start_job import start as queue
from pages.parts.session.visitor import visitor
from pages.parts.widgets import download_offer
from pages.parts.widgets.example_cards import Card, examples
from pages.parts.widgets.glossary import Words, explained, word
from pages.parts.widgets.live_plot import live_plot
from pages.parts.widgets.run_controls import filled_in, may_use, stop_and_cancel
from pages.parts.widgets.svg import picture
from trainers import backbones, datasets
from trainers.backbones.compatibility import remarks
from trainers.data_checks.findings import Finding
from trainers.datasets import uploads
from trainers.events import Failed, Finished
from trainers.jobs import Comparison
from trainers.plan import BadPlan, Plan
from trainers.store import NoSuchRun, Run, store
from trainers.system.registry import UnknownKey

BUDGETS_SECONDS = (5, 10, 20, 30, 60, 120, 300, 600)
# A run that nobody is ahead of starts at once: look again soon, the first point should not wait.
POLL_SECONDS, STARTING_POLL_SECONDS = 0.5, 0.2
WHAT_LEARNS = {
    "auto": "As suits the backbone",
    "lora": "LoRA: small add-ons, the rest stays frozen",
    "all": "All weights",
}
TERMS = ("pre-trained", "frozen", "lora", "weights")  # of what an approach means

CHECKED = (
    "The checks are training examples that were held back. While the last layer learns, five "
    "copies of it each go without a fifth of the examples, and are asked about those "
    "(cross-validation). While the whole model learns, a fifth is held back. In the end all are "
    "learned from, where there is time. The test asks about examples that nobody looked at before."
)


# --- before a run: what to run ------------------------------------------------------------------


def ask() -> None:
    st.title("Run an approach")
    st.markdown("Everything is filled in already. Press Start, or change what you like.")
    found = room_context.here()
    room_context.banner(found)
    if found:  # who comes by the menu begins with what the room has
        told = room_context.in_address(found[0].settings, found[1].number)
        st.query_params.update({name: told[name] for name in told if name not in st.query_params})
    left, right = st.columns([1.1, 1], gap="large")
    with left:
        plan = settings()
    with right, st.container(border=True):
        preview(plan)
        start(plan)
    latest()


def given(name: str, known: list, otherwise: object) -> object:
    """What the address says about `name`, where it is one of `known`; for who comes by the menu
    what the guide advised last. Never a mix of both: that would be about other data."""
    said_there = st.query_params.to_dict() or st.session_state.get("wanted", {})
    word = said_there.get(name)
    return next((value for value in known if str(value) == word), otherwise)


def settings() -> Plan:
    room, person = room_context.here() or (None, None)
    held = room.settings if room else None  # what stays as the room has it
    keys = list(held.approaches if held else APPROACHES)
    approach = st.segmented_control(
        "Approach",
        keys,
        default=given("approach", keys, "transfer" if "transfer" in keys else keys[0]),
        format_func=lambda key: APPROACHES[key].title,
        required=True,
        key="approach",
        wrap=True,
    )
    st.caption(Words(*TERMS)(APPROACHES[approach].meaning))
    data = held.data if held and not held.may("data") else chosen_data()
    sample = datasets.pick(data)
    st.caption(f"{plain(sample.about)} {sample.classes} classes; {sample.made}.")
    st.page_link(
        "data.py",
        label="Look this data over" if held else "Look this data over, or bring your own",
        icon=":material/folder_open:",
        query_params={"data": data},
    )
    free = not held or held.may("per_class")
    per_class = how_many(approach, sample) if free else held.per_class
    mends = chosen_mends(sample)
    seconds = chosen_budget() if not held or held.may("seconds") else held.seconds
    if held:
        room_context.locked(held, person.number)
    if held and not held.may("expert"):
        return Plan(
            data=data,
            approach=approach,
            backbone=held.backbone_for(data),
            per_class=per_class,
            seconds=seconds,
            seed=held.seed(person.number),
            mends=mends,
        )
    with st.expander("Expert settings", icon=":material/tune:"):
        backbone = backbone_for(sample)
        keys = list(WHAT_LEARNS)
        what_learns = st.radio(
            "What learns in fine-tuning and hybrid",
            keys,
            index=keys.index(given("what_learns", keys, "auto")),
            format_func=WHAT_LEARNS.__getitem__,
            key="what_learns",
        )
        seed = st.number_input(
            "Seed",
            0,
            10_000,
            given("seed", list(range(10_001)), 0),
            help="The number that chance starts from: another one, other examples and another "
            "start; the same one, the same again.",
            key="seed",
        )
    return Plan(
        data=data,
        approach=approach,
        backbone=backbone,
        per_class=per_class,
        seconds=seconds,
        seed=seed,
        what_learns=what_learns,
        mends=mends,
    )


def chosen_data() -> str:
    usable = {found.key: found for found in usable_data()}
    return st.selectbox(
        "Data",
        list(usable),
        index=list(usable).index(given("data", list(usable), "digits")),
        format_func=lambda key: usable[key].title,
        key="data",
    )


def chosen_budget() -> float:
    return st.select_slider(
        "Time budget",
        BUDGETS_SECONDS,
        value=given("seconds", list(BUDGETS_SECONDS), 30),
        format_func=tell.duration,
        key="seconds",
        help="A ceiling: the run plans its steps to fit, and ends sooner when it stops improving.",
    )


OTHER = "hf:"


def backbone_for(sample: datasets.Sample) -> str:
    """The backbone that the visitor chose: its key, also of one that is still to be downloaded."""
    rows = {row.key: row for row in backbones.for_modality(sample.modality)}
    wanted = st.query_params.get("backbone", "")
    other = sample.modality == "text"
    keys = [*rows, *([OTHER] if other else [])]
    named = OTHER if other and wanted.startswith(OTHER) else wanted
    backbone = st.selectbox(
        "Backbone (the pre-trained model)",
        keys,
        index=keys.index(named) if named in keys else 0,
        format_func=lambda key: in_the_list(rows[key]) if key in rows else "Another, by its name …",
        key=f"backbone_{sample.modality}",
    )
    if backbone == OTHER:
        name = st.text_input(
            "Name of an encoder at Hugging Face",
            wanted.removeprefix(OTHER) if named == OTHER else "",
            max_chars=backbones.HUB_CHARS,
            placeholder="organisation/model, or organisation/model@revision",
            key="hub_name",
            help="Any text encoder with weights as safetensors. No code of its own is ever run.",
        )
        backbone = OTHER + name.strip() if name.strip() else backbones.bundled("text").key
    try:
        about = backbones.pick(backbone)
    except UnknownKey as error:
        raise BadPlan(str(error)) from None
    named = word("weights", "numbers (parameters)")
    numbers = f"; {tell.count(about.parameters)} {named}" if about.parameters else ""
    st.caption(
        f"{about.good_for} Reads {about.takes}{numbers}. {plain(about.source)}, {about.licence}."
    )
    return backbone


def in_the_list(row: backbones.Backbone) -> str:
    return row.title if backbones.is_here(row) else f"{row.title} · {row.size} to download"


def usable_data() -> list[datasets.Sample]:
    """What this visitor can run on: what comes with Thaw, what was downloaded, and their own."""
    return [*uploads.of(visitor()), *datasets.here()]


def how_many(approach: str, sample: datasets.Sample) -> int | None:
    """Examples of each class; None for all of the visitor's own."""
    most = max((learn for _, learn, _ in getattr(sample, "counts", ())), default=0)
    if most:  # classes of differing sizes
        wanted = given("per_class", list(range(1, most + 1)), None)
        every = st.toggle("Learn from all examples", wanted is None, key=f"all_{sample.key}")
        if every:
            learn = sum(learn for _, learn, _ in sample.counts)
            st.caption(f"{learn:,} in all; {kept_aside(sample)}")
            return None
    else:
        most = sample.train_per_class
        wanted = given("per_class", list(range(most + 1)), 50)
    least = 0 if names_alone(approach, sample) else 1
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
    st.caption(f"At most {per_class * sample.classes:,} in all; {kept_aside(sample)}")
    return per_class


def kept_aside(sample: datasets.Sample) -> str:
    return explained(
        f"a fifth of them [[validation|checks progress]]. {sample.test:,} others are kept for the "
        "[[test]]."
    )


def chosen_mends(sample: datasets.Sample) -> tuple[str, ...]:
    """The mends of the visitor's own data that the address names, and that exist."""
    found = uploads.checked(sample.key) if isinstance(sample, uploads.Stored) else None
    if not found:
        return ()
    findings = [Finding.from_json(one) for one in found["findings"]]
    titles = {one.key: f"{one.mend.title}: {one.title}" for one in findings if one.mend}
    if not titles:
        return ()
    named = st.query_params.get("mends", "").split(",")
    with st.container(gap="xsmall"):
        return tuple(
            key
            for key, title in titles.items()
            if st.checkbox(plain(title), key in named, key=f"mend_{sample.key}_{key}")
        )


def names_alone(approach: str, sample: datasets.Sample) -> bool:
    """Whether class names can do without any example."""
    return approach == "none" and sample.modality == "text"


@st.cache_data(show_spinner=False)
def bundled_glimpse(data: str) -> list[tuple[str, str]]:
    """Examples of a bundled sample: the same for every visitor."""
    return datasets.pick(data).glimpse()


def glimpse(data: str) -> list[tuple[str, str]]:
    """Examples of a data set; a visitor's own go into no cache that others share."""
    return bundled_glimpse(data) if data in datasets.SAMPLES else datasets.pick(data).glimpse()


def preview(plan: Plan) -> None:
    look = LOOKS[plan.approach]
    words, aside = st.columns([2, 1], vertical_alignment="center")
    words.markdown(f"## :{look.badge}[{APPROACHES[plan.approach].title}]")
    words.markdown(f"on *{plain(datasets.pick(plan.data).title)}*")
    with aside:
        picture(drawings.layers(plan.approach), key="preview-picture")
    with st.skeleton(height=260):
        some = 6 if datasets.pick(plan.data).modality == "images" else 3  # Start stays in sight
        cards: list[Card] = [
            {"example": shown, "label": label} for shown, label in glimpse(plan.data)[:some]
        ]
        examples(cards, key="preview", colour=look.colour)


def start(plan: Plan) -> None:
    backbone = backbones.pick(plan.backbone)
    facts = datasets.pick(plan.data).facts
    if plan.approach != "simple":
        for remark in remarks(backbone, facts) if facts else ():
            st.caption(f":material/info: {plain(remark)}")
        if not backbones.is_here(backbone):
            download_offer.offer(
                plan.backbone,
                f"**{plain(backbone.title)}** is not on this computer yet: {backbone.size} from "
                f"{'Hugging Face' if backbone.repo else 'PyTorch'}, kept in "
                f"`{backbones.place(backbone)}`. Nothing else is sent or loaded.",
            )
            bundled = backbones.bundled(backbone.modality)
            st.button(
                f"Use {bundled.title.partition(':')[0]} instead: it comes with Thaw",
                on_click=use_backbone,
                args=(bundled,),
                width="stretch",
            )
            return
    wait = store().wait(visitor())
    if wait.ahead:
        st.caption(f":material/hourglass_empty: Busy: {tell.in_line(wait)}")
    elif not store().ready_workers():
        st.caption(":material/hourglass_empty: The training process is still warming up.")
    else:
        st.caption(":material/bolt: Ready to start at once.")
    room = room_context.here()
    pressed = st.button(
        "Start",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        disabled=bool(room and room[0].paused),
    )
    if pressed and (key := room_context.start(plan)):
        st.query_params.from_dict({"run": key} | in_address(plan))
        st.rerun()
    if not room:
        compare_button(plan, "Compare all approaches instead", width="stretch")


def use_backbone(row: backbones.Backbone) -> None:
    """Chooses a backbone in the form."""
    st.session_state[f"backbone_{row.modality}"] = row.key
    st.query_params["backbone"] = row.key


def compare_button(plan: Plan, label: str, **look: str) -> None:
    """Starts every approach with the settings of `plan`, one after another."""
    most = len(Comparison.approaches) * plan.seconds
    if st.button(
        label,
        icon=":material/stacked_line_chart:",
        help=f"The same examples, the same test, one after another: at most {tell.duration(most)}.",
        **look,
    ):
        settings = plan.as_json()
        names = ("data", "backbone", "per_class", "seconds", "seed", "what_learns", "mends")
        answers = guide_answers.read(in_address(plan).get(guide_answers.NAME, ""))
        job = Comparison(
            visitor=visitor(), answers=answers, **{name: settings[name] for name in names}
        )
        if key := queue(job):
            st.switch_page("compare.py", query_params={"compare": key})


def in_address(plan: Plan) -> dict[str, str]:
    """What the guide was told, for the address, where it was told of the data of `plan`."""
    known = st.query_params
    if guide_answers.NAME not in known and "run" not in known:  # who went to Run by the menu
        known = st.session_state.get("wanted", {})
    text = known.get(guide_answers.NAME, "")
    return {guide_answers.NAME: text} if text and known.get("data", plan.data) == plan.data else {}


def latest() -> None:
    runs = store().of_visitor(visitor(), limit=5)
    if not runs:
        return
    st.markdown("### Your latest runs")
    for run in runs:
        score = run.result.get("test_accuracy") if run.result else None
        ending = f"{score:.0%} right" if score is not None else tell.STATES[run.state]
        title = f"{APPROACHES[run.plan.approach].title} on {title_of(run.plan.data)}"
        st.page_link("run.py", label=f"{title}: {ending}", query_params={"run": run.id})


# --- a run ----------------------------------------------------------------------------------------


def show() -> None:
    try:
        run = opened("run")
        if run.kind != "run":
            raise NoSuchRun(run.id)
    except NoSuchRun as error:
        st.title("Run an approach")
        st.warning(str(error), icon=":material/link_off:")
        if st.button("Set up a new run"):
            st.query_params.clear()
            st.rerun()
        return
    look, approach = LOOKS[run.plan.approach], APPROACHES[run.plan.approach]
    room_context.banner(room_context.here())
    words, aside = st.columns([5, 1], vertical_alignment="center")
    words.markdown(f"# :{look.badge}[{approach.title}] on {title_of(run.plan.data)}")
    words.markdown(Words(*TERMS)(approach.meaning))
    with aside:
        picture(drawings.layers(run.plan.approach), key="run-picture")
    if queue_view.behind_others(run):
        return
    resume.first_part(run)
    poll = POLL_SECONDS if run.claimed else STARTING_POLL_SECONDS
    st.fragment(told_plainly()(watch), run_every=None if run.is_over else poll)(run)


def watch(run: Run) -> None:
    """The live part. It keeps the order and the height of what it draws, so nothing jumps."""
    was_over, waited = run.is_over, not run.claimed
    if not was_over:
        if not still_open(run):
            st.rerun()
        run = store().find(run.id)
    events = events_of(run.id)
    told = tell.told(events)
    if (run.is_over and not was_over) or (waited and told.looks):
        st.rerun()  # a finished page polls no more; one that starts looks often until a value
    wait = None if run.claimed else store().wait(run.visitor, run.id)
    ready = bool(run.claimed or store().ready_workers())
    st.progress(tell.share_done(told, run), text=tell.status(told, run, wait, ready))
    # What comes and goes has a place of its own: a chart that changes its place is made anew.
    with st.container():
        controls(run)
    with st.container():
        match told.end:
            case Finished():
                result(told, told.end)
                narration(events, run)
            case Failed():
                st.error(plain(told.end.text), icon=":material/error:")
            case None if run.plan.approach not in ("none", "simple"):
                narration(events, run)
        if told.notices:
            notices = (f":material/info: {plain(notice.text)}" for notice in told.notices)
            st.caption("  \n".join(notices))
    if run.plan.approach not in ("none", "simple"):
        charts(told, run)
    if isinstance(told.end, Finished):
        closer(told, told.end, run)


def controls(run: Run) -> None:
    stop_and_cancel(run, queue_view.STOP)
    if not run.is_over:
        share(run)
        return
    resume.offer(run)
    with st.container(horizontal=True):
        share(run)
        if not may_use(run.plan.data):
            st.caption(
                "It cannot be run again here: its data was deleted, or belongs to somebody else."
            )
        else:
            pressed = st.button("Run again", icon=":material/replay:")
            if pressed and (again := room_context.start(replace(run.plan, pace=None))):
                st.query_params.from_dict({"run": again} | in_address(run.plan))
                st.rerun(scope="app")
            if not room_context.here():
                compare_button(run.plan, "Compare with the others")
            if st.button("Change the settings", icon=":material/tune:"):
                st.query_params.from_dict(filled_in(run.plan) | in_address(run.plan))
                st.rerun(scope="app")


def result(told: Story, end: Finished) -> None:
    look = LOOKS[end.approach]
    with st.container(border=True):
        score, words = st.columns([1, 2.4], gap="large", vertical_alignment="center")
        with score:
            st.markdown(f"Test score\n# :{look.badge}[{end.test_accuracy:.0%}]")
        with words:
            st.markdown(Words("test")(tell.in_words(end)))
            live_plot(
                figures.score_line(end, look.colour),
                key="score-line",
                alt=f"{end.test_accuracy:.0%}, between {end.test_accuracy_low:.0%} and "
                f"{end.test_accuracy_high:.0%} (95 % interval).",
            )
        if better := tell.against_baseline(told):
            st.markdown(Words("validation|checks")(better))
        elif told.baseline and not told.looks:  # else it is of what is learned from
            st.markdown(f"With {told.baseline.method}: {told.baseline.accuracy:.0%} right.")
        with st.grid(4, min_column_width=150):
            st.metric("Time", f"{end.seconds:.1f} s")
            st.metric(
                "Numbers that learned",
                tell.count(end.learnable_parameters),
                help=GLOSSARY["weights"].means,
            )
            st.metric("Passes (epochs)", f"{end.epochs:.0f}", help=GLOSSARY["epoch"].means)
            st.metric(
                "Macro-F1",
                f"{end.macro_f1:.2f}",
                help="From 0 to 1. Each class gets a score for how many of its examples are found "
                "and how many found are really of it; this is the mean, so a rare class counts as "
                "much as a common one.",
            )


def charts(told: Story, run: Run) -> None:
    colour = LOOKS[run.plan.approach].colour
    left, right = st.columns([1.4, 1], gap="medium")
    with left:
        with st.container(horizontal=True, horizontal_alignment="distribute"):
            st.markdown("## How much is right", help=CHECKED)
            against = st.segmented_control(
                "Draw the curves by seconds, or by passes over the examples",
                ["seconds", "epoch"],
                # A last layer alone learns in a blink: by seconds its curve would stand upright.
                default="epoch" if run.plan.approach == "transfer" else "seconds",
                format_func={"seconds": "by seconds", "epoch": "by passes"}.__getitem__,
                required=True,
                label_visibility="collapsed",
                key=f"against-{run.plan.approach}",
            )
        live_plot(
            figures.accuracy_curve(told, against=against),
            key="accuracy",
            alt=chart_text.share_right(told),
        )
    with right:
        st.markdown(
            "## What the model sees",
            help="Each mark is an example held out for checking. Close together: alike to the "
            "model. Hollow marks are answered wrong. The two directions are those in which the "
            "examples differ most at the start, and stay fixed.",
        )
        live_plot(
            figures.example_map(told),
            key="map",
            alt=chart_text.on_the_map(told),
        )
        st.caption(chart_text.on_the_map(told))
    left, right = st.columns([1.4, 1], gap="medium")
    with left:
        st.markdown(
            "## How wrong it is (loss)",
            help="The number that training makes smaller. It also counts how sure a wrong answer "
            "was, so it can rise while more answers become right.",
        )
        live_plot(
            figures.loss_curve(told, against=against),
            key="loss",
            alt=chart_text.loss(told),
        )
        if told.end and told.looks:
            with st.expander("The curves as a table", icon=":material/table:"):
                st.markdown("\n".join(chart_text.table(told)))
    with right:
        st.markdown("## Frozen and learning")
        if told.phases:
            phase = told.phases[-1]
            share = phase.learnable_parameters / max(1, sum(p["parameters"] for p in phase.parts))
            part = "under 0.1%" if share < 0.001 else "100%" if share == 1 else f"{share:.1%}"
            st.caption(
                f"{tell.count(phase.learnable_parameters)} {word('weights', 'numbers')} learn, "
                f"{part} of all."
            )
            live_plot(
                figures.layer_bars(phase.parts, colour, FROZEN),
                key="layers",
                alt=chart_text.layers(phase),
            )
        else:
            st.skeleton(height=220)
    st.markdown("## A few examples, and the answer now")
    if run.plan.data.startswith("own-") and run.visitor != visitor():
        st.caption("The examples are shown only to who added them.")
    elif told.watched and told.started:
        examples(cards_of(told), key="watched", colour=colour)
    else:
        st.skeleton(height=150)


def cards_of(told: Story) -> list[Card]:
    classes, look = told.started.classes, told.looks[-1] if told.looks else None
    cards: list[Card] = []
    for place, (shown, label) in enumerate(
        zip(told.watched.inputs, told.watched.labels, strict=True)
    ):
        answer = classes[look.watched[place]] if look else ""
        sure = look.sureness[place] if look else 0.0
        cards.append({"example": shown, "label": classes[label], "answer": answer, "sure": sure})
    return cards


if addressed("run"):
    show()
else:
    try:
        ask()
    except BadPlan as error:
        st.warning(plain(str(error)), icon=":material/error:")
