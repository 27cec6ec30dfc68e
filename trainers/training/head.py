"""The new last layer, taught on features that were computed once.

Accelerated gradient steps (Nesterov 1983) on all examples together set out from zero: early steps
tell the classes apart by their means, later ones fit every example. How many are best is found by
cross-validation: beside the head that learns from every example learn its twins, each without one
part of them, and the twins answer for the part that they never saw.
"""

import math
from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.events import Event, PhaseDone, Step, ValidationDone
from trainers.training.checkpoint import Checkpoint, Saver, no_checkpoints, with_prefix
from trainers.training.loop import Clock, DivergenceError, Head, ValidationOutputs
from trainers.training.monitor import LiveMonitor

NUM_FOLDS = 5  # as is usual for cross-validation
SINGLE_FOLD_MIN_EXAMPLES = (
    2000  # examples; a fifth of them checks well enough, and five twins take longer
)
MAX_STEPS = 500  # with 5 to 50 of each class of 15 data sets 17 were best (median), of nine in ten
# 4 to 190
EVAL_INTERVAL_GROWTH = 1.2  # from one look to the next, in steps: what changes, changes early
STEPS_WITHOUT_VALIDATION = 10  # where no example can be left out
PATIENCE_STEPS = 20  # steps, beside as many again as were best so far, before it stops
SELECTION_STEPS = 40  # enough to see which features are better: see MOST_STEPS
MAX_MONITORED_EXAMPLES = 300  # of the examples that are checked, to be watched and mapped


class HeadFit(NamedTuple):
    """What cross-validation found."""

    steps: int  # done
    best_step: int  # whose weights the head has now
    fold_head: dict[str, Tensor]  # weights of the head's twin that never saw part 0
    validation_outputs: ValidationOutputs | None = (
        None  # the twins' answers then; None where no example was left out
    )


def assign_folds(labels: np.ndarray) -> np.ndarray:
    """The part of cross-validation that each example belongs to, int64 (N,): the examples of every
    class spread over all of them; -1 for the only one of its class, which is never left out.
    Part 0 holds the last fifth of each class."""
    parts = np.full(len(labels), -1)
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)[::-1]
        if len(places) > 1:
            parts[places] = np.arange(len(places)) % min(NUM_FOLDS, len(places))
    if len(labels) >= SINGLE_FOLD_MIN_EXAMPLES:
        parts[parts > 0] = -1
    return parts


