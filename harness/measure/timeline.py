"""Allocated bytes over one step, from the allocator's own events."""

from harness.measure.trace import Trace
from harness.record.schema import Allocated
from harness.workload.step import Step

_MICRO = 1e-6


def allocated(step: Step, whole: Trace) -> Allocated:
    """Return what a trace of all parts of a step says of the allocator, event by event.

    Times are those under the profiler: where in a step the memory rises, not how long the step takes.
    """
    start = whole.marks[0]
    level = 0
    levels = []
    for event in whole.allocations:
        level += event.bytes
        levels.append(level)
    return Allocated(
        parts=tuple(part.name for part in step.parts),
        marks=tuple(_seconds(mark - start) for mark in whole.marks),
        times=tuple(_seconds(event.time - start) for event in whole.allocations),
        levels=tuple(levels),
    )


def _seconds(microseconds: float) -> float:
    return round(microseconds * _MICRO, 9)  # the trace's clock counts nanoseconds
