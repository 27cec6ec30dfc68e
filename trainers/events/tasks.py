"""What happens in comparisons, learning curves and tests of claims."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from trainers.events.base import Event
from trainers.system.records import stored_as


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
