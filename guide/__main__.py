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
    """Prints the advice. 0; or 2 and one line on stderr where an answer does not exist."""
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
    given = vars(parser.parse_args(arguments))
    if given.pop("rules"):
        print(to_markdown())
        return 0
    as_json = given.pop("json")
    try:
        answers = Answers(**{key: UNSURE if word == "-" else word for key, word in given.items()})
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
    """The advice as a page of text, 88 columns wide."""

    def wrapped(text: str, bullet: str = "  ") -> str:
        return textwrap.fill(
            text, width=88, initial_indent=bullet, subsequent_indent=" " * len(bullet)
        )

    approach = APPROACHES[advice.approach]
    lines = [f"{approach.title}.", wrapped(approach.description)]
    lines += ["", f"How clear-cut: {advice.clearness}.", wrapped(advice.clearness_in_words)]
    if advice.first_step:
        lines += ["", "First:", wrapped(advice.first_step)]
    lines += ["", "Why:"]
    for rule in advice.spoke:
        lines.append(wrapped(f"{rule.because} ({rule.source}, {rule.vote:+g})", "  - "))
        if rule.caveat:
            lines.append(wrapped(f"But: {rule.caveat}", "    "))
    if not advice.spoke:
        lines.append(wrapped("No question was answered, so no rule spoke.", "  - "))
    lines += ["", f"Runner-up: {APPROACHES[advice.runner_up].title}.", "", "What would change it:"]
    for change in advice.changes:
        question = QUESTIONS[change.question]
        option = next(option for option in question.options if option.key == change.answer)
        lines.append(
            wrapped(
                f'"{option.title}" to "{question.title}" -> {APPROACHES[change.approach].title}',
                "  - ",
            )
        )
    if not advice.changes:
        lines.append("  No single answer.")
    settings = advice.settings
    start = [
        TRAINABLE_LABELS[settings.what_learns],
        *([f"on {settings.backbone}"] if settings.backbone else []),
        f"{settings.seconds:g} seconds",
        f"{settings.per_class or 'all'} examples of each class",
    ]
    lines += ["", "To begin with (ours):", wrapped(", ".join(start) + ".")]
    lines += ["", "Watch out for:"]
    lines += [
        wrapped(f"{challenge.title}: {challenge.why} Thaw: {challenge.thaw_checks}", "  - ")
        for challenge in advice.watch_out
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
