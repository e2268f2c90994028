"""How a duel is measured: restarts, turns and calls; pure arithmetic."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from harness.judge.verdict import ALPHA
from harness.measure.sampling import calls_a_sample

FEWEST_RESTARTS = 9
# With a scatter of 1.2 % from restart to restart one restart in 20 shows the opposite of +2 %: of 12
# restarts two or more do in 11 of 100 duels, of 15 restarts three or more in 3.
CONTRARY = 2
# In tables, a difference between two starts that is smaller than this counts as equal: restarts of identical
# code scatter by 0.26 to 1.1 % (one standard deviation), so that a dozen of them resolve about this much.
DUEL_FLOOR = 0.005
BUDGET_S = 2.0  # seconds of timing an arm, both sides together, over all restarts
FEW_ARMS_S = 6.0  # of timing all arms, at least: the starts alone take half a minute
TURN_S = 4e-3  # a side's samples in a row: waking it through its pipe takes 0.1 ms, and cools the caches
FEWEST_TURNS = 4  # of each side, so that the fastest quarter is of several moments


@dataclass(frozen=True, slots=True)
class Turns:
    """How an arm is timed in one restart, the same on both sides in every restart."""

    calls: int  # a sample
    samples: int  # a turn
    turns: int  # of each side

    @property
    def refill(self) -> bool:
        """Whether a turn begins with a sample that is thrown away; a long call fills the caches itself."""
        return self.samples > 1


def plan_turns(cost: float, budget: float) -> Turns:
    """Divide what one restart may spend on an arm.

    Args:
        cost: seconds of a warm call, the mean of both sides.
        budget: seconds, both sides together.

    >>> plan_turns(1e-4, 0.2)
    Turns(calls=3, samples=13, turns=24)
    """
    calls = calls_a_sample(cost)
    sample_s = calls * cost
    samples = max(1, round(TURN_S / sample_s))
    turn_s = (samples + (samples > 1)) * sample_s
    return Turns(calls, samples, max(FEWEST_TURNS, round(budget / 2 / turn_s)))


def restarts_for(contrasts: int, alpha: float = ALPHA) -> int:
    """Return how many restarts find a change of which `CONTRARY` restarts show the opposite.

    A sign test over the restarts, with Holm's correction for so many contrasts, has to be able to do
    without them.

    >>> restarts_for(1), restarts_for(3), restarts_for(24)
    (15, 17, 20)
    """
    restarts = FEWEST_RESTARTS
    while max(1, contrasts) * 2 * _contrary_orders(restarts) > alpha * 2**restarts:
        restarts += 1
    return restarts


def budget_for(contrasts: int) -> float:
    """Return the seconds of timing an arm, both sides together, over all restarts.

    >>> budget_for(1), budget_for(24)
    (6.0, 2.0)
    """
    return max(BUDGET_S, FEW_ARMS_S / max(1, contrasts))


def _contrary_orders(restarts: int) -> int:
    """Return in how many ways at most `CONTRARY` of the restarts show the opposite."""
    return sum(math.comb(restarts, contrary) for contrary in range(CONTRARY + 1))


def mean_cost(base: Mapping[str, float], head: Mapping[str, float], arm: str) -> float:
    """Return the mean seconds of a warm call of both sides, geometric as ratios are."""
    return math.sqrt(base[arm] * head[arm])
