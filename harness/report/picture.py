"""The picture of a run, for a document: what the arms of one case hold over a step."""

from collections.abc import Sequence

from harness.errors import HarnessError
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
                return timeline_picture(lines[:MOST_LINES], f"{record.case.title}: {record.asks}")
    raise HarnessError("no run here has its memory over a step; give one that `harness measure` wrote")
