"""The guide from a terminal: `python -m guide --data-volume limited --specificity common`."""

import argparse
import json
import sys
import textwrap
from dataclasses import asdict

from guide import APPROACHES, QUESTIONS, UNSURE, Advice, Answers, BadAnswer, advise
from guide.advice import TRAINABLE_LABELS
from guide.rules import to_markdown


def main(arguments: list[str] | None = None) -> int:
    """Print the advice and return 0; return 2 with one line on stderr if an answer is unknown."""
    parser = argparse.ArgumentParser(prog="python -m guide", description=__doc__)
    for question in QUESTIONS.values():
        choices = "|".join([*(option.key for option in question.options), UNSURE])
        parser.add_argument(
            f"--{question.key.replace('_', '-')}",
            default=UNSURE,
            metavar=choices,
            help=question.title,
        )
    parser.add_argument("--json", action="store_true", help="print the advice as JSON")
    parser.add_argument("--rules", action="store_true", help="print the rules as a table")
    args = vars(parser.parse_args(arguments))
    if args.pop("rules"):
        print(to_markdown())
        return 0
    as_json = args.pop("json")
    try:
        answers = Answers(**{key: UNSURE if word == "-" else word for key, word in args.items()})
    except BadAnswer as error:
        print(error, file=sys.stderr)
        return 2
    advice = advise(answers)
    if as_json:
        print(json.dumps(advice.as_json() | {"answers": asdict(answers)}, indent=2))
    else:
        print(format_advice(advice))
    return 0


def format_advice(advice: Advice) -> str:
    """Return the advice as a page of text, 88 columns wide."""

    def wrap(text: str, bullet: str = "  ") -> str:
        return textwrap.fill(
            text, width=88, initial_indent=bullet, subsequent_indent=" " * len(bullet)
        )

    approach = APPROACHES[advice.approach]
    lines = [f"{approach.title}.", wrap(approach.description)]
    lines += ["", f"How clear-cut: {advice.strength}.", wrap(advice.strength_text)]
    if advice.first_step:
        lines += ["", "First:", wrap(advice.first_step)]
    lines += ["", "Why:"]
    for rule in advice.matching_rules:
        lines.append(wrap(f"{rule.because} ({rule.source}, {rule.vote:+g})", "  - "))
        if rule.caveat:
            lines.append(wrap(f"But: {rule.caveat}", "    "))
    if not advice.matching_rules:
        lines.append(wrap("No question was answered, so no rule matches.", "  - "))
    lines += ["", f"Runner-up: {APPROACHES[advice.runner_up].title}.", "", "What would change it:"]
    for change in advice.changes:
        question = QUESTIONS[change.question]
        option = next(option for option in question.options if option.key == change.answer)
        lines.append(
            wrap(
                f'"{option.title}" to "{question.title}" -> {APPROACHES[change.approach].title}',
                "  - ",
            )
        )
    if not advice.changes:
        lines.append("  No single answer.")
    settings = advice.settings
    first_run = [
        TRAINABLE_LABELS[settings.trainable],
        *([f"on {settings.backbone}"] if settings.backbone else []),
        f"{settings.seconds:g} seconds",
        f"{settings.examples_per_class or 'all'} examples of each class",
    ]
    lines += ["", "Suggested first run:", wrap(", ".join(first_run) + ".")]
    lines += ["", "Watch out for:"]
    lines += [
        wrap(f"{challenge.title}: {challenge.reason} Thaw: {challenge.thaw_checks}", "  - ")
        for challenge in advice.challenges
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
