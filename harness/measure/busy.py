"""How long a device works for a call, from the trace of its own records; it needs no host ahead of it.

What a device did is attributed by the number that ties each record to the call of the host that caused it:
when it ran says nothing, for a queue may work on what was put there long before.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

_WORK = frozenset({"kernel", "gpu_memcpy", "gpu_memset"})
_CALLS = frozenset({"cuda_runtime", "cuda_driver"})
# Of each of these a record has to be there. A copy of nothing leaves none.
_LAUNCH = re.compile(r"Launch(?:Cooperative)?Kernel|GraphLaunch")


@dataclass(frozen=True, slots=True)
class Busy:
    """What the device did for one stretch of the host.

    Attributes:
        seconds: during which it worked on something: what overlaps counts once.
        launches: calls of the host that put kernels into a queue.
        missing: those of them without a record of the device; where there are any, `seconds` is too short.
    """

    seconds: float
    launches: int
    missing: int = 0


def busy_in(events: Sequence[dict[str, Any]], stretches: Sequence[str]) -> list[Busy]:
    """Return what the device did for each stretch, in their order.

    Args:
        events: of a trace with the device's records, in the trace-event format; times are microseconds.
        stretches: names of spans of the host, each once in the trace; none overlaps another.

    Raises:
        KeyError: a stretch is not in the trace.
    """
    spans = {
        event["name"]: (event["ts"], event["ts"] + event["dur"])
        for event in events
        if event.get("cat") not in {*_WORK, "gpu_user_annotation"} and "dur" in event
    }
    work: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for event in events:
        if event.get("cat") in _WORK:
            work[event["args"].get("correlation", 0)].append((event["ts"], event["ts"] + event["dur"]))
    calls = [
        event for event in events if event.get("cat") in _CALLS and "correlation" in event.get("args", {})
    ]
    return [_busy(*spans[name], calls, work) for name in stretches]


def _busy(
    start: float,
    end: float,
    calls: Iterable[dict[str, Any]],
    work: dict[int, list[tuple[float, float]]],
) -> Busy:
    mine = [event for event in calls if start <= event["ts"] <= end]
    launched = [event["args"]["correlation"] for event in mine if _LAUNCH.search(event["name"])]
    caused = {event["args"]["correlation"] for event in mine}
    intervals = [interval for number in caused for interval in work.get(number, ())]
    missing = sum(number not in work for number in launched)
    return Busy(union(intervals) * 1e-6, len(launched), missing)


def union(intervals: Iterable[tuple[float, float]]) -> float:
    """Return the length of what intervals cover together.

    >>> union([(0.0, 2.0), (1.0, 3.0), (5.0, 6.0)])
    4.0
    """
    total, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
