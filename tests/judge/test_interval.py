"""The statistics, against literals, exact fractions and scipy's own quantile test."""

import math
import re
import statistics
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import quantile_test

from harness.judge.interval import (
    MIN_UNITS,
    Interval,
    holm,
    log_ratios,
    median_interval,
    sign_test,
    undisturbed,
)

quick = settings(deadline=None, max_examples=50)  # no deadline, for the first example pays for an import

LOGS = st.floats(-2, 2)
SECONDS = st.floats(1e-7, 1e3)


def test_eight_values_are_the_fewest_with_an_interval_at_99_percent() -> None:
    assert MIN_UNITS == 8
    assert median_interval([1, 2, 3, 4, 5, 6, 7]) is None
    assert median_interval([1, 2, 3, 4, 5, 6, 7, 8]) == Interval(low=1, high=8, coverage=0.9921875)


def test_seven_values_have_no_interval_at_any_confidence() -> None:
    assert median_interval([1, 2, 3, 4, 5, 6, 7], confidence=0.5) is None


def test_eight_values_have_no_interval_at_three_nines() -> None:
    assert median_interval([1, 2, 3, 4, 5, 6, 7, 8], confidence=0.999) is None


def test_a_coverage_that_equals_the_confidence_is_enough() -> None:
    assert median_interval(range(1, 9), confidence=0.9921875) == Interval(low=1, high=8, coverage=0.9921875)


def test_the_order_of_the_values_is_of_no_matter() -> None:
    assert median_interval([8, 1, 7, 2, 6, 3, 5, 4]) == Interval(low=1, high=8, coverage=0.9921875)


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(8, 1, 8), (10, 1, 10), (11, 1, 11), (12, 2, 11), (15, 3, 13), (20, 4, 17), (30, 8, 23), (100, 37, 64)],
)
def test_the_ranks_at_99_percent_are_those_of_the_printed_tables(count: int, low: int, high: int) -> None:
    interval = median_interval(range(1, count + 1))

    assert interval is not None
    assert (interval.low, interval.high) == (low, high)


def exact_coverage(count: int, rank: int) -> Fraction:
    """Coverage of the rank-th lowest to the rank-th highest of so many values."""
    return 1 - Fraction(2 * sum(math.comb(count, below) for below in range(rank)), 2**count)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("count", [8, 9, 13, 20, 51, 200])
def test_the_interval_covers_enough_and_the_next_narrower_one_does_not(count: int, confidence: float) -> None:
    interval = median_interval(range(1, count + 1), confidence)

    if interval is None:
        assert exact_coverage(count, 1) < Fraction(confidence)
        return
    rank = int(interval.low)
    assert interval.high == count + 1 - rank
    assert interval.coverage == pytest.approx(float(exact_coverage(count, rank)), rel=1e-12)
    assert exact_coverage(count, rank) >= Fraction(confidence)
    assert exact_coverage(count, rank + 1) < Fraction(confidence)


@pytest.mark.parametrize("count", [8, 12, 25, 60])
def test_the_interval_is_that_of_scipys_quantile_test(count: int) -> None:
    values = [math.tan(3 * place) for place in range(count)]
    expected = quantile_test(values).confidence_interval(0.99)
    interval = median_interval(values)

    assert interval is not None
    assert (interval.low, interval.high) == (expected.low, expected.high)


@pytest.mark.parametrize("confidence", [0, 1, -0.1, 99, math.nan])
def test_a_confidence_outside_0_to_1_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="it lies between 0 and 1"):
        median_interval(range(10), confidence)


@quick
@given(st.lists(LOGS, min_size=8, max_size=60))
def test_the_interval_holds_the_median_and_mirrors(values: list[float]) -> None:
    interval = median_interval(values)
    mirrored = median_interval([-value for value in values])

    assert interval is not None
    assert interval.low <= statistics.median(values) <= interval.high
    assert mirrored == Interval(low=-interval.high, high=-interval.low, coverage=interval.coverage)


@pytest.mark.parametrize(
    ("values", "p"),
    [
        ([1, 1, 1, 1, 1, 1, 1, 1], 1 / 128),
        ([-1, -1, -1, -1, -1, -1, -1, -1], 1 / 128),
        ([1, 1, 1, 1, 1, 1, 1, -1], 9 / 128),
        ([1, 1, 1, 1, -1, -1, -1, -1], 1.0),
        ([3], 1.0),
    ],
)
def test_the_sign_test_is_exact_and_two_sided(values: list[float], p: float) -> None:
    assert sign_test(values) == pytest.approx(p, rel=1e-12)


def test_values_at_the_centre_are_dropped() -> None:
    assert sign_test([0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]) == pytest.approx(1 / 128, rel=1e-12)
    assert sign_test([5, 5, 6, 6, 6, 6, 6, 6, 6, 6], centre=5) == pytest.approx(1 / 128, rel=1e-12)


def test_nothing_but_the_centre_says_nothing() -> None:
    assert sign_test([0.0, 0.0, -0.0]) == 1.0
    assert sign_test([]) == 1.0


def test_holm_multiplies_the_smallest_by_all_and_the_next_by_one_less() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))


def test_holm_never_falls_and_never_passes_1() -> None:
    assert holm([0.01, 0.011, 0.9, 0.8]) == pytest.approx((0.04, 0.04, 1.0, 1.0))


