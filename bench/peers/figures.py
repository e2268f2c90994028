"""The numbers of every row, reduced from its trials and readings. Pure; imports no torch."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.peers.record import COPIES, HARNESS, OBJECT, MemoryRow, TimingRow
from bench.peers.resolution import Resolution, resolution
from harness.judge.rates import rate_bound


@dataclass(frozen=True, slots=True)
class TimingFigures:
    """One timing row as numbers.

    Attributes:
        row: where they are from; it has trials.
        resolution: of its log-ratios.
        alarms: false ones, of the tool's own rule.
        bound: upper 95 % bound of their rate.
        timed_s: median seconds timed for a comparison, both sides.
        all_in_s: median seconds on the wall for a comparison.
        times_object: how many times the difference that the harness resolves on one object; NaN without it.
        times_copies: likewise on copies.
    """

    row: TimingRow
    resolution: Resolution
    alarms: int
    bound: float
    timed_s: float
    all_in_s: float
    times_object: float
    times_copies: float

    @property
    def name(self) -> str:
        """The tool and its statistic; the harness has one."""
        return self.row.tool if self.is_harness else f"{self.row.tool}, {self.row.statistic}"

    @property
    def is_harness(self) -> bool:
        """Whether this is the harness, and not a peer."""
        return self.row.tool == HARNESS

    @property
    def alarm_rate(self) -> float:
        """False alarms a comparison."""
        return self.alarms / len(self.row.trials)


def timing_figures(rows: Sequence[TimingRow]) -> tuple[TimingFigures, ...]:
    """Reduce the rows that have trials, in their order."""
    measured = [row for row in rows if row.trials]
    own = {
        row.sides: resolution([trial.log_ratio for trial in row.trials]).smallest
        for row in measured
        if row.tool == HARNESS
    }
    figures = []
    for row in measured:
        resolved = resolution([trial.log_ratio for trial in row.trials])
        alarms = sum(trial.alarm for trial in row.trials)
        figures.append(
            TimingFigures(
                row=row,
                resolution=resolved,
                alarms=alarms,
                bound=rate_bound(alarms, len(row.trials)),
                timed_s=statistics.median(trial.timed_s for trial in row.trials),
                all_in_s=statistics.median(trial.all_in_s for trial in row.trials),
                times_object=_over(resolved.smallest, own.get(OBJECT, math.nan)),
                times_copies=_over(resolved.smallest, own.get(COPIES, math.nan)),
            )
        )
    return tuple(figures)


def _over(value: float, unit: float) -> float:
    return value / unit if unit > 0 else math.nan


@dataclass(frozen=True, slots=True)
class MemoryFigures:
    """One memory row as numbers.

    Attributes:
        row: where they are from; it has readings.
        bytes: median of what the tool states.
        error: of that against the exact number, as a fraction.
        added: median of what it states above what its formula stated before the call; `bytes` where it
            counts from there.
        added_error: of that, as a fraction.
        hits: readings that, less what was before, are exact.
        seconds: median of a reading.
    """

    row: MemoryRow
    bytes: float
    error: float
    added: float
    added_error: float
    hits: int
    seconds: float

    @property
    def is_harness(self) -> bool:
        """Whether this is the harness, and not a peer."""
        return self.row.tool == HARNESS

    @property
    def is_exact(self) -> bool:
        """Whether every reading was exact."""
        return self.hits == len(self.row.readings)

    @property
    def best_error(self) -> float:
        """The error that is nearer to 0: as stated, or less what was before."""
        return min(self.error, self.added_error, key=abs)


def memory_figures(rows: Sequence[MemoryRow]) -> tuple[MemoryFigures, ...]:
    """Reduce the rows that have readings, in their order."""
    figures = []
    for row in rows:
        if not row.readings:
            continue
        stated = statistics.median(reading.bytes for reading in row.readings)
        added = [reading.bytes - (reading.before or 0) for reading in row.readings]
        figures.append(
            MemoryFigures(
                row=row,
                bytes=stated,
                error=stated / row.exact - 1,
                added=statistics.median(added),
                added_error=statistics.median(added) / row.exact - 1,
                hits=sum(value == row.exact for value in added),
                seconds=statistics.median(reading.seconds for reading in row.readings),
            )
        )
    return tuple(figures)
