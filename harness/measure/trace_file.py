"""The file that torch's profiler exports, read no further than it is needed.

The file is the only door used: the event objects in memory renamed their fields between torch 2.0 and 2.13,
the file did not.
"""

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, TypedDict

from harness.measure.devices.protocol import Device
from harness.measure.trace import Allocation, Span, Trace
from harness.processes.folder import own_folder

# The profiler's tracing library logs every start and stop to standard error; it reads the level when
# the first profiler starts, and 6 is above all of its levels.
os.environ.setdefault("KINETO_LOG_LEVEL", "6")

# The beginnings of the names that a recording gives to marks, modules and notes.
MARK, MODULE, NOTE = "harness.mark:", "harness.module:", "harness.note:"

# `c10::DeviceType` of [memory] events; ROCm's caching allocator reports itself as CUDA too.
_CPU, _CUDA = 0, 1
# What the profiler writes down for a device, beside the host's own events: device-side copies of spans
# carry a span's name, and a kernel's name may look like an operator's.
_OF_A_DEVICE = frozenset({"kernel", "gpu_memcpy", "gpu_memset", "gpu_user_annotation"})
_OF_A_RUNTIME = frozenset({"cuda_runtime", "cuda_driver"})
# cudaLaunchKernel, cudaLaunchKernelExC, cuLaunchKernel, cudaLaunchCooperativeKernel, hipExtModuleLaunchKernel
_LAUNCH = re.compile(r"Launch(?:Cooperative)?Kernel|GraphLaunch")

ArgumentsRead = TypedDict(
    "ArgumentsRead",
    {"Bytes": int, "Addr": int, "Device Type": int, "Device Id": int, "correlation": int},
    total=False,
)


class EventRead(TypedDict, total=False):
    """What is read of an event in the trace-event format; times are in microseconds."""

    name: str
    cat: str
    ts: float
    dur: float
    args: ArgumentsRead


class _TraceFile(TypedDict):
    traceEvents: list[EventRead]


def exported_events(profiler: Any) -> list[dict[str, Any]]:
    """Return the events of a profiler that has ended, each with the keys of an `EventRead` at least."""
    with tempfile.NamedTemporaryFile(dir=own_folder(), suffix=".json") as file:
        profiler.export_chrome_trace(file.name)
        events: list[dict[str, Any]] = _decoder()(Path(file.name).read_bytes())["traceEvents"]
        return events


@cache
def _decoder() -> Callable[[bytes], Any]:
    """Return what decodes such a file; a side of a duel may have torch and nothing else.

    With msgspec, which skips what no type names, it takes about a quarter of the time.
    """
    try:
        from msgspec.json import Decoder
    except ImportError:
        return json.loads
    return Decoder(_TraceFile).decode


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
    marks = sorted(event["ts"] for event in hosts if event["name"] == MARK and "dur" in event)
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
        _named(spans, MODULE),
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
