"""What a prediction depends on: how it changes when part of an image or text is hidden.

Occlusion (Zeiler and Fergus 2014, arxiv.org/abs/1311.2901), through captum: it only calls the
model, so it works alike for every approach, with a network or without. Only the functions that
compute load torch: pages use the descriptions.
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
from trainers.datasets import WORD_PATTERN
from trainers.datasets.uploads.limits import MAX_TEXT_CHARS, SHORT_SIDE_PX
from trainers.evaluation.abstention import apply_temperature
from trainers.plan import Plan

if TYPE_CHECKING:
    from trainers.export.saved_model import SavedModel
    from trainers.serving.model import LoadedModel
    from trainers.training import baselines

MAX_CELLS = 64  # about, on a picture: so many questions stay under two seconds on one core. Ours
BATCH_SIZE = 32  # of questions: more at a time only take more memory
# Pieces that a text is cut into, and words that are read in all questions together: a long text is
# cut into fewer, longer pieces, which keeps the time the same. Ours.
MAX_SEGMENTS, MIN_SEGMENTS, MAX_TOTAL_WORDS = 50, 16, 2500
WORD_PATTERN = re.compile(rf"(?:{WORD_PATTERN.pattern})\s*")
LOSSLESS_PX = 128 * 128  # a photo is shown as JPEG: a tenth of the size
MIN_CHANGE = 0.01  # a smaller change than this is not worth a word; ours
MAX_NAMED_WORDS = 3  # words named as the most important

LIMITATIONS = (
    "What this cannot tell: it shows what the answer changes with when one part at a time is taken "
    "away, not why, not what several parts do together, and not whether the answer is right for a "
    "good reason."
)

PredictFunction = Callable[[Sequence], np.ndarray]


class ExplanationError(ValueError):
    """Nothing can be left out, or there is no such example; the text says so."""


# --- asking -------------------------------------------------------------------------------------


def explain(
    kept: "SavedModel | baselines.ClassicalModel", one: np.ndarray | str, label: int | None = None,
    *, as_one: bool = False, temperature: float = 1.0,
) -> dict[str, Any]:  # fmt: skip
    """Return what the prediction of `kept`, a `SavedModel`, depends on.

    `one` is a text, or an image, uint8 (H, W, 3); `as_one`: its data came as one array, see
    `SavedModel.predict_proba`; probabilities are by `temperature`. `label` is the class to explain,
    by default the predicted one. Plain values:

    - "what": "picture" or "text"; "answer": the class to explain; "sureness": its confidence;
      "measure": "probability", or "likeness" (-1..1) if nothing was trained;
    - of an image, "change": rows of cells, by how much that falls when the place is blurred, and
      "picture", a data: URI;
    - of a text, "words": [piece, change] in order, which together are the text as far as it is
      read, by how much it falls without the piece.

    A change below 0: it rises. Raises `ExplanationError`.
    """

    def answers(inputs: Sequence) -> np.ndarray:
        return apply_temperature(_predict(kept, inputs), temperature).astype(np.float32)

    if isinstance(one, str):
        return _explain_text(kept, answers, one, label)
    return _explain_image(kept, answers, np.asarray(one), label, as_one)


def _explain_image(
    kept: Any, answers_to: PredictFunction, picture: np.ndarray, label: int | None, as_one: bool
) -> dict[str, Any]:
    import torch
    from captum.attr import Occlusion  # with matplotlib: most of a second

    picture = _downscale(picture)
    height, width, _ = picture.shape
    side = math.ceil(math.sqrt(height * width / MAX_CELLS))  # of a cell, px
    window = (min(2 * side, height), min(2 * side, width))
    # Blurred, not grey: a grey patch on the black ground of a scan is a thing of its own.
    blurred = Image.fromarray(picture).filter(ImageFilter.GaussianBlur(2 * side))

    def ask(pictures: torch.Tensor) -> torch.Tensor:
        rows = pictures.permute(0, 2, 3, 1).round().to(torch.uint8).numpy()
        return torch.from_numpy(answers_to(rows if as_one else list(rows)))

    whole, without = (_to_tensor(one) for one in (picture, np.asarray(blurred)))
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
            perturbations_per_eval=BATCH_SIZE,
        )[0, 0]
        .numpy()
    )
    cells = [
        [float(change[y : y + side, x : x + side].mean()) for x in range(0, width, side)]
        for y in range(0, height, side)
    ]
    return _describe_target(kept, "picture", label, answers) | {
        "change": [[round(cell, 4) for cell in row] for row in cells],
        "picture": _encode_image(picture),
    }


def _explain_text(
    kept: Any, answers_to: PredictFunction, text: str, label: int | None
) -> dict[str, Any]:
    import torch
    from captum.attr import FeatureAblation

    parts = split_segments(text, _max_words(kept))
    if len(parts) < 2:
        raise ExplanationError(
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
        whole, baselines=0, target=label, perturbations_per_eval=BATCH_SIZE
    )
    pairs = zip(parts, change[0].tolist(), strict=True)
    return _describe_target(kept, "text", label, answers) | {
        "words": [[part, round(value, 4)] for part, value in pairs]
    }


def split_segments(text: str, most_words: int | None = None) -> list[str]:
    """The text as far as it is read, cut into words, or, where it is long, into runs of words."""
    words = WORD_PATTERN.findall(text[:MAX_TEXT_CHARS])[:most_words]
    most = max(MIN_SEGMENTS, min(MAX_SEGMENTS, MAX_TOTAL_WORDS // max(1, len(words))))
    size = math.ceil(len(words) / most) or 1
    return ["".join(words[start : start + size]) for start in range(0, len(words), size)]


def _max_words(kept: Any) -> int | None:
    """Return how many words the model can read: each takes at least one token."""
    return kept.backbone.max_tokens if _is_network(kept) else None


def _is_network(kept: Any) -> bool:
    return hasattr(kept, "model")  # else a regression: see trainers/training/baselines.py


def _predict(kept: Any, inputs: Sequence) -> np.ndarray:
    """In float32 where a network computes: bf16 moves a probability by as much as a word does."""
    return (
        kept.predict_proba(inputs, exact=True) if _is_network(kept) else kept.predict_proba(inputs)
    )


def _describe_target(kept: Any, what: str, label: int, answers: Any) -> dict[str, Any]:
    from trainers.export.saved_model import CosineHead

    alike = _is_network(kept) and isinstance(kept.model.head, CosineHead)
    return {
        "what": what,
        "answer": label,
        "sureness": round(float(answers[label]), 4),
        "measure": "likeness" if alike else "probability",
    }


def _to_tensor(picture: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1)[None]


def _downscale(picture: np.ndarray) -> np.ndarray:
    """No larger than what is kept of a visitor's pictures."""
    if (short := min(picture.shape[:2])) <= SHORT_SIDE_PX:
        return picture
    image = Image.fromarray(picture)
    size = (round(length * SHORT_SIDE_PX / short) for length in image.size)
    return np.asarray(image.resize(tuple(size), Image.Resampling.BICUBIC))


