"""Two sides timed together: rounds in random order, the same number of calls, several layouts of memory.

A round times each side once. A layout is where the memory of both lies: some rounds are timed in it, then
both sides are moved. A driver runs the rounds: `Pair.run` here, or pytest-benchmark, which times the arm in a
call of its own. Neither models nor torch are known here: a side is a tuple of named calls.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from harness.measure.clock import Clock
from harness.measure.heap import keep_freed_memory
from harness.measure.sampling import Side, TimingError, calls_a_sample, quiet, sample, warm
from harness.record.names import TIME
from harness.record.schema import Samples

SHORTEST_CALL_S = 3e-7  # reading the clock takes up to 0.1 us, calling an empty function about as long
LAYOUTS = 64  # aimed at; many more would hardly narrow the interval further
FEWEST_LAYOUTS = 12  # the fewest from which a family of 20 contrasts can be judged at 99 %
DEPTHS = 16  # of a frame each, some 150 bytes: all places within a cache line, and many lines
MIN_ROUNDS = 16  # of these a layout rests on the fastest four; given up before the fewest layouts are
MOVING_SHARE = 0.15  # of the budget, at most, is spent on moving ...
MOVING_SHARE_FOR_FEWEST = 0.3  # ... and this much where the fewest layouts cannot be had for less


@dataclass(frozen=True, slots=True)
class PairPlan:
    """How a pair is timed; chosen once, the same for both sides."""

    calls: int  # a sample
    layouts: int  # or windows, where a side cannot be moved
    rounds: int  # a layout

    @property
    def total_rounds(self) -> int:
        """Return the rounds of all layouts."""
        return self.layouts * self.rounds


def _deeper(levels: int, side: Side, calls: int, clock: Clock) -> tuple[float, ...]:
    """Time a side from so many frames deeper in the interpreter's stack.

    At which address the frames of the calls lie is worth 0.1 us a sample. A driver calls each side at a depth
    of its own, always the same, so that with no random depth one side would gain.
    """
    return _deeper(levels - 1, side, calls, clock) if levels else sample(side, calls, clock)


def move_all(moves: Sequence[Callable[[Random], object]], rng: Random) -> None:
    """Move sides to fresh memory in random order; the old memory stays taken until all have moved.

    Otherwise a side would move to the addresses that the other has just given up. The two would swap the same
    few addresses for as long as the pair lives, and what these differ by would never vary again.
    """
    old = [move(rng) for move in rng.sample(moves, len(moves))]
    del old


Round = tuple[tuple[float, ...], tuple[float, ...]]  # of the reference and the arm: the whole, then its parts


@dataclass(slots=True)
class Pair:
    """A reference and an arm, and the samples taken of them so far.

    A driver calls `prepare`, then for every planned round `before`, `time_arm` and `after`. The
    reference is timed in `before` or in `after`, as a coin tossed for the round says.

    Attributes:
        reference: the side that the other is compared with.
        arm: the other side.
        clock: seconds; for a device with a queue, one that waits until it is empty.
        rng: of the coin, of the layouts, and of the depth of the interpreter's stack.
        plan: made by `prepare`.
    """

    reference: Side
    arm: Side
    clock: Clock
    rng: Random
    plan: PairPlan = PairPlan(1, 1, 1)
    _samples: list[Round] = field(default_factory=list)
    _early: tuple[float, ...] | None = None
    _arm_sample: tuple[float, ...] = ()
    _started: float = 0.0
    _moved: bool = True

    def prepare(self, budget: float, longest: float = math.inf) -> None:
        """Warm both sides, then plan the calls of a sample, the layouts, and the rounds of each.

        Args:
            budget: seconds of timing, both sides together.
            longest: the most that a call may take, in seconds.

        Raises:
            TimingError: a call takes longer than `longest`, or hardly longer than reading the clock.
        """
        keep_freed_memory()
        self._started = self.clock()
        costs = [warm(side, self.clock, longest) for side in (self.reference, self.arm)]
        one_call = sum(costs) / 2
        if min(costs) < SHORTEST_CALL_S:
            raise TimingError(
                f"a call takes {min(costs) * 1e9:.0f} ns; under {SHORTEST_CALL_S * 1e9:.0f} ns most of it is"
                " the clock and the call itself, so put more work in one call"
            )
        calls = calls_a_sample(one_call)
        round_s = 2 * calls * one_call
        moving = self._moving_cost()
        self._moved = moving is not None
        self.plan = plan_layouts(calls, round_s, moving or 0.0, budget)

    def _moving_cost(self) -> float | None:
        """Return what one relocate of both sides costs, in seconds; None where a side cannot be moved."""
        if self.reference.relocate is None or self.arm.relocate is None:
            return None
        self.relocate()  # the first move also pays for the memory that later ones find
        start = self.clock()
        self.relocate()
        return self.clock() - start

    def relocate(self) -> None:
        """Move both sides to fresh memory, in random order; what both share is moved once."""
        moves = [
            move for move in dict.fromkeys((self.reference.relocate, self.arm.relocate)) if move is not None
        ]
        move_all(moves, self.rng)

    def before(self) -> None:
        """Begin a round: move both sides where a layout ends; time the reference if the coin says so."""
        done = len(self._samples)
        if done and self._moved and done % self.plan.rounds == 0:
            self.relocate()
        self._early = self._take(self.reference) if self.rng.random() < 0.5 else None  # noqa: PLR2004

    def time_arm(self) -> None:
        """Time the arm."""
        self._arm_sample = self._take(self.arm)

    def after(self) -> None:
        """End a round: time the reference if it was not its turn before, and keep both samples."""
        reference = self._early
        if reference is None:
            reference = self._take(self.reference)
        # A driver may run the arm again when all is timed: pytest-benchmark does, to profile it.
        if len(self._samples) < self.plan.total_rounds:
            self._samples.append((reference, self._arm_sample))

    def _take(self, side: Side) -> tuple[float, ...]:
        return _deeper(self.rng.randrange(DEPTHS), side, self.plan.calls, self.clock)

    def run(self) -> None:
        """Drive all planned rounds in this process."""
        with quiet():
            for _ in range(self.plan.total_rounds):
                self.before()
                self.time_arm()
                self.after()

    def samples(self) -> tuple[Samples, ...]:
        """Return what was timed: the whole call, and each part that both sides have."""
        sides = (self.reference, self.arm)
        return samples_of(sides, self._samples, self.plan, self.clock() - self._started, moved=self._moved)


def samples_of(
    sides: tuple[Side, Side], rounds: Sequence[Round], plan: PairPlan, took: float, *, moved: bool
) -> tuple[Samples, ...]:
    """Return rounds as samples: of the whole call, and of each part that both sides have.

    Args:
        sides: the reference and the arm.
        rounds: one after the other, seconds a call.
        plan: how they were timed.
        took: seconds of the whole pass.
        moved: both sides were moved between layouts.
    """
    names = [[TIME, *(f"{name} time" for name, _ in _laps(side))] for side in sides]
    unit: Literal["draw", "window", "round"] = "draw" if moved else "window"
    if plan.layouts == 1 or (plan.rounds == 1 and not moved):
        unit = "round"

    def by_layout(side: int, name: str) -> tuple[tuple[float, ...], ...]:
        column = names[side].index(name)
        values = [both[side][column] for both in rounds]
        return tuple(
            tuple(values[first : first + plan.rounds]) for first in range(0, len(values), plan.rounds)
        )

    return tuple(
        Samples(
            metric=name,
            calls=plan.calls,
            reference=by_layout(0, name),
            arm=by_layout(1, name),
            unit=unit,
            measured_s=plan.calls * sum(reference[0] + arm[0] for reference, arm in rounds),
            pass_s=took,
        )
        for name in names[1]
        if name in names[0]
    )


def plan_layouts(calls: int, round_s: float, moving: float, budget: float) -> PairPlan:
    """Divide a budget into layouts and rounds.

    Args:
        calls: a sample.
        round_s: seconds of a round, both sides.
        moving: seconds of one move, both sides.
        budget: seconds.
    """
    most = budget / moving if moving > 0 else math.inf
    affordable = max(MOVING_SHARE * most, min(FEWEST_LAYOUTS, MOVING_SHARE_FOR_FEWEST * most))
    rounds = budget / round_s
    wanted = max(rounds / MIN_ROUNDS, min(rounds, FEWEST_LAYOUTS))
    layouts = int(max(1, min(LAYOUTS, affordable, wanted)))
    rounds_a_layout = max(1, _whole((budget - layouts * moving) / round_s / layouts))
    # What whole rounds leave of the budget goes to more layouts.
    filling = min(MOVING_SHARE_FOR_FEWEST * most, budget / (rounds_a_layout * round_s + moving))
    return PairPlan(calls, max(layouts, _whole(filling)), rounds_a_layout)


def _whole(number: float) -> int:
    return int(number * (1 + 1e-9))  # that 9.999999999 is 10


def _laps(side: Side) -> Sequence[tuple[str, Callable[[], object]]]:
    return side.parts if len(side.parts) > 1 else ()
