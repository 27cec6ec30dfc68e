"""Names and texts that want to act, and a data folder full of them."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.conftest import forget_store
from tests.support import stored_runs as kept
from trainers.data_checks.findings import Finding, FindingExample
from trainers.datasets import uploads
from trainers.events import (
    Baseline,
    ComparisonDone,
    ComparisonRunStarted,
    JobDone,
    JobFailed,
    Notice,
    PredictionsRecorded,
    RunFinished,
    RunStarted,
    WatchedExamples,
)
from trainers.hosting import sharing
from trainers.hosting.room_settings import RoomSettings
from trainers.hosting.rooms import Rooms
from trainers.jobs import Comparison, DataCheck, ImportData
from trainers.plan import Plan
from trainers.reports.run_file import export_run, import_run
from trainers.store import get_store

AWAY = "away.example"  # a host that nobody has
NAMES = [
    f"<script>alert(1)</script><img src=http://{AWAY}/a.png onerror=alert(2)>",
    f"![x](http://{AWAY}/b.png) [y](javascript:alert(3)) [z](http://{AWAY}/c)",
    f":material/home: :red[x] :smile: $x^2$ # **d** | `e` http://{AWAY}/f",
]
SIGNS = ["<script>", "![x](", ":material/home:"]  # what a page shows of each, as it stands
SHORT = "<img src=x onerror=a()>"  # 24 letters are kept of a name in a room
VISITOR, GUEST = kept.VISITOR, "a-guest-of-these-tests"
TRAINED = "a model that learned such names"
APPROACHES = ("none", "simple", "transfer", "fine_tune", "hybrid")


@contextmanager
def at_home(folder: Path) -> Iterator[None]:
    """This process works in the data folder of a running app."""
    before = os.environ.get("THAW_HOME")
    os.environ["THAW_HOME"] = str(folder)
    forget_store()
    try:
        yield
    finally:
        forget_store()
        if before is None:
            del os.environ["THAW_HOME"]
        else:
            os.environ["THAW_HOME"] = before


def texts(folder: Path) -> str:
    """The key of data of the visitor's own: hostile texts in hostile classes, in a hostile file."""
    rows = [
        {"text": f"{NAMES[(n + 1) % 3]} says {n * 7919 % 1009} and {n}", "label": name}
        for name in NAMES
        for n in range(12)
    ]
    file = folder / "texts.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    reading = uploads.import_upload(file, title=NAMES[1], visitor=VISITOR)
    while True:
        try:
            next(reading)
        except StopIteration as end:
            return f"own-{end.value}"


def ours(event, data: str):
    """An event of the kept runs, as if it were about these texts."""
    match event:
        case RunStarted():
            return replace(event, data=data, backbone="minilm", modality="text", classes=NAMES)
        case RunFinished():
            return replace(event, data=data, backbone="minilm", classes=NAMES)
        case WatchedExamples():
            return replace(event, inputs=NAMES[: len(event.inputs)])
        case Baseline():
            return replace(event, method=NAMES[0])
    return event


