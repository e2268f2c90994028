"""The statistics, against literals, exact fractions and scipy's own quantile test."""

import math
import random
import re
import statistics
from fractions import Fraction
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import quantile_test

from harness.judge.interval import (
    MIN_UNITS,
    Interval,
    flip_test,
    layout_interval,
    log_ratios,
    median_interval,
    middle,
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


def alone(values: list[float]) -> list[list[float]]:
    return [[value] for value in values]


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
def test_with_one_round_a_layout_the_flip_test_is_the_sign_test(values: list[float], p: float) -> None:
    assert flip_test(alone(values)) == pytest.approx(p, rel=1e-12)


def test_values_at_the_centre_are_dropped() -> None:
    assert flip_test(alone([0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1])) == pytest.approx(1 / 128, rel=1e-12)
    assert flip_test(alone([5, 5, 6, 6, 6, 6, 6, 6, 6, 6]), 5) == pytest.approx(1 / 128, rel=1e-12)


def test_nothing_but_the_centre_says_nothing() -> None:
    assert flip_test(alone([0.0, 0.0, -0.0])) == 1.0
    assert flip_test([]) == 1.0


LAYOUTS = st.lists(st.lists(st.integers(-3, 3), min_size=1, max_size=4), min_size=1, max_size=9)


@quick
@given(LAYOUTS, st.sampled_from([0, 1]))
def test_the_flip_test_counts_all_ways_in_which_coins_can_turn_layouts(
    layouts: list[list[int]], centre: int
) -> None:
    distances = [abs(value - centre) for layout in layouts for value in layout]
    inner = max(6, math.ceil(len(distances) / 3))
    largest = min(8, inner)

    def weight(value: float) -> int:
        nearer = sum(distance <= abs(value - centre) for distance in distances)
        return min(largest, math.ceil(Fraction(nearer * largest, inner)))

    sums = [
        sum(((value > centre) - (value < centre)) * weight(value) for value in layout) for layout in layouts
    ]
    ways = [
        abs(sum(sign * each for sign, each in zip(signs, sums, strict=True)))
        for signs in product((-1, 1), repeat=len(sums))
    ]
    expected = Fraction(sum(way >= abs(sum(sums)) for way in ways), len(ways))

    assert flip_test(layouts, centre) == pytest.approx(float(expected), rel=1e-9)


def test_many_layouts_are_taken_as_normal_and_that_is_nearly_right() -> None:
    few = [[1.0, 1.0, -1.0]] * 150 + [[-1.0, -1.0]] * 50 + [[1.0], [-1.0]] * 150
    many = [*few, [0.0, 0.0], [1.0, -1.0, 1.0, -1.0, 1.0]]

    assert flip_test(few) == pytest.approx(flip_test(many), rel=0.2)


@pytest.mark.parametrize("count", [8, 11, 12, 20, 37])
@pytest.mark.parametrize("level", [0.1, 0.01])
def test_an_interval_begins_at_the_first_mean_of_two_values_above_which_nothing_is_refused(
    count: int, level: float
) -> None:
    values = [math.sin(7 * number) for number in range(count)]
    means = sorted({(one + other) / 2 for one in values for other in values})
    between = [(lower + upper) / 2 for lower, upper in pairwise(means)]
    accepted = [flip_test(alone(values), each) > level for each in between]

    interval = layout_interval(alone(values), level)

    assert interval is not None
    assert interval.low == pytest.approx(means[accepted.index(True)], abs=1e-7)
    assert interval.high == pytest.approx(means[-1 - accepted[::-1].index(True)], abs=1e-7)


@pytest.mark.parametrize("count", [9, 10, 11, 14, 30, 100])
def test_the_interval_of_the_usual_noise_is_narrower_than_that_of_order_statistics(count: int) -> None:
    chance = random.Random(4)
    samples = [[chance.gauss(0, 0.05) for _ in range(count)] for _ in range(20)]

    weighed, ordered = ([width(of(sample)) for sample in samples] for of in (by_weight, median_interval))

    assert statistics.median(weighed) < 0.95 * statistics.median(ordered)


def by_weight(values: list[float]) -> Interval | None:
    return layout_interval(alone(values), 0.01)


def width(interval: Interval | None) -> float:
    assert interval is not None
    return interval.high - interval.low


def test_one_disturbed_round_of_ten_does_not_hide_a_difference() -> None:
    rounds = [0.16, 0.18, 0.21, 0.19, 0.17, 0.2, 0.22, 0.18, 0.15, -0.05]

    weighed, ordered = by_weight(rounds), median_interval(rounds)

    assert weighed is not None
    assert ordered is not None
    assert ordered.low < 0 < weighed.low


def test_the_median_is_inside_where_the_rest_would_leave_it_out() -> None:
    lopsided = [-0.01, -0.02] * 30 + [0.5 + number / 100 for number in range(61)]

    interval = layout_interval(alone(lopsided), 0.1)

    assert interval is not None
    assert flip_test(alone(lopsided), statistics.median(lopsided)) < 0.1
    assert interval.low == statistics.median(lopsided)


@quick
@given(
    st.lists(
        st.lists(LOGS.map(lambda value: round(value, 4)), min_size=2, max_size=5), min_size=8, max_size=20
    ),
    st.sampled_from([0.1, 0.01]),
)
def test_what_the_flip_test_refuses_is_outside_of_the_interval(
    layouts: list[list[float]], level: float
) -> None:
    interval = layout_interval(layouts, level)
    mirrored = layout_interval([[-value for value in layout] for layout in layouts], level)

    if interval is None:
        assert mirrored is None
        assert flip_test(layouts, min(map(min, layouts)) - 1) > level
        return
    assert mirrored is not None
    assert (mirrored.low, mirrored.high) == (-interval.high, -interval.low)
    assert interval.low <= middle(layouts) <= interval.high
    assert flip_test(layouts, interval.low - 1e-7) <= level


def test_rounds_that_agree_within_their_layout_count_as_one() -> None:
    layouts = [[place] * 50 for place in (0.03, -0.02, 0.01, 0.04, -0.01, 0.02, 0.03, -0.03, 0.02, 0.01)]
    rounds = alone([value for layout in layouts for value in layout])

    interval = layout_interval(layouts, 0.01)
    assert interval is not None
    assert (interval.low, interval.high) == (pytest.approx(-0.02), pytest.approx(0.035))
    narrow = layout_interval(rounds, 0.01)
    assert narrow is not None
    assert narrow.high - narrow.low < 0.02


def test_rounds_that_owe_nothing_to_their_layout_make_it_nearly_as_narrow_as_rounds_alone() -> None:
    chance = random.Random(3)
    layouts = [[chance.gauss(0, 0.05) for _ in range(8)] for _ in range(30)]

    by_layout = layout_interval(layouts, 0.01)
    by_round = layout_interval(alone([value for layout in layouts for value in layout]), 0.01)

    assert by_layout is not None
    assert by_round is not None
    assert (by_layout.high - by_layout.low) / (by_round.high - by_round.low) < 1.2


def test_a_level_outside_0_to_1_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^level is 1.5; it lies between 0 and 1$"):
        layout_interval([[1.0]] * 9, 1.5)


def test_a_layout_holds_its_rounds_and_a_window_is_rounds_alone() -> None:
    reference, arm = [[1.0, 1.0], [2.0, 2.0]], [[math.e, 1.0], [2.0, 2 * math.e]]

    assert log_ratios(reference, arm, "layout") == ((1.0, 0.0), pytest.approx((0.0, 1.0)))
    assert log_ratios(reference, arm, "draw") == log_ratios(reference, arm, "layout")
    assert log_ratios(reference, arm, "window") == tuple(
        (value,) for layout in log_ratios(reference, arm, "layout") for value in layout
    )


def test_every_round_is_a_value_where_the_round_is_the_unit() -> None:
    ratios = log_ratios([[1.0, 2.0], [4.0]], [[2.0, 1.0], [4.0]], "round")

    assert ratios == (pytest.approx((math.log(2),)), pytest.approx((-math.log(2),)), (0.0,))


def test_a_machine_that_slows_while_it_is_timed_slows_both_sides() -> None:
    # the machine slows fivefold; the arm costs 10 % more throughout
    (layout,) = log_ratios([[1.0, 2.0, 5.0]], [[1.1, 2.2, 5.5]], "layout")

    assert layout == pytest.approx((math.log(1.1),) * 3)


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

    assert log_ratios(arm, reference, unit) == tuple(
        tuple(-value for value in layout) for layout in log_ratios(reference, arm, unit)
    )


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

    for there, back in zip(scaled, log_ratios(reference, arm, unit), strict=True):
        assert there == pytest.approx(back, rel=1e-9, abs=1e-12)


@quick
@given(st.lists(st.lists(SECONDS, min_size=1, max_size=5), max_size=12), st.sampled_from(["layout", "round"]))
def test_samples_against_themselves_are_exactly_0(samples: list[list[float]], unit: str) -> None:
    assert {value for layout in log_ratios(samples, samples, unit) for value in layout} <= {0.0}
