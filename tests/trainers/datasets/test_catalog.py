"""The catalog: its rows, what is downloaded, and how to get the rest."""

import re

import pytest

from guide import Answers
from tests.support.publisher import SERVED
from trainers import datasets
from trainers.__main__ import main
from trainers.datasets import catalog, downloads, publishers
from trainers.datasets.uploads import BadUpload
from trainers.datasets.uploads.limits import MAX_USED_EXAMPLES
from trainers.plan import BadPlan, Plan
from trainers.system.registry import UnknownKey

# --- known, here, forgotten -------------------------------------------------------------------


every_row = pytest.mark.parametrize("row", catalog.CATALOG.values(), ids=lambda row: row.key)
COMMIT = "c" * 40


def test_every_row_has_a_stand_in():
    assert list(SERVED) == list(catalog.CATALOG)


@every_row
def test_what_is_not_here_is_said_with_how_to_get_it_and_its_size(row):
    assert not catalog.is_downloaded(row.key)
    command = f"{catalog.format_size(row.download_bytes)}: thaw download {row.key}$"
    with pytest.raises(UnknownKey) as caught:
        datasets.get_dataset(row.key)
    assert re.search(command, str(caught.value))
    with pytest.raises(BadPlan, match=command):
        Plan(data=row.key, approach="transfer")


@every_row
def test_every_row_tells_what_a_visitor_should_know(row):
    Answers(modality=row.modality, **row.matching_answers)
    assert row.key not in datasets.BUNDLED_DATASETS
    assert row.description.endswith((".", "…"))
    assert min(len(row.source), len(row.licence), len(row.subset)) > 2
    most_train, most_test = MAX_USED_EXAMPLES[row.modality]
    assert 0 < row.train_examples <= most_train
    assert 0 < row.test_examples <= most_test


@pytest.mark.parametrize("key", publishers.HUB_TABLES)
def test_numbered_labels_have_as_many_names_as_there_are_classes(key):
    assert len(publishers.HUB_TABLES[key].class_names) in (0, catalog.CATALOG[key].classes)


def test_only_fixed_states_are_downloaded_where_they_are_known():
    loose = {
        k for k, t in publishers.HUB_TABLES.items() if not re.fullmatch("[0-9a-f]{40}", t.revision)
    }
    assert loose == {"medical_abstracts"}


def test_a_downloaded_one_can_be_deleted_and_runs_on_it_still_be_read(
    publisher, monkeypatch, capsys
):
    SERVED["emotion"](publisher, monkeypatch)
    assert main(["delete-data", "emotion", "--yes"]) == 2
    assert "thaw download emotion" in capsys.readouterr().err
    list(downloads.download("emotion"))
    assert main(["datasets"]) == 0
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("emotion"))
    assert "downloaded" in line
    plan = Plan(data="emotion", approach="simple")
    assert main(["delete-data", "emotion", "--yes"]) == 0
    assert not list(catalog.dataset_dir("emotion").glob("*.bin"))
    assert not catalog.is_downloaded("emotion")
    assert "emotion" not in [sample.key for sample in datasets.list_available()]
    assert Plan.from_json(plan.as_json()) == plan
    with pytest.raises(BadUpload, match="deleted"):
        datasets.get_dataset("emotion").load_splits()
    list(downloads.download("emotion"))
    assert len(datasets.get_dataset("emotion").load_splits().test.labels) == 4


def test_here_is_what_comes_with_thaw_and_what_was_downloaded():
    assert datasets.list_available() == list(datasets.BUNDLED_DATASETS.values())


def test_an_unknown_one_is_said():
    with pytest.raises(UnknownKey, match="Did you mean 'pets'"):
        list(downloads.download("pet"))
