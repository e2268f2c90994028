"""The seconds of a call, defined here once, so that no two numbers that are shown contradict each other.

The time of a reference is the median of all its samples. The time of an arm is that of its reference times
their ratio, which is taken round by round: what slows both down at once is then in neither of them.
A side's samples are seconds per call, [layout][round].
"""

import math
import statistics
from collections.abc import Mapping, Sequence

from harness.judge.interval import log_ratios, middle
from harness.record.schema import ArmResult, Record, Samples

_Side = Sequence[Sequence[float]]


def median_seconds(side: _Side) -> float:
    """Return the median of all samples of a side.

    >>> median_seconds([[1.0, 4.0, 2.0], [3.0, 9.0]])
    3.0
    """
    return statistics.median(sample for layout in side for sample in layout)


def ratio_of(samples: Samples) -> float:
    """Return the median over rounds of arm / reference."""
    return math.exp(middle(log_ratios(samples.reference, samples.arm, samples.unit)))


def arm_seconds(samples: Samples) -> float:
    """Return the seconds of an arm that is read alone, without the others of its record."""
    return median_seconds(samples.reference) * ratio_of(samples)


def times_of(record: Record) -> Mapping[tuple[str, str], float]:
    """Return the seconds of all arms of a record, by arm and metric; what was not timed is not in it."""
    timed = [(arm, samples) for arm in record.arms for samples in arm.timings if samples.arm]
    longest: dict[str, Samples] = {}  # by metric: arms that were decided early have fewer rounds
    for arm, samples in timed:
        before = longest.get(samples.metric)
        if arm.arm == record.reference or before is None or _rounds(samples) > _rounds(before):
            longest[samples.metric] = samples
    bases = {metric: median_seconds(samples.reference) for metric, samples in longest.items()}
    return {
        (arm.arm, samples.metric): bases[samples.metric]
        * (1.0 if arm.arm == record.reference else ratio_of(samples))
        for arm, samples in timed
    }


def round_seconds(record: Record, arm: ArmResult) -> tuple[float, ...]:
    """Return an arm's seconds, round by round, whose median is the time that is shown of it.

    They are the seconds of the reference times the ratio of each round; the reference's own are as they were.
    """
    if not arm.timings:
        return ()
    samples = arm.timings[0]
    if arm.arm == record.reference:
        return tuple(value for layout in samples.reference for value in layout)
    layouts = log_ratios(samples.reference, samples.arm, samples.unit)
    ratios = [math.exp(value) for layout in layouts for value in layout]
    # Of an even number of rounds the median ratio is not quite that of the median of logarithms.
    base = times_of(record)[arm.arm, samples.metric] / statistics.median(ratios)
    return tuple(base * ratio for ratio in ratios)


def _rounds(samples: Samples) -> int:
    return sum(map(len, samples.reference))
