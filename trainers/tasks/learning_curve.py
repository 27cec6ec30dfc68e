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
from trainers.training.features import ComputationCache
from trainers.training.recipes import build_phases
from trainers.training.run import BadData
from trainers.workers.execute import describe_failure
from trainers.workers.executor import get_executor

TRAIN_SHARES = (0.1, 0.25, 0.5, 1.0)  # of the training examples
MIN_EXAMPLES_PER_CLASS = 2  # of each class: one learns, one is held out
MAX_DRAWS = 3  # choices of examples
# Of the budget, for the first draw of every size. Ours: further draws of the.
FIRST_DRAW_SHARE = 0.5
# smaller sizes take about as long, and without any nothing can be told
# (trainers/evaluation/extrapolation.py)
TIME_SAFETY_FACTOR = 1.1  # a draw may take longer than the one before; ours
PROGRESS_INTERVAL_SECONDS = 0.5  # between two words in a run: only then can the job be cancelled


class TrainSize(NamedTuple):
    max_per_class: int  # examples of each class; a rare class may have fewer
    examples: int
    examples_per_class: int  # the mean


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
    job: LearningCurve, *, should_stop: Callable[[], bool], folder: Path | None = None
) -> Iterator[Event]:
    """Learning curves: a `Point` for each run, then `Curved`.

    `stop` ends them with the points there are; the run in flight is no point. `seconds` of the job
    are a ceiling on all but loading. Raises `BadPlan`, `BadData`, and what loading raises.
    """
    first = job.make_plans()[0]
    row = backbones.pick(first.backbone)
    data = datasets.get_dataset(job.data).load_splits(job.examples_per_class, job.seed, job.fixes)
    to_try = choose_sizes(np.bincount(data.train.labels))
    if len(to_try) < 2:
        there = to_try[0].examples_per_class if to_try else 0
        raise BadData(
            f"{job.data} has about {there} training examples of each class. Learning "
            f"curves need some {2 * MIN_EXAMPLES_PER_CLASS} or more: add examples."
        )
    if set(job.approaches) != {"simple"}:
        row.check_downloaded()
        if get_executor().max_concurrent == 1:  # here, where the first run would pay for it
            shared_encoder(row.key)
    yield from _CurveRunner(job, to_try, data.modality, len(data.classes), should_stop).events()


