"""An interrupted run, from where it was."""

from functools import partial
from typing import Any

from trainers.cli.output import played
from trainers.cli.run import drawn
from trainers.datasets.uploads import LOCAL_VISITOR
from trainers.events import RunFinished
from trainers.store import get_store
from trainers.store.resume import resume_run
from trainers.system.paths import run_dir
from trainers.workers.execute import execute

NEXT = "Take it away: python -m trainers export {} --to model.zip"


def add(commands: Any) -> None:
    command = commands.add_parser("continue", help="go on with a run that was interrupted")
    command.add_argument("run", help="its id, or `last`: the newest that this terminal started")
    command.add_argument("--json", action="store_true", help="one event a line")


def run(given: dict[str, Any]) -> int:
    key, runs = given["run"], get_store()
    runs.fail_stale_runs()  # one that was killed a moment ago has not been told so
    if key == "last":
        mine = runs.list_runs(LOCAL_VISITOR, limit=1)
        key = mine[0].id if mine else ""
    found = runs.get_run(key)
    new = resume_run(runs, key, found.visitor, worker=LOCAL_VISITOR)
    # Imported only now: a wrong name should not wait for torch.
    from trainers.training.run import run as runner

    stream = execute(runs, new, found.plan, runner, run_dir(new))
    code = played(stream, RunFinished, None if given["json"] else partial(drawn, plan=found.plan))
    if not code and not given["json"]:
        print(NEXT.format(new))
    return code
