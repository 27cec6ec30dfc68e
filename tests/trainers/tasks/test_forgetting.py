"""What a backbone forgot: the same questions before and after."""

import csv
import json

import numpy as np
import pytest
import torch

from trainers import jobs
from trainers.__main__ import main
from trainers.events import JobCancelled, JobDone, JobFailed, RunFinished
from trainers.jobs import ForgettingTest
from trainers.networks.loading import shared_encoder
from trainers.plan import Plan
from trainers.store import get_store
from trainers.system.paths import run_dir
from trainers.tasks import forgetting
from trainers.tasks.forgetting import (
    SENTENCE_PAIRS_FILE,
    Probe,
    Question,
    answer_probe,
    describe_forgetting,
    load_sentence_probe,
    summarise_answers,
)
from trainers.training.run import run
from trainers.workers.execute import execute

KINDS = ("same", "other")
TOY_MEANINGS = [("rose brick", "brick rose", "sky sea"), ("leaf frog", "frog leaf moss", "sea ink")]


def finished(data: str, approach: str, visitor: str = "ann", **settings) -> str:
    plan = Plan(data=data, approach=approach, seconds=20, **settings)
    key = get_store().enqueue(plan, visitor=visitor, worker="test")
    *_, last = execute(get_store(), key, plan, run, run_dir(key))
    assert isinstance(last, RunFinished), last
    return key


def asked(key: str) -> dict:
    *_, last = jobs.run_job(ForgettingTest(key=key, visitor="ann"), should_stop=lambda: False)
    assert isinstance(last, JobDone)
    return last.result


@pytest.fixture
def toy_meanings(tmp_path, monkeypatch):
    file = tmp_path / "meanings.csv"
    with open(file, "w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([("text", "same", "other"), *TOY_MEANINGS])
    monkeypatch.setattr(forgetting, "SENTENCE_PAIRS_FILE", file)


# --- questions and answers ------------------------------------------------------------------------


def test_every_sentence_is_there_once_and_comes_with_two_others():
    with open(SENTENCE_PAIRS_FILE, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    texts = [row[name] for row in rows for name in ("text", "same", "other")]
    assert len(rows) == 60
    assert len(set(texts)) == len(texts)
    assert all(text == text.strip() and text.endswith((".", "?")) for text in texts)
    assert len(load_sentence_probe().questions) == 60


def test_of_sentences_the_more_similar_of_two_is_the_answer():
    probe = load_sentence_probe()
    features = np.zeros((len(probe.inputs), 2), np.float32)
    features[0::3] = features[1::3] = (1, 0)
    features[2::3] = (0, 1)
    assert answer_probe(probe, features) == [0] * 60
    assert answer_probe(
        probe, features[[n - 1 if n % 3 == 2 else n + (n % 3) for n in range(180)]]
    ) == ([1] * 60)


def test_a_picture_is_never_its_own_nearest_and_the_run_s_own_data_is_not_asked_about(toy):
    probes = forgetting.load_image_probes(without="colours")
    assert [probe.name for probe in probes] == ["lone", "one_class", "crowd"]
    for probe in probes:
        for question in probe.questions:
            assert question.query not in question.candidates
            assert len(question.candidates) == len(probe.inputs) - 1


def test_angles_between_pictures_are_seen_from_their_middle():
    questions = [Question(0, "a", (1, 2), ("a", "b"))]
    features = np.array([[10.0, 11.0], [10.5, 14.0], [13.0, 10.1]])
    assert answer_probe(Probe("p", ["x"] * 3, questions, centred=True), features) == [0]
    far = np.array([[10.0, 11.0], [10.0, 13.0], [9.5, 10.5]])  # by plain angle the third is nearest
    assert answer_probe(Probe("p", ["x"] * 3, questions, centred=False), far) == [1]
    assert answer_probe(Probe("p", ["x"] * 3, questions, centred=True), far) == [1]


# --- what came out --------------------------------------------------------------------------------


def found(before: list[int], after: list[int], *, untouched: bool = False) -> dict:
    """`summary` where 1 is a right answer."""
    questions = [Question(n, "same", (0, 1), KINDS) for n in range(len(before))]
    probe = Probe("Pairs", [f"text {n}" for n in range(len(before))], questions, centred=False)
    turned = ([1 - one for one in some] for some in (before, after))
    return summarise_answers([probe], *([[*one]] for one in turned), untouched=untouched)


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        ([1] * 40, [1] * 30 + [0] * 10, "worse"),
        ([0] * 10 + [1] * 30, [1] * 40, "better"),
        ([1] * 40, [1] * 38 + [0] * 2, "cannot tell"),
        ([1] * 20 + [0] * 20, [0] * 20 + [1] * 20, "cannot tell"),  # all differ, evenly
        ([1] * 40, [1] * 40, "cannot tell"),
    ],
)
def test_the_verdict_rests_on_the_questions_whose_answer_changed(before, after, outcome):
    one = found(before, after)
    assert one["outcome"] == outcome
    assert (one["before"], one["after"], one["tests"]) == (sum(before), sum(after), 40)
    assert one["before_low"] < one["before"] / 40 or one["before"] == 0
    assert one["low"] <= one["difference"] <= one["high"]
    assert describe_forgetting(one) == one["words"]
    assert f"{sum(before)} of 40 right before, {sum(after)} after" in one["words"]


