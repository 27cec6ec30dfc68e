"""Exercises for a class or for one person: a goal, what to run, and questions to discuss.

Results are measured and summarised by trainers/hosting/room_summary.py; none are stated here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class Exercise:
    key: str  # in links and rooms: never rename
    title: str
    goal: str  # one sentence: what to find out
    task: str  # one sentence: what each person does
    data: str
    approaches: tuple[str, ...]
    seconds: float
    examples_per_class: int | None
    adjustable: tuple[str, ...]  # what people choose themselves, besides the approach
    comparison: str  # what the debrief compares: "approach" or "per_class"
    discussion: tuple[str, ...]  # questions for the debrief


_EXERCISES = (
    Exercise(
        key="three-approaches",
        title="Same data, three approaches",
        goal="Which approach gets the most right on the same examples, and what does it "
        "cost in seconds?",
        task="Choose one of the three approaches and press Start; then try another.",
        data="digits",
        approaches=("transfer", "fine_tune", "hybrid"),
        seconds=20,
        examples_per_class=20,
        adjustable=(),
        comparison="approach",
        discussion=(
            "Everyone learned from other examples of the same data. How far apart are two "
            "runs of the same approach? A gap between approaches has to be larger.",
            "Is the best score worth its seconds? Would it be with a thousand times as "
            "many examples?",
            "What did the guide advise for data like this, and was it right?",
        ),
    ),
    Exercise(
        key="how-few",
        title="How few examples are enough?",
        goal="From how many examples of each class on does more data hardly help?",
        task="Choose how many examples of each class to learn from and press Start; people "
        "beside you should choose other numbers.",
        data="messages",
        approaches=("transfer",),
        seconds=20,
        examples_per_class=5,
        adjustable=("per_class",),
        comparison="per_class",
        discussion=(
            "Where does the score stop rising? What would the next hundred examples be "
            "worth, and what would it cost to label them?",
            "With few examples, scores of the same number lie far apart. Why?",
            "The model was pre-trained. What would happen if it knew nothing at first?",
        ),
    ),
    Exercise(
        key="does-it-know",
        title="Does the frozen model know this?",
        goal="Blood cells are nothing like the pictures that the model was pre-trained on. "
        "Does what it knows help all the same?",
        task="Run one that knows something (Transfer learning) and one that knows nothing "
        "(From scratch, or No pre-trained model), and compare.",
        data="cells",
        approaches=("transfer", "fine_tune", "scratch", "simple"),
        seconds=30,
        examples_per_class=20,
        adjustable=(),
        comparison="approach",
        discussion=(
            "Did the frozen model beat the method that has no pre-trained model at all? If "
            "not, what was the pre-training good for?",
            "How much did it gain by learning everywhere (Fine-tuning)?",
            "What else do you know that is nothing like everyday photos or texts?",
        ),
    ),
)

EXERCISES: Mapping[str, Exercise] = MappingProxyType(
    {exercise.key: exercise for exercise in _EXERCISES}
)
