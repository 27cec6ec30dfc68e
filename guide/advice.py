"""Turn answers into advice: the matching rules, added up to one signed sum."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from guide.challenges import CHALLENGES, Challenge
from guide.questions import MODERATE_MIN_EXAMPLES_PER_CLASS, QUESTIONS, UNSURE, Answers
from guide.rules import RULES, Rule, match_rules


@dataclass(frozen=True)
class Change:
    """A different answer to one question that would change the advice."""

    question: str
    answer: str
    approach: str  # the advice with that answer


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Suggested settings for a first run. All are chosen by us and can be changed."""

    trainable: str  # "head", "lora" or "all": see trainers/training/recipes.py
    backbone: str | None  # key in trainers.backbones; None if the modality is unknown
    seconds: int  # time budget of the run
    examples_per_class: int | None  # None: all of them


@dataclass(frozen=True, kw_only=True)
class Advice:
    """The recommended approach, with its reasons and what would change it."""

    approach: str
    runner_up: str
    score: float  # sum of the votes, -2.5 to +2.5; positive means fine-tuning
    has_conflict: bool  # data and specificity point to opposite sides
    strength: str  # "clear", "leaning" or "open"
    strength_text: str
    matching_rules: tuple[Rule, ...]  # the reasons
    changes: tuple[Change, ...]
    first_step: str  # what to do before any training, or ""
    settings: Settings
    challenges: tuple[Challenge, ...] = CHALLENGES

    def as_json(self) -> dict:
        """Return plain values, as `python -m guide --json` prints them.

        The keys are an interface: they keep the names they were published with.
        """
        return {
            "approach": self.approach,
            "runner_up": self.runner_up,
            "score": self.score,
            "pulled_apart": self.has_conflict,
            "clearness": self.strength,
            "clearness_in_words": self.strength_text,
            "first_step": self.first_step,
            "settings": {
                "what_learns": self.settings.trainable,
                "backbone": self.settings.backbone,
                "seconds": self.settings.seconds,
                "per_class": self.settings.examples_per_class,
            },
            "reasons": [
                {
                    "key": rule.key,
                    "because": rule.because,
                    "vote": rule.vote,
                    "source": rule.source,
                    "but": rule.caveat,
                }
                for rule in self.matching_rules
            ],
            "changes": [asdict(change) for change in self.changes],
            "watch_out": [
                {
                    "key": challenge.key,
                    "title": challenge.title,
                    "why": challenge.reason,
                    "thaw_checks": challenge.thaw_checks,
                }
                for challenge in self.challenges
            ],
        }


def advise(answers: Answers, rules: Sequence[Rule] = RULES) -> Advice:
    """Return the approach that the matching `rules` point to, with these rules as its reasons."""
    matching = match_rules(answers, rules)
    score = sum(rule.vote for rule in matching)
    approach = choose_approach(matching)
    strength, strength_text = _rate_strength(matching, approach)
    return Advice(
        approach=approach,
        runner_up="hybrid" if approach != "hybrid" else "fine_tune" if score > 0 else "transfer",
        score=score,
        has_conflict=_has_conflict(matching),
        strength=strength,
        strength_text=strength_text,
        matching_rules=matching,
        changes=_find_changes(answers, approach, rules),
        first_step=FIRST_STEP if answers.data_volume == "none" else "",
        settings=suggest_settings(answers, approach),
    )


def choose_approach(matching: Sequence[Rule]) -> str:
    """Return "hybrid" on a conflict or a sum of zero, otherwise the side of the sum's sign."""
    score = sum(rule.vote for rule in matching)
    if _has_conflict(matching) or score == 0:
        return "hybrid"
    return "fine_tune" if score > 0 else "transfer"


FIRST_STEP = (
    "Before any training, try the model as it is: with the class names alone (zero-shot) or with "
    "a handful of examples each (few-shot). Then collect examples, about 10 of each class for a "
    f"first test and {MODERATE_MIN_EXAMPLES_PER_CLASS} or more before you think of fine-tuning "
    "(these numbers are chosen by us)."
)


def _has_conflict(matching: Sequence[Rule]) -> bool:
    data, specificity = (
        sum(rule.vote for rule in matching if rule.factor == factor)
        for factor in ("data", "specificity")
    )
    return data * specificity < 0


def _rate_strength(matching: Sequence[Rule], approach: str) -> tuple[str, str]:
    """Return how clear-cut the advice is, as a word and a sentence. Thresholds chosen by us."""
    size = abs(sum(rule.vote for rule in matching))
    if not matching:
        return "open", "Nothing is known yet, so this is only a place to start."
    if _has_conflict(matching):
        return "clear", "Your data and your task pull in opposite directions: a case for both."
    if approach == "hybrid":
        return "open", "The reasons cancel out or say nothing, so the middle way is a start."
    if size >= 1.5:
        return "clear", "Most of the weight points one way."
    if size >= 1:
        return "leaning", "The reasons lean this way; one answer could turn it."
    return "open", "A close call: only half a vote decides it."


def _find_changes(answers: Answers, approach: str, rules: Sequence[Rule]) -> tuple[Change, ...]:
    """Return every single answer, except "not sure", that would change the advice."""
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


TRAINABLE_LABELS = {  # for `Settings.trainable`
    "head": "only the new last layer learns",
    "lora": "LoRA: small add-ons in every layer learn, the rest stays frozen",
    "all": "all weights learn",
}
# Seconds of a first run for each answer about compute. Chosen by us: short enough to watch.
RUN_SECONDS = {"minutes": 30, "hours": 60, "ample": 120, UNSURE: 30}
# Examples per class of a first run for each answer about data volume. Chosen by us.
RUN_EXAMPLES_PER_CLASS = {"none": 5, "limited": 10, "moderate": 50, "large": None, UNSURE: 50}
DEFAULT_BACKBONES = {"images": "small_resnet", "text": "minilm", UNSURE: None}


def suggest_settings(answers: Answers, approach: str) -> Settings:
    """Return the settings of a first run.

    LoRA, unless compute is ample or the small image network is used: all of its weights are fewer
    than most networks' adapters.
    """
    if approach == "transfer":
        trainable = "head"
    elif answers.compute == "ample" or answers.modality == "images":
        trainable = "all"
    else:
        trainable = "lora"
    return Settings(
        trainable=trainable,
        backbone=DEFAULT_BACKBONES[answers.modality],
        seconds=RUN_SECONDS[answers.compute],
        examples_per_class=RUN_EXAMPLES_PER_CLASS[answers.data_volume],
    )
