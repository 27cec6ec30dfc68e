"""What happens in a run: frozen dataclasses of plain numbers and text, stored as JSON.

`seconds` is wall time since the run's clock started, which is when data and model are in memory.
Accuracies are between 0 and 1. Classes and examples are numbered from 0.
"""

from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from trainers.system.records import JsonRecord, adapter_of, stored_as


@dataclass(frozen=True)
class Event(JsonRecord):
    """A fact about a run."""

    type: ClassVar[str]  # which kind it is; stored events hold it, so never rename one


# --- runs ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RunStarted(Event):
    type: Literal["started"] = field(default="started", kw_only=True)
    approach: str
    data: str
    backbone: str
    modality: str
    classes: list[str]
    train_examples: int
    validation_examples: int  # taken from the training data to decide when to stop
    test_examples: int
    parameters: int
    budget_seconds: float
    setup_seconds: float  # reading data and weights; not part of the budget
    device: Annotated[str, stored_as("machine")]  # "cpu", "cuda" or "mps"
    # By trainers/training/estimate.py, before training. None: no estimate.
    estimated_seconds: Annotated[float | None, stored_as("predicted_seconds")] = None
    estimated_memory_bytes: Annotated[int | None, stored_as("predicted_memory_bytes")] = None


@dataclass(frozen=True)
class Notice(Event):
    """Something the visitor should know, such as a subsample or a missing class."""

    type: Literal["notice"] = field(default="notice", kw_only=True)
    text: str
    seconds: float
    # Whether it limits what the model can do, so that the model card must say it too.
    is_limitation: Annotated[bool, stored_as("limits")] = True


@dataclass(frozen=True)
class RunResumed(Notice):
    """An interrupted run is resumed here; see trainers/store/resume.py.

    The events before this one are copies of the interrupted run's, and the clock continues.
    """

    type: Literal["continued"] = field(default="continued", kw_only=True)
    is_limitation: Annotated[bool, stored_as("limits")] = False
    phase: int = 0  # from 0
    step: int = 0


@dataclass(frozen=True)
class Stage(Event):
    """What is happening now, in words."""

    type: Literal["stage"] = field(default="stage", kw_only=True)
    key: str  # "features", "phase", "test"
    text: str
    seconds: float


@dataclass(frozen=True)
class Progress(Event):
    """How far the present stage is."""

    type: Literal["progress"] = field(default="progress", kw_only=True)
    done: int
    total: int
    seconds: float
    unit: str = "examples"  # or "bytes", "pictures", "rows", "runs"


@dataclass(frozen=True)
class Baseline(Event):
    """How accurate the pre-trained model is without any training, on the validation examples.

    An untrained run has it on the test examples, because nothing could be fitted to them.
    """

    type: Literal["baseline"] = field(default="baseline", kw_only=True)
    method: str  # in words
    accuracy: float
    seconds: float


@dataclass(frozen=True)
class WatchedExamples(Event):
    """Validation examples that the page shows while the model learns, with their labels."""

    type: Literal["watched"] = field(default="watched", kw_only=True)
    indices: Annotated[list[int], stored_as("items")]  # into the training data
    inputs: list[str]  # the text, or a PNG as a data: URI
    labels: list[int]
    # The examples on the map, in its order: indices into the training data.
    map_indices: Annotated[list[int], stored_as("mapped")] = field(default_factory=list)


@dataclass(frozen=True)
class PhaseStarted(Event):
    """A stretch of training with one set of trainable parameters begins."""

    type: Literal["phase_started"] = field(default="phase_started", kw_only=True)
    phase: int  # from 0
    title: str
    # From input to output: {"name", "parameters", "learnable"}.
    blocks: Annotated[list[dict], stored_as("parts")]
    trainable_parameters: Annotated[int, stored_as("learnable_parameters")]
    learning_rate: float  # at its peak
    seconds: float


@dataclass(frozen=True)
class PhaseScheduled(Event):
    """The loop has timed its first steps and decided how many there will be."""

    type: Literal["paced"] = field(default="paced", kw_only=True)
    phase: int
    steps: int
    steps_per_epoch: int
    step_seconds: float
    seconds: float


