"""How many steps a phase takes, at what learning rate, and when it is evaluated."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor

from trainers.events import PhaseDone, PhaseScheduled, Step
from trainers.plan import StepPlan
from trainers.training.checkpoint import Checkpoint, Saver, no_checkpoints
from trainers.training.clock import Clock
from trainers.training.monitor import LiveMonitor
from trainers.training.recipes import Phase

WARMUP_STEPS = 10  # the learning rate rises over these; they are also the ones that are timed
EVALS_PER_PHASE = 8  # where there are fewer epochs than that
MAX_EVALS_PER_PHASE = 20  # each takes time, and the map of examples moves slowly enough
# Evaluating after each of ten slow steps (822 photos, mobilenet_v2, a minute) took 60 % of the
# time. Our choice.
MIN_STEPS_PER_EVAL = 5
PLANNED_TIME_SHARE = 0.95  # of the time left: a shared machine slows down
MAX_TIMING_SHARE = 0.15  # of the phase's time may pass before its steps are planned

ALL_STEPS_DONE = "all steps done"
NO_LONGER_IMPROVES = "no longer improves"
TIME_IS_UP = "time is up"
STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True)
class PhaseContext:
    """What a run hands to each of its phases."""

    number: int  # of the phase, from 0
    clock: Clock
    deadline: float  # seconds on the clock
    should_stop: Callable[[], bool]
    monitor: LiveMonitor
    save: Saver = no_checkpoints  # called after each evaluation
    resume_from: Checkpoint | None = None

    @classmethod
    def unlimited(cls, labels: Tensor) -> "PhaseContext":
        """Return the context of a phase outside a run: no deadline, a monitor of `labels`."""
        return cls(
            number=0,
            clock=Clock(math.inf),
            deadline=math.inf,
            should_stop=lambda: False,
            monitor=LiveMonitor(labels),
        )


class Schedule:
    """Times the first steps of a phase and plans as many as fit before its deadline.

    `steps`: None to plan them so; a number, which only the deadline cuts short; or a `StepPlan`
    to repeat, and then the clock decides nothing.
    """

    def __init__(
        self, phase: Phase, examples: int, context: PhaseContext, steps: StepPlan | int | None
    ) -> None:
        self.phase, self.examples, self.context = phase, examples, context
        self.recorded = steps if isinstance(steps, StepPlan) else None
        self.planned = steps if isinstance(steps, int) else None
        if self.recorded and not self.recorded.timed:
            self.planned = self.recorded.planned or None
        self.max_steps = self.planned or phase.max_steps(examples)
        self.steps_per_epoch = math.ceil(examples / phase.batch_size)
        self.eval_interval = self.steps_per_epoch
        self.step = self.timed = 0
        self.started_at = context.clock.seconds()
        self.durations: list[float] = []  # seconds of each step, until they are planned
        self._step_started_at = 0.0

    @property
    def epoch(self) -> float:
        return self.step / self.steps_per_epoch

    @property
    def is_complete(self) -> bool:
        return self.planned is not None and self.step >= self.planned

    def start_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Set the learning rate of the step."""
        self._step_started_at = self.context.clock.seconds()
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * lr_multiplier(self.step, self.planned)

    def finish_step(self) -> None:
        self.step += 1
        if self.planned is None:
            self.durations.append(self.context.clock.seconds() - self._step_started_at)

    def is_ready_to_plan(self) -> bool:
        """Return whether enough steps were timed to say how many there will be."""
        if self.planned is not None:
            return False
        if self.recorded:
            return self.step == self.recorded.timed
        if self.step >= WARMUP_STEPS:
            return True
        spent = self.context.clock.seconds() - self.started_at
        is_late = spent > MAX_TIMING_SHARE * (self.context.deadline - self.started_at)
        return is_late and self.step >= 2

    def plan_steps(self, evaluation_seconds: float) -> PhaseScheduled:
        """Set the number of steps and how often to evaluate."""
        now = self.context.clock.seconds()
        step_seconds = median(self.durations[1:] or self.durations)  # the first pays for set-up
        if self.recorded:
            self.planned = self.recorded.planned
        else:
            left = PLANNED_TIME_SHARE * (self.context.deadline - now)
            self.planned = self._count_steps(left, step_seconds, evaluation_seconds)
        per_evaluation = min(MIN_STEPS_PER_EVAL, self.planned // 2)
        per_evaluation = max(self.planned // EVALS_PER_PHASE, per_evaluation)
        per_evaluation = min(self.steps_per_epoch, per_evaluation)
        self.eval_interval = max(per_evaluation, self.planned // MAX_EVALS_PER_PHASE, 1)
        self.timed = self.step
        return PhaseScheduled(
            self.context.number, self.planned, self.steps_per_epoch, step_seconds, now
        )

    def _count_steps(self, left: float, each: float, evaluation: float) -> int:
        """Return how many steps fit, those done included, and no more than the data is worth.

        `left` seconds, `each` a step and `evaluation` an evaluation.
        """
        more = (left - MAX_EVALS_PER_PHASE * evaluation) / each
        if more < MAX_EVALS_PER_PHASE * self.steps_per_epoch:
            more = left / (each + evaluation / self.steps_per_epoch)
        if self.step + more < EVALS_PER_PHASE * self.steps_per_epoch:
            more = max(
                (left - EVALS_PER_PHASE * evaluation) / each,
                left / (each + evaluation / MIN_STEPS_PER_EVAL),
            )
        fitting = min(self.step + max(0, more), self.phase.max_steps(self.examples))
        return max(self.step, int(fitting))

    def should_evaluate(self) -> bool:
        return self.is_complete or self.step % self.eval_interval == 0

    def stop_reason(self, evaluations_since_best: int) -> str:
        """Return why the phase ends after this step; "" if it goes on."""
        if evaluations_since_best >= self.phase.patience:
            return NO_LONGER_IMPROVES
        if self.is_complete:
            return ALL_STEPS_DONE if self.planned >= self.max_steps else TIME_IS_UP
        if self.recorded:
            if self.step == self.recorded.done:
                return self.recorded.stop_reason or TIME_IS_UP
        elif self.context.clock.seconds() >= self.context.deadline:
            return TIME_IS_UP
        return STOPPED if self.context.should_stop() else ""

    def report_step(self, loss: float) -> Step:
        return Step(self.context.number, self.step, self.epoch, loss, self.context.clock.seconds())

    def report_end(self, stop_reason: str) -> PhaseDone:
        seconds = self.context.clock.seconds()
        return PhaseDone(self.context.number, self.step, self.epoch, stop_reason, seconds)

    def record(self, stop_reason: str) -> StepPlan:
        """Return what repeats these steps without a clock."""
        return StepPlan(self.planned or 0, self.step, self.timed, stop_reason)

    # The names are those of stored checkpoints.
    def state(self) -> dict[str, Any]:
        return {
            "phase": self.context.number,
            "step": self.step,
            "epoch": self.epoch,
            "started": self.started_at,
            "every": self.eval_interval,
            "timed": self.timed,
            "planned": self.planned,
            "durations": [] if self.planned else self.durations,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        self.step, self.started_at = state["step"], state["started"]
        self.eval_interval, self.timed = state["every"], state["timed"]
        self.planned, self.durations = state["planned"], state["durations"]


def lr_multiplier(step: int, steps: int | None) -> float:
    """Return the share of the peak learning rate at `step` (from 0): a warm-up, then linear decay.

    The warm-up does not depend on `steps`, which are planned only when some were timed.
    """
    if step < WARMUP_STEPS:
        return (step + 1) / WARMUP_STEPS
    if steps is None:
        return 1.0
    return max(0.0, 1 - (step - WARMUP_STEPS) / max(1, steps - WARMUP_STEPS))
