"""A run's confidence in words. Pure; nothing is claimed that the counts do not support."""

from collections.abc import Sequence
from statistics import fmean

from trainers.evaluation.calibration import (
    MIN_BIN_COUNT,
    ReliabilityBin,
    calibration_error,
    expected_ece,
    pooled_bin,
)
from trainers.events import CalibrationDone, PredictionsRecorded

TEMPERATURE_TOLERANCE = 0.05  # a temperature so near 1 changes no one's mind; ours
FEW_VALIDATION_EXAMPLES = 30  # a temperature from fewer is held near 1; ours


def describe_extremes(found: Sequence[ReliabilityBin]) -> str:
    """Return the most and the least confident predictions in words."""
    sentences = [
        f"Where it is surest ({_format_confidence(one)}), it was right {_format_correct(one)}."
        for one in found[-1:]
    ]
    sentences += [
        f"Where it is least sure ({_format_confidence(one)}), {_format_correct(one)}."
        for one in found[:1] * (len(found) > 1)
    ]
    return " ".join(sentences)


def _format_confidence(one: ReliabilityBin) -> str:
    if one.mean_confidence >= 0.995:
        return "it says over 99%"
    return f"it says {one.mean_confidence:.0%} on average"


def _format_correct(one: ReliabilityBin) -> str:
    return f"**{one.right:,} of {one.count:,}** times"


def describe_calibration(said: Sequence[float], right: Sequence[bool]) -> str:
    """Return in words whether its confidence matches its accuracy."""
    whole = pooled_bin(said, right)
    text = f"On average it says {whole.mean_confidence:.0%}, and {whole.accuracy:.0%} are right"
    text += f" (most likely between {whole.right_low:.0%} and {whole.right_high:.0%}): "
    if whole.mean_confidence > whole.right_high:
        return f"{text}it is too sure of itself."
    if whole.mean_confidence < whole.right_low:
        return f"{text}it is right more often than it says."
    return f"{text}as far as {whole.count:,} test examples can tell, it is as sure as it is right."


def describe_ece(found: Sequence[ReliabilityBin]) -> str:
    """The expected calibration error, explained; "" where the examples are too few for it."""
    count = sum(one.count for one in found)
    if count < MIN_BIN_COUNT:
        return f"{count:,} test examples are too few to say how far off it is."
    far, chance = calibration_error(found), expected_ece(found)
    text = (
        f"How sure it says it is lies **{100 * far:.1f} points** from how often it is right, on "
        f"average (expected calibration error, over {len(found)} "
        f"{'group' if len(found) == 1 else 'groups'} of answers). "
    )
    if far <= 1.5 * chance:
        return text + (
            f"With so few examples chance alone makes about {100 * chance:.1f}, so this shows no "
            "fault."
        )
    return text + f"Chance alone would make about {100 * chance:.1f}."


def describe_temperature(calibrated: CalibrationDone, answered: PredictionsRecorded | None) -> str:
    """The temperature in words."""
    t, count = calibrated.temperature, len(calibrated.correct)
    text = f"On {count:,} examples that it had not learned from, "
    if t == 1:
        text += (
            "a correction made from some would not have made the others' probabilities truer: "
            "nothing is changed."
        )
        return text
    if abs(t - 1) < TEMPERATURE_TOLERANCE:
        text += f"it was about as sure as it was right: nothing is changed (temperature {t:.2f})."
    elif t > 1:
        text += (
            "it was too sure of itself: its probabilities are toned down by a "
            f"temperature of **{t:.2f}**."
        )
    else:
        text += (
            "it was right more often than it said: its probabilities are raised by a "
            f"temperature of **{t:.2f}**."
        )
    if answered and answered.confidence and answered.calibrated_confidence:
        before, after = fmean(answered.confidence), fmean(answered.calibrated_confidence)
        text += f" On the test it goes from {before:.0%} sure on average to {after:.0%}."
    text += " No answer changes by it."
    if count < FEW_VALIDATION_EXAMPLES:
        text += " So few examples say little, so the temperature is held near 1."
    return text
