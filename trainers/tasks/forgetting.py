"""What a backbone forgot: questions that have nothing to do with its run, before and after it.

The pictures that the bundled network learned from do not come with Thaw, and those of a downloaded
one never did. So this asks what a backbone is for, of examples that neither ever learned from: are
two alike? Of texts: is a sentence nearer to another way of saying it, or to another sentence from
the same scene (datasets/bundled/meanings.csv, written for Thaw)? Of pictures: is the most similar
of all the
others of the same kind (the bundled samples, without the one that the run learned from)?
"""

import csv
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trainers import datasets
from trainers.datasets.thumbnails import render_example
from trainers.evaluation.metrics import compare_paired, score
from trainers.events import Event, JobCancelled, JobDone, Progress, Stage
from trainers.export.saved_model import ModelUnavailable, load_model
from trainers.jobs import ForgettingTest
from trainers.networks.encoder import Encoder, get_device
from trainers.networks.loading import shared_encoder
from trainers.store import get_store
from trainers.training import baselines
from trainers.training.frozen_features import extract_frozen_features

SENTENCE_PAIRS_FILE = Path(datasets.__file__).parent / "bundled" / "meanings.csv"
IMAGES_PER_CLASS = 15  # pictures: a fine-tuned backbone answers some 200 of them in seconds. Ours
SIGNIFICANCE_LEVEL = 0.05  # the usual bound for McNemar's p
MAX_SHOWN_QUESTIONS = 6  # questions that it had right before and not after


class Question(NamedTuple):
    """One question: which input is asked about, and where its answer may come from."""

    query: int  # number of the input
    correct_label: str  # what the right answer is called
    candidates: Sequence[int]  # inputs, of which the most similar one is the answer
    candidate_labels: Sequence[str]  # what each of them is called


class Probe(NamedTuple):
    """Questions of one kind, all about the same inputs."""

    name: str
    inputs: Sequence  # texts, or uint8 pictures N x H x W x 3
    questions: list[Question]
    centred: bool  # whether angles are measured from the middle of the inputs


