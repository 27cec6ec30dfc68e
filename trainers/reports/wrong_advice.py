"""Why the advice was wrong, in words, and what to do.

guide/wrong_advice.py finds the answer or rule.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from guide.advice import Change
from guide.approaches import APPROACHES
from guide.questions import QUESTIONS, UNSURE, Answers
from guide.rules import Rule
from guide.wrong_advice import DATA_QUESTIONS, Correction, Diagnosis, diagnose
from trainers.evaluation.verdict import Verdict


class Explanation(NamedTuple):
    diagnosis: dict[str, Any]  # `guide.wrong_advice.Diagnosis` as JSON; {} if the rules were right
    reason: str  # what misled, a line each; "" if nothing did
    next_steps: str  # what to do, a line each


NO_EXPLANATION = Explanation({}, "", "")


def explain_wrong_advice(
    verdict: Verdict,
    article: Verdict,
    *,
    advised: str,
    advised_article: str,
    answers: Mapping[str, str],
    measured: Mapping[str, str],
    says: Mapping[str, str],
    tried: int,
) -> Explanation:
    """Return what misled the advice and what to do, if it was wrong.

    Thaw's advice is judged by `verdict`, that of the article's rules alone by `article`. `answers`
    are those that the rules used, {} if none are known; `measured` those measured from the data,
    and `says` their evidence. `tried` is the number of held-out examples in the pilot run; 0: there
    was none.
    """
    by_article, by_us = article.outcome == "wrong", verdict.outcome == "wrong"
    if not by_article and not by_us:
        return NO_EXPLANATION
    diagnosis = (
        diagnose(Answers.from_mapping(answers), verdict.best, measured)
        if answers and by_article
        else None
    )
    reasons = _explain_diagnosis(diagnosis, says) if diagnosis else []
    if by_us and tried:
        if not by_article:
            reasons.append(
                f"The article's rules said {_approach_title(advised_article)}: they did "
                "not mislead."
            )
        reasons.append(
            f"The trial misled{' too' if by_article else ''}: it saw short runs on parts of the "
            f"training examples, and asked only {tried:,} of them."
        )
    return Explanation(
        diagnosis.as_json() if diagnosis else {},
        "\n".join(reasons),
        "\n".join(_suggest_next_steps(diagnosis, verdict, advised, tried)),
    )


def _explain_diagnosis(diagnosis: Diagnosis, says: Mapping[str, str]) -> list[str]:
    lines = [_describe_correction(correction, says) for correction in diagnosis.corrections]
    corrected = {correction.question for correction in diagnosis.corrections}
    if diagnosis.cause == "answers":
        lines += [
            _describe_vote(rule)
            for rule in diagnosis.opposing_rules
            if corrected & set(_data_questions(rule))
        ]
    if diagnosis.corrections:
        end = ", which did best." if diagnosis.cause == "answers" else ": that was not best either."
        lines.append(
            "With what the data says, the article's rules point to "
            f"{_approach_title(diagnosis.corrected_approach)}{end}"
        )
    for rule in diagnosis.remaining_rules:
        evidence = [
            says[key] for key in _data_questions(rule) if key in says and key not in corrected
        ]
        lines.append(" ".join([_describe_vote(rule), *evidence]))
    if diagnosis.remaining_rules:
        # What is said about computing is about its cost: the score does not speak of that.
        is_about_score = all(rule.factor != "compute" for rule in diagnosis.remaining_rules)
        rules = (
            "what this rule says" if len(diagnosis.remaining_rules) == 1 else "what these rules say"
        )
        does = "does not hold" if is_about_score else "led the wrong way"
        lines.append(f"On this data, {rules} {does}.")
    if diagnosis.cause == "silence":
        lines.append("No rule took a side, so the middle way was a place to start, no more.")
    if diagnosis.cause != "answers":
        lines.append(_describe_alternatives(diagnosis))
        lines += [
            f'"{_question_title(question)}" was left open: {says[question]}'
            for question in dict.fromkeys(change.question for change in diagnosis.changes)
            if question in DATA_QUESTIONS and question in says
            if getattr(diagnosis.answers, question) == UNSURE
        ]
    return lines


def _describe_correction(correction: Correction, says: Mapping[str, str]) -> str:
    question, answer = f'"{_question_title(correction.question)}"', correction.original_answer
    text = (
        f"{question} was left open."
        if answer == UNSURE
        else f'To {question} the answer was "{_option_title(correction.question, answer)}".'
    )
    measured = _option_title(correction.question, correction.measured_answer)
    return f'{text} The data says "{measured}": {says[correction.question]}'


def _data_questions(rule: Rule) -> list[str]:
    """Return the questions about the data that a rule depends on."""
    return [test.question for test in rule.when if test.question in DATA_QUESTIONS]


def _describe_vote(rule: Rule) -> str:
    side = _approach_title("transfer" if rule.vote < 0 else "fine_tune")
    whose = "The article's rule" if rule.source == "article" else "A rule of ours"
    weight = " with half a vote" if abs(rule.vote) == 0.5 else ""
    return f'{whose} that spoke for {side}{weight}: "{rule.because}"'


def _describe_alternatives(diagnosis: Diagnosis) -> str:
    better = _approach_title(diagnosis.better_approach)
    if not diagnosis.changes:
        return f"No other answer alone would have led to {better}: no answer misled, the rules did."
    return (
        f"One other answer alone would have led to {better}: {_format_changes(diagnosis.changes)}."
    )


def _suggest_next_steps(
    diagnosis: Diagnosis | None, verdict: Verdict, advised: str, tried: int
) -> list[str]:
    best = _approach_title(verdict.best)
    if verdict.outcome in ("right", "cannot tell"):  # so only the article's own advice was wrong
        use = (
            _approach_title(advised)
            if verdict.best == advised
            else f"{_approach_title(advised)} or {best}"
        )
        use += " here, as the trial said" if tried else " here"
    else:
        use = f"{best} here"
    if verdict.sufficient_baseline:
        use += (
            f"; or {_approach_title(verdict.sufficient_baseline)}: then no network need be trained"
        )
    lines = [f"Use {use}."]
    if diagnosis and diagnosis.cause == "answers":
        lines += [
            "Next time, with data like this, answer "
            f'"{_option_title(correction.question, correction.measured_answer)}" to '
            f'"{_question_title(correction.question)}", or let the data answer.'
            for correction in _decisive_corrections(diagnosis)
        ]
    elif diagnosis and diagnosis.cause == "silence":
        lines.append(
            "Next time, answer more of the guide's questions, or let the data answer them."
        )
    elif diagnosis:
        if readings := _nearest_changes(diagnosis):
            lines.append(
                "For data like this, the guide is better read another way: "
                f"{_format_changes(readings)} "
                f"leads to {_approach_title(diagnosis.better_approach)}."
            )
        lines.append(
            "One set of data overturns no rule, but on data like this trust a trial or a "
            "comparison more than the rules."
        )
    if tried and verdict.outcome == "wrong":
        lines.append(
            "Give the pilot run more time: in a terminal, thaw compare --pilot-seconds 60."
        )
    return lines


def _decisive_corrections(diagnosis: Diagnosis) -> list[Correction]:
    """Return the corrections that each lead to the better approach; all, if only together."""
    decisive = [c for c in diagnosis.corrections if c.approach == diagnosis.better_approach]
    return decisive or list(diagnosis.corrections)


def _nearest_changes(diagnosis: Diagnosis) -> list[Change]:
    """Return the other answers that lead to the better approach and that fit such data.

    Those about the data, and of each question the ones next to the given answer (they are ordered
    from little to much); all of them if the question was left open.
    """
    near = []
    for question in DATA_QUESTIONS:
        options = [option.key for option in QUESTIONS[question].options]
        leading = [change for change in diagnosis.changes if change.question == question]
        answer = getattr(diagnosis.answers, question)
        if answer != UNSURE:
            leading = [
                change
                for change in leading
                if abs(options.index(change.answer) - options.index(answer)) == 1
            ]
        near += leading
    return near


def _format_changes(changes: Sequence[Change]) -> str:
    """Return answers with their questions: "A" or "B" to "Question?"; "C" to "Another?"."""
    lines = []
    for key in dict.fromkeys(change.question for change in changes):
        answers = [_option_title(key, c.answer) for c in changes if c.question == key]
        quoted = " or ".join(f'"{answer}"' for answer in answers)
        lines.append(f'{quoted} to "{_question_title(key)}"')
    return "; ".join(lines)


def _question_title(key: str) -> str:
    return QUESTIONS[key].title


def _option_title(question: str, key: str) -> str:
    return next(option.title for option in QUESTIONS[question].options if option.key == key)


def _approach_title(approach: str) -> str:
    return APPROACHES[approach].title.lower()
