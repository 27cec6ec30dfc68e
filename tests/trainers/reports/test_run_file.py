"""A run as a file: what goes out holds nothing private, and what comes in is looked at twice."""

import json
import time
from dataclasses import replace

import pytest

from guide.approaches import APPROACHES
from tests.support.digits_run import RUN_FINISHED
from trainers.events import (
    CalibrationDone,
    ComparisonDone,
    ComparisonRunDone,
    ComparisonRunStarted,
    JobCancelled,
    JobFailed,
    PredictionsRecorded,
    RunFinished,
    RunStarted,
    ValidationDone,
    WatchedExamples,
    WeightsCompared,
)
from trainers.jobs import Comparison, DataCheck
from trainers.plan import Plan
from trainers.reports.run_file import MAX_BYTES, BadFile, export_run, import_run
from trainers.store import CANCELLED, RunNotFound, Store
from trainers.training.run import run as real_run
from trainers.workers.execute import execute

KINDS = {"images": "colours", "text": "words"}
PLAN = Plan(data="digits", approach="transfer", seconds=10)
STARTED = RunStarted(
    approach="transfer", data="digits", backbone="small_resnet", modality="images",
    classes=["0", "1"], train_examples=2, validation_examples=1, test_examples=2, parameters=2,
    budget_seconds=10.0, setup_seconds=0.1, device="cpu",
)  # fmt: skip
LOOK = ValidationDone(
    phase=0, step=1, epoch=1.0, accuracy=0.5, loss=0.7, is_best=True, train_accuracy=None,
    train_loss=None, watched_predictions=[0], confidence=[0.9], map_points=[[0.0, 1.0], [1.0, 0.0]],
    map_labels=[0, 1], map_predictions=[0, 0], seconds=1.0,
)  # fmt: skip
PICTURE = "data:image/png;base64,AAAA"
PART = {"name": "stem", "parameters": 2, "learnable": 1}
EVENTS = [
    STARTED,
    WatchedExamples([4], [PICTURE], [1], [4, 5]),
    LOOK,
    PredictionsRecorded([0, 1], [0, 0], [], 1.0),
    WeightsCompared([PART | {"change": 0.1}, PART | {"change": None}], 1.0),
    RUN_FINISHED,
]


@pytest.fixture
def runs(tmp_path):
    made = Store(f"sqlite:///{tmp_path / 'runs.db'}")
    yield made
    made.engine.dispose()


def over(runs, events=EVENTS, plan=PLAN, visitor="ann-the-visitor", **more) -> str:
    key = runs.enqueue(plan, visitor, worker="w", **more)
    runs.append(key, list(events))
    return key


def told(runs, key) -> list:
    return [event for _, event in runs.read_events(key)]


def document(runs, **more) -> dict:
    return json.loads(export_run(runs, over(runs, **more)))


def refused(runs, content) -> str:
    """Why it is refused; held is that nothing was kept."""
    before = runs.list_history(None, parts=True)
    content = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(BadFile) as caught:
        import_run(runs, content, "bob")
    assert runs.list_history(None, parts=True) == before
    assert "Nothing was kept" in str(caught.value)
    return str(caught.value)


# --- out and in again -----------------------------------------------------------------------------


@pytest.mark.parametrize("modality", KINDS)
@pytest.mark.parametrize("approach", APPROACHES)
def test_a_real_run_comes_back_as_it_was(runs, approach, modality, toy):
    plan = Plan(data=KINDS[modality], approach=approach, seconds=20)
    key = runs.enqueue(plan, "ann", worker="w")
    events = list(execute(runs, key, plan, real_run))
    assert isinstance(events[-1], RunFinished)
    runs.annotate(key, "ann", name="Best so far", note="line\nbreak")
    back = import_run(runs, export_run(runs, key).encode(), "bob")
    assert back != key
    assert told(runs, back) == told(runs, key)
    was, now = runs.get_run(key), runs.get_run(back)
    assert (now.job, now.state, now.result) == (was.job, was.state, was.result)
    assert (now.visitor, now.created_at, now.finished_at) == (
        "bob",
        was.created_at,
        was.finished_at,
    )
    assert replace(runs.get_summary(back), id=key) == runs.get_summary(key)


