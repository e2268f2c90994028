"""What torch's profiler saw of one call: allocations and operators, between marks.

The only door used is the exported trace file: the in-memory event objects renamed their fields
between torch 2.0 and 2.13, the file did not.
"""

import bisect
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function

from harness.workload.hooks import hookable

# The profiler's tracing library logs every start and stop to standard error; it reads the level when
# the first profiler starts, and 6 is above all of its levels.
os.environ.setdefault("KINETO_LOG_LEVEL", "6")

_MARK = "harness.mark:"
_MODULE = "harness.module:"
_NOTE = "harness.note:"


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
    """

    marks: tuple[float, ...]
    allocations: tuple[Allocation, ...]
    operators: tuple[Span, ...]
    modules: tuple[Span, ...]
    notes: tuple[Span, ...] = ()

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
        low, high = self.marks[index], self.marks[index + 1]
        return Trace(
            (low, high),
            tuple(event for event in self.allocations if low <= event.time <= high),
            tuple(span for span in self.operators if low <= span.start <= high),
            tuple(span for span in self.modules if low <= span.start <= high),
        )

    def live_blocks(self) -> tuple[Allocation, ...]:
        """Return the allocations that were not freed before the last mark."""
        live: dict[int, Allocation] = {}
        for event in self.allocations:
            if event.bytes > 0:
                live[event.address] = event
            else:
                live.pop(event.address, None)
        return tuple(live.values())

    def running(self, spans: Sequence[Span], time: float, *, outermost: bool = False) -> str:
        """Return the name of the innermost (or outermost) span that was running at a time, or ""."""
        last = bisect.bisect_right(spans, time, key=lambda span: span.start)
        around = [span for span in spans[:last] if span.end >= time]
        if not around:
            return ""
        return around[0 if outermost else -1].name


def trace(stretches: Sequence[Callable[[], object]], follow: nn.Module | None = None) -> Trace:
    """Run the stretches twice under the profiler, and return what the second time did.

    Frees of memory that was allocated before the profiler first ran are not reported, which is why
    everything runs once before. What a stretch returns is held until after its mark.

    Args:
        stretches: what to call, in order, with a mark before, between and after.
        follow: a module whose submodules' forward passes are wanted as spans.
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler, _followed(follow):
        for call in stretches:
            call()
        _mark()
        for call in stretches:
            left = call()
            _mark()
            del left
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        return _read(json.loads(path.read_bytes())["traceEvents"])


def note(text: str) -> None:
    """Write a text into the trace at this moment; it allocates nothing."""
    with record_function(_NOTE + text):
        pass


def _mark() -> None:
    with record_function(_MARK):
        pass


@contextmanager
def _followed(module: nn.Module | None) -> Iterator[None]:
    """Make every submodule's forward pass a span of the trace, named by its path."""
    ranges: list[Any] = []

    def enter(path: str) -> Callable[[nn.Module, Any], None]:
        def hook(_module: nn.Module, _inputs: Any) -> None:
            ranges.append(record_function(_MODULE + path))
            ranges[-1].__enter__()

        return hook

    def leave(_module: nn.Module, _inputs: Any, _output: Any) -> None:
        ranges.pop().__exit__(None, None, None)

    handles = []
    for path, child in hookable(module) if module is not None else ():
        handles.append(child.register_forward_pre_hook(enter(path)))
        handles.append(child.register_forward_hook(leave))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _read(events: Sequence[dict[str, Any]]) -> Trace:
    marks = sorted(event["ts"] for event in events if event["name"] == _MARK and "dur" in event)
    if not marks:
        raise RuntimeError("the profiler reported none of the marks: is another profiler active?")
    low, high = marks[0], marks[-1]
    allocations = sorted(
        (
            Allocation(event["ts"], event["args"]["Bytes"], event["args"]["Addr"])
            for event in events
            if event["name"] == "[memory]"
            and event["args"]["Device Type"] == 0
            and low <= event["ts"] <= high
        ),
        key=lambda event: event.time,
    )
    spans = sorted(
        (
            Span(event["ts"], event["ts"] + event["dur"], event["name"])
            for event in events
            if "dur" in event and low <= event["ts"] <= high
        ),
        key=lambda span: (span.start, -span.end),
    )
    return Trace(
        tuple(marks),
        tuple(allocations),
        tuple(span for span in spans if "::" in span.name and not span.name.startswith("autograd::")),
        tuple(
            Span(span.start, span.end, span.name.removeprefix(_MODULE))
            for span in spans
            if span.name.startswith(_MODULE)
        ),
        tuple(
            Span(span.start, span.end, span.name.removeprefix(_NOTE))
            for span in spans
            if span.name.startswith(_NOTE)
        ),
    )
