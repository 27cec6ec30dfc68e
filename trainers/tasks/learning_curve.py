"""Learning curves: some approaches with ever more of the training examples, within one budget."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from guide.approaches import APPROACHES
from trainers import backbones, datasets
from trainers.evaluation.extrapolation import analyse_curves
from trainers.evaluation.metrics import score
from trainers.events import (
    CurvePoint,
    Event,
    JobCancelled,
    JobFailed,
    LearningCurveDone,
    Notice,
    PhaseDone,
    PredictionsRecorded,
    Progress,
    RunFinished,
    Stage,
)
from trainers.jobs import LearningCurve
from trainers.networks.loading import shared_encoder
from trainers.plan import Plan
from trainers.tasks.executor import get_executor
from trainers.training.features import ComputationCache
from trainers.training.recipes import build_phases
from trainers.training.run import BadData
from trainers.workers.execute import describe_failure

TRAIN_SHARES = (0.1, 0.25, 0.5, 1.0)  # of the training examples
MIN_EXAMPLES_PER_CLASS = 2  # of each class: one learns, one is held out
MAX_DRAWS = 3  # choices of examples
FIRST_DRAW_SHARE = (
    0.5  # of the budget, for the first draw of every size. Ours: further draws of the
)
# smaller sizes take about as long, and without any nothing can be told (trainers/evaluation/extrapolation.py)
TIME_SAFETY_FACTOR = 1.1  # a draw may take longer than the one before; ours
PROGRESS_INTERVAL_SECONDS = 0.5  # between two words in a run: only then can the job be cancelled


class TrainSize(NamedTuple):
    at_most: int  # examples of each class; a rare class may have fewer
    examples: int
    per_class: int  # the mean


def choose_sizes(counts: NDArray[np.int64]) -> tuple[TrainSize, ...]:
    """The sizes to try, from small to large, each once, given how many training examples each
    class has. A rare class is not thinned out before the others: all are cut at one number."""
    found: dict[int, TrainSize] = {}
    present = counts[counts > 0]
    if not len(present):
        return ()
    for share in TRAIN_SHARES:
        at_most = MIN_EXAMPLES_PER_CLASS
        while np.minimum(present, at_most).sum() < share * present.sum():
            at_most += 1
        examples = int(np.minimum(present, at_most).sum())
        per_class = round(examples / len(present))
        found[per_class] = TrainSize(at_most, examples, per_class)
    return tuple(found.values())


def run_learning_curve(
    job: LearningCurve, *, stop: Callable[[], bool], folder: Path | None = None
) -> Iterator[Event]:
    """Learning curves: a `Point` for each run, then `Curved`.

    `stop` ends them with the points there are; the run in flight is no point. `seconds` of the job
    are a ceiling on all but loading. Raises `BadPlan`, `BadData`, and what loading raises.
    """
    first = job.plans()[0]
    row = backbones.pick(first.backbone)
    data = datasets.get_dataset(job.data).data(job.per_class, job.seed, job.mends)
    to_try = choose_sizes(np.bincount(data.train.labels))
    if len(to_try) < 2:
        there = to_try[0].per_class if to_try else 0
        raise BadData(
            f"{job.data} has about {there} training examples of each class. Learning "
            f"curves need some {2 * MIN_EXAMPLES_PER_CLASS} or more: add examples."
        )
    if set(job.approaches) != {"simple"}:
        row.check_here()
        if get_executor().at_once == 1:  # here, where the first run would pay for it
            shared_encoder(row.key)
    yield from _CurveRunner(job, to_try, data.modality, len(data.classes), stop).events()


class _CurveRunner:
    """Curves on their way."""

    def __init__(
        self,
        job: LearningCurve,
        to_try: tuple[TrainSize, ...],
        modality: str,
        classes: int,
        stop: Callable[[], bool],
    ) -> None:
        self.job, self.to_try, self.stop = job, to_try, stop
        self.modality, self.classes = modality, classes
        self.began = self.spoken = time.monotonic()
        self.shared = ComputationCache()
        self.ceiling: dict[TrainSize, float] = {}  # seconds of each run
        self.points: list[CurvePoint] = []
        self.right: dict[tuple[str, int, int], NDArray[np.bool_]] = {}
        self.failed = ""

    def clock(self) -> float:
        return time.monotonic() - self.began

    def events(self) -> Iterator[Event]:
        yield from self._runs()
        if self.points:
            yield self._end()
        elif self.stop():
            yield JobCancelled(self.clock())
        else:
            yield JobFailed(self.failed, self.clock())

    def _runs(self) -> Iterator[Event]:
        """Every size once, the small ones first: what they leave of their time, the larger get.
        Then once more, and again, with other examples, as far as time allows."""
        took = {}
        for place, size in enumerate(self.to_try):
            # Where the first ones were too short already, all the time goes to seeing it through.
            share = FIRST_DRAW_SHARE if all(point.whole for point in self.points) else 1.0
            left = share * self.job.seconds - self.clock()
            weights = [self._weight(other) for other in self.to_try[place:]]
            share = weights[0] / sum(weights) / len(self.job.approaches)
            self.ceiling[size] = max(left * share, MIN_RUN_SECONDS)
            began = self.clock()
            yield from self._all((size, 0))
            took[size] = self.clock() - began
        # Of all there are, there is one choice: other dice and other checks come last.
        at_once = max(1, get_executor().at_once // len(self.job.approaches))
        for some in (self.to_try[:-1], self.to_try[-1:]):
            rest = [(size, draw) for draw in range(1, MAX_DRAWS) for size in some]
            while rest:
                now, rest = rest[:at_once], rest[at_once:]
                left = (self.job.seconds - self.clock()) / TIME_SAFETY_FACTOR
                yield from self._all(*(one for one in now if took[one[0]] <= left))

    def _weight(self, size: TrainSize) -> float:
        """Its part of the time: the test takes as long at every size, learning longer with more."""
        every = sum(other.examples for other in self.to_try)
        return 1 / len(self.to_try) + size.examples / every

    def _all(self, *choices: tuple[TrainSize, int]) -> Iterator[Event]:
        """Every approach with the same examples, of each choice: a size and a draw."""
        job, runs = self.job, []
        for size, draw in choices:
            self.shared = self.shared.with_other_training()
            plans = job.plans(
                per_class=size.at_most, seed=job.seed + draw, seconds=self.ceiling[size]
            )
            runs += [partial(self._told, plan, size, draw, self.shared) for plan in plans]
        # The first of all says how many test examples every run is asked.
        alone = 1 if self.shared.tests is None and get_executor().at_once > 1 else 0
        for some in (runs[:alone], runs[alone:]):
            for of_one in get_executor().together(some):
                yield of_one and of_one[1]

    def _told(
        self, plan: Plan, size: TrainSize, draw: int, shared: ComputationCache
    ) -> Iterator[Event]:
        if self.stop():
            return
        shared.tests = self.shared.tests
        title = APPROACHES[plan.approach].title
        more = f", choice {draw + 1}" if draw else ""
        text = f"{title} with {size.per_class:,} of each class{more}"
        yield Stage("curve", text, self.clock())
        try:
            yield from self._one(plan, size, draw, shared)
        except BadData:
            raise  # the others would meet the same
        except Exception as error:  # the curve goes on without this point
            self.failed = f"{text}: {describe_failure(error)}"
            yield Notice(self.failed, self.clock())

    def _one(
        self, plan: Plan, size: TrainSize, draw: int, shared: ComputationCache
    ) -> Iterator[Event]:
        answered, done, last = None, [], None
        with closing(get_executor().run(plan, stop=self.stop, shared=shared)) as events:
            for event in events:
                last = event or last
                match event:
                    case PredictionsRecorded():
                        answered = event
                    case PhaseDone():
                        done.append(event)
                if self.stop():
                    return
                if time.monotonic() - self.spoken > PROGRESS_INTERVAL_SECONDS:
                    self.spoken = time.monotonic()
                    yield Progress(len(self.points), self._total(), self.clock(), "runs")
        self.shared.tests = len(answered.labels)
        labels, answers = np.array(answered.labels), np.array(answered.answers)
        result = score(labels, answers, self.classes)
        planned = build_phases(plan.approach, self.modality, "all")
        whole = len(done) == len(planned) and all(phase.epochs >= 1 for phase in done)
        point = CurvePoint(
            approach=plan.approach,
            per_class=size.per_class,
            draw=draw,
            right=result.right,
            tests=len(labels),
            low=result.low,
            high=result.high,
            seconds=last.seconds,
            budget_seconds=plan.seconds,
            whole=whole and _used_all_examples(last, size),
            settled=whole and all(phase.whole for phase in done),
        )
        self.points.append(point)
        if point.whole:
            self.right[plan.approach, size.per_class, draw] = labels == answers
        yield point

    def _total(self) -> int:
        """Points, if time allows them all."""
        return MAX_DRAWS * len(self.to_try) * len(self.job.approaches)

    def _end(self) -> LearningCurveDone:
        # What had no time to learn from its examples says nothing about more of them.
        whole = {(one.approach, one.per_class) for one in self.points if one.whole}
        cut_short: dict[str, int] = {}
        for one in sorted(self.points, key=lambda one: one.per_class):
            if (one.approach, one.per_class) not in whole:
                cut_short.setdefault(one.approach, one.per_class)
        settled: dict[str, list[bool]] = {}
        for one in self.points:
            settled.setdefault(one.approach, []).append(one.settled)
        hurried = [key for key, some in settled.items() if sum(some) < len(some) / 2]
        found = analyse_curves(self.right, cut_short, hurried)
        return LearningCurveDone(
            points=[point.as_json() for point in self.points],
            words=found.words,
            crossing=found.crossing,
            forecast=found.forecast,
            seconds=self.clock(),
        )


MIN_RUN_SECONDS = 0.2  # a run must have some time, where the others have used it up


def _used_all_examples(end: RunFinished, size: TrainSize) -> bool:
    """Whether (nearly) all examples were used: a short budget takes a part, also of the checks."""
    return end.train_examples >= 0.9 * size.examples
