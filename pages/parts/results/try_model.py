"""A finished run's model, tried on inputs of one's own; beside a second one where wanted."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import streamlit as st

from guide.approaches import APPROACHES
from pages.parts.figures import abstention
from pages.parts.figures.markdown import escape_markdown, format_data_title
from pages.parts.figures.run_snapshot import RunSnapshot
from pages.parts.figures.style import APPROACH_STYLES
from pages.parts.results import model_inputs
from pages.parts.results.calibration import explain_no_validation
from pages.parts.results.model_inputs import ModelInput
from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.visitor import current_visitor
from pages.parts.widgets.glossary import link_marked_terms
from pages.parts.widgets.live_plot import draw_live_plot
from trainers import datasets, serving
from trainers.evaluation.abstention import (
    DEFAULT_ACCURACY_PERCENT,
    AbstentionThreshold,
    choose_threshold,
    coverage_accuracy_curve,
    find_calibration,
)
from trainers.events import CalibrationDone, RunFinished
from trainers.serving import InferenceError, Prediction
from trainers.serving.drift import MIN_ANSWERS, describe_drift as in_words_of, detect_drift
from trainers.serving.tables import MAX_ROWS, write_csv
from trainers.store import FINISHED, Run, data_title, get_store
from trainers.system import object_store
from trainers.system.paths import run_dir
from trainers.system.registry import UnknownKey

POLL_SECONDS = 0.5
MAX_CARDS = 6  # more answers are a table
TOP_K = 3  # answers that have a bar
# Answers of this visitor, of two models: moving a slider must not ask again. An answer about a
# picture holds the picture, made small.
MAX_CACHED_ANSWERS = {"text": 2 * MAX_ROWS, "images": 2 * model_inputs.MAX_IMAGES}
ALWAYS_ANSWER = 0
TARGET_PRECISIONS = (ALWAYS_ANSWER, 70, 75, 80, 85, 90, 95, 97, 99)
DRIFT_TEST_HELP = (
    "Two-sample tests against at most 300 examples of its test, each at 1 %: how many are unlike "
    "what it learned from (Fisher), how far they lie from that (Kolmogorov-Smirnov), and its "
    "answers (chi-square). The same input twice counts once."
)
NOT_SURE, OUT_OF_DISTRIBUTION, NO_ANSWER = "Not sure", "Unlike what it learned from", "No answer"


@dataclass(frozen=True)
class ModelView:
    """A model as this page shows it."""

    run: Run
    title: str  # Markdown
    classes: list[str]
    calibration: CalibrationDone | None
    threshold: AbstentionThreshold | None  # below it: not sure

    @property
    def colour(self) -> str:
        return APPROACH_STYLES[self.run.job.approach].colour

    @property
    def is_similarity(self) -> bool:
        """Without training there are no probabilities."""
        return self.run.job.approach == "none"

    def is_unsure(self, answer: Prediction) -> bool:
        sure = answer.sureness[answer.label]
        return self.threshold is not None and sure < self.threshold.min_confidence


def show(told: RunSnapshot, end: RunFinished, run: Run) -> None:
    st.markdown("### Try it")
    if run.job.data.startswith("own-") and run.visitor != current_visitor():
        st.caption("It learned from somebody's own data: it can be tried in their browser.")
        return
    if not _has_weights(run):
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
    given = model_inputs.draw_inputs(run, modality)
    found = st.container()  # right below the question, though the slider has a say in it
    least, other = st.columns(2, gap="large")
    with other:
        second = choose_second_model(run, modality)
    with least:
        wanted = choose_precision(run)
    models = [build_model_view(run, wanted)]
    if second and ensure_loaded(second):
        models.append(build_model_view(second, wanted))
    with least:
        draw_threshold(models[0], wanted)
    if given:
        answers = [predict_inputs(model, given) for model in models]
        if all(answers):
            with found:
                draw_answers(models, given, answers)


def _has_weights(run: Run) -> bool:
    return (object_store.fetch_run_dir(run.id) / "model.safetensors").is_file()


def _is_local(run: Run) -> bool:
    """Asks no other computer."""
    return (run_dir(run.id) / "model.safetensors").is_file()


# --- the models ---------------------------------------------------------------------------------


def ensure_loaded(run: Run) -> bool:
    """Whether the model is loaded; else how far that is, or why it cannot be, is drawn."""
    now = serving.poll_loading(run.id)
    if now.ready:
        return True
    if now.error:
        st.warning(escape_markdown(now.error), icon=":material/error:")
        st.button(
            "Try again", key=f"reopen-{run.id}", on_click=serving.retry_loading, args=(run.id,)
        )
        return False
    st.fragment(error_boundary()(_draw_loading), run_every=POLL_SECONDS)(run.id)
    return False


def _draw_loading(run: str) -> None:
    now = serving.poll_loading(run)
    if now.ready or now.error:
        st.rerun(scope="app")
    st.progress(now.share, text=f"The model is being loaded. {escape_markdown(now.text)}.")


def choose_second_model(run: Run, modality: str) -> Run | None:
    """The second model, if any: that of another approach on the same data at first. One that lies
    elsewhere is brought here when it is chosen, and no sooner: they may be fifty."""
    others = {
        one.id: one
        for one in get_store().list_runs(current_visitor(), limit=50)
        if one.id != run.id and one.state == FINISHED and _get_modality(one) == modality
        if object_store.storage_url() or _is_local(one)
    }
    if not others:
        st.caption("Finish a second run on data of this kind, and both answer side by side.")
        return None
    like = (
        key
        for key, one in others.items()
        if one.job.data == run.job.data and one.job.approach != run.job.approach
        if _is_local(one)
    )
    keys = ["", *others]
    chosen = st.selectbox(
        "Beside another model",
        keys,
        index=keys.index(next(like, "")),
        format_func=lambda key: _format_run(others[key]) if key else "None",
        key=f"beside-{run.id}",
        help="The same inputs, answered by both.",
    )
    return others.get(chosen)


def _get_modality(run: Run) -> str:
    try:
        return datasets.get_dataset(run.job.data).modality
    except UnknownKey:
        return ""


def _format_run(run: Run) -> str:
    """What a run is called in a list, which shows plain text."""
    score = run.result.get("test_accuracy") if run.result else None
    right = f", {score:.0%} right" if score is not None else ""
    return f"{APPROACHES[run.job.approach].title} on {data_title(run.job.data)}{right}"


def build_model_view(run: Run, wanted: int) -> ModelView:
    measured = load_calibration(run)
    least = None
    if measured and measured.confidence and wanted and run.job.approach != "none":
        least = choose_threshold(measured.confidence, measured.correct, wanted / 100)
    badge = APPROACH_STYLES[run.job.approach].badge
    title = f":{badge}[{APPROACHES[run.job.approach].title}] on {format_data_title(run.job.data)}"
    return ModelView(run, title, list(run.result["classes"]), measured, least)


def load_calibration(run: Run) -> CalibrationDone | None:
    """How sure the run may be; read once, of a finished run it does not change."""
    kept = st.session_state.setdefault("tryit-measured", {})
    if run.id not in kept:
        kept[run.id] = find_calibration([event for _, event in get_store().read_events(run.id)])
    return kept[run.id]


# --- not sure -----------------------------------------------------------------------------------


def choose_precision(run: Run) -> int:
    """Percent of the given answers that should be right; `ALWAYS`: all are given."""
    measured = load_calibration(run)
    if run.job.approach == "none":
        st.caption(
            "Without training there are no probabilities, only how like each class an input is, "
            "from -100 to 100. So the best one is always answered."
        )
        return ALWAYS_ANSWER
    if not (measured and measured.confidence):
        st.caption(
            f"{explain_no_validation(run.job.approach)}: so there is no line below "
            "which it would say "
            '"not sure".'
        )
        return ALWAYS_ANSWER
    return st.select_slider(
        "How many of its answers should be right?",
        TARGET_PRECISIONS,
        value=DEFAULT_ACCURACY_PERCENT,
        format_func=lambda share: f"{share} %" if share else "Answer always",
        key=f"wanted-{run.id}",
        help="The more should be right, the more often it says: not sure.",
    )


def draw_threshold(model: ModelView, wanted: int) -> None:
    """What the chosen threshold means, on the checks."""
    if not (model.threshold and wanted):
        return
    least, steps = (
        model.threshold,
        coverage_accuracy_curve(model.calibration.confidence, model.calibration.correct),
    )
    st.markdown(link_marked_terms(describe_threshold(least)))
    draw_live_plot(
        abstention.coverage_accuracy_curve(steps, least, model.colour),
        key="trade",
        alt=f"Answering {least.coverage:.0%} of the checks, "
        f"{least.right / least.answered_count:.0%} of "
        f"those answers are right; answering all, {steps[0].right / steps[0].answered_count:.0%}.",
    )


def describe_threshold(least: AbstentionThreshold) -> str:
    """The threshold in words. Markdown with words of the glossary."""
    given = (
        f"Of {least.validation_count:,} [[validation|checks]], "
        f"{least.answered_count:,} would be answered "
        f"({least.coverage:.0%}), {least.right:,} of them rightly "
        f"({least.right / least.answered_count:.0%})."
    )
    if least.min_confidence == 0 and least.guaranteed:
        return f"It may answer always. {given}"
    line = (
        given
        if least.min_confidence == 0
        else f'Below **{_format_threshold(least.min_confidence)}** it says "not sure". {given}'
    )
    if least.guaranteed:  # of many lines the one that looks well has had luck, too
        return f"{line} The line was chosen by these checks: of new answers fewer may be right."
    return (
        f"{least.validation_count:,} checks are too few, or it errs too often, to count on "
        f"{least.target_accuracy:.0%}: at best {least.accuracy_lower_bound:.0%}. {line}"
    )


def _format_threshold(sure: float) -> str:
    """A threshold: near certainty it is told more exactly, and 100 % is not reached."""
    return f"{sure:.0%}" if sure < 0.985 else f"{min(sure, 0.999):.1%}"


# --- answers ------------------------------------------------------------------------------------


def predict_inputs(model: ModelView, given: Sequence[ModelInput]) -> list[Prediction]:
    """An answer to each; those that were asked before are not asked again. [] where it failed."""
    known: dict[tuple[str, str], Prediction] = st.session_state.setdefault("tryit-answers", {})
    keys = [(model.run.id, _digest(one)) for one in given]
    new = {
        key: one.content for key, one in zip(keys, given, strict=True) if key not in known
    }  # the same input twice is asked once
    waiting = st.empty()
    try:
        done, found = 0, []
        for part in serving.batch_inputs(list(new.values())):
            if len(new) > len(part):
                waiting.progress(done / len(new), text=f"{done:,} of {len(new):,} answered")
            found += serving.predict(model.run.id, part)
            done += len(part)
    except InferenceError as error:
        waiting.warning(escape_markdown(str(error)), icon=":material/error:")
        return []
    waiting.empty()
    known |= dict(zip(new, found, strict=True))
    answers = [known[key] for key in keys]
    kind = "images" if found and found[0].shown else "text"
    while len(known) > MAX_CACHED_ANSWERS[kind]:
        known.pop(next(iter(known)))
    return answers


def _digest(one: ModelInput) -> str:
    raw = one.content.encode("utf-8", "replace") if isinstance(one.content, str) else one.content
    return sha256(raw).hexdigest()


def draw_answers(
    models: Sequence[ModelView],
    given: Sequence[ModelInput],
    answers: Sequence[Sequence[Prediction]],
) -> None:
    st.markdown("#### Its answers" if len(models) == 1 else "#### Their answers")
    if len(given) > MAX_CARDS:
        draw_answer_table(models, given, answers)
        return
    for number, one in enumerate(given):
        with st.container(border=True):
            _draw_input(one, answers[0][number])
            for model, column in zip(models, st.columns(len(models), gap="large"), strict=True):
                with column:
                    if len(models) > 1:
                        st.markdown(f"**{model.title}**")
                    draw_answer(model, answers[models.index(model)][number])


def _draw_input(one: ModelInput, answer: Prediction) -> None:
    """The input itself."""
    name = escape_markdown(one.name)
    if one.label:
        name += f" (the right answer: **{escape_markdown(one.label)}**)"
    if isinstance(one.content, str):
        st.markdown(
            f"> {escape_markdown(one.content[:600])}" + (f"\n\n{name}" if one.label else "")
        )
    elif answer.shown:
        with st.container(horizontal=True, vertical_alignment="center"):
            raw = base64.b64decode(answer.shown.partition(",")[2])
            st.image(raw, width=120, alt=f"What was given: {one.name}")
            st.markdown(name, width="content")
    else:
        st.markdown(name)


def draw_answer(model: ModelView, answer: Prediction) -> None:
    """One model's answer to one input."""
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
            f"{_format_threshold(model.threshold.min_confidence)} too few such answers are right."
        )
    else:
        st.markdown(f"**{best}**")
    for place in sorted(range(len(answer.sureness)), key=lambda at: -answer.sureness[at])[:TOP_K]:
        sure = answer.sureness[place]
        told = f"{100 * sure:.0f} alike" if model.is_similarity else _format_percent(sure)
        st.progress(
            min(1.0, max(0.0, sure)), text=f"{escape_markdown(model.classes[place])}: {told}"
        )
    if answer.why:
        st.caption(escape_markdown(answer.why))


