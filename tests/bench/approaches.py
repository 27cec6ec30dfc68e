"""Every approach on every sample: `python tests/bench/approaches.py`. Prints a table.

One run after the other in one process, so that none slows another. Results go to a file as they
come, and what is there already is not run again.
"""

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean, median, pstdev

sys.path.insert(0, str(Path(__file__).parents[2]))

from guide.approaches import APPROACHES
from trainers.datasets import BUNDLED_DATASETS
from trainers.plan import Plan
from trainers.training.run import run


def measured(plan: Plan) -> dict:
    """The last event of `plan`, without what takes much room."""
    *_, finished = run(plan)
    facts = finished.as_json()
    del facts["confusion"], facts["repeat"]
    return facts | {"per_class": plan.examples_per_class, "seed": plan.seed, "budget": plan.seconds}


def table(rows: list[dict]) -> str:
    """Markdown: a row for each sample and number of examples, a column an approach."""
    cells = defaultdict(list)
    for row in rows:
        cells[row["data"], row["per_class"], row["approach"]].append(row)
    head = ["data", "examples of each class", *(a.title for a in APPROACHES.values())]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for data, count in sorted(
        {key[:2] for key in cells}, key=lambda k: (list(BUNDLED_DATASETS).index(k[0]), k[1])
    ):
        shown = [data, str(count)]
        for approach in APPROACHES:
            runs = cells[data, count, approach]
            right = [100 * run["test_accuracy"] for run in runs]
            seconds = median(run["seconds"] for run in runs) if runs else 0
            shown.append(
                f"{mean(right):.0f} ± {pstdev(right):.0f}, {seconds:.1f} s" if runs else ""
            )
        lines.append(f"| {' | '.join(shown)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=",".join(BUNDLED_DATASETS))
    parser.add_argument("--approaches", default=",".join(APPROACHES))
    parser.add_argument("--per-class", default="10,50")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--file", type=Path, default=Path("approaches.jsonl"))
    given = parser.parse_args()
    rows = []
    if given.file.exists():
        rows = [json.loads(line) for line in given.file.read_text().splitlines()]
    known = {(row["data"], row["approach"], row["per_class"], row["seed"]) for row in rows}
    for seed in range(given.seeds):
        for data in given.data.split(","):
            for count in map(int, given.per_class.split(",")):
                for approach in given.approaches.split(","):
                    if (data, approach, count, seed) in known:
                        continue
                    plan = Plan(
                        data=data,
                        approach=approach,
                        examples_per_class=count,
                        seconds=given.seconds,
                        seed=seed,
                    )
                    rows.append(measured(plan))
                    with open(given.file, "a") as file:
                        file.write(json.dumps(rows[-1]) + "\n")
                    print(data, count, approach, seed, f"{rows[-1]['test_accuracy']:.3f}",
                          f"{rows[-1]['seconds']:.1f} s", file=sys.stderr, flush=True)  # fmt: skip
    print(table(rows))


if __name__ == "__main__":
    main()
