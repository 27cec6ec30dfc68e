"""An approach is a tuple of phases: what learns, for how long, at what rate.

Rates and lengths were chosen on validation examples of the bundled samples and of public data sets;
where a number comes from elsewhere its line says so.
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One stretch of training with one set of learning parts."""

    title: str  # shown as it stands
    trainable: str  # "head" (on features computed once), "last_blocks", "lora" or "all"
    learning_rate: float = 0.0  # peak, of the backbone's parts
    head_learning_rate: float = 0.0
    batch_size: int = 32
    max_epochs: int = 1  # for FEW examples
    sublinear_epochs: bool = True  # fewer passes over more examples
    patience: int = 10  # looks at the validation split without improvement before it stops
    budget_share: float = 1.0  # of the time that is left, at most
    weight_decay: float = 0.01
    augment: bool = False
    # BatchNorm's statistics stay as they were where fewer steps than these are planned. Held still,
    # 15 to 37 steps gave 1 to 7 points more in a third less time each (mobilenet_v2 on photos of
    # insects and blood cells); at 60 and more, letting them move was as good or better (vehicles,
    # digits, cells x 10 and 50; training examples alone). Between the two: ours.
    # tests/bench/still_statistics.py measures it.
    freeze_bn_below_steps: int = 50
    # What the scores of a head that was taught before are multiplied with. A head that already has
    # every example right leaves the body nothing to learn from: at 1 the gain of thawing was 8
    # points where 0.1 and 0.3 gave 11 (vehicles, digits, cells; 10 of each class; validation).
    head_logit_scale: float = 1.0
    # Of the weights at its start in the average that is delivered. Halfway from the head on the
    # frozen backbone to where training ended, tried once each at rates near those below: agnews
    # +1.2 points over the head, irony +1.0, dtd10 +1.0, neu-defects +0.6, hymenoptera and sms-spam
    # 0; where training ended, irony lost 0.8 and hymenoptera 0.6. Not where BatchNorm's statistics
    # move: there such an average fits neither of the two.
    start_share: float = 0.0

    def max_steps(self, examples: int) -> int:
        """Return how many steps `examples` are worth: their number by its square root.

        What there is to learn grows more slowly than the number of examples.
        """
        shorter = (
            min(1.0, math.sqrt(REFERENCE_EXAMPLES / examples)) if self.sublinear_epochs else 1.0
        )
        return max(1, round(shorter * self.max_epochs * math.ceil(examples / self.batch_size)))


# Examples; 80 steps on them were as good as 160 (vehicles, digits, cells; validation).
REFERENCE_EXAMPLES = 50


def _head_phase(title: str) -> Phase:
    """The last layer alone: see trainers/training/head.py, which has no dial to set."""
    return Phase(title=title, trainable="head")


def build_phases(approach: str, modality: str, what_learns: str) -> tuple[Phase, ...]:
    """The phases of `approach` on `modality` ("images" or "text"); () where nothing is trained
    by the loop. `what_learns` is "lora", "last_blocks" (in a hybrid on photos) or "all"."""
    match approach:
        case "transfer":
            return (_head_phase("Teach the new last layer"),)
        case "fine_tune":
            return (_full_model_phase(modality, what_learns, "Adjust the whole model"),)
        case "hybrid":
            return (
                replace(_head_phase("First the new last layer"), budget_share=0.25),
                replace(
                    _full_model_phase(modality, what_learns, THAW_TITLES[what_learns]),
                    **THAWS[modality, what_learns]._asdict(),
                ),
            )
        case "scratch":
            return (
                replace(
                    _full_model_phase(modality, "all", "Learn everything from nothing"),
                    learning_rate=SCRATCH_LR[modality],
                    max_epochs=100,
                    sublinear_epochs=False,
                    patience=15,
                    freeze_bn_below_steps=0,  # there are no statistics yet
                ),
            )
    return ()


def shrink_batches(phase: Phase) -> Phase:
    """Return `phase` for a whole network that learns from photos.

    EfficientNet-Lite2 takes 3.6 GB with batches of 32 and 1.6 with 8, for the same time an example;
    more steps fit a budget. The rate shrinks by the root of the batch.
    """
    return replace(phase, batch_size=phase.batch_size // 4, learning_rate=phase.learning_rate / 2)


LORA_RANK = 8  # Hu et al. 2021: 4 to 8 was enough in their tests

FINE_TUNE_LR = {
    ("images", "all"): 5e-4,
    ("images", "last_blocks"): 5e-4,
    ("images", "lora"): 3e-3,
    ("text", "all"): 1e-4,
    ("text", "lora"): 1e-3,
}


THAW_TITLES = {
    "all": "Then thaw the rest, gently",
    "lora": "Then thaw the rest, gently",
    "last_blocks": "Then thaw the last blocks, gently",
}


class Thaw(NamedTuple):
    """How a hybrid trains the network after its head."""

    learning_rate: float
    head_learning_rate: float
    max_epochs: int
    head_logit_scale: float = 1.0
    start_share: float = 0.5


THAWS = {
    ("images", "all"): Thaw(5e-4, 5e-3, 40, head_logit_scale=0.3, start_share=0.0),
    ("images", "last_blocks"): Thaw(1.5e-4, 1e-4, 20),
    ("images", "lora"): Thaw(1e-3, 5e-3, 40),
    ("text", "all"): Thaw(5e-5, 1e-4, 10),
    ("text", "lora"): Thaw(5e-4, 2e-4, 10),
}
SCRATCH_LR = {"images": 2e-3, "text": 2e-4}


def _full_model_phase(modality: str, what_learns: str, title: str) -> Phase:
    return Phase(
        title=title,
        trainable=what_learns,
        learning_rate=FINE_TUNE_LR[modality, what_learns],
        head_learning_rate=5e-3,
        batch_size=32 if modality == "images" else 16,
        max_epochs=40 if modality == "images" else 20,
        patience=10,
        augment=modality == "images",
    )
