"""Batch-norm's statistics held still or moving: `python tests/bench/still_statistics.py`.

`Phase.freeze_bn_below_steps` rests on this. Training examples alone: of each class some learn,
and others
that did not are asked. Both sides run in turn, with the same dice.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from trainers import datasets
from trainers.events import PhaseDone
from trainers.plan import Plan
from trainers.training import recipes, run as running

SIDES = {"moving": 0, "still": 1_000_000}  # planned steps below which they stay as they were


def split(data: datasets.DatasetSplits, per_class: int, seed: int) -> datasets.DatasetSplits:
    """`data` with `per_class` of its training examples, asked about others of them."""
    labels, rng = np.asarray(data.train.labels), np.random.default_rng(seed)
    learn, ask = [], []
    for label in range(len(data.classes)):
        there = rng.permutation(np.flatnonzero(labels == label))
        most = min(per_class, int(0.7 * len(there)))
        learn.append(there[:most])
        ask.append(there[most : most + max(20, 300 // len(data.classes))])

    def of(parts: list[np.ndarray]) -> datasets.Split:
        items = rng.permutation(np.concatenate(parts))
        inputs = data.train.inputs
        some = inputs[items] if isinstance(inputs, np.ndarray) else [inputs[i] for i in items]
        return datasets.Split(some, labels[items])

    return replace(data, train=of(learn), test=of(ask))


def score(plan: Plan, data: datasets.DatasetSplits, settles_in: int) -> tuple[float, int]:
    """Accuracy, and steps that the network itself took."""
    own = recipes.build_phases

    def phases(*given: object) -> tuple[recipes.Phase, ...]:
        return tuple(replace(phase, freeze_bn_below_steps=settles_in) for phase in own(*given))

    with mock.patch.object(running, "phases", phases):
        *events, finished = running.run(plan, data=data)
    return finished.test_accuracy, [e.steps for e in events if isinstance(e, PhaseDone)][-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="vehicles,digits,cells", help="samples, or own-…")
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--per-class", default="10,50")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    print("| data | of each class | approach | moving | still |\n|---|---|---|---|---|")
    for key in given.data.split(","):
        whole = datasets.get_dataset(key).load_splits(None)
        for per_class in map(int, given.per_class.split(",")):
            for approach in ("fine_tune", "hybrid"):
                plan = Plan(
                    data=key, approach=approach, backbone=given.backbone, seconds=given.seconds
                )
                found = {side: [] for side in SIDES}
                for seed in range(given.seeds):
                    part = split(whole, per_class, seed)
                    for side, settles_in in SIDES.items():
                        found[side].append(score(replace(plan, seed=seed), part, settles_in))
                cells = [
                    f"{np.mean([one for one, _ in scores]):.1%} ({scores[-1][1]} steps)"
                    for scores in found.values()
                ]
                print(f"| {key} | {per_class} | {approach} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
