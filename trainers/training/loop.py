"""The one training loop: a generator of events. It knows no store, no page and no terminal."""

import gc
import math
import time
from collections.abc import Callable, Generator, Iterator
from statistics import median
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainers.events import Event, PhaseDone, PhaseScheduled, Step, ValidationDone
from trainers.networks.encoder import (
    Examples,
    Inputs,
    autocast,
    flip_horizontal,
    get_device,
    to_device,
)
from trainers.system.errors import is_out_of_memory
from trainers.training.checkpoint import (
    Checkpoint,
    Saver,
    load_optimizer_state,
    no_checkpoints,
    optimizer_state,
    rng_state,
    set_rng_state,
    with_prefix,
)
from trainers.training.monitor import LiveMonitor
from trainers.training.recipes import Phase

WARMUP_STEPS = 10  # the rate climbs over these; they are also the ones that are timed
EVALS_PER_PHASE = 8  # times the validation split is looked at when there are fewer epochs than that
MAX_EVALS_PER_PHASE = 20  # and when there are more: each takes time, and fewer examples move slowly
MIN_STEPS_PER_EVAL = (
    5  # at least: of ten slow steps (822 photos, mobilenet_v2, a minute) looks took
)
# 60 % of the time, one after each. Ours
MIN_EXAMPLES_FOR_BEST_WEIGHTS = (
    100  # fewer cannot tell which weights are best (one in 25 is chance): the last are
)
# kept. With 2 of each class held out early stopping cost 1 to 4 points (vehicles, digits, cells).
LOG_INTERVAL_SECONDS = 0.1  # between two looks at what a card has computed
BATCH_REDUCTION_FACTOR = (
    4  # of this a batch has one part, where the memory was not enough for all of it. Ours
)
PLANNED_TIME_SHARE = 0.95  # share of the time left that is planned for: a shared machine slows down


class DivergenceError(ValueError):
    """The loss stopped being a number."""


class Clock:
    """Wall time of a run against its budget."""

    def __init__(self, budget_seconds: float) -> None:
        self.budget_seconds = budget_seconds
        self._started_at = time.monotonic()
        self._paused_at: float | None = None

    def seconds(self) -> float:
        return time.monotonic() - self._started_at if self._paused_at is None else self._paused_at

    def add_seconds(self, seconds: float) -> None:
        """As if so much more time had passed: what another run has computed is not free."""
        self._started_at -= seconds

    def pause_at(self, seconds: float) -> None:
        """Stands at `seconds` until it goes on: what an interrupted run gets ready again was
        counted once."""
        self._paused_at = seconds

    def resume(self) -> None:
        if self._paused_at is not None:
            self._started_at, self._paused_at = time.monotonic() - self._paused_at, None


class ValidationOutputs(NamedTuple):
    """What was answered to examples that were not learned from."""

    scores: Tensor  # float (N, classes)
    labels: Tensor  # int64 (N,)


class PhaseResult(NamedTuple):
    """What a phase tells the one after it."""

    steps: tuple[int, int, int]  # planned, done, and when they were planned
    best_step: int  # whose weights were kept
    validation_outputs: ValidationOutputs | None = (
        None  # with those weights; None where nothing was held out
    )


