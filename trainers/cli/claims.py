"""The article's claims, put to the test."""

import sys
from collections.abc import Iterable
from typing import Any

from guide.approaches import APPROACHES
from guide.claims import CLAIMS
from trainers import claims
from trainers.cli.options import json_option
from trainers.cli.output import as_lines, begun
from trainers.events import ClaimRunDone, ClaimTestDone, Event, JobFailed
from trainers.jobs import ClaimTest


def add(commands: Any) -> None:
    command = commands.add_parser("claims", help="put the article's claims to the test")
    command.add_argument("keys", nargs="*", metavar="|".join(CLAIMS), help="all by default")
    command.add_argument("--seconds", type=float, help="for all runs of a claim together, at most; "
                         "by default what its experiment asks for")  # fmt: skip
    json_option(command)
    command.add_argument("--write", action="store_true", help="make them the results that ship")


def run(given: dict[str, Any]) -> int:
    keys, seconds = given["keys"], given["seconds"]
    for key in keys:
        claims.build_plans(key, seconds)  # raises where it could not be run
    failed = False
    for key in keys or CLAIMS:
        _, stream = begun(ClaimTest(key=key, seconds=seconds or claims.max_seconds(key)))
        try:
            last = as_lines(stream) if given["json"] else _tested(stream, key)
        except KeyboardInterrupt:
            stream.close()
            print("\nCancelled.", file=sys.stderr)
            return 130
        if not isinstance(last, ClaimTestDone):
            failed = True
        elif given["write"]:
            asked = ["claims", key, *(["--seconds", f"{seconds:g}"] if seconds else []), "--write"]
            claims.save_result(
                last.as_json() | {"command": " ".join(["python -m trainers", *asked])}
            )
    return int(failed)


def _tested(stream: Iterable[Event], key: str) -> Event:
    """The test of a claim as text, a line for each run as it ends; hands back its last event."""
    print(f"{CLAIMS[key].title}\n{CLAIMS[key].experiment}", flush=True)
    for event in stream:
        match event:
            case ClaimRunDone():
                print(f"  {event.index + 1:2} of {event.total}  {event.data:10}"
                      f"{APPROACHES[event.approach].title:22}{event.examples_per_class:3} of each"
                      f"{event.correct / event.test_examples:>8.1%} of {event.test_examples}"
                      f"{event.seconds:>8.1f} s", flush=True)  # fmt: skip
            case ClaimTestDone():
                print(f"{event.summary}\n")
            case JobFailed():
                print(event.text, file=sys.stderr)
    return event
