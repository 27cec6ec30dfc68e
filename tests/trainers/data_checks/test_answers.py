"""The guide's answers from the data: each follows from what was measured, or is "unsure"."""

import numpy as np
import pytest

from guide.questions import (
    LARGE_MIN_EXAMPLES_PER_CLASS,
    MODERATE_MIN_EXAMPLES_PER_CLASS,
    QUESTIONS,
    UNSURE,
    Answers,
)
from tests.support import toys
from trainers import backbones, datasets
from trainers.backbones import domain_distance
from trainers.data_checks import answers, specificity as special
from trainers.data_checks.findings import Finding
from trainers.data_checks.specificity import (
    DomainDistance,
    Estimate,
    answer_specificity,
    judge_specificity,
    measure_separation,
)
from trainers.datasets import DatasetFacts, DatasetSplits, Split, uploads
from trainers.networks import loading, pretrain
from trainers.tasks import timing
from trainers.tasks.timing import (
    TrainingEstimate,
    answer_compute,
    estimate_training,
    format_duration,
)
from trainers.training import frozen_features
from trainers.training.head import assign_folds
from trainers.training.stages.prepare import split_validation


def counted(*counts: int) -> DatasetSplits:
    labels = np.repeat(np.arange(len(counts)), counts)
    split = Split(["x"] * len(labels), labels)
    return DatasetSplits("text", tuple("abcdefgh"[: len(counts)]), split, split)


def ended(stream):
    """What a generator hands back."""
    while True:
        try:
            next(stream)
        except StopIteration as end:
            return end.value


def seen(data: DatasetSplits, most: int = 300) -> np.ndarray:
    body = loading.shared_encoder(backbones.get_bundled(data.modality).key)
    stream = frozen_features.extract_frozen_features(body, data.train.inputs[:most], seconds=60)
    return body.keep_last_layer(ended(stream))


def special_of(data: DatasetSplits, most: int = 300) -> answers.Answer:
    return answer_specificity(data, seen(data, most), datasets.compute_facts(data))


# --- how many, how clean ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "answer"),
    [
        ((0, 0), "none"),
        ((1, 1), "limited"),
        ((MODERATE_MIN_EXAMPLES_PER_CLASS - 1,) * 2, "limited"),
        ((MODERATE_MIN_EXAMPLES_PER_CLASS,) * 2, "moderate"),
        ((LARGE_MIN_EXAMPLES_PER_CLASS - 1,) * 3, "moderate"),
        ((LARGE_MIN_EXAMPLES_PER_CLASS,) * 3, "large"),
        ((10, 5000), "limited"),  # of two classes the smaller sets how well they are told apart
        ((5, 600, 600, 600, 600), "large"),  # one rare class does not turn plenty into little
        ((5, 5, 5, 600, 600), "limited"),
    ],
)
def test_volume_is_that_of_the_typical_class(counts, answer):
    found = answers.answer_data_volume(counted(*counts))
    assert found.answer == answer
    assert found.evidence["examples"] == sum(counts)
    assert f"{min(counts):,}" in found.evidence["says"]


def test_volume_of_two_classes_names_the_smaller_only():
    says = answers.answer_data_volume(counted(90, 300)).evidence["says"]
    assert says.startswith("The smaller class, ")
    assert "Half of" not in says


def finding(**changes) -> Finding:
    fields = {"key": "k", "title": "5 are twice", "count": 5, "effect": "e", "severity": "warning"}
    return Finding(**fields | changes)


def test_quality_is_mixed_where_a_finding_speaks_against_it_and_says_which():
    assert answers.answer_data_quality([]).answer == "good"
    assert answers.answer_data_quality([finding()]).answer == "good"
    assert "nothing grave" in answers.answer_data_quality([finding()]).evidence["says"]
    mixed = answers.answer_data_quality(
        [finding(), finding(key="m", title="9.", lowers_quality=True)]
    )
    assert mixed.answer == "mixed"
    assert mixed.evidence["because"] == ["m"]
    assert "9." in mixed.evidence["says"]


# --- how special: what follows from what was measured ------------------------------------------