class Head(nn.Module):
    """The new last layer: features are centred and scaled (as they were at the start), then one
    score a class. Starts at zero: every class is as likely, and a backbone gets no random push."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, classes)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.register_buffer("centre", torch.zeros(features))
        self.register_buffer("scale", torch.ones(()))

    def fit_scaling(self, features: Tensor) -> None:
        """Takes centre and one common scale from `features`, float (N, F). One scale, since the
        spread of single features cannot be told from a few examples."""
        self.centre.copy_(features.mean(0))
        self.scale.copy_((features - self.centre).square().mean().sqrt().clamp(min=1e-6))

    def standardise(self, features: Tensor) -> Tensor:
        """What the last layer itself is given, float32 (N, F)."""
        return (features.float() - self.centre) / self.scale

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(self.standardise(features))


class Model(nn.Module):
    """A body and a head; a batch goes in, class scores come out, float32 (N, classes)."""

    def __init__(self, body: nn.Module, head: Head) -> None:
        super().__init__()
        self.body = body
        self.head = head

    def forward(self, batch: Tensor | tuple[Tensor, ...]) -> Tensor:
        return self.head(self.body(batch))


def set_train_mode(model: nn.Module) -> None:
    """Training mode where something learns; frozen parts in eval: their BatchNorm would move
    without a gradient, and their dropout would blur what they see."""
    model.train(any(p.requires_grad for p in model.parameters()))
    for child in model.children():
        if any(True for _ in child.parameters()):
            set_train_mode(child)


def freeze_batchnorm_stats(model: nn.Module) -> None:
    """BatchNorm goes by the statistics that it has, and leaves them: they follow slowly, so after a
    few steps they would be those of neither the old weights nor the new."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def extract_features(
    body: nn.Module, inputs: Inputs, items: Tensor, *, mirrored: bool = False
) -> Iterator[Tensor]:
    """Features of `items`, float32 (n, F), a batch at a time: body in eval mode, no gradient.
    `mirrored`: of the mirror images of pictures."""
    body.eval()

    def answered(part: Tensor) -> Tensor:
        batch = inputs.batch(part)
        with torch.inference_mode(), autocast():
            features = body(flip_horizontal(batch) if mirrored else batch).float()
        return features.clone()  # out of inference mode: a head must be able to learn on them

    for part in inputs.eval_batches(items):
        try:
            features = answered(part)
        except (MemoryError, RuntimeError) as error:
            if len(part) < BATCH_REDUCTION_FACTOR or not is_out_of_memory(error):
                raise
            features = None
        if features is None:  # out here: the error held on to what had been computed
            free_memory()
            features = torch.cat(
                [answered(piece) for piece in part.tensor_split(BATCH_REDUCTION_FACTOR)]
            )
        yield features


def free_memory() -> None:
    """Gives back what nothing holds on to any more."""
    gc.collect()
    if get_device().type == "cuda":
        torch.cuda.empty_cache()


def argsort_by_length(inputs: Inputs, items: Tensor) -> Tensor:
    """The places of `items`, those of the shortest texts first, so that little is padded; of
    pictures as they are."""
    if not hasattr(inputs, "lengths"):
        return torch.arange(len(items))
    return inputs.lengths[items].argsort(stable=True)


def predict(model: Model, inputs: Inputs) -> tuple[Tensor, Tensor]:
    """Features (N, F) and class scores (N, classes) of all `inputs`, float32."""
    order = argsort_by_length(inputs, torch.arange(len(inputs)))
    features = torch.cat(list(extract_features(model.body, inputs, order)))[order.argsort()]
    model.head.eval()
    with torch.inference_mode():
        return features, model.head(features)


def lr_multiplier(step: int, steps: int | None) -> float:
    """Share of the peak learning rate at `step` (from 0): up over the warm-up, then down in a
    line. The warm-up does not depend on `steps`, which are set only when some were timed."""
    if step < WARMUP_STEPS:
        return (step + 1) / WARMUP_STEPS
    if steps is None:
        return 1.0
    return max(0.0, 1 - (step - WARMUP_STEPS) / max(1, steps - WARMUP_STEPS))


