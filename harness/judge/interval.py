"""Distribution-free statistics of paired samples: log ratios, the median's interval, and its test.

Everything here is a pure function of numbers and knows no metric. It decides nothing: that is for verdicts.
scipy takes half a second to import, and its statistics as much again: only the functions which compute
with it import it, and what is in `scipy.special` comes from there.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
    value lies outside where `flip_test` refuses it as the middle; the median itself always lies inside. It
    holds for differences that are symmetric around the median, as those of sides are that were given their
    layouts and their turns by chance.

    Args:
        layouts: [layout][round].
        level: the chance that the median lies outside.

    Returns:
        The interval; None where the layouts are too few to refuse any value.

    Source: J. L. Hodges and E. L. Lehmann, Estimates of location based on rank tests, Annals of Mathematical
    Statistics 34 (1963) 598-611, for the inversion; see `flip_test` for the test.

    Raises:
        ValueError: the level is not between 0 and 1.

    >>> layout_interval([[1.0], [2.0], [3.0], [4.0], [5.0], [6.0], [7.0], [8.0]], 0.01)
    Interval(low=1.0, high=8.0, coverage=0.99)
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it lies between 0 and 1")
    if len(layouts) < MIN_UNITS:
        return None
    low = _rounds(layouts).lower_end(level)
    high = _rounds([[-value for value in layout] for layout in layouts]).lower_end(level)
    return None if low is None or high is None else Interval(low, -high, 1 - level)


_FINE = 1e-8  # log units; an end is told apart from others that are further away


@dataclass(frozen=True, slots=True)
class _Rounds:
    """All rounds in one row."""

    values: "NDArray[np.float64]"
    starts: "NDArray[np.int64]"  # where each layout begins
    weights: "NDArray[np.int64]"  # of a round, by the rank of its distance

    def flip_test(self, centre: float) -> float:
        """Return the p of the flip test about a centre."""
        import numpy as np

        offsets = self.values - centre
        signs = (offsets > 0).astype(int) - (offsets < 0)
        weighted = signs * self.weights[_ranks(abs(offsets))]
        # so few that Python's own numbers are quicker than an array of them
        sums: list[int] = np.add.reduceat(weighted, self.starts).tolist()
        total = abs(sum(sums))
        if not total:
            return 1.0
        sizes = sorted(abs(each) for each in sums if each)
        shared = math.gcd(*sizes)
        total, sizes = total // shared, [size // shared for size in sizes]
        if len(sizes) > _MANY_LAYOUTS:
            # turning a layout changes the sum by 2 or more, and the half of that belongs to this sum
            deviation = math.sqrt(sum(size * size for size in sizes))
            return min(1.0, math.erfc((total - 1) / deviation / math.sqrt(2)))
        return 2 * _chance(sizes, (sum(sizes) - total) // 2)

    def lower_end(self, level: float) -> float | None:
        """Return the lowest value that is not refused as the middle; None where none is refused."""
        import numpy as np

        median = float(np.median(self.values))
        # many rounds may be as long as the median, and say nothing there: it is looked at from below
        refused, accepted = float(self.values.min()) - _FINE, median - _FINE
        if self.flip_test(refused) > level:
            return None
        if self.flip_test(accepted) <= level:
            return median
        means = _Means(np.sort(self.values))
        below_refused, below_accepted = means.below(refused), means.below(accepted)
        while accepted - refused > _FINE and below_accepted - below_refused > 1:
            between = (refused + accepted) / 2
            if self.flip_test(between) <= level:
                refused, below_refused = between, means.below(between)
            else:
                accepted, below_accepted = between, means.below(between)
        return means.last_below(accepted)


@dataclass(frozen=True, slots=True)
class _Means:
    """The means of every two values, and of each with itself: where the p of a flip test changes."""

    ordered: "NDArray[np.float64]"  # the values

    def below(self, centre: float) -> int:
        """Return how many there are below a centre."""
        # each pair is counted from both of its values
        pairs = self.ordered.searchsorted(2 * centre - self.ordered).sum()
        return int(pairs + self.ordered.searchsorted(centre)) // 2

    def last_below(self, centre: float) -> float:
        """Return the highest below a centre, above which is the lowest value."""
        partners = self.ordered.searchsorted(2 * centre - self.ordered)
        has_one = partners > 0
        return float(((self.ordered[has_one] + self.ordered[partners[has_one] - 1]) / 2).max())


def _rounds(layouts: Sequence[Sequence[float]]) -> _Rounds:
    import numpy as np

    values = np.array([value for layout in layouts for value in layout])
    return _Rounds(values, np.cumsum([0, *map(len, layouts[:-1])]), _weights(len(values)))


_MANY_LAYOUTS = 200  # from here on a sum is taken as normal: at p of 0.01 and less that is on the safe side
_INNER = 3  # one in so many rounds, those nearest to the centre, weigh less than the others
_FEWEST_INNER = 6  # of them: few weights would leave few sums, and levels far under the one asked for
_WEIGHTS = 8  # different weights at most; more would only lengthen the sums


def flip_test(layouts: Sequence[Sequence[float]], centre: float = 0.0) -> float:
    """Return the two-sided p that values lie around `centre`, exact whatever one layout's rounds share.

    The statistic is the sum of the signs of all rounds, each with a weight: rounds near the centre hardly
    tell on which side of it they belong. In the third that is nearest, of six at least, the weight grows
    with the rank of the distance, and from there on it is the same for all, so that one that is far off
    counts no more than any other. The sum is held against those that come out where a coin turns all signs
    of a layout: for two equal sides chance has tossed that very coin, and no distance depends on it. For
    more than 200 layouts the sum is taken as normal.

    Args:
        layouts: [layout][round]; each has a round.
        centre: of the values, if p is large.

    Source: F. Wilcoxon, Individual comparisons by ranking methods, Biometrics Bulletin 1 (1945) 80-83, for
    signed ranks; B. Rosner, R. J. Glynn and M.-L. T. Lee, The Wilcoxon signed rank test for paired
    comparisons of clustered data, Biometrics 62 (2006) 185-192, for coins that turn groups of them.

    >>> flip_test([[1, 2], [3, 4], [5, 6], [7, 8], [1, -1]])
    0.125
    """
    return _rounds(layouts).flip_test(centre) if layouts else 1.0


def _ranks(distances: "NDArray[np.float64]") -> "NDArray[np.int64]":
    """Return the ranks of distances, the smallest first and 1; of those that are equal it is the last.

    >>> import numpy as np
    >>> _ranks(np.array([0.5, 9.0, 0.1, 0.3, 0.3])).tolist()
    [4, 5, 1, 3, 3]
    """
    ordered = distances.copy()
    ordered.sort()
    ranks: NDArray[np.int64] = ordered.searchsorted(distances, side="right")
    return ranks


def _weights(count: int) -> "NDArray[np.int64]":
    """Return the weight of a round of so many, by the rank of its distance, from 0 on.

    >>> _weights(9).tolist()
    [0, 1, 2, 3, 4, 5, 6, 6, 6, 6]
    """
    import numpy as np

    inner = max(_FEWEST_INNER, math.ceil(count / _INNER))
    largest = min(_WEIGHTS, inner)
    weights: NDArray[np.int64] = np.minimum(largest, -(-np.arange(count + 1) * largest // inner))
    return weights


def _chance(sizes: Sequence[int], most: int) -> float:
    """Return the chance that the sizes at which a coin shows heads add up to so much at most.

    >>> [_chance((1, 1, 2), most) for most in range(3)]
    [0.125, 0.375, 0.625]
    """
    width = len(sizes) + 1
    lowest = _ways(tuple(sizes)) & ((1 << (most + 1) * width) - 1)
    # modulo 99, the digits of a number to base 100 add up; here the base is 2 to the width
    return int(lowest % ((1 << width) - 1)) / float(1 << len(sizes))


@lru_cache(maxsize=256)  # where an end is looked for, and of arm after arm, the same sizes come again
def _ways(sizes: tuple[int, ...]) -> int:
    """Return in how many ways some of the sizes add up to 0, to 1, ...: the digits of a number, lowest first.

    A digit has a bit more than there are sizes, so that none overflows; a shift adds a size to every sum.
    """
    ways = 1
    for size in sizes:
        ways += ways << size * (len(sizes) + 1)
    return ways


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
