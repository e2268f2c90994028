"""What few rounds tell: stored steps of 20 ms with 20 % planted, and equal sides of every kind of noise.

The rounds are those of thirty comparisons that took three seconds each, cut into pieces of a few rounds;
what an arm was slower by in a comparison is taken off, and 20 % are put on. Order statistics of the same
rounds are the second witness.
"""

import gzip
import math
import random
import statistics
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from scipy.stats import wilcoxon

from harness.judge.interval import flip_test, layout_interval, median_interval

STEPS = Path(__file__).parents[2] / "results" / "records" / "steps-20ms.json.gz"
LEVEL = 0.01


def alone(values: list[float]) -> list[list[float]]:
    return [[value] for value in values]


@pytest.fixture(scope="module")
def comparisons() -> list[list[float]]:
    """The log ratios of each comparison, around 0."""
    rows = msgspec.json.decode(gzip.decompress(STEPS.read_bytes()))["rows"]
    return [[value - statistics.median(row["rounds"]) for value in row["rounds"]] for row in rows]


@pytest.mark.parametrize(
    ("rounds", "pieces", "by_order", "by_weight", "narrower"),
    [
        (8, 196, 136, 136, 1.0),
        (9, 170, 112, 136, 0.8),
        (10, 151, 94, 133, 0.65),
        (11, 139, 84, 131, 0.6),
        (12, 122, 111, 118, 0.9),
        (14, 105, 96, 103, 0.75),
        (16, 90, 87, 89, 0.85),
    ],
)
def test_twenty_percent_are_found_in_more_pieces_than_by_order_statistics(  # noqa: PLR0917 (a row)
    comparisons: list[list[float]], rounds: int, pieces: int, by_order: int, by_weight: int, narrower: float
) -> None:
    counted = {"order": 0, "weight": 0}
    widths: dict[str, list[float]] = {"order": [], "weight": []}
    for values in comparisons:
        for start in range(0, len(values) - rounds + 1, rounds):
            piece = [value + math.log(1.2) for value in values[start : start + rounds]]
            for name, interval in (
                ("order", median_interval(piece)),
                ("weight", layout_interval(alone(piece), LEVEL)),
            ):
                assert interval is not None
                counted[name] += interval.low > 0
                widths[name].append(interval.high - interval.low)

    assert len(widths["order"]) == pieces
    assert counted == {"order": by_order, "weight": by_weight}
    assert statistics.median(widths["weight"]) <= narrower * statistics.median(widths["order"])


def disturbed_side(chance: random.Random) -> float:
    """A sample that is longer than the others now and then, and never shorter."""
    return 1 + 0.02 * chance.expovariate(1) + (chance.random() < 0.15) * 0.5 * chance.expovariate(1)


NOISES: dict[str, Callable[[random.Random], float]] = {
    "a tail without a mean": lambda chance: math.tan(math.pi * (chance.random() - 0.5)),
    "equal sides, both disturbed one way": lambda chance: math.log(
        disturbed_side(chance) / disturbed_side(chance)
    ),
    "lopsided around the median": lambda chance: chance.expovariate(1) - math.log(2),
}
TRIALS = 2000
MOST_ALARMS = 29  # at a chance of 1 %: 20, and two standard deviations


@pytest.mark.parametrize("rounds", [9, 11, 14, 57])
@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
def test_equal_sides_raise_an_alarm_in_one_percent_whatever_the_noise(
    noise: Callable[[random.Random], float], rounds: int
) -> None:
    chance = random.Random(20261127)

    alarms = sum(flip_test(alone([noise(chance) for _ in range(rounds)])) <= LEVEL for _ in range(TRIALS))

    assert 0 < alarms <= MOST_ALARMS


def test_ranks_of_all_rounds_would_refuse_eight_percent_of_what_is_lopsided() -> None:
    chance = random.Random(20261127)
    lopsided = NOISES["lopsided around the median"]

    alarms = sum(wilcoxon([lopsided(chance) for _ in range(57)]).pvalue <= LEVEL for _ in range(TRIALS))

    assert round(alarms / TRIALS, 2) == 0.08