def train(
    model: Model,
    examples: Examples,
    held_out: Examples,
    phase: Phase,
    *,
    number: int,
    clock: Clock,
    until_seconds: float,
    should_stop: Callable[[], bool],
    view: LiveMonitor,
    steps: tuple[int, int, int] | None = None,
    planned: int | None = None,
    keep: Saver = no_checkpoints,
    again: Checkpoint | None = None,
) -> Generator[Event, None, PhaseResult]:
    """Train `model` in place and yield what happens; leaves it with the best weights it saw, or
    with the last where `held_out` is too small to tell, or empty.

    Only parameters that require a gradient learn. The loop times its first steps and plans as
    many as fit before `until_seconds` on `clock`, unless it is told what is `planned`; `steps`
    (planned, done, timed) names them instead, and then no clock is read. Closing the generator
    abandons the run after its last whole step. Raises `Diverged` when the loss stops being a
    number.

    After each look, `keep` is handed where it stands; `again` is what it was handed by one that was
    interrupted, with `model` as it was at the start: then this goes on from there.
    """
    started = clock.seconds()
    optimizer = _build_optimizer(model, phase)
    peaks = [group["lr"] for group in optimizer.param_groups]
    per_epoch = math.ceil(len(examples) / phase.batch_size)
    worth = planned or phase.max_steps(len(examples))
    looks = _Validator(model, held_out, view, number, clock)
    batches = _BatchStream(examples, phase.batch_size)
    every, timed = per_epoch, 0
    step, why, durations, told = 0, "all steps done", [], 0.0

    def set_modes() -> None:  # not at every step: asking every module takes milliseconds
        set_train_mode(model)
        if (planned or 0) < phase.freeze_bn_below_steps:
            freeze_batchnorm_stats(model)

    def standing() -> Checkpoint:
        facts = {"phase": number, "step": step, "epoch": step / per_epoch, "started": started}
        facts |= {"every": every, "timed": timed, "planned": planned}
        facts |= {"durations": [] if planned else durations, "batches": batches.position}
        tensors = with_prefix("model", trainable_state_dict(model)) | with_prefix(
            "optimizer", optimizer_state(optimizer)
        )
        tensors |= with_prefix("dice", rng_state() | batches.rng_state)
        return Checkpoint(
            tensors | looks.state_tensors(), facts | {"looks": looks.state_metadata()}
        )

    if again:
        known = again.metadata
        step, started, every = known["step"], known["started"], known["every"]
        timed, planned, durations = known["timed"], known["planned"], known["durations"]
        model.load_state_dict(again.section("model"), strict=False)
        load_optimizer_state(optimizer, again.section("optimizer"))
        looks.load_state(again)
        batches.resume(again.section("dice"), known["batches"])
        set_rng_state(again.section("dice"))
    else:
        yield from looks.evaluate(0, 0.0)
        yield from keep(standing)
    set_modes()
    for batch in batches:
        began = time.perf_counter()
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * lr_multiplier(step, planned)
        labels = to_device(examples.labels[batch])
        with autocast():
            scores = model(examples.inputs.batch(batch, augment=phase.augment))
        loss = F.cross_entropy(scores, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        looks.record_batch(loss.detach(), scores.detach(), labels)
        # A processor has the loss already. A card is waited for only while steps are timed, and
        # then as often as someone may look: it computes ahead meanwhile.
        due = clock.seconds() - told > LOG_INTERVAL_SECONDS or step == planned
        value = loss.item() if due or planned is None or not _is_async_device() else None
        durations.append(time.perf_counter() - began)
        now = clock.seconds()
        if value is not None:
            if not math.isfinite(value):
                raise DivergenceError(
                    f"The loss became {value} at step {step} of '{phase.title}', so there is "
                    f"nothing to learn from. Try a learning rate below {phase.learning_rate:g}, or "
                    "look for broken examples."
                )
            told = now
            yield Step(number, step, step / per_epoch, value, now)

        if planned is None:
            due = step >= WARMUP_STEPS or now - started > 0.15 * (until_seconds - started)
            if step == steps[2] if steps else due and step >= 2:
                each = median(durations[1:]) if len(durations) > 1 else durations[0]
                left = PLANNED_TIME_SHARE * (until_seconds - now)
                fits = _plan_steps(step, each, looks.seconds, left, len(examples), per_epoch, phase)
                planned = steps[0] if steps else fits
                few = min(
                    per_epoch,
                    max(planned // EVALS_PER_PHASE, min(MIN_STEPS_PER_EVAL, planned // 2)),
                )
                every = max(few, planned // MAX_EVALS_PER_PHASE, 1)
                timed = step
                set_modes()
                yield PhaseScheduled(number, planned, per_epoch, each, now)
        over = planned is not None and step >= planned
        if over or step % every == 0:
            yield from looks.evaluate(step, step / per_epoch)
            set_modes()
            if looks.since_best >= phase.patience:
                why = "no longer improves"
                break
        if over:
            if planned < worth:  # the clock allowed no more
                why = "time is up"
            break
        if step == steps[1] if steps else now >= until_seconds:
            why = "time is up"
            break
        if should_stop():
            why = "stopped"
            break
        if looks.last_step == step:
            yield from keep(standing)
    if looks.last_step != step:
        yield from looks.evaluate(step, step / per_epoch)
    looks.restore_best()
    yield PhaseDone(number, step, step / per_epoch, why, clock.seconds())
    return PhaseResult((planned or step, step, timed or step), looks.best_step, looks.best_outputs)


def _is_async_device() -> bool:
    """Whether reading a number waits for all that was asked of a card before."""
    return get_device().type != "cpu"


class _BatchStream:
    """Batches of `size` without end, shuffled anew for each pass over the examples."""

    def __init__(self, examples: Examples, size: int) -> None:
        self.examples, self.size = examples, size
        self.rng_state: dict[str, Tensor] = {}  # the dice that shuffled this pass
        self.position = 0  # of this pass
        self._remaining: list[Tensor] = []

    def __iter__(self) -> Iterator[Tensor]:
        batches = iter(self._remaining)
        while True:
            for batch in batches:
                self.position += 1
                yield batch
            batches, self.position = self._shuffle(), 0

    def _shuffle(self) -> Iterator[Tensor]:
        self.rng_state = {"pass": torch.get_rng_state()}
        mixed = torch.randperm(len(self.examples))
        return self.examples.inputs.train_batches(mixed, self.size)

    def resume(self, dice: dict[str, Tensor], done: int) -> None:
        """To where `done` batches of the pass that `dice` shuffled were handed out."""
        if "pass" in dice:  # else no pass was begun
            torch.set_rng_state(dice["pass"])
            self._remaining, self.position = list(self._shuffle())[done:], done


def _build_optimizer(model: Model, phase: Phase) -> torch.optim.Optimizer:
    head = [p for p in model.head.parameters() if p.requires_grad]
    body = [p for p in model.body.parameters() if p.requires_grad]
    groups = [{"params": head, "lr": phase.head_learning_rate}]
    if body:
        groups.append({"params": body, "lr": phase.learning_rate})
    return torch.optim.AdamW(groups, weight_decay=phase.weight_decay, fused=True)


def _plan_steps(
    done: int, each: float, look: float, left: float, examples: int, per_epoch: int, phase: Phase
) -> int:
    """How many steps there will be, those `done` included: what fits in `left` seconds at `each`
    a step and `look` a validation, and not more than the examples are worth."""
    more = (left - MAX_EVALS_PER_PHASE * look) / each
    if more < MAX_EVALS_PER_PHASE * per_epoch:
        more = left / (each + look / per_epoch)
    if done + more < EVALS_PER_PHASE * per_epoch:
        more = max(
            (left - EVALS_PER_PHASE * look) / each, left / (each + look / MIN_STEPS_PER_EVAL)
        )
    return max(done, int(min(done + max(0, more), phase.max_steps(examples))))


class _Validator:
    """Looks at the validation split, and keeps the weights of the best look, where there are
    enough examples to tell which that is."""

    def __init__(
        self, model: Model, held_out: Examples, view: LiveMonitor, phase: int, clock: Clock
    ) -> None:
        self.model, self.validation_set, self.monitor = model, held_out, view
        self.phase, self.clock = phase, clock
        self.best = (-1.0, -math.inf)
        self.best_weights: dict[str, Tensor] = {}
        self.best_outputs: ValidationOutputs | None = None  # at the best look
        self.since_best = self.best_step = 0
        self.last_step = -1
        self.seconds = math.inf if len(held_out) else 0.0  # the shortest: the first pays for set-up
        self.can_select_best = len(held_out) >= MIN_EXAMPLES_FOR_BEST_WEIGHTS
        self._reset_train_stats()

    def record_batch(self, loss: Tensor, scores: Tensor, labels: Tensor) -> None:
        self._losses.append(loss)  # tensors: reading them would wait for a card
        self._correct_counts.append((scores.argmax(1) == labels).sum())
        self._example_count += len(labels)

    def _reset_train_stats(self) -> None:
        self._losses: list[Tensor] = []
        self._correct_counts: list[Tensor] = []
        self._example_count = 0

    def evaluate(self, step: int, epoch: float) -> Iterator[ValidationDone]:
        self.last_step = step
        if len(self.validation_set):
            yield self._compute_metrics(step, epoch)

    def _compute_metrics(self, step: int, epoch: float) -> ValidationDone:
        began = time.perf_counter()
        features, scores = predict(self.model, self.validation_set.inputs)
        labels = self.validation_set.labels.to(scores.device)
        loss = F.cross_entropy(scores, labels).item()
        if not math.isfinite(loss):
            raise DivergenceError("The loss on the checks is no number any more. Try a lower rate.")
        accuracy = (scores.argmax(1) == labels).float().mean().item()
        better = not self.can_select_best or (accuracy, -loss) > self.best
        if better:
            self.best, self.since_best, self.best_step = (accuracy, -loss), 0, step
            self.best_outputs = ValidationOutputs(scores, labels)
        else:
            self.since_best += 1
        if better and self.can_select_best:
            self.best_weights = {
                name: value.detach().clone()
                for name, value in trainable_state_dict(self.model).items()
            }
        seen = self.monitor.snapshot(features, scores)
        event = ValidationDone(
            phase=self.phase,
            step=step,
            epoch=epoch,
            accuracy=accuracy,
            loss=loss,
            is_best=better,
            train_accuracy=sum(self._correct_counts).item() / self._example_count
            if self._example_count
            else None,
            train_loss=(sum(self._losses) / len(self._losses)).item() if self._losses else None,
            seconds=self.clock.seconds(),
            **seen,
        )
        self._reset_train_stats()
        self.seconds = min(self.seconds, time.perf_counter() - began)
        return event

    def state_tensors(self) -> dict[str, Tensor]:
        """What is kept of them, right after a look."""
        found = with_prefix("checked", self.best_outputs._asdict()) if self.best_outputs else {}
        if self.best_step != self.last_step:  # else the best are those of now
            found |= with_prefix("best", self.best_weights)
        return found

    def state_metadata(self) -> dict[str, Any]:
        names = ("best", "since_best", "best_step", "last_step", "seconds")
        return {name: getattr(self, name) for name in names}

    def load_state(self, again: Checkpoint) -> None:
        """`tensors` and `facts`, back; the model has its weights already."""
        for name, value in again.metadata["looks"].items():
            setattr(self, name, value)
        self.best = tuple(self.best)
        if checked := again.section("checked"):
            self.best_outputs = ValidationOutputs(
                **{k: v.to(get_device()) for k, v in checked.items()}
            )
        if self.can_select_best:
            now = {
                name: value.detach().clone()
                for name, value in trainable_state_dict(self.model).items()
            }
            self.best_weights = now if self.best_step == self.last_step else again.section("best")

    def restore_best(self) -> None:
        self.model.load_state_dict(self.best_weights, strict=False)


def trainable_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """What a run changes: parameters that learn, and the buffers of modules that have any."""
    names = {name for name, p in model.named_parameters() if p.requires_grad}
    owners = {name.rpartition(".")[0] for name in names}
    return {
        name: value
        for name, value in model.state_dict().items()
        if name in names or name.rpartition(".")[0] in owners
    }
