"""One run as one self-contained HTML page that fetches nothing: its answer, pictures, tables below."""

from markupsafe import Markup

from harness.judge.contrasts import contrasts
from harness.record.names import PEAK
from harness.record.schema import Run
from harness.report.bars import Bar, Bars
from harness.report.case_part import case_part
from harness.report.headline import run_headline, savings
from harness.report.html import render
from harness.report.plots import MOST_LINES, scaling_plot
from harness.report.presence import presence
from harness.report.screen import questions_in_order
from harness.report.study import fit_line, scaling_sections
from harness.report.tables import GROUP_HEADERS, case_tables, header_lines
from harness.report.text import percent
from harness.report.units import quantity
from harness.report.witness import WITNESS_HEADERS


def run_page(run: Run) -> str:
    """Return a run's page; text from the run is shown and never interpreted."""
    judged = contrasts(run)
    parts = [
        case_part(run, record, table, judged[record.case.id], f"case-{number}")
        for number, (record, table) in enumerate(zip(run.records, case_tables(run), strict=True), 1)
    ]
    questions = [
        (asks, _overview(run, asks), [part for part in parts if part.asks == asks])
        for asks in questions_in_order(run)
    ]
    return render(
        "run.html",
        {
            "title": _title(run),
            "verdict": run_headline(run),
            "complete": run.complete,
            "presence": presence(run),
            "questions": questions,
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


def _overview(run: Run, asks: str) -> Bars | None:
    """Return what is saved of the peak in each case of a question; None where one bar would stand alone."""
    rows = tuple(
        Bar(
            saving.record.case.title,
            saving.share,
            percent(saving.share),
            f"{saving.arm}: {quantity(saving.before, 'B')} to {quantity(saving.after, 'B')}",
        )
        for saving in savings(run)
        if saving.record.asks == asks
    )
    caption = (
        "What the best arm of each case saves of its reference's peak; arms that do less work are left out"
    )
    return Bars(caption, rows) if len(rows) > 1 else None


def _title(run: Run) -> str:
    models = list(dict.fromkeys(record.case.model for record in run.records))
    return models[0] if len(models) == 1 else f"{len(models)} models"


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
