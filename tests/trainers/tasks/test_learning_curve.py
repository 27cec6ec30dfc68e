"""Learning curves as a job: more and more of the same examples, one test, one budget."""

from itertools import pairwise

import numpy as np
import pytest

from tests.support import toys
from trainers import datasets, jobs
from trainers.events import (
    CurvePoint,
    JobCancelled,
    JobFailed,
    LearningCurveDone,
    Notice,
    Progress,
    Stage,
    from_json,
)
from trainers.jobs import LearningCurve, from_json as job_from, kind_of
from trainers.plan import BadPlan
from trainers.store import FINISHED, Store, get_store
from trainers.tasks import learning_curve as module
from trainers.tasks.learning_curve import (
    MAX_DRAWS,
    MIN_EXAMPLES_PER_CLASS,
    choose_sizes,
    run_learning_curve,
)
from trainers.training import run as training_run
from trainers.training.run import BadData, run
from trainers.workers.execute import execute


def never() -> bool:
    return False


def job(**changes) -> LearningCurve:
    return LearningCurve(**{"data": "colours", "visitor": "ann", "seconds": 20} | changes)


def of(kind, events) -> list:
    return [event for event in events if isinstance(event, kind)]


@pytest.fixture
def planned(monkeypatch):
    """The plans that were run, with the examples each had."""
    seen = []

    def noted(plan, **more):
        seen.append(plan)
        return run(plan, **more)

    monkeypatch.setattr(training_run, "run", noted)
    return seen


def test_sizes_are_shares_of_the_examples_and_at_least_two():
    assert [size.max_per_class for size in choose_sizes(np.full(3, 100))] == [10, 25, 50, 100]
    assert [size.max_per_class for size in choose_sizes(np.full(3, 8))] == [
        MIN_EXAMPLES_PER_CLASS,
        4,
        8,
    ]
    assert [size.max_per_class for size in choose_sizes(np.array([2, 2]))] == [2]
    assert choose_sizes(np.array([0, 0])) == choose_sizes(np.array([], dtype=int)) == ()


def test_where_classes_differ_all_are_cut_at_one_number():
    for share, size in zip(
        module.TRAIN_SHARES, choose_sizes(np.array([200, 5, 0, 40])), strict=True
    ):
        assert size.examples == np.minimum([200, 5, 40], size.max_per_class).sum()
        assert size.examples >= share * 245
        assert size.examples_per_class == round(size.examples / 3)
    assert size.examples == 245


def test_every_approach_at_every_size_and_the_small_ones_again(toy):
    events = list(run_learning_curve(job(), should_stop=never))
    points, last = of(CurvePoint, events), events[-1]
    assert isinstance(last, LearningCurveDone)
    assert last.points == [point.as_json() for point in points]
    there = {(point.approach, point.examples_per_class, point.draw) for point in points}
    assert len(there) == len(points)
    assert {(a, n, 0) for a in job().approaches for n in (3, 8, 15, 30)} <= there
    assert {draw for _, n, draw in there if n == 3} == set(range(MAX_DRAWS))
    assert {pair["first"] for pair in last.crossings} == {"fine_tune", "hybrid"}
    assert {one["approach"] for one in last.extrapolation} == set(job().approaches)
    assert "of each class" in last.summary
    assert from_json(last.as_json()) == last
    assert any(point.has_converged for point in points)
    assert get_store().list_runs("ann") == []  # the single runs are no rows


def test_the_test_is_the_same_for_all_even_where_time_is_short(toy):
    toys.SLOW["seconds"] = 0.01
    events = list(run_learning_curve(job(seconds=6), should_stop=never))
    assert len({point.test_examples for point in of(CurvePoint, events)}) == 1


def test_larger_choices_hold_the_smaller_and_all_approaches_get_the_same(planned):
    events = list(
        run_learning_curve(
            job(data="digits", examples_per_class=20, seconds=5, approaches=("simple", "none")),
            should_stop=never,
        )
    )
    assert len(of(CurvePoint, events)) == len(planned)
    first = [plan for plan in planned if plan.seed == 0 and plan.approach == "simple"]
    chosen = [
        {
            picture.tobytes()
            for picture in datasets.get_dataset("digits")
            .load_splits(p.examples_per_class, 0)
            .train.inputs
        }
        for p in first
    ]
    assert [len(some) for some in chosen] == [20, 50, 100, 200]
    assert all(few < many for few, many in pairwise(chosen))
    for plan in planned:
        twin = [
            p
            for p in planned
            if (p.examples_per_class, p.seed) == (plan.examples_per_class, plan.seed)
        ]
        assert {p.seconds for p in twin} == {plan.seconds}


