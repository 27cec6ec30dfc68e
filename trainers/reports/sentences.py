"""Sentences about a run that pages, reports and cards share. Plain text; no library is needed."""

from collections.abc import Sequence
from shlex import quote

from guide.approaches import APPROACHES
from guide.narrator import FEW_VALIDATION_EXAMPLES
from trainers.events import Baseline, RunFinished, RunStarted, ValidationDone
from trainers.plan import Plan


def describe_score(end: RunFinished, mark: str = "") -> str:
    """The score as a person would say it; `mark` goes round the numbers (Markdown's **)."""
    return (
        f"{mark}{end.test_correct} of {end.test_examples}{mark} test examples "
        "right. With other test "
        f"examples of the same kind it would most likely be between "
        f"{mark}{end.test_accuracy_low:.0%}{mark} and {mark}{end.test_accuracy_high:.0%}{mark}."
    )


def compare_with_baseline(
    started: RunStarted | None, baseline: Baseline | None, looks: Sequence[ValidationDone]
) -> str:
    """How the run stands against what needed no training, on the validation examples.

    "" where that was not measured, or on what both had learned from; and with few validation
    examples, on which 20 points are chance, and which are not even the cross-validated ones.
    """
    if not (started and baseline and looks):
        return ""
    if started.validation_examples < FEW_VALIDATION_EXAMPLES:
        return ""
    kept = [look for look in looks if look.is_best][-1]  # whose weights were tested
    gain = (kept.accuracy - baseline.accuracy) * 100
    title = APPROACHES[started.approach].title.lower()
    if abs(gain) < 0.5:
        return f"On the checks, {title} is level with no training at all."
    word = "above" if gain > 0 else "below"
    told = f"On the checks, {title} is {abs(gain):.0f} points {word} no training at all."
    if all(look.is_best for look in looks):  # too few checks to choose by
        return told
    return (
        f"{told} (The checks also chose when to stop, so this flatters a little; the test score "
        "does not.)"
    )


def format_duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes"


def format_count(number: int) -> str:
    """A number of parameters, short: 1.3 million."""
    if number >= 1_000_000:
        return f"{number / 1_000_000:.1f} million"
    return f"{number:,}"


def format_command(plan: Plan) -> str:
    """The run from a terminal."""
    words = {"data": plan.data, "approach": plan.approach, "backbone": plan.backbone}
    words |= {"seconds": f"{plan.seconds:g}", "seed": str(plan.seed)}
    if plan.examples_per_class is not None:
        words["examples-per-class"] = str(plan.examples_per_class)
    if plan.fixes:
        words["fixes"] = ",".join(plan.fixes)
    if plan.trainable != "auto" and plan.approach in ("fine_tune", "hybrid"):
        words["tuning"] = plan.trainable
    # Quoted: a plan may come from a stranger's file, and people paste this into a shell.
    told = " ".join(f"--{name} {quote(word)}" for name, word in words.items())
    return f"thaw run {told}"