def run(data: str, approach: str = "transfer", *, end=None, **more) -> str:
    key = get_store().enqueue(Plan(data=data, approach=approach), VISITOR, worker="test", **more)
    truth = [number // 20 for number in range(60)]
    answers = [(label + (number % 5 == 0)) % 3 for number, label in enumerate(truth)]
    told = [*kept.begun(approach), *(Notice(name, 1.0) for name in NAMES)]
    told += (
        [end]
        if end
        else [PredictionsRecorded(truth, answers, [0.8] * 60, 4.0), kept.finished(approach)]
    )
    get_store().append(key, [ours(event, data) for event in told])
    get_store().annotate(key, VISITOR, name=NAMES[2], note="\n".join(NAMES))
    return key


def comparison(data: str) -> str:
    key = get_store().enqueue(
        Comparison(data=data, visitor=VISITOR, approaches=APPROACHES), VISITOR, worker="test"
    )
    lanes = {approach: run(data, approach, parent_id=key) for approach in APPROACHES}
    told = [ComparisonRunStarted(*lane, n, len(lanes), 1.0) for n, lane in enumerate(lanes.items())]
    rows = [
        ours(kept.finished(approach), data).as_json() | {"run": run}
        for approach, run in lanes.items()
    ]
    paired = {"difference": -0.02, "low": -0.06, "high": 0.02, "p": 0.3}
    told.append(
        ComparisonDone(
            rows,
            {"scratch": NAMES[0]},
            "transfer",
            "transfer",
            "hybrid",
            "wrong",
            NAMES[1],
            dict.fromkeys(APPROACHES[3:], paired),
            0.3,
            30.0,
            answers_source="visitor",
            article_outcome="wrong",
            diagnosis_text="\n".join(NAMES),
            next_steps="\n".join(NAMES),
        )
    )
    get_store().append(key, told)
    get_store().annotate(key, VISITOR, name=NAMES[0], note=NAMES[1])
    return key


def looked_over(data: str) -> None:
    finding = Finding(
        key="blank",
        title=NAMES[0],
        count=2,
        effect=NAMES[1],
        severity="warning",
        examples=(FindingExample(example=NAMES[2], label=NAMES[0], note=NAMES[1]),),
        names=tuple(NAMES),
    )
    times = {"transfer": {"seconds": 4.0}}
    found = {
        "findings": [finding.as_json()],
        "checked": list(NAMES),
        "answers": {"specificity": "common"},
        "evidence": {"compute": {"says": NAMES[0], "per_approach": times}},
        "facts": {"remarks": list(NAMES)},
    }
    key = get_store().enqueue(DataCheck(data=data), VISITOR, worker="test")
    get_store().append(key, [JobDone(found, 3.0)])
    uploads.save_check(data, found)


def room() -> str:
    rooms = Rooms(get_store())
    code = rooms.open_room(NAMES[1], RoomSettings(), VISITOR).code
    for number, name in enumerate((SHORT, "![x](//a.b/c)", ":red[x] $x$ **y**")):
        who = f"person-{number}-of-these-tests"
        person = rooms.join(code, name, who)
        key = rooms.enqueue(RoomSettings().make_plan("transfer", person.number), who)
        get_store().append(key, [kept.finished("transfer", 40 + number)])
    return code


def filled(folder: Path, home: Path) -> dict[str, tuple[str, str]]:
    """Fills the data folder `home`: what is there -> (who looks, the address)."""
    with at_home(home):
        data = texts(folder)
        looked_over(data)
        plan = Plan(data=data, approach="simple", seconds=5)
        trained = get_store().enqueue(plan, VISITOR)  # by a worker of the app
        first, other = run(data), run(data, "hybrid")
        failed = run(data, end=JobFailed(NAMES[1], 2.0))
        compared = comparison(data)
        reading = get_store().enqueue(
            ImportData(path="x", title=NAMES[2], visitor=VISITOR), VISITOR, worker="test"
        )
        get_store().append(reading, [JobFailed(" ".join(NAMES), 1.0)])
        brought = import_run(get_store(), export_run(get_store(), first).encode(), VISITOR)
        code = room()
        tokens = [sharing.share_run(key, VISITOR) for key in (first, compared)]
    return {
        "guide": (VISITOR, "/"),
        "data": (VISITOR, "/data"),
        "a data set": (VISITOR, f"/data?data={data}"),
        "somebody else's data set": (GUEST, f"/data?data={data}"),
        "a reading": (VISITOR, f"/data?reading={reading}"),
        "run": (VISITOR, f"/run?data={data}"),
        **{
            f"a finished run, {section}": (VISITOR, f"/run?run={first}&section={section}")
            for section in kept_sections()
        },
        "a failed run": (VISITOR, f"/run?run={failed}"),
        "a run out of a file": (VISITOR, f"/run?run={brought}"),
        "a shared run": (GUEST, f"/run?shared={tokens[0]}"),
        "compare": (VISITOR, "/compare"),
        "a comparison": (VISITOR, f"/compare?compare={compared}"),
        "a shared comparison": (GUEST, f"/compare?shared={tokens[1]}"),
        "claims": (VISITOR, "/claims"),
        "runs": (VISITOR, "/runs"),
        "runs side by side": (VISITOR, f"/runs?runs={first},{other},{failed}"),
        "rooms": (VISITOR, "/room"),
        "a room, who leads": (VISITOR, f"/room?room={code}"),
        "a room, on the wall": (VISITOR, f"/room?room={code}&wall=1"),
        "a room, who comes in": (GUEST, f"/room?room={code}"),
        "a room, who takes part": ("person-0-of-these-tests", f"/room?room={code}"),
        "a run in a room": ("person-0-of-these-tests", "/run"),
        "learn": (VISITOR, "/learn"),
        TRAINED: (VISITOR, f"/run?run={trained}&section=try"),
    }


def kept_sections() -> tuple[str, ...]:
    from pages.parts.results import SECTIONS

    return tuple(SECTIONS)
