"""Learning curves."""

import sys
from collections.abc import Iterator
from typing import Any

from guide.approaches import APPROACHES
from trainers.cli.options import data_options, json_option, keys, several, size_options
from trainers.cli.output import played
from trainers.events import CurvePoint, Event, JobFailed, LearningCurveDone, Notice
from trainers.jobs import LearningCurve


def add(commands: Any) -> None:
    command = commands.add_parser("curve", help="learning curves: would more data help?")
    data_options(command)
    command.add_argument("--approaches", type=keys, default=LearningCurve.approaches,
                         metavar=",".join(APPROACHES),
                         help=f"{','.join(LearningCurve.approaches)} by default")  # fmt: skip
    size_options(command, 60, "budget in all")
    json_option(command)


def run(given: dict[str, Any]) -> int:
    job = several(LearningCurve, given)
    # Imported only now: a wrong option should not wait for torch.
    from trainers.tasks.learning_curve import run_learning_curve

    stream = run_learning_curve(job, should_stop=lambda: False)
    return played(stream, LearningCurveDone, None if given["json"] else _points)


def _points(stream: Iterator[Event]) -> Event:
    """Learning curves as a table, a line for each run as it ends; hands back the last event."""
    print(f"{'':22}{'of each class':>14}{'choice':>8}{'right':>8}  {'95 % interval':16}{'time':>8}")
    for event in stream:
        match event:
            case CurvePoint():
                interval = f"{event.low:.1%} to {event.high:.1%}"
                mark = "" if event.used_all_examples else "  (too short a time for all of them)"
                print(f"{APPROACHES[event.approach].title:22}{event.examples_per_class:>14,}"
                      f"{event.draw + 1:>8}{event.correct / event.test_examples:>8.1%}  {interval:16}"
                      f"{event.seconds:>7.1f}s{mark}", flush=True)  # fmt: skip
            case Notice() | JobFailed():
                print(event.text, file=sys.stderr)
            case LearningCurveDone():
                print(f"\n{event.summary}")
    return event
