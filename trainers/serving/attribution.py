"""Why this answer? What it changes with when a place of a picture is blurred, or words left out.

Occlusion (Zeiler and Fergus 2014, arxiv.org/abs/1311.2901), through captum: the model is only
asked, so it works alike for every approach, with a network or without. Only the functions that
compute bring torch: pages read the words.
"""

import base64
import io
import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageFilter

from trainers import datasets
from trainers.datasets import WORD
from trainers.datasets.uploads.limits import KEPT_CHARS, SHORT_SIDE_PX
from trainers.evaluation.abstention import tempered
from trainers.plan import Plan

if TYPE_CHECKING:
    from trainers.export.bundle import Kept
    from trainers.serving.model import Opened
    from trainers.training import baselines

CELLS = 64  # about, on a picture: so many questions stay under two seconds on one core. Ours
BATCH = 32  # of questions: more at a time only take more memory
# Pieces that a text is cut into, and words that are read in all questions together: a long text is
# cut into fewer, longer pieces, which keeps the time the same. Ours.
MOST_PIECES, LEAST_PIECES, WORDS_READ = 50, 16, 2500
PIECE = re.compile(rf"(?:{WORD.pattern})\s*")
LOSSLESS_PX = 128 * 128  # a photo is shown as JPEG: a tenth of the size
NOTHING = 0.01  # a smaller change than this is not worth a word; ours
NAMED = 3  # words named as the most important

LIMITS = (
    "What this cannot tell: it shows what the answer changes with when one part at a time is taken "
    "away, not why, not what several parts do together, and not whether the answer is right for a "
    "good reason."
)

Ask = Callable[[Sequence], np.ndarray]


class CannotSay(ValueError):
    """Nothing can be left out, or there is no such example; the text says so."""


# --- asking -------------------------------------------------------------------------------------


def explain(
    kept: "Kept | baselines.Kept", one: np.ndarray | str, label: int | None = None,
    *, as_one: bool = False, temperature: float = 1.0,
) -> dict[str, Any]:  # fmt: skip
    """What the answer of `kept` (a run's model: `trainers.export.bundle.model_of`) to `one` rests on.

    `one` is a text, or a picture, uint8 (H, W, 3); `as_one`: its data came as one array, see
    `Kept.sureness`; probabilities are by `temperature`. `label` is the class that is asked
    about, by default the answer. Plain values:

    - "what": "picture" or "text"; "answer": the class asked about; "sureness": what the model
      gives it; "measure": "probability", or "likeness" (-1..1) where nothing was trained;
    - of a picture, "change": rows of cells, by how much that falls when the place is blurred, and
      "picture", a data: URI;
    - of a text, "words": [piece, change] in order, which together are the text as far as it is
      read, by how much it falls without the piece.

    A change below 0: it rises. Raises `CannotSay`.
    """

    def answers(inputs: Sequence) -> np.ndarray:
        return tempered(_answers(kept, inputs), temperature).astype(np.float32)

    if isinstance(one, str):
        return _of_text(kept, answers, one, label)
    return _of_picture(kept, answers, np.asarray(one), label, as_one)


def _of_picture(
    kept: Any, answers_to: Ask, picture: np.ndarray, label: int | None, as_one: bool
) -> dict[str, Any]:
    import torch
    from captum.attr import Occlusion  # with matplotlib: most of a second

    picture = _small(picture)
    height, width, _ = picture.shape
    side = math.ceil(math.sqrt(height * width / CELLS))  # of a cell, px
    window = (min(2 * side, height), min(2 * side, width))
    # Blurred, not grey: a grey patch on the black ground of a scan is a thing of its own.
    blurred = Image.fromarray(picture).filter(ImageFilter.GaussianBlur(2 * side))

    def ask(pictures: torch.Tensor) -> torch.Tensor:
        rows = pictures.permute(0, 2, 3, 1).round().to(torch.uint8).numpy()
        return torch.from_numpy(answers_to(rows if as_one else list(rows)))

    whole, without = (_tensor(one) for one in (picture, np.asarray(blurred)))
    answers = ask(whole)[0]
    label = int(answers.argmax()) if label is None else label
    change = (
        Occlusion(ask)
        .attribute(
            whole,
            sliding_window_shapes=(3, *window),
            strides=(3, side, side),
            baselines=without,
            target=label,
            perturbations_per_eval=BATCH,
        )[0, 0]
        .numpy()
    )
    cells = [
        [float(change[y : y + side, x : x + side].mean()) for x in range(0, width, side)]
        for y in range(0, height, side)
    ]
    return _told(kept, "picture", label, answers) | {
        "change": [[round(cell, 4) for cell in row] for row in cells],
        "picture": _shown(picture),
    }


def _of_text(kept: Any, answers_to: Ask, text: str, label: int | None) -> dict[str, Any]:
    import torch
    from captum.attr import FeatureAblation

    parts = pieces(text, _most_words(kept))
    if len(parts) < 2:
        raise CannotSay(
            "This text has no two words, so there is nothing to leave out: the answer rests on all "
            "of it. Choose a longer one."
        )

    def ask(present: torch.Tensor) -> torch.Tensor:
        kept_back = [
            "".join(part for part, there in zip(parts, row, strict=True) if there).strip()
            for row in present.bool().tolist()
        ]
        return torch.from_numpy(answers_to(kept_back))

    whole = torch.ones(1, len(parts))
    answers = ask(whole)[0]
    label = int(answers.argmax()) if label is None else label
    change = FeatureAblation(ask).attribute(
        whole, baselines=0, target=label, perturbations_per_eval=BATCH
    )
    pairs = zip(parts, change[0].tolist(), strict=True)
    return _told(kept, "text", label, answers) | {
        "words": [[part, round(value, 4)] for part, value in pairs]
    }