NEAR, FAR = 4.0, 7.0
GUESSING, SOME, WELL = Estimate(0.0, -0.1, 0.1), Estimate(0.6, 0.5, 0.7), Estimate(0.97, 0.95, 0.99)


def lies(value: float, error: float = 0.2) -> DomainDistance:
    return DomainDistance(Estimate(value, value - error, value + error), NEAR, FAR, "")


@pytest.mark.parametrize(
    ("apart", "far", "answer"),
    [
        (SOME, lies(2), "common"),
        (WELL, lies(2), "common"),
        (SOME, lies(5.5), "somewhat"),
        (SOME, lies(9), "specialised"),
        (WELL, lies(9), "somewhat"),  # unlike what it knows, and yet nothing is missed
        (GUESSING, lies(9), "specialised"),
        (GUESSING, lies(2), UNSURE),  # everyday, but nothing of it tells the classes apart
        (SOME, lies(NEAR), UNSURE),
        (SOME, lies(FAR), UNSURE),
        (SOME, lies(5.5, error=3), UNSURE),
        (Estimate(0.88, 0.8, 0.96), lies(9), UNSURE),
        (None, lies(2), UNSURE),
        (SOME, None, UNSURE),
    ],
)
def test_a_task_is_as_special_as_both_measures_say_or_unsure(apart, far, answer):
    assert judge_specificity(apart, far, MODERATE_MIN_EXAMPLES_PER_CLASS)[0] == answer


def test_with_few_examples_nobody_can_say_that_the_model_misses_what_matters():
    assert judge_specificity(SOME, lies(9), MODERATE_MIN_EXAMPLES_PER_CLASS - 1)[0] == UNSURE
    assert judge_specificity(SOME, lies(2), 5)[0] == "common"


def blobs(gap: float, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(3), count)
    return rng.normal(size=(len(labels), 20)) + gap * np.eye(3, 20)[labels], labels


def test_separation_goes_from_guessing_to_perfect():
    nothing, something, everything = (measure_separation(*blobs(gap)) for gap in (0, 2, 20))
    assert nothing.low < 0 < nothing.high
    assert 0.2 < something.low < something.value < something.high < 0.95
    assert everything.value == 1
    assert everything.low < 1  # all right is not surely all right


def test_separation_is_surer_with_more_examples():
    few, many = (measure_separation(*blobs(2, count)) for count in (10, 300))
    assert many.high - many.low < (few.high - few.low) / 3


def test_a_rare_class_counts_as_much_as_a_common_one():
    features, labels = blobs(0, 300)
    kept = (labels == 0) | (np.arange(len(labels)) % 10 == 0)  # guessing the large class is 80 %
    assert measure_separation(features[kept], labels[kept]).value < 0.15


def test_too_few_examples_have_no_separation():
    features, labels = blobs(5, 4)
    assert measure_separation(features, labels) is None
    assert measure_separation(features[:0], labels[:0]) is None
    assert measure_separation(features[labels == 0], labels[labels == 0]) is None


def test_features_all_alike_separate_nothing():
    _, labels = blobs(0)
    assert measure_separation(np.ones((len(labels), 20)), labels).low <= 0.05


# --- how special: distance -----------------------------------------------------------------------


def test_what_few_examples_add_by_chance_is_not_distance():
    marks = {"centre": np.zeros(50), "whiten": np.eye(50)}
    rng = np.random.default_rng(0)
    for count in (10, 100, 1000):
        assert (
            domain_distance.measure_distance(rng.normal(size=(count, 50)), marks).value
            < 0.6 + 5 / count
        )
    moved = rng.normal(size=(300, 50)) + 3 / np.sqrt(50)
    value, error = domain_distance.measure_distance(moved, marks)
    assert abs(value - 3) < 2 * error < 0.5


def test_a_single_picture_says_nothing_sure():
    marks = {"centre": np.zeros(5), "whiten": np.eye(5)}
    assert domain_distance.measure_distance(np.ones((1, 5)), marks).error == np.inf


def test_the_reference_is_small_and_whole():
    assert domain_distance.STATISTICS_FILE.stat().st_size < 400_000
    marks = domain_distance.load_statistics()
    assert marks["whiten"].shape == (224, 224)
    assert 0 < marks["near"].item() < marks["far"].item()


