"""Small drawings as SVG, made only from literals here and from the guide's rows."""

from guide import QUESTIONS, Answers
from guide.advice import choose_approach
from guide.approaches import APPROACHES
from guide.rules import RULES, match_rules
from pages.parts.figures.style import APPROACH_STYLES, FROZEN_COLOUR

# For each approach, how much each of five layers trains, from input to output: 0 to 1.
LAYER_TRAINABILITY = {
    "transfer": (0, 0, 0, 0, 1),
    "fine_tune": (1, 1, 1, 1, 1),
    "hybrid": (0, 0, 0.45, 0.8, 1),
    "scratch": (1, 1, 1, 1, 1),
    "none": (0, 0, 0, 0, 0),
    "simple": (0, 0, 0, 0, 1),
}


def layer_stack(approach: str, width_px: int = 132) -> str:
    """Draw the network of `approach` as five bars, from input to output, as SVG.

    Frozen layers are ice, trained ones in the approach's colour; drops fall from thawing ones.
    """
    accent = APPROACH_STYLES[approach].colour
    bars = []
    for number, share in enumerate(LAYER_TRAINABILITY[approach]):
        x, top, high = 6 + number * 24, 34 - number * 5, 36 + number * 10
        hidden = approach == "simple" and number < 4
        fill = "none" if hidden else FROZEN_COLOUR
        edge = f'stroke="{FROZEN_COLOUR}" stroke-dasharray="3 3"' if hidden else ""
        bars.append(
            f'<rect x="{x}" y="{top}" width="17" height="{high}" rx="4" fill="{fill}" '
            f'fill-opacity="0.55" {edge}/>'
        )
        if share:
            trained = high * share
            bars.append(
                f'<rect x="{x}" y="{top + high - trained:.1f}" width="17" height="{trained:.1f}" '
                f'rx="4" fill="{accent}"/>'
            )
        if approach == "hybrid" and 0 < share < 1:
            bars.append(
                f'<path d="M{x + 8.5} {top + high + 5} q5 8 0 10 q-5 -2 0 -10" '
                f'fill="{FROZEN_COLOUR}"/>'
            )
    title = APPROACHES[approach].title
    frozen = "absent" if approach == "simple" else "frozen"
    states = [
        frozen if share == 0 else "learns" if share == 1 else "thaws"
        for share in LAYER_TRAINABILITY[approach]
    ]
    return (
        f'<svg viewBox="0 0 132 106" width="{width_px}" role="img" '
        f'aria-label="{title}. Five layers, from input to answer: {", ".join(states)}">'
        f"{''.join(bars)}</svg>"
    )


LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 44 44" width="40" height="40">'
    f'<path d="M22 3 39 12v20L22 41 5 32V12Z" fill="{FROZEN_COLOUR}" fill-opacity=".5"/>'
    f'<path d="M22 22 39 12v20L22 41Z" fill="{APPROACH_STYLES["transfer"].colour}" '
    'fill-opacity=".75"/>'
    f'<path d="M22 22 5 12v20L22 41Z" fill="{APPROACH_STYLES["hybrid"].colour}" '
    'fill-opacity=".55"/>'
    f'<path d="M14 36q5 7 0 8q-5-1 0-8" fill="{APPROACH_STYLES["fine_tune"].colour}"/></svg>'
)


def rules_map(answers: Answers) -> str:
    """Draw the advice by data volume (across) and specificity (up), as SVG.

    The other answers are the visitor's. A ring and "you" mark the visitor's own cell.
    """
    columns = [option.key for option in QUESTIONS["data_volume"].options]
    rows = [option.key for option in reversed(QUESTIONS["specificity"].options)]
    titles = {
        (question, option.key): option.title
        for question in ("data_volume", "specificity")
        for option in QUESTIONS[question].options
    }
    cell_w, cell_h, left, top = 84, 44, 122, 8
    shapes, labels = [], []
    for r, specificity in enumerate(rows):
        y = top + r * (cell_h + 5)
        shapes.append(
            f'<text x="{left - 8}" y="{y + 27}" text-anchor="end">'
            f"{titles['specificity', specificity].replace('Highly ', 'Very ')}</text>"
        )
        for c, volume in enumerate(columns):
            x = left + c * (cell_w + 5)
            here = Answers(
                modality=answers.modality,
                data_volume=volume,
                data_quality=answers.data_quality,
                compute=answers.compute,
                reuse=answers.reuse,
                specificity=specificity,
            )
            approach = choose_approach(match_rules(here, RULES))  # `advise` takes ten times as long
            is_you = volume == answers.data_volume and specificity == answers.specificity
            labels.append(
                f"{titles['specificity', specificity]}, {titles['data_volume', volume]}: "
                f"{SHORT_TITLES[approach]}{' (you)' if is_you else ''}"
            )
            ring = 'stroke="currentColor" stroke-width="2.5"' if is_you else ""
            shapes.append(
                f'<rect x="{x}" y="{y}" width="{cell_w}" height="{cell_h}" rx="8" '
                f'fill="{APPROACH_STYLES[approach].colour}" '
                f'fill-opacity="{0.5 if is_you else 0.22}" {ring}/>'
                f'<text x="{x + cell_w / 2}" y="{y + 27}" text-anchor="middle" '
                f'font-weight="{700 if is_you else 400}">{"you: " if is_you else ""}'
                f"{SHORT_TITLES[approach]}</text>"
            )
    foot = top + len(rows) * (cell_h + 5) + 15
    shapes += [
        f'<text x="{left + c * (cell_w + 5) + cell_w / 2}" y="{foot}" text-anchor="middle">'
        f"{titles['data_volume', volume]}</text>"
        for c, volume in enumerate(columns)
    ]
    return (
        f'<svg viewBox="0 0 480 {foot + 8}" width="100%" style="max-width:480px" role="img" '
        'fill="currentColor" font-size="13" aria-label="Which approach the rules advise, by how '
        f'special the task is and the number of examples. {"; ".join(labels)}.">'
        f"{''.join(shapes)}</svg>"
    )


SHORT_TITLES = {"transfer": "transfer", "fine_tune": "fine-tune", "hybrid": "hybrid"}
