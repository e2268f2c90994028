"""The picture of a run, for a document: what the arms of one case hold over a step."""

from collections.abc import Sequence

from harness.errors import HarnessError
from harness.judge.times import times_of
from harness.record.names import TIME
from harness.record.schema import Run
from harness.report.plots import MOST_LINES, timeline_picture


def run_picture(runs: Sequence[Run]) -> str:
    """Return allocated bytes over one step of the first case that has them, as an SVG file.

    Raises:
        HarnessError: no case has them.
    """
    for run in runs:
        for record in run.records:
            lines = [(arm.arm, arm.allocated) for arm in record.arms if arm.allocated is not None]
            if lines:
                times = times_of(record)
                seconds = [times[name, TIME] for name, _ in lines[:MOST_LINES] if (name, TIME) in times]
                title = f"{record.case.title}: {record.asks}"
                whole = seconds if len(seconds) == len(lines[:MOST_LINES]) else ()
                return timeline_picture(lines[:MOST_LINES], whole, title)
    raise HarnessError("no run here has its memory over a step; give one that `harness measure` wrote")
