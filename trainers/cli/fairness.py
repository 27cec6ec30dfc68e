"""A finished run's score for each class and group."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from trainers.cli.options import finished, json_option, run_option
from trainers.evaluation.subgroups import Part, by_its_classes, gaps, in_words, per_class, per_group
from trainers.events import Answered, Finished
from trainers.reports.mistakes import Gone, asked
from trainers.store import store


def add(commands: Any) -> None:
    command = commands.add_parser(
        "fairness", help="a finished run's score for each class and group"
    )
    run_option(command)
    json_option(command, "print the scores as JSON")


def run(given: dict[str, Any]) -> int:
    found = finished(given["run"])
    events = [event for _, event in store().events(found.id)]
    answered = next((event for event in events if isinstance(event, Answered)), None)
    if answered is None or not isinstance(events[-1], Finished):
        print("That run has no answers to a test. Choose a run that finished.", file=sys.stderr)
        return 2
    scores = {"class": per_class(answered, events[-1].classes)}
    if found.plan.data.startswith("own-"):
        try:
            split = asked(found.plan, answered, events[-1].classes)
            if split.group_names:
                scores["group"] = per_group(answered, split.groups, split.group_names)
        except Gone as why:
            print(f"No groups are told. {why}", file=sys.stderr)
    if given["json"]:
        print(
            json.dumps({what: _document(parts, what) for what, parts in scores.items()}, indent=2)
        )
        return 0
    print(f"{events[-1].test_right} of {events[-1].test_examples} right.")
    for what, parts in scores.items():
        _print(parts, what, events[-1].test_accuracy)
    return 0


def _document(parts: Sequence[Part], what: str) -> dict:
    found = gaps(parts)
    return {
        "scores": [part._asdict() for part in parts],
        "gaps": [gap._asdict() for gap in found],
        "words": in_words(parts, found, what),
    }


def _print(parts: Sequence[Part], what: str, overall: float) -> None:
    wide = max(len(part.name) for part in parts)
    print(f"\n{what:{wide}}  {'right':>6}  {'of':>5}  95 % interval")
    for part in parts:
        if part.tests:
            interval = f"{part.low:.0%} to {part.high:.0%}"
            print(f"{part.name:{wide}}  {part.share:>6.0%}  {part.tests:>5}  {interval}")
        else:
            print(f"{part.name:{wide}}  none in the test")
    said = in_words(parts, gaps(parts), what)
    if what == "group":
        said += filter(None, (by_its_classes(part, overall) for part in parts))
    for line in said:
        print(f"- {line}")