class _CurveRunner:
    """Curves on their way."""

    def __init__(
        self,
        job: LearningCurve,
        to_try: tuple[TrainSize, ...],
        modality: str,
        classes: int,
        should_stop: Callable[[], bool],
    ) -> None:
        self.job, self.sizes, self.should_stop = job, to_try, should_stop
        self.modality, self.classes = modality, classes
        self.started_at = self.last_progress_at = time.monotonic()
        self.cache = ComputationCache()
        self.run_seconds: dict[TrainSize, float] = {}  # seconds of each run
        self.points: list[CurvePoint] = []
        self.right: dict[tuple[str, int, int], NDArray[np.bool_]] = {}
        self.last_error = ""

    def elapsed_seconds(self) -> float:
        return time.monotonic() - self.started_at

    def events(self) -> Iterator[Event]:
        yield from self._run_all_sizes()
        if self.points:
            yield self._summarise()
        elif self.should_stop():
            yield JobCancelled(self.elapsed_seconds())
        else:
            yield JobFailed(self.last_error, self.elapsed_seconds())

    def _run_all_sizes(self) -> Iterator[Event]:
        """Every size once, the small ones first: what they leave of their time, the larger get.
        Then once more, and again, with other examples, as far as time allows."""
        took = {}
        for place, size in enumerate(self.sizes):
            # Where the first ones were too short already, all the time goes to seeing it through.
            share = (
                FIRST_DRAW_SHARE if all(point.used_all_examples for point in self.points) else 1.0
            )
            left = share * self.job.seconds - self.elapsed_seconds()
            weights = [self._time_weight(other) for other in self.sizes[place:]]
            share = weights[0] / sum(weights) / len(self.job.approaches)
            self.run_seconds[size] = max(left * share, MIN_RUN_SECONDS)
            began = self.elapsed_seconds()
            yield from self._run_approaches((size, 0))
            took[size] = self.elapsed_seconds() - began
        # There is one choice of all examples: repeats with another seed come last.
        at_once = max(1, get_executor().max_concurrent // len(self.job.approaches))
        for some in (self.sizes[:-1], self.sizes[-1:]):
            rest = [(size, draw) for draw in range(1, MAX_DRAWS) for size in some]
            while rest:
                now, rest = rest[:at_once], rest[at_once:]
                left = (self.job.seconds - self.elapsed_seconds()) / TIME_SAFETY_FACTOR
                yield from self._run_approaches(*(one for one in now if took[one[0]] <= left))

    def _time_weight(self, size: TrainSize) -> float:
        """Return a run's share of the time; only training takes longer with more examples."""
        every = sum(other.examples for other in self.sizes)
        return 1 / len(self.sizes) + size.examples / every

    def _run_approaches(self, *choices: tuple[TrainSize, int]) -> Iterator[Event]:
        """Every approach with the same examples, of each choice: a size and a draw."""
        job, runs = self.job, []
        for size, draw in choices:
            self.cache = self.cache.for_new_train_set()
            plans = job.make_plans(
                examples_per_class=size.max_per_class,
                seed=job.seed + draw,
                seconds=self.run_seconds[size],
            )
            runs += [partial(self._run_reported, plan, size, draw, self.cache) for plan in plans]
        for of_one in get_executor().map_streams(runs):
            yield of_one and of_one[1]

    def _run_reported(
        self, plan: Plan, size: TrainSize, draw: int, shared: ComputationCache
    ) -> Iterator[Event]:
        if self.should_stop():
            return
        title = APPROACHES[plan.approach].title
        more = f", choice {draw + 1}" if draw else ""
        text = f"{title} with {size.examples_per_class:,} of each class{more}"
        yield Stage("curve", text, self.elapsed_seconds())
        try:
            yield from self._run_point(plan, size, draw, shared)
        except BadData:
            raise  # the others would meet the same
        except Exception as error:  # the curve goes on without this point
            self.last_error = f"{text}: {describe_failure(error)}"
            yield Notice(self.last_error, self.elapsed_seconds())

    def _run_point(
        self, plan: Plan, size: TrainSize, draw: int, shared: ComputationCache
    ) -> Iterator[Event]:
        answered, done, last = None, [], None
        with closing(
            get_executor().run(plan, should_stop=self.should_stop, cache=shared)
        ) as events:
            for event in events:
                last = event or last
                match event:
                    case PredictionsRecorded():
                        answered = event
                    case PhaseDone():
                        done.append(event)
                if self.should_stop():
                    return
                if time.monotonic() - self.last_progress_at > PROGRESS_INTERVAL_SECONDS:
                    self.last_progress_at = time.monotonic()
                    yield Progress(
                        len(self.points), self._count_points(), self.elapsed_seconds(), "runs"
                    )
        labels, answers = np.array(answered.labels), np.array(answered.predictions)
        result = score(labels, answers, self.classes)
        planned = build_phases(plan.approach, self.modality, "all")
        whole = len(done) == len(planned) and all(phase.epochs >= 1 for phase in done)
        point = CurvePoint(
            approach=plan.approach,
            examples_per_class=size.examples_per_class,
            draw=draw,
            correct=result.right,
            test_examples=len(labels),
            low=result.low,
            high=result.high,
            seconds=last.seconds,
            budget_seconds=plan.seconds,
            used_all_examples=whole and _used_all_examples(last, size),
            has_converged=whole and all(phase.has_converged for phase in done),
        )
        self.points.append(point)
        if point.used_all_examples:
            self.right[plan.approach, size.examples_per_class, draw] = labels == answers
        yield point

    def _count_points(self) -> int:
        """Points, if time allows them all."""
        return MAX_DRAWS * len(self.sizes) * len(self.job.approaches)

    def _summarise(self) -> LearningCurveDone:
        # What had no time to learn from its examples says nothing about more of them.
        whole = {
            (one.approach, one.examples_per_class) for one in self.points if one.used_all_examples
        }
        cut_short: dict[str, int] = {}
        for one in sorted(self.points, key=lambda one: one.examples_per_class):
            if (one.approach, one.examples_per_class) not in whole:
                cut_short.setdefault(one.approach, one.examples_per_class)
        settled: dict[str, list[bool]] = {}
        for one in self.points:
            settled.setdefault(one.approach, []).append(one.has_converged)
        hurried = [key for key, some in settled.items() if sum(some) < len(some) / 2]
        found = analyse_curves(self.right, cut_short, hurried)
        return LearningCurveDone(
            points=[point.as_json() for point in self.points],
            summary=found.words,
            crossings=found.crossings,
            extrapolation=found.extrapolations,
            seconds=self.elapsed_seconds(),
        )


MIN_RUN_SECONDS = 0.2  # a run must have some time, where the others have used it up


def _used_all_examples(end: RunFinished, size: TrainSize) -> bool:
    """Return whether (nearly) all examples were used; a short budget takes only a part."""
    return end.train_examples >= 0.9 * size.examples
