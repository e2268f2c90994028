"""What the time of a side is, from literals."""

import math

import pytest

from harness.judge.times import median_seconds, seconds_interval, undisturbed_seconds


def test_the_median_is_over_all_samples_and_not_over_layouts() -> None:
    assert median_seconds([[1.0, 1.0, 1.0], [9.0]]) == 1.0
    assert median_seconds([[1.0, 2.0], [3.0, 9.0]]) == 2.5


def test_undisturbed_seconds_are_those_of_the_fastest_quarter_of_each_layout() -> None:
    assert undisturbed_seconds([[1.0, 50.0, 50.0, 50.0], [3.0, 50.0], [2.0]]) == 2.0


def test_the_interval_is_in_seconds_and_over_layouts() -> None:
    interval = seconds_interval([[float(number)] * 3 for number in range(1, 9)])

    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((1.0, 8.0))


def test_seven_layouts_have_no_interval() -> None:
    assert seconds_interval([[math.e]] * 7) is None
