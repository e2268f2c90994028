"""Time against stored time: not paired, so that what it can see is stated, and nothing is said below it.

Two sessions differ by where memory lay, what the machine did and how the process started. More samples inside
a session remove none of that, so that the noise is a floor, and not one that falls with samples.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.judge.interval import MIN_UNITS
from harness.judge.verdict import Verdict
from harness.record.schema import Better

SESSION_NOISE = 0.10  # 4.2 standard deviations of the worst that identical code was seen to differ by (2.4 %)
DEVIATIONS = 4.2  # one comparison in 80,000 is further out by chance, so that a family of 800 keeps 1 %
_QUARTILES = 1.349  # the distance of a normal distribution's quartiles, in standard deviations


@dataclass(frozen=True, slots=True)
class Spread:
    """The samples of one side of an unpaired comparison, summed up."""

    median: float  # in the metric's unit
    deviation: float  # robust standard deviation of the logarithms, from the quartiles
    samples: int

    @staticmethod
    def of_quartiles(q1: float, median: float, q3: float, samples: int) -> "Spread":
        """Return the spread that three quartiles say."""
        # interpolated quartiles of skewed samples can reach below 0
        deviation = math.log(q3 / q1) / _QUARTILES if 0 < q1 <= q3 else math.inf
        return Spread(median, deviation, samples)

    @staticmethod
    def of_side(side: Sequence[Sequence[float]], seconds: float) -> "Spread":
        """Return the spread of a side's samples, [layout][round], around the time that is shown of it."""
        ordered = sorted(sample for layout in side for sample in layout)
        last = len(ordered) - 1
        q1, q3 = (ordered[(last * quarter + 2) // 4] for quarter in (1, 3))
        return Spread.of_quartiles(q1, seconds, q3, samples=len(ordered))


@dataclass(frozen=True, slots=True)
class Unpaired:
    """What a stored time says of another."""

    verdict: Verdict  # better, worse or undecided; never "same", which needs pairs
    ratio: float  # head / base
    noise: float  # the relative change below which nothing is said
    reason: str


def judge_unpaired(base: Spread, head: Spread, better: Better) -> Unpaired:
    """Judge one time against a stored one.

    The noise is 10 %, or 4.2 standard deviations of what the samples of both sides scatter by, whichever is
    more. A ratio inside it is undecided.

    >>> judge_unpaired(Spread(1.0, 0.01, 50), Spread(1.09, 0.01, 50), "lower").verdict
    <Verdict.UNDECIDED: 'undecided'>
    >>> judge_unpaired(Spread(1.0, 0.01, 50), Spread(1.2, 0.01, 50), "lower").verdict
    <Verdict.WORSE: 'worse'>
    """
    change = math.log(head.median / base.median)
    limit = max(math.log1p(SESSION_NOISE), DEVIATIONS * math.hypot(base.deviation, head.deviation))
    ratio = head.median / base.median
    noise = math.expm1(min(limit, 700.0))
    fewest = min(base.samples, head.samples)
    if fewest < MIN_UNITS:
        return Unpaired(
            Verdict.UNDECIDED,
            ratio,
            noise,
            f"{fewest} samples a side at most, at least {MIN_UNITS} are needed",
        )
    if abs(change) <= limit:
        return Unpaired(
            Verdict.UNDECIDED,
            ratio,
            noise,
            f"inside the +-{noise * 100:.0f} % that two sessions of one code differ by",
        )
    worse = (change > 0) == (better == "lower")
    return Unpaired(
        Verdict.WORSE if worse else Verdict.BETTER,
        ratio,
        noise,
        f"outside the +-{noise * 100:.0f} % that two sessions of one code differ by",
    )
