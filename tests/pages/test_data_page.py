"""The page of one's own data, driven without a browser."""

import json
import zlib
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.figures.markdown import escape_markdown
from tests.support.run_address import address
from trainers import datasets, jobs
from trainers.data_checks.findings import SEVERITIES, Finding, FindingExample, Fix
from trainers.datasets import uploads
from trainers.events import JobCancelled, JobDone, JobFailed, RunFinished, WatchedExamples
from trainers.jobs import DataCheck
from trainers.plan import Plan
from trainers.store import get_store
from trainers.workers.execute import execute

FRAME = Path(__file__).parents[2] / "pages" / "frame.py"


def unlike(number: int) -> str:
    """Words for each number that have nothing in common with another's."""
    return f"{zlib.crc32(str(number).encode()):08x} {number}"


ROWS = "".join(f"{unlike(n)}\t{'ab'[n % 2]}\n" for n in range(40))
HOSTILE = [
    "<script>alert(1)</script>",
    "**bold** and _more_",
    ":red[x] :material/home: :smile:",
    "$x^2$",
    "[a](http://example.com) ![i](http://example.com/i.png)",
    "# heading",
    "`code` ~~gone~~ | cell |",
    "https://example.com www.example.com a@example.com",
]


def app(**query) -> AppTest:
    at = AppTest.from_file(FRAME, default_timeout=60).run()
    for name, value in query.items():
        at.query_params[name] = value
    return at.switch_page("data.py").run()


def words(at) -> str:
    kinds = ("title", "markdown", "caption", "warning", "error", "info", "success")
    return "\n".join(element.value for kind in kinds for element in getattr(at, kind))


def visitor_of(at) -> str:
    return at.session_state["visitor"]


def work() -> None:
    """What the light worker does."""
    while claimed := get_store().claim("test", needs_torch=False):
        for _ in execute(get_store(), claimed.id, claimed.job, jobs.run_job):
            pass


def pressed(at, label):
    return next(button for button in at.button if button.label == label).click().run()


def pasted(at, rows: str):
    at.button_group(key="way").set_value("paste").run()
    at.text_area(key="pasted").set_value(rows).run()
    return pressed(at, "Read these rows")


def with_data(rows: str = ROWS):
    """The page of data that was just pasted and read; its look is queued."""
    at = pasted(app(), rows)
    assert not at.exception
    work()
    return at.run()


def my_data(at) -> uploads.UploadedDataset:
    (mine,) = uploads.list_uploads(visitor_of(at))
    return mine


def looked_over(at, findings=(), **found):
    """The same page after its look, with these findings."""
    check = get_store().find_latest("check", my_data(at).key)
    result = {
        "findings": [finding.as_json() for finding in findings],
        "checked": ["doubles", "blanks"],
        "answers": {"data_volume": "limited", "specificity": "specialised"},
        "evidence": {
            "data_volume": {"says": "16 examples in the smallest class."},
            "compute": {"per_approach": {"transfer": {"seconds": 2.0}}},
        },
    } | found
    get_store().append(check.id, [JobDone(result, 1.0)])
    return at.run()


def a_finding(weight="warning", **changes) -> Finding:
    facts = {
        "key": f"exact-{weight}",
        "title": f"4 texts are there twice ({weight})",
        "count": 4,
        "effect": "They count double.",
        "severity": weight,
        "examples": (FindingExample(example="the double", label="a", note="in the test"),),
        "fix": Fix(title="Leave the doubles out", rows=(1, 2)),
    }
    return Finding(**facts | changes)


def test_the_page_says_where_data_is_kept_and_that_it_stays_there(home):
    shown = words(app())
    assert str(home) in shown
    assert "Nothing is sent anywhere else" in shown
    assert "delete it at any time" in shown


def test_pasted_rows_become_data_of_this_visitor_and_are_looked_over():
    at = with_data()
    mine = my_data(at)
    assert "Pasted rows" in words(at)
    assert get_store().find_latest("check", mine.key).job == DataCheck(data=mine.key, seconds=60)
    assert "About to look it over" in str(at.get("progress")[0].proto)


def test_a_single_column_leaves_no_choice_of_columns():
    at = with_data("one column only\nno label anywhere\n")
    assert "single column" in words(at)
    assert not at.text_input


def test_a_table_without_rows_is_told_what_to_do_and_given_no_choice_of_columns():
    at = with_data("text,label\n")
    assert "Add a row for each text" in words(at)
    assert not at.text_input


def test_of_many_classes_it_is_said_how_many_are_drawn():
    rows = "".join(f"text {n} of {place},class {place}\n" for place in range(21) for n in range(5))
    assert "The 20 largest of 21 classes." in words(with_data("text,label\n" + rows))
    assert "largest of" not in words(with_data())


