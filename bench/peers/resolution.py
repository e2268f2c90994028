"""How small a difference an instrument can tell from none, from comparisons of the same thing. Pure."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from harness.calibration.report import POWER

FALSE_ALARMS = 0.01  # two-sided
_CONFIDENCE = 0.95


def deviations_needed(false_alarms: float = FALSE_ALARMS, power: float = POWER) -> float:
    """Return how many standard deviations a difference must measure to be found this surely.

    >>> round(deviations_needed(), 2)
    4.22
    """
    normal = statistics.NormalDist()
    return normal.inv_cdf(1 - false_alarms / 2) + normal.inv_cdf(power)


@dataclass(frozen=True, slots=True)
class Resolution:
    """What the A/A log-ratios of one tool say; all but the bias are NaN where there are fewer than two.

    Attributes:
        spread: their standard deviation.
        smallest: the difference, in log units, found in 95 % of comparisons at 1 % of false alarms.
        low: of the 95 % interval of `smallest`, for normal log-ratios.
        high: likewise.
        bias: mean log-ratio; 0 is right.
    """

    spread: float
    smallest: float
    low: float
    high: float
    bias: float


def resolution(log_ratios: Sequence[float]) -> Resolution:
    """Reduce the log-ratios of independent comparisons of the same thing.

    Raises:
        ValueError: there are none.
    """
    if not log_ratios:
        raise ValueError("no log-ratios; a resolution needs two or more")
    bias = statistics.fmean(log_ratios)
    free = len(log_ratios) - 1
    if not free:
        return Resolution(math.nan, math.nan, math.nan, math.nan, bias)
    spread = statistics.stdev(log_ratios)
    tail = (1 - _CONFIDENCE) / 2
    from scipy.stats import chi2  # it takes a second, and few who import this need it

    low, high = (spread * math.sqrt(free / float(chi2.ppf(quantile, free))) for quantile in (1 - tail, tail))
    times = deviations_needed()
    return Resolution(spread, times * spread, times * low, times * high, bias)
