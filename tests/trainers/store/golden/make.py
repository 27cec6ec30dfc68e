"""Make the golden files: what Thaw 0.1.0 stored, for tests that later versions still read it.

It ran once, with the code of version 0.1.0 (commit 4db92c1), whose modules later versions do not
have. It is kept to show what the files hold and how they came to be:

    cd CHECKOUT_OF_0.1.0 && PYTHONPATH=. python make.py OUTPUT_FOLDER

Everything is written by 0.1.0's own functions: `as_json`, `Store`, `Rooms`, `limits`, `sharing`,
`accounts`, `run_file`, `own.read`. No training happens: the events are built by hand with realistic
values. Clock and random numbers are seeded: a second run makes the same rows, but for the stamp of
the table that was read (it depends on the file) and the order in which SQLite's indexes were made.

Files:
    events.jsonl, jobs.jsonl, findings.jsonl  a stored object a line, with every field
    older.jsonl          objects without their optional fields, and what 0.1.0 reads them as
    thaw-0.1.0.db        an SQLite database
    thaw-0.1.0.postgres.sql  the tables of that version in PostgreSQL, without rows
    home/                the data folder beside it: an import of own data, a checkpoint
    thaw-run.json, thaw-compare.json  exported run files
    expected.json        what 0.1.0 reads back from the database and the run files
"""

import base64
import io
import json
import os
import random
import secrets
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import MISSING, asdict, fields, replace
from pathlib import Path

OUTPUT = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "files")
WORK = Path(tempfile.mkdtemp(prefix="thaw-golden-"))
os.environ["THAW_HOME"] = str(WORK / "home")
os.environ.pop("THAW_DATABASE_URL", None)


class Clock:
    """Seconds since 1970 that advance a little with each look."""

    now = 1_760_000_000.0  # 9 October 2025

    def __call__(self) -> float:
        self.now = round(self.now + 0.125, 3)
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


clock, rng = Clock(), random.Random(20251009)  # noqa: S311
time.time = clock
secrets.token_urlsafe = lambda size=32: (
    base64.urlsafe_b64encode(rng.randbytes(size)).rstrip(b"=").decode()
)
secrets.token_hex = lambda size=32: rng.randbytes(size).hex()
secrets.choice = rng.choice

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402
from sqlalchemy import select  # noqa: E402
from sqlalchemy.dialects import postgresql  # noqa: E402
from sqlalchemy.schema import CreateIndex, CreateTable  # noqa: E402

from guide.approaches import APPROACHES  # noqa: E402
from trainers import claims, continuing, jobs, migrations, run_file, trend  # noqa: E402
from trainers.approaches import phases  # noqa: E402
from trainers.checkpoint import CHECKPOINT  # noqa: E402
from trainers.events import (  # noqa: E402
    Answered,
    Baseline,
    Calibrated,
    Cancelled,
    Changed,
    ClaimRunDone,
    ClaimRunStarted,
    Compared,
    Curved,
    Done,
    Event,
    Failed,
    Finished,
    LaneDone,
    LaneStarted,
    Notice,
    Paced,
    PhaseDone,
    PhaseStarted,
    Point,
    Progress,
    Stage,
    Started,
    Step,
    Tried,
    Validated,
    Watched,
    from_json,
)
from trainers.findings import Finding, Mend, Shown  # noqa: E402
from trainers.health import CHECKED, FINDERS  # noqa: E402
from trainers.home import home, run_folder  # noqa: E402
from trainers.jobs import (  # noqa: E402
    Checkup,
    ClaimTest,
    Comparison,
    Curve,
    Export,
    Fetch,
    Forgot,
    Reading,
    Tracked,
)
from trainers.measure import score  # noqa: E402
from trainers.misled import explained  # noqa: E402
from trainers.plan import Pace, Plan  # noqa: E402
from trainers.privacy import accounts, limits, retention, sharing  # noqa: E402
from trainers.rooms import NoRoom, Settings, rooms, rooms_table  # noqa: E402
from trainers.samples import own  # noqa: E402
from trainers.store import SORTS, NoSuchRun, runs as runs_table, store, tables  # noqa: E402
from trainers.verdict import judge  # noqa: E402

# Keys of browsers, as the app gives them; an account; whoever sits at this computer.
ANN, BOB, CEM, DORA, LEADER = (f"{name}-{secrets.token_urlsafe(12)}" for name in "abcdl")
ACCOUNT = accounts.account_id("https://accounts.example.org", "subject 17", "a secret")
WORKER, LIGHT = "worker-one-0", "worker-one-light"
LOST = "The process that ran this ended without a word (the computer was shut down)."
CLASSES = {
    "digits": [str(number) for number in range(10)],
    "messages": ["billing", "delivery", "praise", "returns"],
}
REVIEWS = ["bad", "good"]
SEARCHES = (
    "digits",
    "transfer",
    "fine-tuning",
    "BEST",
    "best digits",
    "messages",
    "nothing",
    "100%",
)


# --- events ---------------------------------------------------------------------------------------


def picture(shade: int) -> str:
    """A tiny PNG as a data: URI."""
    file = io.BytesIO()
    Image.new("L", (4, 4), shade).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


