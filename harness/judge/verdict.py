"""What a contrast's log ratios mean: better, worse, same, undecided or invalid.

A contrast is an arm against its reference. It is given as log ratios, ln(arm / reference), [unit][round]: a
unit is what is independent of others, such as a layout, a restart, or a round alone. The verdict rests on
the interval of the median over rounds, and on that alone: a difference is one where the interval excludes
none, and large enough to matter where the median is outside the floor. Contrasts that are read together are
a family: each has its share of the chance of a false alarm, so that all intervals hold at once. This module
does not know metrics, reads no file, and loads scipy when it first judges.
"""

import enum
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from harness.judge.interval import MIN_UNITS, Interval, flip_test, layout_interval, middle

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
    UNDECIDED = "undecided"  # no difference is shown, and none above the ends of the interval is possible
    INVALID = "invalid"  # the values cannot be judged, and more of them would not help


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one contrast, with the numbers that it rests on; ratios are arm / reference.

    Attributes:
        verdict: in one word.
        ratio: the median over rounds; None where the contrast is invalid, as of the next three.
        low: end of the ratio's interval; None also where the units are too few for an interval.
        high: likewise.
        level: the chance that the ratio is outside of the interval.
        units: how many were judged.
        units_to_decide: an estimate of how many, all together, would decide; for undecided only.
        reason: why it is undecided or invalid; "" for the other verdicts.
    """

    verdict: Verdict
    ratio: float | None
    low: float | None
    high: float | None
    level: float
    units: int
    units_to_decide: int | None = None
    reason: str = ""

    @property
    def bound(self) -> float | None:
        """The largest relative difference, either way, inside of the interval; None without one.

        >>> judge([[0.0]] * 10 + [[0.02]] * 10).bound
        0.020201340026755776
        """
        if self.low is None or self.high is None:
            return None
        return max(self.high, 1 / self.low) - 1


Layouts = Sequence[Sequence[float]]  # log ratios, [unit][round]


def judge(
    layouts: Layouts, *, better: str = "lower", floor: float = FLOOR, level: float = ALPHA
) -> Judgement:
    """Judge one contrast.

    The verdict is the first of these that applies:

    - invalid: it has no values, or one that is not finite.
    - undecided: its units are too few for an interval.
    - same: its interval lies inside +-ln(1 + floor).
    - better or worse: its interval excludes 0, and its median is outside the floor.
    - undecided: all others.

    Args:
        layouts: log ratios, [unit][round].
        better: which direction is good in this metric, "lower" or "higher".
        floor: the largest relative change that counts as equal.
        level: the chance that the interval leaves out the true ratio.

    Raises:
        ValueError: `better` is another word, the floor is negative or not finite, or the level is not
            between 0 and 1.

    >>> judge([[0.02], [0.03], [0.02], [0.01], [0.02], [0.03], [0.02], [0.01]]).verdict
    <Verdict.WORSE: 'worse'>
    """
    rules = _rules(better, floor, level)
    fault = _fault(layouts)
    return invalid(fault, len(layouts)) if fault else rules.weigh(layouts)


def judge_family(
    contrasts: Sequence[Layouts], *, better: str = "lower", floor: float = FLOOR, alpha: float = ALPHA
) -> tuple[Judgement, ...]:
    """Judge a family: contrasts that are read together, so that one false alarm among them misleads.

    Each contrast gets the same share of alpha (Bonferroni), so that all intervals hold at once. One that is
    invalid does not count.

    Args:
        contrasts: log ratios, [contrast][unit][round].
        better: as for `judge`.
        floor: as for `judge`.
        alpha: the accepted chance of one false alarm or more in the family.

    Returns:
        A judgement a contrast, in the order given.

    Raises:
        ValueError: as for `judge`.
    """
    _rules(better, floor, alpha)
    valid = sum(not _fault(layouts) for layouts in contrasts)
    level = alpha / max(1, valid)
    return tuple(judge(layouts, better=better, floor=floor, level=level) for layouts in contrasts)


def is_decided(layouts: Layouts, *, floor: float, level: float) -> bool:
    """Return whether more units would tell a reader little: the same, or a difference that is known to half.

    It takes two tests in place of an interval, since it is asked again and again while units come in.
    """
    if len(layouts) < MIN_UNITS:
        return False
    limit, centre = math.log1p(floor), middle(layouts)
    ends = (centre / 2, 1.5 * centre) if abs(centre) > limit else (-limit, limit)
    return all(flip_test(layouts, end) <= level for end in ends)


def _rules(better: str, floor: float, level: float) -> "_Rules":
    if better not in {"lower", "higher"}:
        raise ValueError(f"better is {better!r}; it is 'lower' or 'higher'")
    if not 0 <= floor < math.inf:
        raise ValueError(f"floor is {floor}; it is finite and at least 0")
    if not 0 < level < 1:
        raise ValueError(f"alpha is {level}; it lies between 0 and 1")
    rise = Verdict.WORSE if better == "lower" else Verdict.BETTER
    return _Rules(rise=rise, limit=math.log1p(floor), level=level)


def _fault(layouts: Layouts) -> str:
    values = [value for layout in layouts for value in layout]
    if not values:
        return "there are no values"
    if not all(abs(value) <= _LARGEST for value in values):  # so written, nan is a fault too
        return "a value is not finite"
    return ""


def invalid(reason: str, units: int = 0) -> Judgement:
    """Return the judgement on what cannot be judged, and why."""
    return Judgement(
        verdict=Verdict.INVALID, ratio=None, low=None, high=None, level=ALPHA, units=units, reason=reason
    )


@dataclass(frozen=True, slots=True)
class _Rules:
    rise: Verdict  # the verdict on a ratio above 1: worse where lower is better
    limit: float  # the floor, in log units
    level: float

    def weigh(self, layouts: Layouts) -> Judgement:
        """Return the judgement on one contrast."""
        centre = middle(layouts)
        interval = layout_interval(layouts, self.level)
        units_to_decide = None
        reason = ""
        if interval is None:
            verdict = Verdict.UNDECIDED
            units_to_decide = _fewest_units(self.level)
            reason = f"{len(layouts)} units, at least {units_to_decide} are needed"
        elif -self.limit <= interval.low and interval.high <= self.limit:
            verdict = Verdict.SAME
        elif abs(centre) > self.limit and not interval.low <= 0 <= interval.high:
            verdict = self.rise if centre > 0 else _OPPOSITE[self.rise]
        else:
            verdict = Verdict.UNDECIDED
            units_to_decide = self.units_to_decide(len(layouts), centre, interval)
            reason = self.doubt(interval)
        return Judgement(
            verdict=verdict,
            ratio=math.exp(centre),
            low=None if interval is None else math.exp(interval.low),
            high=None if interval is None else math.exp(interval.high),
            level=self.level,
            units=len(layouts),
            units_to_decide=units_to_decide,
            reason=reason,
        )

    def doubt(self, interval: Interval) -> str:
        """Return why neither a change nor its absence is shown."""
        if interval.low <= 0 <= interval.high:
            return "no change and a change above the floor both fit the samples"
        return "a change below the floor and one above it both fit the samples"

    def units_to_decide(self, units: int, centre: float, interval: Interval) -> int:
        """Return an estimate of the units, all together, with which this contrast would be decided."""
        # An interval's width shrinks as 1 / sqrt(units). The strain says how many times too wide it is for
        # the verdict that the median suggests. For better or worse, the end that is nearer to 0 has to pass
        # 0; for the same, both ends have to come inside the floor.
        if abs(centre) > self.limit:
            nearer = interval.low if centre > 0 else -interval.high
            strain = 1 - nearer / abs(centre)
        else:
            strain = max(
                _times(interval.high - centre, self.limit - centre),
                _times(centre - interval.low, self.limit + centre),
            )
        estimate = math.ceil(min(MOST_UNITS, units * strain * strain))
        return max(units + 1, estimate)


_OPPOSITE = {Verdict.WORSE: Verdict.BETTER, Verdict.BETTER: Verdict.WORSE}


def _times(width: float, room: float) -> float:
    return width / room if room > 0 else math.inf


def _fewest_units(level: float) -> int:
    # all n values on one side have p = 2 ** (1 - n), and no sign test has less
    return max(MIN_UNITS, math.ceil(1 - math.log2(level)))
