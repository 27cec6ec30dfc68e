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
    run_snapshot as tell,
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
    return re.sub(r"\[([^]]*)]\(#word-[^)]*\)", r"\1", shown)  # as it is read: no explanations


# --- the guide ------------------------------------------------------------------------------------


def test_guide_opens_with_every_main_question_unanswered():
    at = app()
    assert not at.exception
    asked = {radio.key: radio.value for radio in at.radio}
    assert asked == {key: "unsure" for key, q in QUESTIONS.items() if q.depends_on is None}


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


# --- the run page ---------------------------------------------------------------------------------


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


# --- the story and the figures --------------------------------------------------------------------


def test_status_is_true_at_every_moment():
    plan = Plan(data="digits", approach="hybrid", examples_per_class=1)
    run = get_store().enqueue(plan, visitor="someone")
    queued = get_store().get_run(run)
    nothing = tell.fold_events([])
    assert "Warming up" in tell.describe_status(nothing, queued, WaitEstimate(0, 0), ready=False)
    assert (
        tell.describe_wait(WaitEstimate(1, 0.3)) == "one run goes first, about 2 seconds."
    )  # never 0
    assert "2 runs go first, about 60 seconds" in tell.describe_status(
        nothing, queued, WaitEstimate(2, 60), ready=True
    )
    get_store().claim("test")
    running = get_store().get_run(run)
    assert "Reading the data" in tell.describe_status(nothing, running, None, ready=True)
    assert "Part 2 of 2: then thaw the rest, gently, pass 3" in tell.describe_status(
        tell.fold_events(RUN[:-2]), running, None, ready=True
    )
    assert tell.describe_status(
        tell.fold_events([*RUN, finished()]), running, None, True
    ).startswith("Finished in 4.2 seconds")
    assert "no score" in tell.describe_status(
        tell.fold_events([*RUN, JobCancelled(1.0)]), running, None, True
    )


def test_progress_only_reaches_the_end_at_the_end():
    run = get_store().get_run(
        get_store().enqueue(Plan(data="digits", approach="hybrid"), "someone")
    )
    shares = [
        tell.compute_progress(tell.fold_events(RUN[:until]), run) for until in range(len(RUN) + 1)
    ]
    assert max(shares) < 1 == tell.compute_progress(tell.fold_events([*RUN, finished()]), run)


def test_curve_has_a_point_a_look_and_marks_the_second_phase():
    figure = run_charts.accuracy_curve(tell.fold_events(RUN))
    assert figure["data"][0]["y"] == pytest.approx([50, 70, 70, 90])
    assert [shape["x0"] for shape in figure["layout"]["shapes"]] == [1.5, 0]
    assert "no training 60 %" in str(figure["layout"]["annotations"])


def test_curve_by_epochs_counts_those_of_the_phase_before():
    figure = run_charts.accuracy_curve(tell.fold_events(RUN), against="epoch")
    assert figure["data"][0]["x"] == [0, 1, 2, 5]


def test_map_moves_with_the_model_and_keeps_its_place_when_nothing_moved():
    still = example_map.example_map(tell.fold_events(RUN[:9]))
    assert [trace["x"] for trace in still["data"] if trace["x"]] == [[0], [1]]
    moved = example_map.example_map(tell.fold_events(RUN))
    assert [trace["x"] for trace in moved["data"] if trace["x"]] == [[2], [3]]


def test_names_of_classes_never_act_as_markup():
    told = tell.fold_events([*RUN, finished()])
    drawn = str(example_map.example_map(told)) + str(
        confusion_matrix.confusion_matrix(told.end.classes, told.end.confusion_matrix, "#112233")
    )
    assert "&lt;b&gt;cat" in drawn
    assert "<b>cat" not in drawn


def test_long_names_of_classes_leave_room_for_the_figure():
    long = "what a customer writes who wants the money back"
    drawn = confusion_matrix.confusion_matrix([long, "b"], [[1, 0], [0, 1]], "#112233")
    assert max(map(len, drawn["layout"]["yaxis"]["ticktext"])) == plotly_parts.MAX_LABEL_CHARS
    assert drawn["data"][0]["y"][0] == long  # to be read where the pointer is


def test_a_hundred_classes_are_drawn_without_lists_that_find_no_room():
    names = [f"subject {number}" for number in range(100)]
    matrix = [[int(one == other) for one in range(100)] for other in range(100)]
    assert not confusion_matrix.confusion_matrix(names, matrix, "#112233")["layout"]["xaxis"][
        "showticklabels"
    ]
    (guessing,) = run_charts.score_line(replace(finished(), classes=names), "#112233")["layout"][
        "annotations"
    ]
    assert guessing["xanchor"] == "left"
    started = [replace(e, classes=names) if isinstance(e, RunStarted) else e for e in RUN]
    looks = [
        replace(e, map_points=[[n, n] for n in range(100)], map_labels=[*range(100)],
                map_predictions=[*range(100)]) if isinstance(e, ValidationDone) else e
        for e in started
    ]  # fmt: skip
    assert not example_map.example_map(tell.fold_events(looks))["layout"]["showlegend"]
    assert example_map.example_map(tell.fold_events(RUN))["layout"]["showlegend"]


def test_a_long_name_is_cut_in_the_list_of_the_map_and_whole_where_the_pointer_is():
    long = "what a customer writes who wants the money back"
    events = [replace(e, classes=[long, "b"]) if isinstance(e, RunStarted) else e for e in RUN]
    first = example_map.example_map(tell.fold_events(events))["data"][0]
    assert len(first["name"]) == plotly_parts.MAX_LABEL_CHARS
    assert long in first["hovertemplate"]