class Story:
    """The events of one run, with plausible numbers that depend on the plan alone."""

    def __init__(self, plan: Plan, accuracy: float = 0.85, *, classes: list[str] | None = None):
        self.plan, self.accuracy = plan, accuracy
        self.classes = classes or CLASSES[plan.data]
        self.modality = "images" if plan.data == "digits" else "text"
        self.rng = random.Random(json.dumps(plan.as_json()))  # noqa: S311
        self.seconds, self.events = 0.0, []
        self.labels = [n % len(self.classes) for n in range(4 * len(self.classes))]
        self.train = len(self.classes) * (plan.per_class or 50)
        self.held = self.train // 5

    def pass_time(self, seconds: float = 0.2) -> float:
        self.seconds = round(self.seconds + seconds * self.rng.uniform(0.5, 1.5), 4)
        return self.seconds

    def add(self, *events: Event) -> None:
        self.events += events

    def share(self, about: float) -> float:
        return round(min(1.0, max(0.0, self.rng.gauss(about, 0.04))), 3)

    def answer(self) -> list[int]:
        wrong = [n for n in range(len(self.labels)) if self.rng.random() > self.accuracy]
        return [
            (label + 1) % len(self.classes) if n in wrong else label
            for n, label in enumerate(self.labels)
        ]

    # The parts of a run, in order.

    def start(self, **changes: object) -> None:
        simple = self.plan.approach == "simple"
        event = Started(
            approach=self.plan.approach,
            data=self.plan.data,
            backbone="" if simple else self.plan.backbone,
            modality=self.modality,
            classes=self.classes,
            train_examples=self.train - self.held,
            validation_examples=0 if simple else self.held,
            test_examples=len(self.labels),
            parameters=0 if simple else 702_506,
            budget_seconds=self.plan.seconds,
            setup_seconds=0.8125,
            machine="cpu",
            predicted_seconds=None if simple else 6.4,
            predicted_memory_bytes=None if simple else 412_876_800,
        )
        self.add(replace(event, **changes))

    def look(self) -> None:
        """Features of every example, before training."""
        self.add(Stage("features", "Looking at every example", self.pass_time()))
        self.add(Progress(64, self.train, self.pass_time()))
        self.add(Baseline("nearest class mean", self.share(0.6), self.pass_time()))

    def watch(self) -> None:
        shown = [picture(40 * n) if self.modality == "images" else f"text {n}" for n in range(3)]
        self.add(Watched([5, 9, 12], shown, [0, 1, 1], [5, 9, 12, 20]))

    def validate(self, phase: int, step: int, *, best: bool = True, moved: bool = True) -> None:
        first = step == 0
        points = [[round(self.rng.gauss(0, 2), 3), round(self.rng.gauss(0, 2), 3)] for _ in "1234"]
        self.add(
            Validated(
                phase=phase,
                step=step,
                epoch=step / 4,
                accuracy=self.share(0.3 if first else self.accuracy),
                loss=round(self.rng.uniform(0.4, 2.2), 5),
                best=best,
                train_accuracy=None if first else self.share(0.9),
                train_loss=None if first else round(self.rng.uniform(0.1, 0.9), 5),
                watched=[0, 1, 0 if first else 1],
                sureness=[self.share(0.7) for _ in range(3)],
                points=points if moved else [],
                point_labels=[0, 1, 1, 0],
                point_answers=[0, 1, 0, 0],
                seconds=self.pass_time(),
            )
        )

    def learn(self, number: int, phase: object, why: str = "all steps done") -> None:
        whole = phase.learns != "head"
        parts = [
            {"name": "stem", "parameters": 4_704, "learnable": 4_704 if whole else 0},
            {"name": "last layer", "parameters": 1_290, "learnable": 1_290},
        ]
        self.add(Stage("phase", phase.title, self.pass_time()))
        learnable = sum(part["learnable"] for part in parts)
        rate = phase.learning_rate
        self.add(PhaseStarted(number, phase.title, parts, learnable, rate, self.pass_time()))
        self.validate(number, 0)
        for step in (1, 2, 3):
            loss = round(2.3 / step + self.rng.uniform(0, 0.2), 6)
            self.add(Step(number, step, step / 4, loss, self.pass_time()))
            if whole and step == 2:
                self.add(Paced(number, 8, 4, 0.0625, self.pass_time(0.01)))
        self.validate(number, 3)
        self.add(Step(number, 8, 2.0, 0.31, self.pass_time()))
        self.validate(number, 8, best=False, moved=False)
        self.add(PhaseDone(number, 8, 2.0, why, self.pass_time(0.01)))

    def refit(self) -> None:
        text = "Once more, with the checks to learn from as well"
        self.add(Stage("refit", text, self.pass_time()))
        self.add(Progress(4, 8, self.pass_time(), unit="steps"))

    def calibrate(self) -> None:
        sureness = [self.share(0.8) for _ in range(self.held)]
        right = [self.rng.random() < self.accuracy for _ in sureness]
        self.add(Calibrated(1.3125, sureness, right, self.pass_time(0.01)))

    def test(self, *, stopped: bool = False) -> None:
        plan, answers = self.plan, self.answer()
        trained = plan.approach not in ("none", "simple")
        self.add(Stage("test", "Testing on examples never used so far", self.pass_time()))
        sureness = [] if plan.approach == "none" else [self.share(0.8) for _ in answers]
        calibrated = [round(share * 0.95, 3) for share in sureness] if trained else []
        self.add(Answered(self.labels, answers, sureness, self.pass_time(), calibrated))
        if trained:
            part = {"name": "stem", "parameters": 4_704, "learnable": 0, "change": 0.0}
            new = {"name": "last layer", "parameters": 1_290, "learnable": 1_290, "change": None}
            self.add(Changed([part, new], self.seconds))
        self.add(self.end(answers, stopped))

    def end(self, answers: list[int], stopped: bool) -> Event:
        plan, result = self.plan, score(self.labels, answers, len(self.classes))
        steps = tuple((8, 8, 3) for event in self.events if isinstance(event, PhaseDone))
        pace = Pace(
            train=self.train - self.held,
            validation=self.held,
            test=len(answers),
            steps=steps,
            refit=8 if steps else 0,
            mirrored=self.modality == "images",
        )
        return Finished(
            approach=plan.approach,
            data=plan.data,
            backbone="" if plan.approach == "simple" else plan.backbone,
            classes=self.classes,
            train_examples=self.train,
            test_examples=len(answers),
            test_right=result.right,
            test_accuracy=result.accuracy,
            test_accuracy_low=result.low,
            test_accuracy_high=result.high,
            macro_f1=result.macro_f1,
            confusion=result.confusion,
            seconds=self.pass_time(0.05),
            learnable_parameters=1_290,
            parameters=702_506,
            epochs=2.0 * len(steps),
            stopped=stopped,
            repeat=replace(plan, pace=plan.pace or pace).as_json(),
            peak_memory_bytes=398_458_880,
            stored_bytes=0 if plan.approach == "none" else 5_672,
        )

    def whole(self, *, stopped: bool = False) -> list[Event]:
        """All events of a run that ends with a score."""
        self.start()
        if self.plan.approach == "simple":
            text = "Comparing pixels directly, without a network"
            self.add(Stage("phase", text, self.pass_time()))
        elif self.plan.approach == "none":
            self.look()
        else:
            self.add(Notice("20 of each class were asked for; one has only 18.", self.seconds))
            self.watch()
            self.look()
            played = phases(self.plan.approach, self.modality, "all")
            for number, phase in enumerate(played):
                why = "stopped" if stopped else ("all steps done", "no longer improves")[number]
                self.learn(number, phase, why)
            self.refit()
            self.calibrate()
        self.test(stopped=stopped)
        return self.events

    def interrupted(self) -> list[Event]:
        """The events until the process was lost, in the middle of the first phase."""
        self.start()
        self.watch()
        self.look()
        phase = phases(self.plan.approach, self.modality, "all")[0]
        self.learn(0, phase)
        del self.events[-3:]
        return self.events


