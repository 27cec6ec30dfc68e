"""Several approaches on one split: the same examples, what is common computed once."""

import json

import pytest

from tests.support import toys
from trainers.cli.views import draw_comparison
from trainers.data_checks.answers import Answer
from trainers.datasets import uploads
from trainers.evaluation.verdict import judge
from trainers.events import (
    ComparisonDone,
    ComparisonRunDone,
    ComparisonRunStarted,
    JobCancelled,
    PilotDone,
    PredictionsRecorded,
    RunFinished,
    RunStarted,
    from_json,
)
from trainers.jobs import Comparison
from trainers.plan import BadPlan
from trainers.store import FINISHED, Store, get_store, resume
from trainers.system.paths import run_dir
from trainers.system.streams import drain
from trainers.tasks.compare import compare, load_data_quality, run_lanes
from trainers.workers.execute import execute

ALL = ("none", "simple", "transfer", "fine_tune", "hybrid", "scratch")


def never() -> bool:
    return False


def comparison(**changes) -> Comparison:
    given = {"data": "colours", "visitor": "ann", "seconds": 5, "article_advice": "transfer"}
    return Comparison(**given | {"pilot_seconds": 0} | changes)


def of(kind, events) -> list:
    return [event for event in events if isinstance(event, kind)]


def test_every_approach_is_a_run_of_its_own_and_the_last_word_compares_them(toy):
    events = list(run_lanes(comparison(), should_stop=never))
    last = events[-1]
    assert isinstance(last, ComparisonDone)
    assert tuple(run["approach"] for run in last.runs) == ALL
    assert {get_store().get_run(run["run"]).state for run in last.runs} == {FINISHED}
    assert {run.job.approach for run in get_store().list_runs("ann")} == set(ALL)
    assert last.failures == {}
    assert last.advice == last.article_advice == "transfer"
    assert last.outcome in ("right", "wrong", "cannot tell")
    assert set(last.differences_to_advice) == set(ALL) - {"transfer"}


def test_its_runs_know_that_they_belong_to_it(toy):
    job = comparison(approaches=("none", "simple"))
    key = get_store().enqueue(job, "ann", worker="w")
    last = list(compare(job, should_stop=never, folder=run_dir(key)))[-1]
    listed, whole = (get_store().list_history("ann", parts=parts)[0] for parts in (False, True))
    assert [past.id for past in listed] == [key]
    assert {past.id for past in whole} == {key, *(run["run"] for run in last.runs)}


def test_all_see_the_same_examples(toy):
    events = list(run_lanes(comparison(), should_stop=never))
    assert len({(e.train_examples + e.validation_examples) for e in of(RunStarted, events)}) == 1
    assert len({tuple(event.labels) for event in of(PredictionsRecorded, events)}) == 1


def test_what_is_common_is_computed_once_and_charged_to_each(toy):
    alone = list(run_lanes(comparison(approaches=("transfer",)), should_stop=never))
    seen = len(toys.SEEN)
    toys.forget()
    toys.SLOW["seconds"] = 0.05
    both = list(run_lanes(comparison(approaches=("none", "transfer")), should_stop=never))
    first, second = (event.seconds for event in of(RunFinished, both))
    assert len(toys.SEEN) < 2 * seen
    assert second > 0.05 < first
    assert (
        of(PredictionsRecorded, alone)[0].predictions
        == of(PredictionsRecorded, both)[1].predictions
    )


def test_pages_are_told_of_the_lanes_only(toy):
    events = list(compare(comparison(approaches=("transfer", "none")), should_stop=never))
    assert [type(event) for event in events] == [ComparisonRunStarted, ComparisonRunDone] * 2 + [
        ComparisonDone
    ]


def test_stop_ends_with_what_there_is(toy):
    asked = []

    def stop() -> bool:
        asked.append(1)
        return len(of_finished) > 0

    of_finished = []
    events = []
    for event in run_lanes(comparison(), should_stop=stop):
        events.append(event)
        of_finished += of(RunFinished, [event])
    assert [run["approach"] for run in events[-1].runs] == ["none"]


def test_stopped_before_anything_there_is_nothing_to_compare(toy):
    job = comparison()
    key = get_store().enqueue(job, "ann", worker="w")

    def stopped(job: Comparison, *, should_stop, folder):
        return compare(job, should_stop=lambda: True, folder=folder)

    assert [type(event) for event in execute(get_store(), key, job, stopped)] == [JobCancelled]


def test_a_lane_that_fails_is_said_and_the_others_go_on(toy, monkeypatch):
    from trainers.training import baselines

    def broken(*_, **__):
        raise MemoryError
        yield

    monkeypatch.setattr(baselines, "run_classical", broken)
    last = list(run_lanes(comparison(approaches=("simple", "transfer")), should_stop=never))[-1]
    assert "memory" in last.failures["simple"]
    assert [run["approach"] for run in last.runs] == ["transfer"]


@pytest.mark.parametrize(
    "asked", [(Store, "enqueue"), (resume, "replayed_events")], ids=["start", "before"]
)
def test_a_database_that_is_away_when_a_lane_starts_ends_nothing(asked, toy, monkeypatch):
    toys.away_at_first(monkeypatch, *asked)
    last = list(run_lanes(comparison(approaches=("none", "simple")), should_stop=never))[-1]
    assert [run["approach"] for run in last.runs] == ["none", "simple"]
    assert last.failures == {}