def pictures(made: np.ndarray, labels: np.ndarray) -> DatasetSplits:
    split = Split(made, labels)
    return DatasetSplits("images", tuple(map(str, range(labels.max() + 1))), split, split)


def test_noise_is_far_from_everyday_photos():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (90, 32, 32, 3)).astype(np.uint8)
    found = special_of(pictures(noise, np.arange(90) % 2))
    assert found.answer == "specialised"
    assert found.evidence["distance"]["low"] > found.evidence["distance"]["far"]
    assert found.evidence["separation"]["low"] < 0


@pytest.mark.real_data
def test_photos_it_never_saw_are_everyday_unless_their_labels_are_dice(real_data):
    images, labels = pretrain.load_split(real_data / "cifar100" / "cifar100_webp.npz", "test")
    kept = labels < 6
    made = images[kept][:300].permute(0, 2, 3, 1).numpy()
    assert special_of(pictures(made, labels[kept][:300].numpy())).answer == "common"
    rng = np.random.default_rng(0).integers(0, 6, 300)
    assert special_of(pictures(made, rng)).answer == UNSURE


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cifar10-subset.zip", {"common"}),
        ("hymenoptera.zip", {"common"}),
        ("fashion-mnist-subset.zip", {"somewhat"}),
        # Far, but the bundled backbone tells 97 of 100 apart as it is.
        ("blood-cells.zip", {"somewhat", "specialised"}),
        ("agnews", {"common"}),
        ("banking77", {"common"}),
        ("medical-abstracts", {"specialised", UNSURE}),
    ],
)
def test_real_data_is_as_special_as_people_would_say(name, expected, real_data):
    data = datasets.get_dataset(
        f"own-{ended(uploads.import_upload(real_data / name))}"
    ).load_splits()
    most = 100 if name == "medical-abstracts" else 300  # long texts: seconds
    assert special_of(data, most).answer in expected


@pytest.mark.parametrize("key", ["digits", "messages", "pydocs", "triage"])
def test_a_bundled_sample_is_as_special_as_we_say(key):
    sample = datasets.get_dataset(key)
    most = 600 if sample.modality == "images" else 350
    assert special_of(sample.load_splits(), most).answer == sample.matching_answers["specificity"]


def far_texts(*texts: str) -> DomainDistance | None:
    split = Split(list(texts), np.arange(len(texts)) % 2)
    return special.measure_text_distance(
        DatasetSplits("text", ("a", "b"), split, split), np.empty((len(texts), 384))
    )


EVERYDAY = "My parcel has not come yet and nobody answers the phone, please tell me when it will."
CLINICAL = (
    "Dyspnoea with bibasal crepitations, orthopnoea, furosemide commenced; echo for cardiomyopathy."
)


def test_specialists_use_words_that_the_dictionary_has_not_got():
    everyday, clinical = far_texts(*[EVERYDAY] * 20), far_texts(*[CLINICAL] * 30)
    assert everyday.distance.high < everyday.near_threshold
    assert clinical.distance.low > clinical.far_threshold


def test_names_and_numbers_do_not_make_a_text_special():
    named = EVERYDAY + " Regards, Krzysztof Wojciechowski, Szczecin 4711."
    plain, with_names = far_texts(*[EVERYDAY] * 20), far_texts(*[named] * 20)
    assert with_names.distance.value == pytest.approx(plain.distance.value, abs=0.01)


def test_a_few_words_tell_nothing():
    assert far_texts(EVERYDAY) is None
    assert far_texts("OK", "12", "") is None


def test_texts_in_another_language_are_not_called_special():
    data = counted(40, 40)
    language = DatasetFacts("text", language="de", words=20)
    found = answer_specificity(data, np.random.default_rng(0).normal(size=(80, 384)), language)
    assert found.answer == UNSURE
    assert "German" in found.evidence["says"]


def test_a_backbone_without_a_reference_gives_no_answer(toy):
    found = special_of(datasets.get_dataset("colours").load_splits())
    assert found.answer == UNSURE
    assert found.evidence["separation"]["value"] > 0.5


