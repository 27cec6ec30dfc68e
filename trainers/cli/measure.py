"""Commands that measure Thaw and its advice: bench, bench-advice, claims."""

import sys
from typing import Any

import click

from guide.claims import CLAIMS
from trainers import claims as claim_tests, datasets
from trainers.cli import bench as benchmarks
from trainers.cli.commands import Command, IntList, complete_keys, examples
from trainers.cli.options import import_path, is_path, json_option
from trainers.cli.output import CANCELLED_CODE, print_json_lines, start_job
from trainers.cli.views import draw_claim
from trainers.events import ClaimTestDone
from trainers.jobs import ClaimTest


@click.command(
    cls=Command, epilog=examples("thaw bench --quick", "thaw bench frozen step --rounds 5")
)
@click.argument("rows", nargs=-1, shell_complete=complete_keys(lambda: benchmarks.BENCHMARKS))
@click.option("--only", multiple=True, hidden=True)  # the old way to name rows
@click.option("--rounds", type=int, default=3, show_default=True, help="Of both sides, in turn.")
@click.option("--quick", is_flag=True, help="One round, three minutes at most.")
@json_option("Print one row per line, as JSON.")
def bench(
    rows: tuple[str, ...], only: tuple[str, ...], rounds: int, quick: bool, as_json: bool
) -> int:
    """Measure how fast Thaw is, next to other ways to do the same.

    ROWS are the rows to measure; all by default.
    """
    return benchmarks.run_benchmarks((*only, *rows), rounds, quick=quick, as_json=as_json)


@click.command(
    "bench-advice",
    cls=Command,
    epilog=examples("thaw bench-advice --table", "thaw bench-advice --data reviews.csv"),
)
@click.option("--data", multiple=True, metavar="KEY|PATH",
              help="Repeat it for more. By default all bundled data sets.")  # fmt: skip
@click.option("--examples-per-class", "volumes", type=IntList(), default=(10, 50),
              show_default="10,50")  # fmt: skip
@click.option("--seeds", type=IntList(), default=(0, 1), show_default="0,1")
@click.option("--seconds", type=float, default=20, show_default=True, help="Budget of each run.")
@click.option("--pilot-seconds", type=float, default=20, show_default=True,
              help="Time of each pilot run.")  # fmt: skip
@click.option("--full", is_flag=True,
              help="5, 20 and 100 per class, 3 seeds, 60 s each: takes hours.")  # fmt: skip
@click.option("--table", is_flag=True, help="Print what was measured before; run nothing.")
def bench_advice(data: tuple[str, ...], full: bool, table: bool, **settings: Any) -> int:
    """Measure how often the advice is right. An interrupted measurement continues."""
    keys = [
        import_path(item, sys.stderr) if is_path(item) else datasets.get_dataset(item).key
        for item in data or datasets.BUNDLED_DATASETS
    ]
    # Imported only now: a wrong key should not wait for torch.
    from trainers.tasks import bench_advice as task
    from trainers.workers.ray.cluster import is_ray_enabled

    grid = task.Grid(keys, **settings | (task.FULL_GRID if full else {}))
    if not table:
        if is_ray_enabled():
            from trainers.workers.ray.fleet import connect_executor

            connect_executor()
        for line in task.measure_cells(grid):
            print(line, flush=True)
    print(task.format_table(task.load_cells(grid)))
    return 0


@click.command(cls=Command, epilog=examples("thaw claims", "thaw claims hybrid --seconds 60"))
@click.argument("keys", nargs=-1, metavar="[KEY]...", shell_complete=complete_keys(lambda: CLAIMS))
@click.option("--seconds", type=float, help="Budget for all runs of a claim together.")
@json_option()
@click.option("--write", is_flag=True, help="Make these the results that ship with Thaw.")
def claims(keys: tuple[str, ...], seconds: float | None, as_json: bool, write: bool) -> int:
    """Test the article's claims on this computer."""
    for key in keys:
        claim_tests.build_plans(key, seconds)  # raises where it cannot be run
    failed = False
    for key in keys or CLAIMS:
        job = ClaimTest(key=key, seconds=seconds or claim_tests.max_seconds(key))
        _, stream = start_job(job)
        try:
            last = print_json_lines(stream) if as_json else draw_claim(stream, key)
        except KeyboardInterrupt:
            stream.close()
            print("\nCancelled.", file=sys.stderr)
            return CANCELLED_CODE
        if not isinstance(last, ClaimTestDone):
            failed = True
        elif write:
            words = ["thaw claims", key, *(["--seconds", f"{seconds:g}"] if seconds else [])]
            claim_tests.save_result(last.as_json() | {"command": " ".join([*words, "--write"])})
    return int(failed)
