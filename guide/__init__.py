"""The decision guide: three questions, the article's rules, the advice. Standard library only."""

from guide.advice import Advice, Change, advise
from guide.approaches import APPROACHES, Approach
from guide.questions import QUESTIONS, UNSURE, Answers, BadAnswer
from guide.rules import RULES, Rule, When

__all__ = [
    "APPROACHES",
    "QUESTIONS",
    "RULES",
    "UNSURE",
    "Advice",
    "Answers",
    "Approach",
    "BadAnswer",
    "Change",
    "Rule",
    "When",
    "advise",
]
