"""Every page, driven without a browser."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from guide import QUESTIONS, Answers, advise
from guide.approaches import APPROACHES
from pages.parts.figures import (
    chart_text,
    confusion_matrix,
    example_map,
    plotly_parts,
    run_charts,
    run_snapshot,
)
from pages.parts.figures.markdown import escape_markdown
from pages.parts.results import SECTIONS
from tests.support.run_address import address
from trainers import datasets
from trainers.events import (
    Baseline,
    JobCancelled,
    JobDone,
    JobFailed,
    PhaseDone,
    PhaseScheduled,
    PhaseStarted,
    RunFinished,
    RunStarted,
    Stage,
    Step,
    ValidationDone,
    WatchedExamples,
)
from trainers.jobs import Export
from trainers.plan import Plan
from trainers.reports.report import render_stored_report
from trainers.store import WaitEstimate, get_store
from trainers.system.paths import bundle_path

FRAME = Path(__file__).parents[2] / "pages" / "frame.py"
PARTS = [
    {"name": "stem", "parameters": 100, "learnable": 0},
    {"name": "answer", "parameters": 10, "learnable": 10},
]


def started(approach="hybrid", classes=("<b>cat</b>", "dog")):
    return RunStarted(
        approach=approach,
        data="digits",
        backbone="small_resnet",
        modality="images",
        classes=list(classes),
        train_examples=8,
        validation_examples=2,
        test_examples=10,
        parameters=110,
        budget_seconds=10,
        setup_seconds=0.1,
        device="cpu",
    )


def look(phase=0, step=0, epoch=0.0, accuracy=0.5, seconds=1.0, points=((0, 0), (1, 1))):
    return ValidationDone(
        phase=phase,
        step=step,
        epoch=epoch,
        accuracy=accuracy,
        loss=1 - accuracy,
        is_best=True,
        train_accuracy=accuracy if step else None,
        train_loss=0.4 if step else None,
        watched_predictions=[0, 1],
        confidence=[0.9, 0.6],
        map_points=[list(point) for point in points],
        map_labels=[0, 1],
        map_predictions=[0, 0],
        seconds=seconds,
    )


def finished(approach="hybrid", **changes):
    facts = {
        "approach": approach,
        "data": "digits",
        "backbone": "small_resnet",
        "classes": ["<b>cat</b>", "dog"],
        "train_examples": 10,
        "test_examples": 10,
        "test_correct": 8,
        "test_accuracy": 0.8,
        "test_accuracy_low": 0.49,
        "test_accuracy_high": 0.94,
        "macro_f1": 0.79,
        "confusion_matrix": [[4, 1], [1, 4]],
        "seconds": 4.2,
        "trainable_parameters": 10,
        "parameters": 110,
        "epochs": 12.0,
        "stopped_by_user": False,
        "repeat_plan": {},
    }
    return RunFinished(**facts | changes)


RUN = [
    started(),
    WatchedExamples([0, 1], ["data:image/png;base64,AAAA", "data:image/png;base64,AAAA"], [0, 1]),
    Baseline("nearest class mean", 0.6, 0.2),
    Stage("phase", "First the new last layer", 0.3),
    PhaseStarted(0, "First the new last layer", PARTS, 10, 0.01, 0.3),
    look(),
    Step(0, 1, 1.0, 0.6, 1.1),
    PhaseScheduled(0, 2, 1, 0.1, 1.1),
    look(step=1, epoch=1.0, accuracy=0.7, seconds=1.2, points=()),
    PhaseDone(0, 2, 2.0, "all steps done", 1.3),
    Stage("phase", "Then thaw the rest, gently", 1.4),
    PhaseStarted(1, "Then thaw the rest, gently", PARTS, 110, 0.001, 1.4),
    look(phase=1, accuracy=0.7, seconds=1.5),
    look(phase=1, step=3, epoch=3.0, accuracy=0.9, seconds=2.5, points=((2, 2), (3, 3))),
    PhaseDone(1, 3, 3.0, "time is up", 2.6),
    Stage("test", "Testing on examples never used so far", 2.7),
]


def app(page="guide.py"):
    at = AppTest.from_file(FRAME, default_timeout=60).run()
    return at if page == "guide.py" else at.switch_page(page).run()


def words(at):
    kinds = ("title", "markdown", "caption", "warning", "error", "info", "subheader")
    shown = "\n".join(element.value for kind in kinds for element in getattr(at, kind))
    return re.sub(r"\[([^]]*)]\(#word-[^)]*\)", r"\1", shown)  # without the glossary's links


def test_guide_opens_with_every_main_question_unanswered():
    at = app()
    assert not at.exception
    answers = {radio.key: radio.value for radio in at.radio}
    assert answers == {key: "unsure" for key, q in QUESTIONS.items() if q.depends_on is None}


def test_follow_up_is_asked_only_after_its_answer():
    at = app()
    at.radio(key="data_volume").set_value("moderate").run()
    assert "data_quality" in {radio.key for radio in at.radio}
    at.radio(key="data_volume").set_value("limited").run()
    assert "data_quality" not in {radio.key for radio in at.radio}


@pytest.mark.parametrize("specificity", ["common", "somewhat", "specialised"])
def test_guide_shows_the_advice_and_its_reasons(specificity):
    at = app()
    at.radio(key="data_volume").set_value("limited").run()
    at.radio(key="specificity").set_value(specificity).run()
    advice = advise(Answers(data_volume="limited", specificity=specificity))
    shown = words(at)
    assert f"[{APPROACHES[advice.approach].title}]" in shown
    assert all(rule.because in shown for rule in advice.matching_rules)


def test_guide_hands_its_settings_to_the_run_page():
    at = app()
    at.radio(key="modality").set_value("text").run()
    at.radio(key="data_volume").set_value("limited").run()
    at.radio(key="specificity").set_value("specialised").run()
    at.button[0].click().run()
    assert at.title[0].value == "Run an approach"
    assert at.selectbox(key="data").value == "triage"
    assert at.get("button_group")[0].value == "hybrid"
    assert at.slider[0].value == 10


def test_guide_says_which_answer_the_sample_does_not_resemble():
    at = app()
    at.radio(key="modality").set_value("text").run()
    at.radio(key="specificity").set_value("specialised").run()
    at.radio(key="data_volume").set_value("large").run()
    assert "does not resemble your answer about the number of examples" in words(at)


def test_start_queues_the_plan_and_shows_its_run():
    at = app("run.py")
    at.selectbox(key="data").set_value("digits").run()
    next(button for button in at.button if button.label == "Start").click().run()
    assert not at.exception
    assert "on Handwritten digits" in words(at)
    assert "Cancel" in {button.label for button in at.button}


@pytest.mark.parametrize("data", datasets.BUNDLED_DATASETS)
def test_every_sample_can_be_set_up(data):
    at = app("run.py")
    at.selectbox(key="data").set_value(data).run()
    assert not at.exception
    assert escape_markdown(datasets.get_dataset(data).description) in words(at)


def shown_run(events, approach="hybrid"):
    plan = Plan(data="digits", approach=approach, examples_per_class=1)
    run = get_store().enqueue(plan, visitor="someone", worker="test")
    get_store().append(run, events)
    at = AppTest.from_file(FRAME, default_timeout=60)
    at.session_state["visitor"] = "someone"
    at.run()
    at.query_params["run"] = run
    return at.switch_page("run.py").run()


@pytest.mark.parametrize("until", range(len(RUN) + 1))
def test_run_page_can_be_drawn_after_every_event(until):
    at = shown_run(RUN[:until])
    assert not at.exception
    assert "Hybrid" in words(at)


def test_finished_run_says_score_interval_and_cost():
    at = shown_run([*RUN, finished()])
    shown = words(at)
    assert "**8 of 10** test examples right" in shown
    assert "**49%** and **94%**" in shown
    assert {metric.value for metric in at.metric} >= {"4.2 s", "10", "0.79"}


def test_failed_run_says_why():
    at = shown_run([*RUN, JobFailed("The disk is full. Make room and start again.", 3.0)])
    assert "The disk is full" in words(at)
    assert not at.exception


@pytest.mark.parametrize("approach", APPROACHES)
def test_every_approach_has_a_page_of_its_run(approach):
    at = shown_run([started(approach), finished(approach)], approach)
    assert not at.exception
    assert "80%" in words(at)


def test_link_to_no_run_says_so():
    at = app("run.py")
    at.query_params["run"] = "nothing"
    at.run()
    assert "There is no such run" in words(at)


def test_status_describes_every_state_of_a_run():
    plan = Plan(data="digits", approach="hybrid", examples_per_class=1)
    run = get_store().enqueue(plan, visitor="someone")
    queued = get_store().get_run(run)
    empty = run_snapshot.fold_events([])
    assert "Warming up" in run_snapshot.describe_status(
        empty, queued, WaitEstimate(0, 0), ready=False
    )
    assert (
        run_snapshot.describe_wait(WaitEstimate(1, 0.3)) == "one run goes first, about 2 seconds."
    )  # never 0
    assert "2 runs go first, about 60 seconds" in run_snapshot.describe_status(
        empty, queued, WaitEstimate(2, 60), ready=True
    )
    get_store().claim("test")
    running = get_store().get_run(run)
    assert "Reading the data" in run_snapshot.describe_status(empty, running, None, ready=True)
    assert "Part 2 of 2: then thaw the rest, gently, pass 3" in run_snapshot.describe_status(
        run_snapshot.fold_events(RUN[:-2]), running, None, ready=True
    )
    assert run_snapshot.describe_status(
        run_snapshot.fold_events([*RUN, finished()]), running, None, True
    ).startswith("Finished in 4.2 seconds")
    assert "no score" in run_snapshot.describe_status(
        run_snapshot.fold_events([*RUN, JobCancelled(1.0)]), running, None, True
    )


def test_progress_is_complete_only_at_the_end():
    run = get_store().get_run(
        get_store().enqueue(Plan(data="digits", approach="hybrid"), "someone")
    )
    shares = [
        run_snapshot.compute_progress(run_snapshot.fold_events(RUN[:until]), run)
        for until in range(len(RUN) + 1)
    ]
    assert (
        max(shares)
        < 1
        == run_snapshot.compute_progress(run_snapshot.fold_events([*RUN, finished()]), run)
    )


def test_curve_has_one_point_per_evaluation_and_marks_the_second_phase():
    figure = run_charts.accuracy_curve(run_snapshot.fold_events(RUN))
    assert figure["data"][0]["y"] == pytest.approx([50, 70, 70, 90])
    assert [shape["x0"] for shape in figure["layout"]["shapes"]] == [1.5, 0]
    assert "no training 60 %" in str(figure["layout"]["annotations"])


def test_curve_by_epochs_adds_up_the_phases():
    figure = run_charts.accuracy_curve(run_snapshot.fold_events(RUN), against="epoch")
    assert figure["data"][0]["x"] == [0, 1, 2, 5]


def test_map_moves_only_when_the_model_changed():
    still = example_map.example_map(run_snapshot.fold_events(RUN[:9]))
    assert [trace["x"] for trace in still["data"] if trace["x"]] == [[0], [1]]
    moved = example_map.example_map(run_snapshot.fold_events(RUN))
    assert [trace["x"] for trace in moved["data"] if trace["x"]] == [[2], [3]]


def test_class_names_are_escaped_in_figures():
    snapshot = run_snapshot.fold_events([*RUN, finished()])
    end = snapshot.end
    matrix = confusion_matrix.confusion_matrix(end.classes, end.confusion_matrix, "#112233")
    figures = str(example_map.example_map(snapshot)) + str(matrix)
    assert "&lt;b&gt;cat" in figures
    assert "<b>cat" not in figures


def test_long_class_names_are_shortened_on_the_axis():
    long = "what a customer writes who wants the money back"
    figure = confusion_matrix.confusion_matrix([long, "b"], [[1, 0], [0, 1]], "#112233")
    assert max(map(len, figure["layout"]["yaxis"]["ticktext"])) == plotly_parts.MAX_LABEL_CHARS
    assert figure["data"][0]["y"][0] == long  # in full on hover


def test_figures_of_a_hundred_classes_omit_labels_and_legends():
    names = [f"subject {number}" for number in range(100)]
    matrix = [[int(row == column) for column in range(100)] for row in range(100)]
    assert not confusion_matrix.confusion_matrix(names, matrix, "#112233")["layout"]["xaxis"][
        "showticklabels"
    ]
    (chance_level,) = run_charts.score_line(replace(finished(), classes=names), "#112233")[
        "layout"
    ]["annotations"]
    assert chance_level["xanchor"] == "left"
    events = [replace(e, classes=names) if isinstance(e, RunStarted) else e for e in RUN]
    events = [
        replace(e, map_points=[[n, n] for n in range(100)], map_labels=[*range(100)],
                map_predictions=[*range(100)]) if isinstance(e, ValidationDone) else e
        for e in events
    ]  # fmt: skip
    assert not example_map.example_map(run_snapshot.fold_events(events))["layout"]["showlegend"]
    assert example_map.example_map(run_snapshot.fold_events(RUN))["layout"]["showlegend"]


def test_a_long_class_name_is_shortened_in_the_legend_and_full_on_hover():
    long = "what a customer writes who wants the money back"
    events = [replace(e, classes=[long, "b"]) if isinstance(e, RunStarted) else e for e in RUN]
    first = example_map.example_map(run_snapshot.fold_events(events))["data"][0]
    assert len(first["name"]) == plotly_parts.MAX_LABEL_CHARS
    assert long in first["hovertemplate"]


def test_the_map_description_mentions_hollow_marks_only_if_there_are_any():
    events = [
        replace(e, map_predictions=e.map_labels) if isinstance(e, ValidationDone) else e
        for e in RUN
    ]
    assert chart_text.describe_map(run_snapshot.fold_events(events)).startswith(
        "All 2 checks on the map are right"
    )
    assert "are right; the hollow ones are not" in chart_text.describe_map(
        run_snapshot.fold_events(RUN)
    )


def test_every_figure_has_a_fixed_height_and_keeps_its_zoom():
    snapshot = run_snapshot.fold_events([*RUN, finished()])
    end = snapshot.end
    figures = [
        run_charts.accuracy_curve(snapshot),
        run_charts.loss_curve(snapshot),
        example_map.example_map(snapshot),
        confusion_matrix.confusion_matrix(end.classes, end.confusion_matrix, "#112233"),
        run_charts.layer_bars(PARTS, "#112233", "#445566"),
        run_charts.score_line(end, "#112233"),
    ]
    for figure in figures:
        assert figure["layout"]["height"] > 0
        assert figure["layout"]["uirevision"]


def test_only_trainable_parts_have_a_bar_of_trainable_parameters():
    trainable, _ = run_charts.layer_bars(PARTS, "#112233", "#445566")["data"]
    assert [bar > 0 for bar in trainable["x"]] == [False, True]


def export_page():
    """Return the export section of the visitor's own finished run, and the run's id."""
    at = shown_run([*RUN, finished()])
    at.session_state["section"] = "take"
    at.session_state["visitor"] = "someone"
    (run,) = get_store().list_runs("someone")
    return at.run(), run.id


def buttons(at) -> set[str]:
    return {button.label for button in at.button}


def test_the_owner_can_start_an_export():
    at, run = export_page()
    next(button for button in at.button if button.label == "Pack the model").click()
    at.run()
    job = get_store().find_latest("export", run)
    assert (job.visitor, job.job.onnx) == ("someone", False)
    assert "Pack the model" not in buttons(at)
    assert at.get("progress")[-1].proto.text == "Waiting for a free process."


def test_onnx_can_be_added_at_once_or_afterwards():
    at, run = export_page()
    at.checkbox(key=f"onnx-{run}").check().run()
    next(button for button in at.button if button.label == "Pack the model").click().run()
    assert get_store().find_latest("export", run).job.onnx
    bundle_path(run).parent.mkdir(parents=True)
    bundle_path(run).write_bytes(b"PK")
    get_store().append(get_store().find_latest("export", run).id, [JobDone({"bytes": 2}, 3.0)])
    assert "Pack it again, with ONNX" not in buttons(at.run())
    job = get_store().enqueue(Export(key=run, visitor="someone"), "someone", worker="test")
    get_store().append(job, [JobDone({"bytes": 2}, 3.0)])
    at.run()
    next(button for button in at.button if button.label == "Pack it again, with ONNX").click().run()
    assert get_store().find_latest("export", run).job.onnx


def test_the_report_has_the_answers_of_the_guide(monkeypatch):
    at, _ = export_page()
    downloads = []
    monkeypatch.setattr(
        "streamlit.download_button", lambda _, data, *a, **b: downloads.append(data)
    )
    at.query_params["answers"] = "data_volume:limited"
    at.run()
    assert "memorise them" in downloads[0]()


def test_a_finished_export_can_be_downloaded():
    at, run = export_page()
    job = get_store().enqueue(Export(key=run, visitor="someone"), "someone", worker="test")
    bundle_path(run).parent.mkdir(parents=True)
    bundle_path(run).write_bytes(b"PK" + bytes(1_200_000))
    get_store().append(job, [JobDone({"bytes": 1_200_002}, 3.0)])
    at.run()
    (_, model) = at.get("download_button")  # after the report
    assert model.label == "Download the model (1.2 MB)"


def test_a_failed_export_says_why_and_can_be_repeated():
    at, run = export_page()
    job = get_store().enqueue(Export(key=run, visitor="someone"), "someone", worker="test")
    get_store().append(job, [JobFailed("The disk is full.", 3.0)])
    at.run()
    assert "The disk is full" in words(at)
    assert "Pack the model" in buttons(at)


def test_baselines_are_not_scored_on_training_examples():
    baselines = "no training at all", "With nearest class mean"
    validated = [replace(RUN[0], validation_examples=40), *RUN[1:], finished()]
    assert baselines[0] in words(shown_run(validated))
    without_validation = [replace(RUN[0], validation_examples=0), *RUN[1:], finished()]
    text = words(shown_run(without_validation))
    assert not [baseline for baseline in baselines if baseline in text]


def test_everyone_who_sees_the_run_can_download_the_report():
    at, run = export_page()
    for visitor in ("someone", "another"):
        at.session_state["visitor"] = visitor
        at.query_params.clear()
        at.query_params.update(address(run, visitor))
        at.run()
        assert "Download the report" in [button.label for button in at.get("download_button")]
    assert "8 of 10 test examples right" in render_stored_report(get_store().get_run(run))


def test_another_visitor_cannot_export_the_model():
    at, run = export_page()
    assert "Pack the model" in buttons(at)
    at.session_state["visitor"] = "another"
    at.query_params.clear()
    at.query_params.update(address(run, "another"))
    assert "Pack the model" not in buttons(at.run())


def test_every_section_can_be_drawn():
    at = shown_run([*RUN, finished()])
    for section in SECTIONS:
        at.session_state["section"] = section
        at.run()
        assert not at.exception, section


def test_settings_in_the_address_replace_those_of_the_guide():
    at = AppTest.from_file(FRAME, default_timeout=60)
    at.session_state["wanted"] = {"data": "digits", "per_class": "3", "seconds": "5"}
    at.query_params["data"] = "messages"
    at.switch_page("run.py").run()
    assert (at.selectbox(key="data").value, at.select_slider(key="seconds").value) == (
        "messages",
        30,
    )
    assert [slider.value for slider in at.slider] == [50]
    del at.query_params["data"]
    other = AppTest.from_file(
        FRAME, default_timeout=60
    )  # opened from the menu: the guide's settings apply
    other.session_state["wanted"] = at.session_state["wanted"]
    other.switch_page("run.py").run()
    assert [slider.value for slider in other.slider] == [3]


def test_the_progress_of_a_failed_run_stays_where_it_was():
    events = [*RUN, JobFailed("The process was ended.", 400.0)]
    budget = started().budget_seconds
    assert run_snapshot.compute_progress(run_snapshot.fold_events(events), None) == pytest.approx(
        2.7 / budget
    )
