"""The health check: each fault is found where it was planted, and nothing where there is none."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tests.support.upload_files import foldered, two_classes, upload, zipped
from tests.trainers.datasets.uploads.test_near_duplicates import photos, rows, saved, scene, stories
from trainers import data_checks, datasets
from trainers.data_checks.findings import MAX_EXAMPLES, SEVERITIES, Finding
from trainers.datasets import DatasetSplits, Split, uploads
from trainers.datasets.thumbnails import render_example
from trainers.datasets.uploads import BadUpload
from trainers.events import Notice
from trainers.plan import BadPlan, Plan
from trainers.system.streams import drain
from trainers.training.run import run

ANY = datasets.get_dataset("digits")  # whose data it is matters only for what is kept


def looked(
    data: DatasetSplits, features=None, sample=ANY, seconds: float = 60
) -> dict[str, Finding]:
    look = data_checks.run_checks(sample, data, features, seconds)
    while True:
        try:
            progress = next(look)
        except StopIteration as end:
            return {finding.key: finding for finding in end.value}
        assert progress.done <= progress.total


def texts() -> DatasetSplits:
    return datasets.get_dataset("messages").load_splits()


def pictures(each: int = 40, classes: int = 3) -> DatasetSplits:
    def split(count: int, first: int) -> Split:
        found = [np.asarray(scene(first + at, 48)) for at in range(count * classes)]
        return Split(found, np.tile(np.arange(classes), count))

    names = ("ants", "bees", "wasps")[:classes]
    return DatasetSplits("images", names, split(each, 0), split(25, 10_000))


def more(data: DatasetSplits, inputs: list, labels: list[int]) -> DatasetSplits:
    """`data` with more to learn from."""
    train = Split([*data.train.inputs, *inputs], np.append(data.train.labels, labels))
    return replace(data, train=train)


def changed(data: DatasetSplits, change: Callable, places) -> DatasetSplits:
    inputs = list(data.train.inputs)
    for place in places:
        inputs[place] = change(inputs[place])
    return replace(data, train=Split(inputs, data.train.labels))


def without(data: DatasetSplits, label: int, kept: int) -> DatasetSplits:
    """`data` with so many to learn from of one class."""
    places = np.flatnonzero(data.train.labels == label)[kept:]
    keep = np.setdiff1d(np.arange(len(data.train.labels)), places)
    train = Split([data.train.inputs[at] for at in keep], data.train.labels[keep])
    return replace(data, train=train)


def of(data: DatasetSplits, label: int) -> np.ndarray:
    return np.flatnonzero(data.train.labels == label)


def marked(text: str) -> str:
    return f"{text} Ref-QX7."


def cut(picture: np.ndarray) -> np.ndarray:
    lower = picture.copy()
    lower[len(lower) // 2 :] = 128
    return lower


def short_test(data: DatasetSplits, count: int) -> DatasetSplits:
    return replace(data, test=Split(data.test.inputs[:count], data.test.labels[:count]))


LONG = " and then I wrote to you once more about the very same thing" * 40
GERMAN = [
    f"Guten Tag, meine Bestellung Nummer {n} ist immer noch nicht angekommen, obwohl sie {what}."
    for n in range(14)
    for what in ("schon letzte Woche da sein sollte", "längst bezahlt und verschickt worden ist")
]
REFUND = 0
# What is planted; the finding; how many; words of its title.
PLANTED = {
    "unmatched": (lambda: without(texts(), 3, 0), 1, "no examples of 'technical problem' to learn"),
    "spellings": (
        lambda: replace(texts(), classes=("a-b", "A B", *texts().classes[2:])),
        1,
        "'a-b' and 'A B' may be one class",
    ),
    "few-examples": (lambda: without(texts(), 3, 9), 1, "'technical problem' has fewer than 10"),
    "imbalance": (lambda: without(texts(), 3, 9), 1, "has 6 times as many examples as"),
    "small-test": (lambda: short_test(texts(), 20), 20, "The test has only 20 examples"),
    "two-labels": (
        lambda: more(texts(), texts().train.inputs[:3], [*(texts().train.labels[:3] + 1) % 8]),
        3,
        "3 texts are there under two labels",
    ),
    "doubles": (
        lambda: more(texts(), texts().train.inputs[:4] * 2, [*texts().train.labels[:4]] * 2),
        8,
        "8 texts are copies of another",
    ),
    "near-doubles": (
        lambda: more(
            texts(), [f"{t} ok" for t in texts().train.inputs[:4]], [*texts().train.labels[:4]]
        ),
        4,
        "4 texts are nearly the same as another",
    ),
    "in-both": (
        lambda: more(texts(), texts().test.inputs[:1], [int(texts().test.labels[0])]),
        1,
        "1 test text is in training as well",
    ),
    "short-texts": (
        lambda: more(texts(), single_words(120), [n % 8 for n in range(120)]),
        None,
        "have at most 2 words",
    ),
    "long-texts": (
        lambda: changed(texts(), lambda text: text + LONG, range(60)),
        None,
        "% of the texts are longer than the model reads",
    ),
    "language": (
        lambda: more(texts(), stories_of(GERMAN), [n % 8 for n in range(len(GERMAN))] * 5),
        None,
        r"Not all texts are English: German \(\d+%\)",
    ),
    "label-in-text": (
        lambda: changed(texts(), lambda text: text + " (Praise)", of(texts(), 7)),
        1,
        "The label 'praise' stands in the texts",
    ),
    "giveaway": (
        lambda: changed(texts(), marked, of(texts(), REFUND)),
        1,
        "'refund' is given away by a single word",
    ),
    "blank": (
        lambda: changed(pictures(), lambda picture: 90 + picture // 128, [5, 9]),
        2,
        "2 pictures are blank or nearly so",
    ),
    "cut-off": (lambda: changed(pictures(), cut, [3]), 1, "1 picture lacks its lower part"),
    "odd-sizes": (
        lambda: changed(changed(pictures(), lambda p: p[:8, :8], [3]), lambda p: p[:10], [4, 7]),
        3,
        "3 pictures are of an odd size: 1 much smaller, 2 stretched",
    ),
    "size-tells": (
        lambda: changed(pictures(), lambda picture: picture[:30, :40], of(pictures(), 1)),
        1,
        "'bees' has a size or a file format that hardly any other class has",
    ),
    "near-doubles of pictures": (
        lambda: more(pictures(), [again(p) for p in pictures().train.inputs[:4]], [0, 1, 2, 0]),
        4,
        "4 pictures are nearly the same as another",
    ),
}  # fmt: skip
COMES_WITH = {  # what else such a fault is
    "few-examples": {"imbalance"},
    "imbalance": {"few-examples"},
    "two-labels": {"near-doubles"},
    "language": {"near-doubles"},
    "long-texts": {"near-doubles"},
    "blank": {"near-doubles", "doubles"},
}


def stories_of(sentences: list[str]) -> list[str]:
    """Five times as many, no two of them alike."""
    rng = np.random.default_rng(0)
    words = " ".join(sentences).split()
    return [" ".join(rng.choice(words, 16)) for _ in range(5 * len(sentences))]


def single_words(count: int) -> list[str]:
    words = {word.casefold() for text in stories(400) for word in text.split()}
    return sorted(word for word in words if word.isalpha() and 4 < len(word) < 15)[:count]


def again(picture: np.ndarray) -> np.ndarray:
    return np.clip(picture * 1.1, 0, 255).astype(np.uint8)


@cache
def planted(name: str) -> dict[str, Finding]:
    return looked(PLANTED[name][0]())


@pytest.mark.parametrize("name", PLANTED)
def test_a_fault_is_found_where_it_was_planted_and_nothing_beside_it(name):
    _, count, words = PLANTED[name]
    key = name.split(" ")[0]
    found = planted(name)
    assert key in found
    finding = found[key]
    assert count in (None, finding.count)
    assert finding.count > 0
    assert re.search(words, finding.title)
    assert {*found} <= {key} | COMES_WITH.get(key, set())


@pytest.mark.parametrize("made", [texts, pictures])
def test_nothing_is_said_of_a_sound_set(made):
    assert looked(made()) == {}


def test_every_finder_that_needs_no_file_has_a_planted_fault():
    own_alone = {"unreadable", "suspicious-labels"}  # they have tests of their own
    assert {name.split(" ")[0] for name in PLANTED} == {*data_checks.CHECKS} - own_alone


@pytest.mark.parametrize(
    "sample", datasets.BUNDLED_DATASETS.values(), ids=lambda sample: sample.key
)
def test_of_the_bundled_samples_at_most_a_note_is_made(sample):
    if sample.loader.startswith("trainers.datasets.bundled"):
        found = looked(sample.load_splits(40), sample=sample)
        assert {finding.severity for finding in found.values()} <= {"note"}
        assert not any(finding.fix for finding in found.values())


def test_what_was_looked_at_is_said_of_each_kind_of_data():
    assert {*data_checks.describe_checks("text")} | {*data_checks.describe_checks("images")} == {
        *data_checks.CHECK_DESCRIPTIONS
    }
    assert "languages" in data_checks.describe_checks("text")
    assert "languages" not in data_checks.describe_checks("images")


# --- labels -----------------------------------------------------------------------------------


def cloudy(labels: np.ndarray) -> np.ndarray:
    """Features in which each class has its place, as wide as those of a backbone."""
    rng = np.random.default_rng(0)
    places = 3 * rng.normal(size=(3, 512))
    return (places[labels] + rng.normal(size=(len(labels), 512))).astype(np.float32)


def clusters(wrong: int = 0) -> tuple[DatasetSplits, np.ndarray, np.ndarray]:
    """Pictures whose features fall into three clouds, and which of them got a wrong label."""
    data = pictures(60)
    rng = np.random.default_rng(0)
    features = cloudy(data.train.labels)
    places = rng.permutation(180)[:wrong]
    labels = data.train.labels.copy()
    labels[places] = (labels[places] + 1) % 3
    return replace(data, train=Split(data.train.inputs, labels)), features, places


def test_labels_that_look_wrong_are_named_and_sound_ones_are_not():
    data, features, _ = clusters()
    assert "suspicious-labels" not in looked(data, features)
    data, features, places = clusters(wrong=8)
    finding = looked(data, features)["suspicious-labels"]
    assert finding.count >= 6
    assert finding.lowers_quality
    assert {one.example for one in finding.examples} <= {
        render_example(data.train.inputs[p]) for p in places
    }
    assert all(one.note.startswith("looks like ") for one in finding.examples)


def test_a_label_that_its_neighbours_share_is_not_doubted():
    """The regression is sure that the first is a bee; but it was taken where fifteen ants were."""
    labels = np.arange(180) % 3
    features = 3 * cloudy(labels)
    places = np.random.default_rng(1).integers(2, 12, 180)
    places[[0, *range(3, 48, 3)]] = 1
    features = np.hstack([features, 300 * np.eye(12, dtype=np.float32)[places]])
    features[0, :512] = features[1, :512]
    _, sure = data_checks.label_errors.suggest_labels(features, labels)
    assert sure[0] == 0
    features[:, 512:] = 0  # the places told nothing apart
    answer, sure = data_checks.label_errors.suggest_labels(features, labels)
    assert answer[0] == labels[1]
    assert sure[0] >= data_checks.label_errors.MIN_CONFIDENCE


def test_where_classes_cannot_be_told_apart_no_label_is_doubted():
    data, features, _ = clusters(wrong=8)
    noise = np.random.default_rng(0).normal(size=features.shape).astype(np.float32)
    assert "suspicious-labels" not in looked(data, noise)


def test_features_of_a_part_are_enough_and_few_are_too_few():
    data, features, places = clusters(wrong=12)
    finding = looked(data, features[:120])["suspicious-labels"]
    assert 0 < finding.count <= (places < 120).sum()
    assert "of 120 looked at" in finding.title
    assert "suspicious-labels" not in looked(data, features[:40])


@pytest.mark.real_data
def test_of_labels_made_wrong_most_that_are_named_were_so(real_data):
    from trainers.backbones import get_bundled
    from trainers.networks.loading import shared_encoder
    from trainers.training.frozen_features import extract_frozen_features

    data = upload(real_data / "blood-cells.zip").load_splits()
    encoder = shared_encoder(get_bundled("images").key)
    stream = extract_frozen_features(encoder, data.train.inputs[:600], seconds=60)
    features = encoder.keep_last_layer(drain(stream))
    rng = np.random.default_rng(0)
    wrong = rng.permutation(len(features))[:30]
    labels = data.train.labels[: len(features)].copy()
    labels[wrong] = (labels[wrong] + rng.integers(1, 3, 30)) % 3
    _, sure = data_checks.label_errors.suggest_labels(features, labels)
    named = np.flatnonzero(sure >= data_checks.label_errors.MIN_CONFIDENCE)
    assert len(named) >= 10
    assert np.isin(named, wrong).mean() >= 0.8


# --- own data: what only files can have, and mends --------------------------------------------


def faulty(tmp_path):
    """An upload with a bit of everything that can be mended."""
    files = photos(40, copies=())
    for at in range(3):
        files[f"ants/copy {at}.png"] = files[f"ants/{at}.png"]
        files[f"bees/blank {at}.png"] = saved(scene(1).point(lambda v, at=at: 90 + at), "PNG")
        files[f"bees/torn {at}.png"] = files[f"ants/{10 + at}.png"]
        files[f"bees/close {at}.png"] = saved(scene(1000 + at).resize((150, 112)), "PNG")
    files["ants/broken.png"] = files["ants/5.png"][:200]
    files["ants/page.png"] = b"<html>"
    return upload(zipped(tmp_path / "up.zip", files))


def test_files_that_could_not_be_read_are_named(tmp_path):
    finding = looked((found := faulty(tmp_path)).load_splits(), sample=found)["unreadable"]
    assert finding.title == "2 files that could not be read as pictures"
    assert finding.names == ("ants/broken.png", "ants/page.png")


def test_rows_without_a_text_or_a_label_are_counted(tmp_path):
    (tmp_path / "t.csv").write_bytes(rows([*stories(80), "", ""]) + b"no label,\n")
    found = upload(tmp_path / "t.csv")
    finding = looked(found.load_splits(), sample=found)["unreadable"]
    assert finding.title == "2 rows without a text and 1 row without a label"


def test_a_class_with_a_file_format_of_its_own_is_told(tmp_path):
    files = {
        f"{name}/{at}.{kind}": saved(scene(1000 * (kind == "PNG") + at), kind)
        for name, kind in (("ants", "JPEG"), ("bees", "PNG"))
        for at in range(30)
    }
    found = upload(zipped(tmp_path / "up.zip", files))
    assert looked(found.load_splits(), sample=found)["size-tells"].names == (
        "ants: 100% are JPEG",
        "bees: 100% are PNG",
    )


def test_the_size_that_counts_is_that_of_the_file(tmp_path):
    files = photos(30, copies=())
    files["ants/large.jpg"] = saved(scene(77).resize((1600, 1200)), "JPEG")
    found = upload(zipped(tmp_path / "up.zip", files))
    finding = looked(found.load_splits(), sample=found)["odd-sizes"]
    assert [one.note for one in finding.examples] == ["1,600 x 1,200"]


def test_what_was_in_the_users_test_as_well_is_shown(tmp_path):
    test = stories(80)
    files = {"train.csv": rows([*stories(100, 1), *test[:5]]), "test.csv": rows(test)}
    found = upload(foldered(tmp_path / "d", files))
    finding = looked(found.load_splits(), sample=found)["in-both"]
    assert finding.count == 5
    assert {one.example for one in finding.examples} == {*test[:5]}


@pytest.fixture
def checked(tmp_path):
    found = faulty(tmp_path)
    told = looked(found.load_splits(), sample=found)
    uploads.save_check(found.key, {"findings": [one.as_json() for one in told.values()]})
    return found, told


MENDED = {"doubles": 3, "near-doubles": 3, "blank": 3, "two-labels": 6}


def pixels(data: DatasetSplits) -> tuple[list[bytes], list[bytes]]:
    return tuple([x.tobytes() for x in split.inputs] for split in (data.train, data.test))


@pytest.mark.parametrize("key", MENDED)
def test_a_mend_leaves_out_what_it_names_and_nothing_changes_sides(key, checked):
    found, told = checked
    assert len(told[key].fix.rows) == MENDED[key]
    before, after = pixels(found.load_splits()), pixels(found.load_splits(fixes=(key,)))
    assert sum(map(len, before)) - sum(map(len, after)) == MENDED[key]
    for all_of, rest in zip(before, after, strict=True):
        assert {*rest} <= {*all_of}
        assert [one for one in all_of if one in rest][: len(rest)] == rest or key == "doubles"


def test_after_all_mends_the_faults_are_gone(checked):
    found, told = checked
    mends = tuple(key for key, finding in told.items() if finding.fix)
    assert {*mends} == {*MENDED}
    again = looked(found.load_splits(fixes=mends))
    assert not {*again} & {*MENDED}


def test_rows_say_where_each_example_lies(checked):
    found, _ = checked
    _, index = found.read_index()
    data = found.load_splits()
    for split, places in zip((data.train, data.test), found.split_rows(), strict=True):
        assert np.array_equal(index["labels"][places], split.labels)
    assert index["test"][found.split_rows()[1]].all()


def test_doubtful_labels_are_left_out_of_training_alone(tmp_path):
    found = upload(zipped(tmp_path / "up.zip", photos(60, copies=())))
    data = found.load_splits()
    labels = data.train.labels.copy()
    labels[:4] = 1 - labels[:4]
    features = cloudy(labels)
    finding = looked(data, features, found)["suspicious-labels"]
    assert {*finding.fix.rows} == {*found.split_rows()[0][:4].tolist()}


def test_a_run_says_what_was_left_out_and_its_plan_names_it(checked):
    found, _ = checked
    plan = Plan(data=found.key, approach="simple", fixes=("doubles", "blank"))
    assert Plan.from_json(json.loads(json.dumps(plan.as_json()))) == plan
    events = list(run(plan))
    (told,) = [e.text for e in events if isinstance(e, Notice) and "Left out" in e.text]
    assert told == "Left out, as chosen when the data was looked over: 3 copies, 3 blank."
    assert list(events[-1].repeat_plan["mends"]) == ["doubles", "blank"]
    assert Plan.from_json(events[-1].repeat_plan).fixes == ("doubles", "blank")


def test_a_run_with_a_network_says_so_too(checked):
    found, _ = checked
    events = list(run(Plan(data=found.key, approach="none", fixes=("blank",), seconds=5)))
    assert any("3 blank" in e.text for e in events if isinstance(e, Notice))


def test_without_a_look_at_the_data_a_mend_is_not_guessed(tmp_path):
    found = upload(zipped(tmp_path / "up.zip", two_classes(20)))
    assert uploads.load_check(found.key) is None
    plan = Plan(data=found.key, approach="simple", fixes=("doubles",))
    with pytest.raises(BadUpload, match="Look the data over again"):
        list(run(plan))


@pytest.mark.parametrize(
    ("data", "mends", "words"),
    [
        ("digits", ("doubles",), "digits is not data of your own"),
        ("own", ("dubles",), "No fix 'dubles'. There are: two-labels, doubles"),
        ("own", ("language",), "No fix 'language'"),
    ],
)
def test_a_mend_that_cannot_be_is_refused(data, mends, words, tmp_path):
    if data == "own":
        data = upload(zipped(tmp_path / "up.zip", two_classes(20))).key
    with pytest.raises(BadPlan, match=words):
        Plan(data=data, approach="simple", fixes=mends)


def test_what_was_found_is_deleted_with_the_data(checked, home):
    found, _ = checked
    assert list(home.rglob("check.json"))
    uploads.delete(found.key)
    assert not list(home.rglob("check.json"))


def test_a_finding_is_plain_words_and_survives_json(checked):
    _, told = checked
    told |= {name: planted(name)[name.split(" ")[0]] for name in PLANTED}
    for finding in told.values():
        assert Finding.from_json(json.loads(json.dumps(finding.as_json()))) == finding
        assert finding.key in data_checks.CHECKS
        assert finding.severity in SEVERITIES
        assert finding.count > 0
        assert finding.effect.endswith(".")
        assert not finding.title.endswith(".")
        assert len(finding.title) < 120
        assert len(finding.effect) < 420
        assert finding.examples or finding.names or finding.key == "small-test"
        assert len(finding.examples) <= MAX_EXAMPLES
        for one in finding.examples:
            assert one.label
            assert len(one.example) < 60_000
