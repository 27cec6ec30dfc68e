"""Section "Score per class and group" of a run's page, without a browser."""

import csv
import json

import numpy as np
import pytest

from pages.parts.figures import subgroups
from tests.pages.test_mistakes_page import ANN, BOB, all_content, digits, open_page
from tests.pages.test_pages import words
from trainers import datasets
from trainers.datasets import uploads
from trainers.evaluation.subgroups import SubgroupScore
from trainers.reports.report import render_stored_report
from trainers.store import get_store
from trainers.system.streams import drain

__all__ = ["digits"]


def open_section(*predictions, **options):
    at = open_page(*predictions, **options)
    at.session_state["section"] = "fair"
    return at.run()


def test_scores_of_classes_are_described_drawn_and_listed(digits):
    labels, answers, confidence = digits
    at = open_section(labels, answers, confidence)
    assert not at.exception
    shown = words(at)
    assert "No class is clearly apart from the others" in shown
    assert "| class | right | right when it says so |" in shown
    assert "could still be chance" in shown
    assert "This data names no groups" in shown
    assert "What to do about a gap" in shown
    (chart,) = [part for part in at.get("bidi_component") if part.key == "fair-class"]
    assert "No class is clearly apart" in json.loads(chart.proto.json)["alt"]


def test_a_clearly_worse_class_is_named(digits):
    labels, _, confidence = digits
    answers = [7 if label == 3 and n % 2 else label for n, label in enumerate(labels)]
    shown = words(open_section(labels, answers, confidence))
    assert "Class 3: fewer are right than of the others together" in shown.replace("\u2060", "")
    assert "◆ clearly apart |" in shown


@pytest.fixture
def texts(tmp_path):
    """Return Ann's upload with a group that is always wrong: key, labels, answers, confidence."""
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
    key = f"own-{drain(uploads.import_upload(path, visitor=ANN, group_column='speech'))}"
    test = datasets.get_dataset(key).load_splits(1).test
    broad = [test.group_names[group] == "<b>broad</b>" for group in test.groups]
    answers = np.where(broad, 1 - test.labels, test.labels)
    return key, test.labels.tolist(), answers.tolist(), [0.9] * len(answers)


def test_a_report_for_others_has_neither_the_groups_nor_the_key_of_the_data(texts):
    key, *predictions = texts
    open_page(*predictions, data=key, classes="xy")
    (run,) = get_store().list_runs(ANN, limit=1)
    report, shared = render_stored_report(run), render_stored_report(run, owner=False)
    assert "broad" in report
    assert f"thaw run --data {key}" in report
    assert "broad" not in shared
    assert key not in shared


def test_groups_are_scored_for_their_owner_only(texts):
    key, *predictions = texts
    own_page = open_section(*predictions, data=key, classes="xy")
    assert not own_page.exception
    shown = words(own_page)
    assert "fewer are right than of" in shown
    assert "| group | right |" in shown
    assert "\\<b\\>broad" in shown  # shown as text, not as markup
    page = open_section(*predictions, data=key, classes="xy", viewer=BOB)
    assert not page.exception
    assert "broad" not in all_content(page)
    assert "No groups are shown" in words(page)
    assert "| class | right |" in words(page)


def test_class_scores_stay_when_the_data_is_deleted(texts):
    key, *predictions = texts
    uploads.delete(key)
    at = open_section(*predictions, data=key, classes="xy")
    assert not at.exception
    assert "| class | right |" in words(at)
    assert "No groups are shown" in words(at)


def test_clear_gaps_have_a_marker_of_their_own_and_the_lowest_is_on_top():
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


def test_only_the_lowest_of_many_classes_are_drawn():
    parts = [SubgroupScore(f"c{n}", n, 100, n / 100, 0.0, 1.0) for n in range(60)]
    (marks,) = subgroups.subgroup_scores(parts, set(), 0.5, "#112233")["data"]
    assert marks["x"] == pytest.approx(list(range(subgroups.MAX_ROWS)))
