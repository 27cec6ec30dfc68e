"""Ask the model that lies beside this file; README.md says what it is.

python predict.py FILE_OR_TEXT…          its answers, the likeliest first
python predict.py --csv in.csv out.csv   an answer for every row
python predict.py --check                does it answer as it did when it was made?
"""

import argparse
import base64
import csv
import io
import json
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

BUNDLE_DIR = Path(__file__).resolve().parent
CONFIG = json.loads((BUNDLE_DIR / "config.json").read_text("utf-8"))
LABELS: list[str] = CONFIG["labels"]
IS_IMAGE_MODEL = CONFIG["modality"] == "images"
TOP_K = 3
BATCH_SIZE = 256  # rows of a table: pictures take memory


class BadInput(ValueError):
    """The input cannot be predicted; the text says why."""


def main(arguments: list[str] | None = None) -> int:
    """0; 1 where the check does not pass; 2, and one line, for what cannot be answered."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("ask", nargs="*", metavar="FILE_OR_TEXT")
    parser.add_argument("--csv", nargs=2, metavar=("IN", "OUT"), help="answer each row of a table")
    parser.add_argument("--column", help="of the table; by default text or file, else the first")
    parser.add_argument("--check", action="store_true", help="re-compute proof.json")
    given = parser.parse_args(arguments)
    if not (given.ask or given.csv or given.check):
        parser.print_help()
        return 2
    try:
        if given.ask:
            print_predictions(given.ask)
        if given.csv:
            predict_table(*given.csv, given.column)
        return verify_outputs() if given.check else 0
    except (BadInput, OSError) as error:
        print(error, file=sys.stderr)
        return 2


def print_predictions(asked: Sequence[str]) -> None:
    for one, sureness in zip(asked, predict_proba([read_input(one) for one in asked]), strict=True):
        best = ", ".join(
            f"{name} {format_score(sure)}" for name, sure in rank_labels(sureness)[:TOP_K]
        )
        told = best if choose_label(sureness) else f"not sure ({best})"
        print(f"{one}: {told}" if len(asked) > 1 else told)


def predict_table(source: str, target: str, column: str | None) -> None:
    """Copy the table, with a prediction and its confidence in each row."""
    with open(source, encoding="utf-8-sig", newline="") as file:
        table = csv.DictReader(file)
        rows, names = list(table), list(table.fieldnames or [])
    if not names:
        raise BadInput(f"{source} is empty. Its first line holds the names of its columns.")
    column = column or next((name for name in ("text", "file") if name in names), names[0])
    if column not in names:
        raise BadInput(f"{source} has no column {column!r}. It has: {', '.join(names)}.")
    # What is blank has no answer.
    asked = [cell if (cell := row[column] or "").strip() else "" for row in rows]
    if IS_IMAGE_MODEL:  # named as seen from the table
        asked = [name and str(Path(source).resolve().parent / name) for name in asked]
    added = [name if name not in names else f"{name} (model)" for name in ("answer", OUTPUT_KIND)]
    with open(target, "w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(map(escape_formula, [*names, *added]))
        for start in range(0, len(rows), BATCH_SIZE):
            some = slice(start, start + BATCH_SIZE)
            found = iter(predict_proba([read_input(one) for one in asked[some] if one]))
            for row, one in zip(rows[some], asked[some], strict=True):
                told = ["", ""]
                if one:
                    sureness = next(found)
                    told = [choose_label(sureness) or "not sure", f"{sureness.max():.4f}"]
                out.writerow(map(escape_formula, [*(row[name] or "" for name in names), *told]))
    print(f"{len(rows):,} rows answered: {target}")


def escape_formula(cell: str) -> str:
    """The cell, as text where a spreadsheet would run it as a formula."""
    starts = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
    if not cell.lstrip(" ").startswith(starts):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def verify_outputs() -> int:
    """Re-computes the stored outputs, and says by how much they differ."""
    proof = json.loads((BUNDLE_DIR / "proof.json").read_text("utf-8"))
    examples = proof["examples"]
    stored = np.array([example["output"] for example in examples])
    found = predict_proba([decode_example(example) for example in examples])
    apart = np.abs(found - stored).max(1)
    largest = apart.max()
    if largest <= proof["tolerance"]:  # not so where one is no number
        print(f"pass: {len(examples)} examples, {OUTPUT_KIND} differs by at most {largest:.1e}")
        return 0
    worst = int(apart.argmax())
    place = int(stored[worst].argmax())
    print(
        f"FAIL: {OUTPUT_KIND} differs by up to {largest:.2g} (allowed: {proof['tolerance']:g}). "
        f"In example {worst + 1}, {LABELS[place]!r} was {stored[worst, place]:.3f} and is "
        f"{found[worst, place]:.3f}. A file was changed, or other versions are installed than "
        "requirements.txt names."
    )
    return 1


# --- questions and answers ----------------------------------------------------------------------

# Without training there are no probabilities: how alike an example and a class are, -1 to 1.
OUTPUT_KIND = CONFIG["output"]


@cache
def load_network() -> Any:
    sys.path.insert(0, str(BUNDLE_DIR))  # python -I and -P leave it out
    from network import BadFiles, Network  # takes seconds: not before the question is understood

    try:
        return Network(BUNDLE_DIR, CONFIG)
    except BadFiles as error:
        raise BadInput(str(error)) from None


def predict_proba(examples: Sequence[Any]) -> np.ndarray:
    """Return the confidence in each label, float (n, labels), of texts or PIL images."""
    return load_network()(list(examples)) if len(examples) else np.empty((0, len(LABELS)))


def choose_label(sureness: np.ndarray) -> str | None:
    """The label, or None below `not_sure_below` in config.json, where that is set."""
    if sureness.max() < CONFIG.get("not_sure_below", -np.inf):
        return None
    return LABELS[int(sureness.argmax())]


def rank_labels(sureness: np.ndarray) -> list[tuple[str, float]]:
    return [(LABELS[place], float(sureness[place])) for place in np.argsort(-sureness)]


def format_score(sure: float) -> str:
    return f"{sure:.1%}" if OUTPUT_KIND == "probability" else f"{sure:.2f}"


# --- examples -----------------------------------------------------------------------------------


def read_input(given: str) -> Any:
    """The picture in a file; a text, or the one that a file holds, as much of it as Thaw reads."""
    if IS_IMAGE_MODEL:
        return load_image(given)
    try:
        is_file = Path(given).is_file()
    except (OSError, ValueError):  # too long for a name
        is_file = False
    text = Path(given).read_text("utf-8", "replace") if is_file else given
    if not text.strip():
        raise BadInput(f"There is no text in {given if is_file else 'what was given'}.")
    return text[: CONFIG["preprocessing"]["most_chars"]]


def load_image(file: str) -> Any:
    """Upright, RGB, white behind what is transparent, the ends of a long one cut, and made smaller
    as in training."""
    from PIL import Image, ImageOps

    ready = CONFIG["preprocessing"]
    most, stretch = ready["shorter_side_px"], ready["most_stretch"]
    try:
        with Image.open(file) as image:
            image.draft("RGB", (most, most))
            image.load()
            try:
                upright = ImageOps.exif_transpose(image)
            except Exception:  # broken EXIF, sound picture
                upright = image.copy()
    except FileNotFoundError:
        raise BadInput(f"There is no file {file}. This model reads pictures: name one.") from None
    except Exception as error:  # decoders raise nearly everything at bytes that are no picture
        raise BadInput(f"{file} could not be read as a picture ({error}).") from None
    if upright.mode.startswith("I"):  # 16 bits; PIL would cut them off at 255
        values = np.asarray(upright, dtype=np.float64) / 257
        upright = Image.fromarray(values.clip(0, 255).astype(np.uint8))
    if upright.has_transparency_data:
        clear = upright.convert("RGBA")
        behind = Image.new("RGBA", clear.size, (255, 255, 255, 255))
        upright = Image.alpha_composite(behind, clear)
    upright = upright.convert("RGB")
    side = min(upright.size)
    if max(upright.size) > stretch * side:
        upright = ImageOps.fit(upright, [min(px, stretch * side) for px in upright.size])
    if side > most:
        size = [round(px * most / side) for px in upright.size]
        upright = upright.resize(size, Image.Resampling.BICUBIC, reducing_gap=3)
    return upright


def decode_example(example: dict) -> Any:
    if not IS_IMAGE_MODEL:
        return example["text"]
    from PIL import Image

    return Image.open(io.BytesIO(base64.b64decode(example["picture"]))).convert("RGB")


if __name__ == "__main__":
    sys.exit(main())
