"""Evaluation on the validation set while a model learns, and the best weights so far."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import Tensor
from torch.nn import functional as F

from trainers.events import ValidationDone
from trainers.networks.encoder import Examples, get_device
from trainers.training.checkpoint import Checkpoint, with_prefix
from trainers.training.inference import predict
from trainers.training.model import Model, clone_trainable
from trainers.training.schedule import PhaseContext

# Fewer cannot tell which weights are best (one in 25 is chance), so the last ones are kept. With
# two of each class in the validation set early stopping cost 1 to 4 points (vehicles, digits,
# cells).
MIN_EXAMPLES_FOR_BEST_WEIGHTS = 100


class DivergenceError(ValueError):
    """The loss is no longer a finite number."""


class ValidationOutputs(NamedTuple):
    """The scores of examples that the model did not learn from."""

    scores: Tensor  # float (N, classes)
    labels: Tensor  # int64 (N,)

    @classmethod
    def from_section(cls, tensors: dict[str, Tensor]) -> "ValidationOutputs | None":
        """Return the outputs of a checkpoint's section; None if that is empty."""
        moved = {name: value.to(get_device()) for name, value in tensors.items()}
        return cls(**moved) if moved else None


class Validator:
    """Evaluates the model, and keeps its best weights if the validation set can tell them."""

    def __init__(self, model: Model, validation_set: Examples, context: PhaseContext) -> None:
        self.model, self.validation_set, self.context = model, validation_set, context
        self.best = (-1.0, -math.inf)  # accuracy and negative loss
        self.best_weights: dict[str, Tensor] = {}
        self.best_outputs: ValidationOutputs | None = None
        self.since_best = self.best_step = 0
        self.first_accuracy = self.last_accuracy = 0.0
        self.last_step = -1
        # Of the shortest evaluation: the first one pays for set-up.
        self.seconds = math.inf if len(validation_set) else 0.0
        self.can_select_best = len(validation_set) >= MIN_EXAMPLES_FOR_BEST_WEIGHTS
        self._reset_train_stats()

    def record_batch(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a training batch to the accuracy and loss of the next evaluation."""
        self._losses.append(loss)  # tensors: reading them would wait for a GPU
        self._correct_counts.append((logits.argmax(1) == labels).sum())
        self._example_count += len(labels)

    def _reset_train_stats(self) -> None:
        self._losses: list[Tensor] = []
        self._correct_counts: list[Tensor] = []
        self._example_count = 0

    def evaluate(self, step: int, epoch: float) -> Iterator[ValidationDone]:
        """Yield the evaluation after `step`; nothing if the validation set is empty.

        Leaves the model in eval mode. Raises `DivergenceError`.
        """
        self.last_step = step
        if not len(self.validation_set):
            return
        started_at = self.context.clock.seconds()
        features, scores = predict(self.model, self.validation_set.inputs)
        labels = self.validation_set.labels.to(scores.device)
        loss = F.cross_entropy(scores, labels).item()
        if not math.isfinite(loss):
            raise DivergenceError("The loss on the checks is no number any more. Try a lower rate.")
        self.last_accuracy = accuracy = (scores.argmax(1) == labels).float().mean().item()
        if not step:
            self.first_accuracy = accuracy
        is_best = self._update_best(step, accuracy, loss, ValidationOutputs(scores, labels))
        event = ValidationDone(
            phase=self.context.number,
            step=step,
            epoch=epoch,
            accuracy=accuracy,
            loss=loss,
            is_best=is_best,
            seconds=self.context.clock.seconds(),
            **self._train_stats(),
            **self.context.monitor.snapshot(features, scores),
        )
        self._reset_train_stats()
        self.seconds = min(self.seconds, self.context.clock.seconds() - started_at)
        yield event

    def _train_stats(self) -> dict[str, float | None]:
        """Return accuracy and mean loss of the batches since the last evaluation."""
        if not self._losses:
            return {"train_accuracy": None, "train_loss": None}
        correct = sum(self._correct_counts).item()
        loss = (sum(self._losses) / len(self._losses)).item()
        return {"train_accuracy": correct / self._example_count, "train_loss": loss}

    def _update_best(
        self, step: int, accuracy: float, loss: float, outputs: ValidationOutputs
    ) -> bool:
        if self.can_select_best and (accuracy, -loss) <= self.best:
            self.since_best += 1
            return False
        self.best, self.since_best, self.best_step = (accuracy, -loss), 0, step
        self.best_outputs = outputs
        if self.can_select_best:
            self.best_weights = clone_trainable(self.model)
        return True

    def restore_best(self) -> None:
        """Load the best weights; without a choice of them the model keeps the last."""
        self.model.load_state_dict(self.best_weights, strict=False)

    # The names are those of stored checkpoints.
    def state_tensors(self) -> dict[str, Tensor]:
        """Return the tensors of a checkpoint that is written right after an evaluation."""
        outputs = with_prefix("checked", self.best_outputs._asdict()) if self.best_outputs else {}
        if self.best_step == self.last_step:  # the model's own weights are the best
            return outputs
        return outputs | with_prefix("best", self.best_weights)

    def state(self) -> dict[str, Any]:
        names = ("best", "since_best", "best_step", "last_step", "seconds")
        names += ("first_accuracy", "last_accuracy")
        return {name: getattr(self, name) for name in names}

    def load_state(self, checkpoint: Checkpoint) -> None:
        """Restore the state; the model has the weights of the checkpoint already."""
        for name, value in checkpoint.metadata["looks"].items():
            setattr(self, name, value)
        self.best = tuple(self.best)
        self.best_outputs = ValidationOutputs.from_section(checkpoint.section("checked"))
        if self.can_select_best:
            self.best_weights = checkpoint.section("best")
            if self.best_step == self.last_step:
                self.best_weights = clone_trainable(self.model)
