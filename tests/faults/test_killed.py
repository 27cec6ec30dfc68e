"""kill -9 of a worker in any phase: the run fails and can be resumed; another worker goes on."""

import signal

import pytest

from tests.support.forged import plan, texts, told
from trainers.events import JobFailed, RunFinished, RunStarted
from trainers.store import FAILED, FINISHED, get_store, resume
from trainers.system.paths import run_dir
from trainers.workers.liveness import MAX_MISSED_CHECKS, LivenessMonitor

BEFORE_CHECKPOINT = ["reading the data", "loading the backbone", "features"]
AFTER_CHECKPOINT = [
    "training",
    "writing where it stands",
    "measuring the test",
    "writing the weights",
    "naming the weights",
]


def run_until_killed(forge, home, phase: str) -> str:
    key = get_store().enqueue(plan(), "ann")
    worker = forge.worker(home, killed=phase)
    assert worker.ended() == -signal.SIGKILL, worker.log.read_text()
    monitor = LivenessMonitor(get_store())
    for _ in range(MAX_MISSED_CHECKS + 1):
        monitor.check()
    return key


def assert_next_run_finishes(forge, home, key: str) -> None:
    worker = forge.worker(home)
    assert worker.ended() == 0, worker.log.read_text()
    assert get_store().get_run(key).state == FINISHED, get_store().get_run(key).result
    assert (run_dir(key) / "model.safetensors").is_file()


@pytest.mark.parametrize("phase", BEFORE_CHECKPOINT)
def test_a_run_killed_before_its_first_checkpoint_can_be_run_again(phase, toy, forge, home):
    key = run_until_killed(forge, home, phase)
    assert get_store().get_run(key).state == FAILED
    assert "ended without a word" in texts(key)
    assert "Nothing is wrong with your data" in texts(key)
    with pytest.raises(resume.CannotResume, match="Run it again"):
        resume.resume_run(get_store(), key, "ann")
    assert_next_run_finishes(forge, home, get_store().enqueue(plan(), "ann"))


@pytest.mark.parametrize("phase", AFTER_CHECKPOINT)
def test_a_run_killed_later_resumes_from_its_last_checkpoint(phase, toy, forge, home):
    key = run_until_killed(forge, home, phase)
    assert isinstance(told(key)[-1], JobFailed)
    assert not (run_dir(key) / "model.safetensors").exists()  # half a file is none
    at = resume.find_resume_point(key)
    assert at.step > 0
    new = resume.resume_run(get_store(), key, "ann")
    assert_next_run_finishes(forge, home, new)
    events = told(new)
    assert sum(isinstance(event, RunStarted) for event in events) == 1
    assert f"goes on here from {at.seconds:.1f} s" in texts(new)
    assert not [file for file in run_dir(new).iterdir() if file.suffix == ".part"]


def test_a_run_killed_after_its_end_has_its_score_and_model(toy, forge, home):
    key = run_until_killed(forge, home, "after the end")
    assert isinstance(told(key)[-1], RunFinished)
    assert get_store().get_run(key).state == FINISHED
    assert (run_dir(key) / "model.safetensors").is_file()
    assert_next_run_finishes(forge, home, get_store().enqueue(plan(), "ann"))
