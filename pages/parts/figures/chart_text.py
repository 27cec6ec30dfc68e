"""The charts of a run as sentences and as a table, for screen readers."""

from collections.abc import Sequence

from pages.parts.figures.run_snapshot import RunSnapshot
from trainers.events import PhaseStarted, ValidationDone
from trainers.reports.sentences import format_count

NO_VALUE = "No value yet."
MAX_ROWS = 12  # of the table; chosen by us


def describe_accuracy(snapshot: RunSnapshot) -> str:
    """Describe the accuracy curve: its start, its best value and its end."""
    if not snapshot.evaluations:
        return NO_VALUE
    first, last, best = _first_last_best(snapshot.evaluations)
    parts = [
        f"Of the checks {first.accuracy:.0%} were right at the start and {last.accuracy:.0%} after "
        f"{last.seconds:.1f} seconds",
        f"at best {best.accuracy:.0%}, after {best.seconds:.1f} seconds",
    ]
    learned = [
        evaluation.train_accuracy
        for evaluation in snapshot.evaluations
        if evaluation.train_accuracy is not None
    ]
    if learned:
        parts.append(f"of the examples it learns from, last {learned[-1]:.0%}")
    if snapshot.baseline:
        parts.append(f"without any training {snapshot.baseline.accuracy:.0%}")
    return "; ".join(parts) + "."


def describe_loss(snapshot: RunSnapshot) -> str:
    """Describe the validation loss: its start, its end and its lowest value."""
    if not snapshot.evaluations:
        return NO_VALUE
    first, last, _ = _first_last_best(snapshot.evaluations)
    least = min(snapshot.evaluations, key=lambda evaluation: evaluation.loss)
    return (
        f"Loss on the checks: {first.loss:.2f} at the start, {last.loss:.2f} after "
        f"{last.seconds:.1f} seconds; at least {least.loss:.2f}, after {least.seconds:.1f} seconds."
    )


def describe_map(snapshot: RunSnapshot) -> str:
    """Describe how many validation examples on the map are right."""
    if not snapshot.evaluations or not snapshot.evaluations[-1].map_labels:
        return NO_VALUE
    evaluation = snapshot.evaluations[-1]
    pairs = list(zip(evaluation.map_labels, evaluation.map_predictions, strict=True))
    right = sum(label == answer for label, answer in pairs)
    if right == len(pairs):
        return f"All {right:,} checks on the map are right; a wrong one would be hollow."
    return f"Of {len(pairs):,} checks on the map {right:,} are right; the hollow ones are not."


def describe_layers(phase: PhaseStarted) -> str:
    """Describe each block of the network: its parameters, and how many of them train."""
    return "; ".join(
        f"{part['name']}: "
        + (f"{format_count(part['learnable'])} of " if part["learnable"] else "frozen, ")
        + f"{format_count(part['parameters'])} numbers"
        + (" learn" if part["learnable"] else "")
        for part in phase.blocks
    )


def format_table(snapshot: RunSnapshot) -> list[str]:
    """Return the curves at up to `MAX_ROWS` evaluations as a Markdown table.

    The first, the best and the last evaluation are among them.
    """
    evaluations = list(snapshot.evaluations)
    step = max(1, -(-len(evaluations) // (MAX_ROWS - 2)))
    chosen = [*evaluations[::step], *_first_last_best(evaluations)]
    chosen_ids = {id(evaluation) for evaluation in chosen}
    rows = [
        "| seconds | passes | checks right | learned from, right | loss on the checks |",
        "|---|---|---|---|---|",
    ]
    for evaluation in evaluations:
        if id(evaluation) not in chosen_ids:
            continue
        learned = "–" if evaluation.train_accuracy is None else f"{evaluation.train_accuracy:.0%}"
        rows.append(
            f"| {evaluation.seconds:.1f} | {snapshot.total_epochs(evaluation):.1f} "
            f"| {evaluation.accuracy:.0%} | {learned} | {evaluation.loss:.2f} |"
        )
    return rows


def _first_last_best(
    evaluations: Sequence[ValidationDone],
) -> tuple[ValidationDone, ValidationDone, ValidationDone]:
    """Return the first, the last and the most accurate evaluation."""
    return (
        evaluations[0],
        evaluations[-1],
        max(evaluations, key=lambda evaluation: evaluation.accuracy),
    )
