"""What a run will take, in seconds and in bytes, told before anything learns.

Time: passes over the examples, at the seconds of a pass that every run times to plan itself.
Memory (after Rajbhandari et al. 2020, *ZeRO*, section 3): what is there already, a gradient and
Adam's two averages for every number that learns, copies of those numbers, and what each layer
hands on, which training keeps for the whole batch until it comes back.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil
import torch
from torch import Tensor, nn

from trainers.networks.encoder import MAX_EVAL_BATCH_SIZE, Inputs, get_device
from trainers.plan import RecordedSchedule
from trainers.training.head import NUM_FOLDS
from trainers.training.loop import (
    EVALS_PER_PHASE,
    MAX_EVALS_PER_PHASE,
    MIN_EXAMPLES_FOR_BEST_WEIGHTS,
    PLANNED_TIME_SHARE,
    argsort_by_length,
)
from trainers.training.recipes import Phase

# Steps of the last layer before it stops. Ours: the median over 15 data sets with 5, 10 and 50 of
# each class; nine in ten took 29 to 462. tests/bench/pace.py measures it.
TYPICAL_HEAD_STEPS = 60
# Seconds of such a step, whatever its size, with its share of the looks; and multiplications a
# second in it. Ours, measured with tests/bench/forecast.py (two cores, shared).
HEAD_STEP_SECONDS, HEAD_MULTIPLIES_PER_SECOND = 0.004, 1e10
# Forward passes that a step takes, by what learns. Ours, by the same script: 2.5 to 4.7, and of
# LoRA 2.8 to 15 (its small matrices cost more in casts than they save in gradients).
FORWARDS_PER_STEP = {"all": 3.0, "lora": 5.0}
BYTES_FP32 = 4  # bytes; gradients, averages and copies are float32
BYTES_BF16 = 2  # bytes of each number of the body, as it is cast for bf16 (see `reduced_precision`)
STATES_PER_PARAMETER = 3  # of each number that learns: its gradient and two averages
WEIGHT_COPIES = 3  # as it started, at its best, and while it learns once more
# Times what the layers hand on: beside it are kept inputs cast, sums, masks, and what flows back;
# LoRA casts the input of every layer that it adapts. Ours, by the same script.
TRAIN_MEMORY_FACTOR, EVAL_MEMORY_FACTOR = {"all": 2.0, "lora": 4.0}, 2.5


@dataclass
class ActivationMemory:
    """What the layers of a network hand on, in bytes an example."""

    kept: float = 0.0  # all of it: what training keeps
    widest: float = 0.0  # in and out of the layer where that is most: what answering needs
    tokens: int = 0  # of the texts that were looked at, padded; 0: pictures

    def of(self, tokens: int) -> "ActivationMemory":
        """The same for texts of another length."""
        times = tokens / self.tokens if self.tokens else 1.0
        return ActivationMemory(times * self.kept, times * self.widest, tokens)


@contextmanager
def measure_activations(
    body: nn.Module, examples: int, tokens: int = 0
) -> Iterator[ActivationMemory]:
    """Filled in by one forward pass of `examples` through `body`."""
    found = ActivationMemory(tokens=tokens)

    def saw(_: nn.Module, given: tuple, out: object) -> None:
        if isinstance(out, Tensor):
            taken = [one for one in given if isinstance(one, Tensor)]
            # What a layer changes in place (ReLU often does) takes no room of its own.
            in_place = any(one.data_ptr() == out.data_ptr() for one in taken)
            handed_on = 0.0 if in_place else out.nbytes / examples
            found.kept += handed_on
            come_in = sum(one.nbytes for one in taken) / examples
            found.widest = max(found.widest, come_in + handed_on)

    hooks = [m.register_forward_hook(saw) for m in body.modules() if not any(m.children())]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


@dataclass(frozen=True, kw_only=True)
class RunSize:
    """A run about to begin, in numbers."""

    approach: str
    phases: Sequence[Phase]
    learn: int  # examples
    held: int
    test: int
    calibration: int
    features: int  # numbers an example
    classes: int
    forward_seconds: float  # an example
    spent: float  # seconds on the clock already
    budget: float
    pace: RecordedSchedule | None = None
    parameters: int = 0  # of the body
    lora: int = 0  # numbers that LoRA would add, where it does
    footprint: ActivationMemory = field(default_factory=ActivationMemory)
    mirror: bool = False  # pictures are looked at in a mirror, too
    waiting: int = 0  # bytes of examples that are made ready only when they are asked for

    at_once: int = MAX_EVAL_BATCH_SIZE  # examples in a batch that nothing learns from

    @property
    def twins(self) -> int:
        return NUM_FOLDS + 1


def estimate_seconds(run: RunSize) -> float:
    """Of the run's clock, where nothing stops it early."""
    each = run.forward_seconds
    once = run.learn if _needs_all_features(run) else min(run.learn, run.calibration)
    again = min(run.learn, run.calibration) + run.held if run.approach == "scratch" else 0
    before = run.spent + each * (once + run.held + again)
    after = each * run.test
    if run.mirror and (run.pace is None or run.pace.mirrored):
        before += each * (run.learn + run.held)  # whether the test is, too, the look itself decides
    if run.pace and run.pace.mirrored:
        after += each * run.test
    at = before
    for number, phase in enumerate(run.phases):
        left = max(0.0, phase.share * (run.budget - after - at))
        at += _estimate_phase_seconds(run, phase, number, left)
    return at + after


