"""Distribution-free statistics of paired samples: log ratios, the median's interval, the sign test, Holm.

Everything here is a pure function of numbers and knows no metric. It decides nothing: that is for verdicts.
scipy.stats takes about a second to import, so that only the functions which compute with it import it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

MIN_UNITS = 8  # with 7 values the widest interval there is, lowest to highest, covers 98.4 %, under 99 %


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval of the median."""

    low: float  # log units
    high: float  # log units
    coverage: float  # what it really covers, at least the confidence asked for


def median_interval(values: Sequence[float], confidence: float = 0.99) -> Interval | None:
    """Return the narrowest symmetric pair of order statistics that covers the median with this confidence.

    Exact for every distribution: the number of values below the median is binomial(n, 1/2). None with fewer
    than `MIN_UNITS` values, or when even the lowest and the highest value cover less than was asked.

    Source: W. R. Thompson, On confidence ranges for the median, Annals of Mathematical Statistics 7 (1936)
    122-128.

    Raises:
        ValueError: the confidence is not between 0 and 1.

    >>> median_interval([1, 2, 3, 4, 5, 6, 7, 8])
    Interval(low=1, high=8, coverage=0.9921875)
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it lies between 0 and 1")
    count = len(values)
    if count < MIN_UNITS:
        return None
    from scipy.stats import binom

    tails = binom.cdf(range(count // 2), count, 0.5)
    rank = int((tails <= (1 - confidence) / 2).sum())  # counted from 1, from both ends
    if rank == 0:
        return None
    ordered = sorted(values)
    return Interval(low=ordered[rank - 1], high=ordered[-rank], coverage=float(1 - 2 * tails[rank - 1]))


def sign_test(values: Sequence[float], centre: float = 0.0) -> float:
    """Return the exact two-sided p that the median is `centre`.

    Values equal to the centre are dropped; with none left p is 1.

    Source: W. J. Conover, Practical Nonparametric Statistics, 3rd ed. (1999), section 3.4.

    >>> sign_test([1, 2, 3, 4, 5, 6, 7, 8])
    0.0078125
    """
    above = sum(value > centre for value in values)
    below = sum(value < centre for value in values)
    if above + below == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(above, above + below).pvalue)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return the p values adjusted for their number, in the order given.

    Rejecting the adjusted values up to alpha keeps the chance of one false rejection or more in the whole
    family at alpha, however the tests depend on one another.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of
    Statistics 6 (1979) 65-70.

    >>> holm([0.25, 0.125])
    (0.25, 0.25)
    """
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return tuple(adjusted)


FASTEST = 0.25  # share of a layout's samples that its value rests on


def log_ratios(
    reference: Sequence[Sequence[float]], arm: Sequence[Sequence[float]], unit: str
) -> tuple[float, ...]:
    """Return ln(arm / reference) of paired samples, one value a unit.

    Both sides are [layout][round], each sample per call; samples with the same indices were taken in the
    same round. With the unit "layout" or "window" a value is that of the `undisturbed` seconds of both
    sides in one; with "round" every round is one. Files call a layout a draw, which is read too.

    Raises:
        ValueError: the unit is another word, the sides differ in shape, a layout has no rounds, or a sample
            is not finite and above 0.

    >>> log_ratios([[1.0, 2.0], [4.0, 5.0]], [[1.0, 2.0], [4.0, 5.0]], "layout")
    (0.0, 0.0)
    """
    if unit not in {"draw", "layout", "window", "round"}:
        raise ValueError(f"unit is {unit!r}; it is 'layout', 'window' or 'round'")
    _check_paired(reference, arm)
    rounds = [pair for layout in zip(reference, arm, strict=True) for pair in zip(*layout, strict=True)]
    grouped = [tuple(map(undisturbed, layout)) for layout in zip(reference, arm, strict=True)]
    # a difference of logarithms, no logarithm of a quotient: swapped sides then mirror to the last bit
    return tuple(
        math.log(after) - math.log(before) for before, after in (rounds if unit == "round" else grouped)
    )


def undisturbed(samples: Sequence[float]) -> float:
    """Return the mean of the fastest quarter of samples, at least one: the seconds when least came between.

    What disturbs a sample only ever lengthens it, and comes in bursts; the fastest ones scatter least.

    >>> undisturbed([4.0, 9.0, 2.0, 8.0, 7.0, 5.0])
    3.0
    """
    fastest = sorted(samples)[: math.ceil(FASTEST * len(samples))]
    return math.fsum(fastest) / len(fastest)


def _check_paired(reference: Sequence[Sequence[float]], arm: Sequence[Sequence[float]]) -> None:
    if len(reference) != len(arm):
        raise ValueError(f"reference has {len(reference)} layouts, arm has {len(arm)}; they are paired")
    for number, (before, after) in enumerate(zip(reference, arm, strict=True)):
        if len(before) != len(after):
            raise ValueError(
                f"reference[{number}] has {len(before)} rounds, arm[{number}] has {len(after)};"
                " they are paired"
            )
        if not before:
            raise ValueError(f"reference[{number}] and arm[{number}] have no rounds")
    for side, layouts in (("reference", reference), ("arm", arm)):
        for number, layout in enumerate(layouts):
            for turn, sample in enumerate(layout):
                if not 0 < sample < math.inf:
                    raise ValueError(f"{side}[{number}][{turn}] is {sample}; a sample is finite and above 0")
