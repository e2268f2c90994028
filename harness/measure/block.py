"""All sides of a case timed together: in each round every side once, in random order, over common layouts.

A round times the reference and every arm that is not decided yet. A layout is where the memory of all sides
lies: some rounds are timed in it, then all sides are moved. Every arm is so judged against the same samples
of the same reference. Neither models nor torch are known here: a side is a tuple of named calls.
"""

import gc
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from harness.judge.looks import LATEST, Looks, next_look
from harness.measure.block_plan import FEWEST_LAYOUTS, ONE_CALL, BlockPlan, enough_seconds, rounds_a_layout
from harness.measure.clock import Clock
from harness.measure.heap import keep_freed_memory
from harness.measure.sampling import Side, TimingError, calls_a_sample, quiet, sample, warm
from harness.record.names import TIME
from harness.record.schema import Samples
from harness.workload.factory import raised_by_model

SHORTEST_CALL_S = 3e-7  # reading the clock takes up to 0.1 us, calling an empty function about as long
DEPTHS = 16  # of a frame each, some 150 bytes: all places within a cache line, and many lines

_LONG_CALL_S = 0.5  # of which one is enough to be warm, and to tell what it costs

Laps = tuple[float, ...]  # seconds a call: of the whole, then of its parts


def _deeper(levels: int, side: Side, calls: int, clock: Clock) -> Laps:
    """Time a side from so many frames deeper in the interpreter's stack.

    At which address the frames of the calls lie is worth 0.1 us a sample, which chance has to give to sides.
    """
    return _deeper(levels - 1, side, calls, clock) if levels else sample(side, calls, clock)


def move_sides(sides: Iterable[Side], rng: Random) -> None:
    """Move sides to fresh memory in random order, what several share once; the old memory stays meanwhile.

    Otherwise a side would move to the addresses that another has just given up. They would swap the same few
    addresses for as long as they live, and what these differ by would never vary again.
    """
    moves = [move for move in dict.fromkeys(side.relocate for side in sides) if move is not None]
    old = [move(rng) for move in rng.sample(moves, len(moves))]
    del old


@dataclass(frozen=True, slots=True)
class Pair:
    """A reference and one arm, for who times two sides in a way of its own."""

    reference: Side
    arm: Side
    rng: Random

    def relocate(self) -> None:
        """Move both sides to fresh memory, in random order; what both share is moved once."""
        move_sides((self.reference, self.arm), self.rng)


