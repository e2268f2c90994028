"""Allocated bytes over one step, from the allocator's own events, and who holds them."""

from collections.abc import Sequence
from itertools import pairwise

from harness.measure.trace import Allocation, Nesting, Trace
from harness.record.names import BEFORE, GRADIENTS, OPTIMIZER, TEMPORARIES
from harness.record.schema import Allocated
from harness.workload.step import Step

_MICRO = 1e-6
_KEPT_BY = {"backward": GRADIENTS, "optimizer": OPTIMIZER}  # what is still there when the part has ended


def allocated(step: Step, whole: Trace, forward: Trace) -> Allocated:
    """Return what a trace of all parts of a step says of the allocator, event by event.

    Times are those under the profiler: where in a step the memory rises, not how long the step takes.

    Args:
        step: that was traced.
        whole: all of its parts, with a mark after each.
        forward: the forward pass by itself, with its modules. Where it allocates what the same part of the
            whole does, one after the other, it tells in which module that is; else nothing is said of who
            holds what.
    """
    start = whole.marks[0]
    level = 0
    levels = []
    for event in whole.allocations:
        level += event.bytes
        levels.append(level)
    parts = tuple(part.name for part in step.parts)
    holders = _holders(whole, parts, forward)
    names = tuple(dict.fromkeys(holders))
    places = {name: place for place, name in enumerate(names)}
    return Allocated(
        parts=parts,
        marks=tuple(_seconds(mark - start) for mark in whole.marks),
        times=tuple(_seconds(event.time - start) for event in whole.allocations),
        levels=tuple(levels),
        holders=names,
        of=tuple(places[holder] for holder in holders),
    )


def _holders(whole: Trace, parts: Sequence[str], forward: Trace) -> list[str]:
    """Return of each event whose bytes come or go: a module's path, or what is in no module."""
    modules = _modules(whole, parts, forward)
    if modules is None:
        return []
    begun: dict[int, int] = {}  # by address, the event that allocated what is there
    ends: dict[int, float] = {}  # when that is freed, by the same event
    pairs: list[int] = []
    for number, event in enumerate(whole.allocations):
        if event.bytes > 0:
            begun[event.address] = number
            pairs.append(number)
        else:
            first = begun.pop(event.address, -1)
            pairs.append(first)
            ends[first] = event.time
    return [
        BEFORE if first < 0 else _holder(whole.allocations[first], ends.get(first), whole, parts, modules)
        for first in pairs
    ]


def _modules(whole: Trace, parts: Sequence[str], forward: Trace) -> dict[Allocation, str] | None:
    """Return the module of each allocation of the forward pass; None where two traces of it differ."""
    ours = [event for event in whole.stretch(0).allocations if event.bytes > 0]
    alone = forward.stretch(0)
    theirs = [event for event in alone.allocations if event.bytes > 0]
    if parts[0] != "forward" or [event.bytes for event in ours] != [event.bytes for event in theirs]:
        return None
    nesting = Nesting(alone.modules)
    return {mine: nesting.innermost(their.time) for mine, their in zip(ours, theirs, strict=True)}


def _holder(
    event: Allocation, end: float | None, whole: Trace, parts: Sequence[str], modules: dict[Allocation, str]
) -> str:
    for part, (_, until) in zip(parts, pairwise(whole.marks), strict=False):
        if event.time <= until:
            if end is not None and end <= until:
                return TEMPORARIES
            return modules.get(event, "") if part == "forward" else _KEPT_BY.get(part, TEMPORARIES)
    return TEMPORARIES


def _seconds(microseconds: float) -> float:
    return round(microseconds * _MICRO, 9)  # the trace's clock counts nanoseconds