def pieces(text: str, most_words: int | None = None) -> list[str]:
    """The text as far as it is read, cut into words, or, where it is long, into runs of words."""
    words = PIECE.findall(text[:KEPT_CHARS])[:most_words]
    most = max(LEAST_PIECES, min(MOST_PIECES, WORDS_READ // max(1, len(words))))
    size = math.ceil(len(words) / most) or 1
    return ["".join(words[start : start + size]) for start in range(0, len(words), size)]


def _most_words(kept: Any) -> int | None:
    """That the model can read: it takes at least one token for each."""
    return kept.row.max_tokens if _is_network(kept) else None


def _is_network(kept: Any) -> bool:
    return hasattr(kept, "model")  # else a regression: see trainers/training/baselines.py


def _answers(kept: Any, inputs: Sequence) -> np.ndarray:
    """In float32 where a network computes: bf16 moves a probability by as much as a word does."""
    return kept.sureness(inputs, exact=True) if _is_network(kept) else kept.sureness(inputs)


def _told(kept: Any, what: str, label: int, answers: Any) -> dict[str, Any]:
    from trainers.export.bundle import Alike

    alike = _is_network(kept) and isinstance(kept.model.head, Alike)
    return {
        "what": what,
        "answer": label,
        "sureness": round(float(answers[label]), 4),
        "measure": "likeness" if alike else "probability",
    }


def _tensor(picture: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1)[None]


def _small(picture: np.ndarray) -> np.ndarray:
    """No larger than what is kept of a visitor's pictures."""
    if (short := min(picture.shape[:2])) <= SHORT_SIDE_PX:
        return picture
    image = Image.fromarray(picture)
    size = (round(length * SHORT_SIDE_PX / short) for length in image.size)
    return np.asarray(image.resize(tuple(size), Image.Resampling.BICUBIC))


def _shown(picture: np.ndarray) -> str:
    kind = "png" if picture.shape[0] * picture.shape[1] <= LOSSLESS_PX else "jpeg"
    out = io.BytesIO()
    Image.fromarray(picture).save(out, kind, quality=85)
    return f"data:image/{kind};base64,{base64.b64encode(out.getvalue()).decode()}"


# --- of a model that is kept warm ---------------------------------------------------------------


def explained(
    opened: "Opened", inputs: Sequence[str], *, item: int | None = None, label: int | None = None
) -> list[dict[str, Any]]:
    """What `explain` finds for each of `inputs`, or for test example `item` in place of them.
    Raises `CannotSay`, and what reading the data raises."""
    as_one = False
    if item is not None:
        one, as_one = _tested(opened.plan, item)
        inputs = [one]
    # As sure as the answers that it is asked about.
    temperature = opened.temperature
    return [
        explain(opened.kept, one, label, as_one=as_one, temperature=temperature) for one in inputs
    ]


def _tested(plan: Plan, item: int) -> tuple[np.ndarray | str, bool]:
    """A test example, in the order of `Answered`; and whether they come as one array."""
    # The split never changes, so one training example of each class is enough to read it.
    inputs = datasets.pick(plan.data).data(1, plan.seed, plan.mends).test.inputs
    if not 0 <= item < len(inputs):
        raise CannotSay(f"There is no test example {item}: there are {len(inputs):,}, from 0.")
    return inputs[item], isinstance(inputs, np.ndarray)


# --- in words -----------------------------------------------------------------------------------

PLACES = (
    ("upper left", "top", "upper right"),
    ("left", "middle", "right"),
    ("lower left", "bottom", "lower right"),
)


def place(change: Sequence[Sequence[float]]) -> str:
    """Where the largest change is, in words: "upper left"."""
    cells = np.asarray(change)
    row, column = np.unravel_index(cells.argmax(), cells.shape)
    height, width = cells.shape
    return PLACES[int(3 * (row + 0.5) / height)][int(3 * (column + 0.5) / width)]


def important(words: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """The words without which the answer falls most, at most `NAMED`, the largest change first."""
    able = [(word.strip(), change) for word, change in words if change >= NOTHING]
    return sorted(able, key=lambda pair: -pair[1])[:NAMED]


def amount(change: float, measure: str) -> str:
    """A change as a person would say it."""
    if measure == "likeness":
        return f"{abs(change):.2f}"
    points = round(100 * abs(change))
    return "less than a point" if not points else f"{points} point{'s' * (points != 1)}"


def in_words(found: dict[str, Any], answer: str) -> str:
    """The explanation in a sentence or two; `answer` is the class asked about, as it is to be
    shown, and so are the words of a text."""
    measure = found["measure"]
    if found["what"] == "picture":
        most = max(cell for row in found["change"] for cell in row)
        if most < NOTHING:
            return (
                f"“{answer}” rests on no single place: whichever is blurred, its {measure} "
                f"hardly falls ({amount(max(most, 0), measure)} at most)."
            )
        return (
            f"“{answer}” rests most on the {place(found['change'])}: with that place blurred, its "
            f"{measure} falls by {amount(most, measure)}."
        )
    named = important(found["words"])
    if not named:
        return (
            f"“{answer}” rests on no single word: whichever is left out, its {measure} hardly "
            "falls."
        )
    told = ", ".join(f"“{word}” ({amount(change, measure)})" for word, change in named)
    return f"“{answer}” rests most on {told}: by so much its {measure} falls without the word."
