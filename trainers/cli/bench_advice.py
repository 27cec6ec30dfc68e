"""How often the advice is right."""

import sys
from typing import Any

from trainers import datasets
from trainers.cli.options import is_path, read


def add(commands: Any) -> None:
    command = commands.add_parser("bench-advice", help="how often is the advice right?")
    command.add_argument("--data", action="append", metavar="SAMPLE|PATH",
                         help="again for each more; all bundled samples by default")  # fmt: skip
    command.add_argument("--volumes", type=_numbers, default=(10, 50), metavar="10,50",
                         help="examples of each class")  # fmt: skip
    command.add_argument("--seeds", type=_numbers, default=(0, 1), metavar="0,1")
    command.add_argument("--seconds", type=float, default=20, help="budget of each run (20)")
    command.add_argument("--trial-seconds", type=float, default=20, help="of each trial (20)")
    command.add_argument("--full", action="store_true",
                         help="5, 20, 100 of each class, 3 seeds, 60 s each: hours")  # fmt: skip
    command.add_argument("--table", action="store_true", help="print what is known, run nothing")


def run(given: dict[str, Any]) -> int:
    keys = [
        read(one, sys.stderr) if is_path(one) else datasets.get_dataset(one).key
        for one in given["data"] or datasets.BUNDLED_DATASETS
    ]
    # Imported only now: a wrong name should not wait for torch.
    from trainers.tasks.bench_advice import FULL_GRID, Grid, format_table, load_cells, measure_cells
    from trainers.workers.ray.cluster import is_ray_enabled

    settings = {name: given[name] for name in ("volumes", "seeds", "seconds")}
    settings |= FULL_GRID if given["full"] else {}
    grid = Grid(keys, pilot_seconds=given["trial_seconds"], **settings)
    if not given["table"]:
        if is_ray_enabled():
            from trainers.workers.ray.fleet import connect_executor

            connect_executor()
        for told in measure_cells(grid):
            print(told, flush=True)
    print(format_table(load_cells(grid)))
    return 0


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))
