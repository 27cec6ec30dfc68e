"""Why the advice was wrong, in words, and what to do.

Guide/wrong_advice.py finds the answer or rule.
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
    diagnosis: dict[
        str, Any
    ]  # `guide.wrong_advice.Diagnosis` as JSON; {} where it was not the rules
    reason: str  # what misled: a line for each thing; "" where nothing did
    next_steps: str  # likewise


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
    found = (
        diagnose(Answers.from_mapping(answers), verdict.best, measured)
        if answers and by_article
        else None
    )
    why = _explain_diagnosis(found, says) if found else []
    if by_us and tried:
        if not by_article:
            why.append(
                f"The article's rules said {_approach_title(advised_article)}: they did "
                "not mislead."
            )
        why.append(
            f"The trial misled{' too' if by_article else ''}: it saw short runs on parts of the "
            f"training examples, and asked only {tried:,} of them."
        )
    return Explanation(
        found.as_json() if found else {},
        "\n".join(why),
        "\n".join(_suggest_next_steps(found, verdict, advised, tried)),
    )


def _explain_diagnosis(found: Diagnosis, says: Mapping[str, str]) -> list[str]:
    told = [_describe_correction(one, says) for one in found.corrections]
    put_right = {one.question for one in found.corrections}
    if found.cause == "answers":
        told += [
            _describe_vote(rule)
            for rule in found.opposing_rules
            if put_right & set(_data_questions(rule))
        ]
    if found.corrections:
        told.append(
            "With what the data says, the article's rules point to "
            f"{_approach_title(found.corrected_approach)}"
            f"{', which did best' if found.cause == 'answers' else ': that was not best either'}."
        )
    for rule in found.remaining_rules:
        rests_on = [
            says[one] for one in _data_questions(rule) if one in says and one not in put_right
        ]
        told.append(" ".join([_describe_vote(rule), *rests_on]))
    if found.remaining_rules:
        # What is said about computing is about its cost: the score does not speak of that.
        held = all(rule.factor != "compute" for rule in found.remaining_rules)
        rules = "what this rule says" if len(found.remaining_rules) == 1 else "what these rules say"
        does = "does not hold" if held else "led the wrong way"
        told.append(f"On this data, {rules} {does}.")
    if found.cause == "silence":
        told.append("No rule took a side, so the middle way was a place to start, no more.")
    if found.cause != "answers":
        told.append(_describe_alternatives(found))
        told += [
            f'"{_question_title(question)}" was left open: {says[question]}'
            for question in dict.fromkeys(change.question for change in found.changes)
            if question in DATA_QUESTIONS and question in says
            if getattr(found.answers, question) == UNSURE
        ]
    return told


def _describe_correction(one: Correction, says: Mapping[str, str]) -> str:
    question, given = f'"{_question_title(one.question)}"', one.original_answer
    told = (
        f"{question} was left open."
        if given == UNSURE
        else f'To {question} the answer was "{_option_title(one.question, given)}".'
    )
    return (
        f"{told} The data says "
        f'"{_option_title(one.question, one.measured_answer)}": {says[one.question]}'
    )


def _data_questions(rule: Rule) -> list[str]:
    """The questions about the data that woke a rule."""
    return [test.question for test in rule.when if test.question in DATA_QUESTIONS]


def _describe_vote(rule: Rule) -> str:
    side = _approach_title("transfer" if rule.vote < 0 else "fine_tune")
    whose = "The article's rule" if rule.source == "article" else "A rule of ours"
    weight = " with half a vote" if abs(rule.vote) == 0.5 else ""
    return f'{whose} that spoke for {side}{weight}: "{rule.because}"'


def _describe_alternatives(found: Diagnosis) -> str:
    better = _approach_title(found.better_approach)
    if not found.changes:
        return f"No other answer alone would have led to {better}: no answer misled, the rules did."
    return f"One other answer alone would have led to {better}: {_format_changes(found.changes)}."


def _suggest_next_steps(
    found: Diagnosis | None, verdict: Verdict, advised: str, tried: int
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
    told = [f"Use {use}."]
    if found and found.cause == "answers":
        told += [
            "Next time, with data like this, answer "
            f'"{_option_title(one.question, one.measured_answer)}" to '
            f'"{_question_title(one.question)}", or let the data answer.'
            for one in _decisive_corrections(found)
        ]
    elif found and found.cause == "silence":
        told.append("Next time, answer more of the guide's questions, or let the data answer them.")
    elif found:
        if readings := _nearest_changes(found):
            told.append(
                "For data like this, the guide is better read another way: "
                f"{_format_changes(readings)} "
                f"leads to {_approach_title(found.better_approach)}."
            )
        told.append(
            "One set of data overturns no rule, but on data like this trust a trial or a "
            "comparison more than the rules."
        )
    if tried and verdict.outcome == "wrong":
        told.append("Give the pilot run more time: in a terminal, thaw compare --pilot-seconds 60.")
    return told


def _decisive_corrections(found: Diagnosis) -> list[Correction]:
    """The corrections that lead to the better approach alone, or all where only together."""
    alone = [one for one in found.corrections if one.approach == found.better_approach]
    return alone or list(found.corrections)


def _nearest_changes(found: Diagnosis) -> list[Change]:
    """Return the other answers that lead to the better approach and that fit such data.

    Those about the data, and of each question the ones next to the given answer (they are ordered
    from little to much); all of them if the question was left open.
    """
    near = []
    for question in DATA_QUESTIONS:
        options = [option.key for option in QUESTIONS[question].options]
        leading = [one for one in found.changes if one.question == question]
        given = getattr(found.answers, question)
        if given != UNSURE:
            leading = [
                one for one in leading if abs(options.index(one.answer) - options.index(given)) == 1
            ]
        near += leading
    return near


def _format_changes(changes: Sequence[Change]) -> str:
    """Answers to their questions: "A" or "B" to "Question?"; "C" to "Another?"."""
    told = []
    for key in dict.fromkeys(change.question for change in changes):
        answers = [_option_title(key, one.answer) for one in changes if one.question == key]
        quoted = " or ".join(f'"{answer}"' for answer in answers)
        told.append(f'{quoted} to "{_question_title(key)}"')
    return "; ".join(told)


def _question_title(key: str) -> str:
    return QUESTIONS[key].title


def _option_title(question: str, key: str) -> str:
    return next(option.title for option in QUESTIONS[question].options if option.key == key)


def _approach_title(approach: str) -> str:
    return APPROACHES[approach].title.lower()
