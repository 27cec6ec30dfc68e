"""Measures what the page Learn shows and writes lessons.json: `python -m trainers.lessons.make`.

Nothing here is picked for its looks: pictures are the first of their class, runs those of seed 0,
and every share is the mean over all draws.
"""

import argparse
import base64
import io
import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from trainers import datasets
from trainers.lessons import RESULTS_PATH, toy
from trainers.networks.encoder import Encoder
from trainers.networks.minilm import MiniLM
from trainers.networks.small_resnet import SmallResNet
from trainers.training.inference import extract_features
from trainers.training.prototypes import assign_nearest, classify_by_class_mean

IMAGE_DATASETS = ("vehicles", "cells", "digits")
EXAMPLES_PER_CLASS = 40  # pictures of each class among which neighbours are looked for
QUERY_IMAGES, NEIGHBOURS = 4, 3
FILTER_COUNT = 6  # of 32: the strongest
THUMB_PX = 48
FEW_EXAMPLES, MANY_EXAMPLES = 24, 300  # points to learn from
REPEATS, TEST_POINTS = 20, 3000
GRID_CELLS = 36  # of the toy's plane, a side
SHOTS = (1, 2, 5, 10, 20, 40)
EVAL_STEPS = 5  # steps between two looks


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m trainers.lessons.make", description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS_PATH)
    out = parser.parse_args(arguments).out
    torch.set_num_threads(1)  # the same numbers on any machine of this kind
    net = toy.pretrain(seed=0)
    body = SmallResNet.build(pretrained=True).eval()
    found = {
        "torch": torch.__version__,
        "filters": measure_filters(body),
        "neighbours": {key: measure_neighbours(body, key) for key in IMAGE_DATASETS},
        "thaw": measure_thawing(net),
        "hybrid": measure_hybrid(net),
        "curves": measure_curves(net),
        "shots": measure_few_shot(),
    }
    out.write_text(json.dumps(found, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{out}: {out.stat().st_size / 1000:.0f} kB")


# --- what a backbone knows ------------------------------------------------------------------------


@torch.inference_mode()
def measure_filters(body: SmallResNet) -> dict[str, Any]:
    """`weights`: the strongest filters of the first layer, each 3 x 3 colours (0..255, grey is 0);
    `answers`: for a picture of each sample, where each filter answers, as pictures."""
    first = body.parts.stem[0]
    weights = first[0].weight
    strongest = weights.flatten(1).norm(dim=1).argsort(descending=True)[:FILTER_COUNT]
    kernels = weights[strongest]
    scaled = 127.5 + 127.5 * kernels / kernels.abs().amax((1, 2, 3), keepdim=True)
    answers = []
    for key in IMAGE_DATASETS:
        data = datasets.get_dataset(key).load_splits(1, 0)
        ready = body.prepare(data.train.inputs[:1])
        maps = first((ready.batch(torch.arange(1)) - body.mean) / body.std)[0, strongest]
        maps = 255 * maps / maps.amax((1, 2), keepdim=True).clamp(min=1e-6)
        answers.append(
            {
                "key": key,
                "picture": _make_thumbnail(data.train.inputs[0]),
                "label": data.classes[int(data.train.labels[0])],
                "maps": [_to_data_uri(one.round().to(torch.uint8).numpy(), "PNG") for one in maps],
            }
        )
    return {
        "weights": scaled.permute(0, 2, 3, 1).round().int().tolist(),
        "answers": answers,
        "all": len(weights),
    }


def measure_neighbours(body: SmallResNet, key: str) -> dict[str, Any]:
    """For some pictures, those most like them: by the features, and by the plain pixels; and the
    share of all pictures whose nearest is of the same class."""
    data = datasets.get_dataset(key).load_splits(EXAMPLES_PER_CLASS, 0)
    labels = torch.as_tensor(np.asarray(data.train.labels))
    pixels = torch.from_numpy(np.stack(list(data.train.inputs))).float().flatten(1)
    order = {
        "features": _rank_by_similarity(_extract_features(body, data.train.inputs)),
        "pixels": _rank_by_similarity(pixels),
    }
    places = [int((labels == label).nonzero()[0]) for label in range(QUERY_IMAGES)]
    shown = set(places)
    for by in order.values():
        shown |= {int(item) for place in places for item in by[place, :NEIGHBOURS]}
    return {
        "pictures": len(labels),
        "same": {
            name: round((labels[by[:, 0]] == labels).float().mean().item(), 4)
            for name, by in order.items()
        },
        "guessing": round(((labels[:, None] == labels).sum(1) - 1).float().mean().item()
                          / (len(labels) - 1), 4),
        "shown": {
            str(item): {
                "picture": _make_thumbnail(data.train.inputs[item]),
                "label": data.classes[int(labels[item])],
            }
            for item in sorted(shown)
        },
        "queries": [
            {"picture": place}
            | {name: by[place, :NEIGHBOURS].tolist() for name, by in order.items()}
            for place in places
        ],
    }  # fmt: skip


def _rank_by_similarity(values: Tensor) -> Tensor:
    """For each row the others, the most alike first: by angle, seen from the mean."""
    towards = F.normalize(values - values.mean(0), dim=1)
    return (towards @ towards.T).fill_diagonal_(-2).argsort(1, descending=True)


def _extract_features(body: Encoder, inputs: Sequence) -> Tensor:
    ready = body.prepare(inputs)
    features = torch.cat(list(extract_features(body, ready, torch.arange(len(ready)))))
    return body.keep_last_layer(features).float()  # what the lesson speaks of


def _make_thumbnail(picture: np.ndarray) -> str:
    image = Image.fromarray(np.asarray(picture)).resize(
        (THUMB_PX, THUMB_PX), Image.Resampling.BICUBIC
    )
    return _to_data_uri(np.asarray(image), "WEBP")


def _to_data_uri(picture: np.ndarray, kind: str) -> str:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, kind, quality=80, optimize=True)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(out.getvalue()).decode()}"


