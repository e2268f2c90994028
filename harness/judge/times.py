"""The time of one side, from its samples: each quantity that is shown of it is defined here, once.

A side's samples are seconds per call, [layout][round].
"""

import math
import statistics
from collections.abc import Sequence

from harness.judge.interval import Interval, median_interval, undisturbed

_Side = Sequence[Sequence[float]]


def median_seconds(side: _Side) -> float:
    """Return the median of all samples: what a call takes here, with what else the machine does.

    >>> median_seconds([[1.0, 4.0, 2.0], [3.0, 9.0]])
    3.0
    """
    return statistics.median(sample for layout in side for sample in layout)


def undisturbed_seconds(side: _Side) -> float:
    """Return the median over layouts of the undisturbed seconds, which ratios are taken of.

    >>> undisturbed_seconds([[1.0, 4.0, 2.0], [3.0, 9.0], [8.0]])
    3.0
    """
    return statistics.median(undisturbed(layout) for layout in side)


def seconds_interval(side: _Side) -> Interval | None:
    """Return the 99 % interval, in seconds, of the median over layouts; None where they are too few."""
    interval = median_interval([math.log(statistics.median(layout)) for layout in side])
    if interval is None:
        return None
    return Interval(math.exp(interval.low), math.exp(interval.high), interval.coverage)
