"""The guide's questions and their options, as rows. Keys are in links: never rename them."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from itertools import product
from types import MappingProxyType

UNSURE = "unsure"  # a possible answer to every question; also means "not asked"


class BadAnswer(ValueError):
    """An answer that its question does not have; the message lists those that exist."""


@dataclass(frozen=True)
class Answers:
    """The visitor's answers, each an option's key or `UNSURE`. Raises `BadAnswer` otherwise."""

    modality: str = UNSURE
    data_volume: str = UNSURE
    data_quality: str = UNSURE
    compute: str = UNSURE
    reuse: str = UNSURE
    specificity: str = UNSURE

    def __post_init__(self) -> None:
        for key, answer in asdict(self).items():
            known = [option.key for option in QUESTIONS[key].options] + [UNSURE]
            if answer not in known:
                near = difflib.get_close_matches(str(answer), known, n=1)
                hint = f"Did you mean {near[0]!r}? " if near else ""
                raise BadAnswer(f"{key} cannot be {answer!r}. {hint}It can be {', '.join(known)}.")

    @classmethod
    def from_mapping(cls, answers: Mapping[str, str | None]) -> "Answers":
        """Read answers from a link or a form; missing, empty and None mean unsure."""
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in answers.items() if key in known and value})

    @classmethod
    def all_combinations(cls) -> Iterator["Answers"]:
        """Yield every combination of answers, unsure included."""
        keys = list(QUESTIONS)
        options = [[*(option.key for option in QUESTIONS[key].options), UNSURE] for key in keys]
        return (cls(**dict(zip(keys, row, strict=True))) for row in product(*options))


@dataclass(frozen=True, kw_only=True)
class Option:
    key: str
    title: str
    example: str  # shown under the answer


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question. A follow-up is asked only after one of the answers in `depends_on`."""

    key: str
    title: str
    help: str
    options: tuple[Option, ...]
    depends_on: tuple[str, tuple[str, ...]] | None = None  # (question, its answers)

    def applies_to(self, answers: Answers) -> bool:
        return self.depends_on is None or getattr(answers, self.depends_on[0]) in self.depends_on[1]


# Chosen by us: the article says "limited" without a number.
MODERATE_MIN_EXAMPLES_PER_CLASS, LARGE_MIN_EXAMPLES_PER_CLASS = 30, 500

_QUESTIONS = (
    Question(
        key="modality",
        title="What do you want to sort?",
        help="Thaw trains models that put each picture or text into one of your classes.",
        options=(
            Option(key="images", title="Images", example="photos, scans, drawings"),
            Option(key="text", title="Text", example="messages, notes, reviews"),
        ),
    ),
    Question(
        key="data_volume",
        title="How many examples do you have?",
        help="Examples whose right answer you know, for each class (each kind of thing "
        "you want to tell apart). The article gives no numbers: these are ours.",
        options=(
            Option(key="none", title="None yet", example="I only have category names"),
            Option(
                key="limited",
                title="A few",
                example=f"up to about {MODERATE_MIN_EXAMPLES_PER_CLASS} of each class",
            ),
            Option(
                key="moderate",
                title="A good number",
                example=f"about {MODERATE_MIN_EXAMPLES_PER_CLASS} to "
                f"{LARGE_MIN_EXAMPLES_PER_CLASS} of each class",
            ),
            Option(
                key="large",
                title="Plenty",
                example=f"more than about {LARGE_MIN_EXAMPLES_PER_CLASS} of each class",
            ),
        ),
    ),
    Question(
        key="data_quality",
        title="How clean are they?",
        help="Wrong labels, duplicates, and examples unlike what the model will meet later.",
        depends_on=("data_volume", ("moderate", "large")),
        options=(
            Option(
                key="good",
                title="Clean",
                example="checked labels, just like what the model will see",
            ),
            Option(
                key="mixed",
                title="Mixed",
                example="some wrong labels, or gathered from here and there",
            ),
        ),
    ),
    Question(
        key="compute",
        title="How much computing can you spend on training?",
        help="Computing time, on the machine you will use.",
        options=(
            Option(
                key="minutes",
                title="Minutes",
                example="a laptop, and I want to see something now",
            ),
            Option(
                key="hours",
                title="Hours",
                example="a good computer, or one graphics card for an afternoon",
            ),
            Option(key="ample", title="Days", example="a cluster, or graphics cards of our own"),
        ),
    ),
    Question(
        key="reuse",
        title="Will the same model serve more tasks later?",
        help="A frozen model is computed once and shared by all the tasks built on it.",
        depends_on=("compute", ("minutes", "hours", "ample")),
        options=(
            Option(key="once", title="Just this one", example="one task, one model"),
            Option(
                key="many",
                title="Many",
                example="more tasks on the same kind of data will follow",
            ),
        ),
    ),
    Question(
        key="specificity",
        title="How special is your task?",
        help="Pre-trained models have seen everyday photos, or everyday text from the web.",
        options=(
            Option(
                key="common",
                title="Everyday",
                example="cars and cats; parcels and refunds",
            ),
            Option(
                key="somewhat",
                title="Somewhat special",
                example="handwriting, product parts; technical manuals",
            ),
            Option(
                key="specialised",
                title="Highly special",
                example="cells under a microscope; clinical notes",
            ),
        ),
    ),
)

QUESTIONS: Mapping[str, Question] = MappingProxyType(
    {question.key: question for question in _QUESTIONS}
)
