"""How small a difference is resolved, from literal log-ratios."""

import math
import random
import statistics

import pytest

from bench.peers.resolution import deviations_needed, resolution


def test_one_percent_of_false_alarms_and_95_percent_power_take_4_22_deviations() -> None:
    assert deviations_needed() == pytest.approx(2.5758 + 1.6449, abs=1e-4)


def test_more_power_or_fewer_alarms_take_more_deviations() -> None:
    assert deviations_needed(0.001, 0.95) > deviations_needed(0.01, 0.95) < deviations_needed(0.01, 0.99)


def test_a_difference_of_so_many_deviations_is_found_in_95_of_100_comparisons() -> None:
    rng = random.Random(1)
    threshold = statistics.NormalDist().inv_cdf(1 - 0.01 / 2)
    found = sum(rng.gauss(deviations_needed(), 1) > threshold for _ in range(20_000))
    assert found / 20_000 == pytest.approx(0.95, abs=0.005)


def test_the_spread_is_about_the_mean_so_that_a_bias_is_told_apart_from_it() -> None:
    found = resolution([0.03, 0.01, 0.02])
    assert found.bias == pytest.approx(0.02)
    assert found.spread == pytest.approx(0.01)
    assert found.smallest == pytest.approx(0.0422, abs=1e-4)


def test_the_interval_of_a_spread_is_that_of_chi_square() -> None:
    found = resolution([-1.0, 0.0, 1.0])
    # chi-square with 2 degrees of freedom: quantiles 0.0506 and 7.378
    assert found.low / found.smallest == pytest.approx(math.sqrt(2 / 7.378), abs=1e-3)
    assert found.high / found.smallest == pytest.approx(math.sqrt(2 / 0.0506), abs=1e-2)


def test_more_comparisons_narrow_the_interval() -> None:
    few, many = resolution([-0.01, 0.01] * 3), resolution([-0.01, 0.01] * 30)
    assert many.high / many.low < few.high / few.low


def test_one_comparison_has_a_bias_and_no_spread() -> None:
    found = resolution([0.01])
    assert found.bias == 0.01
    assert math.isnan(found.spread)
    assert math.isnan(found.smallest)


def test_no_comparison_is_refused() -> None:
    with pytest.raises(ValueError, match="two or more"):
        resolution([])
