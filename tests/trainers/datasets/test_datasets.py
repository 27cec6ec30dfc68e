"""The data sets: the same every time, tested on what was never learned, as the registry says."""

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from guide import Answers
from guide.questions import QUESTIONS
from trainers.datasets import (
    BUNDLED_DATASETS,
    DatasetSplits,
    Split,
    compute_facts,
    find_closest,
    get_dataset,
    sample_per_class,
)
from trainers.datasets.bundled import drawn
from trainers.plan import Plan
from trainers.training.run import run

every_sample = pytest.mark.parametrize(
    "sample", BUNDLED_DATASETS.values(), ids=lambda sample: sample.key
)
FEW = 12
NEAR_TEXTS = 0.5  # share of three-word runs in common
NEAR_PIXELS = 4.0  # mean difference of two pictures, of 255


@cache
def few(key: str, seed: int = 0) -> DatasetSplits:
    return get_dataset(key).load_splits(FEW, seed)


def same(one, other) -> bool:
    return np.array_equal(np.asarray(one), np.asarray(other))


@every_sample
def test_the_same_seed_is_the_same_data(sample):
    first = few(sample.key)
    drawn._draw_split.cache_clear()
    again = sample.load_splits(FEW, 0)
    assert same(again.train.inputs, first.train.inputs)
    assert same(again.train.labels, first.train.labels)
    assert same(again.test.inputs, first.test.inputs)


@every_sample
def test_another_seed_is_other_training_data_and_the_same_test(sample):
    first, second = few(sample.key), few(sample.key, 1)
    assert not same(first.train.inputs, second.train.inputs)
    assert same(first.test.inputs, second.test.inputs)
    assert same(first.test.labels, second.test.labels)


@every_sample
def test_there_are_as_many_of_each_class_as_were_asked_for(sample):
    assert np.bincount(few(sample.key).train.labels).tolist() == [FEW] * sample.classes


@every_sample
def test_some_examples_are_those_of_these_numbers_and_no_others_are_drawn(sample, monkeypatch):
    whole = few(sample.key, 1)
    monkeypatch.setattr(
        drawn, "_draw_split", lambda *_, **__: pytest.fail("more than those is drawn")
    )
    some = sample.load_subset([3, 0, 10**9, -1], FEW, 1)
    assert (some.classes, some.modality) == (whole.classes, whole.modality)
    assert some.train.labels.tolist() == [int(whole.train.labels[item]) for item in (3, 0)]
    assert len(some.train.inputs) == 2
    for one, item in zip(some.train.inputs, (3, 0), strict=True):
        assert same(one, whole.train.inputs[item])
    assert len(some.test.labels) == len(sample.load_subset([], FEW, 1).train.inputs) == 0


@every_sample
def test_fewer_examples_keep_the_test_split(sample):
    assert same(sample.load_splits(3, 0).test.labels, few(sample.key).test.labels)


@every_sample
def test_the_registry_tells_the_truth(sample):
    data = few(sample.key)
    assert data.modality == sample.modality
    assert len(data.classes) == len(set(data.classes)) == sample.classes
    assert len(data.test.labels) == len(data.test.inputs) == sample.test_examples
    assert set(data.train.labels) == set(data.test.labels) == set(range(sample.classes))
    assert data.train.labels.dtype == data.test.labels.dtype == np.int64
    assert len(data.train.inputs) == len(data.train.labels)
    if sample.modality == "images":
        for split in (data.train, data.test):
            assert split.inputs.dtype == np.uint8
            assert split.inputs.shape[-1] == 3
    else:
        assert all(isinstance(text, str) and text.strip() for text in data.test.inputs)
        assert len(data.class_descriptions) == sample.classes


@every_sample
def test_the_smallest_class_has_as_many_as_the_registry_says(sample, monkeypatch):
    if sample.key in drawn.GENERATORS:  # counting does not need 3,000 drawings
        monkeypatch.setattr(drawn, "_draw_split", blank)
    counts = np.bincount(sample.load_splits(None, 0).train.labels)
    if sample.key == "pydocs":  # the running Python's documentation: it grows
        assert counts.min() >= sample.train_examples_per_class
    else:
        assert counts.min() == sample.train_examples_per_class


def blank(name: str, per_class: int, first: int) -> Split:
    return Split(np.zeros((5 * per_class, 1, 1, 3), np.uint8), np.arange(5 * per_class) % 5)


@every_sample
def test_where_it_comes_from_is_said(sample):
    assert re.match(r"(real|drawn by code|written by)", sample.origin)


@every_sample
def test_what_it_resembles_are_answers_of_the_guide(sample):
    assert set(sample.matching_answers) == {"specificity", "data_volume"}
    Answers(modality=sample.modality, **sample.matching_answers)


@every_sample
def test_the_test_is_mixed(sample):
    """A budget that is too short tests on the first so many: they must not be of one class."""
    first = few(sample.key).test.labels[: 5 * sample.classes]
    assert len(set(first)) > sample.classes / 2


