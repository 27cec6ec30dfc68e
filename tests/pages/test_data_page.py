"""The Data page, without a browser."""

import json
import zlib
from itertools import pairwise
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


def distinct_text(number: int) -> str:
    """Return a text that shares no word with that of another number."""
    return f"{zlib.crc32(str(number).encode()):08x} {number}"


ROWS = "".join(f"{distinct_text(n)}\t{'ab'[n % 2]}\n" for n in range(40))
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


def data_page(**query) -> AppTest:
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
    """Execute the queued jobs that need no torch."""
    while claimed := get_store().claim("test", needs_torch=False):
        for _ in execute(get_store(), claimed.id, claimed.job, jobs.run_job):
            pass


def press(at, label):
    return next(button for button in at.button if button.label == label).click().run()


def paste(at, rows: str):
    at.button_group(key="way").set_value("paste").run()
    at.text_area(key="pasted").set_value(rows).run()
    return press(at, "Read these rows")


def page_of_upload(rows: str = ROWS):
    """Return the page of rows that were just imported; their check is queued."""
    at = paste(data_page(), rows)
    assert not at.exception
    work()
    return at.run()


def only_upload(at) -> uploads.UploadedDataset:
    (upload,) = uploads.list_uploads(visitor_of(at))
    return upload


def finish_check(at, findings=(), **fields):
    """Return the same page after its check ended with these findings."""
    check = get_store().find_latest("check", only_upload(at).key)
    result = {
        "findings": [finding.as_json() for finding in findings],
        "checked": ["doubles", "blanks"],
        "answers": {"data_volume": "limited", "specificity": "specialised"},
        "evidence": {
            "data_volume": {"says": "16 examples in the smallest class."},
            "compute": {"per_approach": {"transfer": {"seconds": 2.0}}},
        },
    } | fields
    get_store().append(check.id, [JobDone(result, 1.0)])
    return at.run()


def make_finding(severity="warning", **changes) -> Finding:
    facts = {
        "key": f"exact-{severity}",
        "title": f"4 texts are there twice ({severity})",
        "count": 4,
        "effect": "They count double.",
        "severity": severity,
        "examples": (FindingExample(example="the double", label="a", note="in the test"),),
        "fix": Fix(title="Leave the doubles out", rows=(1, 2)),
    }
    return Finding(**facts | changes)


def test_the_page_says_where_data_is_stored(home):
    shown = words(data_page())
    assert str(home) in shown
    assert "Nothing is sent anywhere else" in shown
    assert "delete it at any time" in shown


def test_pasted_rows_become_an_upload_and_are_checked():
    at = page_of_upload()
    upload = only_upload(at)
    assert "Pasted rows" in words(at)
    assert get_store().find_latest("check", upload.key).job == DataCheck(
        data=upload.key, seconds=60
    )
    assert "About to look it over" in str(at.get("progress")[0].proto)


def test_a_single_column_has_no_choice_of_columns():
    at = page_of_upload("one column only\nno label anywhere\n")
    assert "single column" in words(at)
    assert not at.text_input


def test_a_table_without_rows_gets_advice_and_no_choice_of_columns():
    at = page_of_upload("text,label\n")
    assert "Add a row for each text" in words(at)
    assert not at.text_input


def test_the_page_says_how_many_of_many_classes_are_drawn():
    rows = "".join(f"text {n} of {place},class {place}\n" for place in range(21) for n in range(5))
    assert "The 20 largest of 21 classes." in words(page_of_upload("text,label\n" + rows))
    assert "largest of" not in words(page_of_upload())


def test_pasted_text_stays_until_it_is_imported():
    at = press(page_of_upload("one column only\nno label anywhere\n"), "Add something else")
    at.button_group(key="way").set_value("paste").run()
    assert at.text_area(key="pasted").value.startswith("one column only")
    at.text_area(key="pasted").set_value(ROWS).run()
    press(at, "Read these rows")
    work()
    at = at.run()
    del at.query_params["data"]
    at.run().button_group(key="way").set_value("paste").run()
    assert at.text_area(key="pasted").value == ""


def test_the_button_is_enabled_without_text_and_says_that_there_is_none():
    at = data_page()
    at.button_group(key="way").set_value("paste").run()
    assert not next(b for b in at.button if b.label == "Read these rows").disabled
    assert "nothing to read" in words(press(at, "Read these rows"))