def _format_percent(sure: float) -> str:
    """Never 100 %: no model knows that."""
    if sure > 0.99:
        return "over 99 %"
    return f"{sure:.0%}".replace("%", " %") if sure >= 0.01 else "under 1 %"


def format_answer(model: ModelView, answer: Prediction) -> str:
    """The answer in a table's cell."""
    if answer.error:
        return NO_ANSWER
    if answer.unlike:
        return OUT_OF_DISTRIBUTION
    return NOT_SURE if model.is_unsure(answer) else model.classes[answer.label]


def draw_answer_table(
    models: Sequence[ModelView],
    given: Sequence[ModelInput],
    answers: Sequence[Sequence[Prediction]],
) -> None:
    """Many answers: a table, counted in words above it, and as CSV to take along."""
    pictures = not isinstance(given[0].content, str)
    shown = {"Picture": [one.shown for one in answers[0]]} if pictures else {}
    columns = {"Input": [one.name if pictures else one.content for one in given]}
    for number, (model, found) in enumerate(zip(models, answers, strict=True), 1):
        mark = f" ({number}: {APPROACHES[model.run.job.approach].title})"
        mark = mark if len(models) > 1 else ""
        told = [format_answer(model, one) for one in found]
        columns[f"Answer{mark}"] = told
        columns[f"Likeliest{mark}"] = [
            model.classes[one.label] if word == NOT_SURE else ""
            for one, word in zip(found, told, strict=True)
        ]
        measure = "Likeness" if model.is_similarity else "Probability"
        columns[f"{measure}{mark}"] = [
            None if one.error or one.unlike else round(one.sureness[one.label], 4) for one in found
        ]
        columns[f"Note{mark}"] = [one.error for one in found]
        st.markdown(_describe_counts(model, found, told))
        draw_drift(model, given, found)
    columns = {name: values for name, values in columns.items() if any(values)}
    st.dataframe(
        shown | columns,
        hide_index=True,
        column_config={"Picture": st.column_config.ImageColumn("Picture")},
    )
    names, rows = _join_columns(given, columns)
    st.download_button(
        "Download the answers (CSV)",
        write_csv(names, rows).encode("utf-8-sig"),  # with the mark, or Excel takes it for Latin-1
        "answers.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
    )


