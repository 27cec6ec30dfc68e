"""How special a task is, measured on frozen features of the bundled backbone in a second.

Two questions. Do the examples look like what the backbone learned from? And does what it sees in
them tell the classes apart? Everyday needs a yes to both, highly special a no to both: examples
like none it knows, in which it misses what matters. Where the evidence is thin or stands on a
mark, the answer is "unsure".
"""

import re
import warnings
from collections.abc import Callable, Sequence
from statistics import median_low
from typing import Any, NamedTuple

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from guide.questions import MODERATE_MIN_EXAMPLES_PER_CLASS, UNSURE
from trainers import backbones
from trainers.backbones import domain_distance
from trainers.backbones.compatibility import LANGUAGES
from trainers.data_checks.answers import Answer
from trainers.datasets import DatasetFacts, DatasetSplits

FOLDS = 5
MAX_EXAMPLES = 1000  # examples, at most: enough for ± 3 points, and a second on two cores
MIN_GOOD_SEPARATION = 0.9  # of the way from guessing to perfect: little is missed. Ours
# Of everyday words (not names, not numbers) the share that the dictionary does not have whole.
# Both ours, round: measured 2 to 8 % in five sets of messages and news, 15 % in two of medicine.
NEAR_UNKNOWN_WORDS, FAR_UNKNOWN_WORDS = 0.05, 0.10
MIN_WORDS = 200  # fewer tell nothing sure about a share. Ours
WORD_PATTERN = re.compile(r"[^\W\d_]+")


class Estimate(NamedTuple):
    """A measured value and its 95 % interval."""

    value: float
    low: float
    high: float


class DomainDistance(NamedTuple):
    """How far the examples are from what the backbone knows, and the thresholds for it."""

    distance: Estimate
    near_threshold: float  # nearer is everyday
    far_threshold: float  # farther is like nothing everyday
    description: str  # what was measured, as half a sentence after "Your …"


def answer_specificity(data: DatasetSplits, features: np.ndarray, facts: DatasetFacts) -> Answer:
    """From `features`, float (n, F), of the first n training examples by the bundled backbone."""
    features = features[:MAX_EXAMPLES]
    labels = data.train.labels[: len(features)]
    typical = median_low(np.bincount(labels, minlength=len(data.classes)).tolist())
    apart = measure_separation(features, labels)
    row = backbones.get_bundled(data.modality)
    far = DISTANCE_MEASURES[row.key](data, features) if row.key in DISTANCE_MEASURES else None
    evidence: dict[str, Any] = {
        "examples": len(features),
        "separation": apart and apart._asdict(),
        "distance": far
        and {**far.distance._asdict(), "near": far.near_threshold, "far": far.far_threshold},
    }
    if facts.language and row.languages and facts.language not in row.languages:
        language = LANGUAGES.get(facts.language, facts.language)
        says = (
            f"The texts seem to be in another language ({language}) than the bundled model "
            "reads, so how special they are cannot be measured with it."
        )
        return Answer(UNSURE, {"says": says, **evidence})
    answer, why = judge_specificity(apart, far, typical)
    return Answer(
        answer, {"says": f"{_describe_evidence(data, apart, far)} {why}".strip(), **evidence}
    )


def judge_specificity(
    apart: Estimate | None, far: DomainDistance | None, per_class: int
) -> tuple[str, str]:
    """The answer, and why where that does not follow from the numbers by themselves. `per_class`
    examples were looked at: with few, classes look mixed up in any features."""
    if apart is None:
        return UNSURE, "There are too few examples to measure more."
    if far is None:
        return UNSURE, "How far that is from what the model knows cannot be measured here."
    if far.distance.high < far.near_threshold:
        if apart.low > 0:
            return "common", ""
        return UNSURE, (
            "With so little to tell them apart there are too few examples, or the labels follow "
            "something that the model does not see."
        )
    if far.distance.low > far.far_threshold:
        if apart.value >= MIN_GOOD_SEPARATION:
            return "somewhat", "So little is missed although they are unlike what it knows."
        if per_class < MODERATE_MIN_EXAMPLES_PER_CLASS:
            return UNSURE, (
                "They are unlike what it knows. To say whether it misses what matters, too few "
                "of each class were looked at."
            )
        if apart.high < MIN_GOOD_SEPARATION:
            return "specialised", ""
        return UNSURE, "Whether it misses what matters is too close to call."
    if far.distance.low > far.near_threshold and far.distance.high < far.far_threshold:
        return "somewhat", ""
    return UNSURE, "That stands on the edge between two answers."