def _encode_image(picture: np.ndarray) -> str:
    kind = "png" if picture.shape[0] * picture.shape[1] <= LOSSLESS_PX else "jpeg"
    out = io.BytesIO()
    Image.fromarray(picture).save(out, kind, quality=85)
    return f"data:image/{kind};base64,{base64.b64encode(out.getvalue()).decode()}"


# --- of a model that is kept warm ---------------------------------------------------------------


def explain_inputs(
    opened: "LoadedModel",
    inputs: Sequence[str],
    *,
    item: int | None = None,
    label: int | None = None,
) -> list[dict[str, Any]]:
    """Return what `explain` finds for each of `inputs`, or for test example `item` instead.

    Raises `ExplanationError`, and what reading the data raises.
    """
    as_one = False
    if item is not None:
        one, as_one = _load_test_example(opened.plan, item)
        inputs = [one]
    # As sure as the answers that it is asked about.
    temperature = opened.temperature
    return [
        explain(opened.saved_model, one, label, as_one=as_one, temperature=temperature)
        for one in inputs
    ]


def _load_test_example(plan: Plan, item: int) -> tuple[np.ndarray | str, bool]:
    """A test example, in the order of `Answered`; and whether they come as one array."""
    # The split never changes, so one training example of each class is enough to read it.
    inputs = datasets.get_dataset(plan.data).load_splits(1, plan.seed, plan.fixes).test.inputs
    if not 0 <= item < len(inputs):
        raise ExplanationError(
            f"There is no test example {item}: there are {len(inputs):,}, from 0."
        )
    return inputs[item], isinstance(inputs, np.ndarray)


# --- in words -----------------------------------------------------------------------------------

REGION_NAMES = (
    ("upper left", "top", "upper right"),
    ("left", "middle", "right"),
    ("lower left", "bottom", "lower right"),
)


def name_region(change: Sequence[Sequence[float]]) -> str:
    """Return where the largest change is, in words: "upper left"."""
    cells = np.asarray(change)
    row, column = np.unravel_index(cells.argmax(), cells.shape)
    height, width = cells.shape
    return REGION_NAMES[int(3 * (row + 0.5) / height)][int(3 * (column + 0.5) / width)]


def select_top_words(words: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """The words without which the answer falls most, at most `NAMED`, the largest change first."""
    able = [(word.strip(), change) for word, change in words if change >= MIN_CHANGE]
    return sorted(able, key=lambda pair: -pair[1])[:MAX_NAMED_WORDS]


def format_change(change: float, measure: str) -> str:
    """A change as a person would say it."""
    if measure == "likeness":
        return f"{abs(change):.2f}"
    points = round(100 * abs(change))
    return "less than a point" if not points else f"{points} point{'s' * (points != 1)}"


def describe_attribution(found: dict[str, Any], answer: str) -> str:
    """The explanation in a sentence or two; `answer` is the class asked about, as it is to be
    shown, and so are the words of a text."""
    measure = found["measure"]
    if found["what"] == "picture":
        most = max(cell for row in found["change"] for cell in row)
        if most < MIN_CHANGE:
            return (
                f"“{answer}” rests on no single place: whichever is blurred, its {measure} "
                f"hardly falls ({format_change(max(most, 0), measure)} at most)."
            )
        return (
            f"“{answer}” rests most on the {name_region(found['change'])}: with that "
            "place blurred, its "
            f"{measure} falls by {format_change(most, measure)}."
        )
    named = select_top_words(found["words"])
    if not named:
        return (
            f"“{answer}” rests on no single word: whichever is left out, its {measure} hardly "
            "falls."
        )
    told = ", ".join(f"“{word}” ({format_change(change, measure)})" for word, change in named)
    return f"“{answer}” rests most on {told}: by so much its {measure} falls without the word."
