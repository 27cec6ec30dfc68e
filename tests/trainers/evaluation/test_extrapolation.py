"""What learning curves say: claims about the words and what they rest on."""

import numpy as np
import pytest

from trainers.evaluation.extrapolation import (
    analyse_curves,
    compare_by_size,
    extrapolate,
    find_crossing,
    fit_log_line,
    fit_power_law,
)

SIZES = (5, 12, 25, 50)


def curve(approach: str, errors, *, tests=400, draws=3, wobble=0.0, seed=0) -> dict:
    """Answers of `approach`: a share `errors[i]` wrong at each of SIZES, other ones in each draw;
    draws differ by `wobble` and less with more examples, as they do."""
    rng = np.random.default_rng(seed)
    made = {}
    for size, error in zip(SIZES, errors, strict=True):
        for draw in range(draws):
            here = error + rng.normal(0, wobble * np.sqrt(SIZES[0] / size))
            wrong = rng.permutation(tests) < np.clip(here, 0, 1) * tests
            made[approach, size, draw] = ~wrong
    return made


def both(transfer, fine_tune, **more) -> dict:
    return curve("transfer", transfer, **more) | curve("fine_tune", fine_tune, seed=1, **more)


CROSSING = both((0.3, 0.25, 0.22, 0.2), (0.6, 0.4, 0.1, 0.04))


def test_where_curves_cross_the_two_sizes_around_it_are_named():
    found = find_crossing("fine_tune", "transfer", CROSSING)
    assert (found["outcome"], found["between"]) == ("crosses", [12, 25])
    said = analyse_curves(CROSSING).words
    assert "Fine-tuning pays from somewhere between 12 and 25 examples of each class" in said
    assert "with 12 transfer learning is ahead, with 25 fine-tuning is" in said


def test_a_crossing_the_other_way_is_no_reason_to_fine_tune():
    right = both((0.6, 0.4, 0.1, 0.04), (0.3, 0.25, 0.22, 0.2))
    assert find_crossing("fine_tune", "transfer", right)["outcome"] == "crosses"
    assert "pays" not in analyse_curves(right).words
    assert "Fine-tuning is ahead of transfer learning with 12" in analyse_curves(right).words


def test_always_ahead_says_that_fewer_were_not_tried():
    right = both((0.5, 0.45, 0.4, 0.35), (0.3, 0.2, 0.1, 0.05))
    found = find_crossing("fine_tune", "transfer", right)
    assert (found["outcome"], found["ahead"], found["between"]) == ("ahead", list(SIZES), [])
    assert "pays with 5 examples of each class" in analyse_curves(right).words
    assert "fewer were not tried" in analyse_curves(right).words


def test_always_behind_does_not_pay():
    right = both((0.3, 0.2, 0.1, 0.05), (0.6, 0.5, 0.4, 0.35))
    assert find_crossing("fine_tune", "transfer", right)["outcome"] == "behind"
    assert "does not pay with 50 examples of each class" in analyse_curves(right).words


def test_curves_that_are_one_cannot_be_told_apart():
    same = (0.4, 0.3, 0.2, 0.15)
    right = both(same, same)
    assert find_crossing("fine_tune", "transfer", right)["outcome"] == "cannot tell"
    assert "pays against transfer learning cannot be told" in analyse_curves(right).words


def test_a_single_choice_of_examples_tells_nothing():
    single = {key: answers for key, answers in CROSSING.items() if key[2] == 0}
    assert find_crossing("fine_tune", "transfer", single)["outcome"] == "cannot tell"
    assert extrapolate("transfer", single)["outcome"] == "cannot tell"
    assert "one choice of examples alone" in analyse_curves(single).words


def test_draws_that_disagree_widen_the_interval():
    calm, rough = (both((0.3,) * 4, (0.2,) * 4, wobble=w) for w in (0.0, 0.1))
    widths = [
        [gap.high - gap.low for gap in compare_by_size("fine_tune", "transfer", right)]
        for right in (calm, rough)
    ]
    assert all(wide > 1.5 * narrow for narrow, wide in zip(*widths, strict=True))