def answered_right(share: float, tests: int = 200, seed: int = 0) -> list[bool]:
    dice = random.Random(seed)  # noqa: S311
    return [dice.random() < share for _ in range(tests)]


# Answers to the guide's questions, as given and as the data says.
ANSWERS = {
    "modality": "images",
    "data_volume": "limited",
    "data_quality": "unsure",
    "compute": "minutes",
    "reuse": "unsure",
    "specificity": "common",
}
MEASURED = {"data_volume": "moderate", "specificity": "specialised"}
SAYS = {"data_volume": "50 examples of each class.", "specificity": "Its features lie far apart."}
WRONG = {"transfer": 0.5, "fine_tune": 0.9, "hybrid": 0.8}  # shares right: the advice misled
OPEN = {"transfer": 0.80, "fine_tune": 0.79, "hybrid": 0.83, "none": 0.5}
RIGHT = {"transfer": 0.9, "fine_tune": 0.6, "simple": 0.55}


def compared(shares: dict[str, float], rows: list[dict], **changes: object) -> Event:
    """The end of a comparison where each approach has that share of the test right."""
    right = {key: answered_right(share, seed=n) for n, (key, share) in enumerate(shares.items())}
    verdict = judge("transfer", right)
    why = explained(
        verdict,
        verdict,
        advised="transfer",
        advised_article="transfer",
        answers=ANSWERS,
        measured=MEASURED,
        says=SAYS,
        tried=45,
    )
    event = Compared(
        runs=rows,
        failed={},
        advised_article="transfer",
        advised="transfer",
        best=verdict.best,
        outcome=verdict.outcome,
        verdict=verdict.words,
        against_advised={key: pair._asdict() for key, pair in verdict.against_advised.items()},
        visible=verdict.visible,
        seconds=48.75,
        settled_at=verdict.settled_at,
        answers=ANSWERS,
        answers_from="visitor",
        measured={key: {"answer": MEASURED[key], "says": SAYS[key]} for key in MEASURED},
        outcome_article=verdict.outcome,
        misled=why.found,
        why_wrong=why.why,
        to_do=why.to_do,
    )
    return replace(event, **changes)


def tried() -> Event:
    text = "A trial on parts of your training examples: transfer learning 40 of 45 right."
    right = {"transfer": 40, "fine_tune": 31, "hybrid": 38}
    return Tried(right, 45, "transfer", "transfer", text, 19.5)


def curve_events() -> list[Event]:
    """Learning curves of two approaches at three sizes, two draws each."""
    right = {
        (approach, size, draw): np.array(answered_right(base + gain * n, 120, 7 * size + draw))
        for approach, base, gain in (("transfer", 0.7, 0.06), ("fine_tune", 0.45, 0.2))
        for n, size in enumerate((10, 20, 40))
        for draw in (0, 1)
    }
    points = []
    for place, ((approach, size, draw), answers) in enumerate(right.items()):
        result = score([1] * len(answers), answers.astype(int).tolist(), 2)
        points.append(
            Point(
                approach,
                size,
                draw,
                result.right,
                len(answers),
                result.low,
                result.high,
                2.5 + place / 8,
                5.0,
                place != 9,
                place % 2 == 0,
            )
        )
    words = trend.told(right, {"hybrid": 10}, ["fine_tune"])
    rows = [point.as_json() for point in points]
    stage = Stage("curve", "10 of each class", 0.0)
    return [stage, *points, Curved(rows, words.words, words.crossing, words.forecast, 58.5)]


def claim_events(key: str = "compute") -> list[Event]:
    """The test of a claim, with the results that 0.1.0 shipped."""
    result = claims.shipped()[key]
    judged = from_json(result)
    events, total = [], len(judged.runs)
    for number, run in enumerate(judged.runs):
        about = {name: run[name] for name in ("data", "approach", "per_class", "seed")}
        about |= {"number": number, "total": total}
        events.append(ClaimRunStarted(**about, seconds=10.0 * number))
        events.append(Progress(number, total, 10.0 * number + 5, "runs"))
        right, tests = run["right"].count("1"), len(run["right"])
        events.append(ClaimRunDone(**about, right=right, tests=tests, seconds=10.0 * number + 9))
    return [*events, judged]


def forgot_result() -> dict:
    low_high = {"before_low": 0.6123, "before_high": 0.781, "after_low": 0.5411, "after_high": 0.72}
    gap = {"difference": -0.0666, "low": -0.1401, "high": 0.0105, "p": 0.0963}
    group = {"name": "Pairs of sentences", "tests": 120, "before": 85, "after": 77}
    lost = {"asked": "A dog runs.", "right": "same meaning", "answer": "other meaning"}
    words = "It cannot be told: 85 of 120 right before, 77 after, 7 points fewer."
    counts = {"tests": 120, "outcome": "cannot tell", "before": 85, "after": 77}
    return counts | low_high | gap | {"groups": [group], "lost": [lost], "words": words}


