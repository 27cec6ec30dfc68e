"""Groups that a visitor names in data of their own, and the scores by them."""

import csv
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.trainers.reports.test_report import finished
from trainers import datasets
from trainers.__main__ import main
from trainers.datasets import uploads
from trainers.datasets.uploads import BadUpload
from trainers.evaluation.subgroups import find_gaps, score_groups
from trainers.events import PredictionsRecorded
from trainers.plan import Plan
from trainers.reports.mistakes import load_test_examples
from trainers.reports.model_card import render_card
from trainers.reports.report import render_report
from trainers.store import get_store
from trainers.training.run import run

# The same wishes in two dialects; of the second there are few to learn from.
SAID = {
    "standard": {"refund": "I want my money back for the {}", "delivery": "where is my new {}"},
    "dialect": {"refund": "gie us ma siller fer yon {}", "delivery": "whaur's thon {} o mine"},
}
THINGS = ("kettle", "lamp", "phone", "chair", "radio", "drill", "coat", "watch", "bike", "tent")


def rows(standard=20, dialect=20) -> list[tuple[str, str, str]]:
    return [
        (f"{text.format(THINGS[n % 10])} {n * 7919 % 1009}", label, group)
        for group, many in (("standard", standard), ("dialect", dialect))
        for label, text in SAID[group].items()
        for n in range(many)
    ]


def table(path: Path, given=None, header=("message", "intent", "speech")) -> Path:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *(given or rows())])
    return path


def kept(path: Path, **columns) -> uploads.UploadedDataset:
    reading = uploads.import_upload(path, **columns)
    while True:
        try:
            next(reading)
        except StopIteration as end:
            return datasets.get_dataset(f"own-{end.value}")


def picture(number: int) -> bytes:
    rng = np.random.default_rng(number)
    out = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (12, 12, 3), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


def folders(path: Path, *names: str, each=6) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for place, name in enumerate(names):
            for n in range(each):
                archive.writestr(f"{name}/{n}.png", picture(100 * place + n))
    return path


def grouped(sample: uploads.UploadedDataset) -> set[tuple[str, str]]:
    """(class, group) of the examples."""
    data = sample.load_splits()
    return {
        (data.classes[label], split.group_names[group])
        for split in (data.train, data.test)
        for label, group in zip(split.labels, split.groups, strict=True)
    }


def test_a_column_names_the_group_of_every_text(tmp_path):
    sample = kept(table(tmp_path / "t.csv"), group_column="speech")
    assert (sample.group_names, sample.group_column) == (("dialect", "standard"), 2)
    test = sample.load_splits().test
    assert len(test.inputs) == len(test.groups) > 0
    for text, group in zip(test.inputs, test.groups, strict=True):
        dialect = any(word in text for word in ("siller", "thon"))
        assert test.group_names[group] == ("dialect" if dialect else "standard")
    assert "group from 'speech'" in " ".join(sample.notices)


def test_without_a_word_no_column_is_a_group(tmp_path):
    sample = kept(table(tmp_path / "t.csv"))
    assert (sample.group_names, sample.group_column) == ((), None)
    assert sample.load_splits().test.groups is None


@pytest.mark.parametrize("name", ["speech", "type", "3"])
def test_the_column_of_the_groups_is_not_taken_for_the_label(tmp_path, name):
    """It has fewer different values, and may be called what labels are called."""
    header = ("message", "wish", "type" if name == "type" else "speech")
    given = [(text, f"{label} {n % 3}", group) for n, (text, label, group) in enumerate(rows())]
    sample = kept(table(tmp_path / "t.csv", given, header), group_column=name)
    assert sample.text_label_columns == (0, 1)
    assert sample.group_names == ("dialect", "standard")


def test_groups_are_told_of_data_that_is_the_runs_visitors_alone(tmp_path):
    """A run that was brought in from a file may name the data of another on the same server."""
    run = get_store().get_run(
        finished(kept(table(tmp_path / "t.csv"), group_column="3").key, "simple")
    )
    told = [event for _, event in get_store().read_events(run.id)]
    assert "dialect" in render_report(run, told)
    by_bob = render_report(replace(run, visitor="bob"), told)
    assert "dialect" not in by_bob
    assert run.job.data not in by_bob  # the key


@pytest.mark.parametrize("column", [None, "3"])
def test_a_card_knows_of_groups_where_the_report_beside_it_does(column, tmp_path):
    run = get_store().get_run(
        finished(kept(table(tmp_path / "t.csv"), group_column=column).key, "simple")
    )
    told = [event for _, event in get_store().read_events(run.id)]
    scores = render_card(run, told, None).partition("## Scores")[2].partition("## Limits")[0]
    assert ("Each group" in render_report(run, told)) == ("report.html" in scores) == bool(column)
    assert ("were not looked at" in scores) == (column is None)


def test_a_text_without_a_group_is_kept_and_told_apart(tmp_path):
    given = [(text, label, "" if group == "dialect" else group) for text, label, group in rows()]
    sample = kept(table(tmp_path / "t.csv", given), group_column="speech")
    assert sample.group_names == ("not given", "standard")


def test_other_groups_make_no_other_split(tmp_path):
    bare, named = kept(table(tmp_path / "a.csv")), kept(table(tmp_path / "b.csv"), group_column="3")
    assert bare.load_splits().test.inputs == named.load_splits().test.inputs


