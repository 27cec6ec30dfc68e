"""What workers do: runs, and beside them reading data, looking it over, and downloads.

A job is a frozen dataclass of plain values, JSON both ways, and a generator of events that
executes it: `runner(job, *, stop, folder)`. The last event of a run is `Finished`, of a comparison
`Compared`, of learning curves `Curved`, of any other job `Done`.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from trainers.events import Event
from trainers.plan import BadPlan, Plan
from trainers.system.registry import look_up

Runner = Callable[..., Iterator[Event]]


@dataclass(frozen=True, kw_only=True)
class _Job:
    """Fields as JSON; those of a newer version are passed over."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Any:
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})


@dataclass(frozen=True, kw_only=True)
class ImportData(_Job):
    """Data of a visitor's own, read from where it was put. `Done.found` is {"data": "own-…"}."""

    path: str  # a folder or file that Thaw made under its home, never a visitor's text
    title: str
    visitor: str
    text_column: str | None = None
    label_column: str | None = None
    group_column: str | None = None  # among which scores are compared
    replaced_data: str = ""  # data read from the same files before: deleted once this is there


@dataclass(frozen=True, kw_only=True)
class DataCheck(_Job):
    """A data set looked over: is it fit, and what are the answers to the guide's questions?
    `Done.found` is {"findings": […], "checked": […], "answers": {…}, "evidence": {…},
    "facts": {…}}."""

    data: str
    seconds: float = 60  # the budget that a run would have
    backbone: str = ""  # that a run would use: its speed is timed. "": the bundled one


@dataclass(frozen=True, kw_only=True)
class Download(_Job):
    """A backbone or a data set, downloaded. `Done.found` is {}."""

    key: str  # in trainers.backbones or in trainers.datasets


@dataclass(frozen=True, kw_only=True)
class Comparison(_Job):
    """Several approaches on the same split, with the same backbone and budget each. The last event
    is `Compared`."""

    data: str
    visitor: str
    approaches: tuple[str, ...] = ("none", "simple", "transfer", "fine_tune", "hybrid", "scratch")
    backbone: str = ""
    examples_per_class: int | None = None
    seconds: float = 30  # of each run
    seed: int = 0
    trainable: str = "auto"
    fixes: tuple[str, ...] = ()
    pilot_seconds: float = 20  # of the trial on the training examples, before the runs; 0: none
    answers: dict[str, str] = field(default_factory=dict)  # given in the guide; {}: the data's
    article_advice: str = ""  # by the article's rules; "": from the answers
    advice: str = ""  # what Thaw advises in the end; "": what the trial says, else the same

    def __post_init__(self) -> None:
        # Lists, where it comes out of JSON.
        object.__setattr__(self, "approaches", tuple(self.approaches))
        object.__setattr__(self, "mends", tuple(self.fixes))

    def make_plans(self) -> list[Plan]:
        """Its runs, in order. Raises `BadPlan`."""
        if not self.approaches:
            raise BadPlan("A comparison needs at least one approach.")
        return [
            Plan(
                data=self.data,
                approach=approach,
                backbone=self.backbone,
                examples_per_class=self.examples_per_class,
                seconds=self.seconds,
                seed=self.seed,
                trainable=self.trainable,
                fixes=self.fixes,
            )
            for approach in dict.fromkeys(self.approaches)
        ]


@dataclass(frozen=True, kw_only=True)
class LearningCurve(_Job):
    """Some approaches with ever more of the training examples: would more data help? The last event
    is `Curved`."""

    data: str
    visitor: str
    approaches: tuple[str, ...] = ("transfer", "fine_tune", "hybrid")
    backbone: str = ""
    examples_per_class: int | None = None  # at the right end of the curves; None: all there are
    seconds: float = 60  # in all
    seed: int = 0
    trainable: str = "auto"
    fixes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # Lists, where it comes out of JSON; a repeated approach would be run twice.
        object.__setattr__(self, "approaches", tuple(dict.fromkeys(self.approaches)))
        object.__setattr__(self, "mends", tuple(self.fixes))

    def make_plans(self, **changes: Any) -> list[Plan]:
        """A run of each approach, with `changes` of per_class, seconds, seed. Raises `BadPlan`."""
        if not self.approaches:
            raise BadPlan("Learning curves need at least one approach.")
        settings = self.as_json() | changes
        settings = {name: settings[name] for name in PLAN_FIELDS} | {"mends": self.fixes}
        return [Plan(approach=approach, **settings) for approach in self.approaches]


