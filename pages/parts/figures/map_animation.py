"""The map of examples over a whole run: data for the animation, and its description.

The animation is played by pages/parts/widgets/map_animation.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import dist
from typing import Any

from guide.approaches import APPROACHES
from pages.parts.figures.plotly_parts import CLASS_COLOURS, CLASS_SYMBOLS
from pages.parts.figures.run_snapshot import RunSnapshot
from pages.parts.figures.style import APPROACH_STYLES
from trainers.events import ValidationDone

MIN_VISIBLE_MOVE = 0.02  # of the map's spread; less is rounding. Chosen by us
SLIDER_STEPS = 20  # when several animations share one slider
PADDING = 0.06  # around the outermost marks, as a share of the range
MAX_LEGEND_ENTRIES = 10  # beyond that symbols repeat

MAP_HELP = (
    "Each mark is a validation example, where the model sees it: close together means similar "
    "to the model. Filled: right; hollow: wrong. The two directions are those in which the "
    "examples differed most at the start. Between two evaluations the marks glide; what the model "
    "did there was not measured."
)

Points = list[list[float]]


@dataclass(frozen=True)
class Frame:
    """One evaluation of a run, with the map that was current."""

    evaluation: ValidationDone
    map_index: int  # in `MapAnimation.maps`
    displacement: float  # see `mean_displacement`, from the first map


@dataclass(frozen=True)
class MapAnimation:
    """The map of a run over all its evaluations."""

    snapshot: RunSnapshot
    maps: list[Points]  # distinct ones
    frames: list[Frame]

    @property
    def first(self) -> ValidationDone:
        return self.frames[0].evaluation

    @property
    def last(self) -> ValidationDone:
        return self.frames[-1].evaluation


def build_animation(snapshot: RunSnapshot) -> MapAnimation | None:
    """Return the animation of a run; None with fewer than two evaluations that have a map."""
    maps: list[Points] = []
    frames: list[Frame] = []
    for evaluation in snapshot.evaluations:
        if evaluation.map_points:
            maps.append(evaluation.map_points)
        if maps and evaluation.map_predictions:
            frames.append(Frame(evaluation, len(maps) - 1, mean_displacement(maps[0], maps[-1])))
    return MapAnimation(snapshot, maps, frames) if len(frames) > 1 and snapshot.started else None


def mean_displacement(start: Points, now: Points) -> float:
    """Return the mean distance from `start` to `now`, in units of the spread at the start.

    The spread is the root mean square distance from the centre.
    """
    centre = [sum(column) / len(start) for column in zip(*start, strict=True)]
    spread = (sum(dist(point, centre) ** 2 for point in start) / len(start)) ** 0.5
    return sum(map(dist, start, now)) / len(start) / (spread or 1.0)


def neighbour_agreement(points: Points, labels: Sequence[int]) -> float:
    """Return the share of points whose nearest neighbour has the same label."""
    agreeing = 0
    for index, point in enumerate(points):
        others = [n for n in range(len(points)) if n != index]
        nearest = min(others, key=lambda n: dist(points[n], point), default=index)
        agreeing += labels[nearest] == labels[index]
    return agreeing / max(1, len(points))


def describe_animation(animation: MapAnimation) -> str:
    """Describe what moves in the animation, in Markdown."""
    count = len(animation.first.map_labels)
    scores = (
        f"Right were {_count_correct(animation.first):,} of {count:,} at the start, "
        f"{_count_correct(animation.last):,} at the end."
    )
    moves_from = next(
        (n for n, frame in enumerate(animation.frames) if frame.displacement > MIN_VISIBLE_MOVE),
        None,
    )
    if moves_from is None:
        reason = "The backbone stays as it was, so it sees every example where it saw it before"
        if any(frame.displacement for frame in animation.frames):
            reason = (
                "The backbone hardly changed, so it sees every example about where it did before"
            )
        return (
            f"**Nothing moves.** {reason}; the new last layer learns, and draws other borders "
            f"between them. {scores}"
        )
    before, end = animation.frames[moves_from - 1].evaluation, animation.frames[-1]
    opening = "**The marks move** from the beginning on."
    if before.phase > animation.first.phase:
        opening = (
            f"**They stand still, then they move.** For the first {before.seconds:.1f} seconds "
            "only the new last layer learns; then the backbone thaws."
        )
    agreement = [
        neighbour_agreement(animation.maps[n], animation.first.map_labels)
        for n in (0, end.map_index)
    ]
    return (
        f"{opening} In the end marks have moved by {end.displacement:.0%}, on average, of their "
        "distance from the centre. The nearest mark is of the same class for "
        f"{agreement[0]:.0%} of them at the start, {agreement[1]:.0%} at the end. {scores}"
    )


def format_table(animation: MapAnimation, most: int = 12) -> list[str]:
    """Return at most `most` evaluations as a Markdown table, the first and the last included."""
    rows = ["| after | right on the map | moved | what learned |", "|---|---|---|---|"]
    titles = {phase.phase: phase.title for phase in animation.snapshot.phases}
    count = min(most, len(animation.frames))
    for number in range(count):
        frame = animation.frames[round(number * (len(animation.frames) - 1) / max(1, count - 1))]
        evaluation = frame.evaluation
        rows.append(
            f"| {evaluation.seconds:.1f} s "
            f"| {_count_correct(evaluation):,} of {len(evaluation.map_labels):,} "
            f"| {frame.displacement:.0%} | {titles.get(evaluation.phase, '')} |"
        )
    return rows


def build_component_data(
    animations: Sequence[MapAnimation], examples: dict[int, str]
) -> dict[str, Any]:
    """Return what the component draws: a panel per animation, on one slider.

    A single animation stops at each of its evaluations, several at equal shares of their runs.
    `examples` holds the inputs by their number.
    """
    if len(animations) == 1:
        (animation,) = animations
        frames_at_stops = [list(range(len(animation.frames)))]
        stops = [
            f"Evaluation {n} of {len(animation.frames)}"
            for n in range(1, len(animation.frames) + 1)
        ]
    else:
        shares = [number / SLIDER_STEPS for number in range(SLIDER_STEPS + 1)]
        frames_at_stops = [
            [_frame_at(animation, share) for share in shares] for animation in animations
        ]
        stops = [f"{share:.0%} of each run" for share in shares]
    classes = animations[0].snapshot.started.classes
    used = sorted({label for animation in animations for label in animation.first.map_labels})
    return {
        "panels": [
            _build_panel(animation, frames)
            for animation, frames in zip(animations, frames_at_stops, strict=True)
        ],
        "stops": stops,
        "classes": [
            {
                "name": name,
                "symbol": CLASS_SYMBOLS[number % len(CLASS_SYMBOLS)],
                "colour": CLASS_COLOURS[number % len(CLASS_COLOURS)],
            }
            for number, name in enumerate(classes)
        ],
        "legend": used[:MAX_LEGEND_ENTRIES],
        "hiddenClasses": max(0, len(used) - MAX_LEGEND_ENTRIES),
        "examples": examples,
    }


def _frame_at(animation: MapAnimation, share: float) -> int:
    """Return the newest frame after `share` of the time from the first to the last."""
    start, end = animation.first.seconds, animation.last.seconds
    now = start + share * (end - start) + 1e-9
    return max(n for n, f in enumerate(animation.frames) if f.evaluation.seconds <= now or n == 0)


def _build_panel(animation: MapAnimation, frames_at_stops: list[int]) -> dict[str, Any]:
    approach = animation.snapshot.started.approach
    all_points = [point for points in animation.maps for point in points]
    ranges = [_padded_range(values) for values in zip(*all_points, strict=True)]
    watched = animation.snapshot.watched_examples
    count = len(animation.first.map_labels)
    example_ids = watched.map_indices if watched and len(watched.map_indices) == count else []
    return {
        "title": APPROACHES[approach].title,
        "colour": APPROACH_STYLES[approach].colour,
        "labels": animation.first.map_labels,
        "exampleIds": example_ids or list(range(count)),
        "maps": [
            [
                [round((value - low) / width, 4) for value, (low, width) in
                 zip(point, ranges, strict=True)]
                for point in points
            ]
            for points in animation.maps
        ],
        "frames": [
            {
                "map": frame.map_index,
                "predictions": frame.evaluation.map_predictions,
                "text": f"{frame.evaluation.seconds:.1f} s: "
                        f"{_count_correct(frame.evaluation):,} of {count:,} right",
            }
            for frame in animation.frames
        ],
        "frameAtStop": frames_at_stops,
        "alt": f"Map of {count} validation examples in {APPROACHES[approach].title.lower()}.",
    }  # fmt: skip


def _padded_range(values: Sequence[float]) -> tuple[float, float]:
    """Return (low, width) of the range of `values`, with padding."""
    low, high = min(values), max(values)
    room = PADDING * (high - low) or 1.0
    return low - room, high - low + 2 * room


def _count_correct(evaluation: ValidationDone) -> int:
    return sum(map(int.__eq__, evaluation.map_labels, evaluation.map_predictions))
