"""The history, driven without a browser."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.figures import comparison_charts, run_snapshot as tell, style
from pages.parts.figures.markdown import escape_markdown
from tests.pages.test_pages import RUN, finished, look, started, words
from trainers.events import ComparisonDone, ComparisonRunStarted, JobFailed, PredictionsRecorded
from trainers.hosting import cleanup
from trainers.jobs import Comparison
from trainers.plan import Plan
from trainers.reports.run_file import export_run
from trainers.store import RunNotFound, get_store
from trainers.system.paths import run_dir

FRAME = Path(__file__).parents[2] / "pages" / "frame.py"
ANN = "ann-of-the-tests-00"
HOSTILE = "<b>x</b> [y](http://z) :red[hot] $x^2$ | *star*"


def ran(approach="hybrid", *, right=(1, 1, 1, 0), visitor=ANN, data="digits", **settings) -> str:
    plan = Plan(data=data, approach=approach, examples_per_class=1, **settings)
    run = get_store().enqueue(plan, visitor=visitor, worker="test")
    labels = [0, 1, 0, 1]
    answers = [label if hit else 1 - label for label, hit in zip(labels, right, strict=True)]
    share = sum(right) / 4
    end = finished(
        approach, data=data, test_accuracy=share, test_correct=sum(right), test_examples=4
    )
    told = [
        started(approach),
        look(seconds=2.0),
        PredictionsRecorded(labels, answers, [], 3.0),
        end,
    ]
    get_store().append(run, told)
    return run


def page(**query) -> AppTest:
    at = AppTest.from_file(FRAME, default_timeout=60)
    at.session_state["visitor"] = ANN
    at.run()
    for name, value in query.items():
        at.query_params[name] = value
    return at.switch_page("runs.py").run()


def titles(at) -> list[str]:
    labels = [link.proto.label for link in at.get("page_link")]
    return [label.rpartition("**")[0].partition("**")[2] for label in labels if "**" in label]


def boxes(at) -> list:
    return [box for box in at.checkbox if str(box.key).startswith("chosen-")]


def pressed(at, label) -> AppTest:
    next(button for button in at.button if button.label == label).click()
    at.run()
    assert not at.exception
    return at


def choose(at, *keys) -> AppTest:
    for key in keys:
        at.checkbox(key=f"chosen-{key}").check()
    at.run()
    assert not at.exception
    return at


def test_without_a_run_the_page_says_where_to_begin():
    at = page()
    assert not at.exception
    assert "Nothing was run in this browser yet" in words(at)


def test_a_visitor_sees_their_own_runs_and_no_others():
    ran("transfer")
    ran("hybrid", visitor="somebody-else-0000")
    at = page()
    assert not at.exception
    assert titles(at) == ["Transfer learning on Handwritten digits"]
    assert "75%" in words(at)


def test_a_search_narrows_the_list_and_says_when_nothing_is_left():
    ran("transfer")
    ran("hybrid")
    at = page()
    at.text_input(key="search").set_value("HYBRID digits").run()
    assert titles(at) == ["Hybrid on Handwritten digits"]
    at.text_input(key="search").set_value("%").run()
    assert titles(at) == []
    assert "Nothing is called" in words(at)


def test_a_name_is_shown_as_it_was_typed_and_never_acts():
    key = ran()
    get_store().annotate(key, ANN, name=HOSTILE, note=HOSTILE)
    at = page()
    assert not at.exception
    assert titles(at) == [escape_markdown(HOSTILE)]
    assert escape_markdown(HOSTILE) in "\n".join(caption.value for caption in at.caption)
    assert [box.label.rpartition(",")[0] for box in boxes(at)] == [
        "Choose b x b y http z red hot x 2 star"
    ]
    said = [*words(at).splitlines(), *titles(at)]
    assert not any("<b>" in line or ":red[hot]" in line for line in said)


def test_a_run_is_named_and_noted():
    key = ran()
    at = choose(page(), key)
    at.text_input(key=f"name-{key}").set_value("my best")
    at.text_area(key=f"note-{key}").set_value("with the new lamp")
    pressed(at, "Keep this")
    assert titles(at) == ["my best"]
    assert "with the new lamp" in words(at)
    assert get_store().get_summary(key).note == "with the new lamp"


def test_a_pinned_run_comes_first():
    first, second = ran("transfer"), ran("hybrid")
    at = pressed(choose(page(), first), "Pin to the top")
    assert [box.key for box in boxes(at)] == [f"chosen-{first}", f"chosen-{second}"]


def test_what_was_deleted_comes_back_with_undo():
    key, other = ran("transfer"), ran("hybrid")
    at = pressed(choose(page(), key), "Delete")
    assert [box.key for box in boxes(at)] == [f"chosen-{other}"]
    pressed(at, "Undo")
    assert {box.key for box in boxes(at)} == {f"chosen-{key}", f"chosen-{other}"}
    assert not [button for button in at.button if button.label == "Undo"]


def test_a_long_history_has_pages_and_a_choice_survives_them():
    keys = [ran("none") for _ in range(23)]
    at = page()
    assert len(boxes(at)) == 20
    choose(at, keys[-1])
    at.session_state["page"] = 2
    at.run()
    assert [box.key for box in boxes(at)] == [f"chosen-{key}" for key in keys[2::-1]]
    choose(at, keys[0])
    assert "2 chosen" in words(at)


def test_the_last_run_of_a_page_leaves_the_page_before_it():
    keys = [ran("none") for _ in range(21)]
    at = page()
    at.session_state["page"] = 2
    at.run()
    pressed(choose(at, keys[0]), "Delete")
    assert len(boxes(at)) == 20


def test_a_run_is_repeated_with_its_settings_filled_in():
    key = ran("fine_tune", seed=7, seconds=60)
    at = pressed(choose(page(), key), "Repeat with changes")
    assert at.title[0].value == "Run an approach"
    assert at.number_input(key="seed").value == 7
    assert at.selectbox(key="data").value == "digits"


def test_a_file_that_was_taken_along_comes_back_and_a_broken_one_is_refused():
    key = get_store().enqueue(Plan(data="digits", approach="hybrid"), ANN, worker="test")
    get_store().append(key, [*RUN, finished()])
    get_store().annotate(key, ANN, name="taken along", note="")
    text = export_run(get_store(), key)
    get_store().delete([key], ANN)
    at = page()
    at.get("file_uploader")[0].set_value(("run.json", text.encode(), "application/json")).run()
    assert not at.exception
    assert titles(at) == ["taken along"]
    assert "among your runs now" in "\n".join(element.value for element in at.success)
    broken = json.dumps(json.loads(text) | {"events": []}).encode()
    at.get("file_uploader")[0].set_value(("run.json", broken, "application/json")).run()
    assert "cannot be brought in" in words(at)
    assert len(boxes(at)) == 1


# --- side by side ---------------------------------------------------------------------------------


def test_several_are_laid_side_by_side():
    first, second = ran("transfer"), ran("hybrid", right=(0, 0, 0, 1))
    at = pressed(choose(page(), first, second), "Lay them side by side")
    assert at.title[0].value == "Side by side"
    # Of 4, the first alone is right in 3 and the second in 1: paired, from the first's view.
    assert "-50.0 points" in words(at)


def test_only_settings_that_differ_are_in_the_table():
    keys = [ran("transfer", seed=1), ran("transfer", seed=2)]
    said = words(page(runs=",".join(keys)))
    table = next(block for block in said.split("\n\n") if "| setting |" in block)
    assert "Seed" in table
    assert "| 1 (1); 2 (2) |" in table
    assert "Data" not in table
    assert "The same in all: approach Transfer learning" in said.replace("\\", "")


def test_the_same_settings_twice_differ_in_nothing():
    said = words(page(runs=",".join([ran("transfer"), ran("transfer")])))
    assert "all settings are the same" in said


def test_runs_on_different_data_are_not_said_to_be_comparable():
    keys = [ran("transfer"), ran("transfer", data="vehicles")]
    said = words(page(runs=",".join(keys)))
    assert "tested on different data" in said
    assert "another test" in said
    assert "points (" not in said


def test_without_answers_no_test_is_called_another():
    unscored = get_store().enqueue(Plan(data="digits", approach="transfer"), ANN, worker="test")
    get_store().request_cancel(unscored)
    said = words(page(runs=",".join([unscored, ran("hybrid")])))
    assert "another test" not in said
    assert "| – |" in said


def test_a_comparison_stands_for_its_runs():
    keys = [ran(approach) for approach in ("none", "transfer", "hybrid")]
    job = Comparison(data="digits", visitor=ANN, approaches=("none", "transfer", "hybrid"))
    key = get_store().enqueue(job, ANN, worker="test")
    rows = [finished().as_json() | {"run": run} for run in keys]
    end = ComparisonDone(
        rows, {}, "transfer", "transfer", "transfer", "right", "Right.", {}, 0.1, 9.0
    )
    get_store().append(key, [ComparisonRunStarted("none", keys[0], 0, 3, 0.0), end])
    at = page(runs=f"{key},{keys[0]}")
    assert not at.exception
    assert words(at).count("75.0% (49% to 94%) of 4") == 3


@pytest.mark.parametrize("keys", ["nothing", "nothing,neither", "<b>,,%"])
def test_a_link_to_runs_that_are_gone_says_so(keys):
    at = page(runs=keys)
    assert not at.exception
    assert "cannot be shown" in words(at)


def test_a_run_without_a_score_stands_beside_one_with():
    broken = get_store().enqueue(Plan(data="digits", approach="scratch"), ANN, worker="test")
    get_store().append(broken, [started("scratch"), JobFailed("It broke.", 1.0)])
    at = page(runs=f"{broken},{ran()}")
    assert not at.exception
    assert "ended without a score" in words(at)


def test_every_run_has_a_line_of_its_own_look_and_a_harmless_name():
    same = tell.fold_events(RUN)
    other = tell.fold_events([started("transfer"), look(seconds=1)])
    drawn = comparison_charts.accuracy_comparison([(HOSTILE, same), ("2", same), ("3", other)])[
        "data"
    ]
    assert len({(line["line"]["color"], line["line"]["dash"]) for line in drawn}) == 3
    assert "<b>" not in drawn[0]["name"]
    (first, second) = comparison_charts.accuracy_comparison([("1", same), ("2", other)])["data"]
    assert first["line"]["color"] == style.APPROACH_STYLES["hybrid"].colour
    assert second["line"]["color"] == style.APPROACH_STYLES["transfer"].colour


# --- the end of all -------------------------------------------------------------------------------


def test_everything_is_deleted_only_after_it_was_typed():
    keys, other = [ran("transfer"), ran("hybrid")], ran("none", visitor="somebody-else-0000")
    at = page()
    at.button(key="erase").click().run()
    assert "Nothing was deleted" in words(at)
    assert len(boxes(at)) == 2
    at.text_input(key="erase-typed").set_value("Delete  everything")
    at.button(key="erase").click().run()
    assert not at.exception
    assert boxes(at) == []
    assert "Everything of yours was deleted" in "\n".join(one.value for one in at.success)
    for key in keys:
        with pytest.raises(RunNotFound):
            get_store().get_run(key)
    assert get_store().get_run(other)


def test_a_row_says_when_the_run_and_its_model_go(monkeypatch):
    kept, pinned = ran("transfer"), ran("hybrid")
    get_store().pin([pinned], ANN)
    run_dir(kept).mkdir(parents=True)
    assert "kept until" not in words(page())
    monkeypatch.setenv("THAW_KEEP_RUNS_DAYS", "100")
    monkeypatch.setenv("THAW_KEEP_MODELS_DAYS", "50")
    said = [caption.value for caption in page().caption if "kept until" in caption.value]
    assert len(said) == 1
    assert "its model will be removed on" in said[0]


def test_it_is_said_that_room_runs_out(monkeypatch):
    run_dir(ran()).mkdir(parents=True)
    (run_dir(get_store().list_runs(ANN)[0].id) / "model.safetensors").write_bytes(bytes(900_000))
    monkeypatch.setenv("THAW_STORAGE_LIMIT_GB", "0.001")
    cleanup.clean_up()
    assert "takes 0.0 of 0.001 GB" in words(page())
