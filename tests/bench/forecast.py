"""Foretold against actual time and memory: `python tests/bench/forecast.py`.

Runs every approach on every bundled sample, each in a process of its own (memory that was taken
once is not given back), and prints what `Started` foretold beside what came, and the parts that
the constants in trainers/training/estimate.py were chosen by. Times want a computer that does
nothing else.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from trainers import datasets
from trainers.events import PhaseDone, PhaseScheduled
from trainers.plan import Plan
from trainers.training import estimate
from trainers.training.run import run

ROOT = Path(__file__).parents[2]
APPROACHES = ("none", "transfer", "hybrid", "fine_tune", "scratch")


def one(settings: dict) -> None:
    """A run, and its numbers as a line of JSON."""
    ahead = {}

    def noted(run: estimate.RunSize, now: int) -> int:
        ahead.update(run=run, now=now)
        return told(run, now)

    told, estimate.estimate_peak_bytes = estimate.estimate_peak_bytes, noted
    started, *events, finished = run(Plan(**settings))
    known = ahead["run"]
    steps = [event for event in events if isinstance(event, PhaseDone)]
    paced = [event for event in events if isinstance(event, PhaseScheduled)]
    print(
        json.dumps(
            settings
            | {
                "foretold_s": started.estimated_seconds,
                "took_s": finished.seconds,
                "now": ahead["now"],
                "foretold": started.estimated_memory_bytes,
                "used": finished.peak_memory_bytes,
                "kept": known.activation_memory.kept * 32 / (1 + (started.modality == "text")),
                "widest": known.activation_memory.peak_layer_bytes * 128,
                "parameters": known.parameters,
                "lora": known.lora_parameters,
                "step": [p.step_seconds / known.forward_seconds for p in paced],
                "ended": [(done.steps, done.stop_reason) for done in steps],
                "forward": known.forward_seconds,
            }
        ),
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=",".join(datasets.BUNDLED_DATASETS))
    parser.add_argument("--approaches", default=",".join(APPROACHES))
    parser.add_argument("--per-class", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--what-learns", default="auto")
    parser.add_argument("--backbone", help="by default each sample's own")
    parser.add_argument("--parts", action="store_true", help="as JSON, with what it was made of")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(json.loads(given.one))
        return
    if not given.parts:
        print("| data | approach | foretold | took | ratio | foretold | used | ratio |")
        print("|---|---|---|---|---|---|---|---|")
    for data in given.data.split(","):
        for approach in given.approaches.split(","):
            settings = {"data": data, "approach": approach, "per_class": given.per_class}
            settings |= {"seconds": given.seconds, "what_learns": given.what_learns}
            settings |= {"backbone": given.backbone} if given.backbone else {}
            asked = [sys.executable, "-W", "ignore", __file__, "--one", json.dumps(settings)]
            line = subprocess.run(asked, cwd=ROOT, check=True, capture_output=True, text=True)
            if given.parts:
                print(line.stdout.strip(), flush=True)
                continue
            row = json.loads(line.stdout)
            print(f"| {data} | {approach} | {row['foretold_s']:.1f} s | {row['took_s']:.1f} s "
                  f"| {row['foretold_s'] / row['took_s']:.2f} | {row['foretold'] / 1e6:,.0f} MB "
                  f"| {row['used'] / 1e6:,.0f} MB | {row['foretold'] / row['used']:.2f} |",
                  flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
