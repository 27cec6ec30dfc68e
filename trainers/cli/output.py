"""How a terminal carries out a job itself, and prints its events."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from trainers.datasets.uploads import LOCAL_VISITOR
from trainers.events import Event, JobFailed
from trainers.jobs import Runner, run_job
from trainers.store import get_store
from trainers.system.paths import run_dir
from trainers.workers.execute import describe_failure, execute
from trainers.workers.ray.cluster import is_ray_enabled

CANCELLED_CODE = 130  # as a shell reports a process that Ctrl-C ended


def start_job(job: Any, runner: Runner = run_job, **options: Any) -> tuple[str, Iterator[Event]]:
    """Store `job` like any visitor's, and return its id and its events.

    The job advances as its events are read. `options` are those of `execute`.
    """
    if is_ray_enabled():
        from trainers.workers.ray.fleet import connect_executor

        fleet = connect_executor()
        runner = fleet.run_job if runner is run_job else runner  # the others use its pool
    key = get_store().enqueue(job, visitor=LOCAL_VISITOR, worker=LOCAL_VISITOR)
    return key, execute(get_store(), key, job, runner, run_dir(key), **options)


def follow(
    stream: Iterator[Event], end: type[Event], draw: Callable[[Iterator[Event]], Event] | None
) -> int:
    """Print the events of `stream`, by `draw` or as JSON lines.

    Returns the exit code: 0 where the last event is an `end`, else 1.
    """
    try:
        last = draw(stream) if draw else print_json_lines(stream)
    except KeyboardInterrupt:
        stream.close()
        print("\nCancelled.", file=sys.stderr)
        return CANCELLED_CODE
    except Exception as error:  # the user gets a sentence, whatever went wrong
        last = JobFailed(describe_failure(error), 0.0)
        if draw:
            print(last.text, file=sys.stderr)
        else:
            print(json.dumps(last.as_json()))
    return 0 if isinstance(last, end) else 1


def print_json_lines(stream: Iterable[Event]) -> Event:
    """Print one event per line, and return the last."""
    for event in stream:
        print(json.dumps(event.as_json()), flush=True)
    return event


def printable(text: str) -> str:
    """Return a visitor's text without characters that could control the terminal."""
    return "".join(char if char.isprintable() else "�" for char in text)
