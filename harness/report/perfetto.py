"""Memory timelines as a trace file that Perfetto and chrome://tracing open: a counter track an arm.

Format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU ("Trace Event
Format"): "C" are counters, "B" and "E" slices, "M" names; times are microseconds.
"""

import json
from collections.abc import Iterator

from harness.record.schema import Allocated, Run
from harness.report.inert import visible

_MICRO = 1e6

TraceEvent = dict[str, object]


def trace_file(run: Run) -> str:
    """Return the timelines of a run as JSON, a process an arm."""
    events: list[TraceEvent] = []
    process = 0
    for record in run.records:
        for arm in record.arms:
            if arm.allocated is not None:
                process += 1
                events.extend(_events(arm.allocated, f"{record.case.id}, {arm.arm}", process))
    # Perfetto reads the unit only in front of the events, and no escape of the kind \u00e9 in them.
    return json.dumps({"displayTimeUnit": "ms", "traceEvents": events}, ensure_ascii=False)


def _events(line: Allocated, name: str, process: int) -> Iterator[TraceEvent]:
    # A thread belongs to one process, and a process's first thread has its number.
    thread: TraceEvent = {"pid": process, "tid": process}
    printable = "".join(character if character.isprintable() else " " for character in name)
    for what, text in (("process_name", printable), ("thread_name", "parts of the step")):
        yield {"ph": "M", "ts": 0, **thread, "name": what, "args": {"name": text}}
    yield {"ph": "M", "ts": 0, **thread, "name": "process_sort_index", "args": {"sort_index": process}}
    # A begin and an end, not one event with a duration: start and duration are cut to nanoseconds each by
    # itself, and a slice that overlaps the next by one of them is dropped.
    for part, start, end in zip(line.parts, line.marks, line.marks[1:], strict=False):
        yield {"ph": "B", "ts": start * _MICRO, **thread, "name": visible(part)}
        yield {"ph": "E", "ts": end * _MICRO, **thread, "name": visible(part)}
    for time, level in zip((0.0, *line.times), (0, *line.levels), strict=True):
        # The viewer calls the track by the event's name and the argument's.
        yield {"ph": "C", "ts": time * _MICRO, **thread, "name": "allocated", "args": {"bytes": level}}