def check_result(data: str) -> dict:
    """What looking over own data found, as `Done.found` and check.json hold it."""
    shown = [one for one in findings() if FINDERS[one.key].modality in ("", "text")]
    says = {"says": "12 examples of each class.", "numbers": [12, 12]}
    return {
        "findings": [one.as_json() for one in shown],
        "checked": list(CHECKED),
        "answers": ANSWERS | {"modality": "text", "data_quality": "mixed"},
        "evidence": {"data_quality": says, "data_volume": says},
        "facts": {"remarks": ["The texts are short."], "width": None},
    }


def variants() -> list[Event]:
    """Events that no story has: optional fields set or None, outcomes of other kinds."""
    row = Story(Plan(data="digits", approach="transfer")).whole()[-1].as_json() | {"run": "a-run"}
    return [
        Notice("Left out, as chosen when the data was looked over: 3 copies.", 0.0, limits=False),
        Progress(1_048_576, 8_388_608, 2.5, unit="bytes"),
        compared(WRONG, [row]),
        compared(OPEN, [row], answers_from="data"),
        compared(RIGHT, [row], failed={"scratch": "cancelled"}, answers={}, measured={}),
        Watched([3, 8], ["", ""], [1, 0]),
        PhaseDone(1, 40, 5.0, "time is up", 12.5),
        Done({}, 61.0),
        Done({"told": True}, 0.0),
    ]


# --- jobs and findings ----------------------------------------------------------------------------


OWN_EXAMPLE = "own-kNv3xQ8_b1-TzA2c"  # a key of own data, in lines that stand alone


def job_examples() -> list:
    """Every kind of job with all fields set, and with the required fields alone."""
    pace = Pace(
        train=160,
        validation=40,
        test=450,
        steps=((80, 80, 6), (96, 71, 6)),
        refit=71,
        calibration=128,
        mirrored=True,
    )
    common = {"per_class": 20, "seconds": 45.5, "seed": 3}
    mends = ("doubles", "two-labels")
    return [
        Plan(
            data="digits",
            approach="hybrid",
            backbone="resnet18",
            what_learns="all",
            pace=pace,
            **common,
        ),
        Plan(
            data=OWN_EXAMPLE,
            approach="fine_tune",
            backbone="minilm",
            what_learns="lora",
            mends=mends,
            **common,
        ),
        Plan(data="digits", approach="transfer"),
        Plan(data="messages", approach="none", per_class=0),
        Reading(
            path="/srv/thaw/inbox/q1",
            title="reviews.csv",
            visitor=ANN,
            text_column="review",
            label_column="stars",
            group_column="country",
            replaces=OWN_EXAMPLE,
        ),
        Reading(path="/srv/thaw/inbox/q2", title="leaves.zip", visitor=ANN),
        Checkup(data="messages", seconds=30, backbone="distilbert"),
        Checkup(data="digits"),
        Fetch(key="hf:google/vit-base-patch16-224"),
        Fetch(key="resnet18"),
        Comparison(
            data=OWN_EXAMPLE,
            visitor=ANN,
            approaches=("transfer", "fine_tune"),
            backbone="minilm",
            what_learns="lora",
            mends=mends,
            trial_seconds=0,
            answers=ANSWERS | {"modality": "text"},
            advised_article="transfer",
            advised="hybrid",
            **common,
        ),
        Comparison(data="digits", visitor=ANN),
        Curve(
            data=OWN_EXAMPLE,
            visitor=ANN,
            approaches=("transfer", "scratch"),
            backbone="minilm",
            what_learns="all",
            mends=mends,
            **common,
        ),
        Curve(data="digits", visitor=ANN),
        ClaimTest(key="few-shot", seconds=240.0),
        Export(key="a-run", visitor=ANN, onnx=True),
        Export(key="a-run", visitor=ANN),
        Forgot(key="a-run", visitor=ANN),
        Tracked(key="a-run", visitor=ANN),
    ]


def findings() -> list[Finding]:
    """A finding of each finder: with examples, names and a mend where that finder has them."""
    weights = ("problem", "warning", "note")
    made = []
    for place, finder in enumerate(FINDERS.values()):
        text = finder.modality == "text"
        example = "Größe “M”, 100 % cotton" if text else picture(17 * (place % 9))
        shown = (
            Shown(example=example, label="good", note="in the test"),
            Shown(example=example, label="bad"),
        )
        mend = Mend(title="Leave them out", rows=(1, 4, 17)) if finder.mends else None
        made.append(
            Finding(
                key=finder.key,
                title=f"3 examples: {finder.looks_at}",
                count=3,
                effect="The score may flatter. Have a look at them.",
                weight=weights[place % 3],
                lowers_quality=place % 2 == 0,
                shown=shown if place % 3 else (),
                names=("bad: 3", "good: 40") if place % 3 == 0 else (),
                mend=mend,
            )
        )
    return made


# --- the database ---------------------------------------------------------------------------------


def work(job: object, visitor: str, events: list[Event], *, queue: object = None) -> str:
    """Queue a job, have a worker claim it, and append its events in two batches."""
    key = queue(job, visitor) if queue else limits.start(job, visitor)
    claim(key)
    append(key, events)
    return key


def claim(key: str) -> None:
    heavy = jobs.KINDS[store().find(key).kind].heavy
    clock.wait(1.5)
    claimed = store().claim(WORKER if heavy else LIGHT, heavy=heavy)
    assert claimed.id == key, (claimed.id, key)


def append(key: str, events: list[Event]) -> None:
    middle = len(events) // 2
    store().append(key, events[:middle])
    clock.wait(getattr(events[-1], "seconds", 1.0))
    store().append(key, events[middle:])
    clock.wait(20)


