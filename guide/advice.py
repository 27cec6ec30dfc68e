"""From answers to advice: the rules that spoke, added up as one signed sum."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from guide.challenges import CHALLENGES, Challenge
from guide.questions import MODERATE_MIN_EXAMPLES_PER_CLASS, QUESTIONS, UNSURE, Answers
from guide.rules import RULES, Rule, match_rules


@dataclass(frozen=True)
class Change:
    """One answer that, given in place of the present one, changes the advice."""

    question: str
    answer: str
    approach: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What follows from the answers for a first run. All ours, and all can be changed."""

    what_learns: str  # "head", "lora" or "all": see trainers/training/recipes.py
    backbone: str | None  # key in trainers.backbones; None: depends on images or text
    seconds: int  # the time budget of a run
    per_class: int | None  # examples of each class to train on; None: as many as there are


@dataclass(frozen=True, kw_only=True)
class Advice:
    approach: str
    runner_up: str
    score: float  # the signed sum, -2.5 … +2.5; fine-tuning is positive
    pulled_apart: bool  # data and specificity point to opposite sides
    clearness: str  # "clear", "leaning" or "open"
    clearness_in_words: str
    spoke: tuple[Rule, ...]
    changes: tuple[Change, ...]
    first_step: str  # what to do before any training, or ""
    settings: Settings
    watch_out: tuple[Challenge, ...] = CHALLENGES

    def as_json(self) -> dict:
        """Plain values only: what `python -m guide --json` prints."""
        facts = asdict(self)
        del facts["spoke"], facts["changes"], facts["watch_out"]
        return facts | {
            "reasons": [
                {
                    "key": rule.key,
                    "because": rule.because,
                    "vote": rule.vote,
                    "source": rule.source,
                    "but": rule.caveat,
                }
                for rule in self.spoke
            ],
            "changes": [asdict(change) for change in self.changes],
            "watch_out": [asdict(challenge) for challenge in self.watch_out],
        }


def advise(answers: Answers, rules: Sequence[Rule] = RULES) -> Advice:
    """The approach that the rules point to; those that spoke are its reasons."""
    spoke = match_rules(answers, rules)
    score = sum(rule.vote for rule in spoke)
    approach = choose_approach(spoke)
    clearness, in_words = _rate_strength(spoke, approach)
    return Advice(
        approach=approach,
        runner_up="hybrid" if approach != "hybrid" else "fine_tune" if score > 0 else "transfer",
        score=score,
        pulled_apart=_has_conflict(spoke),
        clearness=clearness,
        clearness_in_words=in_words,
        spoke=spoke,
        changes=_find_changes(answers, approach, rules),
        first_step=FIRST_STEP if answers.data_volume == "none" else "",
        settings=suggest_settings(answers, approach),
    )


def choose_approach(spoke: Sequence[Rule]) -> str:
    """Data and specificity of opposite sign, or a sum of nothing: hybrid. Otherwise the sign."""
    score = sum(rule.vote for rule in spoke)
    if _has_conflict(spoke) or score == 0:
        return "hybrid"
    return "fine_tune" if score > 0 else "transfer"


FIRST_STEP = (
    "Before any training, try the model as it is: with the class names alone (zero-shot) or with "
    "a handful of examples each (few-shot). Then collect examples, about 10 of each class for a "
    f"first test and {MODERATE_MIN_EXAMPLES_PER_CLASS} or more before you think of fine-tuning "
    "(the numbers are ours)."
)


def _has_conflict(spoke: Sequence[Rule]) -> bool:
    data, specificity = (
        sum(rule.vote for rule in spoke if rule.factor == factor)
        for factor in ("data", "specificity")
    )
    return data * specificity < 0


def _rate_strength(spoke: Sequence[Rule], approach: str) -> tuple[str, str]:
    """How clear-cut the advice is: a word, and a sentence. The steps are ours."""
    size = abs(sum(rule.vote for rule in spoke))
    if not spoke:
        return "open", "Nothing is known yet, so this is only a place to start."
    if _has_conflict(spoke):
        return "clear", "Your data and your task pull in opposite directions: a case for both."
    if approach == "hybrid":
        return "open", "The reasons cancel out or say nothing, so the middle way is a start."
    if size >= 1.5:
        return "clear", "Most of the weight points one way."
    if size >= 1:
        return "leaning", "The reasons lean this way; one answer could turn it."
    return "open", "A close call: only half a vote decides it."


def _find_changes(answers: Answers, approach: str, rules: Sequence[Rule]) -> tuple[Change, ...]:
    """Every single other answer, "not sure" aside, that would change the advice."""
    return tuple(
        Change(question.key, option.key, other)
        for question in QUESTIONS.values()
        if question.applies_to(answers) or getattr(answers, question.key) != UNSURE
        for option in question.options
        if option.key != getattr(answers, question.key)
        and (
            other := choose_approach(
                match_rules(replace(answers, **{question.key: option.key}), rules)
            )
        )
        != approach
    )


TRAINABLE_LABELS = {  # `what_learns` in words
    "head": "only the new last layer learns",
    "lora": "LoRA: small add-ons in every layer learn, the rest stays frozen",
    "all": "all weights learn",
}
# Seconds of a first run per answer about compute. Ours: short enough to watch.
RUN_SECONDS = {"minutes": 30, "hours": 60, "ample": 120, UNSURE: 30}
# Examples of each class that stand for an answer about volume. Ours.
RUN_EXAMPLES_PER_CLASS = {"none": 5, "limited": 10, "moderate": 50, "large": None, UNSURE: 50}
DEFAULT_BACKBONES = {"images": "small_resnet", "text": "minilm", UNSURE: None}


def suggest_settings(answers: Answers, approach: str) -> Settings:
    """What to run first. LoRA unless there is ample compute, or the small image network learns
    (all of its weights are fewer than most networks' adapters)."""
    if approach == "transfer":
        what_learns = "head"
    elif answers.compute == "ample" or answers.modality == "images":
        what_learns = "all"
    else:
        what_learns = "lora"
    return Settings(
        what_learns=what_learns,
        backbone=DEFAULT_BACKBONES[answers.modality],
        seconds=RUN_SECONDS[answers.compute],
        per_class=RUN_EXAMPLES_PER_CLASS[answers.data_volume],
    )
