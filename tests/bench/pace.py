"""Predicted against actual seconds: `python tests/bench/pace.py --data digits,vehicles`.

Predicts what each approach takes on each data set (a sample, or own-… as the terminal named it),
then lets it run to its end. Prints a table, and the steps of the last layer, from which the
constant in trainers/training/estimate.py comes. Wants a computer that does nothing else.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from trainers import backbones, datasets
from trainers.events import PhaseDone
from trainers.plan import MAX_SECONDS, Plan
from trainers.tasks import timing
from trainers.training.run import run


def predicted(data: datasets.DatasetSplits) -> dict[str, timing.TrainingEstimate]:
    stream = timing.estimate_training(data, backbones.get_bundled(data.modality).key)
    while True:
        try:
            next(stream)
        except StopIteration as end:
            return end.value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits,vehicles,messages")
    parser.add_argument("--approaches", default=",".join(timing.APPROACHES))
    parser.add_argument("--per-class", type=int, default=50)
    given = parser.parse_args()
    steps = []
    print("| data | approach | predicted | actual | ratio |")
    print("|---|---|---|---|---|")
    for key in given.data.split(","):
        data = datasets.get_dataset(key).load_splits(given.per_class)
        for approach in given.approaches.split(","):
            course = predicted(data)[approach]
            plan = Plan(
                data=key, approach=approach, examples_per_class=given.per_class, seconds=MAX_SECONDS
            )
            *events, finished = run(plan)
            if approach == "transfer":
                steps += [event.steps for event in events if isinstance(event, PhaseDone)]
            print(f"| {key} | {approach} | {course.seconds:.1f} s | {finished.seconds:.1f} s "
                  f"| {course.seconds / finished.seconds:.2f} |", flush=True)  # fmt: skip
    print("steps of the last layer:", steps)


if __name__ == "__main__":
    main()
