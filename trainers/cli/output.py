"""How a job that a terminal executes itself is kept, and told."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from trainers.datasets.uploads import TERMINAL
from trainers.events import Event, Failed
from trainers.jobs import Runner, perform
from trainers.store import store
from trainers.system.paths import run_folder
from trainers.workers.execute import execute, reason
from trainers.workers.ray.cluster import chosen


def begun(job: Any, runner: Runner = perform, **how: Any) -> tuple[str, Iterator[Event]]:
    """The id of `job` in the store, where it is kept like any visitor's, and its events, which
    happen as they are read. `how`: as `execute` takes it."""
    if chosen():
        from trainers.workers.ray.fleet import joined

        fleet = joined()
        runner = fleet.perform if runner is perform else runner  # the others use its pool
    key = store().start(job, visitor=TERMINAL, worker=TERMINAL)
    return key, execute(store(), key, job, runner, run_folder(key), **how)


def played(
    stream: Iterator[Event], end: type[Event], drawn: Callable[[Iterator[Event]], Event] | None
) -> int:
    """0 where the stream ends with an `end`; one event a line, or as `drawn` shows it."""
    try:
        last = drawn(stream) if drawn else as_lines(stream)
    except KeyboardInterrupt:
        stream.close()
        print("\nCancelled.", file=sys.stderr)
        return 130
    except Exception as error:  # it must end with a word, whatever happened in it
        last = Failed(reason(error), 0.0)
        if drawn:
            print(last.text, file=sys.stderr)
        else:
            print(json.dumps(last.as_json()))
    return 0 if isinstance(last, end) else 1


def as_lines(stream: Iterable[Event]) -> Event:
    for event in stream:
        print(json.dumps(event.as_json()), flush=True)
    return event


def one_line(text: str) -> str:
    """A visitor's words such that they cannot steer the terminal."""
    return "".join(sign if sign.isprintable() else "�" for sign in text)
