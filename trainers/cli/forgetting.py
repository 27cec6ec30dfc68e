"""What the backbone of a finished run forgot."""

import sys
from collections.abc import Iterator
from typing import Any

from trainers.cli.options import finished, json_option, run_option
from trainers.cli.output import begun, played
from trainers.datasets.uploads import LOCAL_VISITOR
from trainers.events import Event, JobCancelled, JobDone, JobFailed, Progress, Stage
from trainers.jobs import ForgettingTest


def add(commands: Any) -> None:
    command = commands.add_parser("forgot", help="what the backbone of a finished run forgot")
    run_option(command)
    json_option(command)


def run(given: dict[str, Any]) -> int:
    _, stream = begun(ForgettingTest(key=finished(given["run"]).id, visitor=LOCAL_VISITOR))
    return played(stream, JobDone, None if given["json"] else _drawn)


def _drawn(stream: Iterator[Event]) -> Event:
    """How far it is, then what was found; hands back the last event."""
    for event in stream:
        match event:
            case Stage():
                print(event.text, file=sys.stderr)
            case Progress():
                print(f"\r{event.done} of {event.total}", end="", file=sys.stderr)
                print("\n" * (event.done == event.total), end="", file=sys.stderr)
            case JobDone():
                print(as_text(event.result))
            case JobFailed():
                print(event.text, file=sys.stderr)
            case JobCancelled():
                print("Cancelled.", file=sys.stderr)
    return event


def as_text(found: dict) -> str:
    """What was found, as a table and in words."""
    lines = [f"{'':28}{'before':>8}{'after':>8}{'questions':>12}"]
    every = {"name": "all"} | {name: found[name] for name in ("before", "after", "tests")}
    for row in [*found["groups"], *([every] if len(found["groups"]) > 1 else [])]:
        lines.append(f"{row['name']:28}{row['before']:>8}{row['after']:>8}{row['tests']:>12}")
    return "\n".join([*lines, "", found["words"]])