def _needs_all_features(run: RunSize) -> bool:
    return run.approach == "none" or any(phase.learns == "head" for phase in run.phases)


def _estimate_phase_seconds(run: RunSize, phase: Phase, number: int, left: float) -> float:
    done = run.pace.steps[number][1] if run.pace and number < len(run.pace.steps) else None
    if phase.learns == "head":
        numbers = run.twins * (run.learn + run.held) * run.features * run.classes
        # Two products a step: what it answers, and how that changes with each weight.
        step = HEAD_STEP_SECONDS + 2 * numbers / HEAD_MULTIPLIES_PER_SECOND
        taken = (TYPICAL_HEAD_STEPS if done is None else done) * step
        return taken if run.pace else min(taken, left)
    steps = phase.most_steps(run.learn) if done is None else done
    step = FORWARDS_PER_STEP[phase.learns] * phase.batch * run.forward_seconds
    epochs = steps / math.ceil(run.learn / phase.batch)
    looks = min(MAX_EVALS_PER_PHASE, max(EVALS_PER_PHASE, epochs)) * run.held * run.forward_seconds
    taken, again = steps * step + looks, run.pace.refit * step if run.pace else 0.0
    if run.pace:
        return taken + again
    if taken > left:
        return PLANNED_TIME_SHARE * left
    if run.held:
        again = steps * step * math.sqrt((run.learn + run.held) / run.learn)
    return taken + again if taken + again <= left else taken


def estimate_peak_bytes(run: RunSize, now: int) -> int:
    """At its most, where `now` bytes are taken already."""
    examples = run.learn + run.held if _needs_all_features(run) else run.held + run.calibration
    features = BYTES_FP32 * run.features * (examples + run.test)
    answering = (
        EVAL_MEMORY_FACTOR * run.footprint.widest * min(run.at_once, max(run.learn, run.test))
    )
    most = answering
    for phase in run.phases:
        if phase.learns == "head":
            answers = 4 * run.twins * (run.learn + run.held) * run.classes
            taken = BYTES_FP32 * (answers + (run.learn + run.held) * run.features)
        else:
            learns = run.parameters if phase.learns == "all" else run.lora
            copies = WEIGHT_COPIES - (run.held < MIN_EXAMPLES_FOR_BEST_WEIGHTS)
            kept = (
                TRAIN_MEMORY_FACTOR[phase.learns] * run.footprint.kept * min(phase.batch, run.learn)
            )
            taken = (
                BYTES_FP32 * (STATES_PER_PARAMETER + copies) * learns
                + BYTES_BF16 * run.parameters
                + kept
            )
        most = max(most, taken)
    return round(now + run.waiting + features + most)


def measure_used_bytes() -> int:
    """Bytes of this process, or on its graphics card."""
    if get_device().type == "cuda":
        return torch.cuda.memory_allocated()
    return psutil.Process().memory_info().rss


def count_lora_parameters(body: nn.Module, rank: int) -> int:
    """About how many LoRA adds: two matrices beside each of its layers with a weight, at most."""
    weights = [p.shape for p in body.parameters() if p.ndim > 1]
    return sum(rank * (shape[0] + math.prod(shape[1:])) for shape in weights)


def max_tokens(*inputs: Inputs) -> int:
    """Tokens of the longest text; 0 for pictures."""
    lengths = [one.lengths.max().item() for one in inputs if hasattr(one, "lengths") and len(one)]
    return int(max(lengths, default=0))


def eval_batch_size(inputs: Inputs) -> int:
    """Examples in a batch that nothing learns from, of the longest texts."""
    order = argsort_by_length(inputs, torch.arange(len(inputs))).flip(0)
    return len(next(inputs.parts(order), ()))


def estimate_pending_bytes(inputs: Inputs, items: int) -> int:
    """Bytes that `items` of `inputs` will take once they are made ready, where that waits."""
    if not hasattr(inputs, "made") or not len(inputs):
        return 0
    return items * inputs.images[0].nbytes
