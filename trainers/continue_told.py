"""`python -m trainers continue RUN`: an interrupted run goes on from where it was."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from trainers.events import Event, Finished

NEXT = "Take it away: python -m trainers export {} --to model.zip"


def add(commands: Any) -> None:
    told = commands.add_parser("continue", help="go on with a run that was interrupted")
    told.add_argument("run", help="its id, or `last`: the newest that this terminal started")
    told.add_argument("--json", action="store_true", help="one event a line")


def go_on(run: str, *, as_json: bool, played: Callable[..., int], drawn: Callable) -> int:
    """0; 1 without a score; 2 where it cannot be continued. `played` and `drawn` show a run's
    events."""
    from trainers.continuing import CannotContinue, continue_run
    from trainers.home import run_folder
    from trainers.store import NoSuchRun, store

    runs = store()
    runs.bury_lost()  # one that was killed a moment ago has not been told so
    try:
        if run == "last":
            mine = runs.of_visitor("terminal", limit=1)
            run = mine[0].id if mine else ""
        found = runs.find(run)
        new = continue_run(runs, run, found.visitor, worker="terminal")
    except (NoSuchRun, CannotContinue) as error:
        print(error, file=sys.stderr)
        return 2
    # Imported only now: a wrong name should not wait for torch.
    from trainers.engine.execute import execute
    from trainers.run import run as runner

    stream: Iterator[Event] = execute(runs, new, found.plan, runner, run_folder(new))
    code = played(stream, Finished, None if as_json else partial(drawn, plan=found.plan))
    if not code and not as_json:
        print(NEXT.format(new))
    return code