@dataclass(frozen=True)
class Step(Event):
    type: Literal["step"] = field(default="step", kw_only=True)
    phase: int
    step: int  # from 1
    epoch: float  # in this phase
    loss: float  # of this batch
    seconds: float


@dataclass(frozen=True)
class ValidationDone(Event):
    """The model was evaluated on the validation set: before a phase's first step, and during it."""

    type: Literal["validated"] = field(default="validated", kw_only=True)
    phase: int
    step: int
    epoch: float
    accuracy: float
    loss: float
    is_best: Annotated[bool, stored_as("best")]  # the best so far: its weights are kept
    train_accuracy: float | None  # over the batches since the last evaluation; None at the first
    train_loss: float | None
    watched_predictions: Annotated[list[int], stored_as("watched")]
    confidence: Annotated[list[float], stored_as("sureness")]  # of these predictions, 0..1
    map_points: Annotated[list[list[float]], stored_as("points")]  # 2-D; [] if none moved
    map_labels: Annotated[list[int], stored_as("point_labels")]
    map_predictions: Annotated[list[int], stored_as("point_answers")]
    seconds: float


@dataclass(frozen=True)
class PhaseDone(Event):
    type: Literal["phase_done"] = field(default="phase_done", kw_only=True)
    phase: int
    steps: int
    epochs: float
    # "all steps done" (as many as help), "no longer improves", "time is up" or "stopped".
    stop_reason: Annotated[str, stored_as("why")]
    seconds: float

    @property
    def has_converged(self) -> bool:
        """Whether more time would have changed nothing."""
        return self.stop_reason in ("all steps done", "no longer improves")


@dataclass(frozen=True)
class CalibrationDone(Event):
    """How well the model's confidence matches its accuracy on examples it has not learned from.

    Missing if there was no validation set; see trainers/evaluation/calibration.py.
    """

    type: Literal["calibrated"] = field(default="calibrated", kw_only=True)
    temperature: float  # divides the scores; above 1: the model was too confident
    # Of each validation example, at most 2,000: the calibrated confidence, and whether it was
    # right.
    confidence: Annotated[list[float], stored_as("sureness")]
    correct: Annotated[list[bool], stored_as("right")]
    seconds: float


@dataclass(frozen=True)
class PredictionsRecorded(Event):
    """The predictions for all test examples, in the order of the test split."""

    type: Literal["answered"] = field(default="answered", kw_only=True)
    labels: list[int]
    predictions: Annotated[list[int], stored_as("answers")]
    confidence: Annotated[list[float], stored_as("sureness")]  # 0..1; [] if there is none
    seconds: float
    calibrated_confidence: Annotated[list[float], stored_as("calibrated")] = field(
        default_factory=list
    )

    @property
    def best_confidence(self) -> list[float]:
        """The calibrated confidence if there is one, else the model's own; [] without either."""
        return self.calibrated_confidence or self.confidence


@dataclass(frozen=True)
class WeightsCompared(Event):
    """How far the weights moved from where they started; see trainers/training/weight_change.py."""

    type: Literal["changed"] = field(default="changed", kw_only=True)
    # From input to output: {"name", "parameters", "learnable" (at the end), "change"}. `change` is
    # relative to the size of the block: 0 if it did not move, None if it is new.
    blocks: Annotated[list[dict], stored_as("parts")]
    seconds: float


@dataclass(frozen=True)
class RunFinished(Event):
    """The end, with the score on test examples that were used once, here."""

    type: Literal["finished"] = field(default="finished", kw_only=True)
    approach: str
    data: str
    backbone: str
    classes: list[str]
    train_examples: int
    test_examples: int
    test_correct: Annotated[int, stored_as("test_right")]
    test_accuracy: float
    test_accuracy_low: float  # 95 % interval (Wilson)
    test_accuracy_high: float
    macro_f1: float
    # Rows are the true classes, columns the predicted ones.
    confusion_matrix: Annotated[list[list[int]], stored_as("confusion")]
    seconds: float
    trainable_parameters: Annotated[int, stored_as("learnable_parameters")]
    parameters: int
    epochs: float
    stopped_by_user: Annotated[bool, stored_as("stopped")]
    # The plan, as JSON, that repeats this run exactly: with its steps.
    repeat_plan: Annotated[dict, stored_as("repeat")]
    peak_memory_bytes: int = 0  # of the training process or of its graphics card; 0: unknown
    stored_bytes: int = 0  # size of the model file


