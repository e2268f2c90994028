"""Distribution-free statistics of paired samples: log ratios, the median's interval, and its test.

Everything here is a pure function of numbers and knows no metric. It decides nothing: that is for verdicts.
scipy takes half a second to import, and its statistics as much again: only the functions which compute
with it import it, and what is in `scipy.special` comes from there.
"""

import functools
import math
import statistics
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
    from scipy.special import bdtr

    tails = bdtr(range(count // 2), count, 0.5)
    rank = int((tails <= (1 - confidence) / 2).sum())  # counted from 1, from both ends
    if rank == 0:
        return None
    ordered = sorted(values)
    return Interval(low=ordered[rank - 1], high=ordered[-rank], coverage=float(1 - 2 * tails[rank - 1]))


def layout_interval(layouts: Sequence[Sequence[float]], level: float) -> Interval | None:
    """Return the interval of the median over all rounds, where layouts are what was drawn at random.

    Rounds of one layout share what that layout is worth, so that they are not independent; layouts are. A
    value lies outside where `flip_test` refuses it as the median. With one round a layout the interval is
    that of order statistics. It holds for differences that are symmetric around the median, as those of
    sides are that were given their layouts and their turns by chance.

    Args:
        layouts: [layout][round].
        level: the chance that the median lies outside.

    Returns:
        The interval; None where the layouts are too few to refuse any value.

    Source: R. S. Woodruff, Confidence intervals for medians and other position measures, Journal of the
    American Statistical Association 47 (1952) 635-646, for the inversion; see `flip_test` for the test.

    Raises:
        ValueError: the level is not between 0 and 1.

    >>> layout_interval([[1.0], [2.0], [3.0], [4.0], [5.0], [6.0], [7.0], [8.0]], 0.01)
    Interval(low=1.0, high=8.0, coverage=0.9921875)
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it lies between 0 and 1")
    if len(layouts) < MIN_UNITS:
        return None
    if all(len(layout) == 1 for layout in layouts):
        return median_interval([layout[0] for layout in layouts], 1 - level)
    low = _lower_end(layouts, level)
    high = _lower_end([[-value for value in layout] for layout in layouts], level)
    return None if low is None or high is None else Interval(low, -high, 1 - level)


def _lower_end(layouts: Sequence[Sequence[float]], level: float) -> float | None:
    """Return the lowest value that is not refused as the median; None where none is refused."""
    ordered = sorted(value for layout in layouts for value in layout)

    def refused(below: int) -> bool:
        """Whether a value is refused that has so many of the values below it."""
        value = ordered[0] - 1 if below == 0 else (ordered[below - 1] + ordered[below]) / 2
        return flip_test(layouts, value) <= level

    if not refused(0):
        return None
    certain, open_ = 0, len(ordered) // 2
    while certain < open_:
        middle = (certain + open_ + 1) // 2
        certain, open_ = (middle, open_) if refused(middle) else (certain, middle - 1)
    return ordered[certain]


_MANY_LAYOUTS = 500  # from here on a sum of signs is normal to four digits


def flip_test(layouts: Sequence[Sequence[float]], centre: float = 0.0) -> float:
    """Return the two-sided p that values lie around `centre`, exact whatever one layout's rounds share.

    The statistic is the sum of the signs of all rounds. It is held against the sums that come out where a
    coin turns all signs of a layout: for two equal sides chance has tossed that very coin. With one round a
    layout this is the sign test. For more than 500 layouts the sum is taken as normal.

    Args:
        layouts: [layout][round].
        centre: of the values, if p is large.

    Source: E. J. G. Pitman, Significance tests which may be applied to samples from any populations, Journal
    of the Royal Statistical Society, Supplement 4 (1937) 119-130.

    >>> flip_test([[1, 2], [3, 4], [5, 6], [7, 8], [1, -1]])
    0.125
    """
    sums = [sum((value > centre) - (value < centre) for value in layout) for layout in layouts]
    sizes = [abs(each) for each in sums if each]
    total, all_one_way = abs(sum(sums)), sum(sizes)
    if not total:
        return 1.0
    if len(sizes) > _MANY_LAYOUTS:
        deviation = math.sqrt(sum(size * size for size in sizes))
        return math.erfc(total / deviation / math.sqrt(2))
    return _p_of((all_one_way - total) // 2, tuple(sorted(sizes)))


@functools.lru_cache(maxsize=10_000)  # what few small layouts share is the same in most arms of a record
def _p_of(at_most: int, sizes: tuple[int, ...]) -> float:
    """Return twice the chance that the sizes for which a coin shows one side add up to so much, or less."""
    import numpy as np

    # chance[n]: that the sizes of the layouts with one sign add up to n
    chance = np.zeros(sum(sizes) + 1)
    chance[0] = 1.0
    reached = 0
    for size in sizes:
        reached += size
        turned = chance[: reached + 1] / 2
        turned[size:] += chance[: reached + 1 - size] / 2
        chance[: reached + 1] = turned
    return min(1.0, 2 * float(chance[: at_most + 1].sum()))


def log_ratios(
    reference: Sequence[Sequence[float]], arm: Sequence[Sequence[float]], unit: str
) -> tuple[tuple[float, ...], ...]:
    """Return ln(arm / reference) of paired samples, [unit][round]: units are independent of each other.

    Both sides are [layout][round], each sample per call; samples with the same indices were taken in the
    same round, in an order that chance chose. The unit is the layout where the sides were moved in memory
    from layout to layout; where they were not, every round is a unit. Files call a layout a draw.

    Raises:
        ValueError: the unit is another word, the sides differ in shape, a layout has no rounds, or a sample
            is not finite and above 0.

    >>> log_ratios([[1.0, 2.0], [4.0, 5.0]], [[1.0, 2.0], [4.0, 5.0]], "layout")
    ((0.0, 0.0), (0.0, 0.0))
    """
    if unit not in {"draw", "layout", "window", "round"}:
        raise ValueError(f"unit is {unit!r}; it is 'layout', 'window' or 'round'")
    _check_paired(reference, arm)
    # a difference of logarithms, no logarithm of a quotient: swapped sides then mirror to the last bit
    layouts = tuple(
        tuple(math.log(after) - math.log(before) for before, after in zip(*layout, strict=True))
        for layout in zip(reference, arm, strict=True)
    )
    if unit in {"draw", "layout"}:
        return layouts
    return tuple((value,) for layout in layouts for value in layout)


def middle(layouts: Sequence[Sequence[float]]) -> float:
    """Return the median over all rounds of [layout][round].

    >>> middle([[4.0, 1.0], [3.0]])
    3.0
    """
    return statistics.median(value for layout in layouts for value in layout)


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
