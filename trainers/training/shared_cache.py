"""Runs on bundled data share what a worker computed recently.

Thirty people who press Start on the same dataset have its examples prepared and passed forward
once. Nothing of a visitor's own is cached here, so what is deleted is gone. Each run is charged the
time that the first one took: a later one has no more time to learn.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

from trainers import backbones, datasets
from trainers.events import Event
from trainers.plan import Plan
from trainers.training.features import ComputationCache
from trainers.training.run import run as run_plan

MAX_CACHES = 4  # sets of examples: of what comes with Thaw each is a few megabytes. Ours
_caches: OrderedDict[tuple, ComputationCache] = OrderedDict()


def run_with_warm_cache(
    plan: Plan, *, should_stop: Callable[[], bool], folder: Path | None = None
) -> Iterator[Event]:
    """As `trainers.training.run.run`, for a worker."""
    yield from run_plan(plan, should_stop=should_stop, folder=folder, shared=_shared_cache(plan))


def _shared_cache(plan: Plan) -> ComputationCache | None:
    bundled = {backbones.get_bundled(modality).key for modality in ("images", "text")}
    if plan.data not in datasets.BUNDLED_DATASETS or plan.backbone not in bundled:
        return None  # what it sees is kept on the disk: trainers/system/feature_cache.py
    subject = plan.data, plan.backbone
    key = (*subject, plan.examples_per_class, plan.seed, plan.fixes)
    if key not in _caches:
        near = next(
            (_caches[other] for other in reversed(_caches) if other[:2] == subject),
            ComputationCache(),
        )
        _caches[key] = near.for_new_train_set()
    _caches.move_to_end(key)
    while len(_caches) > MAX_CACHES:
        _caches.popitem(last=False)
    # How fast the machine is now, each run sees for itself.
    _caches[key].entries.pop("forward", None)
    return _caches[key]
