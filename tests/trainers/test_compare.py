"""Several approaches on one split: the same examples, what is common computed once."""

import pytest
import toys

from trainers.compare import compare, lanes
from trainers.events import (
    Answered,
    Cancelled,
    Compared,
    Finished,
    LaneDone,
    LaneStarted,
    Started,
    Tried,
)
from trainers.home import run_folder
from trainers.jobs import Comparison
from trainers.plan import BadPlan
from trainers.store import FINISHED, store

ALL = ("none", "simple", "transfer", "fine_tune", "hybrid", "scratch")


def never() -> bool:
    return False


def comparison(**changes) -> Comparison:
    given = {"data": "colours", "visitor": "ann", "seconds": 5, "advised_article": "transfer"}
    return Comparison(**given | {"trial_seconds": 0} | changes)


def of(kind, events) -> list:
    return [event for event in events if isinstance(event, kind)]


def test_every_approach_is_a_run_of_its_own_and_the_last_word_compares_them(toy):
    events = list(lanes(comparison(), stop=never))
    last = events[-1]
    assert isinstance(last, Compared)
    assert tuple(run["approach"] for run in last.runs) == ALL
    assert {store().find(run["run"]).state for run in last.runs} == {FINISHED}
    assert {run.plan.approach for run in store().of_visitor("ann")} == set(ALL)
    assert last.failed == {}
    assert last.advised == last.advised_article == "transfer"
    assert last.outcome in ("right", "wrong", "cannot tell")
    assert set(last.against_advised) == set(ALL) - {"transfer"}


def test_its_runs_know_that_they_belong_to_it(toy):
    job = comparison(approaches=("none", "simple"))
    key = store().start(job, "ann", worker="w")
    last = list(compare(job, stop=never, folder=run_folder(key)))[-1]
    listed, whole = (store().history("ann", parts=parts)[0] for parts in (False, True))
    assert [past.id for past in listed] == [key]
    assert {past.id for past in whole} == {key, *(run["run"] for run in last.runs)}


def test_all_see_the_same_examples(toy):
    events = list(lanes(comparison(), stop=never))
    assert len({(e.train_examples + e.validation_examples) for e in of(Started, events)}) == 1
    assert len({tuple(event.labels) for event in of(Answered, events)}) == 1


def test_what_is_common_is_computed_once_and_charged_to_each(toy):
    alone = list(lanes(comparison(approaches=("transfer",)), stop=never))
    seen = len(toys.SEEN)
    toys.forget()
    toys.SLOW["seconds"] = 0.05
    both = list(lanes(comparison(approaches=("none", "transfer")), stop=never))
    first, second = (event.seconds for event in of(Finished, both))
    assert len(toys.SEEN) < 2 * seen
    assert second > 0.05 < first
    assert of(Answered, alone)[0].answers == of(Answered, both)[1].answers


def test_pages_are_told_of_the_lanes_only(toy):
    events = list(compare(comparison(approaches=("transfer", "none")), stop=never))
    assert [type(event) for event in events] == [LaneStarted, LaneDone] * 2 + [Compared]


def test_stop_ends_with_what_there_is(toy):
    asked = []

    def stop() -> bool:
        asked.append(1)
        return len(of_finished) > 0

    of_finished = []
    events = []
    for event in lanes(comparison(), stop=stop):
        events.append(event)
        of_finished += of(Finished, [event])
    assert [run["approach"] for run in events[-1].runs] == ["none"]


def test_stopped_before_anything_there_is_nothing_to_compare(toy):
    assert isinstance(list(lanes(comparison(), stop=lambda: True))[-1], Cancelled)


def test_a_lane_that_fails_is_said_and_the_others_go_on(toy, monkeypatch):
    from trainers import simple

    def broken(*_, **__):
        raise MemoryError
        yield

    monkeypatch.setattr(simple, "run", broken)
    last = list(lanes(comparison(approaches=("simple", "transfer")), stop=never))[-1]
    assert "memory" in last.failed["simple"]
    assert [run["approach"] for run in last.runs] == ["transfer"]


def test_without_advice_the_data_answers_the_questions():
    events = list(
        lanes(
            Comparison(
                data="digits",
                visitor="ann",
                seconds=2,
                per_class=10,
                approaches=("transfer",),
                trial_seconds=0,
            ),
            stop=never,
        )
    )
    assert events[-1].advised_article in ("transfer", "hybrid", "fine_tune")


@pytest.mark.parametrize("wrong", [{"approaches": ()}, {"approaches": ("nun",)}, {"seconds": -1}])
def test_what_cannot_be_run_is_refused(wrong):
    with pytest.raises(BadPlan):
        comparison(data="digits", **wrong).plans()


def test_a_trial_before_decides_what_is_advised(toy):
    events = list(compare(comparison(trial_seconds=3, approaches=("transfer",)), stop=never))
    (tried,) = of(Tried, events)
    last = events[-1]
    assert last.advised == tried.trusted
    assert last.advised_article == tried.article == "transfer"
    assert tried.asked > 0
    assert set(tried.right) == {"transfer", "fine_tune", "hybrid"}
    assert events.index(tried) < events.index(of(LaneStarted, events)[0])