def test_a_map_without_a_hollow_mark_speaks_of_none():
    events = [
        replace(e, map_predictions=e.map_labels) if isinstance(e, ValidationDone) else e
        for e in RUN
    ]
    assert chart_text.describe_map(tell.fold_events(events)).startswith(
        "All 2 checks on the map are right"
    )
    assert "are right; the hollow ones are not" in chart_text.describe_map(tell.fold_events(RUN))


def test_every_figure_has_a_fixed_height_and_keeps_its_zoom():
    told = tell.fold_events([*RUN, finished()])
    drawn = [
        run_charts.accuracy_curve(told),
        run_charts.loss_curve(told),
        example_map.example_map(told),
        confusion_matrix.confusion_matrix(told.end.classes, told.end.confusion_matrix, "#112233"),
        run_charts.layer_bars(PARTS, "#112233", "#445566"),
        run_charts.score_line(told.end, "#112233"),
    ]
    for figure in drawn:
        assert figure["layout"]["height"] > 0
        assert figure["layout"]["uirevision"]


def test_frozen_parts_show_no_learning_bar_and_learning_ones_do():
    learning, _ = run_charts.layer_bars(PARTS, "#112233", "#445566")["data"]
    assert [bar > 0 for bar in learning["x"]] == [False, True]


# --- take it away ---------------------------------------------------------------------------------


def mine():
    """The page of a finished run of one's own, where it is taken away."""
    at = shown_run([*RUN, finished()])
    at.session_state["section"] = "take"
    at.session_state["visitor"] = "someone"
    (run,) = get_store().list_runs("someone")
    return at.run(), run.id


def buttons(at) -> set[str]:
    return {button.label for button in at.button}


def test_a_model_is_packed_when_its_own_visitor_asks():
    at, run = mine()
    next(button for button in at.button if button.label == "Pack the model").click()
    at.run()
    job = get_store().find_latest("export", run)
    assert (job.visitor, job.job.onnx) == ("someone", False)
    assert "Pack the model" not in buttons(at)
    assert at.get("progress")[-1].proto.text == "Waiting for a free process."


def test_a_model_is_packed_with_onnx_at_a_tick_or_afterwards():
    at, run = mine()
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


def test_the_report_knows_what_the_guide_was_told(monkeypatch):
    at, _ = mine()
    offered = []
    monkeypatch.setattr("streamlit.download_button", lambda _, data, *a, **b: offered.append(data))
    at.query_params["answers"] = "data_volume:limited"
    at.run()
    assert "memorise them" in offered[0]()


def test_what_is_packed_can_be_downloaded():
    at, run = mine()
    job = get_store().enqueue(Export(key=run, visitor="someone"), "someone", worker="test")
    bundle_path(run).parent.mkdir(parents=True)
    bundle_path(run).write_bytes(b"PK" + bytes(1_200_000))
    get_store().append(job, [JobDone({"bytes": 1_200_002}, 3.0)])
    at.run()
    (_, model) = at.get("download_button")  # after the report
    assert model.label == "Download the model (1.2 MB)"


def test_a_model_that_could_not_be_packed_says_why_and_can_be_tried_again():
    at, run = mine()
    job = get_store().enqueue(Export(key=run, visitor="someone"), "someone", worker="test")
    get_store().append(job, [JobFailed("The disk is full.", 3.0)])
    at.run()
    assert "The disk is full" in words(at)
    assert "Pack the model" in buttons(at)


def test_what_needs_no_training_is_not_scored_on_the_examples_that_it_learned_from():
    scored = "no training at all", "With nearest class mean"
    assert scored[0] in words(shown_run([*RUN, finished()]))
    learned_from = [replace(RUN[0], validation_examples=0), *RUN[1:], finished()]
    assert not [said for said in scored if said in words(shown_run(learned_from))]


def test_the_report_is_there_at_once_for_whoever_sees_the_run():
    at, run = mine()
    for who in ("someone", "another"):
        at.session_state["visitor"] = who
        at.query_params.clear()
        at.query_params.update(address(run, who))
        at.run()
        assert "Download the report" in [one.label for one in at.get("download_button")]
    assert "8 of 10 test examples right" in render_stored_report(get_store().get_run(run))


def test_another_visitor_cannot_take_the_model():
    at, run = mine()
    assert "Pack the model" in buttons(at)
    at.session_state["visitor"] = "another"
    at.query_params.clear()
    at.query_params.update(address(run, "another"))
    assert "Pack the model" not in buttons(at.run())


def test_each_way_to_look_closer_at_a_run_can_be_drawn():
    at = shown_run([*RUN, finished()])
    for section in SECTIONS:
        at.session_state["section"] = section
        at.run()
        assert not at.exception, section


def test_what_the_guide_advised_is_not_mixed_into_what_an_address_asks_for():
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
    other = AppTest.from_file(FRAME, default_timeout=60)  # by the menu: as the guide said
    other.session_state["wanted"] = at.session_state["wanted"]
    other.switch_page("run.py").run()
    assert [slider.value for slider in other.slider] == [3]


def test_a_run_without_a_score_keeps_its_bar_where_it_stood():
    events = [*RUN, JobFailed("The process was ended.", 400.0)]
    budget = started().budget_seconds
    assert tell.compute_progress(tell.fold_events(events), None) == pytest.approx(2.7 / budget)
