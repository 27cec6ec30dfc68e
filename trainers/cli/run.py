"""One approach on one sample."""

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from guide.approaches import APPROACHES
from trainers.cli.options import data_options, json_option, keys, planned, size_options
from trainers.cli.output import begun, one_line, played
from trainers.events import (
    Baseline,
    Event,
    JobCancelled,
    JobFailed,
    Notice,
    PhaseDone,
    PhaseStarted,
    RunFinished,
    RunStarted,
    Stage,
    ValidationDone,
)
from trainers.plan import TRAINABLE_CHOICES, BadPlan, Plan

BAR = "{n:.0f} of {total:.0f} s |{bar:30}|"


def add(commands: Any) -> None:
    command = commands.add_parser("run", help="run one approach on one sample")
    data_options(command)
    command.add_argument("--approach", metavar="|".join(APPROACHES))
    command.add_argument(
        "--plan",
        metavar="FILE",
        help="a file with a plan (`repeat` of a run's last event), or -; in place of the others",
    )
    size_options(command, 30, "budget of wall time")
    command.add_argument(
        "--mends",
        type=keys,
        default=(),
        metavar="KEY,KEY",
        help="of own-… data: findings whose mends are made, see `advise`",
    )
    command.add_argument("--what-learns", default="auto", metavar="|".join(TRAINABLE_CHOICES))
    json_option(command)


def run(given: dict[str, Any]) -> int:
    plan = planned(given) if given["plan"] is None else _in_file(given["plan"])
    key, stream = begun(plan)
    code = played(stream, RunFinished, None if given["json"] else partial(drawn, plan=plan))
    if not code and not given["json"]:
        print(f"Take it away: python -m trainers export {key} --to model.zip")
    return code


def _in_file(file: str) -> Plan:
    """Raises `BadPlan`."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        return Plan.from_json(json.loads(text))
    except BadPlan:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadPlan(f"{file} holds no plan ({error}). Save `repeat` of a run's end.") from None


def drawn(stream: Iterator[Event], plan: Plan) -> Event:
    """The same run as text with a progress bar; hands back its last event."""
    from tqdm import tqdm

    from guide.narrator import ACTIONS
    from trainers.reports.narrate import narrate_run

    bar = tqdm(total=plan.seconds, bar_format=BAR, leave=False, disable=None)
    classes, shown, events = [], 0.0, []
    for event in stream:
        events.append(event)
        bar.n = min(event.seconds, plan.seconds) if hasattr(event, "seconds") else 0
        bar.refresh()
        match event:
            case RunStarted():
                classes = event.classes
                bar.write(
                    f"{APPROACHES[event.approach].title} on {event.data}: "
                    f"{event.train_examples + event.validation_examples:,} to learn from, "
                    f"{event.validation_examples:,} of them to check by first, "
                    f"{event.test_examples:,} test. {len(classes)} classes."
                )
            case Stage() | Notice():
                bar.write(event.text)
            case Baseline():
                bar.write(f"  without any training ({event.method}): {event.accuracy:.0%}")
            case PhaseStarted():
                shown = 0.0
                bar.write(f"  {event.trainable_parameters:,} numbers learn")
            case ValidationDone() if event.accuracy > shown:
                shown = event.accuracy
                bar.write(f"  {event.seconds:5.1f} s  epoch {event.epoch:5.1f}  "
                          f"{event.accuracy:4.0%} of the checks right")  # fmt: skip
            case PhaseDone():
                bar.write(f"  {event.epochs:.1f} epochs, {event.stop_reason}")
    bar.close()
    match event:
        case RunFinished():
            print(
                f"{event.test_correct} of {event.test_examples} right: {event.test_accuracy:.1%} "
                f"({event.test_accuracy_low:.1%} to {event.test_accuracy_high:.1%}), "
                f"macro-F1 {event.macro_f1:.2f}, {event.seconds:.1f} s"
            )
            told = narrate_run(events)
            print(one_line(told.text))
            if told.action:
                print(f"What to do: {ACTIONS[told.action]}.")
        case JobFailed():
            print(event.text, file=sys.stderr)
        case JobCancelled():
            print("Cancelled.", file=sys.stderr)
    return event
