"""What a contrast's log ratios mean: better, worse, same, undecided or invalid.

A contrast is an arm against its reference. It is given as log ratios, ln(arm / reference), one a unit, where
a unit is what was measured independently: a layout, a window, or a restart. A difference has to be
significant (sign test, with Holm's correction over all contrasts that are read together: the family), and
then large enough to matter (the floor). This module does not know metrics, reads no file, and loads scipy
when it first judges.
"""

import enum
import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from harness.judge.interval import MIN_UNITS, Interval, holm, median_interval, sign_test

FLOOR = 0.001  # 0.1 %, twice the scatter of one callable paired with itself for half a second
LAYOUT_FLOOR = 0.005  # 0.5 %, for sides with memory of their own: where it lies is worth less than this
ALPHA = 0.01  # the chance of one false alarm or more in a family
MOST_UNITS = 100_000  # the largest estimate of units: at 0.1 s a layout they take nearly three hours

_LARGEST = math.log(sys.float_info.max)  # the exponential of a larger logarithm overflows


class Verdict(enum.StrEnum):
    """What the samples say of an arm in comparison with its reference."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"  # any difference is smaller than the floor
    UNDECIDED = "undecided"  # both fit the samples; more units would decide
    INVALID = "invalid"  # the values cannot be judged, and more of them would not help


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one contrast, with the numbers that it rests on; ratios are arm / reference.

    Attributes:
        verdict: in one word.
        ratio: the median over units; None where the contrast is invalid, as of the next four.
        low: end of the ratio's interval; None also where the units are too few for an interval.
        high: likewise.
        p: of the sign test of this contrast alone.
        p_adjusted: Holm's, in its family.
        units: how many were judged.
        units_to_decide: an estimate of how many, all together, would decide; for undecided only.
        reason: why it is undecided or invalid; "" for the other verdicts.
    """

    verdict: Verdict
    ratio: float | None
    low: float | None
    high: float | None
    p: float | None
    p_adjusted: float | None
    units: int
    units_to_decide: int | None = None
    reason: str = ""


def judge(
    values: Sequence[float], *, better: str = "lower", floor: float = FLOOR, alpha: float = ALPHA
) -> Judgement:
    """Judge one contrast that is not read together with others: a family of one.

    >>> judge([0.02, 0.03, 0.02, 0.01, 0.02, 0.03, 0.02, 0.01]).verdict
    <Verdict.WORSE: 'worse'>
    """
    return judge_family([values], better=better, floor=floor, alpha=alpha)[0]


def judge_family(
    contrasts: Sequence[Sequence[float]], *, better: str = "lower", floor: float = FLOOR, alpha: float = ALPHA
) -> tuple[Judgement, ...]:
    """Judge a family: contrasts that are read together, so that one false alarm among them misleads.

    The verdict on a contrast is the first of these that applies:

    - invalid: it has no values, or one that is not finite. It then does not count in the family.
    - undecided: its units are too few for an interval.
    - same: its interval, of confidence 1 - alpha, lies inside +-ln(1 + floor).
    - better or worse: its adjusted p is at most alpha, its median is outside the floor, and its interval
      excludes 0.
    - undecided: all others.

    Args:
        contrasts: log ratios, [contrast][unit].
        better: which direction is good in this metric, "lower" or "higher".
        floor: the largest relative change that counts as equal.
        alpha: the accepted chance of one false alarm or more in the family.

    Returns:
        A judgement a contrast, in the order given.

    Raises:
        ValueError: `better` is another word, the floor is negative or not finite, or alpha is not between
            0 and 1.
    """
    if better not in {"lower", "higher"}:
        raise ValueError(f"better is {better!r}; it is 'lower' or 'higher'")
    if not 0 <= floor < math.inf:
        raise ValueError(f"floor is {floor}; it is finite and at least 0")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; it lies between 0 and 1")
    p_values = {number: sign_test(values) for number, values in enumerate(contrasts) if not _fault(values)}
    adjusted = dict(zip(p_values, holm(tuple(p_values.values())), strict=True))
    rise = Verdict.WORSE if better == "lower" else Verdict.BETTER
    rules = _Rules(rise=rise, limit=math.log1p(floor), alpha=alpha)
    return tuple(
        rules.weigh(values, p=p_values[number], p_adjusted=adjusted[number], family=len(p_values))
        if number in p_values
        else invalid(_fault(values), units=len(values))
        for number, values in enumerate(contrasts)
    )


