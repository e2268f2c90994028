"""Where a falling curve bends."""

import pytest

from harness.judge.knee import knee


def test_the_knee_is_the_point_furthest_below_the_chord() -> None:
    assert knee([0, 1, 2, 3, 4, 5], [100, 90, 30, 25, 20, 15]) == 2


@pytest.mark.parametrize(
    ("places", "values"),
    [
        ([0, 1, 2, 3], [90, 60, 30, 0]),  # straight
        ([0, 1, 2], [100, 47, 0]),  # bent by less than a tenth of its fall
        ([0, 1, 2], [5, 5, 5]),  # flat
        ([0, 1, 2], [1, 2, 3]),  # rising
        ([0, 1, 2], [100, 90, 0]),  # bent the other way
        ([0, 1], [9, 0]),  # two points
    ],
)
def test_a_curve_without_a_bend_has_no_knee(places: list[int], values: list[int]) -> None:
    assert knee(places, values) is None


def test_the_knee_does_not_depend_on_the_units() -> None:
    values = [100, 40, 30, 20, 10]
    assert (
        knee([0, 10, 20, 30, 40], [value * 1e6 + 7 for value in values]) == knee([0, 1, 2, 3, 4], values) == 1
    )


def test_places_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ValueError, match="the positions of a curve rise"):
        knee([0, 2, 1], [3, 2, 1])
    with pytest.raises(ValueError, match="2 positions and 3 values"):
        knee([0, 1], [3, 2, 1])