# --- the toy --------------------------------------------------------------------------------------


def measure_thawing(net: nn.Sequential) -> list[dict[str, Any]]:
    """For every task and number of examples, and for 0 to all layers thawed: the share right among
    the examples and in the test (means over the draws), and of the first draw the answer all over
    the plane (`surface`, base64 of uint8)."""
    found = []
    for task, draw in toy.TASKS.items():
        tests = draw(TEST_POINTS, np.random.default_rng(10**6))
        for count in (FEW_EXAMPLES, MANY_EXAMPLES):
            seen, unseen, surfaces = [], [], []
            for thawed in range(toy.LAYERS + 1):
                shares = []
                for seed in range(REPEATS):
                    points = draw(count, np.random.default_rng(1000 + seed))
                    made = toy.replace_head(net, seed)
                    _exhaust(
                        toy.train_steps(
                            made,
                            points,
                            thawed=thawed,
                            count=toy.TRAIN_STEPS,
                            rate=toy.LEARNING_RATE,
                        )
                    )
                    shares.append(
                        (toy.compute_accuracy(made, points), toy.compute_accuracy(made, tests))
                    )
                    if seed == 0:
                        surfaces.append(_encode_array(toy.predict_surface(made, GRID_CELLS)))
                mean = np.mean(shares, axis=0)
                seen.append(round(float(mean[0]), 4))
                unseen.append(round(float(mean[1]), 4))
            points = draw(count, np.random.default_rng(1000))
            found.append(
                {
                    "task": task,
                    "examples": count,
                    "seen": seen,
                    "unseen": unseen,
                    "surfaces": surfaces,
                    "points": [[round(x, 2) for x in place] for place in points.positions.tolist()],
                    "labels": points.labels.tolist(),
                }
            )
    return found