def test_holm_of_a_single_test_changes_nothing() -> None:
    assert holm([0.03]) == (0.03,)
    assert holm([]) == ()


@quick
@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_lies_between_the_raw_p_and_bonferroni(p_values: list[float]) -> None:
    for raw, adjusted in zip(p_values, holm(p_values), strict=True):
        assert raw <= adjusted <= min(1.0, len(p_values) * raw)


@pytest.mark.parametrize("unit", ["layout", "window"])
def test_a_draw_is_worth_its_fastest_rounds(unit: str) -> None:
    reference = [[3.0, 1.0, 1.5], [2.0, 2.0, 2.0]]
    arm = [[4.0, 100.0, math.e], [2 * math.e**2, 20.0, 2 * math.e**3]]

    assert log_ratios(reference, arm, unit) == pytest.approx((1.0, 2.0))


@pytest.mark.parametrize(
    ("samples", "seconds"),
    [
        ([5.0], 5.0),
        ([5.0, 3.0, 4.0, 6.0], 3.0),
        ([5.0, 3.0, 4.0, 6.0, 9.0], 3.5),
        ([8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0], 1.5),
    ],
)
def test_undisturbed_is_the_mean_of_the_fastest_quarter_rounded_up(
    samples: list[float], seconds: float
) -> None:
    assert undisturbed(samples) == seconds


def test_a_burst_that_reaches_three_quarters_of_the_samples_changes_nothing() -> None:
    quiet = [1.0, 1.0, 1.0, 1.0]
    assert log_ratios([quiet], [[7.0, 1.1, 5.0, 3.0]], "layout") == pytest.approx((math.log(1.1),))


def test_every_round_is_a_value_where_the_round_is_the_unit() -> None:
    assert log_ratios([[1.0, 2.0], [4.0]], [[2.0, 1.0], [4.0]], "round") == pytest.approx(
        (math.log(2), -math.log(2), 0.0)
    )


def test_a_machine_that_slows_while_it_is_timed_slows_both_sides() -> None:
    # the machine slows fivefold; the arm costs 10 % more throughout
    assert log_ratios([[1.0, 2.0, 5.0]], [[1.1, 2.2, 5.5]], "layout") == pytest.approx((math.log(1.1),))


def test_no_draws_are_no_values() -> None:
    assert log_ratios([], [], "layout") == ()


@pytest.mark.parametrize(
    ("reference", "arm", "sentence"),
    [
        ([[1.0]], [[1.0], [1.0]], "reference has 1 layouts, arm has 2; they are paired"),
        ([[1.0], [1.0, 2.0]], [[1.0], [1.0]], "reference[1] has 2 rounds, arm[1] has 1; they are paired"),
        ([[1.0], []], [[1.0], []], "reference[1] and arm[1] have no rounds"),
        ([[1.0, 0.0]], [[1.0, 1.0]], "reference[0][1] is 0.0; a sample is finite and above 0"),
        ([[1.0, 1.0]], [[-1.0, 1.0]], "arm[0][0] is -1.0; a sample is finite and above 0"),
        ([[1.0]], [[math.inf]], "arm[0][0] is inf; a sample is finite and above 0"),
        ([[math.nan]], [[1.0]], "reference[0][0] is nan; a sample is finite and above 0"),
    ],
)
@pytest.mark.parametrize("unit", ["layout", "window", "round"])
def test_samples_that_are_no_pairs_are_refused_in_a_sentence(
    reference: list[list[float]], arm: list[list[float]], unit: str, sentence: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        log_ratios(reference, arm, unit)


def test_another_unit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^unit is 'rounds'; it is 'layout', 'window' or 'round'$"):
        log_ratios([[1.0]], [[1.0]], "rounds")


PAIRS = st.lists(st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=5), max_size=12)


@quick
@given(PAIRS, st.sampled_from(["layout", "round"]))
def test_swapped_sides_give_the_mirrored_values(pairs: list[list[tuple[float, float]]], unit: str) -> None:
    reference = [[before for before, _ in layout] for layout in pairs]
    arm = [[after for _, after in layout] for layout in pairs]

    assert log_ratios(arm, reference, unit) == tuple(-value for value in log_ratios(reference, arm, unit))


@quick
@given(PAIRS, st.sampled_from(["layout", "round"]), st.floats(1e-3, 1e9))
def test_the_unit_of_time_is_of_no_matter(
    pairs: list[list[tuple[float, float]]], unit: str, scale: float
) -> None:
    reference = [[before for before, _ in layout] for layout in pairs]
    arm = [[after for _, after in layout] for layout in pairs]
    scaled = log_ratios(
        [[scale * sample for sample in layout] for layout in reference],
        [[scale * sample for sample in layout] for layout in arm],
        unit,
    )

    assert scaled == pytest.approx(log_ratios(reference, arm, unit), rel=1e-9, abs=1e-12)


@quick
@given(st.lists(st.lists(SECONDS, min_size=1, max_size=5), max_size=12), st.sampled_from(["layout", "round"]))
def test_samples_against_themselves_are_exactly_0(samples: list[list[float]], unit: str) -> None:
    assert set(log_ratios(samples, samples, unit)) <= {0.0}
