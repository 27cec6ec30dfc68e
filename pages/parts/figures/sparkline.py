"""A run's accuracy curve as small as a word, as SVG."""

from collections.abc import Sequence

WIDTH_PX, HEIGHT_PX, EDGE_PX = 76, 22, 2


def sparkline(points: Sequence[tuple[float, float]], colour: str) -> str:
    """Draw validation accuracy (0 to 1 over the full height) against seconds, as SVG.

    `points` holds (seconds, accuracy); the width is that of the whole run.
    """
    start, end = points[0][0], points[-1][0]
    wide, high = WIDTH_PX - 2 * EDGE_PX, HEIGHT_PX - 2 * EDGE_PX
    places = [
        (
            EDGE_PX + wide * ((seconds - start) / (end - start) if end > start else 1.0),
            EDGE_PX + high * (1 - accuracy),
        )
        for seconds, accuracy in points
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    x, y = places[-1]
    label = f"Right on the checks: from {points[0][1]:.0%} at first to {points[-1][1]:.0%}"
    return (
        f'<svg viewBox="0 0 {WIDTH_PX} {HEIGHT_PX}" width="{WIDTH_PX}" height="{HEIGHT_PX}" '
        f'role="img" aria-label="{label}"><title>{label}</title>'
        f'<path d="M0 {HEIGHT_PX - 0.5}H{WIDTH_PX}" stroke="currentColor" stroke-opacity=".25"/>'
        f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5" '
        'stroke-linejoin="round"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{colour}"/></svg>'
    )
