"""How often something happens, from counts: exact binomial bounds, as of false alarms."""


def rate_interval(count: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the two-sided exact interval of a rate (Clopper and Pearson).

    >>> low, high = rate_interval(5, 10)
    >>> round(low, 3), round(high, 3)
    (0.187, 0.813)
    """
    from scipy.stats import binomtest

    interval = binomtest(count, of).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)


def rate_bound(count: int, of: int, confidence: float = 0.95) -> float:
    """Return the one-sided exact upper bound of a rate: one tail of a wider two-sided interval.

    >>> round(rate_bound(0, 160), 4)
    0.0185
    """
    return rate_interval(count, of, 2 * confidence - 1)[1]
