"""What torch's profiler saw of one call: allocations and operators, between marks."""

import bisect
import os
import re
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from torch import nn
from torch import profiler as whole_profiler
from torch.autograd.profiler import profile
from torch.profiler import ProfilerActivity, record_function, supported_activities

from harness.measure.devices.protocol import Device
from harness.measure.torch_compat import events_kept
from harness.measure.trace_file import read_trace
from harness.processes.folder import own_folder
from harness.workload.hooks import hookable

# The profiler's tracing library logs every start and stop to standard error; it reads the level when
# the first profiler starts, and 6 is above all of its levels.
os.environ.setdefault("KINETO_LOG_LEVEL", "6")

_MARK = "harness.mark:"
_MODULE = "harness.module:"
NOTE = "harness.note:"

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


@dataclass(slots=True)
class Recording:
    """A session of torch's profiler, with marks set in it; what it saw can be read when it has ended."""

    device: Device | None
    marks: int = 0
    events: Sequence[dict[str, Any]] = ()

    def mark(self) -> int:
        """Set a mark, and return its number."""
        with record_function(_MARK):
            pass
        self.marks += 1
        return self.marks - 1

    def trace(self) -> Trace:
        """Return what the device's allocator did, or the CPU's where there is no device, and all the rest."""
        return read_events(self.events, self.device)

    def trace_of_all(self) -> Trace:
        """Return what all allocators did, the CPU's and those of devices, and all the rest."""
        return read_events(self.events, of=lambda _arguments: True)


def _profiler(device: Device | None) -> Any:
    """Return torch's profiler, not started.

    Both are public and write the same file. `torch.profiler.profile` imports torch's compiler when it first
    starts, which takes 2.4 s with torch 2.13; the one underneath it does not.
    """
    if device is None:
        return profile(profile_memory=True, use_kineto=True)
    activities = {ProfilerActivity.CPU}
    if sees_launches():
        activities.add(ProfilerActivity.CUDA)
    return whole_profiler.profile(activities=activities, profile_memory=True, **events_kept())


@contextmanager
def recording(device: Device | None = None) -> Iterator[Recording]:
    """Run the profiler, and read what it saw when the block ends.

    Args:
        device: whose allocations and kernel launches are wanted; None for the CPU's allocations.
    """
    session = Recording(device)
    with _profiler(device) as profiler:
        yield session
    with tempfile.NamedTemporaryFile(dir=own_folder(), suffix=".json") as file:
        profiler.export_chrome_trace(file.name)
        session.events = read_trace(Path(file.name))


def trace(
    stretches: Sequence[Callable[[], object]], follow: nn.Module | None = None, device: Device | None = None
) -> Trace:
    """Run the stretches twice under the profiler, and return what the second time did.

    Frees of memory that was allocated before the profiler first ran are not reported, which is why
    everything runs once before. What a stretch returns is held until after its mark.

    Args:
        stretches: what to call, in order, with a mark before, between and after.
        follow: a module whose submodules' forward passes are wanted as spans.
        device: whose allocations and kernel launches are wanted; None for the CPU's allocations.
    """
    with recording(device) as session, followed(follow):
        for call in stretches:
            call()
        session.mark()
        for call in stretches:
            result = call()
            session.mark()
            del result
    return session.trace()


def sees_launches() -> bool:
    """Return whether this torch's profiler is told of what is launched on a CUDA device."""
    return ProfilerActivity.CUDA in supported_activities()  # type: ignore[no-untyped-call]


def note(text: str) -> None:
    """Write a text into the trace at this moment; it allocates nothing."""
    with record_function(NOTE + text):
        pass


@contextmanager
def span(name: str) -> Iterator[None]:
    """Make what runs inside a span of the trace."""
    with record_function(name):
        yield


@contextmanager
def followed(module: nn.Module | None) -> Iterator[None]:
    """Make every submodule's forward pass a span of the trace, named by its path."""
    # A row for each thread: a model that runs its modules in several ends them in no order.
    ranges: dict[int, list[Any]] = defaultdict(list)

    def enter(path: str) -> Callable[[nn.Module, Any], None]:
        def hook(_module: nn.Module, _inputs: Any) -> None:
            span: Any = record_function(_MODULE + path)
            ranges[threading.get_ident()].append(span)
            span.__enter__()

        return hook

    def leave(_module: nn.Module, _inputs: Any, _output: Any) -> None:
        ranges[threading.get_ident()].pop().__exit__(None, None, None)

    handles = []
    for path, child in hookable(module) if module is not None else ():
        handles.append(child.register_forward_pre_hook(enter(path)))
        handles.append(child.register_forward_hook(leave))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for span in reversed(ranges[threading.get_ident()]):  # of modules whose forward pass raised
            span.__exit__(None, None, None)


def read_events(
    events: Sequence[dict[str, Any]],
    device: Device | None = None,
    of: Callable[[dict[str, Any]], bool] | None = None,
) -> Trace:
    """Read what an exported trace holds between its first mark and its last.

    Args:
        events: in the trace-event format.
        device: whose allocations are wanted; None for the CPU's.
        of: in place of a device, tells of the arguments of an allocation whether it is wanted.
    """
    is_wanted = of or partial(_is_of, device)
    hosts = [event for event in events if event.get("cat") not in _OF_A_DEVICE]
    marks = sorted(event["ts"] for event in hosts if event["name"] == _MARK and "dur" in event)
    if not marks:
        raise RuntimeError("the profiler reported none of the marks: is another profiler active?")
    low, high = marks[0], marks[-1]
    allocations = sorted(
        (
            Allocation(event["ts"], event["args"]["Bytes"], event["args"]["Addr"])
            for event in hosts
            if event["name"] == "[memory]" and is_wanted(event["args"]) and low <= event["ts"] <= high
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
        _named(spans, NOTE),
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