def runs_of_every_approach() -> dict[str, str]:
    """Finished runs of Ann's, with name, note, pin and share."""
    keys = {}
    for place, approach in enumerate(APPROACHES):
        plan = Plan(data="digits", approach=approach, per_class=20, seconds=10)
        keys[approach] = work(plan, ANN, Story(plan, 0.6 + place / 20).whole())
    note = "Two lines,\nand 100% “quoted” 🧊"
    store().describe(keys["hybrid"], ANN, name="Best so far", note=note)
    store().describe(keys["none"], ANN, name="", note="a note alone")
    store().pin([keys["transfer"]], ANN)
    sharing.share(keys["hybrid"], ANN)
    sharing.share(keys["simple"], ANN)
    sharing.unshare(keys["simple"], ANN)
    return keys


def runs_that_end_otherwise() -> None:
    plan = Plan(data="messages", approach="fine_tune", per_class=10, seconds=12)
    text = "Not enough memory for a batch of 16. Choose a smaller backbone."
    work(plan, ANN, [*Story(plan).interrupted(), Failed(text, 3.5)])
    plan = replace(plan, seed=1)
    work(plan, ANN, [*Story(plan).interrupted(), Cancelled(2.25)])
    waiting = limits.start(replace(plan, seed=2), ANN)
    store().cancel(waiting, ANN)
    clock.wait(5)
    plan = Plan(data="messages", approach="transfer", seconds=8)
    stopped = limits.start(plan, ANN)
    claim(stopped)
    store().stop(stopped, ANN)
    append(stopped, Story(plan).whole(stopped=True))


def run_repeated(of: str) -> None:
    """The plan of a finished run, with its pace."""
    plan = Plan.from_json(store().find(of).result["repeat"])
    work(plan, ANN, Story(plan, 0.8).whole())


def run_interrupted(seed: int) -> str:
    """A run whose worker was lost, and that left a checkpoint."""
    plan = Plan(data="digits", approach="fine_tune", per_class=50, seconds=20, seed=seed)
    key = limits.start(plan, ANN)
    claim(key)
    store().append(key, Story(plan).interrupted())
    clock.wait(9)
    store().gone(WORKER, LOST)
    store().beat(WORKER, 4242, ready=True)
    leave_checkpoint(key)
    return key


def run_interrupted_and_continued() -> None:
    run_interrupted(seed=5)  # nobody continues this one
    first = run_interrupted(seed=4)
    second = continuing.continue_run(store(), first, ANN)
    plan = store().find(second).plan
    claim(second)
    rest = Story(plan, 0.9)
    rest.seconds = 1.6  # the clock goes on where the checkpoint was
    rest.learn(0, phases("fine_tune", "images", "all")[0])
    rest.calibrate()
    rest.test()
    append(second, [*continuing.before(store(), second), *rest.events])
    continuing.settle(store(), second, rest.events[-1])  # removes both checkpoints


def leave_checkpoint(run: str) -> None:
    """The file of an interrupted run, as standing.py writes it, with a tiny tensor."""
    pace = asdict(Pace(train=400, validation=100, test=40, steps=()))
    standing = {"phase": 0, "step": 2, "epoch": 0.5, "until": 17.5, "pace": pace, "fewer": False}
    standing |= {"form": 1, "seconds": 1.5}
    folder = run_folder(run)
    folder.mkdir(parents=True)
    metadata = {"standing": json.dumps(standing)}
    save_file({"best.head.bias": np.zeros(10, np.float32)}, folder / CHECKPOINT, metadata)


def comparison() -> str:
    """Three runs under one comparison; a fourth approach failed."""
    approaches = ("transfer", "fine_tune", "simple", "scratch")
    job = Comparison(
        data="digits", visitor=ANN, approaches=approaches, per_class=20, seconds=9, answers=ANSWERS
    )
    whole = limits.start(job, ANN)
    claim(whole)
    events = [
        Stage("answers", "Answering the guide's questions from the data", 0.0),
        Stage("trial", "Trying transfer learning, round 1", 1.0),
        tried(),
    ]
    rows, failed = [], {}
    for number, plan in enumerate(job.plans()):
        part = store().start(plan, ANN, worker="comparison", part_of=whole)
        end = lane(part, plan, failed)
        began = 20.0 + 9 * number
        events.append(LaneStarted(plan.approach, part, number, len(approaches), began))
        events.append(LaneDone(plan.approach, part, began + 8.5))
        if end:
            rows.append(end.as_json() | {"run": part})
    append(whole, [*events, compared(RIGHT, rows, failed=failed)])
    store().describe(whole, ANN, name="All on digits", note="")
    sharing.share(whole, ANN)
    return whole


def lane(part: str, plan: Plan, failed: dict[str, str]) -> Event | None:
    """The events of a run of a comparison; its last where it has a score."""
    if plan.approach == "scratch":
        failed[plan.approach] = "The loss became nan at step 3."
        append(part, [*Story(plan).interrupted(), Failed(failed[plan.approach], 2.0)])
        return None
    events = Story(plan, RIGHT[plan.approach]).whole()
    append(part, events)
    return events[-1]


def own_data() -> str:
    """A table of texts brought in by Ann, looked over, and run on."""
    folder = WORK / "table"
    folder.mkdir()
    rows = [
        f"{subject} is {word} and number {n * n * 7 + 3},{label},{('north', 'south')[n % 2]}"
        for n, subject in enumerate(("the cat", "a dog", "my house", "that boat", "one tree", "it"))
        for word, label in (("lovely", "good"), ("dreadful", "bad"))
    ]
    rows.append(rows[0])  # a copy
    (folder / "reviews.csv").write_text("\n".join(["text,label,region", *rows]), "utf-8")
    os.utime(folder / "reviews.csv", (1_759_000_000,) * 2)  # its time is part of a stamp
    data = f"own-{read(folder / 'reviews.csv')}"
    job = Reading(
        path="/srv/thaw/inbox/q1",
        title="reviews.csv",
        visitor=ANN,
        text_column="text",
        label_column="label",
        group_column="region",
    )
    stages = [Stage("read", "Opening it", 0.0), Progress(400, 1000, 0.4, unit="share")]
    work(job, ANN, [*stages, Done({"data": data}, 0.9)])
    own.keep_check(data, check_result(data))
    stage = Stage("findings", "Looking for faults", 4.0)
    checked = [stage, Progress(3, 16, 4.5, "checks"), Done(check_result(data), 7.5)]
    work(Checkup(data=data, seconds=20), ANN, checked)
    plan = Plan(data=data, approach="transfer", seconds=10, mends=("doubles",))
    work(plan, ANN, Story(plan, 0.9, classes=REVIEWS).whole())
    return data


