"""What happens in a run, from its start to its score."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from trainers.events.base import Event
from trainers.system.records import stored_as


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
        """Return whether more time would have changed nothing."""
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
