"""Uploads once they are stored: their split, their use, and their deletion."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.support.upload_files import (
    BLUE,
    PAIR,
    RED,
    ROWS,
    a_file,
    delimited,
    foldered,
    picture,
    two_classes,
    upload,
    zipped,
)
from trainers import datasets
from trainers.__main__ import main
from trainers.datasets import uploads
from trainers.datasets.uploads import BadUpload, storage
from trainers.plan import Plan
from trainers.store import get_store
from trainers.system.paths import run_dir
from trainers.system.registry import UnknownKey
from trainers.training.run import run

# --- splits -----------------------------------------------------------------------------------


def test_doubles_stay_on_one_side(tmp_path):
    rows = [(f"sentence {n % 40} here".upper() if n % 2 else f"sentence {n % 40}  here",
             "ab"[n % 40 < 20]) for n in range(400)]  # fmt: skip
    path = tmp_path / "t.csv"
    path.write_text(delimited(rows=rows))
    data = upload(path).load_splits()
    train, test = (
        {" ".join(t.casefold().split()) for t in s.inputs} for s in (data.train, data.test)
    )
    assert not train & test
    assert len(data.train.labels) + len(data.test.labels) == 400
    assert np.bincount(data.test.labels).tolist() == [40, 40]


def test_the_same_text_under_two_labels_stays_on_one_side(tmp_path):
    rows = [(f"text {n // 2}", "ab"[n % 2]) for n in range(200)]
    rows += [(f"only here {n}", "b") for n in range(50)]
    (tmp_path / "t.csv").write_text(delimited(rows=rows))
    data = upload(tmp_path / "t.csv").load_splits()
    assert not set(data.train.inputs) & set(data.test.inputs)
    assert len(data.train.labels) + len(data.test.labels) == 250


def test_what_is_in_the_users_test_is_not_learned(tmp_path):
    test = delimited(rows=ROWS[:4]).encode()
    path = foldered(tmp_path / "t", {"train.csv": delimited().encode(), "test.csv": test})
    found = upload(path)
    assert len(found.load_splits().train.labels) == len(ROWS) - 4
    assert any("4 training examples are also in the test" in told for told in found.notices)


def test_each_class_of_three_is_tested_and_the_split_is_always_the_same(tmp_path):
    rows = [
        (f"{kind} {n}", kind) for kind, many in (("a", 3), ("b", 50), ("c", 2)) for n in range(many)
    ]
    (tmp_path / "t.csv").write_text(delimited(rows=rows))
    (tmp_path / "u.csv").write_text(delimited(rows=rows[::-1]))
    first, again = (upload(tmp_path / f"{name}.csv") for name in "tu")
    assert [(learn, test) for _, learn, test in first.class_counts] == [(2, 1), (40, 10), (2, 0)]
    assert sorted(first.load_splits().test.inputs) == sorted(again.load_splits().test.inputs)
    assert any("No examples to test on of: c" in told for told in first.notices)


def test_fewer_per_class_stay_inside_more(tmp_path):
    found = upload(zipped(tmp_path / "up.zip", two_classes(20)))
    few, many = found.load_splits(3), found.load_splits(9)
    assert np.bincount(few.train.labels).tolist() == [3, 3]
    assert {p.tobytes() for p in few.train.inputs} < {p.tobytes() for p in many.train.inputs}
    assert np.array_equal(few.test.labels, many.test.labels)


# --- kept, used, deleted ----------------------------------------------------------------------


def test_an_upload_can_be_deleted_and_runs_on_it_still_be_read(tmp_path, home):
    key = upload(zipped(tmp_path / "up.zip", two_classes())).key
    plan = Plan(data=key, approach="transfer")
    uploads.delete(key)
    assert not list(home.rglob("*.bin"))
    assert Plan.from_json(plan.as_json()) == plan
    with pytest.raises(BadUpload, match="deleted"):
        datasets.get_dataset(key).load_splits()


def test_a_visitor_finds_uploads_again_and_nobody_elses(tmp_path):
    table, pictures = a_file("t.csv", delimited())(tmp_path), zipped(tmp_path / "up.zip", PAIR)
    began = time.time()
    first, others, last = (
        upload(path, visitor=visitor)
        for path, visitor in ((table, "anna"), (table, "ben"), (pictures, "anna"))
    )
    assert [found.key for found in uploads.list_uploads("anna")] == [last.key, first.key]
    assert uploads.list_uploads("ben") == [others]
    assert began <= first.created_at <= last.created_at <= time.time()
    taken = sum(
        f.stat().st_size for f in storage.dataset_dir(last.key).iterdir() if f.suffix != ".json"
    )
    assert (last.visitor, last.size_bytes) == ("anna", taken)
    uploads.delete(last.key)
    assert uploads.list_uploads("anna") == [first]
    assert (
        uploads.list_uploads("")
        == uploads.list_uploads("carl")
        == uploads.list_uploads("terminal")
        == []
    )
    assert upload(table).visitor == "terminal"


def test_the_beginning_of_a_reading_is_nobodys(tmp_path):
    reading = uploads.import_upload(a_file("t.csv", delimited())(tmp_path), visitor="anna")
    next(reading)
    assert uploads.list_uploads("anna") == []


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"{}", b"null", b'{"modality": 1}', b"\xff"])
def test_damaged_data_is_passed_over_and_can_be_deleted(damage, tmp_path, home):
    table = a_file("t.csv", delimited())(tmp_path)
    good, bad = (upload(table, visitor="anna") for _ in range(2))
    about = storage.dataset_dir(bad.key) / "about.json"
    about.write_bytes(damage)
    assert uploads.list_uploads("anna") == [good]
    with pytest.raises(UnknownKey, match="damaged"):
        datasets.get_dataset(bad.key)
    uploads.delete(bad.key)
    assert not about.parent.exists()


@pytest.mark.parametrize("key", ["own-", "own-../../x", "own-nothing-here", "own-" + "x" * 999])
def test_a_key_leads_nowhere_else(key):
    with pytest.raises(UnknownKey, match="is kept here"):
        datasets.get_dataset(key)


def test_closing_the_reading_keeps_nothing(tmp_path, home):
    reading = uploads.import_upload(zipped(tmp_path / "up.zip", two_classes()))
    next(reading)
    reading.close()
    assert not list((home / "data").iterdir())


@pytest.mark.parametrize("approach", ["transfer", "simple", "none"])
def test_runs_take_pictures_of_every_size(approach, tmp_path):
    files = {
        f"{name}/{n}.png": picture(colour, size=(20 + 9 * n, 90 - 5 * n), seed=n)
        for name, colour in (("red", RED), ("blue", BLUE))
        for n in range(10)
    }
    key = upload(zipped(tmp_path / "up.zip", files)).key
    finished = list(run(Plan(data=key, approach=approach, seconds=5)))[-1]
    assert finished.test_correct == finished.test_examples == 4


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["--data", "nowhere.csv", "--approach", "none"], "no file or folder nowhere.csv"),
        (["--data", "{table}", "--approach", "none", "--label-column", "x"], "no label column 'x'"),
        (["--data", "{table}", "--approach", "nun"], "No approach 'nun'"),
        (["--data", "{table}", "--approach", "none", "--backbone", "small_resnet"], "reads images"),
    ],
    ids=["no file", "column", "approach", "backbone"],
)
def test_bad_data_at_a_terminal_is_one_line_and_exit_2(wrong, words, tmp_path, capsys, home):
    table = a_file("t.csv", delimited())(tmp_path)
    assert main(["run", *(word.format(table=table) for word in wrong), "--json"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert words in told.err.splitlines()[-1]
    read = list(home.rglob("*.bin"))  # what was read in vain is not read again
    assert len(read) == ("reads images" in words)


def test_a_terminal_reads_the_same_table_once(tmp_path, capsys):
    table = a_file("t.csv", delimited())(tmp_path)
    keys = []
    for approach in ("simple", "none"):
        assert main(["run", "--data", str(table), "--approach", approach, "--json"]) == 0
        told = capsys.readouterr()
        keys.append(json.loads(told.out.splitlines()[-1])["data"])
    assert keys[0] == keys[1]
    assert f"already imported as {keys[0]}" in told.err


def test_a_terminal_runs_on_a_table_and_forgets_it(tmp_path, capsys):
    table = a_file("t.csv", delimited())(tmp_path)
    assert main(["run", "--data", str(table), "--approach", "simple", "--json"]) == 0
    told = capsys.readouterr()
    last = [json.loads(line) for line in told.out.splitlines()][-1]
    assert last["type"] == "finished"
    assert "ham: 5 for training, 1 for" in told.err
    run = get_store().list_runs("terminal")[0].id
    assert (run_dir(run) / "words.json").exists()
    assert main(["delete-data", last["data"], "--yes"]) == 0
    assert not run_dir(run).exists(), "the words of the table are in it"
    assert main(["run", "--data", last["data"], "--approach", "simple"]) == 1
    assert "deleted" in capsys.readouterr().err


def test_reading_brings_no_training_library(tmp_path, root):
    table = a_file("t.csv", delimited())(tmp_path)
    code = (
        "import sys\nfrom trainers import datasets\nfrom trainers.datasets import uploads\n"
        "reading = uploads.import_upload(sys.argv[1])\n"
        "while True:\n    try: next(reading)\n    except StopIteration as over:\n"
        "        key = 'own-' + over.value\n        break\n"
        "datasets.get_dataset(key).load_splits(1)\nassert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, table], cwd=root, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


# --- real data --------------------------------------------------------------------------------


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "counts"),
    [("hymenoptera.zip", {"ants", "bees"}), ("sms-spam", {"ham", "spam"})],
    ids=["hymenoptera", "sms-spam"],
)
def test_real_data_is_read_and_learned(name, counts, real_data):
    found = upload(real_data / name)
    assert {kind for kind, _, _ in found.class_counts} == counts
    assert any("SOURCE.md" in notice for notice in found.notices)
    plan = Plan(data=found.key, approach="transfer", examples_per_class=5, seconds=5)
    finished = list(run(plan))[-1]
    assert finished.train_examples == 10
    assert 0 < finished.test_examples <= found.test_examples
