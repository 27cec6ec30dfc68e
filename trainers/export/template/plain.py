"""The model: a logistic regression on pixels or on word counts, in plain numpy."""

import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file


class BadFiles(ValueError):
    """A file beside this one is not what it should be."""


class Network:
    """Takes RGB images (PIL) or texts and returns probabilities, float (n, labels)."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.weights = load_file(folder / "model.safetensors")
        self.preprocessing = config["preprocessing"]
        if config["modality"] == "images":
            self.score = self._score_image
        else:
            words = json.loads((folder / "words.json").read_text("utf-8"))
            self.vocabulary = {word: place for place, word in enumerate(words)}
            self.score = self._score_text
        if len(self.weights["bias"]) != len(config["labels"]):
            raise BadFiles("model.safetensors does not belong to config.json. Unpack the zip anew.")

    def __call__(self, examples: list) -> np.ndarray:
        scores = np.stack([self.score(example) for example in examples])
        scores = np.exp(scores - scores.max(1, keepdims=True))
        return scores / scores.sum(1, keepdims=True)

    def _score_image(self, picture: Any) -> np.ndarray:
        side = self.preprocessing["side_px"]
        pixels = np.asarray(picture.resize((side, side)), dtype=np.float32).ravel() / 255
        return self.weights["weight"] @ pixels + self.weights["bias"]

    def _score_text(self, text: str) -> np.ndarray:
        """TF-IDF of words and pairs of words: 1 + log of the count, by how rare each is."""
        words = re.findall(r"\b\w\w+\b", text.lower())
        pairs = [" ".join(pair) for pair in pairwise(words)]
        counts = Counter(self.vocabulary[w] for w in (*words, *pairs) if w in self.vocabulary)
        places = np.fromiter(counts, int, len(counts))
        values = 1 + np.log(np.fromiter(counts.values(), float, len(counts)))
        values *= self.weights["idf"][places]
        values /= max(np.linalg.norm(values), 1e-12)
        return self.weights["weight"][:, places] @ values + self.weights["bias"]
