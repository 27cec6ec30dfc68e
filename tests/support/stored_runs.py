"""What a visitor has run, put into the app's database as it would stand there: nothing is trained,
so pages of finished runs are there at once."""

from pathlib import Path

import numpy as np
from sqlalchemy import insert

from trainers.data_checks.findings import Finding, FindingExample
from trainers.events import (
    Baseline,
    ComparisonDone,
    ComparisonRunStarted,
    CurvePoint,
    JobCancelled,
    JobDone,
    LearningCurveDone,
    PhaseStarted,
    PredictionsRecorded,
    RunFinished,
    RunStarted,
    Stage,
    Step,
    ValidationDone,
    WatchedExamples,
)
from trainers.hosting.room_settings import RoomSettings
from trainers.hosting.rooms import Rooms
from trainers.jobs import Comparison, DataCheck, ForgettingTest, LearningCurve
from trainers.plan import Plan
from trainers.store import Store
from trainers.store.tables import share_links
from trainers.tasks.forgetting import Probe, Question, summarise_answers

VISITOR = "a-visitor-of-the-tests"
CLASSES = ["happy", "sad", "angry"]
PARTS = [
    {"name": "first layers", "parameters": 900, "learnable": 0},
    {"name": "new last layer", "parameters": 90, "learnable": 90},
]
DOT = (  # a picture of one pixel
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5C"
    "YII="
)
COMPARED = ("none", "simple", "transfer", "fine_tune", "hybrid")


def begun(approach: str) -> list:
    """A run that is at work."""
    look = {
        "phase": 0,
        "watched_predictions": [0, 2],
        "confidence": [0.9, 0.4],
        "map_labels": [0, 1, 2, 2],
    }
    look |= {"map_points": [[0, 0], [1, 1], [2, 0], [2, 1]], "map_predictions": [0, 1, 2, 0]}
    first = ValidationDone(**look, step=0, epoch=0.0, accuracy=0.3, loss=1.2, is_best=True,
                      train_accuracy=None, train_loss=None, seconds=0.5)  # fmt: skip
    later = ValidationDone(**look, step=4, epoch=2.0, accuracy=0.75, loss=0.6, is_best=True,
                      train_accuracy=0.9, train_loss=0.3, seconds=2.0)  # fmt: skip
    return [
        RunStarted(
            approach, "digits", "small_resnet", "images", CLASSES, 40, 10, 60, 990, 30.0, 0.5, "cpu"
        ),
        WatchedExamples([0, 1], [DOT, DOT], [0, 1]),
        Baseline("nearest class mean", 0.6, 0.2),
        Stage("phase", "The new last layer learns", 0.4),
        PhaseStarted(0, "The new last layer learns", PARTS, 90, 0.01, 0.4),
        first,
        Step(0, 1, 0.5, 1.1, 0.8),
        Step(0, 2, 1.0, 0.7, 1.1),
        later,
    ]


def finished(approach: str, right: int = 48) -> RunFinished:
    return RunFinished(
        approach, "digits", "small_resnet", CLASSES, 50, 60, right, right / 60, right / 60 - 0.1,
        right / 60 + 0.08, 0.79, [[18, 1, 1], [2, right - 34, 2], [3, 33 - right + 20, 16]], 4.2,
        90, 990, 12.0, False, {}, 300_000_000, 4_500,
    )  # fmt: skip


