"""Any two callables as the sides of a pair: functions, Models, Steps, and what can move its own memory."""

import sys
from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol, runtime_checkable

from harness.errors import HarnessError
from harness.judge.interval import MIN_UNITS
from harness.judge.looks import Looks
from harness.judge.verdict import ALPHA, FLOOR, LAYOUT_FLOOR
from harness.measure.block import TimingBlock
from harness.measure.clock import Clock
from harness.measure.sampling import Side
from harness.record.schema import Samples


@runtime_checkable
class Movable(Protocol):
    """A callable that can move what it reads to fresh memory."""

    def __call__(self) -> object:
        """Run once."""

    def relocate(self, rng: Random) -> object:
        """Move what a call reads to fresh addresses.

        Returns:
            What holds the old addresses, or None. It is kept until the other side has moved too, so that
            neither takes a place that the other has just left.
        """


def time_pair(
    reference: object,
    arm: object,
    budget: float,
    rng: Random,
    clock: Clock,
    *,
    floor: float | None = None,
    alpha: float = ALPHA,
    costs: Sequence[float] = (),
) -> Samples:
    """Time two callables against each other until the difference is decided, or for `budget` seconds.

    The floor is by default that of the unit: 0.1 %, and 0.5 % where both sides are moved in memory. Where
    both have run before, `costs` are the seconds that they took: long calls are not warmed again, and where
    the budget does not hold as many rounds as can be judged, just these are run.

    Raises:
        TimingError: a call takes longer than the budget, or hardly longer than reading the clock.
    """
    one = as_side(reference)
    block = TimingBlock(one, {"arm": one if arm is reference else as_side(arm)}, clock, rng)
    least = MIN_UNITS * sum(costs)
    enough = budget if budget >= least else 2 * least
    block.prepare(enough, longest=enough, costs=costs)
    if enough > budget:
        block.most_rounds = MIN_UNITS * block.plan.rounds
    small = floor if floor is not None else LAYOUT_FLOOR if block.moves else FLOOR
    block.run(enough, Looks(1, small, alpha))
    for error in block.failed.values():
        raise error
    return block.samples("arm")[0]


def as_side(subject: object) -> Side:
    """Return what `compare` takes as one side of a pair; its parts are not timed apart.

    Raises:
        HarnessError: it cannot be called.
    """
    if not callable(subject):
        raise HarnessError(
            f"{subject!r} cannot be called; give a function without arguments, a Model or a Step"
        )
    subject = independent_copy(subject) or subject
    return Side((("call", subject),), subject.relocate if isinstance(subject, Movable) else None)


def independent_copy(subject: object) -> Callable[[], object] | None:
    """Return a model as an independent copy that can be moved in memory; None for anything else."""
    if "torch" not in sys.modules:
        return None
    from harness.workload.copied import copied
    from harness.workload.model import Model

    return copied(subject) if isinstance(subject, Model) else None