def test_what_was_pasted_stays_until_it_could_be_read():
    at = pressed(with_data("one column only\nno label anywhere\n"), "Add something else")
    at.button_group(key="way").set_value("paste").run()
    assert at.text_area(key="pasted").value.startswith("one column only")
    at.text_area(key="pasted").set_value(ROWS).run()
    pressed(at, "Read these rows")
    work()
    at = at.run()
    del at.query_params["data"]
    at.run().button_group(key="way").set_value("paste").run()
    assert at.text_area(key="pasted").value == ""


def test_the_button_waits_for_no_text_and_says_when_there_is_none():
    at = app()
    at.button_group(key="way").set_value("paste").run()
    assert not next(b for b in at.button if b.label == "Read these rows").disabled
    assert "nothing to read" in words(pressed(at, "Read these rows"))


def test_what_cannot_be_read_says_why_and_takes_columns():
    at = with_data("".join(f"{n}.5\t{n}\n" for n in range(40)))
    assert "looks like the text" in words(at)
    assert not at.exception
    at.text_input[0].set_value("1")
    at.text_input[1].set_value("2")
    pressed(at, "Read again with these columns")
    waiting = get_store().claim("test", needs_torch=False)
    assert (waiting.job.text_column, waiting.job.label_column) == ("1", "2")


def test_the_columns_of_a_table_can_be_changed_after_it_was_read():
    rows = "first\tsecond\tkind\n" + "".join(
        f"the first {unlike(n)}\t{unlike(n)} guessed as it is longer\t{'ab'[n % 2]}\n"
        for n in range(30)
    )
    at = with_data(rows)
    assert [box.options[box.value] for box in at.selectbox[:2]] == ["second", "kind"]
    at.selectbox[0].set_value(0).run()
    pressed(at, "Read again with these columns")
    work()
    at.run()
    newest = uploads.list_uploads(visitor_of(at))[0]
    assert newest.load_splits().train.inputs[0].startswith("the first")
    assert (
        len(uploads.list_uploads(visitor_of(at))) == 1
    )  # the first reading makes room for the second


def test_a_column_can_be_chosen_as_the_groups():
    rows = "words\tkind\tplace\n" + "".join(
        f"{unlike(n)}\t{'ab'[n % 2]}\t{'ABC'[n % 3]}\n" for n in range(40)
    )
    at = with_data(rows)
    assert my_data(at).group_names == ()
    groups = at.selectbox[2]
    assert (groups.value, groups.options) == (None, ["No groups", "words", "kind", "place"])
    groups.set_value(2).run()
    pressed(at, "Read again with these columns")
    work()
    at.run()
    (mine,) = uploads.list_uploads(visitor_of(at))
    assert (mine.group_names, mine.group_column) == (("A", "B", "C"), 2)
    assert at.selectbox[2].value == 2


def test_one_example_of_each_class_can_be_run_on(tmp_path):
    for side, first in (("train", 0), ("test", 10)):
        rows = "".join(f"{unlike(first + n)}\t{'ab'[n]}\n" for n in range(2))
        (tmp_path / f"{side}.tsv").write_text(f"text\tlabel\n{rows}")
    at = app()
    for _ in uploads.import_upload(tmp_path, visitor=visitor_of(at)):
        pass
    at.query_params |= {"data": my_data(at).key, "per_class": "1", "approach": "transfer"}
    at.switch_page("run.py").run()
    assert not at.exception
    assert "At most 2 in all" in words(at)


def test_nobody_else_is_shown_it():
    key = my_data(with_data()).key
    stranger = app(data=key)
    assert "belongs to somebody else" in words(stranger)
    assert "Pasted rows" not in words(stranger)


def test_data_that_was_deleted_is_said_to_be():
    at = with_data()
    key = my_data(at).key
    uploads.delete(key)
    assert "was deleted" in words(at.run())


def test_who_was_handed_a_link_to_a_run_cannot_run_on_its_data():
    at = with_data()
    key = my_data(at).key
    run = get_store().enqueue(Plan(data=key, approach="simple"), visitor_of(at))
    get_store().request_cancel(run)
    mine, stranger = (shown_run(who, run) for who in (at, app()))
    assert "Run again" in mine
    assert stranger == []


def shown_run(at, run: str) -> list[str]:
    """The buttons of the page of a run."""
    for name in list(at.query_params):
        del at.query_params[name]
    at.query_params.update(address(run, visitor_of(at)))
    at.switch_page("run.py").run()
    assert not at.exception, at.exception
    return [button.label for button in at.button]


def test_a_reading_of_another_visitor_is_not_shown():
    at = pasted(app(), ROWS)
    reading = get_store().claim("test", needs_torch=False)
    assert reading.visitor == visitor_of(at)
    assert app(reading=reading.id).title[0].value == "Your own data"


def test_deleting_takes_the_data_and_what_runs_kept_of_it():
    at = with_data()
    mine = my_data(at)
    run = get_store().enqueue(Plan(data=mine.key, approach="simple"), visitor_of(at), worker="test")
    get_store().append(run, [WatchedExamples(indices=[0], inputs=["private"], labels=[0])])
    looked_over(at)
    pressed(at, "Delete it for good")
    assert uploads.list_uploads(visitor_of(at)) == []
    assert get_store().find_latest("check", mine.key) is None
    assert [event.inputs for _, event in get_store().read_events(run)] == [[""]]