@pytest.mark.parametrize("end", [JobFailed("It broke.", 1.0), JobCancelled(1.0)])
def test_a_run_without_a_score_can_be_taken_along(runs, end):
    for events in ([end], [STARTED, end]):
        back = import_run(runs, export_run(runs, over(runs, events)).encode(), "bob")
        assert told(runs, back) == events


def test_a_run_that_is_not_over_cannot(runs):
    with pytest.raises(BadFile, match="not over yet"):
        export_run(runs, runs.enqueue(PLAN, "ann"))


@pytest.mark.parametrize("other", ["deleted", "of another kind", "none"])
def test_what_is_no_run_cannot(runs, other):
    key = over(runs) if other == "deleted" else runs.enqueue(DataCheck(data="digits"), "ann")
    runs.delete([key] if other == "deleted" else [], "ann-the-visitor")
    with pytest.raises(RunNotFound):
        export_run(runs, "nothing" if other == "none" else key)


def compared(runs) -> tuple[str, list[str]]:
    visitor = "ann-the-visitor"
    job = Comparison(data="digits", visitor=visitor, approaches=("transfer", "hybrid"), seconds=9)
    whole = runs.enqueue(job, visitor, worker="w")
    parts = [over(runs, plan=plan, parent_id=whole, events=ends(plan)) for plan in job.make_plans()]
    pairs = list(zip(("transfer", "hybrid"), parts, strict=True))
    lanes = [ComparisonRunStarted(key, part, n, 2, 1.0) for n, (key, part) in enumerate(pairs)]
    rows = [replace(RUN_FINISHED, approach=key).as_json() | {"run": part} for key, part in pairs]
    gap = {"hybrid": {"difference": 0.0, "low": -0.1, "high": 0.1, "p": 1.0}}
    end = ComparisonDone(rows, {}, "transfer", "hybrid", "hybrid", "right", "So.", gap, 0.1, 5.0)
    runs.append(whole, [*lanes, ComparisonRunDone("transfer", parts[0], 2.0), end])
    return whole, parts


def ends(plan):
    return [replace(STARTED, approach=plan.approach), replace(RUN_FINISHED, approach=plan.approach)]


def test_a_comparison_comes_with_its_runs_under_new_ids(runs):
    whole, parts = compared(runs)
    back = import_run(runs, export_run(runs, whole).encode(), "bob")
    lanes = [event.run_id for event in told(runs, back) if isinstance(event, ComparisonRunStarted)]
    assert not set(lanes) & set(parts)
    assert [runs.get_run(lane).job.approach for lane in lanes] == ["transfer", "hybrid"]
    assert [row["run"] for row in runs.get_run(back).result["runs"]] == lanes
    assert {past.id for past in runs.list_history("bob", parts=True)[0]} == {back, *lanes}
    assert [past.id for past in runs.list_history("bob")[0]] == [back]
    assert runs.get_run(back).job == replace(runs.get_run(whole).job, visitor="bob")


def test_a_file_names_no_visitor_and_no_run(runs):
    whole, parts = compared(runs)
    text = export_run(runs, whole)
    assert not [secret for secret in ("ann-the-visitor", whole, *parts) if secret in text]


def test_a_deleted_run_of_a_comparison_is_left_out(runs):
    whole, (first, _) = compared(runs)
    runs.delete([first], "ann-the-visitor")
    back = import_run(runs, export_run(runs, whole).encode(), "bob")
    lanes = [event.run_id for event in told(runs, back) if isinstance(event, ComparisonRunStarted)]
    assert lanes[0] == ""
    assert runs.get_run(lanes[1]).job.approach == "hybrid"


# --- data of one's own ----------------------------------------------------------------------------


OWN = {"data": "own-abcdefgh12", "plan": {"data": "own-abcdefgh12", "approach": "transfer"}}


def of_own(runs) -> dict:
    """The file of a run on data that is not on this computer."""
    found = document(runs)
    for event in found["events"]:
        if "data" in event:
            event["data"] = OWN["data"]
    return found | {"plan": found["plan"] | OWN["plan"], "title": "Transfer learning on leaves"}


