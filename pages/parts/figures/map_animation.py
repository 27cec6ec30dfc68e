"""The map of examples over a whole run, as data for the film of
pages/parts/widgets/map_animation.py. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import dist
from typing import Any

from guide.approaches import APPROACHES
from pages.parts.figures.charts import CLASS_COLOURS, CLASS_SYMBOLS
from pages.parts.figures.run_snapshot import RunSnapshot
from pages.parts.figures.style import APPROACH_STYLES
from trainers.events import ValidationDone

MIN_VISIBLE_MOVE = 0.02  # of the map's spread: less is rounding and reduced precision. Ours
SLIDER_STEPS = 20  # of a slider that several films share
PADDING = 0.06  # around the outermost marks
MAX_LEGEND_ENTRIES = 10  # classes in the legend: beyond that signs repeat

MAP_HELP = (
    "Each mark is an example held out for checking, where the model sees it: close together means "
    "alike to the model. Filled: answered right; hollow: wrong. The two directions are those in "
    "which the examples differed most at the start. Between two looks the marks glide; what the "
    "model did there was not looked at."
)

Points = list[list[float]]


@dataclass(frozen=True)
class Frame:
    """One look of a run at the examples on its map."""

    evaluation: ValidationDone
    map_index: int  # in `Reel.places`
    displacement: float  # how far a mark is from its start on average, in spreads of the map there


@dataclass(frozen=True)
class MapAnimation:
    """The map of a run through all its looks."""

    snapshot: RunSnapshot
    maps: list[Points]  # the maps that differ
    frames: list[Frame]

    @property
    def first(self) -> ValidationDone:
        return self.frames[0].evaluation

    @property
    def last(self) -> ValidationDone:
        return self.frames[-1].evaluation


def build_animation(story: RunSnapshot) -> MapAnimation | None:
    """The film of a run; None where it has fewer than two looks at a map."""
    places: list[Points] = []
    frames: list[Frame] = []
    for look in story.evaluations:
        if look.map_points:
            places.append(look.map_points)
        if places and look.map_predictions:
            frames.append(Frame(look, len(places) - 1, mean_displacement(places[0], places[-1])))
    return MapAnimation(story, places, frames) if len(frames) > 1 and story.started else None


def mean_displacement(start: Points, now: Points) -> float:
    """How far marks went on average; 1 is as far as they lay from their middle at the start."""
    middle = [sum(column) / len(start) for column in zip(*start, strict=True)]
    spread = (sum(dist(at, middle) ** 2 for at in start) / len(start)) ** 0.5
    return sum(map(dist, start, now)) / len(start) / (spread or 1.0)


def neighbour_agreement(places: Points, labels: Sequence[int]) -> float:
    """The share of marks whose nearest other mark is of the same class."""
    found = 0
    for one, at in enumerate(places):
        others = [n for n in range(len(places)) if n != one]
        nearest = min(others, key=lambda n: dist(places[n], at), default=one)
        found += labels[nearest] == labels[one]
    return found / max(1, len(places))


def describe_animation(film: MapAnimation) -> str:
    """What can be seen in the film, as Markdown of our own."""
    count = len(film.first.map_labels)
    right = (
        f"Right were {_count_correct(film.first):,} of {count:,} at the start, "
        f"{_count_correct(film.last):,} at"
    )
    right += " the end."
    begins = next(
        (n for n, frame in enumerate(film.frames) if frame.displacement > MIN_VISIBLE_MOVE), None
    )
    if begins is None:
        why = "The backbone stays as it was, so it sees every example where it saw it before"
        if any(frame.displacement for frame in film.frames):
            why = "The backbone hardly changed, so it sees every example about where it did before"
        return (
            f"**Nothing moves.** {why}; the new last layer learns, and draws other borders between "
            f"them. {right}"
        )
    before, end = film.frames[begins - 1].evaluation, film.frames[-1]
    opening = "**The marks move** from the beginning on."
    if before.phase > film.first.phase:
        opening = (
            f"**They stand still, then they move.** For the first {before.seconds:.1f} seconds "
            "only the new last layer learns; then the backbone thaws."
        )
    near = [neighbour_agreement(film.maps[n], film.first.map_labels) for n in (0, end.map_index)]
    return (
        f"{opening} In the end marks have moved by {end.displacement:.0%}, on "
        "average, of how far they "
        f"lay from their middle. The nearest mark is of the same class for {near[0]:.0%} of them "
        f"at the start, {near[1]:.0%} at the end. {right}"
    )


def format_table(film: MapAnimation, most: int = 12) -> list[str]:
    """The film as a Markdown table of at most so many looks, the first and the last among them."""
    rows = ["| after | right on the map | moved | what learned |", "|---|---|---|---|"]
    titles = {phase.phase: phase.title for phase in film.snapshot.phases}
    count = min(most, len(film.frames))
    for number in range(count):
        frame = film.frames[round(number * (len(film.frames) - 1) / max(1, count - 1))]
        look = frame.evaluation
        rows.append(
            f"| {look.seconds:.1f} s | {_count_correct(look):,} of {len(look.map_labels):,} "
            f"| {frame.displacement:.0%} | {titles.get(look.phase, '')} |"
        )
    return rows


def build_component_data(films: Sequence[MapAnimation], examples: dict[int, str]) -> dict[str, Any]:
    """What the film component draws: one panel each, on one slider. One film alone stops at each
    of its looks, several at equal shares of their runs. `examples`: inputs by their number."""
    if len(films) == 1:
        (film,) = films
        at = [list(range(len(film.frames)))]
        stops = [f"Look {n} of {len(film.frames)}" for n in range(1, len(film.frames) + 1)]
    else:
        shares = [number / SLIDER_STEPS for number in range(SLIDER_STEPS + 1)]
        at = [[_frame_at(film, share) for share in shares] for film in films]
        stops = [f"{share:.0%} of each run" for share in shares]
    classes = films[0].snapshot.started.classes
    used = sorted({label for film in films for label in film.first.map_labels})
    return {
        "panels": [_build_panel(film, frames) for film, frames in zip(films, at, strict=True)],
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
        "unnamed": max(0, len(used) - MAX_LEGEND_ENTRIES),
        "examples": examples,
    }


def _frame_at(film: MapAnimation, share: float) -> int:
    """The newest frame when `share` of the way from the first to the last is over."""
    began, ended = film.first.seconds, film.last.seconds
    until = began + share * (ended - began) + 1e-9
    return max(
        n for n, frame in enumerate(film.frames) if frame.evaluation.seconds <= until or n == 0
    )


def _build_panel(film: MapAnimation, at: list[int]) -> dict[str, Any]:
    approach = film.snapshot.started.approach
    flat = [point for places in film.maps for point in places]
    columns = [_padded_range(values) for values in zip(*flat, strict=True)]
    watched = film.snapshot.watched_examples
    count = len(film.first.map_labels)
    items = watched.map_indices if watched and len(watched.map_indices) == count else []
    return {
        "title": APPROACHES[approach].title,
        "colour": APPROACH_STYLES[approach].colour,
        "labels": film.first.map_labels,
        "items": items or list(range(count)),
        "places": [
            [
                [round((value - low) / wide, 4) for value, (low, wide) in
                 zip(point, columns, strict=True)]
                for point in places
            ]
            for places in film.maps
        ],
        "frames": [
            {
                "place": frame.map_index,
                "answers": frame.evaluation.map_predictions,
                "words": f"{frame.evaluation.seconds:.1f} s: {_count_correct(frame.evaluation):,} "
                         f"of {count:,} right",
            }
            for frame in film.frames
        ],
        "at": at,
        "alt": f"Map of {count} check examples in {APPROACHES[approach].title.lower()}.",
    }  # fmt: skip


def _padded_range(values: Sequence[float]) -> tuple[float, float]:
    """(low, width) of a range with a little room around all values."""
    low, high = min(values), max(values)
    room = PADDING * (high - low) or 1.0
    return low - room, high - low + 2 * room


def _count_correct(look: ValidationDone) -> int:
    return sum(map(int.__eq__, look.map_labels, look.map_predictions))
