"""What a trace holds of one call: allocations and operators, between marks."""

import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar


@dataclass(frozen=True, slots=True)
class Allocation:
    """One allocation (bytes > 0) or free (bytes < 0)."""

    time: float  # microseconds on the trace's clock
    bytes: int
    address: int


@dataclass(frozen=True, slots=True)
class Span:
    """One operator, or one module's forward pass, while it ran."""

    start: float
    end: float
    name: str


@dataclass(frozen=True, slots=True)
class Trace:
    """What happened between the first mark and the last.

    Attributes:
        marks: the times of the marks, in order; there is one more than there were stretches.
        allocations: by time.
        operators: by start, the nested ones included.
        modules: by start; empty unless modules were followed.
        notes: what the stretches noted, by time.
        launches: calls of the host that put kernels into a device's queue, by start.
    """

    marks: tuple[float, ...]
    allocations: tuple[Allocation, ...]
    operators: tuple[Span, ...]
    modules: tuple[Span, ...]
    notes: tuple[Span, ...] = ()
    launches: tuple[Span, ...] = ()

    def peak_bytes(self) -> int:
        """Return the highest level of allocated bytes above the level at the first mark."""
        return max(self.levels(), default=0)

    def levels(self) -> Iterator[int]:
        """Yield the level after every allocation and free, relative to the first mark."""
        level = 0
        yield level
        for event in self.allocations:
            level += event.bytes
            yield level

    def retained_bytes(self) -> int:
        """Return the level at the last mark, relative to the first."""
        return sum(event.bytes for event in self.allocations)

    def stretch(self, index: int) -> "Trace":
        """Return what happened between the marks number `index` and `index + 1`."""
        return self.between(index, index + 1)

    def between(self, first: int, last: int) -> "Trace":
        """Return what happened between two marks, those in between kept."""
        low, high = self.marks[first], self.marks[last]
        return Trace(
            self.marks[first : last + 1],
            _within(self.allocations, low, high, _time_of),
            _within(self.operators, low, high, _start_of),
            _within(self.modules, low, high, _start_of),
            _within(self.notes, low, high, _start_of),
            _within(self.launches, low, high, _start_of),
        )


class Nesting:
    """Spans that lie in one another, and which of them ran at a time."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = spans
        self._starts = [span.start for span in spans]
        self._around: list[int] = []  # the index of the span that each span lies in; -1 for none
        inside: list[int] = []
        for index, span in enumerate(spans):
            while inside and spans[inside[-1]].end <= span.start:
                inside.pop()
            self._around.append(inside[-1] if inside else -1)
            inside.append(index)

    def _at(self, time: float) -> Iterator[str]:
        index = bisect.bisect_right(self._starts, time) - 1
        while index >= 0:
            if self._spans[index].end >= time:
                yield self._spans[index].name
            index = self._around[index]

    def innermost(self, time: float) -> str:
        """Return the name of the innermost span at a time, or ""."""
        return next(self._at(time), "")

    def outermost(self, time: float) -> str:
        """Return the name of the outermost span at a time, or ""."""
        name = ""
        for name in self._at(time):  # noqa: B007 (the last one is wanted)
            pass
        return name


_Event = TypeVar("_Event")


def _within(
    events: tuple[_Event, ...], low: float, high: float, key: Callable[[_Event], float]
) -> tuple[_Event, ...]:
    """Return those of some events, which are in order, that lie between two times."""
    return events[bisect.bisect_left(events, low, key=key) : bisect.bisect_right(events, high, key=key)]


def _time_of(event: Allocation) -> float:
    return event.time


def _start_of(span: Span) -> float:
    return span.start
