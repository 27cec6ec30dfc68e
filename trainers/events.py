"""What happens in a run: frozen dataclasses of plain numbers and text, JSON both ways.

`seconds` is wall time since the run's clock started: data and model in memory, imports done.
Accuracies are shares, 0..1. Classes and examples are numbered from 0.
"""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar


@dataclass(frozen=True)
class Event:
    """A fact about a run."""

    kinds: ClassVar[dict[str, type["Event"]]] = {}
    tag: ClassVar[str]  # what stored events say of their kind: never rename one

    def __init_subclass__(cls, tag: str) -> None:
        cls.tag = tag
        Event.kinds[tag] = cls

    def as_json(self) -> dict[str, Any]:
        return {"type": self.tag, **asdict(self)}


def from_json(data: dict[str, Any]) -> Event:
    """The event that `as_json` made `data` of; fields of a newer version are passed over."""
    kind = Event.kinds[data["type"]]
    known = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in data.items() if name in known})


@dataclass(frozen=True)
class RunStarted(Event, tag="started"):
    approach: str
    data: str
    backbone: str
    modality: str
    classes: list[str]
    train_examples: int  # that learn
    validation_examples: int  # held out of the training data to see when to stop
    test_examples: int
    parameters: int
    budget_seconds: float
    setup_seconds: float  # reading data and weights: not part of the budget
    device: str  # "cpu", "cuda" or "mps"
    # Foretold by trainers/training/estimate.py before anything learns; None: cannot be told.
    estimated_seconds: float | None = None  # of the run's clock, unless it stops improving
    estimated_memory_bytes: int | None = None  # as Finished.peak_memory_bytes counts


@dataclass(frozen=True)
class Notice(Event, tag="notice"):
    """Something the visitor should know: a subsample, a missing class. `limits`: whether it takes
    something from what the model can do, so that its card and report should say it as well."""

    text: str
    seconds: float
    is_limitation: bool = True


@dataclass(frozen=True)
class RunResumed(Notice, tag="continued"):
    """An interrupted run goes on from here: see trainers/store/resume.py. What stands before this was
    told by that run, and its clock goes on where it stopped."""

    is_limitation: bool = False
    phase: int = 0  # from 0
    step: int = 0


@dataclass(frozen=True)
class Stage(Event, tag="stage"):
    """What is happening now, in words."""

    key: str  # "features", "phase", "test"
    text: str
    seconds: float


@dataclass(frozen=True)
class Progress(Event, tag="progress"):
    """How far the present stage is."""

    done: int
    total: int
    seconds: float
    unit: str = "examples"  # or "bytes", "pictures", "rows", "runs"


@dataclass(frozen=True)
class Baseline(Event, tag="baseline"):
    """What the pre-trained model can do without any training: on the validation examples, or on
    the test where nothing is trained and so nothing can be fitted to it."""

    method: str  # in words
    accuracy: float
    seconds: float


@dataclass(frozen=True)
class WatchedExamples(Event, tag="watched"):
    """Examples of the validation split to watch: what they are, and the right answer of each."""

    indices: list[int]
    inputs: list[str]  # the text, or a PNG as a data: URI
    labels: list[int]
    # The examples on the map, in its order: numbers into the training data, as `items` are.
    map_indices: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class PhaseStarted(Event, tag="phase_started"):
    """One stretch of training with one set of learning parts."""

    phase: int  # from 0
    title: str
    blocks: list[dict]  # from input to answer: {"name", "parameters", "learnable"}
    trainable_parameters: int
    learning_rate: float  # at its peak
    seconds: float


@dataclass(frozen=True)
class PhaseScheduled(Event, tag="paced"):
    """The loop has timed its first steps and set how many there will be."""

    phase: int
    steps: int
    steps_per_epoch: int
    step_seconds: float
    seconds: float


@dataclass(frozen=True)
class Step(Event, tag="step"):
    phase: int
    step: int  # from 1
    epoch: float  # passes over the training data, done in this phase
    loss: float  # of this batch
    seconds: float


