"""The page and the terminal text of a comparison of tools, from what was kept alone. Imports no torch."""

import math
from collections.abc import Sequence
from pathlib import Path

from bench.peers.figures import MemoryFigures, TimingFigures, memory_figures, timing_figures
from bench.peers.findings import memory_findings, share_percent, signed, timing_findings
from bench.peers.record import MemoryRow, PeerComparison, TimingRow, load_comparison
from bench.peers.resolution import deviations_needed
from harness.report.document import Document, one_table
from harness.report.inert import code, markdown
from harness.report.tables import environment_lines
from harness.report.text import folded, markdown_table, text_table
from harness.report.units import quantity

_WIDTH = 80
TIMING_HEADERS = (
    *("tool", "sides", "pairs", "timed", "all in", "A/A sd", "resolved", "95 % interval"),
    *("x one object", "x copies", "alarms", "at most"),
)
_TIMING_IN_TERMINAL = ("tool", "sides", "pairs", "all in", "resolved", "alarms")
MEMORY_HEADERS = (
    *("tool", "batch", "by hand", "states", "error", "less before", "error of that", "exact", "a reading"),
)
_MEMORY_IN_TERMINAL = ("tool", "batch", "less before", "error of that", "exact")
_EXPLAINED = (
    "`pairs` are comparisons of the work with itself; `timed` are the seconds that the tool timed for one,",
    "both sides, `all in` what it took on the wall (medians). `A/A sd` is the standard deviation of the",
    "log-ratio; `resolved`, {needed:.2f} of it, is the smallest difference found in 95 % of comparisons at",
    "1 % of false alarms, with its 95 % interval; `x one object` and `x copies` say how many times what the",
    "harness resolves that is. `alarms` are false ones, by the tool's own rule below; `at most` is the upper",
    "95 % bound of their rate. `one object` is on both sides; `copies` and `processes` have memory of their",
    "own.",
)
_MEMORY_EXPLAINED = (
    "`by hand` is the peak from the shapes alone; `states` the median of what the tool says, `less before`",
    "that less what its formula says just before the call, for tools that count the whole process; `exact`",
    "how many readings are right to the byte. Each tool had a fresh, warm process for each size.",
)


def document(path: Path) -> Document:
    """Return the document of a file that `python -m bench.peers --json` wrote.

    Raises:
        UnreadableComparisonError: the file cannot be read, or is not such a comparison.
    """
    comparison = load_comparison(path)
    return one_table("a comparison of tools", path.stem, lambda: peers_markdown(comparison))


def peers_markdown(comparison: PeerComparison) -> str:
    """Return the page."""
    lines = ["# The same work under other tools", ""]
    lines += [f"{markdown(line)}  " for line in environment_lines(comparison.environment)]
    lines += [f"Measured by {code(comparison.command)}.", ""]
    if comparison.timing:
        timing = timing_figures(comparison.timing)
        lines += [
            "## Time",
            "",
            (
                f"{markdown(comparison.work)}, batch {comparison.batch_size};"
                f" {comparison.seconds:g} s of timing, both sides."
            ),
            "",
        ]
        cells = [list(_timing_cells(row, timing).values()) for row in comparison.timing]
        lines += [markdown_table(TIMING_HEADERS, cells)]
        lines += ["", *(line.format(needed=deviations_needed()) for line in _EXPLAINED), ""]
        lines += [f"- {markdown(line)}" for line in timing_findings(timing)]
        lines += ["", "When each tool says that two sides differ:", ""]
        lines += [f"- {markdown(line)}" for line in _rules(comparison.timing)]
        lines += [*(f"- {markdown(line)}" for line in _reasons(comparison.timing)), ""]
    if comparison.memory:
        memory = memory_figures(comparison.memory)
        lines += [
            "## Memory",
            "",
            f"{markdown(comparison.work)}: peak bytes of one call.",
            "",
        ]
        cells = [list(_memory_cells(row, memory).values()) for row in comparison.memory]
        lines += [markdown_table(MEMORY_HEADERS, cells)]
        lines += ["", *_MEMORY_EXPLAINED, ""]
        lines += [f"- {markdown(line)}" for line in memory_findings(memory)]
        lines += ["", "What each tool states:", ""]
        lines += [f"- {markdown(line)}" for line in _formulas(comparison.memory)]
        lines += [*(f"- {markdown(line)}" for line in _reasons(comparison.memory)), ""]
    return "\n".join(lines).rstrip() + "\n"