def measure_separation(features: np.ndarray, labels: np.ndarray) -> Estimate | None:
    """How well `features` tell the classes apart, from 0 (guessing) to 1 (perfect): the mean over
    classes of the share found by a linear model that never saw the example. Classes with fewer
    than `FOLDS` examples are left out; None where fewer than two are left."""
    counts = np.bincount(labels)
    kept = counts[labels] >= FOLDS
    classes, labels = np.unique(labels[kept], return_inverse=True)
    if len(classes) < 2:
        return None
    # Regularised by a formula (Ledoit and Wolf 2004), so that nothing has to be tuned.
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on features that are all alike: it then guesses
        answers = cross_val_predict(model, features[kept], labels, cv=folds)
    counts = np.bincount(labels)
    right = np.bincount(labels, weights=answers == labels)
    shares = right / counts
    softened = (right + 2) / (counts + 4)  # Agresti and Coull: all right is not surely all right
    error = 1.96 * np.sqrt((softened * (1 - softened) / (counts + 4)).sum()) / len(classes)
    chance = 1 / len(classes)
    value, low, high = (
        float((share - chance) / (1 - chance))
        for share in (shares.mean(), shares.mean() - error, shares.mean() + error)
    )
    return Estimate(value, low, min(1.0, high))


def measure_image_distance(data: DatasetSplits, features: np.ndarray) -> DomainDistance | None:
    """The distance from everyday photos, in feature space: see
    `trainers.backbones.domain_distance`."""
    if len(features) < 2:
        return None
    marks = domain_distance.load_statistics()
    value, error = domain_distance.measure_distance(features, marks)
    near, far = float(marks["near"].item()), float(marks["far"].item())
    says = (
        f"pictures are {value:.1f} away from everyday photos, as the bundled model sees them (up "
        f"to {near:.1f} is everyday; beyond {far:.1f}, unlike anything everyday)"
    )
    return DomainDistance(Estimate(value, value - error, value + error), near, far, says)


def measure_text_distance(data: DatasetSplits, features: np.ndarray) -> DomainDistance | None:
    """The share of words that the backbone's dictionary of 30,000 does not have whole. Names and
    numbers aside: they are rare everywhere. The dictionary was made from Wikipedia and books."""
    from trainers.networks.minilm import load_tokenizer

    found = [
        [word for word in WORD_PATTERN.findall(text) if word.islower()]
        for text in data.train.inputs[: len(features)]
    ]
    different = list({word for words in found for word in words})
    cut = dict(
        zip(
            different,
            (len(row.ids) > 1 for row in _tokenize(load_tokenizer(), different)),
            strict=True,
        )
    )
    words = np.array([len(row) for row in found])
    rare = np.array([sum(cut[word] for word in row) for row in found])
    if words.sum() < MIN_WORDS or len(found) < 2:
        return None
    share = rare.sum() / words.sum()
    # A text is one draw, not each of its words: they speak of the same thing.
    error = 1.96 * np.sqrt(len(words) * (rare - share * words).var(ddof=1)) / words.sum()
    says = (
        f"texts use words that the bundled model's dictionary has not got: {share:.0%} of them, "
        f"names aside (in everyday English under {NEAR_UNKNOWN_WORDS:.0%}, among specialists over "
        f"{FAR_UNKNOWN_WORDS:.0%})"
    )
    return DomainDistance(Estimate(float(share), float(share - error), float(share + error)),
               NEAR_UNKNOWN_WORDS, FAR_UNKNOWN_WORDS, says)  # fmt: skip


def _tokenize(tokenizer: Any, words: Sequence[str]) -> Sequence[Any]:
    return tokenizer.encode_batch(words, add_special_tokens=False)


DISTANCE_MEASURES: dict[
    str, Callable[[DatasetSplits, np.ndarray], DomainDistance | None]
] = {  # by the key of a bundled backbone
    "small_resnet": measure_image_distance,
    "minilm": measure_text_distance,
}


def _describe_evidence(
    data: DatasetSplits, apart: Estimate | None, far: DomainDistance | None
) -> str:
    told = [f"Your {far.description}."] if far else []
    if apart:
        told.append(
            f"What the model sees as it is tells your classes apart {max(0, apart.value):.0%} of "
            f"the way from guessing to perfect (between {max(0, apart.low):.0%} and "
            f"{max(0, apart.high):.0%})."
        )
    return " ".join(told)
