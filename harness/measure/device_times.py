"""A pass of its own on a device with a queue: how long it works, the host's time, and time by events.

How long the device works is read from the trace of its records. Time by events is taken beside it where the
host can be kept ahead of the device: its queue is held before the first event until all is issued or, where
it cannot be held, work that touches no cache is queued there. What lies between two events is then the
device's time alone.
"""

import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from harness.measure.block import Pair
from harness.measure.block_plan import FEWEST_LAYOUTS
from harness.measure.clock import Clock
from harness.measure.devices.protocol import Device, Event, Hold
from harness.measure.limit import Work, limit_note
from harness.measure.probes.step_time import BUSY_TIME, DEVICE_TIME, DEVICE_TIME_COLD, HOST_TIME
from harness.measure.sampling import SAMPLE_S, Side, quiet
from harness.measure.traced import rounds_of_trace, traced_work
from harness.record.measured import CodeLine
from harness.record.names import TIME
from harness.record.schema import ArmResult, Samples

# A queue holds about 1,024 launches, after which the host waits; a launch costs it 4 us or more.
_ISSUED_S = 1e-3
_LEAD = 1.5  # of what the host takes to issue a sample
_SHORTEST_LEAD_S = 2e-5
_LONGEST_LEAD_S = 0.05
_LONGEST_HOLD_S = 0.5  # then a watchdog releases the queue: the host waits for what waits for the host
_MOST_TRIES = 3  # of a round in which the device's clock is held back
_MOST_LAUNCHES = 700  # that surely fit into the queue beside what keeps the device busy

ClockLook = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Reading:
    """One side in one round, in seconds a call."""

    device: float
    device_cold: float
    host: float
    ahead: bool  # the host had issued all before the device began with it
    slowed: bool  # the device's clock was held back while it worked


@dataclass(frozen=True, slots=True)
class DevicePass:
    """What the pass took.

    Attributes:
        samples: how long the device works, its time with a hot and a cold cache, and the host's.
        notes: what limits the arm, in a sentence, and why a time could not be taken.
        slowed: rounds in which the device's clock was held back, each time that they were taken.
    """

    samples: tuple[Samples, ...]
    notes: tuple[str, ...]
    slowed: int = 0


@dataclass(frozen=True, slots=True)
class PairFacts:
    """What other passes showed of a pair.

    Attributes:
        wall: seconds of a call of the arm, until the device is done; None where it was not timed.
        waits: how often a call makes the host wait for the device, the more of both sides.
        arm_waits: how often the arm's does.
        places: at which lines.
        launches: of a call, the more of both sides; None where they are not counted.
    """

    wall: float | None = None
    waits: int = 0
    arm_waits: int = 0
    places: tuple[CodeLine, ...] = ()
    launches: int | None = None

    @property
    def allows_events(self) -> bool:
        """Whether the host can be kept ahead of the device for a whole call."""
        return not self.waits and (self.launches or 0) <= _MOST_LAUNCHES


def facts_of(arm: ArmResult, reference: ArmResult) -> PairFacts:
    """Return what the exact passes and the block showed of an arm and its reference."""
    wall = next((each.arm for each in arm.timings if each.metric == TIME), None)
    both = (arm.counts, reference.counts)
    launches = [counts["kernel launches"] for counts in both if "kernel launches" in counts]
    return PairFacts(
        wall=None if wall is None else statistics.median(value for layout in wall for value in layout),
        waits=max(counts.get("waits", 0) for counts in both),
        arm_waits=arm.counts.get("waits", 0),
        places=arm.places.get("waits", ()),
        launches=max(launches, default=None),
    )


