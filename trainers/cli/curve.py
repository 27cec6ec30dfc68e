"""Learning curves."""

import sys
from collections.abc import Iterator
from typing import Any

from guide.approaches import APPROACHES
from trainers.cli.options import data_options, json_option, keys, several, size_options
from trainers.cli.output import played
from trainers.events import Curved, Event, Failed, Notice, Point
from trainers.jobs import Curve


def add(commands: Any) -> None:
    command = commands.add_parser("curve", help="learning curves: would more data help?")
    data_options(command)
    command.add_argument("--approaches", type=keys, default=Curve.approaches,
                         metavar=",".join(APPROACHES),
                         help=f"{','.join(Curve.approaches)} by default")  # fmt: skip
    size_options(command, 60, "budget in all")
    json_option(command)


def run(given: dict[str, Any]) -> int:
    job = several(Curve, given)
    # Imported only now: a wrong option should not wait for torch.
    from trainers.tasks.learning_curve import curve

    stream = curve(job, stop=lambda: False)
    return played(stream, Curved, None if given["json"] else _points)


def _points(stream: Iterator[Event]) -> Event:
    """Learning curves as a table, a line for each run as it ends; hands back the last event."""
    print(f"{'':22}{'of each class':>14}{'choice':>8}{'right':>8}  {'95 % interval':16}{'time':>8}")
    for event in stream:
        match event:
            case Point():
                interval = f"{event.low:.1%} to {event.high:.1%}"
                mark = "" if event.whole else "  (too short a time for all of them)"
                print(f"{APPROACHES[event.approach].title:22}{event.per_class:>14,}"
                      f"{event.draw + 1:>8}{event.right / event.tests:>8.1%}  {interval:16}"
                      f"{event.seconds:>7.1f}s{mark}", flush=True)  # fmt: skip
            case Notice() | Failed():
                print(event.text, file=sys.stderr)
            case Curved():
                print(f"\n{event.words}")
    return event