# --- how long ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "answer"),
    [(1, "minutes"), (60, "minutes"), (3599, "minutes"), (3600, "hours"), (86_399, "hours"),
     (86_400, "ample")],
)  # fmt: skip
def test_the_budget_is_minutes_hours_or_days(seconds, answer):
    assert answer_compute(seconds, "cpu", {}).answer == answer


def test_compute_says_what_the_budget_cuts_short():
    took = dict(zip(timing.APPROACHES, (4, 40, 130, 9), strict=True))
    found = answer_compute(
        60, "cpu", {key: TrainingEstimate(seconds, 1, 9) for key, seconds in took.items()}
    )
    says = found.evidence["says"]
    assert "transfer learning 4 s, hybrid 40 s, fine-tuning 2 min" in says
    assert "ends fine-tuning earlier" in says
    assert set(found.evidence["per_approach"]) == set(timing.APPROACHES)
    assert found.evidence["budget_seconds"] == 60


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "under 1 s"),
        (4.4, "4 s"),
        (99, "99 s"),
        (119, "2 min"),
        (5400, "90 min"),
        (7300, "2 h"),
    ],
)
def test_times_in_words(seconds, words):
    assert format_duration(seconds) == words


@pytest.mark.parametrize(("key", "backbone"), [("colours", "eye"), ("words", "reader")])
def test_every_approach_is_timed_and_what_was_rehearsed_is_thrown_away(key, backbone, toy):
    data = datasets.get_dataset(key).load_splits()
    before = {n: v.clone() for n, v in loading.shared_encoder(backbone).state_dict().items()}
    found = ended(estimate_training(data, backbone))
    assert set(found) == set(timing.APPROACHES)
    assert all(course.seconds > 0 and course.seconds_per_epoch > 0 for course in found.values())
    after = loading.shared_encoder(backbone).state_dict()
    assert after.keys() == before.keys()
    assert all((after[name] == value).all() for name, value in before.items())


def test_a_slow_backbone_is_predicted_to_be_slow_where_it_is_used(toy):
    data = datasets.get_dataset("colours").load_splits()
    quick = ended(estimate_training(data, "eye"))
    toys.SLOW["seconds"] = 0.05
    slow = ended(estimate_training(data, "eye"))
    learn = len(split_validation(assign_folds(data.train.labels))[0])
    batches = -(-learn // 32)
    added = slow["fine_tune"].seconds_per_epoch - quick["fine_tune"].seconds_per_epoch
    # A forward pass a step, and some a look: when it is timed the toy is asked for 8 at a time.
    assert added == pytest.approx((batches + 18 / 8) * 0.05, rel=0.35)
    assert slow["transfer"].seconds - quick["transfer"].seconds < 0.6


def test_stop_is_heard_between_the_approaches(toy):
    assert (
        ended(
            estimate_training(
                datasets.get_dataset("colours").load_splits(), "eye", should_stop=lambda: True
            )
        )
        == {}
    )


def test_nothing_to_learn_has_no_course(toy):
    assert ended(estimate_training(datasets.get_dataset("one_class").load_splits(), "eye")) == {}


def test_answers_are_ones_that_the_guide_has(toy):
    data = datasets.get_dataset("words").load_splits()
    given = {
        "modality": answers.answer_modality(data),
        "data_volume": answers.answer_data_volume(data),
        "specificity": special_of(data),
    }
    Answers(**{key: one.answer for key, one in given.items()})
    assert set(given) < set(QUESTIONS)


# --- features, chunk by chunk ------------------------------------------------------------------


def test_features_in_chunks_are_those_of_all_at_once(toy):
    data = datasets.get_dataset("colours").load_splits()
    whole = seen(data, 90)
    assert whole.shape == (90, 8)
    assert np.allclose(whole[:20], seen(data, 20), atol=1e-6)


def test_no_more_is_made_ready_than_there_is_time_for(toy):
    data = datasets.get_dataset("colours").load_splits()
    stream = frozen_features.extract_frozen_features(
        loading.shared_encoder("eye"), data.train.inputs, seconds=0
    )
    assert len(ended(stream)) == frozen_features.BATCH_SIZE < 90
