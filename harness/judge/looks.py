"""When to stop: a case is looked at while it is timed, and what is decided is timed no more.

Who looks again and again is wrong more often than who looks once. So each look has a chance of a false alarm
of its own, and together they have what one look would have: at the share t of the time, the third power of t
is spent, so that early looks see only what is large, and most of the chance is left for the last. Late looks
would take it away and spare little time: after two thirds of the time the only look is the last.

Source: K. Kim and D. L. DeMets, Design and analysis of group sequential tests based on the type I error
spending rate function, Biometrika 74 (1987) 149-154. That looks depend on each other is not made use of: the
chances are added up, which is right however they depend.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.judge.interval import MIN_UNITS, log_ratios
from harness.judge.verdict import ALPHA, LAYOUT_FLOOR, is_decided
from harness.record.schema import Samples

FIRST = 12  # units at the first look: fewer decide nothing among six arms
GROWTH = 1.5  # from look to look
LATEST = 1 / GROWTH  # share of the time; the look after a later one would be past the end
_POWER = 3  # of the share of the time that is the share of the chance


@dataclass(slots=True)
class Looks:
    """The looks at one case.

    Attributes:
        family: how many arms are read together; each has its share of the chance of a false alarm.
        floor: the relative difference that is too small to matter.
        alpha: the chance of one false alarm or more, over all looks and the whole family.
    """

    family: int
    floor: float = LAYOUT_FLOOR
    alpha: float = ALPHA
    _spent: float = field(default=0.0, init=False)

    @property
    def fewest_units(self) -> int:
        """As many units as can decide at all, if they are looked at once: with fewer no sign is sure enough.

        >>> Looks(family=2).fewest_units, Looks(family=6).fewest_units
        (9, 11)
        """
        return max(MIN_UNITS, math.ceil(1 + math.log2(max(1, self.family) / self.alpha)))

    def spend(self, share: float) -> float:
        """Return the chance of a false alarm that a look at this share of the time has, all arms together.

        >>> looks = Looks(family=1, alpha=0.01)
        >>> looks.spend(0.5), looks.spend(1.0)
        (0.00125, 0.00875)
        """
        level = self.alpha * (share**_POWER - self._spent**_POWER)
        self._spent = share
        return level

    def decided(self, arms: Mapping[str, Sequence[Samples]], level: float) -> set[str]:
        """Return the arms of which every metric is decided, at a level for each of them."""
        return {
            arm
            for arm, timings in arms.items()
            if timings
            and all(
                is_decided(
                    log_ratios(samples.reference, samples.arm, samples.unit), floor=self.floor, level=level
                )
                for samples in timings
            )
        }


def next_look(units: int) -> int:
    """Return the number of units at the look after the one at so many.

    >>> next_look(0), next_look(12), next_look(18)
    (12, 18, 27)
    """
    return max(FIRST, -int(-GROWTH * units // 1))
