"""How long a page of the history takes: `python tests/bench/list_runs.py --runs 10000`.

Fills a store in a temporary folder with runs of one visitor, each with a result as long as a real
one and some events (the newest have all that a long run tells, for their curves in the list), then
lists them in every order, searches, and turns to the last page, each time with the curves. Prints
the median and the slowest of several tries in milliseconds.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))

from sqlalchemy import insert

from guide.approaches import APPROACHES
from trainers import datasets
from trainers.events import RunFinished, Step, ValidationDone
from trainers.plan import Plan
from trainers.store import FINISHED, SORT_ORDERS, Store
from trainers.store.rows import new_row, result_columns
from trainers.store.sparklines import read_sparklines
from trainers.store.tables import events, runs

TRIES = 9
EVENTS = 20  # of each run
LONG = 60  # of the newest: steps of 5 minutes, and so many looks with a map of 150 examples
STEPS, LOOKS = 1500, 40
PAGE = 20


def filled(store: Store, count: int) -> None:
    plans = [
        Plan(data=data, approach=key) for data in datasets.BUNDLED_DATASETS for key in APPROACHES
    ]
    classes = [f"class {number}" for number in range(10)]
    told = [{"event": '{"type": "step"}' + " " * 150, "seq": n} for n in range(1, EVENTS + 1)]
    rows, facts = [], []
    for number in range(count):
        plan = replace(plans[number % len(plans)], seed=number)
        share = number * 7919 % 600 / 600
        last = RunFinished(
            approach=plan.approach, data=plan.data, backbone=plan.backbone, classes=classes,
            train_examples=500, test_examples=600, test_correct=round(600 * share),
            test_accuracy=share, test_accuracy_low=share, test_accuracy_high=share, macro_f1=share,
            confusion_matrix=[[60] * 10] * 10, seconds=number % 97, trainable_parameters=5130,
            parameters=700_000, epochs=12.0, stopped_by_user=False, repeat_plan=plan.as_json(),
        )  # fmt: skip
        row = new_row(plan, "visitor", None) | {"state": FINISHED, "result": last.as_json()}
        row |= {"created_at": time.time() - count + number, "started_at": 0.0, "finished_at": 1.0}
        rows.append(row | result_columns(last.as_json()))
        facts += [one | {"run_id": row["id"]} for one in told]
    look = ValidationDone(
        phase=0,
        step=1,
        epoch=1.0,
        accuracy=0.5,
        loss=1.0,
        is_best=True,
        train_accuracy=0.5,
        train_loss=1.0,
        watched_predictions=[0] * 6,
        confidence=[0.5] * 6,
        map_points=[[1.234, -2.345]] * 150,
        map_labels=[0] * 150,
        map_predictions=[1] * 150,
        seconds=1.0,
    )
    told = ['{"type": "step"}' + " " * 100] * STEPS + [json.dumps(look.as_json())] * LOOKS
    with store.engine.begin() as sql:
        sql.execute(insert(runs), rows)
        sql.execute(insert(events), facts)
        for row in rows[-LONG:]:
            numbered = enumerate(told, EVENTS + 1)
            more = [{"run_id": row["id"], "seq": n, "event": event} for n, event in numbered]
            sql.execute(insert(events), more)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{Path(folder) / 'thaw.db'}")
        filled(store, given.runs)
        megabytes = (Path(folder) / "thaw.db").stat().st_size / 1e6
        print(f"{given.runs:,} runs, {megabytes:.0f} MB, {Step.type}s in each: {EVENTS}")
        asked = {f"sorted by {sort}": {"sort": sort} for sort in SORT_ORDERS}
        asked |= {"last page": {"offset": given.runs - PAGE}, "with parts": {"parts": True}}
        asked |= {"search, some found": {"search": "fine vehicles"}}
        asked |= {"search, nothing found": {"search": "100% of no_thing"}}
        print("| list | median | slowest | found |\n|---|---|---|---|")
        for what, options in asked.items():
            took = []
            for _ in range(TRIES):
                began = time.perf_counter()
                page, total = store.list_history("visitor", limit=PAGE, **options)
                assert all(one.title for one in page)
                curves = read_sparklines(store, [one.id for one in page])
                assert what != "sorted by newest" or len(curves) == PAGE
                took.append(1000 * (time.perf_counter() - began))
            print(f"| {what} | {median(took):.0f} ms | {max(took):.0f} ms | {total:,} |")
        store.engine.dispose()


if __name__ == "__main__":
    main()