def test_examples_of_own_data_do_not_leave(runs, monkeypatch):
    from trainers.datasets.uploads.storage import write_tombstone

    write_tombstone(OWN["data"], "images")
    events = [
        replace(STARTED, data=OWN["data"]),
        *EVENTS[1:-1],
        replace(RUN_FINISHED, data=OWN["data"]),
    ]
    found = document(runs, plan=Plan(**OWN["plan"]), events=events)
    assert [event["inputs"] for event in found["events"] if event["type"] == "watched"] == [[""]]


def test_a_run_on_data_of_another_computer_can_be_read_under_its_old_name(runs):
    back = import_run(runs, json.dumps(of_own(runs)).encode(), "bob")
    assert runs.get_run(back).job.data == OWN["data"]
    assert runs.get_summary(back).title == "Transfer learning on leaves"


@pytest.mark.parametrize("key", ["own-../../etc", "own-x", "nothing", "../x", "cifar99", 7, None])
def test_data_that_nobody_could_have_is_refused(runs, key, home):
    found = of_own(runs)
    found["plan"]["data"] = key
    assert refused(runs, found)
    assert not list(home.glob("data/*"))


# --- what is no run -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "cannot be read as JSON"),
        (b"\xff\xfe\x00", "cannot be read as JSON"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"thaw_run": 1, "events": ' + b"[" * 200_000, "nested too deeply"),
        (b"[1, 2]", "not a run of Thaw"),
        (b'{"thaw_run": 2}', "another version"),
        (b'{"thaw_run": NaN}', "not a number"),
        (b'{"thaw_run": 1e999}', "too large a number"),
        (b'{"thaw_run": ' + b"9" * 5000 + b"}", "too large a number"),
        (b" " * (MAX_BYTES + 1), "more than 32 MB"),
    ],
)
def test_what_is_no_file_of_ours_is_refused_in_words(runs, content, why):
    assert why in refused(runs, content)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "check"},
        {"kind": "compare"},
        {"name": 5},
        {"name": "n" * 81},
        {"name": "\ud800"},
        {"note": "n" * 2001},
        {"created": "now"},
        {"created": -1.0},
        {"plan": {}},
        {"plan": {"data": "digits", "approach": "magic"}},
        {"plan": {"data": "digits", "approach": "transfer", "seconds": -1}},
        {"plan": {"data": "digits", "approach": "transfer", "seed": "0"}},
        {"plan": {"data": "digits", "approach": "transfer", "backbone": "hf:../x"}},
        {"plan": {"data": "digits", "approach": "hybrid"}},
        {"plan": {"data": "vehicles", "approach": "transfer"}},
        {"events": []},
        {"events": [7]},
        {"events": [{"type": "magic"}]},
        {"parts": {"0": {}}},
    ],
    ids=str,
)
def test_a_file_with_a_wrong_part_is_refused(runs, change):
    refused(runs, document(runs) | change)


