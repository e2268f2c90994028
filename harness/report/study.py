"""The tables that belong to one model: the freezing curve, batch sizes side by side, the largest batch."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from harness.judge.contrasts import contrasts
from harness.judge.knee import knee
from harness.judge.times import times_of
from harness.record.names import PEAK, SAVED, TIME
from harness.record.schema import ArmResult, Fit, Record, Run
from harness.report.text import text_table
from harness.report.units import quantity, ratio_with_interval


@dataclass(frozen=True, slots=True)
class TextTable:
    """One table with a title, and the lines below it."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One place of a freezing curve."""

    frozen: int  # blocks
    saved: int  # bytes
    peak: int  # bytes, of a training step above its start
    seconds: float  # a step; NaN where it was not timed
    ratio: float | None  # of the step's time to that of the step with nothing frozen
    low: float | None
    high: float | None


def is_curve(record: Record) -> bool:
    """Tell whether a record's arms stand on an axis."""
    return sum(arm.axis is not None for arm in record.arms) > 1


def curve_points(run: Run, record: Record) -> tuple[CurvePoint, ...]:
    """Return the places of a freezing curve that were measured, in order."""
    judged = {
        contrast.arm: contrast for contrast in contrasts(run)[record.case.id] if contrast.metric == TIME
    }
    points = []
    for arm in record.arms:
        if arm.axis is None or arm.status != "ok" or not {SAVED, PEAK} <= arm.counts.keys():
            continue  # a number that varies from call to call is no point
        contrast = judged.get(arm.arm)
        compared = contrast is not None and not contrast.control
        points.append(
            CurvePoint(
                frozen=arm.axis,
                saved=arm.counts[SAVED],
                peak=arm.counts[PEAK],
                seconds=contrast.value if contrast else math.nan,
                ratio=contrast.judgement.ratio if contrast and compared else None,
                low=contrast.judgement.low if contrast and compared else None,
                high=contrast.judgement.high if contrast and compared else None,
            )
        )
    return tuple(sorted(points, key=lambda point: point.frozen))


def curve_section(run: Run, record: Record) -> TextTable:
    """Return the table of a freezing curve, and where it bends."""
    points = curve_points(run, record)
    rows: tuple[tuple[str, ...], ...] = tuple(
        (
            f"{point.frozen}",
            quantity(point.saved, "B"),
            quantity(point.peak, "B"),
            quantity(point.seconds, "s"),
            ratio_with_interval(point.ratio, point.low, point.high),
        )
        for point in points
    )
    headers: tuple[str, ...] = ("blocks frozen", SAVED, PEAK, "step time", "ratio [its interval]")
    if all(math.isnan(point.seconds) for point in points):  # nothing was timed
        headers, rows = headers[:3], tuple(row[:3] for row in rows)
    return TextTable(f"Freezing curve, batch {record.case.batch_size}", headers, rows, (knee_line(points),))


def bend_of(points: Sequence[CurvePoint]) -> int | None:
    """Return the place where the peak of a curve stops falling fast; None where it does not."""
    return knee([point.frozen for point in points], [point.peak for point in points])


def knee_line(points: Sequence[CurvePoint]) -> str:
    """Say where the peak of the step stops falling fast, or that it falls evenly."""
    if len(points) < 2:  # noqa: PLR2004 (one point is not a curve)
        return "too few places were measured to tell where to freeze"
    first, last = points[0], points[-1]
    bend = bend_of(points)
    total = f"all {last.frozen} save {quantity(first.peak - last.peak, 'B')} of {quantity(first.peak, 'B')}"
    if bend is not None:
        knee_point = points[bend]
        saves = quantity(first.peak - knee_point.peak, "B")
        frozen = knee_point.frozen
        return f"knee at {frozen}: freezing the first {frozen} saves {saves} of the peak; {total}"
    if last.peak >= first.peak:
        return "no knee: freezing saves nothing of the peak"
    each = quantity((first.peak - last.peak) / last.frozen, "B")
    return f"no knee: the peak falls evenly, about {each} a block; {total}"


def scaling_sections(run: Run) -> tuple[TextTable, ...]:
    """Return bytes and time against batch size, for every arm that was measured at two sizes or more."""
    series: dict[tuple[str, ...], dict[int, tuple[ArmResult, float]]] = defaultdict(dict)
    for record in run.records:
        case, seconds = record.case, times_of(record)
        for arm in record.arms:
            if arm.status == "ok":
                key = (case.model, case.question, case.mode, case.variant, arm.arm)
                series[key][case.batch_size] = arm, seconds.get((arm.arm, TIME), math.nan)
    sections: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for (model, question, mode, variant, name), by_size in series.items():
        if len(by_size) > 1:
            title = ", ".join(part for part in (model, question, mode, variant) if part)
            sections[title].extend(_scaling_row(name, size, *by_size[size]) for size in sorted(by_size))
    headers = ("arm", "batch", PEAK, SAVED, TIME, "time / example")
    return tuple(
        TextTable(f"Against batch size: {title}", headers, tuple(rows), ())
        for title, rows in sections.items()
    )


def _scaling_row(name: str, size: int, arm: ArmResult, seconds: float) -> tuple[str, ...]:
    return (
        name,
        f"{size}",
        *(quantity(arm.counts[name], "B") if name in arm.counts else "-" for name in (PEAK, SAVED)),
        quantity(seconds, "s"),
        "-" if math.isnan(seconds) else quantity(seconds / size, "s"),
    )


def fit_line(fit: Fit) -> str:
    """Say which batch is the largest that a memory limit allows, and which runs show it."""
    batch, peaks = fit.case.batch_size, fit.peaks
    limit = quantity(fit.limit, "B")
    over = peaks.get(batch + 1)
    next_one = "ran out of memory" if over == 0 else f"needs {over:,} B"
    if batch == 0:
        return f"not even a batch of 1 fits in {limit}: it {next_one}"
    return (
        f"the largest batch of a {fit.case.question} in {limit} is {batch}: run, it needs {peaks[batch]:,} B,"
        f" and {batch + 1} {next_one}"
    )


def text_of_table(section: TextTable) -> str:
    """Return a section as plain text."""
    table = text_table(section.headers, section.rows)
    return "\n".join([section.title, table, *section.lines, ""])
