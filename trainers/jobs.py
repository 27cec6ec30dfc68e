"""What workers do: runs and, beside them, imports, checks, downloads and the like.

A job is a frozen dataclass of plain values, stored as JSON. Its runner, a generator of events, is
called as `runner(job, should_stop=…, folder=…)`. The last event of a run is `RunFinished`, of a
comparison `ComparisonDone`, of a learning curve `LearningCurveDone`, of a claim test
`ClaimTestDone`, of any other job `JobDone`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from trainers.events import Event
from trainers.plan import BadPlan, Plan
from trainers.system.records import JsonRecord, stored_as
from trainers.system.registry import look_up

Runner = Callable[..., Iterator[Event]]


@dataclass(frozen=True, kw_only=True)
class ImportData(JsonRecord):
    """Import a visitor's own data. `JobDone.result` is {"data": "own-…"}."""

    path: str  # a folder or file that Thaw made in its data folder, never a visitor's text
    title: str
    visitor: str
    text_column: str | None = None
    label_column: str | None = None
    group_column: str | None = None  # scores are compared between these groups
    # The data imported from the same files before; deleted once the new import is complete.
    replaced_data: Annotated[str, stored_as("replaces")] = ""


@dataclass(frozen=True, kw_only=True)
class DataCheck(JsonRecord):
    """Check a data set for problems and answer the guide's questions from it.

    `JobDone.result` is {"findings": […], "checked": […], "answers": {…}, "evidence": {…},
    "facts": {…}}.
    """

    data: str
    seconds: float = 60  # the budget of a later run
    backbone: str = ""  # of a later run: its speed is timed. "": the bundled one


@dataclass(frozen=True, kw_only=True)
class Download(JsonRecord):
    """Download a backbone or a data set. `JobDone.result` is {}."""

    key: str  # in trainers.backbones or in trainers.datasets


@dataclass(frozen=True, kw_only=True)
class _RunsOfApproaches(JsonRecord):
    """Runs of several approaches with the same settings."""

    data: str
    visitor: str
    approaches: tuple[str, ...]
    backbone: str = ""
    examples_per_class: Annotated[int | None, stored_as("per_class")] = None  # None: all
    seconds: float = 30
    seed: int = 0
    trainable: Annotated[str, stored_as("what_learns")] = "auto"
    fixes: Annotated[tuple[str, ...], stored_as("mends")] = ()

    def __post_init__(self) -> None:
        # JSON has lists; a repeated approach would run twice.
        object.__setattr__(self, "approaches", tuple(dict.fromkeys(self.approaches)))
        object.__setattr__(self, "fixes", tuple(self.fixes))

    def make_plans(self, **changes: Any) -> list[Plan]:
        """Return a plan for each approach, with `changes` to its settings. Raises `BadPlan`."""
        if not self.approaches:
            raise BadPlan("Choose at least one approach.")
        settings = {name: getattr(self, name) for name in PLAN_SETTINGS} | changes
        return [Plan(approach=approach, **settings) for approach in self.approaches]


PLAN_SETTINGS = (
    *("data", "backbone", "examples_per_class", "seconds", "seed", "trainable", "fixes"),
)


@dataclass(frozen=True, kw_only=True)
class Comparison(_RunsOfApproaches):
    """Compare approaches on the same split; `seconds` is the budget of each run."""

    approaches: tuple[str, ...] = ("none", "simple", "transfer", "fine_tune", "hybrid", "scratch")
    # Of the pilot run on the training examples; 0: no pilot run.
    pilot_seconds: Annotated[float, stored_as("trial_seconds")] = 20
    answers: dict[str, str] = field(default_factory=dict)  # to the guide; {}: measured on the data
    # What the article's rules recommend; "": decided from the answers.
    article_advice: Annotated[str, stored_as("advised_article")] = ""
    # What Thaw recommends in the end; "": what the pilot run recommends, else the rules.
    advice: Annotated[str, stored_as("advised")] = ""


@dataclass(frozen=True, kw_only=True)
class LearningCurve(_RunsOfApproaches):
    """Run some approaches with more and more training examples: would more data help?

    `seconds` is the budget for everything, `examples_per_class` the right end of the curves.
    """

    approaches: tuple[str, ...] = ("transfer", "fine_tune", "hybrid")
    seconds: float = 60


@dataclass(frozen=True, kw_only=True)
class ClaimTest(JsonRecord):
    """Run the experiment that tests one of the article's claims."""

    key: str  # in guide.claims
    seconds: float  # for all its runs together


@dataclass(frozen=True, kw_only=True)
class Export(JsonRecord):
    """Pack a finished run into a zip at `trainers.system.paths.bundle_path(key)`.

    `JobDone.result` is {"bytes": …}.
    """

    key: str  # the run's id
    visitor: str
    onnx: bool = False  # include an ONNX file: larger, and a few seconds more


@dataclass(frozen=True, kw_only=True)
class ForgettingTest(JsonRecord):
    """Measure what the backbone of a finished run forgot.

    `JobDone.result` is described in trainers/tasks/forgetting.py.
    """

    key: str  # the run's id
    visitor: str


@dataclass(frozen=True, kw_only=True)
class MlflowLog(JsonRecord):
    """Log a finished run to MLflow; see trainers/reports/mlflow.py. `JobDone.result` is {"told":
    …}."""

    key: str  # the run's id
    visitor: str


class JobKind(NamedTuple):
    job_type: type
    runner: str  # "module:function", so that importing this module loads no torch
    needs_torch: bool  # runs in a worker that has torch loaded
    typical_seconds: float | None = None  # None: the job has a budget of its own


KINDS = {  # by the name that the database stores: never rename one
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


TRAINING_KINDS = (
    "run",
    "compare",
    "curve",
    "claim",
)  # they need nothing but data, and leave models


def kind_of(job: Any) -> str:
    """Return the stored name of the job's kind."""
    return next(name for name, kind in KINDS.items() if type(job) is kind.job_type)


def subject_of(job: Any) -> str:
    """Return what the job is about: a data set, a run, or what is imported or downloaded."""
    return next(getattr(job, name) for name in ("data", "key", "path") if hasattr(job, name))


def from_json(kind: str, data: dict[str, Any]) -> Any:
    """Return the job that `as_json` turned into `data`. Raises `BadPlan` for an impossible plan."""
    return look_up(KINDS, kind, "kind of job").job_type.from_json(data)


def run_job(
    job: Any, *, should_stop: Callable[[], bool], folder: Path | None = None
) -> Iterator[Event]:
    """Yield the events of `job`, of whichever kind."""
    module, _, name = KINDS[kind_of(job)].runner.partition(":")
    yield from getattr(import_module(module), name)(job, should_stop=should_stop, folder=folder)
