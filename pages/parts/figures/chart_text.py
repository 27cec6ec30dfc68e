"""What the charts of a run show, in words and as a table, for those who do not see them. Pure."""

from collections.abc import Sequence

from pages.parts.figures.run_snapshot import RunSnapshot
from trainers.events import PhaseStarted, ValidationDone
from trainers.reports.sentences import format_count

NO_VALUE = "No value yet."
MAX_ROWS = 12  # of the table. Ours


def describe_accuracy(story: RunSnapshot) -> str:
    """The curve of what is right: where it began, its best and where it is."""
    if not story.evaluations:
        return NO_VALUE
    first, last, best = _first_last_best(story.evaluations)
    words = [
        f"Of the checks {first.accuracy:.0%} were right at the start and {last.accuracy:.0%} after "
        f"{last.seconds:.1f} seconds",
        f"at best {best.accuracy:.0%}, after {best.seconds:.1f} seconds",
    ]
    learned = [look.train_accuracy for look in story.evaluations if look.train_accuracy is not None]
    if learned:
        words.append(f"of the examples it learns from, last {learned[-1]:.0%}")
    if story.baseline:
        words.append(f"without any training {story.baseline.accuracy:.0%}")
    return "; ".join(words) + "."


def describe_loss(story: RunSnapshot) -> str:
    if not story.evaluations:
        return NO_VALUE
    first, last, _ = _first_last_best(story.evaluations)
    least = min(story.evaluations, key=lambda look: look.loss)
    return (
        f"Loss on the checks: {first.loss:.2f} at the start, {last.loss:.2f} after "
        f"{last.seconds:.1f} seconds; at least {least.loss:.2f}, after {least.seconds:.1f} seconds."
    )


def describe_map(story: RunSnapshot) -> str:
    if not story.evaluations or not story.evaluations[-1].map_labels:
        return NO_VALUE
    look = story.evaluations[-1]
    pairs = list(zip(look.map_labels, look.map_predictions, strict=True))
    right = sum(label == answer for label, answer in pairs)
    if right == len(pairs):
        return f"All {right:,} checks on the map are right; a wrong one would be hollow."
    return f"Of {len(pairs):,} checks on the map {right:,} are right; the hollow ones are not."


def describe_layers(phase: PhaseStarted) -> str:
    return "; ".join(
        f"{part['name']}: "
        + (f"{format_count(part['learnable'])} of " if part["learnable"] else "frozen, ")
        + f"{format_count(part['parameters'])} numbers"
        + (" learn" if part["learnable"] else "")
        for part in phase.blocks
    )


def format_table(story: RunSnapshot) -> list[str]:
    """The curves at up to `ROWS` moments, the first, the best and the last among them: Markdown."""
    looks = list(story.evaluations)
    step = max(1, -(-len(looks) // (MAX_ROWS - 2)))
    kept = {id(look) for look in [*looks[::step], *_first_last_best(looks)]}
    rows = [
        "| seconds | passes | checks right | learned from, right | loss on the checks |",
        "|---|---|---|---|---|",
    ]
    for look in looks:
        if id(look) not in kept:
            continue
        before = sum(
            done.epochs for phase, done in story.finished_phases.items() if phase < look.phase
        )
        learned = "–" if look.train_accuracy is None else f"{look.train_accuracy:.0%}"
        rows.append(
            f"| {look.seconds:.1f} | {before + look.epoch:.1f} | {look.accuracy:.0%} | {learned} "
            f"| {look.loss:.2f} |"
        )
    return rows


def _first_last_best(
    looks: Sequence[ValidationDone],
) -> tuple[ValidationDone, ValidationDone, ValidationDone]:
    """The first, the last and the one with most right."""
    return looks[0], looks[-1], max(looks, key=lambda look: look.accuracy)