# --- comparisons, learning curves and claims -----------------------------------------------------


@dataclass(frozen=True)
class ComparisonRunStarted(Event):
    """A comparison begins its next run."""

    type: Literal["lane_started"] = field(default="lane_started", kw_only=True)
    approach: str
    run_id: Annotated[str, stored_as("run")]  # the run has events of its own
    index: Annotated[int, stored_as("lane")]  # from 0
    total: Annotated[int, stored_as("lanes")]
    seconds: float


@dataclass(frozen=True)
class ComparisonRunDone(Event):
    """A run of a comparison is over; its own events say whether it has a score."""

    type: Literal["lane_done"] = field(default="lane_done", kw_only=True)
    approach: str
    run_id: Annotated[str, stored_as("run")]
    seconds: float


@dataclass(frozen=True)
class PilotDone(Event):
    """The pilot run on the training examples is over; see trainers/tasks/pilot.py."""

    type: Literal["tried"] = field(default="tried", kw_only=True)
    correct: Annotated[dict[str, int], stored_as("right")]  # approach -> examples
    validation_examples: Annotated[int, stored_as("asked")]
    article_advice: Annotated[str, stored_as("article")]  # of the article's rules
    advice: Annotated[str, stored_as("trusted")]  # what Thaw recommends after the pilot run
    summary: Annotated[str, stored_as("words")]
    seconds: float


@dataclass(frozen=True)
class ComparisonDone(Event):
    """The end of a comparison; see trainers/evaluation/verdict.py."""

    type: Literal["compared"] = field(default="compared", kw_only=True)
    runs: list[dict]  # `RunFinished` as JSON of each run with a score, and "run", its id
    failures: Annotated[dict[str, str], stored_as("failed")]  # approach -> why it has no score
    article_advice: Annotated[str, stored_as("advised_article")]  # "": no answer was known
    advice: Annotated[str, stored_as("advised")]  # what Thaw recommends in the end
    best_approach: Annotated[str, stored_as("best")]  # by test accuracy, of those it can recommend
    outcome: str  # of the advice: "right", "wrong", "cannot tell"; "" if there was none
    verdict: str  # in words
    # approach -> its paired difference to the recommended one: trainers/evaluation/metrics.py.
    differences_to_advice: Annotated[dict[str, dict], stored_as("against_advised")]
    # With so few test examples, smaller differences in accuracy cannot be detected.
    detectable_difference: Annotated[float, stored_as("visible")]
    seconds: float
    # About how many test examples would settle what cannot be told now.
    required_test_size: Annotated[int | None, stored_as("settled_at")] = None
    answers: dict[str, str] = field(default_factory=dict)  # to the guide; the rules used them
    # "visitor": they answered; "data": measured; "": not known.
    answers_source: Annotated[str, stored_as("answers_from")] = ""
    # question -> {"answer", "says"}
    measured_answers: Annotated[dict[str, dict], stored_as("measured")] = field(
        default_factory=dict
    )
    article_outcome: Annotated[str, stored_as("outcome_article")] = ""  # like `outcome`
    # Which answer or rule was wrong (guide/wrong_advice.py), and the same in words, one per line.
    diagnosis: Annotated[dict, stored_as("misled")] = field(default_factory=dict)
    diagnosis_text: Annotated[str, stored_as("why_wrong")] = ""
    next_steps: Annotated[str, stored_as("to_do")] = ""  # likewise; "" if no advice was wrong


