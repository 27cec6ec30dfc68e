"""What a backbone has to cope with is measured on the data, or not claimed."""

from pathlib import Path

import numpy as np
import pytest

from trainers.datasets import BUNDLED_DATASETS, DatasetFacts, DatasetSplits, Split, compute_facts

GERMAN = "Wo bleibt mein Paket? Ich warte seit zwei Wochen darauf und niemand antwortet mir."
JAPANESE = "荷物がまだ届いていません。いつ届くのか教えてください。もう二週間も待っています。"


def texts(*some: str) -> DatasetSplits:
    split = Split(list(some), np.zeros(len(some), np.int64))
    return DatasetSplits("text", ("a", "b"), split, split)


def pictures(*some: np.ndarray) -> DatasetSplits:
    split = Split(some, np.zeros(len(some), np.int64))
    return DatasetSplits("images", ("a", "b"), split, split)


def noise(height: int, width: int, *, grey: bool = False) -> np.ndarray:
    picture = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return np.repeat(picture[..., :1], 3, axis=2) if grey else picture


@pytest.mark.parametrize("sample", BUNDLED_DATASETS.values(), ids=lambda sample: sample.key)
def test_the_bundled_samples_are_what_they_look_like(sample):
    facts = compute_facts(sample.load_splits(12))
    if sample.modality == "text":
        assert (facts.language, facts.side_px) == ("en", None)
        assert 10 < facts.words < 60
    else:
        side = 8 if sample.key == "digits" else 64
        assert facts == DatasetFacts("images", side, grey=sample.key == "digits")


@pytest.mark.parametrize(
    ("some", "language"),
    [
        ((GERMAN,), "de"),
        ((JAPANESE,), "ja"),
        (("sku 3381 qty 5",) * 9, ""),
        (("12 345 67,8", "???", "") * 20, ""),
        ((), ""),
        (("def f(x): return x + 1",), ""),
        (("pizza margherita, sushi, burger, kebab",), ""),
    ],
    ids=["german", "japanese", "codes", "no letters", "nothing", "program", "words of many"],
)
def test_a_language_is_named_only_where_it_is_sure(some, language):
    assert compute_facts(texts(*some)).language == language


def test_words_are_those_of_a_long_text_not_of_the_longest():
    assert compute_facts(texts(*["one two three"] * 99, "many " * 500)).words == 3


def test_characters_count_where_a_script_has_no_spaces():
    assert 30 < compute_facts(texts(JAPANESE)).words <= len(JAPANESE)


def test_the_shorter_side_counts_and_the_middle_of_them():
    assert compute_facts(pictures(noise(30, 90), noise(80, 40), noise(500, 400))).side_px == 40


def test_a_few_colours_among_grey_pictures_make_them_colour_pictures():
    grey, colour = noise(9, 9, grey=True), noise(9, 9)
    assert compute_facts(pictures(grey, grey)).grey
    assert not compute_facts(pictures(*[grey] * 9, colour)).grey


def test_a_large_set_is_looked_at_in_part_and_all_over():
    asked = []

    class Noted(list):
        def __getitem__(self, place):
            asked.append(place)
            return noise(9, 9)

    split = Split(Noted(range(5000)), np.zeros(5000, np.int64))
    compute_facts(DatasetSplits("images", ("a", "b"), split, split), sample_size=50)
    assert len(asked) == 50
    assert (min(asked), max(asked)) == (0, 4999)


@pytest.mark.real_data
def test_texts_of_the_shared_sets_are_english_and_their_lengths_differ(real_data):
    words = {}
    for name in ("sms-spam", "medical-abstracts"):
        file = Path(real_data, name, "train.csv").read_text("utf-8")
        facts = compute_facts(texts(*file.splitlines()[1:200]))
        assert facts.language == "en"
        words[name] = facts.words
    assert words["medical-abstracts"] > 4 * words["sms-spam"]
