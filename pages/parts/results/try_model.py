"""A finished run's model, tried on inputs of one's own; beside a second one where wanted."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import streamlit as st

from guide.approaches import APPROACHES
from pages.parts.figures import abstention
from pages.parts.figures.markdown import plain, title_of
from pages.parts.figures.run_snapshot import Story
from pages.parts.figures.style import LOOKS
from pages.parts.results import model_inputs
from pages.parts.results.calibration import nothing_held_out
from pages.parts.results.model_inputs import Given
from pages.parts.session.error_boundary import told_plainly
from pages.parts.session.visitor import visitor
from pages.parts.widgets.glossary import explained
from pages.parts.widgets.live_plot import live_plot
from trainers import datasets, serving
from trainers.evaluation.abstention import USUAL_PERCENT, Threshold, calibrated, threshold, trade
from trainers.events import Calibrated, Finished
from trainers.serving import Answer, CannotAnswer
from trainers.serving.drift import FEWEST, drift, in_words as in_words_of
from trainers.serving.tables import MOST_ROWS, written
from trainers.store import FINISHED, Run, data_title, store
from trainers.system import object_store
from trainers.system.paths import run_folder
from trainers.system.registry import UnknownKey

POLL_SECONDS = 0.5
CARDS = 6  # more answers are a table
TOP = 3  # answers that have a bar
# Answers of this visitor, of two models: moving a slider must not ask again. An answer about a
# picture holds the picture, made small.
REMEMBERED = {"text": 2 * MOST_ROWS, "images": 2 * model_inputs.MOST_PICTURES}
ALWAYS = 0
PRECISIONS = (ALWAYS, 70, 75, 80, 85, 90, 95, 97, 99)
TESTED_HOW = (
    "Two-sample tests against at most 300 examples of its test, each at 1 %: how many are unlike "
    "what it learned from (Fisher), how far they lie from that (Kolmogorov-Smirnov), and its "
    "answers (chi-square). The same input twice counts once."
)
NOT_SURE, UNLIKE, NO_ANSWER = "Not sure", "Unlike what it learned from", "No answer"


@dataclass(frozen=True)
class Tried:
    """A model as this page shows it."""

    run: Run
    title: str  # Markdown
    classes: list[str]
    measured: Calibrated | None
    least: Threshold | None  # below it: not sure

    @property
    def colour(self) -> str:
        return LOOKS[self.run.plan.approach].colour

    @property
    def likeness(self) -> bool:
        """Without training there are no probabilities."""
        return self.run.plan.approach == "none"

    def unsure(self, answer: Answer) -> bool:
        sure = answer.sureness[answer.best]
        return self.least is not None and sure < self.least.sure


def show(told: Story, end: Finished, run: Run) -> None:
    st.markdown("### Try it")
    if run.plan.data.startswith("own-") and run.visitor != visitor():
        st.caption("It learned from somebody's own data: it can be tried in their browser.")
        return
    if not _kept(run):
        st.caption(
            "There is no model here to try: it was made by an older version, on another computer, "
            "or its files were deleted. Run it again."
        )
        return
    if not opened(run):
        return
    try:
        modality = datasets.pick(run.plan.data).modality
    except UnknownKey as error:
        st.caption(plain(str(error)))
        return
    st.caption("What you try is answered on this computer and not kept.")
    given = model_inputs.given(run, modality)
    found = st.container()  # right below the question, though the slider has a say in it
    least, other = st.columns(2, gap="large")
    with other:
        second = beside(run, modality)
    with least:
        wanted = wanted_precision(run)
    models = [tried(run, wanted)]
    if second and opened(second):
        models.append(tried(second, wanted))
    with least:
        promise(models[0], wanted)
    if given:
        answers = [answered(model, given) for model in models]
        if all(answers):
            with found:
                draw(models, given, answers)


def _kept(run: Run) -> bool:
    return (object_store.of_run(run.id) / "model.safetensors").is_file()


def _is_here(run: Run) -> bool:
    """Asks no other computer."""
    return (run_folder(run.id) / "model.safetensors").is_file()


# --- the models ---------------------------------------------------------------------------------


def opened(run: Run) -> bool:
    """Whether the model is loaded; else how far that is, or why it cannot be, is drawn."""
    now = serving.opening(run.id)
    if now.ready:
        return True
    if now.error:
        st.warning(plain(now.error), icon=":material/error:")
        st.button("Try again", key=f"reopen-{run.id}", on_click=serving.reopen, args=(run.id,))
        return False
    st.fragment(told_plainly()(_loading), run_every=POLL_SECONDS)(run.id)
    return False


def _loading(run: str) -> None:
    now = serving.opening(run)
    if now.ready or now.error:
        st.rerun(scope="app")
    st.progress(now.share, text=f"The model is being loaded. {plain(now.text)}.")


def beside(run: Run, modality: str) -> Run | None:
    """The second model, if any: that of another approach on the same data at first. One that lies
    elsewhere is brought here when it is chosen, and no sooner: they may be fifty."""
    others = {
        one.id: one
        for one in store().of_visitor(visitor(), limit=50)
        if one.id != run.id and one.state == FINISHED and _modality(one) == modality
        if object_store.address() or _is_here(one)
    }
    if not others:
        st.caption("Finish a second run on data of this kind, and both answer side by side.")
        return None
    like = (
        key
        for key, one in others.items()
        if one.plan.data == run.plan.data and one.plan.approach != run.plan.approach
        if _is_here(one)
    )
    keys = ["", *others]
    chosen = st.selectbox(
        "Beside another model",
        keys,
        index=keys.index(next(like, "")),
        format_func=lambda key: _named(others[key]) if key else "None",
        key=f"beside-{run.id}",
        help="The same inputs, answered by both.",
    )
    return others.get(chosen)


def _modality(run: Run) -> str:
    try:
        return datasets.pick(run.plan.data).modality
    except UnknownKey:
        return ""


def _named(run: Run) -> str:
    """What a run is called in a list, which shows plain text."""
    score = run.result.get("test_accuracy") if run.result else None
    right = f", {score:.0%} right" if score is not None else ""
    return f"{APPROACHES[run.plan.approach].title} on {data_title(run.plan.data)}{right}"


def tried(run: Run, wanted: int) -> Tried:
    measured = measured_of(run)
    least = None
    if measured and measured.sureness and wanted and run.plan.approach != "none":
        least = threshold(measured.sureness, measured.right, wanted / 100)
    badge = LOOKS[run.plan.approach].badge
    title = f":{badge}[{APPROACHES[run.plan.approach].title}] on {title_of(run.plan.data)}"
    return Tried(run, title, list(run.result["classes"]), measured, least)


def measured_of(run: Run) -> Calibrated | None:
    """How sure the run may be; read once, of a finished run it does not change."""
    kept = st.session_state.setdefault("tryit-measured", {})
    if run.id not in kept:
        kept[run.id] = calibrated([event for _, event in store().events(run.id)])
    return kept[run.id]


# --- not sure -----------------------------------------------------------------------------------


def wanted_precision(run: Run) -> int:
    """Percent of the given answers that should be right; `ALWAYS`: all are given."""
    measured = measured_of(run)
    if run.plan.approach == "none":
        st.caption(
            "Without training there are no probabilities, only how like each class an input is, "
            "from -100 to 100. So the best one is always answered."
        )
        return ALWAYS
    if not (measured and measured.sureness):
        st.caption(
            f"{nothing_held_out(run.plan.approach)}: so there is no line below which it would say "
            '"not sure".'
        )
        return ALWAYS
    return st.select_slider(
        "How many of its answers should be right?",
        PRECISIONS,
        value=USUAL_PERCENT,
        format_func=lambda share: f"{share} %" if share else "Answer always",
        key=f"wanted-{run.id}",
        help="The more should be right, the more often it says: not sure.",
    )


def promise(model: Tried, wanted: int) -> None:
    """What the chosen threshold means, on the checks."""
    if not (model.least and wanted):
        return
    least, steps = model.least, trade(model.measured.sureness, model.measured.right)
    st.markdown(explained(promised(least)))
    live_plot(
        abstention.trade_off(steps, least, model.colour),
        key="trade",
        alt=f"Answering {least.share:.0%} of the checks, {least.right / least.answered:.0%} of "
        f"those answers are right; answering all, {steps[0].right / steps[0].answered:.0%}.",
    )


def promised(least: Threshold) -> str:
    """The threshold in words. Markdown with words of the glossary."""
    given = (
        f"Of {least.checks:,} [[validation|checks]], {least.answered:,} would be answered "
        f"({least.share:.0%}), {least.right:,} of them rightly "
        f"({least.right / least.answered:.0%})."
    )
    if least.sure == 0 and least.promised:
        return f"It may answer always. {given}"
    line = (
        given if least.sure == 0 else f'Below **{_line(least.sure)}** it says "not sure". {given}'
    )
    if least.promised:  # of many lines the one that looks well has had luck, too
        return f"{line} The line was chosen by these checks: of new answers fewer may be right."
    return (
        f"{least.checks:,} checks are too few, or it errs too often, to count on "
        f"{least.wanted:.0%}: at best {least.low:.0%}. {line}"
    )


def _line(sure: float) -> str:
    """A threshold: near certainty it is told more exactly, and 100 % is not reached."""
    return f"{sure:.0%}" if sure < 0.985 else f"{min(sure, 0.999):.1%}"


# --- answers ------------------------------------------------------------------------------------


def answered(model: Tried, given: Sequence[Given]) -> list[Answer]:
    """An answer to each; those that were asked before are not asked again. [] where it failed."""
    known: dict[tuple[str, str], Answer] = st.session_state.setdefault("tryit-answers", {})
    keys = [(model.run.id, _digest(one)) for one in given]
    new = {
        key: one.content for key, one in zip(keys, given, strict=True) if key not in known
    }  # the same input twice is asked once
    waiting = st.empty()
    try:
        done, found = 0, []
        for part in serving.in_parts(list(new.values())):
            if len(new) > len(part):
                waiting.progress(done / len(new), text=f"{done:,} of {len(new):,} answered")
            found += serving.ask(model.run.id, part)
            done += len(part)
    except CannotAnswer as error:
        waiting.warning(plain(str(error)), icon=":material/error:")
        return []
    waiting.empty()
    known |= dict(zip(new, found, strict=True))
    answers = [known[key] for key in keys]
    kind = "images" if found and found[0].shown else "text"
    while len(known) > REMEMBERED[kind]:
        known.pop(next(iter(known)))
    return answers


def _digest(one: Given) -> str:
    raw = one.content.encode("utf-8", "replace") if isinstance(one.content, str) else one.content
    return sha256(raw).hexdigest()


def draw(
    models: Sequence[Tried], given: Sequence[Given], answers: Sequence[Sequence[Answer]]
) -> None:
    st.markdown("#### Its answers" if len(models) == 1 else "#### Their answers")
    if len(given) > CARDS:
        as_table(models, given, answers)
        return
    for number, one in enumerate(given):
        with st.container(border=True):
            _given(one, answers[0][number])
            for model, column in zip(models, st.columns(len(models), gap="large"), strict=True):
                with column:
                    if len(models) > 1:
                        st.markdown(f"**{model.title}**")
                    card(model, answers[models.index(model)][number])


def _given(one: Given, answer: Answer) -> None:
    """The input itself."""
    name = plain(one.name)
    if one.label:
        name += f" (the right answer: **{plain(one.label)}**)"
    if isinstance(one.content, str):
        st.markdown(f"> {plain(one.content[:600])}" + (f"\n\n{name}" if one.label else ""))
    elif answer.shown:
        with st.container(horizontal=True, vertical_alignment="center"):
            raw = base64.b64decode(answer.shown.partition(",")[2])
            st.image(raw, width=120, alt=f"What was given: {one.name}")
            st.markdown(name, width="content")
    else:
        st.markdown(name)


def card(model: Tried, answer: Answer) -> None:
    """One model's answer to one input."""
    if answer.error:
        st.markdown(f":material/error: {plain(answer.error)}")
        return
    best = plain(model.classes[answer.best])
    if answer.unlike:
        st.markdown(
            ":orange-badge[:material/visibility_off: " + UNLIKE + "]",
            help="Judged by the pre-trained backbone. About one in twenty inputs of the right kind "
            "is taken for unlike, too; and something new can still look familiar.",
        )
        st.markdown(
            f"It is farther from all that the model learned from than "
            f"{100 - 100 * answer.rarer:.0f} % of that is from the rest. If it had to choose, it "
            f"would say {best}; how sure it is means nothing here."
        )
        return
    if model.unsure(answer):
        st.markdown(":gray-badge[:material/help: Not sure]")
        st.caption(
            f"The likeliest is {best}, at {answer.sureness[answer.best]:.0%}; below "
            f"{_line(model.least.sure)} too few such answers are right."
        )
    else:
        st.markdown(f"**{best}**")
    for place in sorted(range(len(answer.sureness)), key=lambda at: -answer.sureness[at])[:TOP]:
        sure = answer.sureness[place]
        told = f"{100 * sure:.0f} alike" if model.likeness else _percent(sure)
        st.progress(min(1.0, max(0.0, sure)), text=f"{plain(model.classes[place])}: {told}")
    if answer.why:
        st.caption(plain(answer.why))