def test_few_questions_that_all_stay_right_do_not_prove_that_nothing_was_lost():
    assert "could hide a loss of up to" in found([1] * 10, [1] * 10)["words"]


def test_a_backbone_of_which_no_number_changed_forgot_nothing():
    one = found([1] * 10, [1] * 10, untouched=True)
    assert one["outcome"] == "untouched"
    assert "Nothing was forgotten" in one["words"]


def test_what_was_lost_is_shown_with_the_wrong_answer():
    one = found([1, 1, 0], [0, 1, 0])
    assert one["lost"] == [{"asked": "text 0", "right": "same", "answer": "other"}]


# --- runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("what_learns", ["all", "lora"])
def test_a_fine_tuned_run_is_asked_before_and_after(toy, what_learns):
    one = asked(finished("colours", "fine_tune", trainable=what_learns))
    assert one["outcome"] in ("worse", "better", "cannot tell")
    assert one["tests"] == sum(row["tests"] for row in one["groups"]) > 50
    assert json.loads(json.dumps(one)) == one


def test_before_is_the_backbone_as_it_came_and_after_is_what_the_run_left(toy, monkeypatch):
    key, bodies = finished("colours", "fine_tune"), []
    real = forgetting.extract_frozen_features

    def spied(body, *given, **more):
        bodies.append(body)
        return real(body, *given, **more)

    monkeypatch.setattr(forgetting, "extract_frozen_features", spied)
    asked(key)
    first, last = bodies[0], bodies[-1]
    assert first is shared_encoder("eye")
    assert not torch.equal(first.first[0].weight, last.first[0].weight)


def test_texts_are_asked_about_sentences(toy, toy_meanings):
    one = asked(finished("words", "fine_tune"))
    assert one["tests"] == len(TOY_MEANINGS)


def test_transfer_learning_forgets_nothing(toy, toy_meanings):
    one = asked(finished("words", "transfer"))
    assert one["outcome"] == "untouched"
    assert one["before"] == one["after"]
    assert one["lost"] == []


@pytest.mark.parametrize("approach", ["none", "simple", "scratch"])
def test_where_there_was_nothing_to_forget_it_says_so(toy, approach):
    key = finished("colours", approach)
    job = ForgettingTest(key=key, visitor="ann")
    own = get_store().enqueue(job, "ann", worker="test")
    *_, last = execute(get_store(), own, job, jobs.run_job)
    assert isinstance(last, JobFailed)
    assert "nothing to forget" in last.text
    assert get_store().find_latest("forgot", key).id == own


def test_it_can_be_stopped(toy):
    key = finished("colours", "fine_tune")
    *_, last = jobs.run_job(ForgettingTest(key=key, visitor="ann"), should_stop=lambda: True)
    assert isinstance(last, JobCancelled)


def test_from_a_terminal(toy, capsys):
    assert main(["forgetting", "last"]) == 2
    assert "No run was finished in this terminal" in capsys.readouterr().err
    assert main(["forgetting", "nobody"]) == 2
    assert "no such run" in capsys.readouterr().err
    finished("colours", "hybrid", visitor="terminal")
    assert main(["forgetting", "last"]) == 0
    said = capsys.readouterr().out
    assert "before" in said
    assert "right before" in said
    assert main(["forgetting", "last", "--json"]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["type"] == "done"
    assert last["found"]["words"] in said
    finished("colours", "none", visitor="terminal")
    assert main(["forgetting", "last"]) == 1
    assert "nothing to forget" in capsys.readouterr().err
