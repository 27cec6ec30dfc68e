"""By which rule should the trial choose? `python tests/bench/trial_rule.py --data SAMPLE …`.

Whatever is decided here must not be decided on a test: of each data set the training examples alone
are used, some to learn from and others to see how well that went. Prints what each rule would have
lost against the best approach, in points. Results go to a file as they come, and what is there
already is not measured again.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from trainers import datasets
from trainers.datasets import DatasetSplits
from trainers.evaluation.metrics import compare_paired
from trainers.evaluation.verdict import ADVISABLE
from trainers.events import PredictionsRecorded
from trainers.plan import Plan
from trainers.system.streams import drain
from trainers.tasks.pilot import recommend, run_pilot, select_examples
from trainers.training.features import ComputationCache
from trainers.training.run import run

MOST_ASKED = 400  # examples that judge, of those that nothing learned from

Right = Mapping[str, Sequence[int]]  # approach -> which of the left-out examples it had right


def by_lead(errors: float) -> Callable[[Right, str], str]:
    """Hybrid, unless another leads by more than so many standard errors."""

    def rule(right: Right, article: str) -> str:
        best = max(("transfer", "fine_tune"), key=lambda key: sum(right[key]))
        lead = compare_paired(right[best], right["hybrid"])
        ahead = lead.difference > 0 and lead.difference >= errors * (lead.high - lead.low) / 3.92
        return best if ahead else "hybrid"

    return rule


RULES: Mapping[str, Callable[[Right, str], str]] = {
    "as the trial does": lambda right, article: recommend(right, article)[0],
    "the most right, of equals the article's": lambda right, article: max(
        ADVISABLE, key=lambda key: (sum(right[key]), key == article)
    ),
    **{f"hybrid, unless led by {errors:g} standard errors": by_lead(errors)
       for errors in (0, 0.5, 1, 1.5, 2, 100)},
}  # fmt: skip


def measure(key: str, per_class: int, seed: int, seconds: float, trial_seconds: float) -> dict:
    data = parted(datasets.get_dataset(key).load_splits(None, 0), per_class, seed)
    plan = Plan(data=key, approach="transfer", seconds=seconds, seed=seed)
    stream = run_pilot(plan, data, "hybrid", seconds=trial_seconds, should_stop=lambda: False)
    pilot = drain(stream)
    shared, scores = ComputationCache(), {}
    for approach in ADVISABLE:
        for event in run(replace(plan, approach=approach), shared=shared, data=data):
            if isinstance(event, PredictionsRecorded):
                answers = np.array(event.predictions) == np.array(event.labels)
                scores[approach] = float(answers.mean())
    right = {key: [int(one) for one in answers] for key, answers in pilot.correct.items()}
    return {"data": key, "per_class": per_class, "seed": seed, "right": right, "scores": scores}


def parted(data: DatasetSplits, per_class: int, seed: int) -> DatasetSplits:
    """Of the training examples `per_class` of each class to learn from, the rest as the test."""
    labels, rng = data.train.labels, np.random.default_rng(seed)
    mixed = rng.permutation(len(labels))
    chosen = np.concatenate(
        [mixed[labels[mixed] == label][:per_class] for label in np.unique(labels)]
    )
    learn = np.isin(np.arange(len(labels)), chosen)
    rest = mixed[~learn[mixed]][:MOST_ASKED]
    asked = np.isin(np.arange(len(labels)), rest)
    return replace(
        data, train=select_examples(data.train, learn), test=select_examples(data.train, asked)
    )


def table(rows: Sequence[dict]) -> str:
    lines = ["| rule | mean regret, points | worst | within 1 point |", "|" + "---|" * 4]
    for title, rule in RULES.items():
        lost = []
        for row in rows:
            article = "transfer" if row["per_class"] < 30 else "hybrid"  # as it mostly is
            scores = row["scores"]
            lost.append(100 * (max(scores.values()) - scores[rule(row["right"], article)]))
        near = mean(one <= 1 for one in lost)
        lines.append(f"| {title} | {mean(lost):.2f} | {max(lost):.1f} | {near:.0%} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", nargs="+", default=list(datasets.BUNDLED_DATASETS), help="own-… too"
    )
    parser.add_argument("--per-class", type=int, nargs="+", default=[10])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--trial-seconds", type=float, default=20)
    parser.add_argument("--file", type=Path, default=Path("trial_rule.jsonl"))
    given = parser.parse_args()
    rows = []
    if given.file.exists():
        rows = [json.loads(line) for line in given.file.read_text().splitlines()]
    known = {(row["data"], row["per_class"], row["seed"]) for row in rows}
    for seed in given.seeds:
        for per_class in given.per_class:
            for key in given.data:
                if (key, per_class, seed) in known:
                    continue
                row = measure(key, per_class, seed, given.seconds, given.trial_seconds)
                rows.append(row)
                with open(given.file, "a") as file:
                    file.write(json.dumps(row) + "\n")
                print(row["data"], per_class, seed, row["scores"], file=sys.stderr, flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
