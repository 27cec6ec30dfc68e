"""The approaches as people know them. What each does to a network is in trainers/training/recipes.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class Approach:
    """One way to get a model for your task."""

    key: str  # in links, plans and test names: never rename
    title: str
    meaning: str  # one line, shown as it stands
    picture: str  # an everyday likeness; the three advised ones are the article's, in our words
    advised: bool = False  # one of the three that the guide recommends


APPROACHES: Mapping[str, Approach] = MappingProxyType(
    {
        approach.key: approach
        for approach in (
            Approach(
                key="transfer",
                title="Transfer learning",
                meaning="Keep the pre-trained model as it is (frozen) and teach only a new last "
                "layer to read what it sees.",
                picture="A trained eye for vehicles only has to learn the names of a few new ones.",
                advised=True,
            ),
            Approach(
                key="fine_tune",
                title="Fine-tuning",
                meaning="Start from the pre-trained model and let all of it, or a small add-on in "
                "every layer (LoRA), adjust to your task.",
                picture="A general physician goes back to school and becomes a specialist.",
                advised=True,
            ),
            Approach(
                key="hybrid",
                title="Hybrid",
                meaning="First the new last layer on the frozen model; then the rest thaws and "
                "adjusts gently, starting from there.",
                picture="Learn the names first; then train the eye for what the names missed.",
                advised=True,
            ),
            Approach(
                key="scratch",
                title="From scratch",
                meaning="The same network, but with random weights: nothing is known beforehand.",
                picture="A newborn is shown your examples, and nothing else.",
            ),
            Approach(
                key="none",
                title="No training",
                meaning="Compare what the pre-trained model sees with the examples of each class, "
                "or with the class names.",
                picture="Ask the expert for a first guess.",
            ),
            Approach(
                key="simple",
                title="No pre-trained model",
                meaning="A classic method (logistic regression) on plain pixels or word counts.",
                picture="A pocket calculator: sometimes it is all you need.",
            ),
        )
    }
)


def to_markdown() -> str:
    """The approaches as a Markdown table, as the README shows them."""
    rows = [f"| {approach.title} | {approach.meaning} |" for approach in APPROACHES.values()]
    return "\n".join(["| approach | what happens |", "|---|---|", *rows])
