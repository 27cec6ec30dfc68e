"""Several approaches on the same split."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from guide.approaches import APPROACHES
from trainers.cli.options import data_options, json_option, keys, several, size_options
from trainers.cli.output import begun, played
from trainers.events import ComparisonDone, Event, JobFailed, PilotDone, RunFinished
from trainers.jobs import Comparison


def add(commands: Any) -> None:
    command = commands.add_parser("compare", help="run several approaches on the same split")
    data_options(command)
    command.add_argument("--approaches", type=keys, default=Comparison.approaches,
                         metavar=",".join(APPROACHES), help="all by default")  # fmt: skip
    size_options(command, 30, "budget of each run")
    command.add_argument("--trial-seconds", type=float, default=20,
                         help="of a trial on parts of the training (20); 0: none")  # fmt: skip
    json_option(command)


def run(given: dict[str, Any]) -> int:
    job = several(Comparison, given)
    # Imported only now: a wrong option should not wait for torch.
    from trainers.tasks.compare import is_comparison_event, run_lanes

    def runner(
        job: Comparison, *, should_stop: Callable[[], bool], folder: Path
    ) -> Iterator[Event]:
        return run_lanes(job, should_stop=should_stop, part_of=folder.name)

    _, stream = begun(job, runner, keeps=is_comparison_event)
    return played(stream, ComparisonDone, None if given["json"] else _race)


def _race(stream: Iterator[Event]) -> Event:
    """A comparison as a table, a line for each run as it ends; hands back its last event."""
    print(f"{'':22}{'right':>12}  {'95 % interval':16}{'macro-F1':>8}{'time':>9}{'learned':>13}")
    for event in stream:
        match event:
            case RunFinished():
                interval = f"{event.test_accuracy_low:.1%} to {event.test_accuracy_high:.1%}"
                print(f"{APPROACHES[event.approach].title:22}{event.test_accuracy:>12.1%}  "
                      f"{interval:16}{event.macro_f1:>8.2f}{event.seconds:>8.1f}s"
                      f"{event.trainable_parameters:>13,}", flush=True)  # fmt: skip
            case JobFailed():
                print(event.text, file=sys.stderr)
            case PilotDone():
                print(event.summary)
            case ComparisonDone():
                print(f"\nThe article's rules, on answers measured from the data: "
                      f"{APPROACHES[event.article_advice].title}.")  # fmt: skip
                print(f"Advised: {APPROACHES[event.advice].title}. {event.verdict}")
                for title, text in (
                    ("What misled", event.diagnosis_text),
                    ("What to do", event.next_steps),
                ):
                    if text:
                        print("\n  - ".join([f"\n{title}:", *text.splitlines()]))
    return event