@dataclass(frozen=True)
class ValidationDone(Event, tag="validated"):
    """The validation split was looked at: before the first step of a phase, and along the way."""

    phase: int
    step: int
    epoch: float
    accuracy: float
    loss: float
    is_best: bool  # the best so far: these weights are kept
    train_accuracy: float | None  # over the batches since the last look; None before the first
    train_loss: float | None
    watched_predictions: list[int]  # answer to each watched example
    confidence: list[float]  # its probability, 0..1
    map_points: list[list[float]]  # 2-D place of each mapped example; [] where nothing moved
    map_labels: list[int]  # the right class of each point
    map_predictions: list[int]  # the class the model gives it
    seconds: float


@dataclass(frozen=True)
class PhaseDone(Event, tag="phase_done"):
    phase: int
    steps: int
    epochs: float
    # "all steps done" (that the examples are worth), "no longer improves", "time is up", "stopped".
    stop_reason: str
    seconds: float

    @property
    def has_converged(self) -> bool:
        """More time would have changed nothing."""
        return self.stop_reason in ("all steps done", "no longer improves")


@dataclass(frozen=True)
class CalibrationDone(Event, tag="calibrated"):
    """How sure the model is and may be, from examples that it had not learned from: see
    trainers/evaluation/calibration.py. Not there where nothing was held out."""

    temperature: float  # its scores are to be divided by it; above 1: it was too sure
    confidence: list[float]  # calibrated probability of the answer to each check, 0..1
    correct: list[bool]  # whether that answer was right; 2,000 at most
    seconds: float


@dataclass(frozen=True)
class PredictionsRecorded(Event, tag="answered"):
    """The answer to every test example, in the order of the test split."""

    labels: list[int]  # the right ones
    predictions: list[int]
    confidence: list[float]  # probability of the answer, 0..1, as it came; [] where there is none
    seconds: float
    calibrated_confidence: list[float] = field(
        default_factory=list
    )  # the same by the run's temperature

    @property
    def best_confidence(self) -> list[float]:
        """Probability of the answer as well as it is known, 0..1; [] where there is none."""
        return self.calibrated_confidence or self.confidence


@dataclass(frozen=True)
class WeightsCompared(Event, tag="changed"):
    """How far the weights are from where they started: see trainers/training/weight_change.py."""

    # From input to answer: {"name", "parameters", "learnable" (at the end), "change"}. The last is
    # a share of the part's size, 0 where it is as it came; None where nothing was there before.
    blocks: list[dict]
    seconds: float


@dataclass(frozen=True)
class RunFinished(Event, tag="finished"):
    """The end: the score on test examples that were looked at once, here."""

    approach: str
    data: str
    backbone: str
    classes: list[str]
    train_examples: int
    test_examples: int
    test_correct: int
    test_accuracy: float
    test_accuracy_low: float  # 95 % interval (Wilson)
    test_accuracy_high: float
    macro_f1: float
    confusion_matrix: list[list[int]]  # rows: the right class; columns: the answer
    seconds: float
    trainable_parameters: int
    parameters: int
    epochs: float
    stopped_by_user: bool  # by the visitor, before its end
    repeat_plan: dict  # the plan that repeats this run exactly, steps named
    peak_memory_bytes: int = 0  # of the process that trained, or of its graphics card; 0: unknown
    stored_bytes: int = 0  # of what was learned, as it is kept


@dataclass(frozen=True)
class ComparisonRunStarted(Event, tag="lane_started"):
    """A comparison begins with its next run."""

    approach: str
    run_id: str  # its id: it tells its own events
    index: int  # from 0
    total: int
    seconds: float


@dataclass(frozen=True)
class ComparisonRunDone(Event, tag="lane_done"):
    """A run of a comparison is over; whether with a score, it says itself."""

    approach: str
    run_id: str
    seconds: float


@dataclass(frozen=True)
class PilotDone(Event, tag="tried"):
    """A short trial on parts of the training examples is over: see trainers/tasks/pilot.py."""

    correct: dict[str, int]  # approach -> left-out examples that it had right
    validation_examples: int  # left-out examples
    article_advice: str  # what the article's rules advise
    advice: str  # what Thaw advises after the trial
    summary: str
    seconds: float