@dataclass(frozen=True, slots=True)
class _Way:
    """How every reading is taken, the same for both sides."""

    device: Device
    clock: Clock
    calls: int = 1
    lead_s: float = 0.0
    holds: bool = False  # the queue, in place of a lead
    events: bool = True  # the device's time is taken by them, beside the host's

    def read(self, side: Side, look: ClockLook) -> Reading:
        """Take one reading of a side; `look` is called while the device works."""
        if not self.events:
            return Reading(0.0, 0.0, self.issue(side), ahead=False, slowed=look())
        hot, ahead, slowed = self._hot(side, look)
        return Reading(hot, self._cold(side), self.issue(side), ahead, slowed)

    def issue(self, side: Side) -> float:
        """Return the host's seconds a call, until it has issued a call and not until that is done."""
        self.device.synchronize()
        start = self.clock()
        for _ in range(self.calls):
            side.call()
        took = self.clock() - start
        self.device.synchronize()
        return took / self.calls

    @contextmanager
    def _behind_a_lead(self) -> Iterator[Hold | None]:
        """Keep the device from the work that is queued inside, for as long as it takes to queue it."""
        self.device.synchronize()
        hold = self.device.hold(_LONGEST_HOLD_S) if self.holds else None
        if hold is None and self.lead_s:
            occupy(self.device, self.lead_s)
        try:
            yield hold
        finally:
            if hold is not None:
                hold.release()

    def _hot(self, side: Side, look: ClockLook) -> tuple[float, bool, bool]:
        with self._behind_a_lead() as hold:
            start = self.device.record()
            for _ in range(self.calls):
                side.call()
            end = self.device.record()
            ahead = not start.query() and not (hold is not None and hold.expired)
        slowed = look()
        self.device.synchronize()
        return self.device.seconds(start, end) / self.calls, ahead, slowed

    def _cold(self, side: Side) -> float:
        marks: list[tuple[Event, Event]] = []
        with self._behind_a_lead():
            for _ in range(self.calls):
                self.device.flush_cache()
                start = self.device.record()
                side.call()
                marks.append((start, self.device.record()))
        self.device.synchronize()
        return sum(self.device.seconds(*mark) for mark in marks) / self.calls


