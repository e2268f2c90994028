"""Claims as text: a table for the terminal, a document in markdown, one page of HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from markupsafe import Markup

from harness.claims.plots import plot_element, plot_file
from harness.claims.record import Check, ClaimResult, ClaimsRun, ClaimVerdict, Number, Plot, load_claims
from harness.report.document import Document
from harness.report.html import render
from harness.report.inert import code, file_name, markdown
from harness.report.tables import environment_lines
from harness.report.text import markdown_table, markdown_text_table, percent, text_table
from harness.report.units import quantity

_MARKS = {True: "yes", False: "no", None: "undecided"}
_INTERVAL = "An interval in brackets covers the median with 99 %; a ratio of times is arm / reference."
_ABOUT = (
    "What notes on deep learning say about gradients, freezing and weight decay, each put to "
    "the test by running "
    "it. A verdict follows from the checks below it: true in all of them, *holds*; true in "
    "some, *holds when*, with "
    "those named; else *refuted*; *undecided* where the samples do not tell."
)


def document(path: Path) -> Document:
    """Return the document of a file that `harness claims --json` wrote.

    Raises:
        UnreadableError: the file cannot be read, or holds no claims.
    """
    run = load_claims(path)
    return Document(
        "claims",
        {"markdown": lambda: claims_markdown(run), "html": lambda: claims_page(run)},
        lambda: claims_tables(run),
    )


def claims_tables(run: ClaimsRun) -> dict[str, str]:
    """Return the document in markdown and its plots, by their paths."""
    plots = {f"claims/{file_name(plot.name)}.svg": plot_file(plot) for plot in plots_of(run)}
    return {**plots, "claims.md": claims_markdown(run)}


def counted(run: ClaimsRun) -> str:
    """Return how many statements got which verdict, in one line."""
    verdicts = [result.verdict for result in run.results]
    parts = [f"{verdicts.count(name)} {name}" for name in get_args(ClaimVerdict) if name in verdicts]
    return f"{len(verdicts)} statements: {', '.join(parts)}"


def claims_text(run: ClaimsRun, width: int = 80) -> str:
    """Return the table of statements and verdicts as plain text of a width."""
    room = width - 4 - 12 - 2
    rows = [(result.id, result.verdict, _said(result)) for result in run.results]
    table = text_table(("id", "verdict", "statement"), rows, widths=(None, None, room))
    return f"{table}\n\n{counted(run)}\n"


def _said(result: ClaimResult) -> str:
    below = _below(result)
    return f"{result.statement}\n-> {below}" if below else result.statement


def _below(result: ClaimResult) -> str:
    if result.reason:
        return result.reason
    return (
        f"{'when ' if result.verdict == 'holds when' else ''}{result.condition}" if result.condition else ""
    )


def number_text(number: Number) -> str:
    """Return a number with its unit and its interval.

    >>> number_text(Number(name="", value=0.5, low=0.45, high=0.55, unit="ratio"))
    '0.500 [0.450, 0.550]'
    """
    if number.value is None:
        return number.text or "-"
    middle = _plain(number.value, number.unit)
    if number.low is None and number.high is None:
        return middle
    ends = ", ".join("-" if end is None else _plain(end, number.unit) for end in (number.low, number.high))
    return f"{middle} [{ends}]"


def _plain(value: float, unit: str) -> str:
    if unit in ("s", "B", "1"):
        return quantity(value, unit)
    if unit == "share":
        return percent(value)
    if unit == "ratio" and 0.01 <= abs(value) < 1000:  # noqa: PLR2004 (three digits behind the point tell it)
        return f"{value:.3f}"
    return f"{value:.3g}"


def plots_of(run: ClaimsRun) -> tuple[Plot, ...]:
    """Return all plots of a run, in order."""
    return (*(plot for result in run.results for plot in result.plots), *run.plots)


def claims_markdown(run: ClaimsRun, folder: str = "claims") -> str:
    """Return the document: the table of all statements, then each with its evidence.

    Args:
        run: what was measured.
        folder: where the plots lie, seen from the document.
    """
    lines = ["# Statements about gradients, freezing and weight decay, measured", "", _ABOUT, ""]
    lines += [f"{markdown(line)}  " for line in environment_lines(run.environment)]
    lines += [
        (
            f"Measured by {code(run.command)}: {run.seeds} seeds for experiments with data, "
            f"{run.budget:g} s for a pair of times."
        ),
        "",
        f"**{counted(run)}.** {_INTERVAL}",
        "",
    ]
    if not run.complete:
        lines += ["**The session was interrupted: what was finished is here.**", ""]
    rows = [(result.id, result.statement, result.verdict, _below(result)) for result in run.results]
    lines += [
        markdown_text_table(("id", "statement", "verdict", "where"), rows),
        "",
    ]
    for section, results in by_section(run).items():
        lines += [f"## {markdown(section)}", ""]
        for plot in run.plots:
            if any(result.id.startswith(plot.name) for result in results):
                lines += _picture(plot, folder)
        for result in results:
            lines += _evidence(result, folder)
    return "\n".join(lines).rstrip() + "\n"


def by_section(run: ClaimsRun) -> Mapping[str, Sequence[ClaimResult]]:
    """Return the results of every section, in order."""
    sections: dict[str, list[ClaimResult]] = {}
    for result in run.results:
        sections.setdefault(result.section, []).append(result)
    return sections


def _picture(plot: Plot, folder: str) -> list[str]:
    return [
        f"![{markdown(plot.caption)}]({folder}/{file_name(plot.name)}.svg)",
        "",
        f"*{markdown(plot.caption)}*",
        "",
    ]


def _evidence(result: ClaimResult, folder: str) -> list[str]:
    below = _below(result)
    lines = [
        f"### {markdown(result.id)}. {markdown(result.statement)}",
        "",
        f"**{result.verdict}**{': ' + markdown(below) if below else ''}",
        "",
        f"{markdown(result.method)} Again: {code(result.reproduce)} ({result.seconds:.0f} s).",
        "",
    ]
    for plot in result.plots:
        lines += _picture(plot, folder)
    if result.checks:
        lines += [
            markdown_text_table(("true", "where", "seen"), [_row(check) for check in result.checks]),
            "",
        ]
    if result.numbers:
        rows = [(number.name, number_text(number)) for number in result.numbers]
        lines += [
            "<details><summary>Numbers</summary>",
            "",
            markdown_table(("quantity", "value"), rows),
            "",
            "</details>",
            "",
        ]
    return lines


def _row(check: Check) -> tuple[str, str, str]:
    return (_MARKS[check.holds], check.where or "everywhere", check.says)


@dataclass(frozen=True, slots=True)
class _Part:
    """One statement as the page shows it."""

    result: ClaimResult
    below: str
    checks: tuple[tuple[str, str, str], ...]
    numbers: tuple[tuple[str, str], ...]
    plots: tuple[tuple[str, Markup], ...]  # caption, SVG


def claims_page(run: ClaimsRun) -> str:
    """Return one self-contained HTML page that fetches nothing."""
    sections = [
        (
            name,
            [
                _inline(plot)
                for plot in run.plots
                if any(result.id.startswith(plot.name) for result in results)
            ],
            [_part(result) for result in results],
        )
        for name, results in by_section(run).items()
    ]
    return render(
        "claims.html",
        {
            "about": _ABOUT.replace("*", ""),
            "interval": _INTERVAL,
            "counted": counted(run),
            "run": run,
            "environment": environment_lines(run.environment),
            "sections": sections,
        },
        "harness.claims",
    )


def _part(result: ClaimResult) -> _Part:
    return _Part(
        result,
        _below(result),
        tuple(_row(check) for check in result.checks),
        tuple((number.name, number_text(number)) for number in result.numbers),
        tuple(_inline(plot) for plot in result.plots),
    )


def _inline(plot: Plot) -> tuple[str, Markup]:
    return plot.caption, Markup(plot_element(plot))  # noqa: S704 (drawn here, from escaped text)