def measure_hybrid(net: nn.Sequential) -> dict[str, Any]:
    """Three ways on the task that is further off: share right in the test along the steps, and how
    far the hidden layers went; means over the draws."""
    examples = 60
    tests = toy.make_further_task(TEST_POINTS, np.random.default_rng(10**6))
    shares: dict[str, list] = {}
    moved: dict[str, list] = {}
    head = {"thawed": 0, "rate": toy.LEARNING_RATE}
    everything = {
        "thawed": toy.LAYERS,
        "rate": toy.HYBRID_LEARNING_RATE,
    }  # also the best for fine-tuning
    ways = {
        "transfer": [head | {"count": toy.TRAIN_STEPS}],
        "fine_tune": [everything | {"count": toy.TRAIN_STEPS}],
        "hybrid": [
            head | {"count": toy.HEAD_STEPS},
            everything | {"count": toy.TRAIN_STEPS - toy.HEAD_STEPS},
        ],
    }
    for seed in range(REPEATS):
        points = toy.make_further_task(examples, np.random.default_rng(1000 + seed))
        for name, phases in ways.items():
            made = toy.replace_head(net, seed)
            play = chain.from_iterable(toy.train_steps(made, points, **phase) for phase in phases)
            line = [toy.compute_accuracy(made, tests)]
            line += [
                toy.compute_accuracy(made, tests)
                for n, _ in enumerate(play, 1)
                if n % EVAL_STEPS == 0
            ]
            shares.setdefault(name, []).append(line)
            moved.setdefault(name, []).append(toy.relative_weight_change(made, net))
    return {
        "examples": examples,
        "every": EVAL_STEPS,
        "head_steps": toy.HEAD_STEPS,
        "right": {name: np.mean(lines, axis=0).round(4).tolist() for name, lines in shares.items()},
        "moved": {name: round(float(np.mean(some)), 4) for name, some in moved.items()},
    }


# key: examples, steps, rate, of the task "special" with all layers thawed
CURVE_SETTINGS = {
    "well": (MANY_EXAMPLES, 200, 0.005),
    "by-heart": (FEW_EXAMPLES, 200, 0.01),
    "too-short": (MANY_EXAMPLES, 30, 0.002),
    "too-fast": (MANY_EXAMPLES, 200, 0.2),
}


def measure_curves(net: nn.Sequential) -> dict[str, Any]:
    """Single runs as a visitor meets them: share right among the examples and among 200 checks."""
    checks = toy.make_special_task(200, np.random.default_rng(10**6))
    found = {}
    for key, (count, length, rate) in CURVE_SETTINGS.items():
        points = toy.make_special_task(count, np.random.default_rng(1000))
        made = toy.replace_head(net, 0)
        looks = [(0, toy.compute_accuracy(made, points), toy.compute_accuracy(made, checks))]
        for number in toy.train_steps(made, points, thawed=toy.LAYERS, count=length, rate=rate):
            if number % EVAL_STEPS == 0:
                looks.append(
                    (number, toy.compute_accuracy(made, points), toy.compute_accuracy(made, checks))
                )
        at, seen, unseen = zip(*looks, strict=True)
        found[key] = {
            "examples": count,
            "rate": rate,
            "steps": at,
            "seen": [round(share, 4) for share in seen],
            "unseen": [round(share, 4) for share in unseen],
        }
    return found


def _exhaust(steps: Any) -> None:
    for _ in steps:
        pass


def _encode_array(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode()


# --- zero- and few-shot ---------------------------------------------------------------------------


def measure_few_shot() -> dict[str, Any]:
    """Customer messages without any training: the share right by the names of the classes alone,
    and by the mean of a few examples of each (over the draws); and for a test message of each
    class, how like it is to each name."""
    body = MiniLM.build(pretrained=True).eval()
    data = datasets.get_dataset("messages").load_splits(None, 0)
    names = _extract_features(body, data.class_descriptions)
    known, asked = (_extract_features(body, split.inputs) for split in (data.train, data.test))
    labels, truth = (torch.as_tensor(np.asarray(s.labels)) for s in (data.train, data.test))
    classes = len(data.classes)
    few = {}
    for shot in SHOTS:
        shares = []
        for seed in range(REPEATS):
            mixed = torch.from_numpy(np.random.default_rng(seed).permutation(len(labels)))
            some = torch.cat([mixed[labels[mixed] == label][:shot] for label in range(classes)])
            answers = classify_by_class_mean(known[some], labels[some], asked, classes)
            shares.append((answers == truth).float().mean().item())
        few[str(shot)] = round(float(np.mean(shares)), 4)
    first = [int((truth == label).nonzero()[0]) for label in range(classes)]
    likeness = asked[first] @ names.T
    return {
        "classes": data.classes,
        "described": data.class_descriptions,
        "tests": len(truth),
        "zero": round((assign_nearest(names, asked) == truth).float().mean().item(), 4),
        "few": few,
        "messages": [
            {
                "text": data.test.inputs[item],
                "label": int(truth[item]),
                "likeness": [round(value, 3) for value in row],
            }
            for item, row in zip(first, likeness.tolist(), strict=True)
        ],
    }


if __name__ == "__main__":
    main()