def test_without_advice_the_data_answers_the_questions():
    events = list(
        run_lanes(
            Comparison(
                data="digits",
                visitor="ann",
                seconds=2,
                examples_per_class=10,
                approaches=("transfer",),
                pilot_seconds=0,
            ),
            should_stop=never,
        )
    )
    last = events[-1]
    assert last.article_advice in ("transfer", "hybrid", "fine_tune")
    assert last.answers_source == "data"
    assert last.answers == {key: one["answer"] for key, one in last.measured_answers.items()}
    assert last.answers["data_volume"] == "limited"
    assert "There are 10 examples of each class" in last.measured_answers["data_volume"]["says"]


SEEN = {
    "data_volume": Answer("limited", {"says": "There are 5 of each class."}),
    "specificity": Answer("specialised", {"says": "It is far from everyday."}),
}


def judged_badly(monkeypatch, **right: int) -> None:
    """The test finds so many of 400 right, whatever was learned."""
    from trainers.tasks import compare as module

    made = {key: [True] * n + [False] * (400 - n) for key, n in right.items()}
    monkeypatch.setattr(module, "judge", lambda advised, _: judge(advised, made))
    monkeypatch.setattr(module, "infer_answers", lambda data, seconds: dict(SEEN))


def test_the_advice_goes_by_the_answers_that_were_given_and_the_data_puts_them_right(
    toy, monkeypatch
):
    judged_badly(monkeypatch, transfer=300, hybrid=380)
    given = {"data_volume": "limited", "specificity": "common"}
    job = comparison(article_advice="", answers=given, approaches=("transfer",))
    assert Comparison.from_json(job.as_json()) == job
    last = list(run_lanes(job, should_stop=never))[-1]
    assert (last.answers, last.answers_source) == (given, "visitor")
    assert (last.article_advice, last.outcome, last.article_outcome) == (
        "transfer",
        "wrong",
        "wrong",
    )
    assert last.diagnosis["by"] == "answers"
    assert "It is far from everyday." in last.diagnosis_text
    assert last.next_steps.startswith("Use hybrid here.")
    again = from_json(json.loads(json.dumps(last.as_json())))
    assert (again.diagnosis, again.measured_answers) == (last.diagnosis, last.measured_answers)


def test_where_the_advice_was_right_nothing_misled(toy, monkeypatch):
    judged_badly(monkeypatch, transfer=300, hybrid=380)
    last = list(
        run_lanes(comparison(article_advice="", approaches=("hybrid",)), should_stop=never)
    )[-1]
    assert (last.answers_source, last.advice, last.outcome) == ("data", "hybrid", "right")
    assert (last.diagnosis, last.diagnosis_text, last.next_steps) == ({}, "", "")


def test_a_terminal_says_what_misled_and_what_to_do_only_where_the_advice_was_wrong(
    toy, monkeypatch, capsys
):
    judged_badly(monkeypatch, transfer=300, hybrid=380)
    given = {"data_volume": "limited", "specificity": "common"}
    job = comparison(article_advice="", answers=given, approaches=("transfer",))
    wrong = draw_comparison(run_lanes(job, should_stop=never))
    told = capsys.readouterr().out
    assert all(f"\n  - {line}\n" in told for line in wrong.diagnosis_text.splitlines())
    assert "What to do:\n  - Use hybrid here.\n" in told
    draw_comparison(
        run_lanes(comparison(article_advice="hybrid", approaches=("hybrid",)), should_stop=never)
    )
    told = capsys.readouterr().out
    assert "the advice was right" in told
    assert "What to do" not in told


def test_a_comparison_from_before_still_reads(toy):
    told = list(compare(comparison(approaches=("transfer",)), should_stop=never))[-1].as_json()
    since = ("settled_at", "answers", "answers_from", "measured", "outcome_article", "misled")
    old = {key: value for key, value in told.items() if key not in (*since, "why_wrong", "to_do")}
    assert from_json(old).verdict == told["verdict"]


def test_how_clean_ones_own_data_is_comes_from_looking_it_over(tmp_path):
    table = tmp_path / "table.csv"
    rows = (f"{word} number {n},{word}" for n in range(20) for word in ("red", "blue"))
    table.write_text("\n".join(["said,kind", *rows]))
    key = f"own-{drain(uploads.import_upload(table))}"
    job = comparison(data=key)
    assert load_data_quality(job) == {}
    clean = {"says": "Nothing was found.", "because": []}
    found = {"answers": {"data_quality": "good"}, "evidence": {"data_quality": clean}}
    uploads.save_check(key, found)
    assert load_data_quality(job) == {"data_quality": Answer("good", clean)}
    fixed = comparison(data=key, fixes=("doubles",))  # no longer the data that was checked
    assert load_data_quality(fixed) == {}
    assert load_data_quality(comparison(data="digits")) == {}


@pytest.mark.parametrize("wrong", [{"approaches": ()}, {"approaches": ("nun",)}, {"seconds": -1}])
def test_what_cannot_be_run_is_refused(wrong):
    with pytest.raises(BadPlan):
        comparison(data="digits", **wrong).make_plans()


def test_a_trial_before_decides_what_is_advised(toy):
    events = list(compare(comparison(pilot_seconds=3, approaches=("transfer",)), should_stop=never))
    (pilot,) = of(PilotDone, events)
    last = events[-1]
    assert last.advice == pilot.advice
    assert last.article_advice == pilot.article_advice == "transfer"
    assert pilot.validation_examples > 0
    assert set(pilot.correct) == {"transfer", "fine_tune", "hybrid"}
    assert events.index(pilot) < events.index(of(ComparisonRunStarted, events)[0])