@pytest.mark.parametrize(
    ("column", "why"),
    [
        ("nowhere", "has no group column 'nowhere'"),
        ("intent", "another column than the text and the label"),
        ("number", "more than 50 different groups"),
    ],
)
def test_a_column_that_makes_no_groups_is_refused_in_words(tmp_path, column, why):
    given = [(*row, str(n)) for n, row in enumerate(rows())]
    path = table(tmp_path / "t.csv", given, ("message", "intent", "speech", "number"))
    with pytest.raises(BadUpload, match=why):
        kept(path, text_column="message", label_column="intent", group_column=column)


def test_folders_called_class_at_group_are_one_class_with_groups(tmp_path):
    sample = kept(folders(tmp_path / "p.zip", "ants@day", "ants@Night", "bees@day", "bees@night"))
    assert [name for name, _, _ in sample.class_counts] == ["ants", "bees"]
    assert grouped(sample) == {
        (name, group) for name in ("ants", "bees") for group in ("day", "Night")
    }
    assert "Folders are called class@group" in " ".join(sample.notices)


def test_folders_without_a_group_have_none_and_odd_names_stay_whole(tmp_path):
    sample = kept(folders(tmp_path / "p.zip", "@home", "me@"))
    assert [name for name, _, _ in sample.class_counts] == ["@home", "me@"]
    assert sample.group_names == ()
    assert sample.load_splits().test.groups is None


def test_some_folders_with_a_group_leave_the_others_not_given(tmp_path):
    sample = kept(folders(tmp_path / "p.zip", "ants@night", "ants", "bees", each=10))
    assert grouped(sample) == {("ants", "night"), ("ants", "not given"), ("bees", "not given")}


def test_a_run_is_scored_by_group_from_its_answers(tmp_path):
    """A dialect that is hardly among the training examples fares worse, and that is found."""
    given = rows(standard=60, dialect=60)
    train, test = [row for row in given if row[2] == "standard"][:80], given[80:]
    archive = tmp_path / "t.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name, some in (("train.csv", train), ("test.csv", test)):
            file.write(table(tmp_path / name, some), name)
    sample = kept(archive, group_column="speech")
    plan = Plan(data=sample.key, approach="simple")
    events = list(run(plan))
    answered = next(event for event in events if isinstance(event, PredictionsRecorded))
    split = load_test_examples(plan, answered, events[-1].classes)
    parts = {part.name: part for part in score_groups(answered, split.groups, split.group_names)}
    assert sum(part.right for part in parts.values()) == events[-1].test_correct
    assert sum(part.tests for part in parts.values()) == events[-1].test_examples
    assert parts["standard"].share > parts["dialect"].share
    (gap,) = find_gaps(list(parts.values()))
    assert (gap.name, gap.clear) == ("dialect", True)


def test_the_terminal_reads_groups_and_tells_them(tmp_path, capsys):
    path = str(table(tmp_path / "t.csv"))
    asked_for = ["run", "--data", path, "--approach", "simple", "--group-column", "speech"]
    assert main(asked_for) == 0
    assert main(asked_for) == 0  # read before, with the same column
    assert "already imported as own-" in capsys.readouterr().out
    advised = ["advise", "--data", path, "--seconds", "2", "--group-column", "speech"]
    assert main(advised) == 0
    assert "already imported as own-" in capsys.readouterr().out, (
        "every command means the same data"
    )
    assert main(["fairness", "last"]) == 0
    told = capsys.readouterr().out
    assert "dialect" in told
    assert "refund" in told
    assert "95 % interval" in told
    assert main(["fairness", "last", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {part["name"] for part in found["group"]["scores"]} == {"dialect", "standard"}
    assert found["class"]["words"]
    assert main(["report", "last", "--to", str(tmp_path / "report.html")]) == 0
    report = (tmp_path / "report.html").read_text("utf-8")
    assert "Each group" in report
    assert '<th scope="row">dialect</th>' in report
    assert found["group"]["words"][0] in report
    assert "Groups of people or things within a class are not in this report" not in report


def test_where_time_was_short_groups_are_those_of_the_examples_that_were_asked(tmp_path):
    sample = kept(table(tmp_path / "t.csv"), group_column="speech")
    test = sample.load_splits().test
    few = PredictionsRecorded(test.labels[:5].tolist(), test.labels[:5].tolist(), [], 1.0)
    split = load_test_examples(
        Plan(data=sample.key, approach="simple"), few, sample.load_splits().classes
    )
    assert split.groups.tolist() == test.groups[:5].tolist()


@pytest.mark.parametrize("key", ["last", "nothing"])
def test_no_run_is_one_line_and_exit_2(key, capsys):
    assert main(["fairness", key]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_deleted_data_leaves_the_scores_of_the_classes(tmp_path, capsys):
    path = str(table(tmp_path / "t.csv"))
    main(["run", "--data", path, "--approach", "simple", "--group-column", "speech"])
    (mine,) = uploads.list_uploads("terminal")
    uploads.delete(mine.key)
    capsys.readouterr()
    assert main(["fairness", "last"]) == 0
    told = capsys.readouterr()
    assert "Scores of groups are not available. This data was deleted" in told.err
    assert "refund" in told.out
    assert "dialect" not in told.out
