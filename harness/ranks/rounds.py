"""Two sides timed on all ranks together: they meet before each sample, in one order that rank 0 chose."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import msgspec

from harness.measure.block import Laps, move_sides, paired_samples
from harness.measure.block_plan import rounds_a_layout
from harness.measure.clock import Clock
from harness.measure.heap import keep_freed_memory
from harness.measure.sampling import WARM_S, Side, calls_a_sample, quiet, sample, warm_cost
from harness.ranks.crew import Crew
from harness.record.schema import Samples

_BATCH = 2  # warming calls between two questions to rank 0 whether they were enough


@dataclass(frozen=True, slots=True)
class RanksPlan:
    """How two sides are timed on all ranks."""

    calls: int  # a sample
    layouts: int
    rounds: int  # a layout


@dataclass(frozen=True, slots=True)
class Schedule:
    """What all ranks do, in which order: decided by rank 0, for ranks that differ in it wait for ever."""

    plan: RanksPlan
    reference_first: tuple[bool, ...]  # a round each


@dataclass(slots=True)
class Together:
    """A reference and an arm on every rank.

    `seed` is the same on all ranks, so that they move the same tensors in the same order.
    """

    crew: Crew
    reference: Side
    arm: Side
    clock: Clock
    seed: str
    progress: Callable[[str], None]  # told before every sample that this rank is alive, and where

    def measure(self, budget: float) -> tuple[Samples, ...]:
        """Warm both sides, time them, and return this rank's samples: the whole call, then each part."""
        keep_freed_memory()
        started = self.clock()
        rng = Random(self.seed)
        moving = self._moving(rng)
        one_call = sum(self._warm(side) for side in (self.reference, self.arm)) / 2
        schedule = self._decided(one_call, moving, budget)
        rounds: list[tuple[Laps, Laps]] = []
        with quiet():
            for index, reference_first in enumerate(schedule.reference_first):
                if index and schedule.plan.layouts > 1 and index % schedule.plan.rounds == 0:
                    self._relocate(rng)
                rounds.append(self._round(schedule.plan.calls, index, reference_first=reference_first))
        size = schedule.plan.rounds
        return paired_samples(
            (self.reference, self.arm),
            [rounds[first : first + size] for first in range(0, len(rounds), size)],
            calls=schedule.plan.calls,
            unit="draw",
            pass_s=self.clock() - started,
        )

    def _warm(self, side: Side) -> float:
        """Call a side until rank 0 finds it warm; return what a call costs the slowest rank, in seconds."""
        costs: list[float] = []
        begin = self.clock()
        enough = False
        while not enough:
            self.progress("warming up")
            for _ in range(_BATCH):
                self.crew.meet()
                start = self.clock()
                side.call()
                costs.append(self.clock() - start)
            enough = self.crew.told(self.clock() - begin >= WARM_S)
        return float(max(self.crew.gathered(warm_cost(costs))))

    def _moving(self, rng: Random) -> float:
        """Return what moving both sides costs the slowest rank, in seconds."""
        # A step has to have run before: what outlives it, such as the optimizer's state, is there only then.
        for side in (self.reference, self.arm):
            side.call()
        self._relocate(rng)
        start = self.clock()
        self._relocate(rng)
        return float(max(self.crew.gathered(self.clock() - start)))

    def _relocate(self, rng: Random) -> None:
        self.progress("moving tensors")
        move_sides((self.reference, self.arm), rng)

    def _decided(self, one_call: float, moving: float, budget: float) -> Schedule:
        """Return the schedule that rank 0 makes."""
        self.crew.meet()
        start = self.clock()
        self.crew.meet()
        meeting = self.clock() - start
        plan = planned(one_call, meeting, moving, budget)
        coins = Random(f"{self.seed}/order")
        return self.crew.told(  # type: ignore[no-any-return]
            Schedule(plan, tuple(coins.random() < 0.5 for _ in range(plan.layouts * plan.rounds)))  # noqa: PLR2004
        )

    def _round(self, calls: int, index: int, *, reference_first: bool) -> tuple[Laps, Laps]:
        self.progress(f"timing, round {index + 1}")
        sides = (self.reference, self.arm) if reference_first else (self.arm, self.reference)
        taken = []
        for side in sides:
            self.crew.meet()
            taken.append(sample(side, calls, self.clock))
        return (taken[0], taken[1]) if reference_first else (taken[1], taken[0])


def planned(one_call: float, meeting: float, moving: float, budget: float) -> RanksPlan:
    """Divide a budget into calls a sample, layouts and rounds.

    Args:
        one_call: seconds, on the slowest rank.
        meeting: seconds that it takes the ranks to meet, which they do before each sample.
        moving: seconds that one move of both sides takes.
        budget: seconds.

    >>> planned(0.0003, 0.0001, 0.001, 1.024)
    RanksPlan(calls=1, layouts=124, rounds=9)
    """
    calls = calls_a_sample(one_call)
    round_s = 2 * (calls * one_call + meeting)
    rounds = rounds_a_layout(round_s, moving, budget)
    return RanksPlan(calls, max(1, int(budget / (rounds * round_s + moving) * (1 + 1e-9))), rounds)


def slowest(of_ranks: Sequence[tuple[Samples, ...]]) -> tuple[Samples, ...]:
    """Return the samples of the slowest rank of every round: a step has ended when all ranks have."""
    return tuple(
        msgspec.structs.replace(
            first,
            reference=_most([samples[number].reference for samples in of_ranks]),
            arm=_most([samples[number].arm for samples in of_ranks]),
            measured_s=max(samples[number].measured_s for samples in of_ranks),
            pass_s=max(samples[number].pass_s for samples in of_ranks),
        )
        for number, first in enumerate(of_ranks[0])
    )


def _most(of_ranks: Sequence[tuple[tuple[float, ...], ...]]) -> tuple[tuple[float, ...], ...]:
    return tuple(
        tuple(max(values) for values in zip(*layouts, strict=True)) for layouts in zip(*of_ranks, strict=True)
    )
