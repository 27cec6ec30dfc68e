"""How a job that a terminal executes itself is kept, and told."""

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


def begun(job: Any, runner: Runner = run_job, **how: Any) -> tuple[str, Iterator[Event]]:
    """The id of `job` in the store, where it is kept like any visitor's, and its events, which
    happen as they are read. `how`: as `execute` takes it."""
    if is_ray_enabled():
        from trainers.workers.ray.fleet import connect_executor

        fleet = connect_executor()
        runner = fleet.run_job if runner is run_job else runner  # the others use its pool
    key = get_store().enqueue(job, visitor=LOCAL_VISITOR, worker=LOCAL_VISITOR)
    return key, execute(get_store(), key, job, runner, run_dir(key), **how)


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
        last = JobFailed(describe_failure(error), 0.0)
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
