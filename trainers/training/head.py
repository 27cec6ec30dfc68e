"""The new last layer, trained on features that were computed once.

Nesterov's accelerated gradient descent (1983) on all examples together starts from zero: the first
step tells the classes apart by their means, later ones fit every example. Cross-validation finds
how many steps are best: beside the head that learns from every example, one head a fold learns from
the others, and is validated on that fold. Steps are compared by their cross-entropy at the best
temperature: confidence is set afterwards, and zero steps, which cannot tell classes apart, are none
of the choices. (In three draws of 10 and of 50 of each class of irony, an uncalibrated loss led to
51 and 54 %, this to 57 and 62.)
"""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.events import Event, PhaseDone, Step, ValidationDone
from trainers.plan import StepPlan
from trainers.system.streams import drain
from trainers.training.checkpoint import Checkpoint, with_prefix
from trainers.training.model import Head
from trainers.training.schedule import (
    ALL_STEPS_DONE,
    NO_LONGER_IMPROVES,
    STOPPED,
    TIME_IS_UP,
    PhaseContext,
)
from trainers.training.validator import DivergenceError, ValidationOutputs

NUM_FOLDS = 5  # as is usual for cross-validation
# A fifth of these validates well enough, and the heads of five folds take longer.
SINGLE_FOLD_MIN_EXAMPLES = 2000
# With 5 to 50 of each class of 15 data sets 17 steps were best (median), of nine in ten 4 to 190.
MAX_STEPS = 500
EVAL_INTERVAL_GROWTH = 1.2  # from one evaluation to the next, in steps: what changes, changes early
STEPS_WITHOUT_VALIDATION = 10  # where no example can be held out
PATIENCE_STEPS = 20  # it stops so many steps after twice those that were best
SELECTION_STEPS = 40  # enough to see which features are better: see MAX_STEPS
TEMPERATURES = np.logspace(-2, 2, 25).tolist()  # ours
MAX_MONITORED_EXAMPLES = 300  # of the validated ones, to be watched and mapped


@dataclass(frozen=True)
class HeadData:
    """Features and labels for a head."""

    features: Tensor  # float32 (N, F)
    labels: Tensor  # int64 (N,)
    folds: np.ndarray  # int64 (N,), of `assign_folds`
    monitored: Sequence[int] = ()  # rows that the monitor shows
    last_columns: int = 0  # so many of the last features alone may be used; 0: all


class HeadFit(NamedTuple):
    """What cross-validation found."""

    steps: StepPlan
    best_step: int  # the head has its weights
    loss: float  # cross-entropy at the best temperature, of that step
    fold_head: dict[str, Tensor]  # state of the head that never learned from fold 0
    validation_outputs: ValidationOutputs | None  # of the folds' heads; None if no example had one


def assign_folds(labels: np.ndarray) -> np.ndarray:
    """Return the fold of each example, int64 (N,): every class is spread over all folds.

    -1 for the only example of its class, which is never held out. Fold 0 has the last fifth of
    each class. With many examples there is fold 0 alone.
    """
    folds = np.full(len(labels), -1)
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)[::-1]
        if len(places) > 1:
            folds[places] = np.arange(len(places)) % min(NUM_FOLDS, len(places))
    if len(labels) >= SINGLE_FOLD_MIN_EXAMPLES:
        folds[folds > 0] = -1
    return folds


