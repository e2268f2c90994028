"""`python -m bench.kept`: run files as a small record, from which the committed tables are made.

What no table shows goes: timelines, and what holds memory by module. Samples keep five digits. Times between
events go where the host did not stay ahead of the device, and what limits an arm is judged anew.
"""

import re
import statistics
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from bench.command import run_command
from harness.errors import HarnessError
from harness.measure.limit import Work, limit_note
from harness.measure.probes.step_time import DEVICE_TIME, DEVICE_TIME_COLD, HOST_TIME
from harness.record.codec import encode
from harness.record.merge import merged
from harness.record.names import TIME
from harness.record.schema import ArmResult, Record, Run, Samples
from harness.record.store import load_run, replace_file

_BEHIND = "did not stay ahead"  # as arms said it of events before the device's records were read
_LIMITS = re.compile(r"limits: |take about as long: ")
_WHERE_TO = re.compile(r" (?:--json|--harness-results) \S+")  # a path says nothing of what was measured
_DIGITS = 5


def kept_run(run: Run) -> Run:
    """Return a run with what tables are made from."""
    return msgspec.structs.replace(
        run,
        records=tuple(_record(record) for record in run.records),
        command=_WHERE_TO.sub("", run.command),
    )


def _record(record: Record) -> Record:
    reference = record.arm(record.reference)
    is_behind = reference is not None and _is_behind(reference)
    arms = tuple(_arm(arm, has_events=not (is_behind or _is_behind(arm))) for arm in record.arms)
    return msgspec.structs.replace(record, arms=arms)


def _is_behind(arm: ArmResult) -> bool:
    return any(_BEHIND in note for note in arm.notes)


def _arm(arm: ArmResult, *, has_events: bool) -> ArmResult:
    events = {DEVICE_TIME, DEVICE_TIME_COLD}
    timings = tuple(_samples(each) for each in arm.timings if has_events or each.metric not in events)
    others = tuple(note for note in arm.notes if not _LIMITS.search(note))
    return msgspec.structs.replace(
        arm,
        timings=timings,
        notes=(*_limit(arm, has_events=has_events), *others),
        allocated=None,
        attribution=None,
        saved=(),
        timeline=(),
    )


def _limit(arm: ArmResult, *, has_events: bool) -> tuple[str, ...]:
    medians = {
        each.metric: statistics.median(value for layout in each.arm for value in layout)
        for each in arm.timings
    }
    if TIME not in medians or HOST_TIME not in medians:
        return ()
    busy = medians.get(DEVICE_TIME) if has_events else None
    return (limit_note(Work(medians[TIME], medians[HOST_TIME], busy)),)


def _samples(samples: Samples) -> Samples:
    return msgspec.structs.replace(samples, reference=_rounded(samples.reference), arm=_rounded(samples.arm))


def _rounded(side: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(f"{value:.{_DIGITS}g}") for value in layout) for layout in side)


def main(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="run files of one environment")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="the record")],
) -> None:
    """Write run files of one environment as one small record."""
    together = merged(kept_run(load_run(path)) for path in runs)
    if len(together) != 1:
        raise HarnessError(f"these runs are of {len(together)} environments; give those of one")
    replace_file(out, encode(together[0]))


if __name__ == "__main__":
    run_command(main, "bench.kept")