def tested(approach: str) -> list:
    """The end of a run."""
    truth = [number // 20 for number in range(60)]
    answers = [(label + (number % 5 == 0)) % 3 for number, label in enumerate(truth)]
    return [PredictionsRecorded(truth, answers, [0.8] * 60, 4.0), finished(approach)]


def run(store: Store, approach: str = "transfer", *, over: bool = True, **more) -> str:
    key = store.enqueue(Plan(data="digits", approach=approach), VISITOR, worker="test", **more)
    store.append(key, begun(approach) + (tested(approach) if over else []))
    return key


def compared(runs: dict[str, str]) -> ComparisonDone:
    """The end of a comparison of these runs, the advice wrong."""
    rows = [finished(a, 40 + n).as_json() | {"run": r} for n, (a, r) in enumerate(runs.items())]
    paired = {"difference": -0.02, "low": -0.06, "high": 0.02, "p": 0.3}
    return ComparisonDone(
        rows, {"scratch": "There was no time left."}, "transfer", "transfer", "hybrid", "wrong",
        "Hybrid is better: 44 against 42 right of 60.", dict.fromkeys(COMPARED[3:], paired), 0.3,
        30.0, answers_source="visitor", article_outcome="wrong",
        diagnosis_text='To "How special is your task?" the answer was "Everyday".\nThe data '
                       'says else.',
        next_steps="Use hybrid here.\nNext time, look at the data first.",
    )  # fmt: skip


def comparison(store: Store) -> str:
    """One whose advice was wrong, with learning curves."""
    job = Comparison(data="digits", visitor=VISITOR, approaches=COMPARED)
    key = store.enqueue(job, VISITOR, worker="test")
    runs = {approach: run(store, approach, parent_id=key) for approach in COMPARED}
    events = [ComparisonRunStarted(*lane, n, len(runs), 1.0) for n, lane in enumerate(runs.items())]
    end = compared(runs)
    store.append(key, [*events, end])
    points = [
        CurvePoint(approach, per_class, 0, 30 + n, 60, 0.4, 0.7, 2.0, 5.0, True, True)
        for approach in LearningCurve.approaches
        for n, per_class in enumerate((1, 5, 10))
    ]
    curve = LearningCurve(data="digits", visitor=VISITOR)
    rows = [vars(point) for point in points]
    told = LearningCurveDone(rows, "Twice the examples would help.", [], [], 30.0)
    store.append(store.enqueue(curve, VISITOR, worker="test"), [*points, told])
    return key


def forgot(store: Store, run: str) -> None:
    """`run` was asked what it forgot, and did not know 8 of 12 pictures any more."""
    questions = [Question(0, "lorry", (0, 1), ("bus", "lorry")) for _ in range(12)]
    pictures = np.zeros((1, 8, 8, 3), np.uint8)
    probe = Probe("Vehicles", pictures, questions, centred=True)
    found = summarise_answers([probe], [[1] * 12], [[0] * 8 + [1] * 4], untouched=False)
    job = ForgettingTest(key=run, visitor=VISITOR)
    store.append(store.enqueue(job, VISITOR, worker="test"), [JobDone(found, 2.0)])


def look_over(store: Store) -> None:
    """The data set that the page Data shows has been looked over."""
    finding = Finding(
        key="blank",
        title="Two are blank",
        count=2,
        effect="Nothing can be learned from them.",
        severity="warning",
        examples=(FindingExample(example=DOT, label="happy", note="in the test"),),
        names=("a.png",),
    )
    times = {"transfer": {"seconds": 4.0}, "scratch": {"seconds": 400.0}}
    found = {
        "findings": [finding.as_json()],
        "checked": ["doubles"],
        "answers": {"specificity": "common"},
        "evidence": {"compute": {"says": "The budget is 30 s.", "per_approach": times}},
        "facts": {"remarks": ["They are grey."]},
    }
    key = store.enqueue(DataCheck(data="digits"), VISITOR, worker="test")
    store.append(key, [JobDone(found, 3.0)])


def room(store: Store) -> str:
    """The code of a room that the visitor leads; one person has a score, another runs."""
    rooms = Rooms(store)
    code = rooms.open_room("Class 7b", RoomSettings(), VISITOR).code
    for name in ("Ana", "Ben"):
        person = rooms.join(code, name, f"{name}-of-the-tests-00")
        key = rooms.enqueue(
            RoomSettings().make_plan("transfer", person.number), f"{name}-of-the-tests-00"
        )
        store.append(key, [finished("transfer")] if name == "Ana" else [JobCancelled(1.0)])
    return code


def store_of(home: Path) -> Store:
    """The database of the app at `home`."""
    return Store(f"sqlite:///{home / 'thaw.db'}")


def filled(home: Path) -> dict[str, str]:
    """Fills the database of the app at `home`; the addresses of what is there."""
    store = store_of(home)
    first, other = run(store), run(store, "hybrid")
    compared = comparison(store)
    look_over(store)
    code = room(store)
    with store.engine.begin() as sql:
        links = [
            {"token": f"link-{key}", "run_id": key, "created_at": 0.0} for key in (first, compared)
        ]
        sql.execute(insert(share_links), links)
    return {
        "shared run": f"/run?shared=link-{first}",
        "shared comparison": f"/compare?shared=link-{compared}",
        "finished": f"/run?run={first}",
        "compare": f"/compare?compare={compared}",
        "side": f"/runs?runs={first},{other}",
        "led room": f"/room?room={code}",
        "wall": f"/room?room={code}&wall=1",
    }


def racing(home: Path) -> str:
    """A comparison on its way: one lane is over, the next has begun."""
    store = store_of(home)
    job = Comparison(data="digits", visitor=VISITOR, approaches=COMPARED)
    key = store.enqueue(job, VISITOR, worker="test")
    lanes = [run(store, "none", parent_id=key), run(store, "hybrid", over=False, parent_id=key)]
    events = [
        ComparisonRunStarted(a, r, n, 5, 1.0)
        for n, (a, r) in enumerate(zip(COMPARED, lanes, strict=False))
    ]
    store.append(key, events)
    return f"/compare?compare={key}"


def at_work(home: Path) -> str:
    """A run that has just begun: for 15 seconds nobody misses its worker."""
    return f"/run?run={run(store_of(home), 'hybrid', over=False)}"
