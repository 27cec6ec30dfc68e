"""A resumed run continues at its checkpoint and ends with the same weights as without a break."""

import json
import math
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import trainers.training.run as trainers_run
from tests.trainers.training.test_run import of
from trainers.__main__ import main
from trainers.events import (
    CalibrationDone,
    JobCancelled,
    JobFailed,
    Notice,
    PhaseDone,
    PhaseStarted,
    PredictionsRecorded,
    Progress,
    RunFinished,
    RunResumed,
    RunStarted,
    Stage,
    Step,
    ValidationDone,
)
from trainers.plan import Plan
from trainers.reports.run_file import export_run, import_run
from trainers.store import FAILED, get_store, resume
from trainers.system import atomic, checkpoint_file
from trainers.system.paths import run_dir
from trainers.training import checkpoint
from trainers.training.recipes import build_phases
from trainers.training.run import run
from trainers.training.stages import network_phase
from trainers.workers.execute import execute

FILE = checkpoint_file.CHECKPOINT_FILE
MANY = 200  # of each class: enough validation examples to choose the best weights
CASES = {
    "transfer-images": {"approach": "transfer", "data": "colours"},
    "transfer-text": {"approach": "transfer", "data": "words"},
    "fine_tune-all": {"approach": "fine_tune", "data": "colours"},
    "fine_tune-all-many": {"approach": "fine_tune", "data": "colours", "examples_per_class": MANY},
    "fine_tune-lora": {"approach": "fine_tune", "data": "words"},
    "fine_tune-lora-many": {"approach": "fine_tune", "data": "words", "examples_per_class": MANY},
    "hybrid-all-many": {"approach": "hybrid", "data": "colours", "examples_per_class": MANY},
    "hybrid-lora": {"approach": "hybrid", "data": "words"},
    "hybrid-lora-images": {"approach": "hybrid", "data": "colours", "trainable": "lora"},
    "scratch": {"approach": "scratch", "data": "colours", "examples_per_class": 10},
}