@every_sample
def test_no_test_example_is_a_near_double_of_a_training_example(sample):
    data = sample.load_splits(None if sample.modality == "text" else 60, 0)
    if sample.modality == "text":
        assert near_texts(data.train.inputs, data.test.inputs) == []
    else:
        assert nearest_pixels(data.train.inputs, data.test.inputs) > NEAR_PIXELS


def near_texts(train, test) -> list[tuple[str, str]]:
    """Pairs that share half of their three-word runs, or more."""
    where: dict[tuple, list[int]] = {}
    learned = [shingles(text) for text in train]
    for number, runs in enumerate(learned):
        for three in runs:
            where.setdefault(three, []).append(number)
    found = []
    for text in test:
        runs = shingles(text)
        for number in {number for three in runs for number in where.get(three, ())}:
            if len(runs & learned[number]) / len(runs | learned[number]) >= NEAR_TEXTS:
                found.append((train[number], text))
    return found


def shingles(text: str) -> set[tuple]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[at : at + 3]) for at in range(max(1, len(words) - 2))}


def nearest_pixels(train, test) -> float:
    """The smallest mean difference of a test picture from a training picture, of 255."""
    flat, asked = (split.reshape(len(split), -1).astype(np.float32) for split in (train, test))
    squares = (asked**2).sum(1)[:, None] + (flat**2).sum(1)[None] - 2 * asked @ flat.T
    best = squares.argmin(1)
    return float(np.abs(flat[best] - asked).mean(1).min())


def test_the_measures_of_near_doubles_find_them():
    text = "I would like my money back for the blue kettle please"
    assert near_texts([text], [text.replace("blue", "red"), "Where is it?"]) == [
        (text, text.replace("blue", "red"))
    ]
    rng = np.random.default_rng(0)
    train = rng.integers(0, 255, (5, 8, 8, 3), dtype=np.uint8)
    assert nearest_pixels(train, np.clip(train[:2] + 1, 0, 255)) < NEAR_PIXELS
    assert nearest_pixels(train, 255 - train) > NEAR_PIXELS


@every_sample
def test_a_glimpse_is_an_example_of_each_class(sample):
    found = sample.preview()
    assert sorted(name for _, name in found) == sorted(few(sample.key).classes)
    for example, _ in found:
        assert example.startswith("data:image/png") == (sample.modality == "images")


@pytest.mark.parametrize("key", ["messages", "triage"])
def test_written_samples_are_neither_too_easy_nor_too_hard_without_training(key):
    finished = list(run(Plan(data=key, approach="none", seconds=60)))[-1]
    assert finished.test_examples == get_dataset(key).test_examples
    assert 0.5 <= finished.test_accuracy <= 0.9


@pytest.mark.parametrize("key", ["messages", "triage"])
def test_written_samples_are_large_and_varied(key):
    data = get_dataset(key).load_splits()
    texts = [*data.train.inputs, *data.test.inputs]
    labels = np.concatenate([data.train.labels, data.test.labels])
    assert len(data.classes) >= 6
    assert np.bincount(labels).min() >= 90
    assert np.bincount(data.test.labels).min() >= 40
    assert len({text.lower() for text in texts}) == len(texts)
    lengths = [len(text.split()) for text in texts]
    assert max(lengths) > 3 * min(lengths)
    openings = [" ".join(text.lower().split()[:3]) for text in texts]
    assert len(set(openings)) > 0.6 * len(openings)  # no templates


def test_a_smaller_choice_stays_inside_a_larger_one():
    labels = np.repeat(np.arange(3), 20)
    small, large = set(sample_per_class(labels, 4, 0)), set(sample_per_class(labels, 9, 0))
    assert small < large
    assert len(small) == 12


# --- which sample is like the answers ---------------------------------------------------------


def test_the_closest_sample_reads_what_the_visitor_sorts():
    for answers in Answers.all_combinations():
        sample, unlike = find_closest(answers)
        assert sample.modality == ("text" if answers.modality == "text" else "images")
        for question in unlike:
            asked, enough = getattr(answers, question), sample.train_examples_per_class
            assert asked != sample.matching_answers[question] or (asked == "large" and enough < 500)
            assert question in QUESTIONS


@every_sample
def test_every_sample_is_the_closest_to_some_answers(sample):
    answers = Answers(modality=sample.modality, **sample.matching_answers)
    found, unlike = find_closest(answers)
    assert found == sample
    # Python's documentation is the largest text sample, and still not quite "plenty".
    assert unlike == (("data_volume",) if sample.key == "pydocs" else ())


def test_what_no_sample_resembles_is_said():
    many = Answers(modality="text", specificity="specialised", data_volume="large")
    assert find_closest(many) == (BUNDLED_DATASETS["triage"], ("data_volume",))


@every_sample
def test_the_facts_of_a_sample_are_those_of_its_examples(sample):
    found = compute_facts(sample.load_splits(20))
    assert found.words == pytest.approx(sample.facts.words, abs=2)  # Pythons differ in pydocs
    assert replace(found, words=0) == replace(sample.facts, words=0)