@pytest.mark.parametrize("weight", SEVERITIES)
def test_a_finding_says_what_how_many_and_shows_it(weight):
    at = looked_over(with_data(), [a_finding(weight)])
    assert not at.exception
    assert escape_markdown(f"4 texts are there twice ({weight})") in words(at)
    assert escape_markdown("They count double.") in words(at)
    assert "the double" in str([one.proto.json for one in at.get("bidi_component")])


def test_nothing_found_is_said_as_well():
    at = looked_over(with_data())
    assert "Nothing is wrong that Thaw can see" in words(at)
    assert "doubles" in words(at)


def test_the_look_says_what_the_backbone_cannot_see():
    at = looked_over(with_data(), facts={"remarks": ["Small details are lost."]})
    assert escape_markdown("Small details are lost.") in words(at)


def test_a_mend_that_is_switched_on_goes_into_the_run():
    at = looked_over(with_data(), [a_finding()])
    at.toggle[0].set_value(True).run()
    pressed(at, "Run it on this data")
    assert not at.exception
    assert at.title[0].value == "Run an approach"
    assert at.selectbox(key="data").value == my_data(at).key


def test_the_answers_are_suggested_and_can_be_overruled():
    at = looked_over(with_data())
    key = my_data(at).key
    assert at.radio(key=f"data_volume-{key}").value == "limited"
    assert "Hybrid" in words(at)
    at.radio(key=f"specificity-{key}").set_value("common").run()
    assert "Transfer learning" in words(at)
    assert "Measured" in words(at)


def test_a_look_that_failed_says_why_and_can_be_repeated():
    at = with_data()
    first = get_store().find_latest("check", my_data(at).key)
    get_store().append(first.id, [JobFailed("The memory was not enough.", 1.0)])
    at.run()
    assert escape_markdown("The memory was not enough.") in words(at)
    pressed(at, "Look again")
    assert get_store().find_latest("check", my_data(at).key).id != first.id


@pytest.mark.parametrize("data", datasets.BUNDLED_DATASETS)
def test_every_sample_can_be_looked_over(data):
    at = app(data=data)
    assert not at.exception
    assert get_store().find_latest("check", data).job.data == data


@pytest.mark.parametrize("data", ["nothing", "own-doesnotexist", "own-../../x", ""])
def test_data_that_is_not_here_gets_a_word(data):
    at = app(data=data)
    assert not at.exception


@pytest.mark.parametrize("reading", ["nothing", ""])
def test_a_reading_that_is_not_here_leads_to_the_start(reading):
    assert app(reading=reading).title[0].value == "Your own data"


@pytest.mark.parametrize("name", HOSTILE)
def test_names_never_act_as_markup(name):
    """Every mark that Markdown or Streamlit would act on is escaped."""
    shown = escape_markdown(name)
    marks = "\\`*_{}[]()#+-.!|<>~$&^="
    bare = [
        c for place, c in enumerate(shown) if c in marks and c != "\\" and shown[place - 1] != "\\"
    ]
    assert bare == []
    assert ":red" not in shown
    assert "://" not in shown.replace("\\", "")
    assert shown.replace("\\", "").replace("\u2060", "") == name.replace("\\", "")


def test_hostile_labels_are_shown_as_they_are():
    rows = "".join(f"{unlike(n)}\t{HOSTILE[n % len(HOSTILE)]}\n" for n in range(80))
    at = looked_over(with_data(rows), [a_finding(title=HOSTILE[1], names=tuple(HOSTILE))])
    assert not at.exception
    shown = words(at)
    assert "<script>" not in shown
    assert "**bold** and" not in shown
    figure = json.dumps([one.proto.json for one in at.get("bidi_component")])
    assert "<b>" not in figure
    assert not [markdown for markdown in at.markdown if markdown.allow_html]


def test_the_run_page_offers_own_data_and_says_how_many_it_learns_from():
    at = with_data()
    mine = my_data(at)
    at.query_params.clear()
    at.query_params["data"] = mine.key
    at.switch_page("run.py").run()
    assert not at.exception
    assert at.selectbox(key="data").value == mine.key
    assert "32 in all" in words(at)
    pressed(at, "Start")
    assert get_store().list_runs(visitor_of(at))[0].job.examples_per_class is None


@pytest.mark.parametrize("end", [JobFailed("It broke.", 1.0), JobCancelled(1.0)])
def test_a_run_on_data_that_was_deleted_can_still_be_looked_at(end):
    at = with_data()
    mine = my_data(at)
    run = get_store().enqueue(Plan(data=mine.key, approach="simple"), visitor_of(at), worker="test")
    get_store().append(run, [end])
    assert not isinstance(end, RunFinished)
    uploads.delete(mine.key)
    at.query_params.clear()
    at.query_params["run"] = run
    at.switch_page("run.py").run()
    assert not at.exception
