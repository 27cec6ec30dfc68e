"""The guide's answers from a data set, each with its evidence. Suggestions: the visitor decides."""

from collections.abc import Sequence
from statistics import median_low
from typing import Any, NamedTuple

import numpy as np

from guide.questions import LARGE_MIN_EXAMPLES_PER_CLASS, MODERATE_MIN_EXAMPLES_PER_CLASS
from trainers.data_checks.findings import Finding
from trainers.datasets import DatasetSplits


class Answer(NamedTuple):
    """An answer to one of the guide's questions: its key, or `UNSURE`."""

    answer: str
    evidence: dict[str, Any]  # "says", a sentence or two, and the raw numbers: plain values


def answer_modality(data: DatasetSplits) -> Answer:
    what = "pictures" if data.modality == "images" else "texts"
    return Answer(data.modality, {"says": f"The examples are {what}."})


def answer_data_volume(data: DatasetSplits) -> Answer:
    """From the training examples of the typical class: half of the classes have no more. Of two
    classes that is the smaller, which sets how well they can be told apart; of many, one rare
    class does not turn plenty into little (that it is rare is a finding of its own)."""
    counts = np.bincount(data.train.labels, minlength=len(data.classes)).tolist()
    typical = median_low(counts)
    if not any(counts):
        answer = "none"
    elif typical < MODERATE_MIN_EXAMPLES_PER_CLASS:
        answer = "limited"
    else:
        answer = "moderate" if typical < LARGE_MIN_EXAMPLES_PER_CLASS else "large"
    fewest = counts.index(min(counts))
    if min(counts) == max(counts):
        says = f"There are {typical:,} examples of each class to learn from."
    else:
        says = (
            f"The smaller class, {data.classes[fewest]}, has {typical:,} examples to learn from."
            if len(counts) == 2
            else f"Half of the classes have {typical:,} examples to learn from, or fewer; "
            f"{data.classes[fewest]} has the fewest, {min(counts):,}."
        )
    says += (
        f" We count under {MODERATE_MIN_EXAMPLES_PER_CLASS} as few, and from "
        f"{LARGE_MIN_EXAMPLES_PER_CLASS} on as "
        "plenty."
    )
    evidence = {
        "says": says,
        "typical": typical,
        "fewest": min(counts),
        "most": max(counts),
        "examples": sum(counts),
    }
    return Answer(answer, evidence)


def answer_data_quality(found: Sequence[Finding]) -> Answer:
    """From what looking the data over found: `trainers.data_checks`."""
    because = [one for one in found if one.lowers_quality]
    if because:
        titles = "; ".join(one.title.rstrip(".") for one in because)
        says = f"Looking it over found: {titles}."
    else:
        nothing = "nothing grave" if found else "nothing that speaks against it"
        says = (
            f"Looking it over found {nothing}. Whether it is like what the model will meet later, "
            "only you can say."
        )
    evidence = {"says": says, "because": [one.key for one in because]}
    return Answer("mixed" if because else "good", evidence)
