"""The training loop: a generator of events. It knows no database, no page and no terminal."""

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.events import Event
from trainers.networks.encoder import Examples, autocast, get_device, to_device
from trainers.plan import StepPlan
from trainers.training.batches import BatchStream
from trainers.training.checkpoint import (
    Checkpoint,
    load_optimizer_state,
    optimizer_state,
    rng_state,
    set_rng_state,
    with_prefix,
)
from trainers.training.model import (
    Model,
    freeze_batchnorm_stats,
    set_train_mode,
    trainable_state_dict,
)
from trainers.training.recipes import Phase
from trainers.training.schedule import PhaseContext, Schedule
from trainers.training.validator import DivergenceError, ValidationOutputs, Validator

LOG_INTERVAL_SECONDS = 0.1  # between two losses that are read from a GPU


class PhaseResult(NamedTuple):
    """What a phase leaves beside the trained model."""

    steps: StepPlan
    best_step: int  # the model has its weights
    validation_outputs: (
        ValidationOutputs | None
    )  # with those weights; None without a validation set
    got_worse: bool  # the validation accuracy is below that of the start


def train(
    model: Model,
    train_set: Examples,
    validation_set: Examples,
    phase: Phase,
    context: PhaseContext,
    steps: StepPlan | int | None = None,
) -> Generator[Event, None, PhaseResult]:
    """Train `model` in place and yield what happens.

    Only parameters that require a gradient learn. In the end the model has the best weights of
    all evaluations, or the last ones where `validation_set` is too small to tell. `steps` as in
    `Schedule`. Closing the generator abandons the run after its last whole step. With a checkpoint
    to resume from, `model` must be as it was at the start of the phase.
    Raises `DivergenceError` when the loss is no longer finite.
    """
    schedule = Schedule(phase, len(train_set), context, steps)
    optimizer = build_optimizer(model, phase)
    validator = Validator(model, validation_set, context)
    batches = BatchStream(train_set, phase.batch_size)
    state = LoopState(model, optimizer, schedule, validator, batches)
    losses = LossReader(schedule)
    if context.resume_from:
        state.restore(context.resume_from)
    else:
        yield from validator.evaluate(0, 0.0)
        yield from context.save(state.snapshot)
    set_modes(model, phase, schedule.planned)
    for batch in batches:
        schedule.start_step(optimizer)
        labels = to_device(train_set.labels[batch])
        with autocast():
            logits = model(train_set.inputs.batch(batch, augment=phase.augment))
        loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        validator.record_batch(loss.detach(), logits.detach(), labels)
        value = losses.read(loss)
        schedule.finish_step()
        if value is not None:
            yield schedule.report_step(value)
        if schedule.is_ready_to_plan():
            yield schedule.plan_steps(validator.seconds)
            set_modes(model, phase, schedule.planned)
        if schedule.should_evaluate():
            yield from validator.evaluate(schedule.step, schedule.epoch)
            set_modes(model, phase, schedule.planned)
        if stop_reason := schedule.stop_reason(validator.since_best):
            break
        if validator.last_step == schedule.step:
            yield from context.save(state.snapshot)
    if validator.last_step != schedule.step:
        yield from validator.evaluate(schedule.step, schedule.epoch)
    validator.restore_best()
    yield schedule.report_end(stop_reason)
    got_worse = validator.last_accuracy < validator.first_accuracy
    record = schedule.record(stop_reason)
    return PhaseResult(record, validator.best_step, validator.best_outputs, got_worse)


def set_modes(model: Model, phase: Phase, planned: int | None) -> None:
    """Put `model` into training mode. Takes milliseconds, so it is not done at every step."""
    set_train_mode(model)
    if (planned or 0) < phase.freeze_bn_below_steps:
        freeze_batchnorm_stats(model)


def build_optimizer(model: Model, phase: Phase) -> torch.optim.Optimizer:
    """Return AdamW over the parameters that learn, the head's first."""
    rates = (model.head, phase.head_learning_rate), (model.body, phase.learning_rate)
    groups = [
        {"params": [p for p in part.parameters() if p.requires_grad], "lr": rate, "peak_lr": rate}
        for part, rate in rates
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, weight_decay=phase.weight_decay, fused=True)


class LossReader:
    """Reads the loss of a step: on a CPU always, on a GPU now and then.

    Reading waits for all that a GPU was asked to compute, so it happens while steps are timed, at
    the last step, and every 0.1 s.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self._read_at = 0.0

    def read(self, loss: Tensor) -> float | None:
        """Return the loss; None if it is not read. Raises `DivergenceError`."""
        schedule, now = self.schedule, self.schedule.context.clock.seconds()
        step = schedule.step + 1
        is_due = now - self._read_at > LOG_INTERVAL_SECONDS or step == schedule.planned
        if get_device().type != "cpu" and schedule.planned is not None and not is_due:
            return None
        self._read_at = now
        value = loss.item()
        if not math.isfinite(value):
            phase = schedule.phase
            raise DivergenceError(
                f"The loss became {value} at step {step} of '{phase.title}', so there is nothing "
                f"to learn from. Try a learning rate below {phase.learning_rate:g}, or look for "
                "broken examples."
            )
        return value


@dataclass(frozen=True)
class LoopState:
    """Everything that a checkpoint of the loop consists of."""

    model: Model
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    validator: Validator
    batches: BatchStream

    def snapshot(self) -> Checkpoint:
        """Return the state right after an evaluation. The names are those of stored checkpoints."""
        tensors = with_prefix("model", trainable_state_dict(self.model))
        tensors |= with_prefix("optimizer", optimizer_state(self.optimizer))
        tensors |= with_prefix("dice", rng_state() | self.batches.rng_state)
        tensors |= self.validator.state_tensors()
        position = {"batches": self.batches.position, "looks": self.validator.state()}
        return Checkpoint(tensors, self.schedule.state() | position)

    def restore(self, checkpoint: Checkpoint) -> None:
        self.schedule.load_state(checkpoint.metadata)
        self.model.load_state_dict(checkpoint.section("model"), strict=False)
        load_optimizer_state(self.optimizer, checkpoint.section("optimizer"))
        self.validator.load_state(checkpoint)
        self.batches.resume(checkpoint.section("dice"), checkpoint.metadata["batches"])
        set_rng_state(checkpoint.section("dice"))
