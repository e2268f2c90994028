"""How a block is timed: calls of a sample, rounds of a layout, and how long all of it may take."""

import math
from dataclasses import dataclass

FEWEST_LAYOUTS = 16  # a family of six arms needs eleven at the last of several looks
MOVING_SHARE = 0.15  # of the time, at most, is spent on moving, unless layouts would be fewer than those

_SHORT_S = 10.0  # by which a budget is stretched for as many layouts as one would like to have
_STRETCH = 2.0  # times a budget, at most, where it would be spent on too few layouts to judge


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """How a block is timed; chosen once, the same for all sides."""

    calls: int  # a sample
    rounds: int  # a layout


ONE_CALL = BlockPlan(calls=1, rounds=1)


def enough_seconds(budget: float, layout_s: float, fewest: int = FEWEST_LAYOUTS) -> float:
    """Return the seconds of a budget, and up to twice of them where fewer layouts could not be judged.

    Where twice would not do either, it is ten seconds more at most.

    Args:
        budget: seconds.
        layout_s: seconds of a layout, and of moving all sides to it.
        fewest: layouts that can be judged at all, which have to do where more would take long.

    >>> enough_seconds(1.0, 0.05), enough_seconds(1.0, 0.1), enough_seconds(60.0, 7.0, fewest=10)
    (1.0, 1.6, 70.0)
    """
    layouts = FEWEST_LAYOUTS if FEWEST_LAYOUTS * layout_s <= budget + _SHORT_S else fewest
    if layouts * layout_s > _STRETCH * budget:
        return min(_STRETCH * budget, budget + _SHORT_S)
    return max(budget, layouts * layout_s)


def rounds_a_layout(round_s: float, moving: float, budget: float) -> int:
    """Return how many rounds a layout has: as few as moving allows, for layouts are what is independent.

    Args:
        round_s: seconds of a round, all sides.
        moving: seconds of one move, all sides.
        budget: seconds.

    >>> rounds_a_layout(0.6e-3, 0.2e-3, 1.0), rounds_a_layout(0.01, 0.01, 0.3), rounds_a_layout(0.01, 0, 1)
    (3, 1, 1)
    """
    affordable = max(1, math.ceil(moving / (MOVING_SHARE * round_s)))
    for_fewest = max(1, int((budget / FEWEST_LAYOUTS - moving) / round_s))
    return min(affordable, for_fewest)
