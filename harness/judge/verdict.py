"""What a contrast's log ratios mean: better, worse, same, undecided or invalid.

Significant (sign test, Holm over the family), then relevant (a practical floor). Knows no metric, reads no
file, and does not load scipy until it judges.
"""

import enum
import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from harness.judge.interval import MIN_UNITS, Interval, holm, median_interval, sign_test

FLOOR = 0.001  # 0.1 %, twice the scatter of one callable paired with itself for half a second
LAYOUT_FLOOR = 0.005  # 0.5 %, where each side has memory of its own: more than its layout can be worth
ALPHA = 0.01  # the chance of one false alarm or more in a family
MOST_UNITS = 100_000  # an estimate stops here: at 0.1 s a layout these take nearly three hours

_LARGEST = math.log(sys.float_info.max)  # a larger logarithm is of no ratio that a float holds


class Verdict(enum.StrEnum):
    """What a contrast says of the arm, seen from its reference."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"  # inside the floor
    UNDECIDED = "undecided"  # more units would decide
    INVALID = "invalid"  # more units would not help


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one contrast, with what it rests on.

    An invalid contrast has no numbers; ratios are arm / reference.
    """

    verdict: Verdict
    ratio: float | None  # of the median unit
    low: float | None  # ratio; None too where so few units have no interval
    high: float | None  # ratio
    p: float | None  # sign test of this contrast alone
    p_adjusted: float | None  # in its family
    units: int
    units_to_decide: int | None = None  # in all, not in addition; an estimate, for undecided only
    reason: str = ""  # for undecided and invalid


def judge(
    values: Sequence[float], *, better: str = "lower", floor: float = FLOOR, alpha: float = ALPHA
) -> Judgement:
    """Judge one contrast that stands alone: a family of one.

    >>> judge([0.02, 0.03, 0.02, 0.01, 0.02, 0.03, 0.02, 0.01]).verdict
    <Verdict.WORSE: 'worse'>
    """
    return judge_family([values], better=better, floor=floor, alpha=alpha)[0]


def judge_family(
    contrasts: Sequence[Sequence[float]], *, better: str = "lower", floor: float = FLOOR, alpha: float = ALPHA
) -> tuple[Judgement, ...]:
    """Judge contrasts that are read together, each given as its log ratios, one value a unit.

    A contrast is the same when its interval, of confidence 1 - alpha, lies inside +-ln(1 + floor). It is
    better or worse when its adjusted p is at most alpha, its median is outside the floor, and its interval
    excludes 0. Else it is undecided; it is invalid without values, or with one that is not finite, and then
    does not count in the family.

    Args:
        contrasts: log ratios, [contrast][unit].
        better: "lower" or "higher", whichever the metric calls good.
        floor: the largest relative change that counts as equal.
        alpha: the chance of one false alarm or more in the family.

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
        if interval.low <= 0 <= interval.high:
            return "no change and a change above the floor both fit the samples"
        if abs(centre) <= self.limit:
            return "a change below the floor and one above it both fit the samples"
        return f"the change may be chance among {family} contrasts"

    def units_to_decide(self, units: int, centre: float, interval: Interval, family: int) -> int:
        # An interval's width shrinks as 1 / sqrt(units). The strain is how many times too wide it is for the
        # verdict that the median points to: a change, the end nearer to 0 must pass 0; the same, both ends
        # must come inside the floor.
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