def _describe_counts(model: ModelView, found: Sequence[Prediction], told: Sequence[str]) -> str:
    unlike, unsure = told.count(OUT_OF_DISTRIBUTION), told.count(NOT_SURE)
    given = len(found) - unlike - unsure - told.count(NO_ANSWER)
    return (
        f"{model.title}: {given:,} of {len(found):,} answered, {unsure:,} not sure, {unlike:,} "
        "unlike what it learned from."
    )


def draw_drift(model: ModelView, given: Sequence[ModelInput], found: Sequence[Prediction]) -> None:
    """Whether so many inputs look like what the model was tested on."""
    alone = {_digest(one): answer for one, answer in zip(given, found, strict=True)}  # each once
    answers = [one for one in alone.values() if not one.error]
    shift = (
        detect_drift(answers, load_test_answers(model.run)) if len(answers) >= MIN_ANSWERS else None
    )
    classes = [f"**{escape_markdown(name)}**" for name in model.classes]
    lines = in_words_of(shift, classes, len(answers))
    if shift is None:
        st.caption(" ".join(lines))
        return
    looks = ":orange-badge[:material/difference: Other than in its test]"
    if not shift.has_drift:
        looks = ":green-badge[:material/check: Like in its test]"
    st.markdown("\n".join([looks, "", *(f"- {line}" for line in lines)]), help=DRIFT_TEST_HELP)


def load_test_answers(run: Run) -> list[Prediction]:
    """Answers to examples of the test, asked once; none where they cannot be had."""
    kept = st.session_state.setdefault("tryit-tested", {})
    if run.id not in kept:
        try:
            with st.spinner("Answering examples of its test, to hold these against …"):
                kept[run.id] = [
                    Prediction.from_dict(one) for one in serving.call_endpoint("tested", run.id)
                ]
        except InferenceError:
            return []
    return kept[run.id]


def _join_columns(
    given: Sequence[ModelInput], columns: dict[str, list]
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
