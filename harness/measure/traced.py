"""How long a device works for both sides of a pair, from one trace, which is taken anew where it has gaps."""

from dataclasses import dataclass
from functools import partial
from random import Random

from harness.measure.block import Pair
from harness.measure.busy import Busy, busy_in
from harness.measure.clock import Clock
from harness.measure.devices.protocol import Device
from harness.measure.probes.step_time import BUSY_TIME
from harness.record.schema import Samples

_TRACED_ROUNDS = (3, 10)  # fewest and most: what a device does for a call differs little
_TRACES = 3  # until each launch has its record
_DUMMIES = 64  # launches before a trace whose first records were missing, more each time
_LEADING, _STRETCH = "harness.leading", "harness.stretch:"


@dataclass(frozen=True, slots=True)
class Traced:
    """How long the device works for both sides, or why that is not known; neither where it does nothing."""

    samples: Samples | None
    refusal: str = ""


def traced_work(pair: Pair, device: Device, rng: Random, rounds: int) -> Traced:
    """Trace both sides in one session, in random order, until each launch has its record.

    Args:
        pair: two sides that are warm.
        device: what traces.
        rng: of the order.
        rounds: of one call of each side.
    """
    busy: list[Busy] = []
    missing = 0
    for attempt in range(_TRACES):
        order = [(number, side) for number in range(rounds) for side in rng.sample((0, 1), 2)]
        names = [f"{_STRETCH}{number}.{side}" for number, side in order]
        sides = (pair.reference, pair.arm)
        dummies = (_LEADING, partial(_launch, device, _DUMMIES * attempt))
        stretches = [(name, sides[side].call) for name, (_, side) in zip(names, order, strict=True)]
        try:
            events = device.trace([dummies, *stretches])
            busy = busy_in(events, names)
        except RuntimeError as error:  # such as another profiler that has the device's records already
            return Traced(None, str(error).partition("\n")[0])
        except KeyError as error:
            return Traced(None, f"the profiler's trace lacks the stretch {error}")
        missing = sum(each.missing for each in busy)
        if not missing:
            break
    else:
        launches = sum(each.launches for each in busy)
        return Traced(None, f"{missing} of {launches} launches have no record in the profiler's trace")
    by_side = {
        side: tuple(each.seconds for (_, which), each in zip(order, busy, strict=True) if which == side)
        for side in (0, 1)
    }
    if min(map(min, by_side.values())) <= 0:
        return Traced(None)
    return Traced(
        Samples(metric=BUSY_TIME, calls=1, reference=(by_side[0],), arm=(by_side[1],), unit="round")
    )


def _launch(device: Device, number: int) -> None:
    for _ in range(number):
        device.count(1)


def rounds_of_trace(pair: Pair, device: Device, budget: float, clock: Clock) -> int:
    """Return how many rounds of one call of each side fit into a budget of seconds, a few at least."""
    fewest, most = _TRACED_ROUNDS
    began = clock()
    for side in (pair.reference, pair.arm):
        side.call()
    device.synchronize()
    return max(fewest, min(most, int(budget / max(clock() - began, 1e-9))))
