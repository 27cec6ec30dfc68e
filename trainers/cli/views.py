"""Runs, comparisons and other jobs as text: each function prints a stream and returns its last
event."""

import sys
from collections.abc import Iterable, Iterator

from guide.approaches import APPROACHES
from guide.claims import CLAIMS
from trainers.cli.output import printable
from trainers.events import (
    Baseline,
    ClaimRunDone,
    ClaimTestDone,
    ComparisonDone,
    CurvePoint,
    Event,
    JobCancelled,
    JobDone,
    JobFailed,
    LearningCurveDone,
    Notice,
    PhaseDone,
    PhaseStarted,
    PilotDone,
    Progress,
    RunFinished,
    RunStarted,
    Stage,
    ValidationDone,
)
from trainers.plan import Plan

BAR_FORMAT = "{n:.0f} of {total:.0f} s |{bar:30}|"


def draw_run(stream: Iterator[Event], plan: Plan) -> Event:
    """Print a run with a progress bar, then its score and what it means."""
    from tqdm import tqdm

    bar = tqdm(total=plan.seconds, bar_format=BAR_FORMAT, leave=False, disable=None)
    best, events = 0.0, []
    for event in stream:
        events.append(event)
        bar.n = min(event.seconds, plan.seconds) if hasattr(event, "seconds") else 0
        bar.refresh()
        match event:
            case RunStarted():
                bar.write(_describe_start(event))
            case Stage() | Notice():
                bar.write(event.text)
            case Baseline():
                bar.write(f"  without any training ({event.method}): {event.accuracy:.0%}")
            case PhaseStarted():
                best = 0.0
                bar.write(f"  {event.trainable_parameters:,} trainable parameters")
            case ValidationDone() if event.accuracy > best:
                best = event.accuracy
                bar.write(f"  {event.seconds:5.1f} s  epoch {event.epoch:5.1f}  "
                          f"validation accuracy {event.accuracy:4.0%}")  # fmt: skip
            case PhaseDone():
                bar.write(f"  {event.epochs:.1f} epochs, {event.stop_reason}")
    bar.close()
    _print_end(event, events)
    return event


def _describe_start(event: RunStarted) -> str:
    return (
        f"{APPROACHES[event.approach].title} on {event.data}: "
        f"{event.train_examples:,} examples for training, {event.validation_examples:,} for "
        f"validation, {event.test_examples:,} for the test. {len(event.classes)} classes."
    )


def _print_end(event: Event, events: list[Event]) -> None:
    from guide.narrator import ACTIONS
    from trainers.reports.narrate import narrate_run

    match event:
        case RunFinished():
            print(
                f"{event.test_correct} of {event.test_examples} right: {event.test_accuracy:.1%} "
                f"({event.test_accuracy_low:.1%} to {event.test_accuracy_high:.1%}), "
                f"macro-F1 {event.macro_f1:.2f}, {event.seconds:.1f} s"
            )
            narration = narrate_run(events)
            print(printable(narration.text))
            if narration.action:
                print(f"What to do: {ACTIONS[narration.action]}.")
        case JobFailed():
            print(event.text, file=sys.stderr)
        case JobCancelled():
            print("Cancelled.", file=sys.stderr)


def draw_comparison(stream: Iterator[Event]) -> Event:
    """Print a comparison as a table, one line for each run as it ends, then the verdict."""
    print(f"{'':22}{'accuracy':>12}  {'95 % interval':16}{'macro-F1':>8}{'time':>9}{'trained':>13}")
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
                _print_verdict(event)
    return event


def _print_verdict(event: ComparisonDone) -> None:
    rules = APPROACHES[event.article_advice].title
    print(f"\nThe article's rules, with answers measured on the data: {rules}.")
    print(f"Recommended: {APPROACHES[event.advice].title}. {event.verdict}")
    for title, text in (
        ("What misled", event.diagnosis_text),
        ("What to do", event.next_steps),
    ):
        if text:
            print("\n  - ".join([f"\n{title}:", *text.splitlines()]))


def draw_curve(stream: Iterator[Event]) -> Event:
    """Print learning curves as a table, one line for each run as it ends."""
    print(f"{'':22}{'per class':>14}{'draw':>8}{'acc.':>8}  {'95 % interval':16}{'time':>8}")
    for event in stream:
        match event:
            case CurvePoint():
                interval = f"{event.low:.1%} to {event.high:.1%}"
                accuracy = event.correct / event.test_examples
                mark = "" if event.used_all_examples else "  (not enough time for all of them)"
                print(f"{APPROACHES[event.approach].title:22}{event.examples_per_class:>14,}"
                      f"{event.draw + 1:>8}{accuracy:>8.1%}  {interval:16}"
                      f"{event.seconds:>7.1f}s{mark}", flush=True)  # fmt: skip
            case Notice() | JobFailed():
                print(event.text, file=sys.stderr)
            case LearningCurveDone():
                print(f"\n{event.summary}")
    return event


def draw_claim(stream: Iterable[Event], key: str) -> Event:
    """Print the test of the claim `key`, one line for each run as it ends, then the outcome."""
    print(f"{CLAIMS[key].title}\n{CLAIMS[key].experiment}", flush=True)
    for event in stream:
        match event:
            case ClaimRunDone():
                print(f"  {event.index + 1:2} of {event.total}  {event.data:10}"
                      f"{APPROACHES[event.approach].title:22}{event.examples_per_class:3} per class"
                      f"{event.correct / event.test_examples:>8.1%} of {event.test_examples}"
                      f"{event.seconds:>8.1f} s", flush=True)  # fmt: skip
            case ClaimTestDone():
                print(f"{event.summary}\n")
            case JobFailed():
                print(event.text, file=sys.stderr)
    return event


def draw_forgetting(stream: Iterator[Event]) -> Event:
    """Print the progress of a forgetting test on stderr, then its table."""
    for event in stream:
        match event:
            case Stage():
                print(event.text, file=sys.stderr)
            case Progress():
                print(f"\r{event.done} of {event.total}", end="", file=sys.stderr)
                print("\n" * (event.done == event.total), end="", file=sys.stderr)
            case JobDone():
                print(format_forgetting(event.result))
            case JobFailed():
                print(event.text, file=sys.stderr)
            case JobCancelled():
                print("Cancelled.", file=sys.stderr)
    return event


def format_forgetting(result: dict) -> str:
    """Return the result of a forgetting test as a table and a sentence."""
    lines = [f"{'':28}{'before':>8}{'after':>8}{'questions':>12}"]
    total = {"name": "all"} | {name: result[name] for name in ("before", "after", "tests")}
    for row in [*result["groups"], *([total] if len(result["groups"]) > 1 else [])]:
        lines.append(f"{row['name']:28}{row['before']:>8}{row['after']:>8}{row['tests']:>12}")
    return "\n".join([*lines, "", result["words"]])


def draw_download(stream: Iterator[Event]) -> Iterator[Event]:
    """Draw a progress bar for the events of a download as they pass."""
    from tqdm import tqdm

    with tqdm(unit="B", unit_scale=True, leave=False, disable=None) as bar:
        for event in stream:
            match event:
                case Stage() | Notice():
                    bar.write(event.text, file=sys.stderr)
                case Progress():
                    bar.unit = "B" if event.unit == "bytes" else f" {event.unit}"
                    bar.total, bar.n = event.total, event.done
                    bar.refresh()
            yield event
