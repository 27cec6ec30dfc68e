"""The section of a run's page on the scores of classes and groups, without a browser."""

import csv
import json

import numpy as np
import pytest

from pages.parts.figures import subgroups
from tests.pages.test_mistakes_page import ANN, BOB, all_shown, digits, drawn
from tests.pages.test_pages import words
from trainers import datasets
from trainers.datasets import uploads
from trainers.evaluation.subgroups import SubgroupScore
from trainers.reports.report import render_stored_report
from trainers.store import get_store

__all__ = ["digits"]


def fair(*given, **more):
    at = drawn(*given, **more)
    at.session_state["section"] = "fair"
    return at.run()


def test_scores_of_classes_are_said_drawn_and_listed(digits):
    labels, answers, sure = digits
    at = fair(labels, answers, sure)
    assert not at.exception
    shown = words(at)
    assert "No class is clearly apart from the others" in shown
    assert "| class | right | right when it says so |" in shown
    assert "could still be chance" in shown
    assert "This data names no groups" in shown
    assert "What to do about a gap" in shown
    (chart,) = [one for one in at.get("bidi_component") if one.key == "fair-class"]
    assert "No class is clearly apart" in json.loads(chart.proto.json)["alt"]


def test_a_class_that_fares_clearly_worse_is_named(digits):
    labels, _, sure = digits
    answers = [7 if label == 3 and n % 2 else label for n, label in enumerate(labels)]
    shown = words(fair(labels, answers, sure))
    assert "Class 3: fewer are right than of the others together" in shown.replace("\u2060", "")
    assert "◆ clearly apart |" in shown


@pytest.fixture
def texts(tmp_path):
    """Ann's own texts with a column of groups, and answers that fail the small group."""
    path = tmp_path / "texts.csv"
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label", "speech"])
        rows.writerows(
            [f"{speech} {name} number {n * 7919 % 1009}", name, f"<b>{speech}</b>"]
            for n in range(100)
            for name in "xy"
            for speech in ("plain", "broad")
        )
    reading = uploads.import_upload(path, visitor=ANN, group_column="speech")
    while True:
        try:
            next(reading)
        except StopIteration as end:
            key = f"own-{end.value}"
            break
    test = datasets.get_dataset(key).load_splits(1).test
    broad = [test.group_names[group] == "<b>broad</b>" for group in test.groups]
    answers = np.where(broad, 1 - test.labels, test.labels)
    return key, test.labels.tolist(), answers.tolist(), [0.9] * len(answers)


def test_a_report_for_others_is_without_the_groups_and_the_key_of_the_data(texts):
    key, *given = texts
    drawn(*given, data=key, classes="xy")
    (run,) = get_store().list_runs(ANN, limit=1)
    told, by_others = render_stored_report(run), render_stored_report(run, owner=False)
    assert "broad" in told
    assert f"thaw run --data {key}" in told
    assert "broad" not in by_others
    assert key not in by_others


def test_groups_are_scored_for_their_visitor_alone(texts):
    key, *given = texts
    mine = fair(*given, data=key, classes="xy")
    assert not mine.exception
    shown = words(mine)
    assert "fewer are right than of" in shown
    assert "| group | right |" in shown
    assert "\\<b\\>broad" in shown  # a visitor's words are no markup
    theirs = fair(*given, data=key, classes="xy", by=BOB)
    assert not theirs.exception
    assert "broad" not in all_shown(theirs)
    assert "No groups are shown" in words(theirs)
    assert "| class | right |" in words(theirs)


def test_deleted_data_leaves_the_scores_of_classes(texts):
    key, *given = texts
    uploads.delete(key)
    at = fair(*given, data=key, classes="xy")
    assert not at.exception
    assert "| class | right |" in words(at)
    assert "No groups are shown" in words(at)


def test_what_is_clear_is_told_by_shape_and_the_lowest_is_on_top():
    parts = [
        SubgroupScore("<i>good", 9, 10, 0.9, 0.6, 0.98),
        SubgroupScore("none", 0, 0, None, None, None),
        SubgroupScore("poor", 1, 10, 0.1, 0.02, 0.4),
    ]
    figure = subgroups.subgroup_scores(parts, {"poor"}, 0.5, "#112233")
    (marks,) = figure["data"]
    assert marks["x"] == pytest.approx([10, 90])
    assert marks["marker"]["symbol"] == ["diamond", "circle-open"]
    assert figure["layout"]["yaxis"]["ticktext"] == ["poor", "&lt;i&gt;good"]
    assert figure["layout"]["height"] > 0


def test_of_very_many_classes_the_lowest_are_drawn():
    parts = [SubgroupScore(f"c{n}", n, 100, n / 100, 0.0, 1.0) for n in range(60)]
    (marks,) = subgroups.subgroup_scores(parts, set(), 0.5, "#112233")["data"]
    assert marks["x"] == pytest.approx(list(range(subgroups.MAX_ROWS)))
