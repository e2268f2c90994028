"""The seconds of a run, shared out among its blocks: what one does not need goes to those that follow."""

import statistics
import time
from dataclasses import dataclass, field

from harness.measure.clock import Clock

_FAIR = 0.75  # of an equal share: blocks whose calls are long take more than theirs
_ROUND = 10.0  # seconds to which what is needed is rounded up


@dataclass(slots=True)
class SharedTime:
    """How long each block may take.

    The exact numbers come first: what they will still take is set apart, at what an arm took in the median.

    Attributes:
        per_arm: seconds of timing an arm, whatever the run takes; None where the run has its time.
        run: seconds of the whole run; not looked at where `per_arm` is given.
        began: when the run did, on the clock.
        clock: seconds.
    """

    per_arm: float | None
    run: float
    began: float
    clock: Clock = time.perf_counter
    untimed: int = field(default=0, init=False)  # arms for which no time was left
    _planned: int = field(default=0, init=False)  # arms not measured exactly yet
    _waiting: int = field(default=0, init=False)  # arms measured exactly, and not timed yet
    _exact: list[float] = field(default_factory=list, init=False)  # seconds of each arm's exact numbers
    _mark: float = field(default=0.0, init=False)
    _is_begun: bool = field(default=False, init=False)  # the first block has its seconds

    @property
    def exact_only(self) -> bool:
        """Whether nothing is to be timed."""
        return not (self.run if self.per_arm is None else self.per_arm)

    def is_spent(self, least: float) -> bool:
        """Whether a block that takes so many seconds at least would come too late; the first never does."""
        if self.per_arm is not None or not self._is_begun:
            return self.exact_only
        return self.run - (self.clock() - self.began) < least

    @property
    def needed(self) -> float:
        """Seconds of a run that would have left each arm a second, the exact numbers set aside."""
        return float(round(sum(self._exact) + len(self._exact), -1)) + _ROUND

    def plan(self, arms: int) -> None:
        """Add arms that are to be measured."""
        self._planned += arms
        self.mark()

    def mark(self) -> None:
        """Begin the exact numbers of an arm: what was before is not theirs."""
        self._mark = self.clock()

    def measured(self) -> None:
        """Count an arm whose exact numbers are there, or will not be."""
        now = self.clock()
        self._exact.append(now - self._mark)
        self._planned -= 1
        self._waiting += 1
        self._mark = now

    def seconds(self, arms: int, least: float = 0.0) -> float:
        """Return the seconds of a block of so many arms; 0 where none are left.

        The first block of a run gets what it needs, as long as the run at most, also where the exact numbers
        have taken all of it: else a large model would have no times at all.

        Args:
            arms: of the block, without the reference.
            least: seconds in which it can tell something; it gets these before blocks after it get theirs.
        """
        if self.per_arm is not None:
            return self.per_arm * arms
        # The first arm also pays for what is loaded once; a median leaves it out.
        exact = self._planned * statistics.median(self._exact or (0.0,))
        remaining = max(0.0, self.run - (self.clock() - self.began) - exact)
        share = _FAIR * remaining * arms / max(arms, self._waiting + self._planned)
        self._waiting = max(0, self._waiting - arms)
        given = max(share, min(least, remaining if self._is_begun else self.run))
        self._is_begun = True
        if not given:
            self.untimed += arms
        return given
