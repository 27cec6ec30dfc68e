"""Where the advice was wrong: which answers and which rules led there.

Words for it are in trainers/reports/wrong_advice.py, since they need what was measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from guide.advice import Change, advise, choose_approach
from guide.questions import UNSURE, Answers
from guide.rules import RULES, Rule, match_rules

DATA_QUESTIONS = ("data_volume", "data_quality", "specificity")  # what data can say about itself;
# how much computing there is, and what will be reused, only its owner knows
VOTE_SIGN = {
    "transfer": -1,
    "hybrid": 0,
    "fine_tune": +1,
}  # where an approach lies, as the votes count


@dataclass(frozen=True)
class Correction:
    """An answer that is not what was measured, where another rule speaks for that."""

    question: str
    given: str  # `UNSURE` where it was left open
    measured: str
    approach: str  # that the rules point to with this answer alone put right


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """How the rules came to advise what was not best."""

    answers: Answers  # as given; put right, where that alone was not enough
    advised: str
    better: str
    by: str  # "answers": put right, they lead to the better approach; "rules"; or "silence", where
    # no rule took a side
    pulled: tuple[Rule, ...]  # away from the better approach, on the answers as given
    untrue: tuple[Rule, ...]  # the same on the answers put right; () where answers misled
    changes: tuple[Change, ...]  # of `answers`: each that alone would lead to the better approach
    corrections: tuple[Correction, ...]
    corrected: str  # what the rules point to with all of them

    def as_json(self) -> dict[str, Any]:
        """Plain values only; a rule by its key."""
        return asdict(self) | {
            "pulled": [rule.key for rule in self.pulled],
            "untrue": [rule.key for rule in self.untrue],
            "changes": [asdict(change) for change in self.changes],
            "corrections": [asdict(one) for one in self.corrections],
        }


def diagnose(
    answers: Answers,
    better: str,
    measured: Mapping[str, str] | None = None,
    rules: Sequence[Rule] = RULES,
) -> Diagnosis | None:
    """What misled, where `better` did better than what the rules advise on `answers`; None where
    they advise it. `measured` holds answers that the data gave, as far as it did."""
    advised = choose_approach(match_rules(answers, rules))
    if advised == better:
        return None
    right, differing = answers, {}
    for question in DATA_QUESTIONS:  # a follow-up after its question
        answer = (measured or {}).get(question, UNSURE)
        put_right = replace(right, **{question: answer})
        if answer != UNSURE and match_rules(put_right, rules) != match_rules(right, rules):
            right, differing[question] = put_right, answer
    corrected = choose_approach(match_rules(right, rules))
    untrue = () if corrected == better else _find_opposing_rules(right, better, rules)
    base = answers if corrected == better else right
    return Diagnosis(
        answers=base,
        advised=advised,
        better=better,
        by="answers" if corrected == better else "rules" if untrue else "silence",
        pulled=_find_opposing_rules(answers, better, rules),
        untrue=untrue,
        changes=tuple(one for one in advise(base, rules).changes if one.approach == better),
        corrections=tuple(
            Correction(
                question,
                getattr(answers, question),
                answer,
                choose_approach(match_rules(replace(answers, **{question: answer}), rules)),
            )
            for question, answer in differing.items()
        ),
        corrected=corrected,
    )


def _find_opposing_rules(answers: Answers, better: str, rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """The rules that pull what is advised on `answers` away from `better`."""
    spoke = match_rules(answers, rules)
    towards = VOTE_SIGN[better] - VOTE_SIGN[choose_approach(spoke)]
    return tuple(rule for rule in spoke if rule.vote * towards < 0)
