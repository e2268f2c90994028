"""Memory timelines as a trace file that Perfetto and chrome://tracing open: a counter track an arm.

Format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU ("Trace Event
Format"): "C" are counters, "X" slices, "M" names; times are microseconds.
"""

import json
from collections.abc import Iterator

from harness.record.schema import ArmResult, Run

_MICRO = 1e6


def trace_file(run: Run) -> str:
    """Return the timelines of a run as JSON, a process an arm."""
    events: list[dict[str, object]] = []
    process = 0
    for record in run.records:
        for arm in record.arms:
            if arm.allocated is not None:
                process += 1
                events.extend(_events(arm, f"{record.case.id}, {arm.arm}", process))
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ms"})


def _events(arm: ArmResult, name: str, process: int) -> Iterator[dict[str, object]]:
    line = arm.allocated
    if line is None:
        return
    yield {"ph": "M", "pid": process, "tid": 0, "name": "process_name", "args": {"name": name}}
    for part, start, end in zip(line.parts, line.marks, line.marks[1:], strict=False):
        yield {
            "ph": "X",
            "pid": process,
            "tid": 0,
            "name": part,
            "ts": start * _MICRO,
            "dur": (end - start) * _MICRO,
        }
    for time, level in zip((0.0, *line.times), (0, *line.levels), strict=True):
        yield {
            "ph": "C",
            "pid": process,
            "tid": 0,
            "name": "allocated bytes",
            "ts": time * _MICRO,
            "args": {"bytes": level},
        }
