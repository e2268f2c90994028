"""What the flag takes: sessions with it and without it, in random order, until the time is up."""

import random
import time
from collections.abc import Callable, Iterator, Sequence

from bench.suites.record import Pair
from bench.suites.session import run_session
from bench.suites.sources import Workshop
from bench.suites.suites import Suite


def timed_pairs(
    workshop: Workshop, suites: Sequence[Suite], budget: float, say: Callable[[str], None]
) -> Iterator[Pair]:
    """Yield pairs of sessions, round after round over all suites, as long as another fits into the budget.

    The first round fills caches of files and is not among them. Chance decides which side begins.

    Args:
        workshop: where the suites are.
        suites: with their timed tests.
        budget: seconds, for everything.
        say: takes a line a round.

    Raises:
        HarnessError: pytest did not run the tests to their end.
    """
    began = time.perf_counter()
    for suite in suites:
        _pair(workshop, suite)
    longest = time.perf_counter() - began
    rounds = 0
    while time.perf_counter() - began + longest <= budget:
        start = time.perf_counter()
        for suite in suites:
            yield _pair(workshop, suite)
        longest = max(longest, time.perf_counter() - start) if rounds else time.perf_counter() - start
        rounds += 1
        say(f"round {rounds} of timing: {time.perf_counter() - began:.0f} of {budget:.0f} s")


def _pair(workshop: Workshop, suite: Suite) -> Pair:
    sides = [False, True]
    random.shuffle(sides)
    ran = {watched: run_session(workshop, suite, suite.timed, watched=watched) for watched in sides}
    without, with_flag = ran[False], ran[True]
    return Pair(
        f"{suite.package}: {', '.join(suite.timed)}",
        (without.wall, with_flag.wall),
        (without.processor, with_flag.processor),
    )
