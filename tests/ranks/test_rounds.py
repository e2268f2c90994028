"""The plan that all ranks follow, and the slowest rank of each round."""

import pytest

from harness.ranks.rounds import RanksPlan, planned, slowest
from harness.record.schema import Samples


def samples(reference: tuple[float, ...], arm: tuple[float, ...]) -> Samples:
    return Samples(
        metric="time", calls=1, reference=(reference,), arm=(arm,), measured_s=sum(arm), pass_s=9.0
    )


def test_a_round_takes_as_long_as_its_slowest_rank_on_each_side() -> None:
    (found,) = slowest([(samples((1.0, 4.0), (5.0, 6.0)),), (samples((2.0, 3.0), (4.0, 7.0)),)])

    assert found.reference == ((2.0, 4.0),)
    assert found.arm == ((5.0, 7.0),)


@pytest.mark.parametrize(
    ("one_call", "meeting", "moving", "budget", "plan"),
    [
        (0.0001, 0.0, 0.0, 0.3, RanksPlan(calls=3, layouts=500, rounds=1)),
        (0.010, 0.0, 0.001, 0.5, RanksPlan(calls=1, layouts=23, rounds=1)),
        (1.0, 0.0, 0.001, 0.5, RanksPlan(calls=1, layouts=1, rounds=1)),
        (0.001, 0.001, 10.0, 1.0, RanksPlan(calls=1, layouts=1, rounds=1)),
    ],
)
def test_a_budget_is_divided_into_layouts(
    one_call: float, meeting: float, moving: float, budget: float, plan: RanksPlan
) -> None:
    assert planned(one_call, meeting, moving, budget) == plan
