"""A finished run's score for each class and group."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from trainers.cli.options import finished, json_option, run_option
from trainers.evaluation.subgroups import (
    SubgroupScore,
    describe_class_mix,
    describe_gaps,
    find_gaps,
    score_classes,
    score_groups,
)
from trainers.events import PredictionsRecorded, RunFinished
from trainers.reports.mistakes import ExamplesUnavailable, load_test_examples
from trainers.store import get_store


def add(commands: Any) -> None:
    command = commands.add_parser(
        "fairness", help="a finished run's score for each class and group"
    )
    run_option(command)
    json_option(command, "print the scores as JSON")


def run(given: dict[str, Any]) -> int:
    found = finished(given["run"])
    events = [event for _, event in get_store().read_events(found.id)]
    answered = next((event for event in events if isinstance(event, PredictionsRecorded)), None)
    if answered is None or not isinstance(events[-1], RunFinished):
        print("That run has no answers to a test. Choose a run that finished.", file=sys.stderr)
        return 2
    scores = {"class": score_classes(answered, events[-1].classes)}
    if found.plan.data.startswith("own-"):
        try:
            split = load_test_examples(found.plan, answered, events[-1].classes)
            if split.group_names:
                scores["group"] = score_groups(answered, split.groups, split.group_names)
        except ExamplesUnavailable as why:
            print(f"No groups are told. {why}", file=sys.stderr)
    if given["json"]:
        print(
            json.dumps({what: _document(parts, what) for what, parts in scores.items()}, indent=2)
        )
        return 0
    print(f"{events[-1].test_correct} of {events[-1].test_examples} right.")
    for what, parts in scores.items():
        _print(parts, what, events[-1].test_accuracy)
    return 0


def _document(parts: Sequence[SubgroupScore], what: str) -> dict:
    found = find_gaps(parts)
    return {
        "scores": [part._asdict() for part in parts],
        "gaps": [gap._asdict() for gap in found],
        "words": describe_gaps(parts, found, what),
    }


def _print(parts: Sequence[SubgroupScore], what: str, overall: float) -> None:
    wide = max(len(part.name) for part in parts)
    print(f"\n{what:{wide}}  {'right':>6}  {'of':>5}  95 % interval")
    for part in parts:
        if part.tests:
            interval = f"{part.low:.0%} to {part.high:.0%}"
            print(f"{part.name:{wide}}  {part.share:>6.0%}  {part.tests:>5}  {interval}")
        else:
            print(f"{part.name:{wide}}  none in the test")
    said = describe_gaps(parts, find_gaps(parts), what)
    if what == "group":
        said += filter(None, (describe_class_mix(part, overall) for part in parts))
    for line in said:
        print(f"- {line}")