PLAN_FIELDS = ("data", "backbone", "per_class", "seconds", "seed", "what_learns")


@dataclass(frozen=True, kw_only=True)
class ClaimTest(_Job):
    """The experiment that tests one of the article's claims. The last event is `Judged`."""

    key: str  # in guide.claims
    seconds: float  # for all its runs together, at most


@dataclass(frozen=True, kw_only=True)
class Export(_Job):
    """A finished run, packed into a zip to take away: it lies at `trainers.system.paths.bundle_path(key)`.
    `Done.found` is {"bytes": …}."""

    key: str  # the run's id
    visitor: str
    onnx: bool = False  # with the model in that form too: larger, and some seconds more


@dataclass(frozen=True, kw_only=True)
class ForgettingTest(_Job):
    """The backbone of a finished run, asked before and after about what it did not learn here.
    `Done.found` is what trainers/tasks/forgetting.py says."""

    key: str  # the run's id
    visitor: str


@dataclass(frozen=True, kw_only=True)
class MlflowLog(_Job):
    """A finished run, told to MLflow: see trainers/reports/mlflow.py. `Done.found` is {"told": …}."""

    key: str  # the run's id
    visitor: str


class JobKind(NamedTuple):
    job_type: type
    runner: str  # "module:function", the runner: importing this file brings no torch
    needs_torch: bool  # needs torch, so a worker that has it
    typical_seconds: float | None = None  # about; None where the job itself says


KINDS = {
    "run": JobKind(Plan, "trainers.training.shared_cache:run_with_warm_cache", needs_torch=True),
    "read": JobKind(
        ImportData, "trainers.tasks.import_data:import_data", needs_torch=False, typical_seconds=20
    ),
    "check": JobKind(
        DataCheck, "trainers.tasks.data_check:run_data_check", needs_torch=True, typical_seconds=15
    ),
    "compare": JobKind(Comparison, "trainers.tasks.compare:compare", needs_torch=True),
    "curve": JobKind(
        LearningCurve, "trainers.tasks.learning_curve:run_learning_curve", needs_torch=True
    ),
    "claim": JobKind(ClaimTest, "trainers.tasks.claim_test:run_claim", needs_torch=True),
    "export": JobKind(
        Export, "trainers.export.bundle:run_export", needs_torch=True, typical_seconds=20
    ),
    "forgot": JobKind(
        ForgettingTest,
        "trainers.tasks.forgetting:measure_forgetting",
        needs_torch=True,
        typical_seconds=10,
    ),
    "track": JobKind(
        MlflowLog, "trainers.reports.mlflow:track", needs_torch=False, typical_seconds=5
    ),
    "fetch": JobKind(
        Download, "trainers.tasks.download:run_download", needs_torch=False, typical_seconds=60
    ),
}


TRAINING_KINDS = ("run", "compare", "curve", "claim")  # need nothing but data, and leave models


def kind_of(job: Any) -> str:
    return next(name for name, kind in KINDS.items() if type(job) is kind.job_type)


def subject_of(job: Any) -> str:
    """What the job is about: a data set, or what is read or fetched."""
    return next(getattr(job, name) for name in ("data", "key", "path") if hasattr(job, name))


def from_json(kind: str, data: dict[str, Any]) -> Any:
    """The job that `as_json` made `data` of. Raises `BadPlan` for a plan that cannot be run."""
    return look_up(KINDS, kind, "kind of job").job_type.from_json(data)


def run_job(
    job: Any, *, should_stop: Callable[[], bool], folder: Path | None = None
) -> Iterator[Event]:
    """The events of `job`, whichever kind it is."""
    module, _, name = KINDS[kind_of(job)].runner.partition(":")
    yield from getattr(import_module(module), name)(job, should_stop=should_stop, folder=folder)