@dataclass(frozen=True)
class CurvePoint(Event):
    """One run of a learning curve."""

    type: Literal["point"] = field(default="point", kw_only=True)
    approach: str
    # The mean, if the classes have different numbers of examples.
    examples_per_class: Annotated[int, stored_as("per_class")]
    draw: int  # from 0: which random choice of examples
    correct: Annotated[int, stored_as("right")]
    test_examples: Annotated[int, stored_as("tests")]  # the same for all points
    low: float  # 95 % interval of the accuracy (Wilson)
    high: float
    seconds: float  # that this run took, on its own clock
    budget_seconds: float  # the same for every approach at this size
    used_all_examples: Annotated[bool, stored_as("whole")]  # there was time for all of them
    has_converged: Annotated[bool, stored_as("settled")]  # more time would have changed nothing


@dataclass(frozen=True)
class LearningCurveDone(Event):
    """The end of a learning curve; see trainers/evaluation/extrapolation.py."""

    type: Literal["curved"] = field(default="curved", kw_only=True)
    points: list[dict]
    summary: Annotated[str, stored_as("words")]
    crossings: Annotated[list[dict], stored_as("crossing")]  # of each pair of approaches
    # Of each approach: what twice the data would bring.
    extrapolation: Annotated[list[dict], stored_as("forecast")]
    seconds: float


@dataclass(frozen=True)
class ClaimRunStarted(Event):
    """The test of a claim begins its next run."""

    type: Literal["claim_run_started"] = field(default="claim_run_started", kw_only=True)
    data: str
    approach: str
    examples_per_class: Annotated[int, stored_as("per_class")]
    seed: int
    index: Annotated[int, stored_as("number")]  # from 0
    total: int
    seconds: float


@dataclass(frozen=True)
class ClaimRunDone(Event):
    """A run of the test of a claim has its score."""

    type: Literal["claim_run_done"] = field(default="claim_run_done", kw_only=True)
    data: str
    approach: str
    examples_per_class: Annotated[int, stored_as("per_class")]
    seed: int
    index: Annotated[int, stored_as("number")]
    total: int
    correct: Annotated[int, stored_as("right")]
    test_examples: Annotated[int, stored_as("tests")]
    seconds: float


@dataclass(frozen=True)
class ClaimTestDone(Event):
    """The end of the test of a claim; see trainers/claims/judge.py."""

    type: Literal["judged"] = field(default="judged", kw_only=True)
    claim: str
    outcome: str  # "holds", "holds partly", "does not hold here" or "cannot tell yet"
    summary: Annotated[str, stored_as("words")]  # a sentence, then a line for each finding
    numbers: dict  # "scores" and "found"
    runs: list[dict]  # `trainers.claims.RunResult` as JSON
    is_complete: Annotated[bool, stored_as("whole")]  # all runs of the experiment were made
    budget_seconds: float  # for all runs together
    machine: str
    versions: dict[str, str]
    date: str  # ISO
    seconds: float


# --- the end of any job --------------------------------------------------------------------------


@dataclass(frozen=True)
class JobDone(Event):
    """The end of a job that is no run; see trainers/jobs.py."""

    type: Literal["done"] = field(default="done", kw_only=True)
    result: Annotated[dict, stored_as("found")]  # plain values; each kind of job has its own
    seconds: float


@dataclass(frozen=True)
class JobFailed(Event):
    """The run ended without a score, or the job without a result."""

    type: Literal["failed"] = field(default="failed", kw_only=True)
    text: str  # what was asked, what is wrong, what to do next
    seconds: float


@dataclass(frozen=True)
class JobCancelled(Event):
    type: Literal["cancelled"] = field(default="cancelled", kw_only=True)
    seconds: float


# --- reading them --------------------------------------------------------------------------------


def _kinds(base: type[Event]) -> dict[str, type[Event]]:
    kinds = {}
    for kind in base.__subclasses__():
        kinds |= {kind.type: kind} | _kinds(kind)
    return kinds


KINDS = _kinds(Event)  # by tag
AnyEvent = Annotated[reduce(or_, KINDS.values()), Field(discriminator="type")]


def from_json(data: dict[str, Any]) -> Event:
    """Return the event that `as_json` turned into `data`; fields of newer versions are ignored.

    Raises `pydantic.ValidationError`.
    """
    return adapter_of(AnyEvent).validate_python(data)


def from_json_text(text: str | bytes) -> Event:
    """Return the event stored as the JSON `text`."""
    return adapter_of(AnyEvent).validate_json(text)
