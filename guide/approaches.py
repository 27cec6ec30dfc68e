"""The approaches as people know them.

What each does to a network is in trainers/training/recipes.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class Approach:
    """One way to get a model for your task."""

    key: str  # in links, plans and test names: never rename
    title: str
    description: str  # one line, shown to visitors
    analogy: str  # from everyday life; the advisable three are the article's, restated
    is_advisable: bool = False  # one of the three that the guide recommends


_APPROACHES = (
    Approach(
        key="transfer",
        title="Transfer learning",
        description="Keep the pre-trained model as it is (frozen) and teach only a new last "
        "layer to read what it sees.",
        analogy="A trained eye for vehicles only has to learn the names of a few new ones.",
        is_advisable=True,
    ),
    Approach(
        key="fine_tune",
        title="Fine-tuning",
        description="Start from the pre-trained model and let all of it, or a small add-on in "
        "every layer (LoRA), adjust to your task.",
        analogy="A general physician goes back to school and becomes a specialist.",
        is_advisable=True,
    ),
    Approach(
        key="hybrid",
        title="Hybrid",
        description="Train a new last layer on the frozen model first; then thaw the rest and "
        "adjust it gently.",
        analogy="Learn the names first; then train the eye for what the names missed.",
        is_advisable=True,
    ),
    Approach(
        key="scratch",
        title="From scratch",
        description="The same network, but with random weights: nothing is known beforehand.",
        analogy="A newborn is shown your examples, and nothing else.",
    ),
    Approach(
        key="none",
        title="No training",
        description="Compare what the pre-trained model sees with the examples of each class, "
        "or with the class names.",
        analogy="Ask the expert for a first guess.",
    ),
    Approach(
        key="simple",
        title="No pre-trained model",
        description="A classic method (logistic regression) on plain pixels or word counts.",
        analogy="A pocket calculator: sometimes it is all you need.",
    ),
)

APPROACHES: Mapping[str, Approach] = MappingProxyType(
    {approach.key: approach for approach in _APPROACHES}
)


def to_markdown() -> str:
    """Return the approaches as a Markdown table, as the README shows them."""
    rows = [f"| {approach.title} | {approach.description} |" for approach in APPROACHES.values()]
    return "\n".join(["| approach | what happens |", "|---|---|", *rows])