def device_pass(
    pair: Pair,
    device: Device,
    rng: Random,
    budget: float,
    *,
    facts: PairFacts = PairFacts(),
    look: ClockLook = lambda: False,
    clock: Clock = time.perf_counter,
) -> DevicePass:
    """Take the device's and the host's time of both sides of a pair.

    Args:
        pair: two sides that are warm.
        device: where they run.
        rng: of the order of the rounds and of the layouts.
        budget: seconds for both sides together.
        facts: what other passes showed of the pair.
        look: called while the device works, once a reading: whether its clock is held back at this moment. A
            round in which it is is taken again.
        clock: the host's, which waits for nothing.
    """
    started = clock()
    with quiet():
        way = _way(pair, device, clock, facts)
        begun = clock()
        for side in (pair.reference, pair.arm):
            way.read(side, look)
        rounds = max(1, int(budget / max(clock() - begun, 1e-9)))
        layouts = min(FEWEST_LAYOUTS, rounds)
        taken: list[list[tuple[Reading, Reading]]] = []
        for layout in range(layouts):
            if layout:
                pair.relocate()
            taken.append([_round(pair, way, rng, look) for _ in range(rounds // layouts)])
        took = clock() - started
        traced = traced_work(pair, device, rng, rounds_of_trace(pair, device, budget, clock))
    unit = _unit(pair, layouts, rounds // layouts)
    readings = [reading for layout in taken for both in layout for reading in both]
    is_ahead = way.events and all(reading.ahead for reading in readings)
    samples = []
    for name, field in ((DEVICE_TIME, "device"), (DEVICE_TIME_COLD, "device_cold"), (HOST_TIME, "host")):
        if not is_ahead and name != HOST_TIME:
            continue  # it may hold the host's pauses
        sides = [
            tuple(tuple(getattr(both[side], field) for both in layout) for layout in taken) for side in (0, 1)
        ]
        # A step that queues nothing can take the device no time at all, which has no ratio.
        if min(min(map(min, side)) for side in sides) > 0:
            samples.append(
                Samples(
                    metric=name, calls=way.calls, reference=sides[0], arm=sides[1], unit=unit, pass_s=took
                )
            )
    if traced.samples is not None:
        samples.insert(0, traced.samples)
    slowed = sum(any(reading.slowed for reading in both) for layout in taken for both in layout)
    return DevicePass(tuple(samples), _notes(facts, samples, traced.refusal), slowed)


def _notes(facts: PairFacts, samples: list[Samples], refusal: str) -> tuple[str, ...]:
    arm = {each.metric: statistics.median(v for layout in each.arm for v in layout) for each in samples}
    notes = [f"how long the device works is not known: {refusal}"] if refusal else []
    if facts.wall is not None and HOST_TIME in arm:
        busy = arm.get(BUSY_TIME, arm.get(DEVICE_TIME))
        work = Work(facts.wall, arm[HOST_TIME], busy, facts.arm_waits, facts.places)
        notes.append(limit_note(work))
    return tuple(notes)


def _unit(pair: Pair, layouts: int, rounds: int) -> Literal["draw", "window", "round"]:
    if layouts == 1:
        return "round"
    if pair.reference.relocate is not None and pair.arm.relocate is not None:
        return "draw"
    return "window" if rounds > 1 else "round"


def _round(pair: Pair, way: _Way, rng: Random, look: ClockLook) -> tuple[Reading, Reading]:
    """Read both sides until the device's clock is not held back, or a few times were in vain."""
    for _ in range(_MOST_TRIES - 1):
        both = _once(pair, way, rng, look)
        if not any(reading.slowed for reading in both):
            return both
    return _once(pair, way, rng, look)


def _once(pair: Pair, way: _Way, rng: Random, look: ClockLook) -> tuple[Reading, Reading]:
    """Read both sides, in random order; return the reference's reading first."""
    if rng.random() < 0.5:  # noqa: PLR2004 (a coin)
        reference = way.read(pair.reference, look)
        return reference, way.read(pair.arm, look)
    arm = way.read(pair.arm, look)
    return way.read(pair.reference, look), arm


def _way(pair: Pair, device: Device, clock: Clock, facts: PairFacts) -> _Way:
    """Choose how many calls a sample takes, and what keeps the device from it until all is issued."""
    sides = (pair.reference, pair.arm)
    one = _Way(device, clock, events=facts.allows_events)
    for side in sides:
        one.issue(side)  # the call before was in another pass
    host = max(one.issue(side) for side in sides)
    if not facts.allows_events:
        return replace(one, calls=max(1, int(_ISSUED_S / max(host, 1e-9))))
    lead_s = max(_SHORTEST_LEAD_S, _LEAD * host)
    holds = _can_hold(device)
    readings = [_Way(device, clock, 1, lead_s, holds=holds).read(side, lambda: False) for side in sides]
    shortest = min(reading.device for reading in readings)
    calls = max(1, min(round(SAMPLE_S / max(shortest, 1e-9)), int(_ISSUED_S / max(host, 1e-9))))
    if holds:
        held = _Way(device, clock, calls, holds=True)
        if all(held.read(side, lambda: False).ahead for side in sides):
            return held
    first = way = _Way(device, clock, calls, max(_SHORTEST_LEAD_S, _LEAD * host * calls))
    # How long the host takes behind a busy device is not known before it is tried.
    while not all(way.read(side, lambda: False).ahead for side in sides):
        way = _Way(device, clock, calls, 2 * way.lead_s)
        if way.lead_s > _LONGEST_LEAD_S:
            return first  # no lead keeps it ahead, so that a long one would only take time
    return way


def _can_hold(device: Device) -> bool:
    """Return whether a device's queue can be held; it is not, afterwards."""
    device.synchronize()
    hold = device.hold(_LONGEST_HOLD_S)
    if hold is None:
        return False
    hold.release()
    device.synchronize()
    return True


def occupy(device: Device, seconds: float) -> None:
    """Queue so much work that the device is busy for about so long, without touching its cache."""
    device.count(max(1, math.ceil(seconds / device.seconds_a_count)))
