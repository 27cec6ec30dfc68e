"""kill -9 of a worker, whatever it does: the run says so, what was learned is kept, another worker
takes the next job."""

import signal

import pytest

from tests.support.forged import plan, texts, told
from trainers.events import JobFailed, RunFinished, RunStarted
from trainers.store import FAILED, FINISHED, get_store, resume
from trainers.system.paths import run_dir
from trainers.workers.liveness import MAX_MISSED_CHECKS, LivenessMonitor

NOTHING_KEPT = ["reading the data", "loading the backbone", "features"]
KEPT = [
    "training",
    "writing where it stands",
    "measuring the test",
    "writing the weights",
    "naming the weights",
]


def lost_at(forge, home, phase: str) -> str:
    key = get_store().enqueue(plan(), "ann")
    worker = forge.worker(home, killed=phase)
    assert worker.ended() == -signal.SIGKILL, worker.log.read_text()
    lost = LivenessMonitor(get_store())
    for _ in range(MAX_MISSED_CHECKS + 1):
        lost.check()
    return key


def next_one_is_taken(forge, home, key: str) -> None:
    worker = forge.worker(home)
    assert worker.ended() == 0, worker.log.read_text()
    assert get_store().get_run(key).state == FINISHED, get_store().get_run(key).result
    assert (run_dir(key) / "model.safetensors").is_file()


@pytest.mark.parametrize("phase", NOTHING_KEPT)
def test_killed_before_anything_was_learned_it_can_be_run_again(phase, toy, forge, home):
    key = lost_at(forge, home, phase)
    assert get_store().get_run(key).state == FAILED
    assert "ended without a word" in texts(key)
    assert "Nothing is wrong with your data" in texts(key)
    with pytest.raises(resume.CannotResume, match="Run it again"):
        resume.resume_run(get_store(), key, "ann")
    next_one_is_taken(forge, home, get_store().enqueue(plan(), "ann"))


@pytest.mark.parametrize("phase", KEPT)
def test_killed_later_it_goes_on_from_its_last_look(phase, toy, forge, home):
    key = lost_at(forge, home, phase)
    assert isinstance(told(key)[-1], JobFailed)
    assert not (run_dir(key) / "model.safetensors").exists()  # half a file is none
    at = resume.find_resume_point(key)
    assert at.step > 0
    new = resume.resume_run(get_store(), key, "ann")
    next_one_is_taken(forge, home, new)
    events = told(new)
    assert sum(isinstance(event, RunStarted) for event in events) == 1
    assert f"goes on here from {at.seconds:.1f} s" in texts(new)
    assert not [file for file in run_dir(new).iterdir() if file.suffix == ".part"]


def test_killed_after_its_end_it_has_its_score_and_its_model(toy, forge, home):
    key = lost_at(forge, home, "after the end")
    assert isinstance(told(key)[-1], RunFinished)
    assert get_store().get_run(key).state == FINISHED
    assert (run_dir(key) / "model.safetensors").is_file()
    next_one_is_taken(forge, home, get_store().enqueue(plan(), "ann"))