def fit_head(
    head: Head, data: HeadData, context: PhaseContext, steps: StepPlan | None = None
) -> Generator[Event, None, HeadFit]:
    """Train `head`, whose scaling is set, on `data` and yield what happens.

    Ends when the held-out examples are predicted no better for a while, or before the deadline;
    with `steps`, as those say. Raises `DivergenceError`.
    """
    heads = _FoldHeads(head, data)
    max_steps = MAX_STEPS if heads.has_folds else STEPS_WITHOUT_VALIDATION
    if steps:
        max_steps = steps.done
    clock, number = context.clock, context.number
    started_at, step, next_evaluation = clock.seconds(), 0, 0
    if context.resume_from:
        state = context.resume_from.metadata
        started_at, step, next_evaluation = state["began"], state["step"], state["look_at"]
        heads.restore(context.resume_from)

    def snapshot() -> Checkpoint:
        state = {"phase": number, "step": step, "epoch": float(step), "look_at": next_evaluation}
        tensors, best = heads.state()
        return Checkpoint(tensors, state | best | {"began": started_at})

    while True:
        now = clock.seconds()
        stop_reason, was_evaluated = "", False
        if step >= max_steps:
            stop_reason = (steps and steps.stop_reason) or ALL_STEPS_DONE
        elif not steps and step and now + (now - started_at) / step > context.deadline:
            stop_reason = TIME_IS_UP
        elif step and context.should_stop():
            stop_reason = STOPPED
        if stop_reason or step == next_evaluation:
            next_evaluation, was_evaluated = max(step + 1, round(EVAL_INTERVAL_GROWTH * step)), True
            evaluation = heads.evaluate(step, context)
            has_converged = step >= 2 * heads.best_step + PATIENCE_STEPS
            if stop_reason in ("", ALL_STEPS_DONE) and has_converged:
                stop_reason = NO_LONGER_IMPROVES
            yield evaluation
        if stop_reason:
            break
        if was_evaluated:
            yield from context.save(snapshot)
        loss = heads.train_step(step)
        step += 1
        yield Step(number, step, float(step), loss, clock.seconds())
    yield PhaseDone(number, step, float(step), stop_reason, clock.seconds())
    head.load_state_dict(head.state_dict() | _to_state_dict(heads.best_weights[-1]))
    fold_head = _to_state_dict(heads.best_weights[0])
    record = StepPlan(step, step, 0, stop_reason)
    return HeadFit(record, heads.best_step, heads.best_loss, fold_head, heads.best_outputs)