@dataclass(frozen=True)
class ComparisonDone(Event, tag="compared"):
    """The end of a comparison: see trainers/evaluation/verdict.py for its words."""

    runs: list[dict]  # the last event of each run that has a score, and "run", its id
    failures: dict[str, str]  # approach -> why it has none
    article_advice: str  # by the article's rules; "" where no answer was known
    advice: str  # what Thaw advises in the end
    best_approach: str  # of the approaches that can be advised, by test accuracy
    outcome: str  # of the advice: "right", "wrong", "cannot tell", or "" where there was none
    verdict: str  # in words
    differences_to_advice: dict[
        str, dict
    ]  # approach -> the paired difference, see trainers.evaluation.metrics
    detectable_difference: (
        float  # differences below this share cannot be seen with so many test examples
    )
    seconds: float
    required_test_size: int | None = (
        None  # test examples, about, that would settle what cannot be told
    )
    answers: dict[str, str] = field(default_factory=dict)  # that the article's rules went by
    answers_source: str = ""  # "visitor": they gave them; "data": measured; "": not known
    measured_answers: dict[str, dict] = field(
        default_factory=dict
    )  # question -> {"answer", "says"}
    article_outcome: str = ""  # as `outcome`, of what the article's rules alone advised
    diagnosis: dict = field(default_factory=dict)  # which answer or rule was wrong: guide/misled.py
    diagnosis_text: str = (
        ""  # the same in words, a line for each thing: trainers/reports/wrong_advice.py
    )
    next_steps: str = ""  # likewise; "" where no advice was wrong


@dataclass(frozen=True)
class CurvePoint(Event, tag="point"):
    """One run of a learning curve."""

    approach: str
    examples_per_class: int  # examples of each class that it was given; the mean, where they differ
    draw: int  # from 0: which choice of examples
    correct: int  # in the test, the same for all points
    test_examples: int
    low: float  # 95 % interval of the share (Wilson)
    high: float
    seconds: float  # that this run took, on its own clock
    budget_seconds: float  # that it had, as every approach had at this size
    used_all_examples: bool  # there was time to learn from every example
    has_converged: bool  # more time would have changed nothing


@dataclass(frozen=True)
class LearningCurveDone(Event, tag="curved"):
    """The end of the learning curves: see trainers/evaluation/extrapolation.py for its words."""

    points: list[dict]
    summary: str
    crossings: list[dict]  # of each pair of approaches
    extrapolation: list[dict]  # of each approach: what twice the data would bring
    seconds: float


@dataclass(frozen=True)
class ClaimRunStarted(Event, tag="claim_run_started"):
    """The test of a claim begins with its next run."""

    data: str
    approach: str
    examples_per_class: int
    seed: int
    index: int  # from 0
    total: int
    seconds: float


@dataclass(frozen=True)
class ClaimRunDone(Event, tag="claim_run_done"):
    """A run of the test of a claim has its score."""

    data: str
    approach: str
    examples_per_class: int
    seed: int
    index: int
    total: int
    correct: int
    test_examples: int
    seconds: float


@dataclass(frozen=True)
class ClaimTestDone(Event, tag="judged"):
    """The end of the test of a claim: see trainers/claims/judge.py."""

    claim: str
    outcome: str  # "holds", "holds partly", "does not hold here" or "cannot tell yet"
    summary: str  # a sentence, then a line for each thing found
    numbers: dict  # "scores" and "found"
    runs: list[dict]  # what each run left: see trainers.claims.RunResult
    is_complete: bool  # all runs of the experiment were made
    budget_seconds: float  # for all runs together
    machine: str
    versions: dict[str, str]
    date: str  # ISO
    seconds: float


@dataclass(frozen=True)
class JobDone(Event, tag="done"):
    """The end of a job that is no run: see trainers/jobs.py."""

    result: dict  # plain values; each kind of job says which
    seconds: float


@dataclass(frozen=True)
class JobFailed(Event, tag="failed"):
    """The run ended without a score, or the job without a result."""

    text: str  # what was asked, what is wrong, what to do next
    seconds: float


@dataclass(frozen=True)
class JobCancelled(Event, tag="cancelled"):
    seconds: float