def _percent(sure: float) -> str:
    """Never 100 %: no model knows that."""
    if sure > 0.99:
        return "over 99 %"
    return f"{sure:.0%}".replace("%", " %") if sure >= 0.01 else "under 1 %"


def in_words(model: Tried, answer: Answer) -> str:
    """The answer in a table's cell."""
    if answer.error:
        return NO_ANSWER
    if answer.unlike:
        return UNLIKE
    return NOT_SURE if model.unsure(answer) else model.classes[answer.best]


def as_table(
    models: Sequence[Tried], given: Sequence[Given], answers: Sequence[Sequence[Answer]]
) -> None:
    """Many answers: a table, counted in words above it, and as CSV to take along."""
    pictures = not isinstance(given[0].content, str)
    shown = {"Picture": [one.shown for one in answers[0]]} if pictures else {}
    columns = {"Input": [one.name if pictures else one.content for one in given]}
    for number, (model, found) in enumerate(zip(models, answers, strict=True), 1):
        mark = f" ({number}: {APPROACHES[model.run.plan.approach].title})"
        mark = mark if len(models) > 1 else ""
        told = [in_words(model, one) for one in found]
        columns[f"Answer{mark}"] = told
        columns[f"Likeliest{mark}"] = [
            model.classes[one.best] if word == NOT_SURE else ""
            for one, word in zip(found, told, strict=True)
        ]
        measure = "Likeness" if model.likeness else "Probability"
        columns[f"{measure}{mark}"] = [
            None if one.error or one.unlike else round(one.sureness[one.best], 4) for one in found
        ]
        columns[f"Note{mark}"] = [one.error for one in found]
        st.markdown(_counted(model, found, told))
        as_tested(model, given, found)
    columns = {name: values for name, values in columns.items() if any(values)}
    st.dataframe(
        shown | columns,
        hide_index=True,
        column_config={"Picture": st.column_config.ImageColumn("Picture")},
    )
    names, rows = _beside_own_columns(given, columns)
    st.download_button(
        "Download the answers (CSV)",
        written(names, rows).encode("utf-8-sig"),  # with the mark, or Excel takes it for Latin-1
        "answers.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
    )