def read(file: Path) -> str:
    """The id of the data that 0.1.0 makes of a table."""
    reading = own.read(
        file,
        title="reviews.csv",
        visitor=ANN,
        text_column="text",
        label_column="label",
        group_column="region",
    )
    while True:
        try:
            next(reading)
        except StopIteration as end:
            return end.value


def other_jobs(run: str) -> None:
    """Learning curves, the test of a claim, and jobs that are no training."""
    curve = Curve(data="digits", visitor=ANN, approaches=("transfer", "fine_tune"), seconds=60)
    work(curve, ANN, curve_events())
    work(ClaimTest(key="compute", seconds=90.0), ANN, claim_events())
    zipped = [Stage("export", "Packing it", 0.0), Done({"bytes": 2_345_678}, 3.25)]
    work(Export(key=run, visitor=ANN, onnx=True), ANN, zipped)
    asked = [Stage("forgot", "Asking the backbone as it came", 0.5), Done(forgot_result(), 8.0)]
    work(Forgot(key=run, visitor=ANN), ANN, asked)
    work(Tracked(key=run, visitor=ANN), ANN, [Done({"told": True}, 0.0)])
    loaded = [Progress(10_000, 45_000_000, 0.5, unit="bytes"), Done({}, 12.0)]
    work(Fetch(key="resnet18"), ANN, loaded)
    text = "The download broke off. Try again."
    work(Fetch(key="distilbert"), BOB, [Failed(text, 4.0)])


def a_room() -> dict[str, str]:
    """A room with two people and their runs, one who left, and a wrong code."""
    settings = Settings(data="digits", seconds=20, per_class=20, may_change=("per_class", "expert"))
    room = rooms().open("  Workshop:  thaw ", settings, LEADER)
    rooms().reached_at(room.code, LEADER, "http://192.168.0.7:8501")
    for name, visitor in (("Ana", BOB), ("Ana", CEM), ("Дора", DORA)):
        rooms().join(room.code, name, visitor)
    keys = {}
    started = ((BOB, "transfer", 0.8), (CEM, "hybrid", 0.9), (DORA, "hybrid", 0.7))
    for visitor, approach, share in started:
        number = rooms().of(visitor)[1].number
        plan = replace(settings.plan(approach, number), per_class=10 if visitor == CEM else 20)
        keys[visitor] = rooms().start(plan, visitor, limits.start)
        claim(keys[visitor])
        append(keys[visitor], Story(plan, share).whole())
    rooms().leave(DORA)
    with suppress(NoRoom):
        rooms().enter("ZZ ZZZ", CEM)
    exercise = rooms().open("Homework", Settings.of_exercise("how-few"), LEADER)
    rooms().join(exercise.code, "Lead", LEADER)
    rooms().pause(exercise.code, LEADER)
    return {"room": room.code, "exercise": exercise.code}


def people_sign_in() -> None:
    plan = Plan(data="digits", approach="transfer", per_class=5, seconds=5)
    work(plan, DORA, Story(plan, 0.7).whole())
    accounts.take_over(DORA, ACCOUNT)
    accounts.leave(BOB, ACCOUNT)
    accounts.remember(CEM, "run", {"data": "digits", "approach": "hybrid"})


def deleted_and_waiting() -> None:
    """A run that can still be brought back, one at work and two that wait."""
    plan = Plan(data="digits", approach="transfer", per_class=5, seconds=5)
    gone = work(plan, BOB, Story(plan, 0.7).whole())
    store().delete([gone], BOB)
    plan = Plan(data="digits", approach="scratch", seconds=60)
    running = limits.start(plan, BOB)
    claim(running)
    store().append(running, Story(plan).interrupted())
    rooms().start(
        Plan(data="digits", approach="fine_tune", per_class=20, seconds=20, seed=1),
        BOB,
        limits.start,
    )
    limits.start(Plan(data="messages", approach="hybrid", what_learns="lora"), ANN)
    terminal = Plan(data="messages", approach="simple", seconds=4)
    key = store().start(terminal, "terminal", worker="terminal")
    append(key, Story(terminal, 0.75).whole())


def fill() -> dict[str, str]:
    """Fill the database; the runs to export."""
    store().beat(WORKER, 4242, ready=True)
    store().beat(LIGHT, 4243, ready=True, heavy=False)
    retention.since()
    keys = runs_of_every_approach()
    runs_that_end_otherwise()
    run_repeated(keys["hybrid"])
    run_interrupted_and_continued()
    whole = comparison()
    other_jobs(keys["hybrid"])
    own_data()
    a_room()
    people_sign_in()
    deleted_and_waiting()
    store().beat(WORKER, 4242, ready=True)
    return {"run": keys["hybrid"], "compare": whole}


# --- what 0.1.0 reads back ------------------------------------------------------------------------


def plain(value: object) -> object:
    """`value` as JSON gives it back: tuples as lists."""
    return json.loads(json.dumps(value))


def read_run(key: str) -> dict:
    run = store().find(key)
    events = store().events(key)
    assert [number for number, _ in events] == list(range(1, len(events) + 1))
    shown = {f.name: getattr(run, f.name) for f in fields(run) if f.name not in ("plan", "id")}
    return shown | {
        "job": run.plan.as_json(),
        "events": [event.as_json() for _, event in events],
        "continues": continuing.continues(store(), key),
        "continued_by": continuing.continued_by(store(), key),
    }


