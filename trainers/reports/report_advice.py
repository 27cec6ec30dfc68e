"""What the report says about the advice, and what to do next."""

from collections.abc import Mapping, Sequence
from typing import Any

from guide import Answers, BadAnswer, advise
from guide.approaches import APPROACHES
from guide.narrator import FINAL_RULES, narrate
from guide.questions import QUESTIONS, UNSURE
from trainers.evaluation.verdict import BASELINES
from trainers.events import Event, PhaseDone, RunFinished, ValidationDone
from trainers.reports.narrate import run_facts

# More test examples are asked for when a score is known less well than that. Our choice.
MAX_HALF_INTERVAL = 0.04
# When a run is said to memorise: by the same rule as on its page.
MEMORISING_RULE = next(row for row in FINAL_RULES if row.key == "memorising")
OUTCOME_TEXTS = {
    "right": "The advice, {advised}, was right: no other approach that can be advised is clearly "
    "better.",
    "wrong": "The advice, {advised}, was wrong: {best} is better.",
    "cannot tell": "Whether the advice, {advised}, was the best cannot be told from this test.",
    "": "Nothing was advised.",
}


def build_advice(
    end: RunFinished, comparison: Mapping[str, Any] | None, guide_answers: Answers | None
) -> dict[str, Any]:
    """Return what was advised and why, and whether it was right, as far as that is known."""
    parts = {"given": [], "reasons": [], "source": "", "why_wrong": []}
    if comparison is None:
        lines = [
            "This run stood alone: it is not known here what the guide was told, or what it "
            "advised."
        ]
        if guide_answers:
            advice = advise(guide_answers)
            lines = [
                f"The article's rules point to {approach_title(advice.approach)}. "
                f"{describe_match(advice.approach, end)}"
            ]
            parts |= {
                "given": format_answers(guide_answers, {}),
                "reasons": advice.matching_rules,
                "source": advice.strength_text,
            }
        return parts | {
            "lines": lines,
            "short": "Whether another approach would do better was not tried.",
            "verdict": "Not known: this run stood alone. A comparison in Thaw runs every approach "
            "on the same examples and says how sure the difference is.",
        }
    advised, article = comparison.get("advised", ""), comparison.get("advised_article", "")
    lines = []
    if article:
        lines.append(f"The article's rules point to {approach_title(article)}.")
    if advised and advised != article:
        lines.append(
            f"A short trial on parts of the training examples led to {approach_title(advised)}."
        )
    if advised:
        lines.append(f"So the advice was {approach_title(advised)}. {describe_match(advised, end)}")
    answers = parse_answers(comparison.get("answers", {}))
    if answers:
        parts |= {
            "given": format_answers(answers, comparison),
            "reasons": advise(answers).matching_rules,
            "source": advise(answers).strength_text,
        }
    outcome = comparison.get("outcome", "")
    return parts | {
        "lines": lines or ["Nothing was advised."],
        "short": OUTCOME_TEXTS[outcome].format(
            advised=approach_title(advised), best=approach_title(comparison["best"])
        ),
        "verdict": comparison["verdict"] or "Nothing was advised.",
        "why_wrong": comparison.get("why_wrong", "").splitlines(),
    }


def describe_match(advised: str, end: RunFinished) -> str:
    return f"It is {'' if advised == end.approach else 'not '}the run of this report."


def parse_answers(answers: Mapping[str, str]) -> Answers | None:
    try:
        return Answers.from_mapping(answers) if answers else None
    except (BadAnswer, TypeError):  # of another version, or brought in from a file
        return None


def format_answers(answers: Answers, comparison: Mapping[str, Any]) -> list[str]:
    """Return the questions with their answers, and where those come from."""
    measured = comparison.get("measured", {})
    by_visitor = comparison.get("answers_from") == "visitor"
    lines = []
    for key, question in QUESTIONS.items():
        answer = getattr(answers, key)
        if answer == UNSURE:
            continue
        title = next(option.title for option in question.options if option.key == answer)
        evidence = "" if by_visitor else measured.get(key, {}).get("says", "")
        source = (
            "answered in the guide" if by_visitor else f"measured: {evidence}" if evidence else ""
        )
        lines.append(f"{question.title} {title}{f' ({source})' if source else ''}")
    return lines


def suggest_next_steps(
    end: RunFinished,
    evaluations: Sequence[ValidationDone],
    events: Sequence[Event],
    confusions: Sequence[tuple[int, int, int]],
    comparison: Mapping[str, Any] | None,
) -> list[str]:
    """Return what to do, the most useful first."""
    steps = []
    if comparison is None:
        steps.append(
            "Compare the approaches on this data: one run alone cannot say whether another would "
            "do better."
        )
    else:
        for lane in comparison["runs"]:
            if lane["approach"] in BASELINES and lane["test_accuracy_low"] > end.test_accuracy_high:
                steps.append(
                    f"Use “{APPROACHES[lane['approach']].title}”: it has "
                    f"{format_percent(lane['test_accuracy'])} right, clearly more: no "
                    "network need be "
                    "trained for this."
                )
        steps += comparison.get("to_do", "").splitlines()
        better = comparison["best"] if comparison.get("outcome") == "wrong" else ""
        better = better or (comparison.get("outcome") == "right" and comparison["advised"])
        if better and better != end.approach:
            steps.append(f"Use {approach_title(better)} rather than the run of this report.")
    facts = run_facts(events)
    if narrate(facts, [MEMORISING_RULE]).rules:
        steps.append(
            f"It has {format_percent(facts.train_accuracy)} of the examples right "
            "that it learned from, "
            f"and {format_percent(facts.validation_accuracy)} of those held out: it "
            "learns them by heart. More "
            "examples would help more than more training."
        )
    stop_reasons = [event.stop_reason for event in events if isinstance(event, PhaseDone)]
    *before, last = [e for e in evaluations if e.phase == evaluations[-1].phase] or [None]
    # A loss also falls by mere confidence: only a rising accuracy says that time was the limit.
    improving = last and all(e.loss >= last.loss and e.accuracy < last.accuracy for e in before)
    if improving and stop_reasons[-1:] == ["time is up"]:
        steps.append("Give it more seconds: time was up while it was still learning.")
    if confusions and confusions[0][0] > 2:
        count, truth, prediction = confusions[0]
        steps.append(
            f"Look at the examples of {end.classes[truth]} that were taken for "
            f"{end.classes[prediction]} ({count:,}): are some labelled wrong, or can the two not "
            "be told apart? If neither, more examples of both would help most."
        )
    half = (end.test_accuracy_high - end.test_accuracy_low) / 2
    if half > MAX_HALF_INTERVAL:
        steps.append(
            f"Test with more examples: with {end.test_examples:,} the score is known to about "
            f"{100 * half:.0f} points either way; four times as many would halve that."
        )
    steps.append(
        "Before it is used, try it on new examples from where it will be used: another camera, "
        "place or writer may lower the score."
    )
    return list(dict.fromkeys(steps))


def approach_title(approach: str) -> str:
    return APPROACHES[approach].title.lower() if approach in APPROACHES else "none"


def format_percent(share: float) -> str:
    return f"{share:.0%}"