def _counted(model: Tried, found: Sequence[Answer], told: Sequence[str]) -> str:
    unlike, unsure = told.count(UNLIKE), told.count(NOT_SURE)
    given = len(found) - unlike - unsure - told.count(NO_ANSWER)
    return (
        f"{model.title}: {given:,} of {len(found):,} answered, {unsure:,} not sure, {unlike:,} "
        "unlike what it learned from."
    )


def as_tested(model: Tried, given: Sequence[Given], found: Sequence[Answer]) -> None:
    """Whether so many inputs look like what the model was tested on."""
    alone = {_digest(one): answer for one, answer in zip(given, found, strict=True)}  # each once
    answers = [one for one in alone.values() if not one.error]
    shift = drift(answers, tested(model.run)) if len(answers) >= FEWEST else None
    classes = [f"**{plain(name)}**" for name in model.classes]
    lines = in_words_of(shift, classes, len(answers))
    if shift is None:
        st.caption(" ".join(lines))
        return
    looks = ":orange-badge[:material/difference: Other than in its test]"
    if not shift.differs:
        looks = ":green-badge[:material/check: Like in its test]"
    st.markdown("\n".join([looks, "", *(f"- {line}" for line in lines)]), help=TESTED_HOW)


def tested(run: Run) -> list[Answer]:
    """Answers to examples of the test, asked once; none where they cannot be had."""
    kept = st.session_state.setdefault("tryit-tested", {})
    if run.id not in kept:
        try:
            with st.spinner("Answering examples of its test, to hold these against …"):
                kept[run.id] = [Answer.of(one) for one in serving.call("tested", run.id)]
        except CannotAnswer:
            return []
    return kept[run.id]


def _beside_own_columns(
    given: Sequence[Given], columns: dict[str, list]
) -> tuple[list[str], list[list]]:
    """The rows of the CSV: a table keeps its own columns, in front of the answers."""
    answers = list(zip(*columns.values(), strict=True))
    if not given[0].row:
        return list(columns), [list(row) for row in answers]
    added = {name: place for place, name in enumerate(columns) if name != "Input"}
    own = given[0].columns
    names = [*own, *(name if name not in own else f"{name} (model)" for name in added)]
    return names, [
        [*one.row, *(row[place] for place in added.values())]
        for one, row in zip(given, answers, strict=True)
    ]
