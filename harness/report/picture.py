"""The picture of a run, for a document: what arms hold over a step."""

from collections.abc import Sequence

from harness.errors import HarnessError
from harness.judge.times import times_of
from harness.record.names import TIME
from harness.record.schema import Record, Run
from harness.report.plots import Timeline, timeline_picture

_MOST_PANELS = 2  # each of another question
_MOST_ARMS = 4  # of a panel: the first of its question


def run_picture(runs: Sequence[Run]) -> str:
    """Return allocated bytes over a step, for the first case of each question that has them, as an SVG file.

    Raises:
        HarnessError: no case has them.
    """
    timelines: dict[str, Timeline] = {}
    for record in (record for run in runs for record in run.records):
        if timeline := _timeline(record):
            timelines.setdefault(record.case.question, timeline)
    if not timelines:
        raise HarnessError("no run here has its memory over a step; give one that `harness measure` wrote")
    return timeline_picture([*timelines.values()][:_MOST_PANELS])


def _timeline(record: Record) -> Timeline | None:
    arms = [(arm.arm, arm.allocated) for arm in record.arms if arm.allocated is not None][:_MOST_ARMS]
    if not arms:
        return None
    times = times_of(record)
    seconds = [times[name, TIME] for name, _ in arms if (name, TIME) in times]
    return Timeline(f"{record.case.title}: {record.asks}", arms, seconds if len(seconds) == len(arms) else ())