def test_a_failed_import_says_why_and_offers_columns():
    at = page_of_upload("".join(f"{n}.5\t{n}\n" for n in range(40)))
    assert "looks like the text" in words(at)
    assert not at.exception
    at.text_input[0].set_value("1")
    at.text_input[1].set_value("2")
    press(at, "Read again with these columns")
    queued = get_store().claim("test", needs_torch=False)
    assert (queued.job.text_column, queued.job.label_column) == ("1", "2")


def test_the_columns_can_be_changed_after_the_import():
    rows = "first\tsecond\tkind\n" + "".join(
        f"the first {distinct_text(n)}\t{distinct_text(n)} guessed as it is longer\t{'ab'[n % 2]}\n"
        for n in range(30)
    )
    at = page_of_upload(rows)
    assert [box.options[box.value] for box in at.selectbox[:2]] == ["second", "kind"]
    at.selectbox[0].set_value(0).run()
    press(at, "Read again with these columns")
    work()
    at.run()
    newest = uploads.list_uploads(visitor_of(at))[0]
    assert newest.load_splits().train.inputs[0].startswith("the first")
    assert len(uploads.list_uploads(visitor_of(at))) == 1  # the second import replaces the first


def test_a_column_can_be_chosen_as_the_groups():
    rows = "words\tkind\tplace\n" + "".join(
        f"{distinct_text(n)}\t{'ab'[n % 2]}\t{'ABC'[n % 3]}\n" for n in range(40)
    )
    at = page_of_upload(rows)
    assert only_upload(at).group_names == ()
    groups = at.selectbox[2]
    assert (groups.value, groups.options) == (None, ["No groups", "words", "kind", "place"])
    groups.set_value(2).run()
    press(at, "Read again with these columns")
    work()
    at.run()
    (upload,) = uploads.list_uploads(visitor_of(at))
    assert (upload.group_names, upload.group_column) == (("A", "B", "C"), 2)
    assert at.selectbox[2].value == 2


def test_a_dataset_of_one_example_per_class_can_be_run(tmp_path):
    for side, first in (("train", 0), ("test", 10)):
        rows = "".join(f"{distinct_text(first + n)}\t{'ab'[n]}\n" for n in range(2))
        (tmp_path / f"{side}.tsv").write_text(f"text\tlabel\n{rows}")
    at = data_page()
    for _ in uploads.import_upload(tmp_path, visitor=visitor_of(at)):
        pass
    at.query_params |= {"data": only_upload(at).key, "per_class": "1", "approach": "transfer"}
    at.switch_page("run.py").run()
    assert not at.exception
    assert "At most 2 in all" in words(at)


def test_an_upload_is_shown_to_its_owner_only():
    key = only_upload(page_of_upload()).key
    stranger = data_page(data=key)
    assert "belongs to somebody else" in words(stranger)
    assert "Pasted rows" not in words(stranger)


def test_deleted_data_is_reported():
    at = page_of_upload()
    key = only_upload(at).key
    uploads.delete(key)
    assert "was deleted" in words(at.run())


def test_a_link_to_a_run_gives_no_use_of_its_data():
    at = page_of_upload()
    key = only_upload(at).key
    run = get_store().enqueue(Plan(data=key, approach="simple"), visitor_of(at))
    get_store().request_cancel(run)
    own, strangers = (run_buttons(page, run) for page in (at, data_page()))
    assert "Run again" in own
    assert strangers == []


def run_buttons(at, run: str) -> list[str]:
    """Return the labels of the buttons on a run's page."""
    for name in list(at.query_params):
        del at.query_params[name]
    at.query_params.update(address(run, visitor_of(at)))
    at.switch_page("run.py").run()
    assert not at.exception, at.exception
    return [button.label for button in at.button]


def test_an_import_of_another_visitor_is_not_shown():
    at = paste(data_page(), ROWS)
    reading = get_store().claim("test", needs_torch=False)
    assert reading.visitor == visitor_of(at)
    assert data_page(reading=reading.id).title[0].value == "Your own data"


def test_deleting_removes_the_data_and_its_examples_from_runs():
    at = page_of_upload()
    upload = only_upload(at)
    run = get_store().enqueue(
        Plan(data=upload.key, approach="simple"), visitor_of(at), worker="test"
    )
    get_store().append(run, [WatchedExamples(indices=[0], inputs=["private"], labels=[0])])
    finish_check(at)
    press(at, "Delete it for good")
    assert uploads.list_uploads(visitor_of(at)) == []
    assert get_store().find_latest("check", upload.key) is None
    assert [event.inputs for _, event in get_store().read_events(run)] == [[""]]


