"""An approach is a tuple of phases: what learns, for how long, at what rate.

Rates and lengths were chosen on validation examples of the bundled samples and of public data sets;
where a number comes from elsewhere its line says so.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One stretch of training with one set of learning parts."""

    title: str  # shown as it stands
    learns: str  # "head" (on features computed once), "lora" or "all"
    learning_rate: float  # peak, of the backbone's parts; the head's own where `learns` is "head"
    head_learning_rate: float
    batch: int
    max_epochs: int
    patience: int  # looks at the validation split without improvement before it stops
    share: float = 1.0  # of the time that is left, at most
    weight_decay: float = 0.01
    optimizer: str = "adamw"  # or "sgd"
    augment: bool = False
    still_statistics: bool = False  # batch-norm keeps the means and spreads it came with
    refit: bool = False  # afterwards, once more on all examples, the held-out ones included


def _head(modality: str, title: str) -> Phase:
    """The last layer alone. Plain gradient steps from zero set out towards the class means and
    end, early, as a well regularised regression; with few examples Adam's equal steps in every
    direction cost 1 to 4 points (messages and triage, 10 of each class, 4 seeds)."""
    return Phase(
        title=title,
        learns="head",
        learning_rate=HEAD_RATE[modality],
        head_learning_rate=HEAD_RATE[modality],
        batch=64,
        max_epochs=100,
        patience=15,
        weight_decay=0.0,
        optimizer="sgd",
    )


HEAD_RATE = {"images": 2e-2, "text": 2e-3}


def phases(approach: str, modality: str, what_learns: str) -> tuple[Phase, ...]:
    """The phases of `approach` on `modality` ("images" or "text"); () where nothing is trained
    by the loop. `what_learns` is "lora" or "all"."""
    match approach:
        case "transfer":
            # With a fifth held out, few examples are fewer still: up to 3 points (as above).
            return (replace(_head(modality, "Teach the new last layer"), refit=True),)
        case "fine_tune":
            return (_everything(modality, what_learns, "Adjust the whole model"),)
        case "hybrid":
            return (
                replace(_head(modality, "First the new last layer"), share=0.25),
                replace(
                    _everything(modality, what_learns, "Then thaw the rest, gently"),
                    learning_rate=HYBRID_RATE[modality, what_learns],
                    head_learning_rate=1e-3,
                    # It starts near an optimum, so the first gains may take a while to show.
                    patience=15,
                    # Statistics of small batches would change the features under the head that
                    # was just taught (3 points on vehicles, 40 of each class, 3 seeds).
                    still_statistics=True,
                ),
            )
        case "scratch":
            return (
                replace(
                    _everything(modality, "all", "Learn everything from nothing"),
                    learning_rate=SCRATCH_RATE[modality],
                    max_epochs=100,
                    patience=15,
                ),
            )
    return ()


LORA_RANK = 8  # Hu et al. 2021: 4 to 8 was enough in their tests

FINE_TUNE_RATE = {
    ("images", "all"): 5e-4,
    ("images", "lora"): 3e-3,
    ("text", "all"): 1e-4,
    ("text", "lora"): 1e-3,
}
HYBRID_RATE = {
    ("images", "all"): 5e-4,
    ("images", "lora"): 1e-3,
    ("text", "all"): 5e-5,
    ("text", "lora"): 5e-4,
}
SCRATCH_RATE = {"images": 2e-3, "text": 2e-4}


def _everything(modality: str, what_learns: str, title: str) -> Phase:
    return Phase(
        title=title,
        learns=what_learns,
        learning_rate=FINE_TUNE_RATE[modality, what_learns],
        head_learning_rate=5e-3,
        batch=32 if modality == "images" else 16,
        max_epochs=40 if modality == "images" else 20,
        patience=10,
        augment=modality == "images",
    )
