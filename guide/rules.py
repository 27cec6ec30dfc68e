"""The article's rules, as rows: adding a rule is adding a row.

The article: *The Art of AI Adaptation: Understanding Fine-tuning vs. Transfer Learning in 2024*,
David Jenkins, 3 February 2024, restated. What it does not say has `source="ours"`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from guide.questions import UNSURE, Answers


class When(NamedTuple):
    """A condition on one answer, as data: pages print it, tests try its edges."""

    question: str
    answers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Rule:
    key: str  # in links and test names: never rename
    factor: str  # "data", "compute" or "specificity": the article's three factors
    when: tuple[When, ...]  # all must hold
    vote: float  # -1 transfer learning … +1 fine-tuning; 0: a reason that favours neither
    because: str  # shown to visitors
    source: str  # "article" or "ours"
    caveat: str = ""  # where the article contradicts itself


def matches(condition: When, answers: Answers) -> bool:
    return getattr(answers, condition.question) in condition.answers


def match_rules(answers: Answers, rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Return the rules whose conditions all hold, in their order."""
    return tuple(
        rule for rule in rules if all(matches(condition, answers) for condition in rule.when)
    )


RULES = (
    Rule(
        key="no-examples",
        factor="data",
        when=(When("data_volume", ("none",)),),
        vote=-1,
        because="Without examples there is nothing to adjust a model to. A pre-trained model "
        "already does useful work with class names alone, or with a handful of examples.",
        source="article",
    ),
    Rule(
        key="few-examples",
        factor="data",
        when=(When("data_volume", ("limited",)),),
        vote=-1,
        because="With only a few examples, a model that is free to change everywhere tends to "
        "memorise them. Building on what it already knows needs fewer.",
        source="article",
        caveat="Elsewhere the article calls fine-tuning particularly valuable for organisations "
        "with limited data. Its table of decision factors says the opposite; Thaw follows the "
        "table, and lets you test it.",
    ),
    Rule(
        key="good-moderate-data",
        factor="data",
        when=(When("data_volume", ("moderate",)), When("data_quality", ("good", UNSURE))),
        vote=+1,
        because="A moderate amount of good examples from your own field is enough to adjust the "
        "model itself.",
        source="article",
    ),
    Rule(
        key="mixed-moderate-data",
        factor="data",
        when=(When("data_volume", ("moderate",)), When("data_quality", ("mixed",))),
        vote=-1,
        because="The article asks for high-quality data before fine-tuning. Mixed data counts as "
        "little data here: a model that may change everywhere learns the mistakes too.",
        source="ours",
    ),
    Rule(
        key="large-data",
        factor="data",
        when=(When("data_volume", ("large",)),),
        vote=+1,
        because="With plenty of examples the whole model can adjust without memorising them.",
        source="ours",
    ),
    Rule(
        key="minutes-of-compute",
        factor="compute",
        when=(When("compute", ("minutes",)),),
        vote=+0.5,
        because="With modern techniques such as LoRA, which trains a small add-on in place of "
        "the whole model, fine-tuning can be the thriftier choice.",
        source="article",
        caveat="Elsewhere the article praises transfer learning for needing less computation, and "
        "on most machines it does. So this rule has only half a vote.",
    ),
    Rule(
        key="hours-of-compute",
        factor="compute",
        when=(When("compute", ("hours",)),),
        vote=0,
        because="Hours of computing are enough for either approach, so they settle nothing.",
        source="ours",
    ),
    Rule(
        key="ample-compute",
        factor="compute",
        when=(When("compute", ("ample",)),),
        vote=-0.5,
        because="Transfer learning asks for more computing at first and saves it in the long "
        "run; you can afford the start.",
        source="article",
    ),
    Rule(
        key="reused-often",
        factor="compute",
        when=(When("reuse", ("many",)),),
        vote=-0.5,
        because="One frozen model can serve many tasks, each with a small last layer of its "
        "own: the long-run saving that speaks for transfer learning.",
        source="article",
    ),
    Rule(
        key="everyday-task",
        factor="specificity",
        when=(When("specificity", ("common",)),),
        vote=-1,
        because="Your task has much in common with what the model was trained on, so what it "
        "already sees can be used as it is.",
        source="article",
    ),
    Rule(
        key="somewhat-special-task",
        factor="specificity",
        when=(When("specificity", ("somewhat",)),),
        vote=0,
        because="Your task is neither close to what the model knows nor far from it, so this "
        "settles nothing.",
        source="ours",
    ),
    Rule(
        key="special-task",
        factor="specificity",
        when=(When("specificity", ("specialised",)),),
        vote=+1,
        because="A highly special task needs a model that adapts precisely: what it sees in "
        "everyday data misses what matters here.",
        source="article",
    ),
)


def to_markdown(rules: Sequence[Rule] = RULES) -> str:
    """Return the rules as a Markdown table, as in the README and in `python -m guide --rules`."""
    rows = [
        f"| {' and '.join(map(_format_condition, rule.when))} | {rule.vote:+g} | {rule.source} |"
        for rule in rules
    ]
    return "\n".join(["| answer | vote | source |", "|---|---|---|", *rows])


def _format_condition(condition: When) -> str:
    return f"`{condition.question}` {' or '.join(condition.answers)}"
