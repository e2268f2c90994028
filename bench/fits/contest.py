"""Times plans against the combinations of levers that fit the same limits, all of them in the same rounds."""

import math
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from random import Random

from bench.fits.record import Race
from harness.fitting.workbench import Workbench
from harness.judge.interval import layout_interval, log_ratios, middle
from harness.judge.looks import Looks
from harness.judge.noise import round_scatter
from harness.measure.block import TimingBlock
from harness.measure.callables import as_side
from harness.measure.clock import Clock, clock_for
from harness.record.fit import FitCandidate
from harness.record.schema import Samples

CONTENDERS = 3  # of those that fit a limit: the quickest, as screened
_PASSES = 3  # of screening: what disturbs one seldom meets the same candidate in the next
_CALLS = 2  # that are timed in a pass, after one that makes the optimizer's state
_LEVEL = 0.01
_NEVER = 1e-200  # the chance of a false alarm with which no arm is decided, so that all stay to the end
_MOST_ROUNDS = 400  # more could be decided all the same


def screened(
    bench: Workbench, candidates: Iterable[FitCandidate], clock: Clock | None = None
) -> dict[FitCandidate, float]:
    """Return the least seconds of a step of each candidate, of a few: enough to choose whom to time well."""
    clock = clock or clock_for(bench.device)
    least = dict.fromkeys(candidates, math.inf)
    for _ in range(_PASSES):
        for candidate in least:
            with bench.prepared(candidate) as step:
                step()
                for _ in range(_CALLS):
                    start = clock()
                    step()
                    least[candidate] = min(least[candidate], clock() - start)
    return least


def contenders(
    seconds: Mapping[FitCandidate, float], peaks: Mapping[FitCandidate, int], limit: int
) -> tuple[FitCandidate, ...]:
    """Return the quickest candidates that fit a limit, the quickest first.

    >>> slow, quick = FitCandidate(checkpointed=(0,)), FitCandidate(update="fused")
    >>> [str(one) for one in contenders({slow: 2.0, quick: 1.0}, {slow: 5, quick: 9}, 7)]
    ['checkpoint 1 blocks']
    """
    fitting = [one for one in seconds if peaks[one] <= limit]
    return tuple(sorted(fitting, key=lambda one: seconds[one])[:CONTENDERS])


def timed_together(
    bench: Workbench, candidates: Iterable[FitCandidate], budget: float
) -> dict[FitCandidate, Samples]:
    """Time candidates against the untouched step in the same rounds, each with a model of its own.

    Args:
        bench: whose splits were checked.
        candidates: at least one.
        budget: seconds, all together.
    """
    with ExitStack() as stack:
        steps = {
            one: stack.enter_context(bench.prepared(one, f"arm {number}"))
            for number, one in enumerate(dict.fromkeys(candidates))
        }
        reference = as_side(stack.enter_context(bench.prepared(FitCandidate(), "reference")))
        arms = {str(number): as_side(step) for number, step in enumerate(steps.values())}
        block = TimingBlock(reference, arms, clock_for(bench.device), Random(bench.seed), _MOST_ROUNDS)
        block.prepare(budget)
        block.run(budget, Looks(len(arms), alpha=_NEVER))
        samples = {one: block.samples(str(number))[0] for number, one in enumerate(steps)}
    for number in range(len(samples)):
        bench.drop(f"arm {number}")
    return samples


def race(
    samples: Mapping[FitCandidate, Samples], plan: FitCandidate, rivals: Iterable[FitCandidate]
) -> tuple[FitCandidate, Race]:
    """Hold a plan against the quickest of its rivals; return that rival, or the plan, and the ratio.

    The quickest is chosen by the same rounds that the ratio is taken of. That flatters it, so that the ratio
    errs against the plan.
    """
    mine = samples[plan]
    over = {  # ln of the plan's time over another's, [unit][round]
        one: log_ratios(samples[one].arm, mine.arm, mine.unit) for one in dict.fromkeys([plan, *rivals])
    }
    best = max(over, key=lambda one: middle(over[one]))
    rounds = [value for unit in over[best] for value in unit]
    if best == plan:
        return plan, Race(1.0, 1.0, 1.0, scatter=0.0, rounds=len(rounds))
    interval = layout_interval(over[best], _LEVEL)
    return best, Race(
        math.exp(middle(over[best])),
        None if interval is None else math.exp(interval.low),
        None if interval is None else math.exp(interval.high),
        scatter=round_scatter(rounds),
        rounds=len(rounds),
    )
