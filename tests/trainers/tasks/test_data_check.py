"""A checkup, and `thaw advise`: one look at the data, from worker and terminal."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from guide import QUESTIONS, UNSURE, Answers, advise
from tests.support import toys
from trainers import data_checks as health_check, jobs
from trainers.__main__ import main
from trainers.backbones import BackboneNotDownloaded
from trainers.data_checks.findings import Finding
from trainers.datasets import uploads
from trainers.events import JobCancelled, JobDone, Notice, Progress, Stage, from_json
from trainers.jobs import DataCheck
from trainers.plan import BadPlan
from trainers.tasks import data_check as checkups
from trainers.tasks.advise_data import format_page, to_document
from trainers.tasks.data_check import run_data_check

STAGES = ["read", "features", "findings", "specificity", "pace"]


def never() -> bool:
    return False


def looked(data: str, **settings) -> list:
    return list(run_data_check(DataCheck(data=data, **settings), should_stop=never))


@pytest.fixture
def health(monkeypatch):
    """The health check is a toy that finds what it is given."""
    found: list[Finding] = []

    def given(sample, data, seen, seconds):
        assert len(seen) <= len(data.train.labels)
        yield Progress(1, 1, 0.0, "checks")
        return found

    monkeypatch.setattr(health_check, "run_checks", given)
    monkeypatch.setattr(health_check, "describe_checks", lambda modality: ("doubles", "blanks"))
    return found


DOUBLES = Finding(
    key="doubles", title="5 are twice", count=5, effect="Leave them out.", severity="warning",
    lowers_quality=True,
)  # fmt: skip


@pytest.mark.parametrize("data", ["colours", "words", "nameless", "lone", "crowd", "one_class"])
def test_a_checkup_tells_each_part_and_ends_with_what_it_found(data, toy, health):
    events = looked(data)
    assert [event.key for event in events if isinstance(event, Stage)] == STAGES
    assert any(isinstance(event, Progress) for event in events)
    assert [event for event in events if isinstance(event, JobDone)] == events[-1:]
    times = [event.seconds for event in events]
    assert times == sorted(times)
    assert [
        from_json(json.loads(json.dumps(e.as_json(), allow_nan=False))) for e in events
    ] == events
    found = events[-1].result
    assert found.keys() == {"findings", "checked", "answers", "evidence", "facts"}
    assert found["answers"].keys() == QUESTIONS.keys()
    assert found["answers"]["reuse"] == UNSURE
    assert found["answers"]["data_quality"] == "good"
    advise(Answers(**found["answers"]))
    assert found["evidence"].keys() == QUESTIONS.keys() - {"reuse"}
    assert all(evidence["says"] for evidence in found["evidence"].values())


def test_findings_are_handed_on_and_lower_the_quality(toy, health):
    health.append(DOUBLES)
    found = looked("colours")[-1].result
    assert found["findings"] == [DOUBLES.as_json()]
    assert found["checked"] == ["doubles", "blanks"]
    assert found["answers"]["data_quality"] == "mixed"


def test_the_budget_is_that_of_the_job(toy, health):
    found = looked("colours", seconds=7200)[-1].result
    assert found["answers"]["compute"] == "hours"
    assert found["evidence"]["compute"]["budget_seconds"] == 7200


def test_what_there_was_no_time_to_look_at_is_said(toy, health, monkeypatch):
    monkeypatch.setattr(checkups, "FEATURE_SECONDS", 0)
    (notice,) = [event for event in looked("colours") if isinstance(event, Notice)]
    assert "Of 90 training examples" in notice.text


@pytest.mark.parametrize("after", range(len(STAGES)))
def test_a_checkup_that_is_stopped_ends_at_once(after, toy, health):
    stopped = []
    events = []
    for event in run_data_check(DataCheck(data="colours"), should_stop=lambda: bool(stopped)):
        events.append(event)
        if isinstance(event, Stage) and event.key == STAGES[after]:
            stopped.append(True)
    assert isinstance(events[-1], JobCancelled)
    assert [event.key for event in events if isinstance(event, Stage)] == STAGES[: after + 1]


def test_it_is_the_job_that_workers_do(toy, health):
    job = DataCheck(data="colours", backbone="eye", seconds=5)
    assert jobs.from_json("check", job.as_json()) == job
    assert jobs.KINDS[jobs.kind_of(job)].needs_torch
    *_, done = jobs.run_job(job, should_stop=never)
    assert done.result["answers"]["modality"] == "images"


@pytest.mark.parametrize(
    ("job", "error"),
    [
        (DataCheck(data="nothing"), BadPlan),
        (DataCheck(data="digits", backbone="minilm"), BadPlan),
        (DataCheck(data="digits", seconds=0), BadPlan),
        (DataCheck(data="own-0123456789"), BadPlan),
        (DataCheck(data="digits", backbone="resnet18"), BackboneNotDownloaded),
    ],
)
def test_what_no_run_could_use_is_refused_in_the_same_words(job, error, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(error):
        next(run_data_check(job, should_stop=never))


# --- in the terminal ---------------------------------------------------------------------------


@pytest.fixture
def photos(tmp_path):
    """A zip of two kinds of noise, 12 of each."""
    file = tmp_path / "photos.zip"
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(file, "w") as packed:
        for name, light in (("dark", 0), ("light", 120)):
            for number in range(12):
                picture = rng.integers(light, light + 120, (40, 40, 3)).astype(np.uint8)
                with packed.open(f"{name}/{number}.png", "w") as out:
                    Image.fromarray(picture).save(out, "PNG")
    return file


def test_json_is_one_document_with_advice_answers_and_evidence(photos, root):
    done = subprocess.run(
        [sys.executable, "-m", "trainers", "advise", "--data", str(photos), "--json"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    answers = Answers(**found["answers"])
    assert found.keys() == advise(answers).as_json().keys() | {
        "answers", "evidence", "findings", "checked", "facts",
    }  # fmt: skip
    assert {key: found[key] for key in advise(answers).as_json()} == json.loads(
        json.dumps(advise(answers).as_json())
    )
    assert (answers.modality, answers.data_volume) == ("images", "limited")
    assert found["evidence"]["compute"]["budget_seconds"] == 60
    assert set(found["evidence"]["compute"]["per_approach"]) >= {"transfer", "hybrid", "fine_tune"}
    assert "dark: " in done.stderr  # what was read is told, beside the document


def test_what_was_found_in_an_upload_is_kept_with_it(photos):
    reading = uploads.import_upload(photos)
    while True:
        try:
            next(reading)
        except StopIteration as end:
            key = f"own-{end.value}"
            break
    assert uploads.load_check(key) is None
    done = looked(key)[-1]
    assert uploads.load_check(key) == json.loads(json.dumps(done.result))
    assert done.result["checked"] == list(health_check.describe_checks("images"))


def test_a_table_is_read_by_the_columns_that_were_named(toy, health, tmp_path, capsys):
    split = toys.words(8, 0).train
    rows = [f"{n},{text},{label}" for n, (text, label) in enumerate(zip(*split[:2], strict=True))]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["nr,said,kind", *rows]))
    columns = ["--text-column", "said", "--label-column", "kind"]
    assert main(["advise", "--data", str(table), *columns, "--json"]) == 0
    evidence = json.loads(capsys.readouterr().out)["evidence"]
    assert evidence["data_volume"]["examples"] < 24  # some are for the test
    assert main(["advise", "--data", str(table), "--label-column", "colour", "--json"]) == 2
    assert capsys.readouterr().out == ""


def test_the_page_says_what_the_document_says(toy, health, capsys):
    health.append(DOUBLES)
    assert main(["advise", "--data", "words", "--seconds", "5"]) == 0
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert max(map(len, lines)) <= 88
    page = " ".join(told.out.split())
    found = looked("words", seconds=5)[-1].result
    for key in ("data_volume", "data_quality", "specificity"):
        assert " ".join(found["evidence"][key]["says"].split()) in page
    assert "The budget is 5 s." in page
    assert "5 are twice. Leave them out." in page
    assert to_document(found)["approach"] == advise(Answers(**found["answers"])).approach
    assert advise(Answers(**found["answers"])).strength_text in page


@pytest.mark.parametrize(
    ("counts", "examples"),
    [((40, 40), "40 examples"), ((10, 200), "all examples"), ((0, 0), "5 examples")],
)
def test_the_page_begins_with_the_data_and_the_budget_that_were_looked_at(counts, examples):
    volume = {"fewest": min(counts), "most": max(counts), "examples": sum(counts), "says": "So."}
    answer = "moderate" if sum(counts) else "none"
    found = {
        "answers": {"modality": "text", "data_volume": answer, "compute": "minutes"},
        "evidence": {"data_volume": volume, "compute": {"budget_seconds": 90.0, "says": "90 s."}},
        "findings": [],
        "checked": [],
        "facts": {"remarks": []},
    }
    assert f"on minilm, 90 seconds, {examples} of each class." in " ".join(
        format_page(found).split()
    )
    assert "on distilbert, 90" in " ".join(format_page(found, "distilbert").split())


def test_where_nothing_is_wrong_the_page_says_what_was_looked_at(toy, health):
    found = looked("words")[-1].result
    assert "No faults found. Looked at: doubles, blanks." in format_page(found)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([], "--data"),
        (["--data", "digit"], "Did you mean 'digits'?"),
        (["--data", "digits", "--backbone", "minilm"], "reads text"),
        (["--data", "digits", "--backbone", "resnet18"], "download resnet18"),
        (["--data", "digits", "--seconds", "0"], "budget"),
        (["--data", "nowhere/photos.zip"], "no file or folder"),
    ],
    ids=["nothing", "data", "backbone", "not-here", "seconds", "path"],
)
def test_what_cannot_be_asked_for_is_one_line_and_exit_2(
    wrong, words, capsys, monkeypatch, tmp_path
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert main(["advise", *wrong, "--json"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert words in line
