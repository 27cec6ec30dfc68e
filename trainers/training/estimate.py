"""What a run will take, in seconds and in bytes, estimated before training.

Time: passes over the examples, at the seconds of a pass that every run times to plan itself.
Memory (after Rajbhandari et al. 2020, *ZeRO*, section 3): what is used already, a gradient and
Adam's two averages for every trainable parameter, copies of those parameters, and the activations
of each layer, which training keeps for the whole batch until the backward pass.
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
from trainers.training.inference import argsort_by_length
from trainers.training.recipes import Phase
from trainers.training.schedule import EVALS_PER_PHASE, MAX_EVALS_PER_PHASE, PLANNED_TIME_SHARE
from trainers.training.trunk_inputs import TrunkInputs
from trainers.training.validator import MIN_EXAMPLES_FOR_BEST_WEIGHTS

# Steps of the last layer before it stops. Ours: the median over 15 data sets with 5, 10 and 50 of
# each class; nine in ten took 29 to 462. tests/bench/pace.py measures it.
TYPICAL_HEAD_STEPS = 60
# Seconds of such a step, whatever its size, with its share of the looks; and multiplications a
# second in it. Ours, measured with tests/bench/forecast.py (two cores, shared).
HEAD_STEP_SECONDS, HEAD_MULTIPLIES_PER_SECOND = 0.004, 1e10
# Forward passes that a step takes, by what learns. Ours, by the same script: 2.5 to 4.7, and of
# LoRA 2.8 to 15 (its small matrices cost more in casts than they save in gradients).
# Of the last blocks 1.8 (EfficientNet-Lite2, batches of 32, one core); all of it takes 7 there.
FORWARDS_PER_STEP = {"all": 3.0, "lora": 5.0, "last_blocks": 1.8}
BYTES_FP32 = 4  # bytes; gradients, averages and copies are float32
BYTES_BF16 = 2  # bytes of each number of the body, as it is cast for bf16 (see `reduced_precision`)
STATES_PER_PARAMETER = 3  # of each number that learns: its gradient and two averages
WEIGHT_COPIES = 3  # as it started, at its best, and while it learns once more
# Times what the layers hand on: beside it are kept inputs cast, sums, masks, and what flows back;
# LoRA casts the input of every layer that it adapts. Ours, by the same script.
TRAIN_MEMORY_FACTOR = {"all": 2.0, "lora": 4.0, "last_blocks": 2.0}
EVAL_MEMORY_FACTOR = 2.5


@dataclass
class ActivationMemory:
    """The activations of a network's layers, in bytes an example."""

    saved_bytes: float = 0.0  # all of it: what training keeps
    # In and out of the layer where that is most: what answering needs.
    peak_layer_bytes: float = 0.0
    tokens: int = 0  # of the texts that were looked at, padded; 0: pictures

    def scaled_to(self, tokens: int) -> "ActivationMemory":
        """Return the same for texts of another length."""
        times = tokens / self.tokens if self.tokens else 1.0
        return ActivationMemory(times * self.saved_bytes, times * self.peak_layer_bytes, tokens)


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
            found.saved_bytes += handed_on
            come_in = sum(one.nbytes for one in taken) / examples
            found.peak_layer_bytes = max(found.peak_layer_bytes, come_in + handed_on)

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
    train_examples: int  # examples
    validation_examples: int
    test_examples: int
    scaling_examples: int
    width: int  # numbers an example
    classes: int
    forward_seconds: float  # an example
    elapsed_seconds: float  # seconds on the clock already
    budget_seconds: float
    schedule: RecordedSchedule | None = None
    parameters: int = 0  # of the body
    lora_parameters: int = 0  # numbers that LoRA would add, where it does
    activation_memory: ActivationMemory = field(default_factory=ActivationMemory)
    use_flipped: bool = False  # pictures are looked at in a mirror, too
    pending_bytes: int = 0  # bytes of examples that are made ready only when they are asked for

    eval_batch_size: int = MAX_EVAL_BATCH_SIZE  # examples in a batch that nothing learns from

    @property
    def num_fold_heads(self) -> int:
        return NUM_FOLDS + 1