def peers_text(comparison: PeerComparison) -> str:
    """Return the narrower tables, and what they say, as plain text."""
    timing, memory = timing_figures(comparison.timing), memory_figures(comparison.memory)
    parts = []
    if comparison.timing:
        cells = [_timing_cells(row, timing) for row in comparison.timing]
        parts += [
            _plain(_TIMING_IN_TERMINAL, cells),
            "",
            *_filled([*timing_findings(timing), *_reasons(comparison.timing)]),
        ]
    if comparison.memory:
        more = [_memory_cells(row, memory) for row in comparison.memory]
        parts += [
            "",
            _plain(_MEMORY_IN_TERMINAL, more),
            "",
            *_filled([*memory_findings(memory), *_reasons(comparison.memory)]),
        ]
    return "\n".join(parts).strip("\n")


def _plain(headers: Sequence[str], cells: Sequence[dict[str, str]]) -> str:
    rows = [[row[header] for header in headers] for row in cells]
    return text_table(headers, rows, widths=(22, *(None for _ in headers[1:])))


def _filled(sentences: Sequence[str]) -> list[str]:
    return [folded(sentence, _WIDTH) for sentence in sentences]


def _timing_cells(row: TimingRow, figures: Sequence[TimingFigures]) -> dict[str, str]:
    figure = next((one for one in figures if one.row is row), None)
    if figure is None:
        return dict(
            zip(TIMING_HEADERS, (f"{row.tool}, {row.statistic}", row.sides, *"0---------"), strict=True)
        )
    resolved = figure.resolution
    cells = (
        figure.name,
        row.sides,
        f"{len(row.trials):,}",
        quantity(figure.timed_s, "s"),
        quantity(figure.all_in_s, "s"),
        _or_dash(resolved.spread),
        _or_dash(resolved.smallest),
        "-"
        if math.isnan(resolved.low)
        else f"{share_percent(resolved.low)} to {share_percent(resolved.high)}",
        "-" if math.isnan(figure.times_object) else f"{figure.times_object:,.3g}",
        "-" if math.isnan(figure.times_copies) else f"{figure.times_copies:,.3g}",
        str(figure.alarms),
        share_percent(figure.bound),
    )
    return dict(zip(TIMING_HEADERS, cells, strict=True))


def _or_dash(value: float) -> str:
    return "-" if math.isnan(value) else share_percent(value)


def _memory_cells(row: MemoryRow, figures: Sequence[MemoryFigures]) -> dict[str, str]:
    figure = next((one for one in figures if one.row is row), None)
    start = (row.tool, f"{row.batch_size:,}", f"{row.exact:,} B")
    if figure is None:
        return dict(zip(MEMORY_HEADERS, (*start, *"------"), strict=True))
    cells = (
        *start,
        f"{figure.bytes:,.0f} B",
        signed(figure.error),
        f"{figure.added:,.0f} B",
        signed(figure.added_error),
        f"{figure.hits} of {len(row.readings)}",
        quantity(figure.seconds, "s"),
    )
    return dict(zip(MEMORY_HEADERS, cells, strict=True))


def _rules(rows: Sequence[TimingRow]) -> list[str]:
    return list(
        dict.fromkeys(
            f"{row.tool} ({row.version}), {row.statistic}: {row.rule}" for row in rows if row.version
        )
    )


def _formulas(rows: Sequence[MemoryRow]) -> list[str]:
    return list(dict.fromkeys(f"{row.tool} ({row.version}): {row.formula}" for row in rows if row.version))


def _reasons(rows: Sequence[TimingRow] | Sequence[MemoryRow]) -> list[str]:
    return list(dict.fromkeys(f"{row.tool}: {row.reason}" for row in rows if row.reason))
