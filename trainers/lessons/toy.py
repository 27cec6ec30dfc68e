"""A toy that can be drawn: a real network, small, that puts points of a plane into two classes.

It is pre-trained on six bent arms; its tasks are near to that, further, and far. All sizes, rates
and lengths are ours; they were chosen before the draws that are shown, on other seeds.
"""

import copy
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainers.lessons import PLANE_HALF_WIDTH

LAYERS, HIDDEN_WIDTH = 4, 24  # hidden layers, and numbers each hands on
SPIRAL_ARMS, SPIRAL_BEND = 6, 1.6  # of the source; radians for each unit of distance
TRAIN_STEPS, LEARNING_RATE = 300, 0.01  # of a training run (Adam, all examples in every step)
# Of a hybrid: first the head, then everything at the rate that was best for learning all at once
# (of 0.0005 to 0.004, 10 draws).
HEAD_STEPS, HYBRID_LEARNING_RATE = 100, 0.001


class Points(NamedTuple):
    positions: Tensor  # float32 (N, 2)
    labels: Tensor  # int64 (N,)


def make_spiral(count: int, rng: np.random.Generator, *, bend: float, noise: float) -> Points:
    """Points on six arms that wind around the middle; the label is the arm."""
    arm = rng.integers(SPIRAL_ARMS, size=count)
    far = rng.uniform(0.3, 2, count)
    angle = 2 * np.pi * arm / SPIRAL_ARMS + bend * far + rng.normal(0, noise, count)
    return _make_points(far, angle, arm)


def make_near_task(count: int, rng: np.random.Generator) -> Points:
    """The arms of the source, a little less tidy, in two classes by turns."""
    places, arm = make_spiral(count, rng, bend=SPIRAL_BEND, noise=0.3)
    return Points(places, arm % 2)


def make_further_task(count: int, rng: np.random.Generator) -> Points:
    """Arms that wind more than any the network has seen."""
    places, arm = make_spiral(count, rng, bend=2.3, noise=0.3)
    return Points(places, arm % 2)


def make_special_task(count: int, rng: np.random.Generator) -> Points:
    """A ring in a ring: no arms at all."""
    ring = rng.integers(2, size=count)
    far = np.where(ring == 0, 0.8, 1.5) + rng.normal(0, 0.2, count)
    return _make_points(far, rng.uniform(0, 2 * np.pi, count), ring)


def _make_points(far: np.ndarray, angle: np.ndarray, label: np.ndarray) -> Points:
    places = np.stack([far * np.cos(angle), far * np.sin(angle)], 1).astype(np.float32)
    return Points(torch.from_numpy(places), torch.from_numpy(label.astype(np.int64)))


TASKS = {"near": make_near_task, "further": make_further_task, "special": make_special_task}


def build_network(classes: int) -> nn.Sequential:
    """Hidden layers and, last, a head."""
    sizes = [2, *[HIDDEN_WIDTH] * LAYERS]
    hidden = [nn.Sequential(nn.Linear(into, out), nn.Tanh()) for into, out in pairwise(sizes)]
    return nn.Sequential(*hidden, nn.Linear(HIDDEN_WIDTH, classes))


def pretrain(seed: int) -> nn.Sequential:
    """The network after 4,000 points of the source."""
    torch.manual_seed(seed)
    net = build_network(SPIRAL_ARMS)
    source = make_spiral(4000, np.random.default_rng(seed), bend=SPIRAL_BEND, noise=0.22)
    for _ in train_steps(net, source, thawed=LAYERS, count=1500, rate=0.005):
        pass
    return net


def replace_head(net: nn.Sequential, seed: int) -> nn.Sequential:
    """A copy of `net` for two classes: the last layer knows nothing yet."""
    torch.manual_seed(seed)
    made = copy.deepcopy(net)
    made[-1] = nn.Linear(HIDDEN_WIDTH, 2)
    return made


def train_steps(
    net: nn.Sequential, points: Points, *, thawed: int, count: int, rate: float
) -> Iterator[int]:
    """Trains the head and the last `thawed` hidden layers in place; a number after every step."""
    learn = [value for layer in net[LAYERS - thawed :] for value in layer.parameters()]
    optimizer = torch.optim.Adam(learn, lr=rate)
    for number in range(1, count + 1):
        loss = F.cross_entropy(net(points.positions), points.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield number


@torch.inference_mode()
def compute_accuracy(net: nn.Sequential, points: Points) -> float:
    """The share of `points` in the right class."""
    return (net(points.positions).argmax(1) == points.labels).float().mean().item()


@torch.inference_mode()
def predict_surface(net: nn.Sequential, cells: int) -> np.ndarray:
    """Return the confidence of `net` in class 1 over the plane, uint8 (cells, cells)."""
    line = torch.linspace(-PLANE_HALF_WIDTH, PLANE_HALF_WIDTH, cells)
    y, x = torch.meshgrid(line, line, indexing="ij")
    sure = net(torch.stack([x, y], 2).view(-1, 2)).softmax(1)[:, 1]
    return (255 * sure).round().to(torch.uint8).view(cells, cells).numpy()


@torch.inference_mode()
def relative_weight_change(net: nn.Sequential, before: nn.Sequential) -> float:
    """Return how far the hidden layers are from `before`, relative to their size."""
    pairs = list(zip(net[:-1].parameters(), before[:-1].parameters(), strict=True))
    change = sum((now - then).square().sum() for now, then in pairs)
    return (change / sum(then.square().sum() for _, then in pairs)).sqrt().item()
