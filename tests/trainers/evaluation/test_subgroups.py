"""Scores of classes and groups, and what may be said of the gaps between them."""

import numpy as np
import pytest

from trainers.evaluation.subgroups import (
    SIGNIFICANCE_LEVEL,
    SubgroupScore,
    describe_class_mix,
    describe_gaps,
    find_gaps,
    holm_correction,
    minimum_detectable_gap,
    score_classes,
    score_groups,
)
from trainers.events import PredictionsRecorded


def part(name: str, right: int, tests: int) -> SubgroupScore:
    return SubgroupScore(name, right, tests, right / tests, 0.0, 1.0)


def answered(labels, answers) -> PredictionsRecorded:
    return PredictionsRecorded(list(labels), list(answers), [], 1.0)


def test_a_class_has_what_was_found_of_it_and_how_often_its_name_was_right():
    cat, dog, hen = score_classes(answered([0, 0, 0, 1, 1], [0, 0, 1, 1, 0]), ["cat", "dog", "hen"])
    assert (cat.right, cat.tests, cat.said, cat.said_right) == (2, 3, 3, 2)
    assert (dog.right, dog.tests, dog.said, dog.said_right) == (1, 2, 2, 1)
    assert cat.share == pytest.approx(2 / 3)
    assert (hen.tests, hen.share, hen.low) == (0, None, None)


def test_the_interval_is_wilsons():
    cat, _ = score_classes(answered([0] * 10, [0] * 8 + [1] * 2), ["cat", "dog"])
    assert (cat.low, cat.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)  # by hand


def test_a_group_has_its_own_score_and_what_its_classes_alone_would_give():
    # Class 0 is always right, class 1 never; town holds class 0 alone.
    town, land, none = score_groups(
        answered([0, 0, 1, 0, 1, 1], [0, 0, 0, 0, 0, 0]), [0, 0, 1, 1, 1, 1], ["t", "l", "n"]
    )
    assert (town.right, town.tests, town.expected) == (2, 2, 1.0)
    assert (land.right, land.tests, land.expected) == (1, 4, 0.25)
    assert none.share is None
    assert "harder classes: by them alone 25% would be right of it, and 50%" in describe_class_mix(
        land, 0.5
    )
    assert (
        describe_class_mix(town._replace(expected=0.51), 0.5) == describe_class_mix(none, 0.5) == ""
    )


def test_a_large_gap_is_clear_and_said():
    parts = [part("a", 95, 100), part("b", 60, 100)]
    (gap,) = find_gaps(parts)
    assert (gap.name, gap.clear) == ("b", True)
    assert describe_gaps(parts, [gap], "class")[0].startswith(
        "Class b: fewer are right than of a, 60% against 95%."
    )


def test_nearly_the_same_gap_among_few_is_not_claimed():
    parts = [part("a", 8, 9), part("b", 7, 12)]  # 31 points apart
    (gap,) = find_gaps(parts)
    assert not gap.clear
    said = describe_gaps(parts, [gap], "group")
    assert said[0] == "No group is clearly apart from the others."
    assert "Group a has 9 examples in the test" in said[1]


@pytest.mark.parametrize(("tests", "others"), [(9, (11, 12)), (30, (180, 200)), (200, (95, 100))])
def test_what_could_still_be_chance_is_where_a_gap_begins_to_be_clear(tests, others):
    limit = minimum_detectable_gap(part("a", 0, tests), [part("a", 0, tests), part("b", *others)])
    edge = round((others[0] / others[1] - limit) * tests)  # so many right are not clear yet
    for right, clear in ((edge, False), (edge - 1, True)):
        (gap,) = [
            g for g in find_gaps([part("a", right, tests), part("b", *others)]) if g.name == "a"
        ]
        assert gap.clear == clear


def test_with_two_examples_nothing_can_be_clear():
    parts = [part("a", 0, 2), part("b", 5, 6)]
    assert minimum_detectable_gap(parts[0], parts) is None
    assert (
        "any gap below the others could be chance"
        in describe_gaps(parts, find_gaps(parts), "class")[-1]
    )


def test_many_parts_that_are_all_alike_are_hardly_ever_apart():
    """Without the correction one of 20 would be, in most draws."""
    rng = np.random.default_rng(0)
    draws = [[part(str(n), int(rng.binomial(50, 0.8)), 50) for n in range(20)] for _ in range(100)]
    assert (
        sum(any(gap.clear for gap in find_gaps(parts)) for parts in draws)
        <= 100 * SIGNIFICANCE_LEVEL + 3
    )
    assert (
        sum(any(gap.p < 0.5 for gap in find_gaps(parts)) for parts in draws) > 20
    )  # it can see some


def test_of_many_parts_each_is_held_against_all_others():
    parts = [*(part(f"good {n}", 48, 50) for n in range(5)), part("poor", 25, 50)]
    found = find_gaps(parts)
    assert (found[0].name, found[0].clear) == ("poor", True)
    assert found[0].others == pytest.approx(0.96)
    assert [gap.share for gap in found] == sorted(gap.share for gap in found)


def test_holms_correction_as_in_his_paper():
    # 0.01 * 4, 0.02 * 3, then never less than the one before
    assert holm_correction([0.02, 0.01, 0.04, 0.03]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm_correction([0.9, 0.8]) == [1.0, 1.0]
    assert holm_correction([]) == []


def test_one_part_is_compared_with_nothing():
    parts = [part("a", 3, 4), SubgroupScore("b", 0, 0, None, None, None)]
    assert find_gaps(parts) == []
    assert "nothing to compare" in describe_gaps(parts, [], "class")[0]
