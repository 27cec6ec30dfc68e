"""Near-duplicates: copies are found, what is only alike is not, and a split keeps them together."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from tests.support.upload_files import foldered, upload, zipped
from trainers import datasets
from trainers.datasets.uploads import limits, near_duplicates, split


def scene(seed: int, px: int = 160) -> Image.Image:
    """A picture with something in it, unlike any other, and not so light that 1.2 times cuts it."""
    coarse = np.random.default_rng(seed).integers(20, 210, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((px, px * 3 // 4), Image.Resampling.BICUBIC)


def saved(picture: Image.Image, kind: str = "JPEG", **settings) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **settings)
    return out.getvalue()


def again(picture: Image.Image, kind: str, **settings) -> Image.Image:
    return Image.open(io.BytesIO(saved(picture, kind, **settings))).convert("RGB")


COPIES = {
    "saved anew": lambda picture: again(picture, "JPEG", quality=75),
    "as WebP": lambda picture: again(picture, "WEBP", quality=70),
    "halved": lambda picture: picture.resize((picture.width // 2, picture.height // 2)),
    "enlarged": lambda picture: picture.resize((picture.width * 2, picture.height * 2)),
    "brightened": lambda picture: ImageEnhance.Brightness(picture).enhance(1.2),
    "darkened": lambda picture: ImageEnhance.Brightness(picture).enhance(0.8),
    "more contrast": lambda picture: ImageEnhance.Contrast(picture).enhance(1.2),
}


def grouped(pictures) -> np.ndarray:
    looks = [
        np.frombuffer(near_duplicates.fingerprint_image(picture), np.uint8) for picture in pictures
    ]
    return near_duplicates.group_similar_images(np.stack(looks))


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
def test_a_copy_of_a_picture_is_found_and_pictures_beside_it_are_not(copy):
    scenes = [scene(seed) for seed in range(20)]
    assert grouped([*scenes, *map(copy, scenes)]).tolist() == [*range(20), *range(20)]


@pytest.mark.parametrize("name", ["digits", "vehicles", "cells"])
def test_pictures_that_are_only_alike_are_not_taken_for_copies(name):
    data = datasets.get_dataset(name).load_splits(60)
    pictures = [Image.fromarray(picture) for picture in data.train.inputs]
    assert grouped(pictures).tolist() == list(range(len(pictures)))


def test_of_plain_pictures_nothing_is_said():
    plain = [Image.new("RGB", (40, 40), (shade, 90, 60)) for shade in range(0, 200, 10)]
    assert grouped(plain).tolist() == list(range(20))


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "most"),
    [("fashion-mnist-subset.zip", 4), ("blood-cells.zip", 0), ("hymenoptera.zip", 0)],
)
def test_real_pictures_that_are_only_alike_are_not_taken_for_copies(name, most, real_data):
    data = upload(real_data / name).load_splits()
    pictures = [Image.fromarray(picture) for picture in data.train.inputs]
    assert (grouped(pictures) != np.arange(len(pictures))).sum() <= most


STORY = (
    "The parcel was to come on Monday, then on Tuesday, and when nobody had heard of it by the "
    "end of the week I rang up and was told that it had never been sent at all"
)
ALIKE = {
    "case and marks": STORY.upper().replace(",", " —") + "!!!",
    "a word changed": STORY.replace("Tuesday", "Thursday"),
    "a word less": STORY.replace("never ", ""),
    "two sentences turned": ", ".join(STORY.split(", ")[::-1]),
    "wide letters": STORY.replace("M", "\uff2d"),
}
UNALIKE = {
    "three words changed": STORY.replace("parcel", "letter")
    .replace("Monday", "Friday")
    .replace("nobody", "no one"),
    "half of it": STORY[: len(STORY) // 2],
    "another end": STORY[:90] + " and so I would very much like to have my money back, please",
    "another text": "My phone shows nothing but a black screen since the update last night.",
    "nothing": "",
    "marks alone": "!!! ... ???",
}


@pytest.mark.parametrize("name", [*ALIKE, *UNALIKE])
def test_texts_are_alike_where_hardly_a_word_differs(name):
    others = [f"Number {n:,} of quite other things that people write to a shop" for n in range(3)]
    found = near_duplicates.group_similar_texts([STORY, *others, {**ALIKE, **UNALIKE}[name]])
    assert (found[-1] == 0) == (name in ALIKE)
    assert 0 not in found[1:-1]


def test_short_texts_that_differ_in_a_word_are_different():
    texts = ["yes", "no", "ok", "👍", "👎", "a refund", "no refund", "", "?", "!"]
    assert near_duplicates.group_similar_texts(texts).tolist() == list(range(10))


def test_groups_reach_over_a_chain_and_do_not_depend_on_the_order():
    words = [f"{word}{n}" for n in range(12) for word in ("alpha", "beta", "gamma")]
    chain = [" ".join([*words[:n], "other", *words[n + 1 :]]) for n in range(0, 36, 3)]
    assert not near_duplicates.group_similar_texts(chain).any()
    assert not near_duplicates.group_similar_texts(chain[::-1]).any()


def test_a_text_is_compared_as_far_as_a_model_reads():
    long = " ".join(f"word{n}" for n in range(2000))
    assert near_duplicates.group_similar_texts([long, long + " and then some more"]).tolist() == [
        0,
        0,
    ]


def test_smallest_hashes_agree_as_often_as_windows_are_shared():
    texts = [STORY, STORY[:100], STORY[40:], *ALIKE.values()]
    signed = near_duplicates._minhash_signatures(texts)
    for one in range(len(texts)):
        for other in range(one):
            first, second = (
                set(
                    near_duplicates._hash_shingles([near_duplicates.normalize_text(texts[at])])[
                        0
                    ].tolist()
                )
                for at in (one, other)
            )
            share = len(first & second) / len(first | second)
            # Four standard errors of 32 draws.
            assert abs((signed[one] == signed[other]).mean() - share) < 4 * 0.5 / 32**0.5


# --- in uploads -------------------------------------------------------------------------------


def sides(sample) -> tuple[set[int], set[int]]:
    """The numbers that near-duplicates share, in training and in the test."""
    _, index = sample.read_index()
    return tuple({*index["near"][index["test"] == test].tolist()} for test in (False, True))


def photos(each: int, copies: Iterable = tuple(COPIES.values())) -> dict[str, bytes]:
    files = {}
    for number, name in enumerate(("ants", "bees")):
        for at in range(each):
            picture = scene(number * 1000 + at)
            files[f"{name}/{at}.png"] = saved(picture, "PNG")
            for kind, copy in enumerate(copies):
                if at % 3 == 0:
                    files[f"{name}/{at} {kind}.png"] = saved(copy(picture), "PNG")
    return files


def test_near_copies_of_pictures_stay_on_one_side(tmp_path):
    found = upload(zipped(tmp_path / "up.zip", photos(15)))
    learned, tested = sides(found)
    assert len(found.read_index()[1]["near"]) == 2 * (15 + 5 * len(COPIES))
    assert len(learned | tested) == 30
    assert not learned & tested
    assert tested


def rows(texts: list[str], labels: str = "ab") -> bytes:
    out = io.StringIO()
    table = [(text, labels[at % len(labels)]) for at, text in enumerate(texts)]
    csv.writer(out).writerows([("text", "label"), *table])
    return out.getvalue().encode()


def stories(count: int, first: int = 0) -> list[str]:
    """Texts of random words."""
    rng = np.random.default_rng(first)
    words = (Path(__file__).parents[4] / "README.md").read_text("utf-8").split()
    return [" ".join(rng.choice(words, 25)) for _ in range(count)]


def test_near_copies_of_texts_stay_on_one_side(tmp_path):
    texts = stories(200)
    (tmp_path / "t.csv").write_bytes(rows([*texts, *(text + " ok" for text in texts[::5] * 2)]))
    found = upload(tmp_path / "t.csv")
    learned, tested = sides(found)
    assert len(learned | tested) == 200
    assert not learned & tested


def test_what_is_nearly_in_the_users_test_is_not_learned(tmp_path):
    test, train = stories(40), stories(100, first=1)
    close = [text + " ok" for text in test[:7]]
    files = {"train.csv": rows([*train, *close, test[9]]), "test.csv": rows(test)}
    found = upload(foldered(tmp_path / "d", files))
    assert len(found.load_splits().test.labels) == 40
    assert {*found.load_splits().train.inputs} == {*train}
    told = " ".join(found.notices)
    assert "7 training examples are nearly the same as one in the test" in told
    assert "1 training examples are also in the test" in told
    about, _ = found.read_index()
    assert about["twins"] == 8
    assert len(about["twins_shown"]) == 8


def test_a_class_of_near_copies_alone_is_still_tested_and_that_is_said(tmp_path):
    """Twenty pictures of one mug, taken without moving it."""
    files = photos(20, copies=())
    for at in range(20):
        mug = ImageEnhance.Brightness(scene(5000)).enhance(0.9 + at / 100)
        files[f"mug/{at}.png"] = saved(mug, "PNG")
    found = upload(zipped(tmp_path / "up.zip", files))
    assert [(learn, test) for _, learn, test in found.class_counts] == [(16, 4)] * 3
    assert any("Nearly all alike: the pictures of mug." in told for told in found.notices)


@pytest.mark.parametrize("own_test", [False, True])
def test_of_more_than_a_run_can_use_a_fixed_share_of_each_class_is_compared(
    own_test, tmp_path, monkeypatch
):
    monkeypatch.setitem(limits.MAX_USED_EXAMPLES, "text", (80, 40))
    compared = []
    alike = near_duplicates.group_similar_texts
    monkeypatch.setattr(
        near_duplicates,
        "group_similar_texts",
        lambda texts: compared.append(len(texts)) or alike(texts),
    )
    texts = stories(600)
    if own_test:
        files = {
            "train.csv": rows(texts[:400], "aaab"),
            "test.csv": rows(["ok " + text for text in texts[200:400]], "aaab"),
        }
        found = upload(foldered(tmp_path / "d", files))
    else:
        (tmp_path / "t.csv").write_bytes(rows([*texts, *("ok " + t for t in texts)], "aaab"))
        found = upload(tmp_path / "t.csv")
    data = found.load_splits()
    assert compared == [120]
    learned, tested = sides(found)
    assert not learned & tested
    assert len(data.test.labels) == 40
    assert 60 < len(data.train.labels) <= 80
    assert 8 <= np.bincount(data.test.labels)[1] <= 12
    assert any(f"a fixed choice of {len(data.train.labels)} is used" in n for n in found.notices)


def test_the_rarest_class_is_among_the_used_ones():
    labels = np.repeat([0, 1, 2], [10_000, 500, 1])
    hashes = np.random.default_rng(0).integers(0, 2**62, len(labels))
    kept, test = np.ones(len(labels), bool), np.zeros(len(labels), bool)
    rows = split.select_usable_rows(labels, hashes, test, kept, (1000, 10))
    assert np.bincount(labels[rows]).tolist() == [951, 48, 1]
    mixed = np.random.default_rng(1).permutation(len(labels))
    assert {*hashes[rows]} == {
        *hashes[mixed][
            split.select_usable_rows(labels[mixed], hashes[mixed], test, kept, (1000, 10))
        ]
    }