def test_curves_that_are_truly_one_are_seldom_told_apart():
    """5 % for all sizes together: more than 7 of 60 would come in 1 of 100 tries."""
    same = (0.4, 0.3, 0.2, 0.15)
    claims = 0
    for seed in range(60):
        right = curve("transfer", same, wobble=0.05, seed=2 * seed)
        right |= curve("fine_tune", same, wobble=0.05, seed=2 * seed + 1)
        claims += find_crossing("fine_tune", "transfer", right)["outcome"] != "cannot tell"
    assert claims <= 7


@pytest.mark.parametrize("power", [0.2, 0.5, 1.0])
def test_an_inverse_power_law_is_found_again(power):
    sizes = np.array(SIZES, dtype=float)
    error = 0.8 * sizes**-power + 0.05
    at = np.array([50.0, 100.0])
    assert fit_power_law(sizes, error, at) == pytest.approx(0.8 * at**-power + 0.05, abs=0.01)


def test_a_line_against_the_logarithm_is_found_again():
    sizes = np.array(SIZES, dtype=float)
    found = fit_log_line(sizes, 0.6 - 0.1 * np.log(sizes), np.array([100.0]))
    assert found == pytest.approx([0.6 - 0.1 * np.log(100)])


def test_the_range_holds_what_twice_the_data_brings():
    """9 in 10 are meant; fewer than 14 of 20 would come in 1 of 100 tries."""
    held = 0
    for seed in range(20):
        errors = [0.05 + 0.8 * size**-0.5 for size in SIZES]
        found = extrapolate("transfer", curve("transfer", errors, wobble=0.03, seed=seed))
        truth = 0.8 * (50**-0.5 - 100**-0.5)
        held += found["low"] <= truth <= found["high"]
    assert held >= 14


def test_a_falling_error_says_that_more_data_would_help():
    right = curve("transfer", [0.6, 0.45, 0.32, 0.2], tests=2000)
    found = extrapolate("transfer", right)
    assert found["outcome"] == "yes"
    assert found["low"] > 0.01
    assert (
        "100 of each class would probably bring transfer learning between"
        in analyse_curves(right).words
    )


def test_a_flat_curve_has_levelled_off():
    right = curve("transfer", [0.1] * 4, tests=4000)
    assert extrapolate("transfer", right)["outcome"] == "no"
    assert "has levelled off" in analyse_curves(right).words


def test_few_test_examples_make_no_forecast():
    right = curve("transfer", [0.5, 0.4, 0.35, 0.3], tests=20)
    assert extrapolate("transfer", right)["outcome"] == "cannot tell"
    assert (
        "bring transfer learning cannot be told: twice as many may bring"
        in analyse_curves(right).words
    )


def test_two_sizes_make_no_forecast():
    right = {key: answers for key, answers in CROSSING.items() if key[1] in (5, 12)}
    assert "at least 3 sizes" in extrapolate("transfer", right)["why"]


def test_what_had_no_time_for_its_examples_is_not_held_against_the_data():
    right = {key: a for key, a in CROSSING.items() if key[0] != "fine_tune"}
    said = analyse_curves(
        right | curve("hybrid", (0.3, 0.2, 0.1, 0.1)), {"fine_tune": 5, "hybrid": 50}
    ).words
    assert "Fine-tuning had no time to learn from all of even 5" in said
    assert "would bring hybrid cannot be told: there was no time" in said


def test_what_was_tried_but_not_in_time_is_not_called_untried():
    right = both((0.3, 0.2, 0.1, 0.05), (0.6, 0.5, 0.4, 0.35))
    right = {key: a for key, a in right.items() if key[:2] != ("fine_tune", 50)}
    said = analyse_curves(right, {"fine_tune": 50}).words
    assert "does not pay with 25 examples of each class" in said
    assert "Whether it does with more cannot be told" in said


def test_curves_that_the_clock_ended_say_so():
    assert "time was up" not in analyse_curves(CROSSING).words
    assert "Most runs of fine-tuning ended because time was up" in analyse_curves(
        CROSSING, {}, ["fine_tune"]
    ).words.replace("\n", " ")