def test_what_is_shared_never_mixes_up_the_training_examples(toy):
    """A run inside a curve gives the score that it gives alone."""
    points = of(CurvePoint, run_learning_curve(job(approaches=("none",)), should_stop=never))
    assert len(points) == 4 * MAX_DRAWS
    for point in points:
        (plan,) = job(approaches=("none",)).make_plans(
            examples_per_class=point.examples_per_class, seed=point.draw
        )
        assert list(run(plan))[-1].test_correct == point.correct


def test_the_budget_is_a_ceiling(toy):
    toys.SLOW["seconds"] = 0.02
    last = list(run_learning_curve(job(seconds=4), should_stop=never))[-1]
    assert last.seconds < 4 * 1.25


def test_where_time_is_short_that_is_no_word_about_data(toy, monkeypatch):
    toys.SLOW["seconds"] = 0.05
    hurried, told = [], module.analyse_curves
    monkeypatch.setattr(
        module, "analyse_curves", lambda *some: hurried.extend(some[2]) or told(*some)
    )
    events = list(run_learning_curve(job(seconds=3), should_stop=never))
    points = of(CurvePoint, events)
    assert not all(point.used_all_examples for point in points)
    assert "more seconds" in events[-1].summary
    whole = {
        (point.approach, point.examples_per_class) for point in points if point.used_all_examples
    }
    for pair in events[-1].crossings:
        for gap in pair["gaps"]:
            assert {(pair["first"], gap["per_class"]), (pair["second"], gap["per_class"])} <= whole
    assert {one["approach"] for one in events[-1].extrapolation} == {key for key, _ in whole}
    assert "fine_tune" in hurried
    assert not any(point.has_converged for point in points if point.approach == "fine_tune")


def test_stop_ends_with_the_points_there_are(toy):
    events = []

    def stop() -> bool:
        return len(of(CurvePoint, events)) >= 4

    for event in run_learning_curve(job(), should_stop=stop):
        events.append(event)
    assert len(of(CurvePoint, events)) == 4
    assert isinstance(events[-1], LearningCurveDone)


def test_stopped_before_the_first_point_there_are_no_curves(toy):
    assert isinstance(list(run_learning_curve(job(), should_stop=lambda: True))[-1], JobCancelled)


def test_an_approach_that_fails_is_said_and_the_others_go_on(toy, monkeypatch):
    def broken(plan, **more):
        if plan.approach == "hybrid":
            raise MemoryError
        return run(plan, **more)

    monkeypatch.setattr(training_run, "run", broken)
    events = list(run_learning_curve(job(), should_stop=never))
    assert "memory" in of(Notice, events)[0].text
    assert {point.approach for point in of(CurvePoint, events)} == {"transfer", "fine_tune"}
    last = list(run_learning_curve(job(approaches=("hybrid",)), should_stop=never))[-1]
    assert isinstance(last, JobFailed)
    assert "memory" in last.text


def test_too_few_examples_are_refused_with_what_to_do(toy):
    with pytest.raises(BadData, match="add examples"):
        list(run_learning_curve(job(examples_per_class=2), should_stop=never))


@pytest.mark.parametrize("wrong", [{"approaches": ()}, {"approaches": ("nun",)}, {"seconds": -1}])
def test_what_cannot_be_run_is_refused(wrong, toy):
    with pytest.raises(BadPlan):
        list(run_learning_curve(job(**wrong), should_stop=never))


def test_a_curve_waits_in_the_queue_like_any_job(toy):
    runs: Store = get_store()
    key = runs.enqueue(job(seconds=7), "ann")
    assert runs.estimate_wait("bob").seconds == 7  # in all, not for each approach
    claimed = runs.claim("test")
    assert kind_of(claimed.job) == "curve"
    assert claimed.job == job(seconds=7) == job_from("curve", job(seconds=7).as_json())
    told = list(execute(runs, key, claimed.job, jobs.run_job))
    assert {type(event) for event in told} <= {
        Stage,
        Progress,
        CurvePoint,
        LearningCurveDone,
        Notice,
    }
    assert runs.get_run(key).state == FINISHED
    assert runs.get_run(key).result["type"] == "curved"
