"""Facts about a data set that decide which backbone fits: size of pictures, language of texts."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from trainers.datasets.types import DatasetFacts, DatasetSplits

# Scripts without spaces between words: each character counts as a word.
WORD_PATTERN = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff]|[^\s\u2e80-\u9fff\uf900-\ufaff]+")
MAX_GREY_CHANNEL_SPREAD = 4  # of 255 between channels: JPEG leaves some colour in a grey scan
MIN_GREY_SHARE = 0.95  # of the pictures
MIN_LANGUAGE_CONFIDENCE = 0.99  # chosen on texts of our own
MIN_LETTERS = 20  # of shorter texts a single name would decide
MAX_LANGUAGE_CHARS, MAX_LANGUAGE_CHARS_PER_TEXT = 20_000, 500
NO_LANGUAGE = "zxx"  # ISO 639: no linguistic content


def compute_facts(data: DatasetSplits, sample_size: int = 200) -> DatasetFacts:
    """Return facts about `data`, from at most `sample_size` examples spread evenly over it."""
    inputs = data.train.inputs if len(data.train.inputs) else data.test.inputs
    rows = np.unique(np.linspace(0, len(inputs) - 1, min(sample_size, len(inputs))).astype(int))
    sample = [inputs[row] for row in rows]
    if data.modality == "text":
        words = np.percentile([len(WORD_PATTERN.findall(text)) for text in sample] or [0], 95)
        return DatasetFacts("text", language=detect_language(sample), words=round(words))
    sides = [min(picture.shape[:2]) for picture in sample]
    spreads = [np.ptp(picture, axis=2).mean() for picture in sample]
    grey = np.mean([spread < MAX_GREY_CHANNEL_SPREAD for spread in spreads] or [0])
    side = int(np.median(sides)) if sides else None
    return DatasetFacts("images", side, grey=bool(grey > MIN_GREY_SHARE))


def detect_language(texts: Sequence[str]) -> str:
    """Return the ISO 639 code of the language of most `texts`; "" if uncertain."""
    joined = " ".join(text[:MAX_LANGUAGE_CHARS_PER_TEXT] for text in texts)[:MAX_LANGUAGE_CHARS]
    if sum(character.isalpha() for character in joined) < MIN_LETTERS:
        return ""
    language, confidence = _load_language_identifier().classify(joined)
    is_certain = confidence > MIN_LANGUAGE_CONFIDENCE and language != NO_LANGUAGE
    return language if is_certain else ""


@cache
def _load_language_identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # takes half a second

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
