"""Was the advice right? Claims about the words and the outcome."""

import pytest

from trainers.evaluation.verdict import judge


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
    assert "About 470 would settle it" in found.words
    assert found.detectable_difference > 0.05


def cells(both: int, first: int, second: int, neither: int, times: float = 1.0) -> dict:
    """Answers of two approaches, by how many examples both, one or neither has right."""
    counts = [round(times * count) for count in (both, first, second, neither)]
    pairs = [(True, True), (True, False), (False, True), (False, False)]
    made = [pair for pair, count in zip(pairs, counts, strict=True) for _ in range(count)]
    return {key: [pair[place] for pair in made] for place, key in enumerate(("transfer", "hybrid"))}


@pytest.mark.parametrize(
    ("counts", "outcome"),
    [((100, 10, 18, 25), "wrong"), ((100, 12, 10, 31), "right"), ((140, 6, 6, 1), "right")],
    ids=["behind", "ahead", "even"],
)
def test_as_many_tests_as_are_said_settle_it_and_fewer_do_not(counts, outcome):
    found = judge("transfer", cells(*counts))
    assert found.outcome == "cannot tell"
    times = found.required_test_size / sum(counts)
    assert times > 1
    assert judge("transfer", cells(*counts, times=1.1 * times)).outcome == outcome
    assert judge("transfer", cells(*counts, times=0.9 * times)).outcome == "cannot tell"


def test_the_number_is_that_of_the_paired_interval():
    # 1.96 * sqrt(share that one alone has right) / sqrt(tests) < difference
    found = judge("transfer", cells(100, 10, 18, 25))
    by_hand = 1.96**2 * (28 / 153) / (8 / 153) ** 2
    assert found.required_test_size == pytest.approx(by_hand, rel=0.05)
    assert "With 153 test examples" in found.words
    assert "About 260 would settle it" in found.words


def test_what_would_take_too_many_tests_is_said_to_be_too_close():
    found = judge("transfer", cells(100, 120, 123, 57))
    assert (found.outcome, found.required_test_size) == ("cannot tell", None)
    assert "more than 10,000" in found.words


def test_what_is_settled_needs_no_more_tests():
    assert (
        judge("hybrid", {"hybrid": answers(360), "transfer": answers(300)}).required_test_size
        is None
    )


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


def test_what_is_enough_is_named_by_its_key():
    assert (
        judge("transfer", {"transfer": answers(350), "simple": answers(350)}).sufficient_baseline
        == "simple"
    )
    assert (
        judge("transfer", {"transfer": answers(350), "simple": answers(200)}).sufficient_baseline
        == ""
    )


def test_a_weak_baseline_is_not_mentioned():
    found = judge("transfer", {"transfer": answers(350), "none": answers(200)})
    assert "no network need" not in found.words


def test_only_examples_that_all_were_asked_are_compared():
    found = judge("hybrid", {"hybrid": answers(100, 100), "transfer": answers(100, 400)})
    assert found.against_advised["transfer"].tests == 100


def test_without_the_advised_one_there_is_no_outcome():
    found = judge("hybrid", {"transfer": answers(300)})
    assert (found.outcome, found.best) == ("", "transfer")