def fit_head(
    head: Head,
    features: Tensor,
    labels: Tensor,
    parts: np.ndarray,
    *,
    number: int,
    clock: Clock,
    until_seconds: float,
    should_stop: Callable[[], bool],
    view: LiveMonitor,
    viewed: Sequence[int],
    steps: int | None = None,
    keep: Saver = no_checkpoints,
    again: Checkpoint | None = None,
) -> Generator[Event, None, HeadFit]:
    """Teach `head`, which has been calibrated, on `features` (N, F) and `labels` (N,), and yield
    what happens. `parts` as `parts_of` has them; `viewed` are the rows that `view` shows.

    Ends when the examples left out are answered no better for a while, or before `until_seconds`;
    `steps` names how many there will be instead. `keep` and `again` as in
    `trainers.training.loop.train`.
    Raises `Diverged`.
    """
    rows = torch.cat([head.standardise(features), torch.ones(len(features), 1).to(features)], 1)
    labels = labels.to(rows.device)
    part = torch.from_numpy(parts).to(rows.device)
    twins = sorted({*parts.tolist()} - {-1})
    # One row for each twin, and the last for the head itself, which learns from all.
    learns = torch.stack([*(part != twin for twin in twins), part > -2]).float()
    learns /= learns.sum(1, keepdim=True)
    checked = torch.isin(part, part.new_tensor(twins))
    asked = torch.tensor([twins.index(p) if p in twins else len(twins) for p in parts.tolist()])
    if not twins:
        checked |= True  # no example can be left out: it is seen how well they are learned
    most = steps if steps is not None else MAX_STEPS if twins else STEPS_WITHOUT_VALIDATION

    wanted = F.one_hot(labels, head.linear.out_features).float()
    weights = torch.zeros(len(learns), rows.shape[1], wanted.shape[1], device=rows.device)
    before, best, told = weights, (float("inf"), 0, weights), None
    # The loss bends at most half as much as the features spread in their longest direction.
    rate = 2 / _max_eigenvalue(rows)
    began, step, look_at = clock.seconds(), 0, 0
    if again:
        known, kept = again.metadata, again.section("taught")
        began, step, look_at = known["began"], known["step"], known["look_at"]
        weights, before = kept["weights"].to(rows.device), kept["before"].to(rows.device)
        best = known["best_loss"], known["best_step"], kept["best"].to(rows.device)
        if checked_then := again.section("checked"):
            told = ValidationOutputs(
                **{name: value.to(rows.device) for name, value in checked_then.items()}
            )

    def standing() -> Checkpoint:
        facts = {"phase": number, "step": step, "epoch": float(step), "look_at": look_at}
        facts |= {"began": began, "best_loss": best[0], "best_step": best[1]}
        # Copies: two that are the same tensor cannot be kept.
        tensors = {"weights": weights, "before": before.clone(), "best": best[2].clone()}
        return Checkpoint(
            with_prefix("taught", tensors)
            | (with_prefix("checked", told._asdict()) if told else {}),
            facts,
        )

    while True:
        now = clock.seconds()
        why, looked = "", False
        if step >= most:
            why = "all steps done"
        elif steps is None and step and now + (now - began) / step > until_seconds:
            why = "time is up"
        elif should_stop():
            why = "stopped"
        if why or step == look_at:
            look_at, looked = max(step + 1, round(EVAL_INTERVAL_GROWTH * step)), True
            scores = torch.einsum("nf,mfk->mnk", rows, weights)
            answers = scores[asked, torch.arange(len(rows))]
            loss = F.cross_entropy(answers[checked], labels[checked]).item()
            if not np.isfinite(loss):
                raise DivergenceError(
                    "The loss on the checks is no number: look for broken examples."
                )
            better = loss < best[0] or not twins
            if better:
                best = (loss, step, weights)
                told = ValidationOutputs(answers[checked], labels[checked]) if twins else None
            if why in ("", "all steps done") and step >= 2 * best[1] + PATIENCE_STEPS:
                why = "no longer improves"
            yield ValidationDone(
                phase=number,
                step=step,
                epoch=float(step),  # each step sees every example
                accuracy=_compute_accuracy(answers[checked], labels[checked]),
                loss=loss,
                is_best=better,
                train_accuracy=_compute_accuracy(scores[-1], labels) if step else None,
                train_loss=F.cross_entropy(scores[-1], labels).item() if step else None,
                seconds=clock.seconds(),
                **view.snapshot(features[viewed], answers[viewed]),
            )
        if why:
            break
        if looked:
            yield from keep(standing)
        ahead = weights + (step / (step + 3)) * (weights - before)
        likely = torch.einsum("nf,mfk->mnk", rows, ahead).softmax(-1)
        before = weights
        wrong = (likely - wanted) * learns[:, :, None]
        weights = ahead - rate * torch.einsum("nf,mnk->mfk", rows, wrong)
        step += 1
        loss = F.nll_loss(likely[-1].clamp_min(1e-12).log(), labels).item()
        yield Step(number, step, float(step), loss, clock.seconds())
    yield PhaseDone(number, step, float(step), why, clock.seconds())
    _, best_step, weights = best
    head.load_state_dict(head.state_dict() | _to_state_dict(weights[-1]))
    return HeadFit(step, best_step, _to_state_dict(weights[0]), told)


def cross_val_loss(features: Tensor, labels: Tensor, parts: np.ndarray, classes: int) -> float:
    """How well a last layer on `features` (N, F) answers for what it did not learn from: its
    least loss in the first steps of cross-validation. To choose between features by."""
    head = Head(features.shape[1], classes).to(features.device)
    head.fit_scaling(features)
    stream = fit_head(
        head,
        features,
        labels,
        parts,
        number=0,
        clock=Clock(math.inf),
        until_seconds=math.inf,
        should_stop=lambda: False,
        view=LiveMonitor(labels[:0]),
        viewed=[],
        steps=SELECTION_STEPS,
    )
    return min(event.loss for event in stream if isinstance(event, ValidationDone))


def _compute_accuracy(scores: Tensor, labels: Tensor) -> float:
    return (scores.argmax(1) == labels).float().mean().item()


def _to_state_dict(weights: Tensor) -> dict[str, Tensor]:
    return {"linear.weight": weights[:-1].T.contiguous(), "linear.bias": weights[-1].clone()}


def _max_eigenvalue(rows: Tensor) -> float:
    """The mean square of `rows` (N, F) along the direction in which it is greatest."""
    towards = rows.mean(0) + 1e-3
    length = 1.0
    for _ in range(30):  # power iteration; a little too short does no harm yet
        towards = rows.T @ (rows @ towards) / len(rows)
        length = towards.norm().item()
        towards = towards / length
    return 1.05 * length
