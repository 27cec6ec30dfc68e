"""A run in progress: what its stages share, and where it stands when it is interrupted."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainers.backbones import Backbone
from trainers.datasets import DatasetSplits
from trainers.events import Event
from trainers.networks.encoder import Encoder, Examples
from trainers.plan import Plan, RecordedSchedule, StepPlan
from trainers.system.feature_cache import FeatureCache
from trainers.training import checkpoint
from trainers.training.batches import SubsetInputs
from trainers.training.checkpoint import Checkpoint, CheckpointWriter, with_prefix
from trainers.training.clock import Clock
from trainers.training.features import ComputationCache, FeatureExtractor
from trainers.training.model import Head, Model
from trainers.training.monitor import LiveMonitor
from trainers.training.peak_memory import PeakMemory
from trainers.training.recipes import Phase
from trainers.training.schedule import PhaseContext
from trainers.training.validator import ValidationOutputs

# Forward passes that a step takes: 4.2 to 4.4 on MobileNet V2 and ResNet-18, bf16.
FORWARDS_PER_STEP = 5
# What remains to be predicted takes longer than was timed: the timed texts may be shorter than
# those of the test set; images are all alike.
TIME_SAFETY_FACTOR = {"text": 1.5, "images": 1.2}
NO_ITEMS = np.array([], dtype=np.int64)


@dataclass(frozen=True)
class ResolvedPlan:
    """A plan and what its keys name."""

    plan: Plan
    data: DatasetSplits
    backbone: Backbone
    phases: tuple[Phase, ...]  # () where nothing is trained by gradient steps
    device: torch.device


@dataclass(kw_only=True)
class Session:
    """One run: what it was asked for, what its stages have made so far, and how far it is."""

    resolved: ResolvedPlan
    encoder: Encoder
    should_stop: Callable[[], bool]
    folder: Path | None  # for checkpoints and the trained model
    cache: ComputationCache
    disk_cache: FeatureCache | None
    peak_memory: PeakMemory
    use_validation: bool  # else all examples learn
    setup_seconds: float  # before the clock started
    notices: list[str]
    clock: Clock

    # Set by the first stage
    folds: np.ndarray = field(init=False)  # int64 (N,), of `assign_folds`
    train_items: np.ndarray = field(init=False)  # rows of data.train
    validation_items: np.ndarray = field(init=False)  # rows of data.train
    test_items: np.ndarray = field(init=False)  # rows of data.test
    validates_on_train: bool = field(default=False, init=False)  # no example could be held out
    scaling_examples: int = field(default=0, init=False)
    extractor: FeatureExtractor = field(init=False)
    head: Head = field(init=False)
    model: Model = field(init=False)
    monitor: LiveMonitor = field(init=False)

    # Progress
    recorded_schedule: RecordedSchedule | None = field(init=False)  # in place of the clock
    step_plans: list[StepPlan] = field(default_factory=list, init=False)
    epochs: float = field(default=0.0, init=False)
    refit_steps: int = field(default=0, init=False)
    use_flipped: bool = field(default=False, init=False)  # the head saw mirror images, too
    use_small_batches: bool = field(default=False, init=False)  # the memory was not enough
    was_stopped: bool = field(default=False, init=False)
    validation_outputs: ValidationOutputs | None = field(default=None, init=False)
    temperature: float | None = field(default=None, init=False)
    checkpoint_writer: CheckpointWriter = field(init=False)
    resume_checkpoint: Checkpoint | None = field(default=None, init=False)  # until caught up with

    def __post_init__(self) -> None:
        self.recorded_schedule = self.plan.schedule
        self.checkpoint_writer = CheckpointWriter(self.folder)
        self.encoder.requires_grad_(False)  # until a phase says otherwise
        if saved := checkpoint.load_checkpoint(self.folder):
            self.resume_checkpoint = saved
            self.recorded_schedule = RecordedSchedule.from_json(saved.metadata["pace"])
            self.use_small_batches = saved.metadata.get("fewer", False)
            self.clock.pause_at(saved.metadata["seconds"])

    @property
    def plan(self) -> Plan:
        return self.resolved.plan

    @property
    def data(self) -> DatasetSplits:
        return self.resolved.data

    @property
    def seconds(self) -> float:
        return self.clock.seconds()

    def set_items(self, train: np.ndarray, validation: np.ndarray, test: np.ndarray) -> None:
        self.train_items, self.validation_items, self.test_items = train, validation, test

    def train_labels(self, items: np.ndarray | Tensor) -> Tensor:
        """Return the labels of `items`, int64 (n,)."""
        return torch.from_numpy(self.data.train.labels)[torch.as_tensor(items)]

    def select_examples(self, items: np.ndarray | Sequence[int]) -> Examples:
        """Return the training examples `items`."""
        items = torch.as_tensor(items, dtype=torch.int64)
        return Examples(SubsetInputs(self.extractor.train_inputs, items), self.train_labels(items))

    def min_phase_seconds(self, phase: Phase) -> float:
        """Return what a phase takes at least: a step, and an evaluation before and after it."""
        forwards = FORWARDS_PER_STEP * phase.batch_size + 2 * len(self.validation_items)
        return forwards * self.extractor.seconds_per_example

    def describe_blocks(self) -> list[dict[str, Any]]:
        """Return name, number of parameters and of trainable ones of each part of the network."""
        blocks = [*self.encoder.named_blocks(), ("new last layer", self.head)]
        return [
            {
                "name": name,
                "parameters": sum(p.numel() for p in module.parameters()),
                "learnable": sum(p.numel() for p in module.parameters() if p.requires_grad),
            }
            for name, module in blocks
        ]

    def record_schedule(self) -> RecordedSchedule:
        """Return what the clock has decided so far."""
        return RecordedSchedule(
            train_examples=len(self.train_items),
            validation_examples=len(self.validation_items),
            test_examples=len(self.test_items),
            steps=tuple(self.step_plans),
            refit_steps=self.refit_steps,
            calibration_examples=self.scaling_examples,
            horizontal_flip=self.use_flipped,
        )

    # --- checkpoints ------------------------------------------------------------------------------
    # The names of tensors and metadata are those of stored checkpoints.

    def phase_context(
        self,
        number: int,
        deadline: float,
        resume_from: Checkpoint | None = None,
        tensors: Mapping[str, Tensor] | None = None,
        **metadata: Any,
    ) -> PhaseContext:
        """Return what a phase needs of the run. Its checkpoints have `tensors` and `metadata`."""

        def complete(snapshot: Callable[[], Checkpoint]) -> Checkpoint:
            found = snapshot()
            view = with_prefix("view", self.monitor.axes())
            return Checkpoint(
                found.tensors | (tensors or {}) | view,
                found.metadata | metadata | self._progress() | {"until": deadline},
            )

        def save(snapshot: Callable[[], Checkpoint]) -> Iterator[Event]:
            return self.checkpoint_writer.save(lambda: complete(snapshot), self.seconds)

        return PhaseContext(
            number=number,
            clock=self.clock,
            deadline=deadline,
            should_stop=self.should_stop,
            monitor=self.monitor,
            save=save,
            resume_from=resume_from,
        )

    def _progress(self) -> dict[str, Any]:
        return {
            "pace_steps": self.step_plans,
            "epochs": self.epochs,
            "pace": self.record_schedule().as_json(),
            "fewer": self.use_small_batches,
        }

    def take_checkpoint(self) -> Checkpoint | None:
        """Return the checkpoint for the phase that resumes; from now on every event is new."""
        saved, self.resume_checkpoint = self.resume_checkpoint, None
        if saved:
            self.step_plans = [StepPlan(*steps) for steps in saved.metadata["pace_steps"]]
            self.epochs = saved.metadata["epochs"]
            if outputs := ValidationOutputs.from_section(saved.section("first")):
                self.validation_outputs = outputs
            self.monitor.restore(saved.section("view"))
            self.clock.resume()
        return saved