@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_finding_has_its_title_effect_and_examples(severity):
    at = finish_check(page_of_upload(), [make_finding(severity)])
    assert not at.exception
    assert escape_markdown(f"4 texts are there twice ({severity})") in words(at)
    assert escape_markdown("They count double.") in words(at)
    assert "the double" in str([part.proto.json for part in at.get("bidi_component")])


def test_a_check_without_findings_says_so():
    at = finish_check(page_of_upload())
    assert "Nothing is wrong that Thaw can see" in words(at)
    assert "doubles" in words(at)


def test_the_check_says_what_the_backbone_cannot_see():
    at = finish_check(page_of_upload(), facts={"remarks": ["Small details are lost."]})
    assert escape_markdown("Small details are lost.") in words(at)


def test_an_enabled_fix_goes_into_the_run():
    at = finish_check(page_of_upload(), [make_finding()])
    at.toggle[0].set_value(True).run()
    press(at, "Run it on this data")
    assert not at.exception
    assert at.title[0].value == "Run an approach"
    assert at.selectbox(key="data").value == only_upload(at).key


def test_suggested_answers_can_be_changed():
    at = finish_check(page_of_upload())
    key = only_upload(at).key
    assert at.radio(key=f"data_volume-{key}").value == "limited"
    assert "Hybrid" in words(at)
    at.radio(key=f"specificity-{key}").set_value("common").run()
    assert "Transfer learning" in words(at)
    assert "Measured" in words(at)


def test_a_failed_check_says_why_and_can_be_repeated():
    at = page_of_upload()
    first = get_store().find_latest("check", only_upload(at).key)
    get_store().append(first.id, [JobFailed("The memory was not enough.", 1.0)])
    at.run()
    assert escape_markdown("The memory was not enough.") in words(at)
    press(at, "Look again")
    assert get_store().find_latest("check", only_upload(at).key).id != first.id


@pytest.mark.parametrize("data", datasets.BUNDLED_DATASETS)
def test_every_sample_can_be_checked(data):
    at = data_page(data=data)
    assert not at.exception
    assert get_store().find_latest("check", data).job.data == data


@pytest.mark.parametrize("data", ["nothing", "own-doesnotexist", "own-../../x", ""])
def test_an_unknown_dataset_is_no_error(data):
    at = data_page(data=data)
    assert not at.exception


@pytest.mark.parametrize("reading", ["nothing", ""])
def test_an_unknown_import_leads_to_the_start(reading):
    assert data_page(reading=reading).title[0].value == "Your own data"


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_escaped(name):
    """Every mark that Markdown or Streamlit would act on is escaped."""
    escaped = escape_markdown(name)
    marks = "\\`*_{}[]()#+-.!|<>~$&^="
    bare = [
        mark
        for before, mark in pairwise(" " + escaped)
        if mark in marks and mark != "\\" and before != "\\"
    ]
    assert bare == []
    assert ":red" not in escaped
    assert "://" not in escaped.replace("\\", "")
    assert escaped.replace("\\", "").replace("\u2060", "") == name.replace("\\", "")


def test_hostile_labels_are_shown_as_text():
    rows = "".join(f"{distinct_text(n)}\t{HOSTILE[n % len(HOSTILE)]}\n" for n in range(80))
    at = finish_check(page_of_upload(rows), [make_finding(title=HOSTILE[1], names=tuple(HOSTILE))])
    assert not at.exception
    shown = words(at)
    assert "<script>" not in shown
    assert "**bold** and" not in shown
    figure = json.dumps([part.proto.json for part in at.get("bidi_component")])
    assert "<b>" not in figure
    assert not [markdown for markdown in at.markdown if markdown.allow_html]


def test_the_run_page_offers_uploads_with_their_number_of_examples():
    at = page_of_upload()
    upload = only_upload(at)
    at.query_params.clear()
    at.query_params["data"] = upload.key
    at.switch_page("run.py").run()
    assert not at.exception
    assert at.selectbox(key="data").value == upload.key
    assert "32 in all" in words(at)
    press(at, "Start")
    assert get_store().list_runs(visitor_of(at))[0].job.examples_per_class is None


@pytest.mark.parametrize("end", [JobFailed("It broke.", 1.0), JobCancelled(1.0)])
def test_a_run_on_deleted_data_can_still_be_opened(end):
    at = page_of_upload()
    upload = only_upload(at)
    run = get_store().enqueue(
        Plan(data=upload.key, approach="simple"), visitor_of(at), worker="test"
    )
    get_store().append(run, [end])
    assert not isinstance(end, RunFinished)
    uploads.delete(upload.key)
    at.query_params.clear()
    at.query_params["run"] = run
    at.switch_page("run.py").run()
    assert not at.exception
