"""What torch's profiler saw of one call: allocations and operators, between marks.

The only door used is the exported trace file: the in-memory event objects renamed their fields
between torch 2.0 and 2.13, the file did not.
"""

import bisect
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function, supported_activities

from harness.measure.device import Device
from harness.workload.hooks import hookable

# The profiler's tracing library logs every start and stop to standard error; it reads the level when
# the first profiler starts, and 6 is above all of its levels.
os.environ.setdefault("KINETO_LOG_LEVEL", "6")

_MARK = "harness.mark:"
_MODULE = "harness.module:"
_NOTE = "harness.note:"

# `c10::DeviceType` of [memory] events; ROCm's caching allocator reports itself as CUDA too.
_CPU, _CUDA = 0, 1
# What the profiler writes down for a device, beside the host's own events: device-side copies of spans
# carry a span's name, and a kernel's name may look like an operator's.
_OF_A_DEVICE = frozenset({"kernel", "gpu_memcpy", "gpu_memset", "gpu_user_annotation"})
_OF_A_RUNTIME = frozenset({"cuda_runtime", "cuda_driver"})
# cudaLaunchKernel, cudaLaunchKernelExC, cuLaunchKernel, cudaLaunchCooperativeKernel, hipExtModuleLaunchKernel
_LAUNCH = re.compile(r"Launch(?:Cooperative)?Kernel|GraphLaunch")


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
        low, high = self.marks[index], self.marks[index + 1]
        return Trace(
            (low, high),
            tuple(event for event in self.allocations if low <= event.time <= high),
            tuple(span for span in self.operators if low <= span.start <= high),
            tuple(span for span in self.modules if low <= span.start <= high),
            launches=tuple(span for span in self.launches if low <= span.start <= high),
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

    def frees_older_blocks(self) -> bool:
        """Tell whether something was freed that had been allocated before the first mark."""
        live: set[int] = set()
        for event in self.allocations:
            if event.bytes > 0:
                live.add(event.address)
            elif event.address in live:
                live.remove(event.address)
            else:
                return True
        return False

    def running(self, spans: Sequence[Span], time: float, *, outermost: bool = False) -> str:
        """Return the name of the innermost (or outermost) span that was running at a time, or ""."""
        last = bisect.bisect_right(spans, time, key=lambda span: span.start)
        around = [span for span in spans[:last] if span.end >= time]
        if not around:
            return ""
        return around[0 if outermost else -1].name


def trace(
    stretches: Sequence[Callable[[], object]],
    follow: nn.Module | None = None,
    device: Device | None = None,
    *,
    warm: bool = False,
) -> Trace:
    """Run the stretches twice under the profiler, and return what the second time did.

    Frees of memory that was allocated before the profiler first ran are not reported, which is why
    everything runs once before. What a stretch returns is held until after its mark.

    Stretches that are warm run once where the level ends where it began: then nothing was allocated to
    stay, in place of something whose free was not reported.

    Args:
        stretches: what to call, in order, with a mark before, between and after.
        follow: a module whose submodules' forward passes are wanted as spans.
        device: whose allocations and kernel launches are wanted; None for the CPU's allocations.
        warm: they have run before; believed on the CPU alone, where all that is allocated is reported.
    """
    if warm and device is None:
        events = _profiled(stretches, follow, device, times=1)
        if _level_at_end(events) == 0:
            return read_events(events)
    return read_events(_profiled(stretches, follow, device, times=2), device)


def _profiled(
    stretches: Sequence[Callable[[], object]], follow: nn.Module | None, device: Device | None, times: int
) -> list[dict[str, Any]]:
    """Return the events of running the stretches so many times, with marks around those of the last."""
    activities = {ProfilerActivity.CPU}
    if device is not None and sees_launches():
        activities.add(ProfilerActivity.CUDA)
    with profile(activities=activities, profile_memory=True) as profiler, _followed(follow):
        for _ in range(times - 1):
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
        events: list[dict[str, Any]] = json.loads(path.read_bytes())["traceEvents"]
        return events


def _level_at_end(events: Sequence[dict[str, Any]]) -> int:
    """Return the level of the CPU's allocator when all is dropped, relative to the first mark."""
    start = min((event["ts"] for event in events if event["name"] == _MARK), default=0.0)
    return sum(
        event["args"]["Bytes"]
        for event in events
        if event["name"] == "[memory]" and _is_of(None, event["args"]) and event["ts"] >= start
    )


def sees_launches() -> bool:
    """Return whether this torch's profiler is told of what is launched on a CUDA device."""
    return ProfilerActivity.CUDA in supported_activities()  # type: ignore[no-untyped-call]


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


def read_events(events: Sequence[dict[str, Any]], device: Device | None = None) -> Trace:
    """Read what an exported trace holds between its first mark and its last.

    Args:
        events: in the trace-event format.
        device: whose allocations are wanted; None for the CPU's.
    """
    hosts = [event for event in events if event.get("cat") not in _OF_A_DEVICE]
    marks = sorted(event["ts"] for event in hosts if event["name"] == _MARK and "dur" in event)
    if not marks:
        raise RuntimeError("the profiler reported none of the marks: is another profiler active?")
    low, high = marks[0], marks[-1]
    allocations = sorted(
        (
            Allocation(event["ts"], event["args"]["Bytes"], event["args"]["Addr"])
            for event in hosts
            if event["name"] == "[memory]" and _is_of(device, event["args"]) and low <= event["ts"] <= high
        ),
        key=lambda event: event.time,
    )
    timed = [event for event in hosts if "dur" in event and low <= event["ts"] <= high]
    spans = _spans(event for event in timed if event.get("cat") not in _OF_A_RUNTIME)
    calls = _spans(event for event in timed if event.get("cat") in _OF_A_RUNTIME)
    return Trace(
        tuple(marks),
        tuple(allocations),
        tuple(span for span in spans if "::" in span.name and not span.name.startswith("autograd::")),
        _named(spans, _MODULE),
        _named(spans, _NOTE),
        tuple(span for span in calls if _LAUNCH.search(span.name)),
    )


def _is_of(device: Device | None, arguments: dict[str, Any]) -> bool:
    """Return whether a [memory] event is of the CPU's allocator, or of a device's own."""
    if device is None:
        return bool(arguments["Device Type"] == _CPU)
    return bool(arguments["Device Type"] == _CUDA and arguments["Device Id"] == device.index)


def _spans(events: Iterable[dict[str, Any]]) -> list[Span]:
    """Return events with a duration by start, those around others before them."""
    return sorted(
        (Span(event["ts"], event["ts"] + event["dur"], event["name"]) for event in events),
        key=lambda span: (span.start, -span.end),
    )


def _named(spans: Sequence[Span], prefix: str) -> tuple[Span, ...]:
    """Return the spans whose names begin so, by what comes after."""
    return tuple(
        Span(span.start, span.end, span.name.removeprefix(prefix))
        for span in spans
        if span.name.startswith(prefix)
    )
