"""The file that torch's profiler exports, read no further than it is needed.

The file is the only door used: the event objects in memory renamed their fields between torch 2.0 and 2.13,
the file did not.
"""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypedDict

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


def read_trace(path: Path) -> list[dict[str, Any]]:
    """Return the events of an exported trace, each with the keys of a `EventRead` at least."""
    events: list[dict[str, Any]] = _decoder()(path.read_bytes())["traceEvents"]
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
