"""How long a session was inside the calls that it measures; what is left of its time is its overhead."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.measure.clock import Clock
from harness.workload.step import Step


@dataclass(eq=False, slots=True)
class Meter:
    """Seconds inside calls of steps: warm-up, timed samples, and the passes of probes."""

    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Metered:
    call: Callable[[], object]
    meter: Meter
    clock: Clock

    def __call__(self) -> object:
        start = self.clock()
        try:
            return self.call()
        finally:
            self.meter.seconds += self.clock() - start


def metered(step: Step, meter: Meter, clock: Clock) -> Step:
    """Return a step whose calls are added to a meter; it is never what is timed.

    Args:
        step: what is run; its calls do not call one another.
        meter: what they are added to.
        clock: in seconds; one that waits for the step's device.
    """
    parts = tuple(replace(part, call=_Metered(part.call, meter, clock)) for part in step.parts)
    return replace(step, parts=parts, forward=_Metered(step.forward, meter, clock))
