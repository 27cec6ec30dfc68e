"""Find out why the advice was wrong: which answers and which rules led to it.

The sentences are in trainers/reports/wrong_advice.py, because they need what was measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from guide.advice import Change, advise, choose_approach
from guide.questions import UNSURE, Answers
from guide.rules import RULES, Rule, match_rules

# What the data itself can answer. How much compute there is, and whether the model will be reused,
# only the visitor knows.
DATA_QUESTIONS = ("data_volume", "data_quality", "specificity")
VOTE_SIGN = {"transfer": -1, "hybrid": 0, "fine_tune": +1}  # on the scale of `Rule.vote`


@dataclass(frozen=True)
class Correction:
    """An answer that the data contradicts, where the measured answer matches other rules."""

    question: str
    original_answer: str  # `UNSURE` if not answered
    measured_answer: str
    approach: str  # what the rules advise with only this answer corrected


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Why the rules advised something other than the best approach."""

    answers: Answers  # the visitor's; corrected if the corrections alone were not enough
    advised_approach: str
    better_approach: str
    cause: str  # "answers": corrected, they lead to the better approach; "rules": they do not;
    # "silence": no rule took a side
    opposing_rules: tuple[Rule, ...]  # matching the original answers, against the better approach
    remaining_rules: tuple[Rule, ...]  # the same on the corrected answers; () if cause is "answers"
    changes: tuple[Change, ...]  # single changes of `answers` that lead to the better approach
    corrections: tuple[Correction, ...]
    corrected_approach: str  # what the rules advise with all corrections

    def as_json(self) -> dict[str, Any]:
        """Return plain values, rules by their keys, under the names they are stored with."""
        return {
            "answers": asdict(self.answers),
            "advised": self.advised_approach,
            "better": self.better_approach,
            "by": self.cause,
            "pulled": [rule.key for rule in self.opposing_rules],
            "untrue": [rule.key for rule in self.remaining_rules],
            "changes": [asdict(change) for change in self.changes],
            "corrections": [
                {
                    "question": correction.question,
                    "given": correction.original_answer,
                    "measured": correction.measured_answer,
                    "approach": correction.approach,
                }
                for correction in self.corrections
            ],
            "corrected": self.corrected_approach,
        }


def diagnose(
    answers: Answers,
    better: str,
    measured: Mapping[str, str] | None = None,
    rules: Sequence[Rule] = RULES,
) -> Diagnosis | None:
    """Return why the `rules` did not advise the approach `better`; None if they did.

    `measured` holds the answers that the data gave, for as many questions as it could answer.
    """
    advised = _advised_approach(answers, rules)
    if advised == better:
        return None
    corrected_answers, corrected_questions = answers, []
    for question in DATA_QUESTIONS:  # in this order: a follow-up comes after its question
        answer = (measured or {}).get(question, UNSURE)
        corrected = replace(corrected_answers, **{question: answer})
        if answer != UNSURE and (
            match_rules(corrected, rules) != match_rules(corrected_answers, rules)
        ):
            corrected_answers = corrected
            corrected_questions.append(question)
    corrected_approach = _advised_approach(corrected_answers, rules)
    answers_misled = corrected_approach == better
    remaining = () if answers_misled else _find_opposing_rules(corrected_answers, better, rules)
    base = answers if answers_misled else corrected_answers
    return Diagnosis(
        answers=base,
        advised_approach=advised,
        better_approach=better,
        cause="answers" if answers_misled else "rules" if remaining else "silence",
        opposing_rules=_find_opposing_rules(answers, better, rules),
        remaining_rules=remaining,
        changes=tuple(
            change for change in advise(base, rules).changes if change.approach == better
        ),
        corrections=tuple(
            Correction(
                question,
                getattr(answers, question),
                answer := getattr(corrected_answers, question),
                _advised_approach(replace(answers, **{question: answer}), rules),
            )
            for question in corrected_questions
        ),
        corrected_approach=corrected_approach,
    )


def _advised_approach(answers: Answers, rules: Sequence[Rule]) -> str:
    return choose_approach(match_rules(answers, rules))


def _find_opposing_rules(answers: Answers, better: str, rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Return the rules that pull the advice on `answers` away from `better`."""
    matching = match_rules(answers, rules)
    direction = VOTE_SIGN[better] - VOTE_SIGN[choose_approach(matching)]
    return tuple(rule for rule in matching if rule.vote * direction < 0)