@dataclass(slots=True)
class TimingBlock:
    """A reference, its arms, and the samples taken of them so far.

    Attributes:
        reference: the side that all others are compared with.
        arms: the other sides, by name; one may be a copy of the reference.
        clock: seconds; for a device with a queue, one that waits until it is empty.
        rng: of the order in a round, of the layouts, and of the depth of the interpreter's stack.
        most_rounds: given up after so many, whatever is undecided.
        plan: made by `prepare`.
        failed: arms that raised while they were timed, with what they raised.
    """

    reference: Side
    arms: Mapping[str, Side]
    clock: Clock
    rng: Random
    most_rounds: int | None = None
    plan: BlockPlan = ONE_CALL
    failed: dict[str, Exception] = field(default_factory=dict)
    _rounds: int = field(default=0, init=False)
    _taken: dict[str, list[Laps]] = field(default_factory=dict, init=False)  # by arm; "" for the reference
    _levels: dict[str, float] = field(default_factory=dict, init=False)  # of each arm's last look
    _took: float = field(default=0.0, init=False)
    _round_s: float = field(default=0.0, init=False)  # what a round takes, and a move of all sides
    _moving_s: float = field(default=0.0, init=False)

    @property
    def moves(self) -> bool:
        """Whether all sides can be moved to fresh memory."""
        return all(side.relocate is not None for side in self._sides())

    def _sides(self) -> list[Side]:
        return [self.reference, *self.arms.values()]

    def prepare(
        self, budget: float, longest: float = math.inf, *, warmed: bool = False, costs: Sequence[float] = ()
    ) -> None:
        """Warm all sides, then plan the calls of a sample and the rounds of a layout.

        Args:
            budget: seconds of timing, all sides together.
            longest: the most that a call may take, in seconds.
            warmed: all sides have run before.
            costs: seconds of a call of each side that has run before; where all are long, none is called.

        Raises:
            TimingError: a call takes longer than `longest`, or hardly longer than reading the clock.
        """
        keep_freed_memory()
        started = self.clock()
        if not costs or min(costs) < _LONG_CALL_S:
            costs = [warm(side, self.clock, longest, 1 if warmed else 2) for side in self._sides()]
        if min(costs) < SHORTEST_CALL_S:
            raise TimingError(
                f"a call takes {min(costs) * 1e9:.0f} ns; under {SHORTEST_CALL_S * 1e9:.0f} ns most of it is"
                " the clock and the call itself, so put more work in one call"
            )
        calls = calls_a_sample(min(costs))
        self._moving_s = self._moving_cost(calls)
        self._round_s = calls * sum(costs)
        self.plan = BlockPlan(calls, rounds_a_layout(self._round_s, self._moving_s, budget))
        self._took += self.clock() - started

    def enough(self, budget: float, fewest: int = FEWEST_LAYOUTS) -> float:
        """Return the seconds that a budget becomes, by what a layout takes; see `enough_seconds`."""
        return enough_seconds(budget, self.plan.rounds * self._round_s + self._moving_s, fewest)

    def _moving_cost(self, calls: int) -> float:
        """Return what one move of all sides costs, in seconds; 0 where a side cannot be moved."""
        if not self.moves:
            return 0.0
        self._relocate(calls)  # the first move also pays for the memory that later ones find
        start = self.clock()
        self._relocate(calls)
        return self.clock() - start

    def _relocate(self, calls: int) -> None:
        move_sides(self._sides(), self.rng)
        if calls > 1:  # of a sample of many calls only the first would find the caches cold
            sides = self._sides()
            self.rng.shuffle(sides)  # after it the first has the coldest caches of all
            for side in sides:
                side.call()

    def run(self, budget: float, looks: Looks, control: str = "") -> None:
        """Time rounds until every arm is decided, or for `budget` seconds; at least one round.

        Args:
            budget: seconds.
            looks: judge what is there, ever again.
            control: the arm that is the reference once more: only where it is the one arm is it waited for.
        """
        active = dict(self.arms)
        waited_for = {name for name in active if name != control} or set(active)
        entered = self.clock()
        look_at = next_look(0)
        with quiet():
            start = self.clock()  # collecting garbage takes none of the budget
            while True:
                self._round(active)
                took = self.clock() - start
                over = took * (1 + 1 / self._rounds) > budget or self._rounds == self.most_rounds
                units = self._rounds // (self.plan.rounds if self.moves else 1)
                if over or (units >= look_at and took <= LATEST * budget):
                    self._look(active, looks, 1.0 if over else took / budget, control)
                    look_at = next_look(units)
                    gc.collect(0)  # what calls leave in cycles does not pile up
                if over or not waited_for & active.keys():
                    break
                if self.moves and self._rounds % self.plan.rounds == 0:
                    self._relocate(self.plan.calls)
        self._took += self.clock() - entered

    def _round(self, active: dict[str, Side]) -> None:
        """Time every active side once, in random order."""
        order = ["", *active]
        self.rng.shuffle(order)
        taken: dict[str, Laps] = {}
        for name in order:
            side = active[name] if name else self.reference
            try:
                taken[name] = _deeper(self.rng.randrange(DEPTHS), side, self.plan.calls, self.clock)
            except (Exception, SystemExit) as error:  # whatever the model raises, now, in this arm
                if not name:
                    raise
                self.failed[name] = raised_by_model(error)
                del active[name]
        for name, seconds in taken.items():
            self._taken.setdefault(name, []).append(seconds)
        self._rounds += 1

    def _look(self, active: dict[str, Side], looks: Looks, share: float, control: str) -> None:
        level = looks.spend(share)
        for names, each in (
            ([name for name in active if name != control], level / max(1, looks.family)),
            ([control] if control in active else [], level),
        ):
            self._levels.update(dict.fromkeys(names, each))
            for name in looks.decided({name: self.samples(name) for name in names}, each):
                del active[name]

    def pair(self, arm: str) -> Pair:
        """Return the reference and an arm."""
        return Pair(self.reference, self.arms[arm], self.rng)

    def samples(self, arm: str) -> tuple[Samples, ...]:
        """Return what was timed of an arm: the whole call, and each part that it shares with the reference.

        Where the sides were moved the layout is what is independent of others, and otherwise the round.
        """
        taken = self._taken.get(arm, [])
        reference = self._taken.get("", [])[: len(taken)]
        size = self.plan.rounds if self.moves else max(1, len(taken))
        return paired_samples(
            (self.reference, self.arms[arm]),
            [
                list(zip(reference[first : first + size], taken[first : first + size], strict=True))
                for first in range(0, len(taken), size)
            ],
            calls=self.plan.calls,
            unit="draw" if self.moves else "round",
            pass_s=self._took / len(self.arms),
            level=self._levels.get(arm, 0.0),
            sharing=len(self.arms),
        )


def paired_samples(
    sides: tuple[Side, Side],
    layouts: Sequence[Sequence[tuple[Laps, Laps]]],
    *,
    calls: int,
    unit: Literal["draw", "round"],
    pass_s: float,
    level: float = 0.0,
    sharing: int = 1,
) -> tuple[Samples, ...]:
    """Return rounds as they are stored: of the whole call, and of each part that both sides have.

    Args:
        sides: the reference and the arm.
        layouts: [layout][round]: a sample of each.
        calls: a sample.
        unit: what is independent.
        pass_s: seconds of the whole pass.
        level: of the interval.
        sharing: arms whose reference this is: each accounts for its share of the reference's seconds.
    """
    names = [[TIME, *(f"{name} time" for name, _ in _laps(side))] for side in sides]
    measured = calls * sum(before[0] / sharing + after[0] for layout in layouts for before, after in layout)
    return tuple(
        Samples(
            metric=name,
            calls=calls,
            reference=tuple(tuple(pair[0][names[0].index(name)] for pair in layout) for layout in layouts),
            arm=tuple(tuple(pair[1][names[1].index(name)] for pair in layout) for layout in layouts),
            unit=unit,
            measured_s=measured,
            pass_s=pass_s,
            level=level,
        )
        for name in names[1]
        if name in names[0] and layouts
    )


def _laps(side: Side) -> Sequence[tuple[str, Callable[[], object]]]:
    return side.parts if len(side.parts) > 1 else ()