def every_id() -> list[str]:
    with store().engine.connect() as sql:
        return sorted(sql.scalars(select(runs_table.c.id)))


def read_history(**choice: object) -> dict:
    page, total = store().history(limit=100, **choice)
    return {"lines": [asdict(past) | {"title": past.title} for past in page], "total": total}


def read_room(code: str, visitors: dict[str, str]) -> dict:
    room = rooms().find(code)
    return {
        "room": asdict(room) | {"settings": room.settings.as_json()},
        "people": [person._asdict() for person in rooms().people(code)],
        "leads": [visitor for visitor in visitors.values() if rooms().leads(code, visitor)],
        "boards": {
            key: [asdict(line) for line in rooms().board(code, visitors[key])]
            for key in ("bob", "leader")
        },
    }


def read_part(visitor: str) -> dict | None:
    """Which room the visitor takes part in, and as whom."""
    part = rooms().of(visitor)
    return part and {"room": part[0].code, "person": part[1]._asdict()}


def read_own(key: str) -> dict:
    """An import of own data: how it is described, what was found, and its examples."""
    data = own.sample(key)
    examples = data.data()
    sides = {"train": examples.train, "test": examples.test}
    return {
        "title": data.title,
        "visitor": data.visitor,
        "classes": list(examples.classes),
        "counts": data.counts,
        "columns": data.columns,
        "groups": data.groups,
        "created": data.created,
        "checked": own.checked(key),
        "examples": {
            side: [list(some.inputs), some.labels.tolist(), some.groups.tolist()]
            for side, some in sides.items()
        },
    }


def rows_of(name: str) -> list[dict]:
    """A table without a function that reads all of it."""
    with store().engine.connect() as sql:
        rows = [dict(row) for row in sql.execute(select(tables.tables[name])).mappings()]
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))


def read_codes() -> list[str]:
    with store().engine.connect() as sql:
        return sorted(sql.scalars(select(rooms_table.c.code)))


def read_shares() -> dict[str, str]:
    tokens = {row["token"] for row in rows_of("shares")}
    return {token: sharing.shared(token).id for token in sorted(tokens)}


def standing_places() -> dict[str, dict]:
    """Where interrupted runs would go on."""
    places = {key: continuing.place(key) for key in every_id() if run_folder(key).exists()}
    return {key: place._asdict() for key, place in places.items() if place}


def read_back() -> dict:
    """All that is known, through the functions that pages and terminal use."""
    visitors = {
        "ann": ANN,
        "bob": BOB,
        "cem": CEM,
        "dora": DORA,
        "leader": LEADER,
        "account": ACCOUNT,
        "terminal": "terminal",
    }
    runs, deleted = {}, []
    for key in every_id():
        try:
            runs[key] = read_run(key)
        except NoSuchRun:
            deleted.append(key)
    owned = sorted({row["subject"] for row in rows_of("runs") if row["subject"].startswith("own-")})
    return {
        "now": clock.now,
        "visitors": visitors,
        "runs": runs,
        "deleted": deleted,
        "histories": {key: read_history(visitor=visitor) for key, visitor in visitors.items()},
        "orders": {
            sort: [line["id"] for line in read_history(visitor=ANN, sort=sort)["lines"]]
            for sort in SORTS
        },
        "with_parts": read_history(visitor=ANN, parts=True),
        "searches": {
            words: sorted(
                line["id"] for line in read_history(visitor=None, search=words, parts=True)["lines"]
            )
            for words in SEARCHES
        },
        "reads": {key: sorted(store().read_by(visitor)) for key, visitor in visitors.items()},
        "places": standing_places(),
        "rooms": {code: read_room(code, visitors) for code in read_codes()},
        "parts": {key: read_part(visitor) for key, visitor in visitors.items()},
        "shares": read_shares(),
        "own": {key: read_own(key) for key in owned},
        "had": {key: accounts.had(visitor, ACCOUNT)._asdict() for key, visitor in visitors.items()},
        "tables": {
            name: rows_of(name)
            for name in ("answered", "spent", "tidying", "wanted", "workers", "room_tries")
        },
    }


def read_run_file(file: Path, visitor: str = "somebody") -> dict:
    """What importing a run file gives. Ids are new each time, so they are left out."""
    key = run_file.bring_in(store(), file.read_bytes(), visitor)
    return imported(key)


def imported(key: str) -> dict:
    run, past = store().find(key), store().past(key)
    events = [event for _, event in store().events(key)]
    lanes = [event.run for event in events if isinstance(event, LaneStarted)]
    text = json.dumps([event.as_json() for event in events])
    for number, lane_key in enumerate(lanes):
        text = text.replace(json.dumps(lane_key), json.dumps(f"lane {number}"))
    return {
        "kind": run.kind,
        "visitor": run.visitor,
        "state": run.state,
        "created": run.created,
        "ended": run.ended,
        "name": past.name,
        "note": past.note,
        "title": past.title,
        "score": past.score,
        "job": run.plan.as_json(),
        "events": json.loads(text),
        "lanes": [imported(lane_key) for lane_key in lanes],
    }


# --- the files ------------------------------------------------------------------------------------


def write_lines(name: str, rows: list) -> None:
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (OUTPUT / name).write_text("\n".join(lines) + "\n", "utf-8")
    print(f"{name}: {len(lines)} lines")


def event_lines(stored: list[Event]) -> list[dict]:
    """Of each kind up to three different events, and those with another set of empty fields."""
    lines, seen, empty = [], Counter(), set()
    for event in [*variants(), *stored]:
        line, kind = event.as_json(), event.kind()
        blank = kind, tuple(name for name, value in line.items() if value in (None, [], {}, ""))
        if line in lines or (seen[kind] >= 3 and blank in empty):
            continue
        lines.append(line)
        seen[kind] += 1
        empty.add(blank)
    check_events(lines)
    return sorted(lines, key=lambda line: list(Event.kinds).index(line["type"]))


