"""Scores and their uncertainty."""

import pytest

from trainers.evaluation.metrics import (
    Predictions,
    compare_over_seeds,
    compare_paired,
    compare_predictions,
    score,
)


def test_the_interval_is_wilsons():
    """81 of 263: the example of Newcombe 1998 (Statistics in Medicine 17), table I."""
    found = score([1] * 263, [1] * 81 + [0] * 182, classes=2)
    assert found.accuracy == pytest.approx(0.3080, abs=1e-4)
    assert (found.low, found.high) == (
        pytest.approx(0.2553, abs=1e-4),
        pytest.approx(0.3662, abs=1e-4),
    )


@pytest.mark.parametrize("right", [0, 10])
def test_none_or_all_right_is_not_certain(right):
    found = score([0] * 10, [0] * right + [1] * (10 - right), classes=2)
    assert 0 <= found.low <= found.accuracy <= found.high <= 1
    assert found.high - found.low > 0.2


def test_more_examples_narrow_the_interval():
    few, many = (score([0, 1] * n, [0, 0] * n, classes=2) for n in (5, 500))
    assert few.accuracy == many.accuracy == 0.5
    assert many.high - many.low < few.high - few.low


def test_every_class_counts_the_same_in_macro_f1():
    found = score([0] * 98 + [1] * 2, [0] * 100, classes=2)
    assert found.accuracy == 0.98
    assert found.macro_f1 == pytest.approx((2 * 0.98 / 1.98 + 0) / 2)


def test_a_class_that_the_test_lacks_does_not_count_in_macro_f1():
    assert score([0, 1], [0, 1], classes=5).macro_f1 == 1


def test_the_confusion_has_the_right_class_in_rows_and_every_class():
    found = score([0, 0, 1], [0, 2, 1], classes=3)
    assert found.confusion == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert found.right == 2


def test_nothing_to_score_is_said():
    with pytest.raises(ValueError, match="no test examples"):
        score([], [], classes=2)


def right(both: int, first: int, second: int, neither: int):
    return (
        [True] * (both + first) + [False] * (second + neither),
        [True] * both + [False] * first + [True] * second + [False] * neither,
    )


def test_a_paired_interval_is_agresti_and_mins():
    """1,600 people asked twice, 944 and 880 of them content (Agresti, Categorical Data Analysis,
    section 10.1): -0.040, and by Wald's interval -0.059 to -0.021."""
    first, second = right(both=794, first=150, second=86, neither=570)
    found = compare_paired(second, first)
    assert found.difference == pytest.approx(-0.04, abs=1e-4)
    assert (found.low, found.high) == (
        pytest.approx(-0.0585, abs=1e-3),
        pytest.approx(-0.0213, abs=1e-3),
    )


def test_models_that_never_differ_are_not_certainly_equal():
    found = compare_paired(*right(both=90, first=0, second=0, neither=10))
    assert (found.difference, found.p) == (0, 1)
    assert found.low < 0 < found.high


def test_turned_around_the_difference_changes_its_sign():
    one, other = right(80, 12, 3, 5)
    there, back = compare_paired(one, other), compare_paired(other, one)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert there.p == back.p < 0.05


@pytest.mark.parametrize(("first", "second"), [([], []), ([True], [True, False])])
def test_what_cannot_be_paired_is_said(first, second):
    with pytest.raises(ValueError, match="cannot be paired"):
        compare_paired(first, second)


def test_over_one_draw_the_difference_is_that_of_the_pairs():
    first, second = [True] * 7 + [False] * 3, [True] * 4 + [False] * 5 + [True]
    one, other = compare_over_seeds([first], [second]), compare_paired(first, second)
    assert tuple(one) == pytest.approx((10, other.difference, other.low, other.high))


def test_more_draws_of_the_same_do_not_make_more_tests():
    first, second = [True] * 7 + [False] * 3, [True] * 4 + [False] * 6
    assert compare_over_seeds([first] * 5, [second] * 5) == compare_over_seeds([first], [second])


def test_draws_that_disagree_are_averaged_for_each_test():
    gap = compare_over_seeds([[True, True], [False, True]], [[False, True], [True, True]])
    assert gap.difference == 0
    assert gap.low == -gap.high < 0


def test_two_are_compared_on_the_examples_that_both_were_asked():
    whole = Predictions("digits", [0, 1, 1, 0], [0, 1, 0, 0])
    part = Predictions("digits", [0, 1, 1], [1, 1, 1])
    assert compare_predictions(whole, part) == compare_paired(
        [True, True, False], [False, True, True]
    )
    assert compare_predictions(whole, part).tests == 3


@pytest.mark.parametrize(
    "other",
    [
        Predictions("cells", [0, 1], [0, 1]),
        Predictions("digits", [1, 1], [0, 1]),
        Predictions("digits", [], []),
    ],
)
def test_answers_to_another_test_are_not_compared(other):
    assert compare_predictions(Predictions("digits", [0, 1], [0, 1]), other) is None
