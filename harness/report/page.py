"""One run as one self-contained HTML page that fetches nothing: verdict, tables, plots, how to repeat it."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.judge.contrasts import Contrast, contrasts
from harness.record.names import PEAK, TIME
from harness.record.schema import Record, Run
from harness.report.answer import answer_of, tally
from harness.report.attribution import Branch, memory_sentences, tree
from harness.report.html import render
from harness.report.plots import (
    MOST_LINES,
    curve_plot,
    ratio_plot,
    scaling_plot,
    timeline_plot,
    witness_plot,
)
from harness.report.reproduce import case_command
from harness.report.study import TextTable, curve_points, curve_section, fit_line, is_curve, scaling_sections
from harness.report.tables import GROUP_HEADERS, CaseTable, all_exact, case_tables, header_lines
from harness.report.text import percent
from harness.report.witness import WITNESS_HEADERS

_WITNESS_CAPTION = (
    "Resident bytes of a process of its own, sampled by memory_profiler (a witness), and the exact bytes"
)


@dataclass(frozen=True, slots=True)
class CasePart:
    """What the page shows of one case."""

    anchor: str
    asks: str
    table: CaseTable
    exact: tuple[tuple[str, ...], ...]  # every exact metric: its name, and the value of each arm
    arms: tuple[str, ...]
    plots: tuple[tuple[str, Markup], ...]  # caption, SVG
    attribution: tuple[Branch, ...]
    peak: str
    curve: TextTable | None
    again: str  # the command that measures it


def run_page(run: Run) -> str:
    """Return a run's page; text from the run is shown and never interpreted."""
    judged = contrasts(run)
    parts = [
        _case_part(run, record, table, judged[record.case.id], f"case-{number}")
        for number, (record, table) in enumerate(zip(run.records, case_tables(run), strict=True), 1)
    ]
    return render(
        "run.html",
        {
            "title": _title(run),
            "verdict": verdict_sentence(run),
            "complete": run.complete,
            "sentences": memory_sentences(run),
            "parts": parts,
            "scaling": list(scaling_sections(run)),
            "scaling_plots": [(caption, Markup(svg)) for caption, svg in _scaling_plots(run)],  # noqa: S704 (made here)
            "fits": [fit_line(fit) for fit in run.fits],
            "environment": header_lines(run),
            "command": run.command,
            "run": run.id,
            "witness_headers": WITNESS_HEADERS,
            "group_headers": GROUP_HEADERS,
        },
    )


def _title(run: Run) -> str:
    models = list(dict.fromkeys(record.case.model for record in run.records))
    return models[0] if len(models) == 1 else f"{len(models)} models"


def verdict_sentence(run: Run) -> str:
    """Return what the run found, in one sentence: what saves most, or the counts where it has many cases."""
    judged = [contrast for each in contrasts(run).values() for contrast in each if not contrast.control]
    models = {record.case.model for record in run.records}
    if len(models) == 1 and (best := _best(run)):
        return best
    counted = tally(contrast.judgement for contrast in judged)
    times = f"; times against their reference: {counted}" if counted else ""
    failed = sum(arm.status == "failed" for record in run.records for arm in record.arms)
    wrong = f"; {failed} arms failed" if failed else ""
    return f"{len(run.records)} cases of {len(models)} models, {_books(run)}{times}{wrong}."


def _books(run: Run) -> str:
    books = [arm.books for record in run.records for arm in record.arms if arm.books is not None]
    still_open = sum(1 for each in books if each.unaccounted)
    if not books:
        return "without books"
    return f"books open in {still_open} arms" if still_open else "all books balance"


def _best(run: Run) -> str:
    """Return what each question's best arm saves, in one sentence."""
    told = []
    judged = contrasts(run)
    for record in run.records:
        if is_curve(record) or record.case.batch_size != run.records[0].case.batch_size:
            continue
        reference = record.arm(record.reference)
        if reference is None or reference.status != "ok" or PEAK not in reference.counts:
            continue
        # An arm that lacks a metric of the reference does less work: with all frozen nothing is trained.
        others = [
            arm
            for arm in record.arms
            if arm.status == "ok"
            and arm.arm != record.reference
            and arm.counts.keys() >= reference.counts.keys()
        ]
        if not others:
            continue
        best = min(others, key=lambda arm: arm.counts[PEAK])
        before, after = reference.counts[PEAK], best.counts[PEAK]
        if before <= after:
            continue
        times = [one for one in judged[record.case.id] if one.arm == best.arm]
        told.append(
            f"{best.arm} lowers the peak by {percent(1 - after / before)}{_time_words(times, run.floor)}"
        )
    return "; ".join(dict.fromkeys(told)) + f"; {_books(run)}." if told else ""


def _time_words(times: Sequence[Contrast], floor: float) -> str:
    if not times or times[0].judgement.ratio is None:
        return ""
    judged = times[0].judgement
    return f" (time: {answer_of(judged, floor)})"


def _case_part(
    run: Run, record: Record, table: CaseTable, judged: Sequence[Contrast], anchor: str
) -> CasePart:
    times = [one for one in judged if one.metric == TIME]
    hollow = any(one.judgement.ratio and one.judgement.low is None for one in times if not one.control)
    too_few = "; hollow where the rounds are too few for an interval" if hollow else ""
    plots = [(f"Time against the reference{too_few}", ratio_plot(times, run.floor))]
    lines = [(arm.arm, arm.allocated) for arm in record.arms if arm.allocated is not None]
    if lines:
        plots.append(("Allocated bytes over one step", timeline_plot(lines[:MOST_LINES], record.case.id)))
    watched = [arm for arm in record.arms if arm.timeline]
    if watched:
        plots.append((_WITNESS_CAPTION, witness_plot(watched[:MOST_LINES], record.case.id)))
    curve = None
    if is_curve(record):
        points = curve_points(run, record)
        curve = curve_section(run, record)
        plots = [("Freezing the first blocks", curve_plot(points, record.case.id))] if points else []
    reference = record.arm(record.reference)
    attribution = reference.attribution if reference else None
    return CasePart(
        anchor=anchor,
        asks=record.asks,
        table=table,
        exact=all_exact(record, {metric.name: metric for metric in run.metrics}),
        arms=tuple(arm.arm for arm in record.arms),
        plots=tuple((caption, Markup(svg)) for caption, svg in plots if svg),  # noqa: S704 (made here)
        attribution=tree(attribution) if attribution else (),
        peak=(
            f"{attribution.peak:,} B at the peak of {record.reference}, in the {attribution.part} part;"
            " every byte is in one row"
            if attribution
            else ""
        ),
        curve=curve,
        again=case_command(record.case, command=run.command, threads=run.environment.threads, exact=False),
    )


def _scaling_plots(run: Run) -> list[tuple[str, str]]:
    lines: dict[str, dict[str, list[tuple[int, int]]]] = {}
    for record in run.records:
        case = record.case
        title = ", ".join(part for part in (case.model, case.question, case.mode, case.variant) if part)
        for arm in record.arms:
            if arm.status == "ok" and PEAK in arm.counts:
                by_arm = lines.setdefault(title, {}).setdefault(arm.arm, [])
                by_arm.append((case.batch_size, arm.counts[PEAK]))
    plots = []
    for title, arms in lines.items():
        series = [(arm, sorted(points)) for arm, points in arms.items() if len(points) > 1]
        if series:
            plots.append((title, scaling_plot(series[:MOST_LINES], title)))
    return plots