def load_sentence_probe() -> Probe:
    """Is a sentence nearer to another way of saying it than to one from the same scene?"""
    with open(SENTENCE_PAIRS_FILE, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    texts = [row[name] for row in rows for name in ("text", "same", "other")]
    questions = [
        Question(first, texts[first + 1], (first + 1, first + 2), texts[first + 1 : first + 3])
        for first in range(0, len(texts), 3)
    ]
    return Probe("Pairs of sentences", texts, questions, centred=False)


def load_image_probes(without: str) -> list[Probe]:
    """Is the most similar other picture of the same kind? Of each bundled sample of pictures, but
    the one called `without`."""
    found = []
    for sample in datasets.BUNDLED_DATASETS.values():
        if sample.modality != "images" or sample.key == without:
            continue
        some = sample.load_subset(range(IMAGES_PER_CLASS * sample.classes), IMAGES_PER_CLASS)
        kinds = [some.classes[label] for label in some.train.labels]
        questions = []
        for one in range(len(kinds)):
            others = [n for n in range(len(kinds)) if n != one]
            questions.append(Question(one, kinds[one], others, [kinds[n] for n in others]))
        found.append(Probe(sample.title, some.train.inputs, questions, centred=True))
    return found


def answer_probe(probe: Probe, features: np.ndarray) -> list[int]:
    """For each question the place in `among` of the input most like the one asked about."""
    towards = features - features.mean(0) if probe.centred else features
    towards = towards / np.linalg.norm(towards, axis=1, keepdims=True).clip(1e-12)
    found = []
    for question in probe.questions:
        likeness = towards[list(question.candidates)] @ towards[question.query]
        found.append(int(np.argmax(np.nan_to_num(likeness, nan=-np.inf))))
    return found


def measure_forgetting(
    job: ForgettingTest, *, should_stop: Callable[[], bool], folder: Path | None = None
) -> Iterator[Event]:
    """Ask the backbone of a finished run before and after; the last event is `Done`.

    `Done.found`: "tests", "before" and "after" (how many right), their 95 % intervals in shares
    ("before_low", …), the paired "difference" (after minus before) with "low", "high" and "p",
    "outcome" ("worse", "better", "cannot tell" or "untouched"), "words", "groups" (as many for each
    kind of question) and "lost": some that it had right before and not after. Raises `NoSuchRun`,
    `NotKept`, and what loading raises.
    """
    began = time.monotonic()
    yield Stage("forgot", "Reading the model as it came, and as it is now", 0.0)
    run = get_store().get_run(job.key)
    kept = load_model(run)
    if isinstance(kept, baselines.ClassicalModel) or run.job.approach in ("none", "scratch"):
        raise ModelUnavailable(
            "This approach changed no pre-trained model, so there was nothing to forget. Ask about "
            "a run of fine-tuning or hybrid."
        )
    before = shared_encoder(run.result["repeat"]["backbone"]).to(get_device())
    probes = (
        [load_sentence_probe()]
        if kept.backbone.modality == "text"
        else load_image_probes(run.result["data"])
    )
    bodies, total = (before, kept.encoder), sum(len(probe.inputs) for probe in probes)
    found: list[list[list[int]]] = [[], []]
    for number, body in enumerate(bodies):
        when = ("as it came", "as it is now")[number]
        yield Stage("forgot", f"Asking the backbone {when}", time.monotonic() - began)
        done = 0
        for probe in probes:
            looking = extract_frozen_features(
                body, probe.inputs, seconds=np.inf, should_stop=should_stop
            )
            try:
                while True:
                    told = next(looking)
                    yield Progress(done + told.done, total, time.monotonic() - began)
            except StopIteration as end:
                features = body.keep_last_layer(end.value)
            if should_stop():
                yield JobCancelled(time.monotonic() - began)
                return
            done += len(features)
            found[number].append(answer_probe(probe, features))
    seconds = time.monotonic() - began
    yield JobDone(
        summarise_answers(probes, *found, untouched=_has_same_weights(before, kept.encoder)),
        seconds,
    )


def _has_same_weights(before: Encoder, after: Encoder) -> bool:
    """Return whether not one number of the backbone is another: weights and kept averages."""
    known, now = before.state_dict(), after.state_dict()
    return known.keys() == now.keys() and all(v.equal(now[name]) for name, v in known.items())


def summarise_answers(
    probes: Sequence[Probe],
    before: Sequence[Sequence[int]],
    after: Sequence[Sequence[int]],
    *,
    untouched: bool,
) -> dict[str, Any]:
    """`Done.found` of `forgot`, from the answers to the questions of each probe."""
    groups, lost, right = [], [], ([], [])
    for probe, first, second in zip(probes, before, after, strict=True):
        both = [
            [
                q.candidate_labels[answer] == q.correct_label
                for q, answer in zip(probe.questions, some, strict=True)
            ]
            for some in (first, second)
        ]
        for every, own in zip(right, both, strict=True):
            every += own
        counts = {"before": sum(both[0]), "after": sum(both[1])}
        groups.append({"name": probe.name, "tests": len(probe.questions), **counts})
        lost.append([
            {
                "asked": render_example(probe.inputs[question.query]),
                "right": question.correct_label,
                "answer": question.candidate_labels[answer],
            }
            for question, answer, was, now in zip(probe.questions, second, *both, strict=True)
            if was and not now
        ])  # fmt: skip
    gap = compare_paired(right[1], right[0])
    count = len(right[0])
    outcome = "untouched" if untouched else "cannot tell"
    if gap.p < SIGNIFICANCE_LEVEL and not untouched:
        outcome = "worse" if gap.difference < 0 else "better"
    found: dict[str, Any] = {"tests": count, "outcome": outcome}
    for name, some in zip(("before", "after"), right, strict=True):
        of = score([1] * count, some, 2)
        found |= {name: of.right, f"{name}_low": of.low, f"{name}_high": of.high}
    found |= {"difference": gap.difference, "low": gap.low, "high": gap.high, "p": gap.p}
    found |= {"groups": groups, "lost": _interleave(lost)[:MAX_SHOWN_QUESTIONS]}
    return found | {"words": describe_forgetting(found)}


def _interleave(lists: Sequence[Sequence[Any]]) -> list[Any]:
    """The first of each list, then the second, and so on."""
    most = max(map(len, lists), default=0)
    return [some[place] for place in range(most) for some in lists if place < len(some)]


def describe_forgetting(found: dict[str, Any]) -> str:
    """Return the result in two sentences."""
    count = found["tests"]
    scores = f"{found['before']} of {count} right before, {found['after']} after"
    points = abs(round(100 * found["difference"]))
    unit = "point" if points == 1 else "points"
    match found["outcome"]:
        case "untouched":
            return (
                f"Nothing was forgotten: not one number of the backbone changed ({scores}). All "
                "that was learned is in the new last layer."
            )
        case "worse":
            return (
                f"It clearly forgot something: {scores}. So large a difference is hardly chance; "
                f"with other questions of this kind it would most likely be between "
                f"{_format_points(-found['high'])} and {_format_points(-found['low'])} points."
            )
        case "better":
            return (
                f"It forgot nothing here, it even became better: {scores}. What it learned helps "
                "with these questions, too."
            )
    low, high = _format_points(-found["low"]), _format_points(found["high"])
    if not points:
        return (
            f"No forgetting to be seen: {scores}. So few questions could hide a loss of up to "
            f"{low} of 100."
        )
    word = "fewer" if found["difference"] < 0 else "more"
    return (
        f"It cannot be told: {scores}, {points} {unit} {word}, and so small a difference may be "
        f"chance. In truth it may be up to {low} of 100 worse, or up to {high} better."
    )


def _format_points(share: float) -> str:
    return f"{max(0.0, 100 * share):.0f}"
