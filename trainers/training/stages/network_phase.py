"""The phase that trains the encoder, whole or by LoRA, together with the head."""

import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from trainers.events import Event, Notice, PhaseDone, Progress, Stage, Step
from trainers.plan import StepPlan
from trainers.system.errors import is_out_of_memory
from trainers.training.checkpoint import Checkpoint, with_prefix
from trainers.training.features import PROGRESS_INTERVAL_SECONDS
from trainers.training.inference import BATCH_REDUCTION_FACTOR, free_memory
from trainers.training.loop import PhaseResult, train
from trainers.training.model import trainable_state_dict
from trainers.training.recipes import Phase
from trainers.training.session import Session


@dataclass
class NetworkPhase:
    """One such phase of a run, and the weights that it starts from."""

    phase: Phase
    number: int
    deadline: float  # seconds on the clock
    start_weights: dict[str, Tensor] | None = None  # None until it has started
    head_state: dict[str, Tensor] | None = None  # of the head then


def train_network(
    session: Session,
    phase: Phase,
    number: int,
    deadline: float,
    fold_head: dict[str, Tensor] | None,
) -> Iterator[Event]:
    """Train the network; where the memory is not enough, start again with smaller batches.

    `fold_head`: a trained head that did not see the validation examples, None if none was trained.
    """
    small_batch = phase.batch_size // BATCH_REDUCTION_FACTOR
    can_retry = not (session.use_small_batches or session.resume_checkpoint or small_batch < 2)
    if session.use_small_batches:  # as before the run was interrupted
        phase = replace(phase, batch_size=small_batch)
    job = NetworkPhase(phase, number, deadline)
    head_state = deepcopy(session.head.state_dict())
    progress = [*session.step_plans], session.epochs
    try:
        yield from _train_and_refit(session, job, fold_head)
        return
    except (MemoryError, RuntimeError) as error:
        if not can_retry or not job.start_weights or not is_out_of_memory(error):
            raise
    # Outside `except`: the error holds on to what had been computed.
    session.use_small_batches = True
    session.step_plans, session.epochs = progress
    session.model.load_state_dict(job.start_weights, strict=False)
    session.head.load_state_dict(head_state)
    session.model.zero_grad(set_to_none=True)
    free_memory()
    text = (
        f"The memory was not enough to learn from {phase.batch_size} examples at a time. It begins "
        f"this part again with {small_batch} at a time, which takes less memory and learns more "
        "slowly."
    )
    yield Notice(text, session.seconds)
    job = NetworkPhase(replace(phase, batch_size=small_batch), number, deadline)
    yield from _train_and_refit(session, job, fold_head)


def _train_and_refit(
    session: Session, job: NetworkPhase, fold_head: dict[str, Tensor] | None
) -> Iterator[Event]:
    """Train on the training examples, then once more on the validation examples as well.

    A head that was trained before has seen the validation examples. While they are evaluated,
    `fold_head` takes its place.
    """
    model, head, phase = session.model, session.head, job.phase
    saved = session.take_checkpoint()
    if saved:
        head.load_state_dict(saved.section("start"))
    elif fold_head:
        head.scale_logits(phase.head_logit_scale)
    job.start_weights = deepcopy(trainable_state_dict(model))
    job.head_state = deepcopy(head.state_dict())
    if fold_head and len(session.validation_items):
        head.load_state_dict(head.state_dict() | fold_head)
        head.scale_logits(phase.head_logit_scale)
    if saved and "refit" in saved.metadata:
        yield from _refit(session, job, saved.metadata["refit"], saved)
        return
    started_at = saved.metadata["began"] if saved else session.seconds
    start = with_prefix("start", job.head_state)
    context = session.phase_context(job.number, job.deadline, saved, start, began=started_at)
    train_set, validation_set = map(
        session.select_examples, (session.train_items, session.validation_items)
    )
    schedule = session.plan.schedule
    steps = schedule.steps[job.number] if schedule else None
    result = yield from train(model, train_set, validation_set, phase, context, steps)
    session.step_plans.append(result.steps)
    session.epochs += result.steps.done / math.ceil(len(train_set) / phase.batch_size)
    if len(session.validation_items) and not result.best_step:
        head.load_state_dict(job.head_state)  # no step helped: the head that has seen every example
    session.validation_outputs = None if session.validates_on_train else result.validation_outputs
    if session.validates_on_train or not len(session.validation_items) or session.should_stop():
        return
    if steps := _count_refit_steps(session, job, result, started_at):
        yield from _refit(session, job, steps)


def _count_refit_steps(
    session: Session, job: NetworkPhase, result: PhaseResult, started_at: float
) -> int:
    """Return how many steps on all examples are worth those that were best; 0 if they do not fit.

    More examples are worth more steps, by the root of their number.
    """
    if session.plan.schedule:
        return session.plan.schedule.refit_steps
    train = len(session.train_items)
    growth = (train + len(session.validation_items)) / train
    count = round(result.best_step * math.sqrt(growth))
    step_seconds = (session.seconds - started_at) / result.steps.done
    was_cut = result.steps.done < result.steps.planned
    fits = session.seconds + count * step_seconds <= job.deadline
    return count if fits and not was_cut else 0


def _refit(
    session: Session, job: NetworkPhase, count: int, saved: Checkpoint | None = None
) -> Iterator[Event]:
    """Train the phase from its start on all examples; if cut short, keep the weights of before."""
    yield Stage("refit", "Once more, with the checks to learn from as well", session.seconds)
    model = session.model
    first = saved.section("found") if saved else deepcopy(trainable_state_dict(model))
    model.load_state_dict(job.start_weights, strict=False)
    tensors = with_prefix("start", job.head_state) | with_prefix("found", first)
    if session.validation_outputs:
        tensors |= with_prefix("first", session.validation_outputs._asdict())
    context = session.phase_context(job.number, job.deadline, saved, tensors, refit=count)
    items = np.concatenate([session.train_items, session.validation_items])
    every, nothing = session.select_examples(items), session.select_examples([])
    steps = StepPlan(count, count, 0) if session.plan.schedule else count
    reported_at = 0.0
    for event in train(model, every, nothing, job.phase, context, steps):
        if isinstance(event, Step):
            is_due = event.seconds > reported_at + PROGRESS_INTERVAL_SECONDS
            if is_due or event.step == count:
                reported_at = event.seconds
                yield Progress(event.step, count, reported_at)
        elif isinstance(event, PhaseDone) and event.steps == count:
            session.refit_steps = count
        elif isinstance(event, Notice):
            yield event
    if not session.refit_steps:
        model.load_state_dict(first, strict=False)
