"""What a scatter is said to let a comparison see, against intervals of such noise."""

import random
import statistics

import pytest

from harness.judge.interval import layout_interval
from harness.judge.noise import smallest_told


def test_the_smallest_difference_that_is_told_is_half_of_an_interval_of_normal_noise() -> None:
    chance = random.Random(1)
    halves = []
    for _ in range(40):
        interval = layout_interval([[chance.gauss(0, 0.02)] for _ in range(150)], 0.01)
        assert interval is not None
        halves.append((interval.high - interval.low) / 2)

    assert statistics.fmean(halves) == pytest.approx(smallest_told(0.02, 150), rel=0.03)