def check_events(lines: list[dict]) -> None:
    """Every kind is there, and every optional field both set and empty."""
    assert {line["type"] for line in lines} == Event.kinds.keys() - {"event"}
    for kind, cls in Event.kinds.items():
        for one in fields(cls):
            values = [line[one.name] for line in lines if line["type"] == kind]
            if one.default is None or "None" in str(one.type):
                blank = [value is None for value in values]
            elif one.default_factory is not MISSING:
                blank = [not value for value in values]
            else:
                continue
            assert set(blank) == {True, False}, (kind, one.name)


def without_defaults(cls: type, stored: dict) -> dict:
    """`stored` as an older version wrote it, which knew the required fields alone."""
    required = {
        one.name for one in fields(cls) if one.default is MISSING and one.default_factory is MISSING
    }
    return {name: value for name, value in stored.items() if name in required | {"type"}}


def older_lines(events: list[dict], job_lines: list[dict], finding_lines: list[dict]) -> list[dict]:
    lines = []

    def add(of: str, kind: str, stored: dict, reads_as: dict) -> None:
        lines.append({"of": of, "kind": kind, "stored": stored, "reads_as": reads_as})

    for kind, line in {line["type"]: line for line in events}.items():
        stored = without_defaults(Event.kinds[kind], line)
        if stored != line:
            add("event", kind, stored, from_json(stored).as_json())
    for kind, line in {line["kind"]: line["job"] for line in job_lines}.items():
        stored = without_defaults(jobs.KINDS[kind].job, line)
        reads_as = jobs.from_json(kind, stored).as_json()
        if plain(reads_as) != stored:
            add("job", kind, stored, reads_as)
    pace = {"train": 5, "validation": 2, "test": 9, "steps": [[8, 8, 3]]}
    stored = {"data": "digits", "approach": "transfer", "pace": pace}
    add("job", "run", stored, Plan.from_json(stored).as_json())
    stored = without_defaults(Finding, finding_lines[0])
    stored_shown = stored | {"shown": [{"example": "text", "label": "good"}]}
    for row in (stored, stored_shown):
        add("finding", row["key"], row, Finding.from_json(row).as_json())
    settings = {"data": "digits", "approaches": ["transfer"], "seconds": 20, "per_class": None}
    add("settings", "room", settings, Settings.from_json(settings).as_json())
    return lines


def write_json_lines() -> None:
    own.keep.remember(OWN_EXAMPLE, "text")
    stored = [event for key in every_id() for _, event in store().events(key)]
    assert {type(event).kind() for event in stored} == Event.kinds.keys() - {"event"}
    events = plain(event_lines(stored))
    write_lines("events.jsonl", events)
    rows = [{"kind": jobs.kind_of(job), "job": plain(job.as_json())} for job in job_examples()]
    assert {row["kind"] for row in rows} == jobs.KINDS.keys()
    write_lines("jobs.jsonl", rows)
    seen = plain([one.as_json() for one in findings()])
    write_lines("findings.jsonl", seen)
    write_lines("older.jsonl", older_lines(events, rows, seen))


def close_database() -> Path:
    """Leave the database as one file, without a write-ahead log."""
    file = home() / "thaw.db"
    store().engine.dispose()
    store.cache_clear()
    with closing(sqlite3.connect(file)) as sql:
        sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        sql.execute("PRAGMA journal_mode=DELETE")
        sql.execute("VACUUM")
    assert not list(home().glob("thaw.db-*"))
    return file


def write_tables() -> None:
    """The tables in PostgreSQL's words, with the revision that 0.1.0 stamps."""
    dialect = postgresql.dialect()
    statements = []
    for table in tables.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)).strip())
        for index in sorted(table.indexes, key=lambda index: index.name):
            statements.append(str(CreateIndex(index).compile(dialect=dialect)).strip())
    statements.append(
        f"CREATE TABLE {migrations.VERSION} (version_num VARCHAR(32) NOT NULL, "
        f"CONSTRAINT {migrations.VERSION}_pkc PRIMARY KEY (version_num))"
    )
    text = "".join(f"{statement};\n" for statement in statements)
    (OUTPUT / "thaw-0.1.0.postgres.sql").write_text(text)


def copy_home() -> None:
    """What lies beside the database: own data and checkpoints."""
    for name in ("data", "runs"):
        shutil.copytree(home() / name, OUTPUT / "home" / name)
    for folder in (OUTPUT / "home" / "runs").iterdir():  # git keeps no empty folder
        if not any(folder.iterdir()):
            folder.rmdir()


def write_expected(expected: dict) -> None:
    """A line for each entry, so that a difference can be seen."""
    sections = []
    for name, section in sorted(expected.items()):
        text = json.dumps(section, sort_keys=True, ensure_ascii=False)
        if isinstance(section, dict):
            rows = [
                f"{json.dumps(key)}: {json.dumps(row, sort_keys=True, ensure_ascii=False)}"
                for key, row in sorted(section.items())
            ]
            text = "{\n" + ",\n".join(rows) + "\n}"
        sections.append(f"{json.dumps(name)}: {text}")
    (OUTPUT / "expected.json").write_text("{\n" + ",\n".join(sections) + "\n}\n", "utf-8")


def main() -> None:
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    keys = fill()
    for kind, key in keys.items():
        (OUTPUT / f"thaw-{kind}.json").write_text(run_file.as_text(store(), key), "utf-8")
    shutil.copy(close_database(), OUTPUT / "thaw-0.1.0.db")
    copy_home()
    write_tables()
    expected = read_back()  # opens the database anew
    files = {kind: read_run_file(OUTPUT / f"thaw-{kind}.json") for kind in keys}
    expected["run_files"] = files
    write_expected(expected)
    write_json_lines()
    store().engine.dispose()
    shutil.rmtree(WORK)
    for file in sorted(OUTPUT.rglob("*")):
        if file.is_file():
            print(f"{file.stat().st_size:>8}  {file.relative_to(OUTPUT)}")


if __name__ == "__main__":
    main()