@pytest.mark.parametrize(
    "events",
    [
        EVENTS[:-1],
        [*EVENTS[:-1], RUN_FINISHED, RUN_FINISHED],
        EVENTS[1:],
        [*EVENTS[:2], replace(LOOK, watched_predictions=[2]), RUN_FINISHED],
        [*EVENTS[:2], replace(LOOK, watched_predictions=[]), RUN_FINISHED],
        [*EVENTS[:2], replace(LOOK, confidence=[]), RUN_FINISHED],
        [*EVENTS[:2], replace(LOOK, is_best=False), RUN_FINISHED],
        [*EVENTS[:2], replace(LOOK, accuracy=50.0), RUN_FINISHED],
        [*EVENTS[:2], replace(LOOK, map_points=[[0.0], [1.0]]), RUN_FINISHED],
        [*EVENTS[:2], replace(LOOK, map_labels=[0, -1]), RUN_FINISHED],
        [*EVENTS[:3], PredictionsRecorded([0, 1], [0], [], 1.0), RUN_FINISHED],
        [*EVENTS[:3], PredictionsRecorded([0, 1], [0, 0], [0.5], 1.0), RUN_FINISHED],
        [*EVENTS[:3], PredictionsRecorded([0, 1], [0, 0], [0.5, 1.5], 1.0), RUN_FINISHED],
        [*EVENTS[:3], PredictionsRecorded([0, 1], [0, 0], [0.5, 0.5], 1.0, [0.5]), RUN_FINISHED],
        [*EVENTS[:3], CalibrationDone(1.0, [0.5], [True, False], 1.0), RUN_FINISHED],
        [*EVENTS[:3], CalibrationDone(1.0, [-0.5], [True], 1.0), RUN_FINISHED],
        [*EVENTS[:3], CalibrationDone(0.0, [0.5], [True], 1.0), RUN_FINISHED],
        [*EVENTS[:3], PredictionsRecorded([0, 1], [0, 0], [0.5, 90.0], 1.0), RUN_FINISHED],
        [*EVENTS[:3], replace(RUN_FINISHED, confusion_matrix=[[1]])],
        [*EVENTS[:3], replace(RUN_FINISHED, classes=["x", "y"])],
        [*EVENTS[:3], replace(RUN_FINISHED, approach="hybrid")],
        [
            STARTED,
            WatchedExamples([4, 5], [PICTURE, "https://example.org/x.png"], [1, 0]),
            RUN_FINISHED,
        ],
        [STARTED, WatchedExamples([4], ["data:text/html;base64,AAAA"], [1]), RUN_FINISHED],
        [STARTED, WatchedExamples([4], [PICTURE], [1], [4]), LOOK, RUN_FINISHED],
        [STARTED, WatchedExamples([4], [PICTURE], [1], [4, -1]), LOOK, RUN_FINISHED],
        [*EVENTS[:3], WeightsCompared([PART | {"change": "far"}], 1.0), RUN_FINISHED],
        [*EVENTS[:3], WeightsCompared([PART | {"change": -0.1}], 1.0), RUN_FINISHED],
        [*EVENTS[:3], WeightsCompared([{"name": "stem", "change": None}], 1.0), RUN_FINISHED],
        [
            STARTED,
            WatchedExamples([4], ["data:image/svg+xml,<svg onload='x()'>"], [1]),
            RUN_FINISHED,
        ],
    ],
)
def test_events_that_do_not_fit_each_other_are_refused(runs, events):
    found = document(runs)
    refused(runs, found | {"events": [event.as_json() for event in events]})


def test_every_field_of_every_event_must_be_of_its_type(runs):
    found = document(runs)
    for number, event in enumerate(found["events"]):
        for name in event.keys() - {"peak_memory_bytes", "stored_bytes"}:
            other = 7 if isinstance(event[name], str | list | dict) else "x"
            for wrong in ({}, [{}], other):
                if wrong == event[name] or (name == "repeat" and wrong == {}):
                    continue
                events = [*found["events"]]
                events[number] = event | {name: wrong}
                assert refused(runs, found | {"events": events}), (name, wrong)


@pytest.mark.parametrize(
    "change",
    [
        {"runs": []},
        {"runs": [{"run": "x"}]},
        {"failed": {"<b>": "x"}},
        {"advised": "magic"},
        {"advised_article": ""},
        {"outcome": "splendid"},
        {"against_advised": {"hybrid": {"low": 0}}},
    ],
    ids=str,
)
def test_a_comparison_that_no_page_could_draw_is_refused(runs, change):
    found = json.loads(export_run(runs, compared(runs)[0]))
    found["events"][-1] |= change
    refused(runs, found)


def test_a_part_must_be_a_run_on_the_same_data(runs):
    found = json.loads(export_run(runs, compared(runs)[0]))
    refused(runs, found | {"parts": {"0": json.loads(json.dumps(found))}})
    refused(runs, found | {"parts": {"0": document(runs, plan=Plan(**OTHER), events=OTHER_ENDS)}})
    refused(runs, found | {"parts": dict.fromkeys(map(str, range(21)), found["parts"]["0"])})


OTHER = {"data": "vehicles", "approach": "transfer"}
OTHER_ENDS = [replace(STARTED, data="vehicles"), replace(RUN_FINISHED, data="vehicles")]


def test_a_time_to_come_is_now(runs):
    found = document(runs) | {"created": 9e12, "ended": 9e12}
    back = import_run(runs, json.dumps(found).encode(), "bob")
    assert runs.get_run(back).created_at <= time.time()


def test_what_comes_in_waits_for_no_worker(runs):
    back = import_run(runs, json.dumps(document(runs)).encode(), "bob")
    assert runs.claim("worker") is None
    assert runs.get_run(back).state != CANCELLED
