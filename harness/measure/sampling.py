"""The atom of timing: one side, called so often between two readings of a clock.

Whatever times anything here uses it: pairs, ranks, duels, calibration. The interpreter of a duel's side has
torch and the standard library alone, so that this module needs no more than the latter.
"""

import gc
import itertools
import math
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

from harness.errors import HarnessError
from harness.measure.clock import Clock

SAMPLE_S = (
    3e-4  # long enough that reading the clock is 0.1 % of it, short enough that a pair is disturbed alike
)
WARM_S = 0.02  # a side is called for this long, and at least twice, before anything is chosen
_FEWEST_WARM_CALLS = 2  # the first is cold


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a contrast: what to call, and how to move it to fresh memory.

    Attributes:
        parts: named callables, run in order; together they are one call.
        relocate: moves what the calls read to fresh addresses, and returns what holds the old ones; None
            where that cannot be done.
    """

    parts: tuple[tuple[str, Callable[[], object]], ...]
    relocate: Callable[[Random], object] | None = None

    def call(self) -> None:
        """Run all parts once."""
        for _, part in self.parts:
            part()


class TimingError(HarnessError, ValueError):
    """A pair that cannot be timed, and why."""


def calls_a_sample(cost: float) -> int:
    """Return how many calls of so many seconds make a sample, at least one.

    >>> calls_a_sample(7e-5), calls_a_sample(0.02)
    (4, 1)
    """
    return max(1, round(SAMPLE_S / cost))


def sample(side: Side, calls: int, clock: Clock) -> tuple[float, ...]:
    """Time `calls` calls of a side; return seconds per call, of the whole and of each part if several.

    Both sides are timed by this very code, so that what it costs cancels in their ratio.
    """
    if len(side.parts) == 1:
        call = side.parts[0][1]
        turns = itertools.repeat(None, calls)
        start = clock()
        for _ in turns:
            call()
        return ((clock() - start) / calls,)
    laps = [0.0] * len(side.parts)
    turns = itertools.repeat(None, calls)
    start = clock()
    for _ in turns:
        before = clock()
        for index, (_, part) in enumerate(side.parts):
            part()
            after = clock()
            laps[index] += after - before
            before = after
    return ((clock() - start) / calls, *(lap / calls for lap in laps))


def warm(side: Side, clock: Clock, longest: float = math.inf, fewest: int = _FEWEST_WARM_CALLS) -> float:
    """Call a side until it is warm; return what a call costs then, in seconds.

    Args:
        side: what is called.
        clock: seconds.
        longest: the most that a call may take, in seconds.
        fewest: calls; one is enough where the side has run before.

    Raises:
        TimingError: a call takes longer.
    """
    costs: list[float] = []
    begin = clock()
    while len(costs) < fewest or clock() - begin < WARM_S:
        start = clock()
        side.call()
        costs.append(clock() - start)
        # One cold call may be long; one that is ten times too long is not waited for again.
        least = min(costs[-2:])
        if least > longest and (len(costs) > 1 or least > 10 * longest):
            raise TimingError(
                f"a call takes {least:.3g} s, longer than the budget of {longest:.3g} s; raise the budget"
            )
    return warm_cost(costs)


def warm_cost(costs: Sequence[float]) -> float:
    """Return what a warm call costs, of the costs of a side's first calls: the median of the later half.

    >>> warm_cost([9.0, 4.0, 1.0, 3.0, 2.0])
    2.0
    """
    return statistics.median(costs[len(costs) // 2 :])


@contextmanager
def quiet() -> Iterator[None]:
    """Collect garbage, then keep the collector and any tracer or profiler of Python off."""
    gc.collect()
    collected, tracer, profiler = gc.isenabled(), sys.gettrace(), sys.getprofile()
    gc.disable()
    sys.settrace(None)
    sys.setprofile(None)
    try:
        yield
    finally:
        if collected:
            gc.enable()
        sys.settrace(tracer)
        # What stands for a running cProfile is no function that could be set again; it has a method for it.
        if profiler is None or callable(profiler):
            sys.setprofile(profiler)
        else:
            profiler.enable()
