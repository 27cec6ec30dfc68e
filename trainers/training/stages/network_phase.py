"""The phase that trains the encoder, whole or by LoRA, together with the head."""

import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from trainers.evaluation.calibration import fit_temperature
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
    fold_state: dict[str, Tensor] | None = None  # of the head that stands in for it at first


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
    `fold_head` takes its place. In the end the weights are averaged with those of the start, if the
    phase says so.
    """
    model, head, phase = session.model, session.head, job.phase
    saved = session.take_checkpoint()
    if saved:
        head.load_state_dict(saved.section("start"))
    elif fold_head:
        scale = phase.head_logit_scale / _head_temperature(session)
        head.scale_logits(scale)
    job.start_weights = deepcopy(trainable_state_dict(model))
    job.head_state = job.fold_state = deepcopy(head.state_dict())
    if saved:
        job.fold_state = saved.section("fold") or job.fold_state
    elif fold_head and len(session.validation_items):
        head.load_state_dict(head.state_dict() | fold_head)
        head.scale_logits(scale)
        job.fold_state = deepcopy(head.state_dict())
    if saved and "refit" in saved.metadata:
        yield from _refit(session, job, saved.metadata["refit"], saved)
        _average_with_start(session, job)
        return
    started_at = saved.metadata["began"] if saved else session.seconds
    start = _head_tensors(job)
    context = session.phase_context(job.number, job.deadline, saved, start, began=started_at)
    train_set, validation_set = map(
        session.select_examples, (session.train_items, session.validation_items)
    )
    schedule = session.plan.schedule
    steps = schedule.steps[job.number] if schedule else None
    result = yield from train(model, train_set, validation_set, phase, context, steps)
    session.step_plans.append(result.steps)
    session.epochs += result.steps.done / math.ceil(len(train_set) / phase.batch_size)
    is_refused = fold_head and not phase.start_share and result.got_worse
    if len(session.validation_items) and (not result.best_step or is_refused):
        # No step helped: the frozen backbone, and the head that has seen every example.
        model.load_state_dict(job.start_weights | with_prefix("head", job.head_state))
        return
    session.validation_outputs = None if session.validates_on_train else result.validation_outputs
    can_refit = len(session.validation_items) and not session.validates_on_train
    if can_refit and not session.should_stop():
        yield from _refit(session, job, _count_refit_steps(session, job, result, started_at))
    _average_with_start(session, job)


def _head_tensors(job: NetworkPhase) -> dict[str, Tensor]:
    """Return the heads that the phase starts from. The names are those of stored checkpoints."""
    tensors = with_prefix("start", job.head_state)
    if job.fold_state is not job.head_state:
        tensors |= with_prefix("fold", job.fold_state)
    return tensors


def _head_temperature(session: Session) -> float:
    """Return the temperature that calibrates the trained head, by its cross-validation."""
    outputs = session.validation_outputs
    return fit_temperature(*(part.cpu().numpy() for part in outputs)) if outputs else 1.0


def _average_with_start(session: Session, job: NetworkPhase) -> None:
    """Put the weights between those at the start of the phase and those now.

    Wortsman et al. 2022 (WiSE-FT): such averages keep what the pre-trained model knew. What the
    head learned beside the fold's head counts as a change of the one that has seen every example.
    """
    share = job.phase.start_share
    if not share or job.head_state is None:
        return
    current, start = trainable_state_dict(session.model), job.start_weights
    if not session.refit_steps:
        for name, value in job.fold_state.items():
            if f"head.{name}" in start:
                current[f"head.{name}"] = current[f"head.{name}"] + job.head_state[name] - value
    averaged = {
        name: share * start[name] + (1 - share) * value
        for name, value in current.items()
        if name in start and value.is_floating_point()
    }
    session.model.load_state_dict(averaged, strict=False)


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
    """Train the phase for `count` steps from its start on all examples.

    Cut short, the weights of before stay.
    """
    if not count:
        return
    yield Stage("refit", "Once more, with the checks to learn from as well", session.seconds)
    model = session.model
    first = saved.section("found") if saved else deepcopy(trainable_state_dict(model))
    model.load_state_dict(job.start_weights, strict=False)
    tensors = _head_tensors(job) | with_prefix("found", first)
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
