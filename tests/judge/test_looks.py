"""When a case is looked at, and what each look may be wrong by."""

import random

import pytest

from harness.judge.interval import log_ratios
from harness.judge.looks import Looks, next_look
from harness.judge.verdict import Verdict, judge
from harness.record.schema import Samples


def test_all_looks_together_spend_what_one_would() -> None:
    looks = Looks(family=1, alpha=0.01)

    assert sum(looks.spend(share) for share in (0.1, 0.15, 0.4, 0.9, 1.0)) == pytest.approx(0.01)


def test_early_looks_spend_little() -> None:
    looks = Looks(family=1, alpha=0.01)

    assert looks.spend(0.1) == pytest.approx(0.00001)
    assert looks.spend(0.5) == pytest.approx(0.00124)


def test_looks_grow_by_half() -> None:
    assert next_look(0) == 12
    assert [next_look(units) for units in (12, 18, 27)] == [18, 27, 41]


def samples(layouts: list[list[float]]) -> Samples:
    return Samples(
        metric="time",
        calls=1,
        reference=tuple(tuple(1.0 for _ in layout) for layout in layouts),
        arm=tuple(map(tuple, layouts)),
    )


def test_an_arm_is_decided_when_all_of_its_metrics_are() -> None:
    clear, unclear = samples([[1.2]] * 20), samples([[1.2], [0.8]] * 10)
    looks = Looks(family=2)

    assert looks.decided({"both": [clear, clear], "one": [clear, unclear], "none": []}, 0.005) == {"both"}


@pytest.mark.slow
def test_who_stops_at_looks_raises_a_false_alarm_in_at_most_one_percent_of_families() -> None:
    """Equal sides, six arms that share a reference, layouts worth as much as a round's noise."""
    chance = random.Random(20261127)
    families, alarms = 400, 0
    for _ in range(families):
        looks, active = Looks(family=6, floor=0.0), set(range(6))
        reference: list[list[float]] = []
        arms: list[list[list[float]]] = [[] for _ in range(6)]
        share = 0.0
        while active and share < 1:
            target = next_look(len(reference))
            while len(reference) < target:
                for side in (reference, *arms):
                    place = 1 + 0.01 * chance.gauss(0, 1)
                    side.append([place * (1 + 0.01 * chance.gauss(0, 1)) for _ in range(3)])
            share = min(1.0, len(reference) / 90)
            level = looks.spend(share) / 6
            for arm in sorted(active):
                ratios = log_ratios(reference, arms[arm], "layout")
                verdict = judge(ratios, floor=0.0, level=level).verdict
                if verdict in (Verdict.BETTER, Verdict.WORSE):
                    alarms += 1
                    active = set()
                    break
    assert alarms <= 0.02 * families
