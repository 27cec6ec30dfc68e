"""Was the advice right? Claims about the words and the outcome."""

import pytest

from trainers.verdict import judge


def answers(right: int, of: int = 400, *, shift: int = 0) -> list[bool]:
    """`right` of `of` right; shifted, others are."""
    made = [True] * right + [False] * (of - right)
    return made[-shift:] + made[:-shift] if shift else made


def test_a_clear_win_is_right():
    found = judge("hybrid", {"hybrid": answers(360), "transfer": answers(300)})
    assert (found.outcome, found.best) == ("right", "hybrid")
    assert "360 against 300 right of 400" in found.words
    assert "clear win" in found.words
    assert found.against_advised["transfer"].high < 0


def test_a_clear_loss_is_wrong():
    found = judge("transfer", {"hybrid": answers(360), "transfer": answers(300)})
    assert (found.outcome, found.best) == ("wrong", "hybrid")
    assert "the advice was wrong" in found.words
    assert "behind by" in found.words


def test_as_good_as_the_best_is_right():
    same = answers(350)
    found = judge("transfer", {"hybrid": same, "transfer": same, "fine_tune": answers(300)})
    assert (found.outcome, found.best) == ("right", "transfer")


def test_with_few_test_examples_it_cannot_be_told_and_what_would_settle_it_is_said():
    found = judge("transfer", {"transfer": answers(30, 40), "hybrid": answers(32, 40, shift=5)})
    assert found.outcome == "cannot tell"
    assert "invisible" in found.words
    assert "four times as many" in found.words
    assert found.visible > 0.05


def test_only_what_can_be_advised_counts_as_best():
    found = judge("transfer", {"transfer": answers(300), "simple": answers(390)})
    assert found.best == "transfer"


@pytest.mark.parametrize(("simple", "word"), [(350, "as good"), (390, "better")])
def test_where_no_network_is_needed_that_is_said(simple, word):
    found = judge(
        "transfer",
        {"transfer": answers(350), "hybrid": answers(330), "simple": answers(simple)},
    )
    assert f"is {word}: no network need be trained" in found.words


def test_a_weak_baseline_is_not_mentioned():
    found = judge("transfer", {"transfer": answers(350), "none": answers(200)})
    assert "no network need" not in found.words


def test_only_examples_that_all_were_asked_are_compared():
    found = judge("hybrid", {"hybrid": answers(100, 100), "transfer": answers(100, 400)})
    assert found.against_advised["transfer"].tests == 100


def test_without_the_advised_one_there_is_no_outcome():
    found = judge("hybrid", {"transfer": answers(300)})
    assert (found.outcome, found.best) == ("", "transfer")
