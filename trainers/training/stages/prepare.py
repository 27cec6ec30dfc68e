"""The first stage: which examples learn, which are held out, and what the run will take."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from trainers import data_checks, datasets
from trainers.datasets import DatasetSplits
from trainers.events import Event, Notice, RunStarted
from trainers.plan import Plan
from trainers.training import estimate
from trainers.training.features import FeatureExtractor
from trainers.training.head import assign_folds
from trainers.training.model import Head, Model
from trainers.training.recipes import LORA_RANK
from trainers.training.session import NO_ITEMS, Session

MAX_VALIDATION_EXAMPLES = 300  # more would cost time at every evaluation and tell little more


def prepare(session: Session) -> Iterator[Event]:
    """Choose the examples, build the model, and announce the run."""
    plan, data = session.plan, session.data
    session.folds = assign_folds(data.train.labels)
    train, validation = split_validation(session.folds)
    if plan.approach == "none" or not session.use_validation:
        train, validation = np.arange(len(data.train.labels)), NO_ITEMS
    elif not len(validation):
        validation, session.validates_on_train = train, True
        session.notices.append(
            "There is one example of each class, so none could be held out: progress is "
            "measured on the very examples that are learned, and says little."
        )
    session.extractor = FeatureExtractor(
        plan,
        data,
        session.encoder,
        session.clock,
        session.cache,
        session.disk_cache,
        stores_trunk=any(p.trainable == "last_blocks" for p in session.resolved.phases),
    )
    budget = session.extractor.subsample_to_budget(train, validation, session.recorded_schedule)
    session.set_items(budget.train_items, budget.validation_items, budget.test_items)
    session.scaling_examples = budget.scaling_examples
    if budget.dropped:
        session.notices.append(
            f"{plan.seconds:g} seconds are too short to look at all examples. A fixed choice "
            f"is used: {', '.join(budget.dropped)}."
        )
    if len(session.test_items) < len(data.test.labels):
        session.notices.append(
            f"{len(session.test_items):,} of the {len(data.test.labels):,} test examples are used: "
            "the same ones in every run."
        )
    session.head = Head(session.encoder.width, len(data.classes)).to(session.resolved.device)
    session.model = Model(session.encoder, session.head)
    yield RunStarted(
        approach=plan.approach,
        data=plan.data,
        backbone=plan.backbone,
        modality=data.modality,
        classes=list(data.classes),
        train_examples=len(session.train_items),
        validation_examples=0 if session.validates_on_train else len(session.validation_items),
        test_examples=len(session.test_items),
        parameters=sum(p.numel() for p in session.model.parameters()),
        budget_seconds=plan.seconds,
        setup_seconds=session.setup_seconds,
        device=session.resolved.device.type,
        **estimate_cost(session),
    )
    session.notices += [*describe_excluded(plan), *describe_shortage(data, plan)]
    session.notices += describe_absent_classes(data, session.train_items)
    for text in session.notices:
        yield Notice(text, session.seconds)


def split_validation(folds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that learn and those that are held out, int64.

    Fold 0 is held out: a fifth of each class, and at least one of every class that has two; a
    fixed subsample if there are too many.
    """
    held_out = np.flatnonzero(folds == 0)
    if len(held_out) > MAX_VALIDATION_EXAMPLES:
        order = np.random.default_rng(0).permutation(held_out)
        held_out = np.sort(order[:MAX_VALIDATION_EXAMPLES])
    return np.setdiff1d(np.arange(len(folds)), held_out), held_out


def describe_shortage(data: DatasetSplits, plan: Plan) -> list[str]:
    """Return a notice if there are fewer examples than the plan asks for."""
    fewest = min(np.bincount(data.train.labels), default=0)
    if not plan.examples_per_class or fewest >= plan.examples_per_class:
        return []
    return [
        f"{plan.examples_per_class:,} examples of each class were asked for; one "
        f"class has only {fewest:,}."
    ]


def describe_excluded(plan: Plan) -> list[str]:
    """Return a notice of the examples that the plan's fixes leave out."""
    if not plan.fixes:
        return []
    rows = datasets.get_dataset(plan.data).excluded_rows(plan.fixes)
    counts = ", ".join(
        f"{len(excluded):,} {data_checks.CHECKS[key].fix_name}" for key, excluded in rows.items()
    )
    return [f"Left out, as chosen when the data was looked over: {counts}."]


def describe_absent_classes(data: DatasetSplits, items: Sequence[int]) -> list[str]:
    """Return a notice of the classes without a training example."""
    labels = data.train.labels[items]
    absent = [name for number, name in enumerate(data.classes) if number not in labels]
    if not absent or not len(items):
        return []
    return [
        f"No training examples of: {', '.join(absent[:5])}. The model cannot learn to give this "
        "answer."
    ]


def estimate_cost(session: Session) -> dict[str, Any]:
    """Return the fields of `RunStarted` that say what the run will take."""
    plan, data, extractor = session.plan, session.data, session.extractor
    inputs = extractor.train_inputs, extractor.test_inputs
    validation = len(session.validation_items)
    counts = len(session.train_items) + validation, len(session.test_items)
    size = estimate.RunSize(
        approach=plan.approach,
        phases=session.resolved.phases,
        train_examples=len(session.train_items),
        validation_examples=validation,
        test_examples=len(session.test_items),
        scaling_examples=session.scaling_examples,
        width=session.encoder.width,
        classes=len(data.classes),
        forward_seconds=extractor.seconds_per_example,
        elapsed_seconds=session.seconds,
        budget_seconds=plan.seconds,
        schedule=plan.schedule,
        parameters=sum(p.numel() for p in session.encoder.parameters()),
        lora_parameters=estimate.count_lora_parameters(session.encoder, LORA_RANK),
        activation_memory=extractor.activation_memory.scaled_to(estimate.max_tokens(*inputs)),
        use_flipped=plan.approach == "transfer" and data.modality == "images",
        pending_bytes=sum(map(estimate.estimate_pending_bytes, inputs, counts)),
        eval_batch_size=max(map(estimate.eval_batch_size, inputs)),
    )
    peak = estimate.estimate_peak_bytes(size, estimate.measure_used_bytes())
    return {
        "estimated_seconds": estimate.estimate_seconds(size),
        "estimated_memory_bytes": max(peak, session.peak_memory.bytes_so_far()),
    }