class _FoldHeads:
    """One head for each fold, which does not learn from it, and the last for all examples."""

    def __init__(self, head: Head, data: HeadData) -> None:
        self.data = data
        features = head.standardise(data.features)
        if data.last_columns:
            features[:, : -data.last_columns] = 0  # and so their weights stay
        self.rows = torch.cat([features, torch.ones(len(features), 1).to(features)], 1)
        self.labels = data.labels.to(self.rows.device)
        self.targets = F.one_hot(self.labels, head.linear.out_features).float()  # (N, K)
        fold_of = torch.from_numpy(data.folds).to(self.rows.device)
        folds = sorted({*data.folds.tolist()} - {-1})
        self.has_folds = bool(folds)
        learns = torch.stack([*(fold_of != fold for fold in folds), fold_of > -2]).float()
        self.example_weights = learns / learns.sum(1, keepdim=True)  # (heads, N)
        places = {fold: place for place, fold in enumerate(folds)}
        self.validating_head = torch.tensor(
            [places.get(fold, len(folds)) for fold in data.folds.tolist()]
        )
        self.is_validated = torch.isin(fold_of, fold_of.new_tensor(folds))
        if not folds:
            self.is_validated |= True  # no example can be held out: how well are they learned?
        # The loss bends at most half as much as the features spread in their longest direction.
        self.learning_rate = 2 / _max_eigenvalue(self.rows)
        shape = len(learns), self.rows.shape[1], self.targets.shape[1]
        self.weights = self.previous_weights = torch.zeros(shape, device=self.rows.device)
        self.best_weights, self.best_loss, self.best_step = self.weights, math.inf, 0
        self.best_outputs: ValidationOutputs | None = None

    def train_step(self, step: int) -> float:
        """Take a step with all heads; return the training loss of the last."""
        momentum = step / (step + 3)
        ahead = self.weights + momentum * (self.weights - self.previous_weights)
        probabilities = torch.einsum("nf,mfk->mnk", self.rows, ahead).softmax(-1)
        errors = (probabilities - self.targets) * self.example_weights[:, :, None]
        self.previous_weights = self.weights
        self.weights = ahead - self.learning_rate * torch.einsum("nf,mnk->mfk", self.rows, errors)
        return F.nll_loss(probabilities[-1].clamp_min(1e-12).log(), self.labels).item()

    def evaluate(self, step: int, context: PhaseContext) -> ValidationDone:
        """Let each head predict the fold that it did not learn from. Raises `DivergenceError`."""
        logits = torch.einsum("nf,mfk->mnk", self.rows, self.weights)  # (heads, N, K)
        outputs = logits[self.validating_head, torch.arange(len(self.rows))]
        validated, labels = outputs[self.is_validated], self.labels[self.is_validated]
        loss = F.cross_entropy(validated, labels).item()
        if not np.isfinite(loss):
            raise DivergenceError("The loss on the checks is no number: look for broken examples.")
        calibrated_loss = minimize_over_temperature(validated, labels) if step else math.inf
        is_best = calibrated_loss < self.best_loss or not (step and self.has_folds)
        if is_best:
            self.best_loss, self.best_step, self.best_weights = calibrated_loss, step, self.weights
            self.best_outputs = ValidationOutputs(validated, labels) if self.has_folds else None
        monitored = list(self.data.monitored)
        return ValidationDone(
            phase=context.number,
            step=step,
            epoch=float(step),  # each step sees every example
            accuracy=_compute_accuracy(validated, labels),
            loss=loss,
            is_best=is_best,
            train_accuracy=_compute_accuracy(logits[-1], self.labels) if step else None,
            train_loss=F.cross_entropy(logits[-1], self.labels).item() if step else None,
            seconds=context.clock.seconds(),
            **context.monitor.snapshot(self.data.features[monitored], outputs[monitored]),
        )

    # The names are those of stored checkpoints.
    def state(self) -> tuple[dict[str, Tensor], dict[str, float]]:
        # Clones: safetensors refuses two names for the same tensor.
        tensors = {
            "weights": self.weights,
            "before": self.previous_weights.clone(),
            "best": self.best_weights.clone(),
        }
        tensors = with_prefix("taught", tensors)
        if self.best_outputs:
            tensors |= with_prefix("checked", self.best_outputs._asdict())
        return tensors, {"best_loss": self.best_loss, "best_step": self.best_step}

    def restore(self, checkpoint: Checkpoint) -> None:
        weights = checkpoint.section("taught")
        weights = {name: value.to(self.rows.device) for name, value in weights.items()}
        self.weights, self.previous_weights = weights["weights"], weights["before"]
        self.best_weights = weights["best"]
        self.best_loss = checkpoint.metadata["best_loss"]
        self.best_step = checkpoint.metadata["best_step"]
        self.best_outputs = ValidationOutputs.from_section(checkpoint.section("checked"))


def cross_val_loss(data: HeadData, classes: int) -> float:
    """Return the least validation loss of a head's first steps, to choose between features by."""
    head = Head(data.features.shape[1], classes).to(data.features.device)
    head.fit_scaling(data.features)
    steps = StepPlan(SELECTION_STEPS, SELECTION_STEPS, 0)
    return drain(fit_head(head, data, PhaseContext.unlimited(data.labels[:0]), steps)).loss


def minimize_over_temperature(scores: Tensor, labels: Tensor) -> float:
    """Return the cross-entropy of `scores`, float (N, classes), at the best of TEMPERATURES."""
    return min(F.cross_entropy(scores / temperature, labels).item() for temperature in TEMPERATURES)


def _compute_accuracy(scores: Tensor, labels: Tensor) -> float:
    return (scores.argmax(1) == labels).float().mean().item()


def _to_state_dict(weights: Tensor) -> dict[str, Tensor]:
    return {"linear.weight": weights[:-1].T.contiguous(), "linear.bias": weights[-1].clone()}


def _max_eigenvalue(rows: Tensor) -> float:
    """Return the mean square of `rows` (N, F) along the direction in which it is greatest."""
    direction = rows.mean(0) + 1e-3
    length = 1.0
    for _ in range(30):  # power iteration; a little too short does no harm yet
        direction = rows.T @ (rows @ direction) / len(rows)
        length = direction.norm().item()
        direction = direction / length
    return 1.05 * length