def estimate_seconds(run: RunSize) -> float:
    """Return the seconds on the run's clock if nothing stops it early."""
    each = run.forward_seconds
    once = (
        run.train_examples
        if _needs_all_features(run)
        else min(run.train_examples, run.scaling_examples)
    )
    again = (
        min(run.train_examples, run.scaling_examples) + run.validation_examples
        if run.approach == "scratch"
        else 0
    )
    before = run.elapsed_seconds + each * (once + run.validation_examples + again)
    after = each * run.test_examples
    if run.use_flipped and (run.schedule is None or run.schedule.horizontal_flip):
        before += each * (
            run.train_examples + run.validation_examples
        )  # whether the test is, too, the look itself decides
    if run.schedule and run.schedule.horizontal_flip:
        after += each * run.test_examples
    at = before
    for number, phase in enumerate(run.phases):
        left = max(0.0, phase.budget_share * (run.budget_seconds - after - at))
        at += _estimate_phase_seconds(run, phase, number, left)
    return at + after


def _needs_all_features(run: RunSize) -> bool:
    return run.approach == "none" or any(phase.trainable == "head" for phase in run.phases)


def _estimate_phase_seconds(run: RunSize, phase: Phase, number: int, left: float) -> float:
    done = (
        run.schedule.steps[number].done
        if run.schedule and number < len(run.schedule.steps)
        else None
    )
    if phase.trainable == "head":
        numbers = (
            run.num_fold_heads
            * (run.train_examples + run.validation_examples)
            * run.width
            * run.classes
        )
        # Two products a step: what it answers, and how that changes with each weight.
        step = HEAD_STEP_SECONDS + 2 * numbers / HEAD_MULTIPLIES_PER_SECOND
        taken = (TYPICAL_HEAD_STEPS if done is None else done) * step
        return taken if run.schedule else min(taken, left)
    steps = phase.max_steps(run.train_examples) if done is None else done
    step = FORWARDS_PER_STEP[phase.trainable] * phase.batch_size * run.forward_seconds
    epochs = steps / math.ceil(run.train_examples / phase.batch_size)
    looks = (
        min(MAX_EVALS_PER_PHASE, max(EVALS_PER_PHASE, epochs))
        * run.validation_examples
        * run.forward_seconds
    )
    taken, again = steps * step + looks, run.schedule.refit_steps * step if run.schedule else 0.0
    if run.schedule:
        return taken + again
    if taken > left:
        return PLANNED_TIME_SHARE * left
    if run.validation_examples:
        again = (
            steps
            * step
            * math.sqrt((run.train_examples + run.validation_examples) / run.train_examples)
        )
    return taken + again if taken + again <= left else taken


def estimate_peak_bytes(run: RunSize, now: int) -> int:
    """At its most, where `now` bytes are taken already."""
    examples = (
        run.train_examples + run.validation_examples
        if _needs_all_features(run)
        else run.validation_examples + run.scaling_examples
    )
    features = BYTES_FP32 * run.width * (examples + run.test_examples)
    answering = (
        EVAL_MEMORY_FACTOR
        * run.activation_memory.peak_layer_bytes
        * min(run.eval_batch_size, max(run.train_examples, run.test_examples))
    )
    most = answering
    for phase in run.phases:
        if phase.trainable == "head":
            answers = (
                4
                * run.num_fold_heads
                * (run.train_examples + run.validation_examples)
                * run.classes
            )
            taken = BYTES_FP32 * (
                answers + (run.train_examples + run.validation_examples) * run.width
            )
        else:
            learns = run.lora_parameters if phase.trainable == "lora" else run.parameters
            copies = WEIGHT_COPIES - (run.validation_examples < MIN_EXAMPLES_FOR_BEST_WEIGHTS)
            kept = (
                TRAIN_MEMORY_FACTOR[phase.trainable]
                * run.activation_memory.saved_bytes
                * min(phase.batch_size, run.train_examples)
            )
            taken = (
                BYTES_FP32 * (STATES_PER_PARAMETER + copies) * learns
                + BYTES_BF16 * run.parameters
                + kept
            )
        most = max(most, taken)
    return round(now + run.pending_bytes + features + most)


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
    return len(next(inputs.eval_batches(order), ()))


def estimate_pending_bytes(inputs: Inputs, items: int) -> int:
    """Bytes that `items` of `inputs` will take once they are made ready, where that waits."""
    if isinstance(inputs, TrunkInputs):
        return estimate_pending_bytes(inputs.inputs, items) + inputs.stored_bytes(items)
    if not hasattr(inputs, "made") or not len(inputs):
        return 0
    return items * inputs.images[0].nbytes
