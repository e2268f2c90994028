"""What the page of a run shows of one case: its answer, its pictures, and its tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.judge.contrasts import Contrast
from harness.judge.times import times_of
from harness.record.names import TIME
from harness.record.schema import Metric, Record, Run
from harness.report.areas import Areas, areas
from harness.report.attribution import Branch, memory_sentence, tree
from harness.report.bars import Bars, bars_of, equal_in_all
from harness.report.plots import MOST_LINES, curve_plot, ratio_plot, witness_plot
from harness.report.reproduce import case_command
from harness.report.study import TextTable, curve_points, curve_section, is_curve
from harness.report.tables import CaseTable, all_exact

_WITNESS_CAPTION = (
    "Resident bytes of a process of its own, sampled by memory_profiler (a witness), and the exact bytes"
)


@dataclass(frozen=True, slots=True)
class CasePart:
    """What the page shows of one case."""

    anchor: str
    asks: str
    answer: str  # in a sentence; "" where the pictures say it
    problems: tuple[str, ...]  # what failed, and books that are open: never folded
    table: CaseTable
    exact: tuple[tuple[str, ...], ...]  # every exact metric: its name, and the value of each arm
    arms: tuple[str, ...]
    bars: tuple[Bars, ...]
    equal: str  # what is the same in all arms
    areas: Areas | None
    plots: tuple[tuple[str, Markup], ...]  # caption, SVG
    attribution: tuple[Branch, ...]
    peak: str
    curve: TextTable | None
    again: str  # the command that measures it


def case_part(
    run: Run, record: Record, table: CaseTable, judged: Sequence[Contrast], anchor: str
) -> CasePart:
    """Return what is shown of a record.

    Args:
        run: that it is of.
        record: of the case.
        table: of it.
        judged: its contrasts.
        anchor: names the part inside the page.
    """
    metrics = {metric.name: metric for metric in run.metrics}
    curve = curve_section(run, record) if is_curve(record) else None
    reference = record.arm(record.reference)
    attribution = reference.attribution if reference else None
    return CasePart(
        anchor=anchor,
        asks=record.asks,
        answer=" ".join(curve.lines) if curve else memory_sentence(record),
        problems=tuple(_problems(record)),
        table=table,
        exact=all_exact(record, metrics),
        arms=tuple(arm.arm for arm in record.arms),
        bars=_bars(record, metrics),
        equal="" if curve else equal_in_all(record, metrics),
        areas=None if curve else areas(record, times_of(record), MOST_LINES),
        plots=tuple(
            (caption, Markup(svg))  # noqa: S704 (made here)
            for caption, svg in _plots(run, record, judged)
            if svg
        ),
        attribution=tree(attribution) if attribution else (),
        peak=(
            f"{attribution.peak:,} B at the peak of {record.reference}, in the {attribution.part} part;"
            " every byte is in one row"
            if attribution
            else ""
        ),
        curve=curve,
        again=case_command(
            record.case,
            command=run.command,
            threads=run.environment.threads,
            exact=not any(arm.timings for arm in record.arms),
        ),
    )


def _bars(record: Record, metrics: Mapping[str, Metric]) -> tuple[Bars, ...]:
    return () if is_curve(record) else bars_of(record, metrics)


def _problems(record: Record) -> Iterator[str]:
    for arm in record.arms:
        if arm.status != "ok":
            yield f"{arm.arm} {arm.status}: {arm.reason}"
        if arm.books is not None and arm.books.unaccounted:
            yield f"books do not balance: {arm.arm} leaves {arm.books.unaccounted:+,} B unaccounted"


def _plots(run: Run, record: Record, judged: Sequence[Contrast]) -> Iterator[tuple[str, str]]:
    name = record.case.id
    if is_curve(record):
        points = curve_points(run, record)
        yield "Freezing the first blocks", curve_plot(points, name) if points else ""
        return
    times = [one for one in judged if one.metric == TIME]
    hollow = any(one.judgement.ratio and one.judgement.low is None for one in times if not one.control)
    too_few = "; hollow where the rounds are too few for an interval" if hollow else ""
    yield f"Time against the reference{too_few}", ratio_plot(times, run.floor)
    watched = [arm for arm in record.arms if arm.timeline]
    if watched:
        yield _WITNESS_CAPTION, witness_plot(watched[:MOST_LINES], name)