@pytest.fixture(autouse=True)
def checkpoint_at_every_evaluation(monkeypatch):
    monkeypatch.setattr(checkpoint, "MIN_WRITE_INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr(checkpoint, "MAX_WRITE_TIME_SHARE", math.inf)


def plan(**settings) -> Plan:
    return Plan(**{"seconds": 20, **settings})


def cut(stream, over) -> list:
    """Return the events of a run until `over(events)`; then the run is abandoned."""
    events = []
    for event in stream:
        events.append(event)
        if over(events):
            stream.close()
            return events
    raise AssertionError("The run ended before it was interrupted.")


def evaluations(phase: int, count: int):
    """Interrupt at the step after `count` evaluations in the phase."""

    def over(events):
        seen = [event for event in of(ValidationDone, events) if event.phase == phase]
        return len(seen) == count and isinstance(events[-1], Step)

    return over


def during_refit(events) -> bool:
    """Interrupt in the middle of the refit."""
    stages = [event.key for event in of(Stage, events)]
    return stages[-1:] == ["refit"] and isinstance(events[-1], Progress) and events[-1].done > 3


MOMENTS = [
    ("transfer-images", evaluations(0, 4)),
    ("transfer-text", evaluations(0, 1)),
    ("fine_tune-all", evaluations(0, 1)),
    ("fine_tune-all", evaluations(0, 3)),
    ("fine_tune-all", during_refit),
    ("fine_tune-all-many", evaluations(0, 4)),
    ("fine_tune-all-many", during_refit),
    ("fine_tune-lora", evaluations(0, 3)),
    ("fine_tune-lora", during_refit),
    ("fine_tune-lora-many", evaluations(0, 3)),  # in the middle of an epoch
    ("hybrid-all-many", evaluations(0, 3)),
    ("hybrid-all-many", evaluations(1, 1)),
    ("hybrid-all-many", evaluations(1, 4)),
    ("hybrid-lora", evaluations(0, 3)),
    ("hybrid-lora", evaluations(1, 3)),
    ("hybrid-lora", during_refit),
    ("hybrid-lora-images", evaluations(1, 2)),
    ("scratch", evaluations(0, 5)),
]
NAMES = [f"{case}-{number}" for number, (case, _) in enumerate(MOMENTS)]


@pytest.mark.parametrize(("case", "over"), MOMENTS, ids=NAMES)
def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(case, over, toy, tmp_path):
    requested = plan(**CASES[case])
    cut(run(requested, folder=tmp_path / "b"), over)
    assert [file.name for file in (tmp_path / "b").iterdir()] == [FILE]
    at = checkpoint_file.read_checkpoint_header(tmp_path / "b")
    rest = list(run(requested, folder=tmp_path / "b"))
    assert not of(RunStarted, rest)
    first = (of(Step, rest) or of(Progress, rest))[0]
    assert first.step == at["step"] + 1 if isinstance(first, Step) else first.done > at["step"]
    uninterrupted = list(run(Plan.from_json(rest[-1].repeat_plan), folder=tmp_path / "a"))
    weights, resumed_weights = (load_file(tmp_path / name / "model.safetensors") for name in "ab")
    assert_equal_tensors(weights, resumed_weights)
    assert (
        of(PredictionsRecorded, uninterrupted)[0].confidence
        == of(PredictionsRecorded, rest)[0].confidence
    )
    assert (
        of(CalibrationDone, uninterrupted)[0].confidence == of(CalibrationDone, rest)[0].confidence
    )
    for name in ("confusion_matrix", "epochs", "trainable_parameters", "repeat_plan"):
        assert getattr(uninterrupted[-1], name) == getattr(rest[-1], name)
    later, all_evaluations = (
        losses(of(ValidationDone, rest)),
        losses(of(ValidationDone, uninterrupted)),
    )
    assert later == all_evaluations[len(all_evaluations) - len(later) :]


@pytest.mark.parametrize(
    "over", [evaluations(0, 3), evaluations(1, 2)], ids=["first part", "second part"]
)
def test_a_second_phase_that_does_not_help_keeps_the_refitted_head(
    over, toy, tmp_path, monkeypatch
):
    """Also in a resumed run, and in its exact repeat."""
    still = {"learning_rate": 0.0, "head_learning_rate": 0.0, "freeze_bn_below_steps": 10**6}

    def build_frozen(*args):
        head, body = build_phases(*args)
        return head, replace(body, **still)

    monkeypatch.setattr(trainers_run, "build_phases", build_frozen)
    monkeypatch.setattr(network_phase, "_head_temperature", lambda session: 1.0)
    requested = plan(**CASES["hybrid-all-many"])
    cut(run(requested, folder=tmp_path / "b"), over)
    end = list(run(requested, folder=tmp_path / "b"))[-1]
    named = Plan.from_json(end.repeat_plan)
    list(run(named, folder=tmp_path / "a"))
    first_part = replace(named, schedule=replace(named.schedule, steps=named.schedule.steps[:1]))
    list(run(first_part, folder=tmp_path / "first"))
    weights, resumed_weights, first = (
        load_file(tmp_path / name / "model.safetensors") for name in ("a", "b", "first")
    )
    assert_equal_tensors(weights, resumed_weights)
    (_, softer) = build_phases("hybrid", "images", "all")
    for name in ("head.linear.weight", "head.linear.bias"):
        assert torch.equal(weights[name], softer.head_logit_scale * first[name])


def assert_equal_tensors(first: dict, second: dict) -> None:
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def losses(events) -> list[tuple]:
    return [(e.phase, e.step, e.accuracy, e.loss, e.is_best, e.train_loss) for e in events]


# --- through the store ----------------------------------------------------------------------------


def interrupted(over=None, **settings) -> str:
    """Return a run of Ann's whose process died in the middle."""
    requested = plan(**CASES["fine_tune-lora"] | settings)
    runs = get_store()
    key = runs.enqueue(requested, "ann", worker="lost")
    for event in cut(run(requested, folder=run_dir(key)), over or evaluations(0, 3)):
        runs.append(key, [event])
    runs.remove_worker("lost", "The process that trained this was ended.")
    assert runs.get_run(key).state == FAILED
    return key


def execute_stored(key: str) -> list:
    runs = get_store()
    return list(execute(runs, key, runs.get_run(key).job, run, run_dir(key)))


def stored(key: str) -> list:
    return [event for _, event in get_store().read_events(key)]


def test_a_resumed_run_has_every_event_once_and_its_clock_continues(toy):
    lost = interrupted()
    point, before = resume.find_resume_point(lost), stored(lost)
    new = resume.resume_run(get_store(), lost, "ann")
    assert stored(new) == []  # it waits for a worker
    get_store().claim("worker")
    events = execute_stored(new)
    assert type(stored(new)[-1]) is type(events[-1]) is RunFinished
    assert [len(of(kind, events)) for kind in (RunStarted, PhaseStarted, PhaseDone)] == [1, 1, 1]
    (went_on,) = of(RunResumed, events)
    place = events.index(went_on)
    assert events[:place] == before[:place]
    assert went_on.seconds == point.seconds > 0
    times = [event.seconds for event in of(ValidationDone, stored(new))]
    assert times == sorted(times)
    steps = [event.step for event in of(ValidationDone, events)]
    assert steps == sorted(set(steps))
    assert stored(lost) == before
    copy = import_run(get_store(), export_run(get_store(), new).encode(), "bob")
    assert of(RunResumed, stored(copy)) == [went_on]


def test_late_events_of_a_lost_process_are_dropped(toy):
    lost = interrupted()
    new = resume.resume_run(get_store(), lost, "ann")
    before = stored(lost)
    get_store().append(lost, [Notice("I am back.", 99.0)])
    assert stored(lost) == before
    assert stored(new) == []


def test_checkpoints_are_deleted_once_the_run_has_its_score(toy):
    lost = interrupted()
    new = resume.resume_run(get_store(), lost, "ann", worker="worker")
    assert (run_dir(new) / FILE).exists()
    assert (run_dir(lost) / FILE).exists()
    execute_stored(new)
    assert [file.name for file in run_dir(new).iterdir()] == ["model.safetensors"]
    assert not (run_dir(lost) / FILE).exists()
    with pytest.raises(resume.CannotResume, match="before there was anything"):
        resume.resume_run(get_store(), lost, "ann")


def test_after_cancelling_a_resumed_run_the_source_can_be_resumed_again(toy):
    lost = interrupted()
    new = resume.resume_run(get_store(), lost, "ann", worker="worker")
    stream = execute(get_store(), new, get_store().get_run(new).job, run, run_dir(new))
    next(stream)
    stream.close()
    assert isinstance(stored(new)[-1], JobCancelled)
    assert not (run_dir(new) / FILE).exists()
    assert resume.find_resume_point(lost)
    assert resume.resume_run(get_store(), lost, "ann") != new


def test_a_run_is_resumed_once_unless_that_is_cancelled(toy):
    lost = interrupted()
    new = resume.resume_run(get_store(), lost, "ann")
    with pytest.raises(resume.CannotResume, match="goes on already"):
        resume.resume_run(get_store(), lost, "ann")
    assert (run_dir(new) / FILE).exists()
    get_store().request_cancel(new)
    assert not (run_dir(new) / FILE).exists()
    assert resume.resume_run(get_store(), lost, "ann") != new


def test_an_interrupted_resumed_run_can_be_resumed(toy):
    lost = interrupted(evaluations(0, 2))
    again = resume.resume_run(get_store(), lost, "ann", worker="lost too")
    stream = execute(get_store(), again, get_store().get_run(again).job, run, run_dir(again))
    for event in stream:
        if isinstance(event, ValidationDone) and event.step > resume.find_resume_point(lost).step:
            get_store().remove_worker("lost too", "Ended.")
            break
    assert next(stream) != stream.close()
    assert resume.find_resume_point(again).step >= resume.find_resume_point(lost).step
    last = resume.resume_run(get_store(), again, "ann", worker="worker")
    events = execute_stored(last)
    assert isinstance(events[-1], RunFinished)
    assert len(of(RunResumed, events)) == 2
    assert len(of(RunStarted, events)) == 1
    assert not (run_dir(lost) / FILE).exists()
    assert resume.resumed_from(get_store(), last) == again
    assert resume.resumed_by(get_store(), lost) == again


def test_a_run_whose_source_was_deleted_starts_anew(toy):
    lost = interrupted()
    new = resume.resume_run(get_store(), lost, "ann", worker="worker")
    get_store().delete([lost], "ann")
    assert resume.replayed_events(get_store(), new)  # it can still be restored
    with get_store().engine.begin() as sql:
        sql.exec_driver_sql("DELETE FROM events WHERE run_id = ?", (lost,))
    events = execute_stored(new)
    assert isinstance(events[0], RunStarted)
    assert not of(RunResumed, events)
    assert isinstance(events[-1], RunFinished)


def test_only_an_interrupted_run_is_resumed_by_its_visitor_alone(toy):
    lost = interrupted()
    with pytest.raises(resume.CannotResume, match="Only who started"):
        resume.resume_run(get_store(), lost, "bob")
    done = get_store().enqueue(plan(**CASES["transfer-text"]), "ann", worker="worker")
    execute_stored(done)
    with pytest.raises(resume.CannotResume, match="This run is finished"):
        resume.resume_run(get_store(), done, "ann")
    nothing = get_store().enqueue(plan(**CASES["transfer-text"]), "ann", worker="gone")
    get_store().remove_worker("gone", "Ended.")
    with pytest.raises(resume.CannotResume, match="Run it again"):
        resume.resume_run(get_store(), nothing, "ann")


@pytest.mark.parametrize("content", [b"", b"no tensors at all", b"\x08" + bytes(20)])
def test_a_broken_checkpoint_is_no_resume_point(content, toy):
    lost = interrupted()
    (run_dir(lost) / FILE).write_bytes(content)
    assert resume.find_resume_point(lost) is None


def test_a_checkpoint_of_another_version_is_ignored(toy):
    lost = interrupted()
    file = run_dir(lost) / FILE
    with safe_open(file, framework="pt") as opened:
        header = json.loads(opened.metadata()["standing"])
    save_file(load_file(file), file, {"standing": json.dumps(header | {"form": 99})})
    assert resume.find_resume_point(lost) is None


# --- checkpoints ----------------------------------------------------------------------------------


def test_a_full_disk_stops_no_run_and_gives_one_notice(toy, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    events = list(run(plan(**CASES["fine_tune-lora"]), folder=tmp_path / "run"))
    assert isinstance(events[-1], RunFinished)
    (notice,) = [event for event in of(Notice, events) if "this run stands" in event.text]
    assert "No space left" in notice.text
    assert not notice.is_limitation
    assert not list((tmp_path / "run").iterdir())


def test_an_interrupted_write_leaves_the_previous_file_intact(toy, tmp_path, monkeypatch):
    file = tmp_path / FILE
    checkpoint.write_tensors({"a": torch.ones(3)}, file)
    monkeypatch.setattr(atomic.os, "fsync", lambda _: (_ for _ in ()).throw(OSError("cut")))
    with pytest.raises(OSError, match="cut"):
        checkpoint.write_tensors({"a": torch.zeros(3)}, file)
    assert load_file(file)["a"].tolist() == [1, 1, 1]
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_checkpoints_are_written_only_now_and_then(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "MIN_WRITE_INTERVAL_SECONDS", 3.0)
    writer = checkpoint.CheckpointWriter(tmp_path)
    now = checkpoint.time.monotonic()
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now)

    def written_after(seconds, floats=1) -> bool:
        nonlocal now
        now += seconds
        (tmp_path / FILE).unlink(missing_ok=True)
        small = checkpoint.Checkpoint({"a": torch.zeros(floats)}, {})
        assert not list(writer.save(lambda: small, 1.0))
        return (tmp_path / FILE).exists()

    assert not written_after(2.9)
    assert written_after(0.2)
    assert not written_after(2.9)
    assert written_after(0.2)
    monkeypatch.setattr(checkpoint, "MAX_WRITE_TIME_SHARE", 0.01)
    writer = checkpoint.CheckpointWriter(tmp_path)  # it has not yet measured this disk
    assert not written_after(9.0, floats=int(checkpoint.DISK_BYTES_PER_SECOND / 4 / 10))
    assert written_after(1.1, floats=int(checkpoint.DISK_BYTES_PER_SECOND / 4 / 10))


def test_a_diverged_run_keeps_no_checkpoint(toy, tmp_path, monkeypatch):
    from trainers.training.stages import network_phase
    from trainers.training.validator import DivergenceError

    def diverge(*args, **kwargs):
        yield from ()
        raise DivergenceError("no number")

    folder = tmp_path / "run"
    cut(run(plan(**CASES["fine_tune-all"]), folder=folder), evaluations(0, 2))
    monkeypatch.setattr(network_phase, "train", diverge)
    with pytest.raises(DivergenceError):
        list(run(plan(**CASES["fine_tune-all"]), folder=folder))
    assert not (folder / FILE).exists()


# --- a process that is killed ---------------------------------------------------------------------

KILLED = """
import os, signal, sys
sys.path.insert(0, ".")
import torch
from tests.support import toys
torch.set_num_threads(1)
from trainers import backbones, datasets
from trainers.training import checkpoint
datasets.registry.BUNDLED_DATASETS, backbones.BACKBONES = toys.SAMPLES, toys.BACKBONES
checkpoint.MIN_WRITE_INTERVAL_SECONDS, checkpoint.MAX_WRITE_TIME_SHARE = 0.0, float("inf")
from trainers.workers.execute import execute
from trainers.events import ValidationDone
from trainers.system.paths import run_dir
from trainers.training.run import run
from trainers.store import get_store
claimed, seen = get_store().claim("killed"), 0
for event in execute(get_store(), claimed.id, claimed.job, run, run_dir(claimed.id)):
    seen += isinstance(event, ValidationDone) and event.phase == int(sys.argv[1])
    if seen == 4:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("phase", [0, 1])
def test_a_run_whose_worker_was_killed_can_be_resumed(phase, toy, root):
    requested = plan(**CASES["hybrid-lora"])
    lost = get_store().enqueue(requested, "ann")
    command = [sys.executable, "-c", KILLED, str(phase)]
    done = subprocess.run(command, cwd=root, check=False, timeout=200)
    assert done.returncode == -signal.SIGKILL
    get_store().remove_worker("killed", "The process that trained this was ended.")
    assert isinstance(stored(lost)[-1], JobFailed)
    assert resume.find_resume_point(lost).phase == phase
    new = resume.resume_run(get_store(), lost, "ann", worker="worker")
    events = execute_stored(new)
    assert isinstance(events[-1], RunFinished)
    uninterrupted = list(run(Plan.from_json(events[-1].repeat_plan), folder=run_dir("whole")))
    weights, resumed_weights = (
        load_file(run_dir(key) / "model.safetensors") for key in ("whole", new)
    )
    assert_equal_tensors(weights, resumed_weights)
    assert (
        of(PredictionsRecorded, uninterrupted)[0].confidence
        == of(PredictionsRecorded, events)[0].confidence
    )


# --- from a terminal ------------------------------------------------------------------------------


def test_the_command_resumes_a_run(toy, capsys):
    lost = interrupted()
    assert main(["resume", lost]) == 0
    printed = capsys.readouterr()
    assert "was interrupted, and goes on here" in printed.err + printed.out
    new = resume.resumed_by(get_store(), lost)
    assert isinstance(stored(new)[-1], RunFinished)
    assert main(["resume", lost]) == 2
    assert "Run it again" in capsys.readouterr().err
    assert main(["resume", "no-such-run"]) == 2
    assert main(["resume", "last"]) == 2
    assert "no such run" in capsys.readouterr().err


def test_the_command_prints_a_resumed_run_as_json_lines(toy, capsys):
    lost = interrupted()
    assert main(["resume", lost, "--json"]) == 0
    kinds = [json.loads(line)["type"] for line in capsys.readouterr().out.splitlines()]
    assert (kinds[0], kinds[-1]) == ("started", "finished")
    assert kinds.count("continued") == 1
