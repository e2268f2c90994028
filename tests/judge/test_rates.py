"""Exact binomial bounds, from literals."""

import pytest

from harness.judge.rates import rate_bound, rate_interval


def test_no_alarm_in_few_comparisons_bounds_their_rate_only_widely() -> None:
    assert rate_bound(0, 5) == pytest.approx(1 - 0.05 ** (1 / 5))
    assert rate_bound(0, 200) == pytest.approx(0.0149, abs=1e-4)


def test_the_bound_is_one_tail_and_the_interval_has_two() -> None:
    assert rate_interval(0, 5, 0.95) == pytest.approx((0.0, 1 - 0.025 ** (1 / 5)))
    assert rate_interval(5, 5, 0.99)[0] == pytest.approx(0.005 ** (1 / 5))