def _fault(values: Sequence[float]) -> str:
    if not values:
        return "there are no values"
    if not all(abs(value) <= _LARGEST for value in values):  # so written, nan is a fault too
        return "a value is not finite"
    return ""


def invalid(reason: str, units: int = 0) -> Judgement:
    """Return the judgement on what cannot be judged, and why."""
    return Judgement(
        verdict=Verdict.INVALID,
        ratio=None,
        low=None,
        high=None,
        p=None,
        p_adjusted=None,
        units=units,
        reason=reason,
    )


@dataclass(frozen=True, slots=True)
class _Rules:
    rise: Verdict  # the verdict on a ratio above 1: worse where lower is better
    limit: float  # the floor, in log units
    alpha: float

    def weigh(self, values: Sequence[float], *, p: float, p_adjusted: float, family: int) -> Judgement:
        """Return the judgement on one contrast of a family of so many."""
        centre = statistics.median(values)
        interval = median_interval(values, confidence=1 - self.alpha)
        units_to_decide = None
        reason = ""
        if interval is None:
            verdict = Verdict.UNDECIDED
            units_to_decide = _fewest_units(self.alpha / family)
            reason = f"{len(values)} units, at least {units_to_decide} are needed"
        elif -self.limit <= interval.low and interval.high <= self.limit:
            verdict = Verdict.SAME
        elif p_adjusted <= self.alpha and abs(centre) > self.limit and not interval.low <= 0 <= interval.high:
            verdict = self.rise if centre > 0 else _OPPOSITE[self.rise]
        else:
            verdict = Verdict.UNDECIDED
            units_to_decide = self.units_to_decide(len(values), centre, interval, family)
            reason = self.doubt(centre, interval, family)
        return Judgement(
            verdict=verdict,
            ratio=math.exp(centre),
            low=None if interval is None else math.exp(interval.low),
            high=None if interval is None else math.exp(interval.high),
            p=p,
            p_adjusted=p_adjusted,
            units=len(values),
            units_to_decide=units_to_decide,
            reason=reason,
        )

    def doubt(self, centre: float, interval: Interval, family: int) -> str:
        """Return why neither a change nor its absence is shown."""
        if interval.low <= 0 <= interval.high:
            return "no change and a change above the floor both fit the samples"
        if abs(centre) <= self.limit:
            return "a change below the floor and one above it both fit the samples"
        return f"the change may be chance among {family} contrasts"

    def units_to_decide(self, units: int, centre: float, interval: Interval, family: int) -> int:
        """Return an estimate of the units, all together, with which this contrast would be decided."""
        # An interval's width shrinks as 1 / sqrt(units). The strain says how many times too wide it is for
        # the verdict that the median suggests. For better or worse, the end that is nearer to 0 has to pass
        # 0; for the same, both ends have to come inside the floor.
        level = self.alpha
        if abs(centre) > self.limit:
            level /= family  # Holm's first step, the strictest: with as many units no step stands in the way
            nearer = interval.low if centre > 0 else -interval.high
            strain = (1 - nearer / abs(centre)) * _deviations(level) / _deviations(self.alpha)
        else:
            strain = max(
                _times(interval.high - centre, self.limit - centre),
                _times(centre - interval.low, self.limit + centre),
            )
        estimate = math.ceil(min(MOST_UNITS, units * strain * strain))
        return max(units + 1, _fewest_units(level), estimate)


_OPPOSITE = {Verdict.WORSE: Verdict.BETTER, Verdict.BETTER: Verdict.WORSE}


def _times(width: float, room: float) -> float:
    return width / room if room > 0 else math.inf


def _deviations(level: float) -> float:
    return -statistics.NormalDist().inv_cdf(level / 2)


def _fewest_units(level: float) -> int:
    # all n values on one side have p = 2 ** (1 - n), and no sign test has less
    return max(MIN_UNITS, math.ceil(1 - math.log2(level)))
