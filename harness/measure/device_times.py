"""A pass of its own on a device with a queue: the device's time by events, and beside it the host's.

The host is kept ahead of the device: work that touches no cache is queued before the first event, so that
what lies between two events is the device's time alone, also of a step that the host issues more slowly.
"""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal

from harness.measure.block import FEWEST_LAYOUTS, Pair
from harness.measure.clock import Clock
from harness.measure.devices.protocol import Device, Event
from harness.measure.probes.step_time import DEVICE_TIME, DEVICE_TIME_COLD, HOST_TIME
from harness.measure.sampling import SAMPLE_S, Side, quiet
from harness.record.schema import Samples

# A queue holds about 1,024 launches, after which the host waits; a launch costs it 4 us or more.
_ISSUED_S = 1e-3
_LEAD = 1.5  # of what the host takes to issue a sample
_SHORTEST_LEAD_S = 2e-5
_LONGEST_LEAD_S = 0.05
_ABOUT_AS_LONG = 1.1  # host and device that differ by less overlap all but fully


@dataclass(frozen=True, slots=True)
class Reading:
    """One side in one round, in seconds a call."""

    device: float
    device_cold: float
    host: float
    ahead: bool  # the host had issued all before the device began with it


@dataclass(frozen=True, slots=True)
class DevicePass:
    """What the pass took.

    Attributes:
        samples: the device's time with a hot and a cold cache, and the host's.
        notes: which of the two limits the arm, in a sentence.
    """

    samples: tuple[Samples, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Way:
    """How every reading is taken, the same for both sides."""

    device: Device
    clock: Clock
    calls: int = 1
    lead_s: float = 0.0

    def read(self, side: Side, look: Callable[[], None]) -> Reading:
        """Take one reading of a side; `look` is called while the device works."""
        hot, ahead = self._hot(side, look)
        return Reading(hot, self._cold(side), self.issue(side), ahead)

    def issue(self, side: Side) -> float:
        """Return the host's seconds a call, until it has issued a call and not until that is done."""
        self.device.synchronize()
        start = self.clock()
        for _ in range(self.calls):
            side.call()
        took = self.clock() - start
        self.device.synchronize()
        return took / self.calls

    def _hot(self, side: Side, look: Callable[[], None]) -> tuple[float, bool]:
        self.device.synchronize()
        if self.lead_s:
            occupy(self.device, self.lead_s)
        start = self.device.record()
        for _ in range(self.calls):
            side.call()
        end = self.device.record()
        ahead = not start.query()
        look()
        self.device.synchronize()
        return self.device.seconds(start, end) / self.calls, ahead

    def _cold(self, side: Side) -> float:
        self.device.synchronize()
        if self.lead_s:
            occupy(self.device, self.lead_s)
        marks: list[tuple[Event, Event]] = []
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
    look: Callable[[], None] = lambda: None,
    clock: Clock = time.perf_counter,
) -> DevicePass:
    """Take the device's and the host's time of both sides of a pair, in rounds and layouts like the pair's.

    Args:
        pair: two sides that are warm.
        device: where they run.
        rng: of the order of the rounds and of the layouts.
        budget: seconds for both sides together.
        look: called while the device works, once a reading: what is to be seen of a busy device.
        clock: the host's, which waits for nothing.
    """
    started = clock()
    with quiet():
        way = _way(pair, device, clock)
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
    unit = _unit(pair, layouts, rounds // layouts)
    samples = []
    for name, field in ((DEVICE_TIME, "device"), (DEVICE_TIME_COLD, "device_cold"), (HOST_TIME, "host")):
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
    return DevicePass(tuple(samples), (limit_note([arm for layout in taken for _, arm in layout]),))


def _unit(pair: Pair, layouts: int, rounds: int) -> Literal["draw", "window", "round"]:
    if layouts == 1:
        return "round"
    if pair.reference.relocate is not None and pair.arm.relocate is not None:
        return "draw"
    return "window" if rounds > 1 else "round"


def _round(pair: Pair, way: _Way, rng: Random, look: Callable[[], None]) -> tuple[Reading, Reading]:
    """Read both sides, in random order; return the reference's reading first."""
    if rng.random() < 0.5:  # noqa: PLR2004 (a coin)
        reference = way.read(pair.reference, look)
        return reference, way.read(pair.arm, look)
    arm = way.read(pair.arm, look)
    return way.read(pair.reference, look), arm


def _way(pair: Pair, device: Device, clock: Clock) -> _Way:
    """Choose how many calls a sample takes, and how long the device is occupied before it."""
    sides = (pair.reference, pair.arm)
    one = _Way(device, clock)
    for side in sides:
        one.issue(side)  # the call before was in another pass
    host = max(one.issue(side) for side in sides)
    lead_s = max(_SHORTEST_LEAD_S, _LEAD * host)
    readings = [_Way(device, clock, 1, lead_s).read(side, lambda: None) for side in sides]
    shortest = min(reading.device for reading in readings)
    calls = max(1, min(round(SAMPLE_S / max(shortest, 1e-9)), int(_ISSUED_S / max(host, 1e-9))))
    first = way = _Way(device, clock, calls, max(_SHORTEST_LEAD_S, _LEAD * host * calls))
    # How long the host takes behind a busy device is not known before it is tried.
    while not all(way.read(side, lambda: None).ahead for side in sides):
        way = _Way(device, clock, calls, 2 * way.lead_s)
        if way.lead_s > _LONGEST_LEAD_S:
            return first  # no lead keeps it ahead, so that a long one would only take time
    return way


def limit_note(readings: list[Reading]) -> str:
    """Say which of host and device limits a step, of all its readings.

    >>> limit_note([Reading(device=120e-6, device_cold=140e-6, host=310e-6, ahead=True)])
    'the host limits: it takes 310 us to issue what the device does in 120 us (launch-bound)'
    """
    device = statistics.median(reading.device for reading in readings)
    host = statistics.median(reading.host for reading in readings)
    ahead = all(reading.ahead for reading in readings)
    # Where the device's time holds pauses it is nearly the host's, which is then what makes them.
    margin = _ABOUT_AS_LONG if ahead else 1.0
    if host > margin * device:
        said = f"the host limits: it takes {_short(host)} to issue what the device does in {_short(device)}"
        said += " (launch-bound)"
    elif device > margin * host:
        said = f"the device limits: it works {_short(device)} on what the host issues in {_short(host)}"
        said += " (device-bound)"
    else:
        said = f"host and device take about as long: {_short(host)} to issue, {_short(device)} to do"
    if not ahead:
        said += (
            "; the host did not stay ahead, so that the device's time may hold pauses: the step waits for"
            " the device itself, or has more launches than its queue"
        )
    return said


def _short(seconds: float) -> str:
    """Return seconds with three digits: "310 us", "2.1 ms"."""
    scale, unit = next(
        ((scale, unit) for scale, unit in ((1.0, "s"), (1e3, "ms")) if seconds * scale >= 1), (1e6, "us")
    )
    return f"{seconds * scale:.3g} {unit}"


def occupy(device: Device, seconds: float) -> None:
    """Queue so much work that the device is busy for about so long, without touching its cache."""
    device.count(max(1, math.ceil(seconds / device.seconds_a_count)))
