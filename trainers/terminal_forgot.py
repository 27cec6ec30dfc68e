"""`python -m trainers forgot RUN`: what the backbone of a finished run forgot."""

import json
import sys

from trainers.events import Cancelled, Done, Failed, Progress, Stage
from trainers.jobs import Forgot, perform
from trainers.store import FINISHED, NoSuchRun, store


def tell(run: str, *, as_json: bool) -> int:
    """0; 1 when it could not be found out; 2, and one line, where there is no such run."""
    try:
        if run == "last" and not (run := _last()):
            print("No run was finished in this terminal yet. Start one: python -m trainers run",
                  file=sys.stderr)  # fmt: skip
            return 2
        store().find(run)
    except NoSuchRun as error:
        print(error, file=sys.stderr)
        return 2
    # Imported only now: a wrong name should not wait for torch.
    from trainers.engine.execute import execute

    job = Forgot(key=run, visitor="terminal")
    key = store().start(job, visitor="terminal", worker="terminal")
    stream = execute(store(), key, job, perform)
    try:
        for event in stream:
            if as_json:
                print(json.dumps(event.as_json()), flush=True)
            elif isinstance(event, Stage):
                print(event.text, file=sys.stderr)
            elif isinstance(event, Progress):
                print(f"\r{event.done} of {event.total}", end="", file=sys.stderr)
                print("\n" * (event.done == event.total), end="", file=sys.stderr)
    except KeyboardInterrupt:
        stream.close()
        print("\nCancelled.", file=sys.stderr)
        return 130
    match event:
        case Done() if not as_json:
            print(as_text(event.found))
        case Failed() | Cancelled() if not as_json:
            print(getattr(event, "text", "Cancelled."), file=sys.stderr)
    return 0 if isinstance(event, Done) else 1


def _last() -> str:
    """The newest run that this terminal finished; "" where there is none."""
    runs = store().of_visitor("terminal")
    return next((run.id for run in runs if run.state == FINISHED), "")


def as_text(found: dict) -> str:
    """What was found, as a table and in words."""
    lines = [f"{'':28}{'before':>8}{'after':>8}{'questions':>12}"]
    every = {"name": "all"} | {name: found[name] for name in ("before", "after", "tests")}
    for row in [*found["groups"], *([every] if len(found["groups"]) > 1 else [])]:
        lines.append(f"{row['name']:28}{row['before']:>8}{row['after']:>8}{row['tests']:>12}")
    return "\n".join([*lines, "", found["words"]])
