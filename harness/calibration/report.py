"""What a calibration found, as a table and as a plot of power."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.calibration.record import ARMS, Calibration, Condition, Trial, read_calibration
from harness.judge.interval import median_interval
from harness.judge.noise import round_scatter
from harness.judge.rates import rate_bound
from harness.judge.verdict import FLOOR, LAYOUT_FLOOR, Verdict
from harness.report.document import Document
from harness.report.drawing import INK, RULE, line_style, one_panel, style, svg_file
from harness.report.inert import code, markdown
from harness.report.tables import environment_lines
from harness.report.text import markdown_table, text_table
from harness.report.units import quantity

POWER = 0.95
_ALARMS = (Verdict.BETTER.value, Verdict.WORSE.value)
HEADERS = ("sides", "a call", "pairs", "alarms", "upper", "bias", "A/A sd", "scatter", "resolved", "overhead")
PLANTED_HEADERS = ("sides", "a call", "planted", "read", "scatter", "pairs", "found")


@dataclass(frozen=True, slots=True)
class EqualSidesFigures:
    """What the A/A comparisons of one kind and one length of call say."""

    alarms: int
    bound: float  # one-sided upper 95 % bound of the rate
    bias: float  # mean of the median log-ratios
    spread: float  # their standard deviation
    thresholds: tuple[float, ...]  # by comparison, the smallest slowdown that it would have found


def look_at(cell: Condition) -> EqualSidesFigures:
    """Reduce the trials of an A/A cell.

    A slowdown of s adds ln(1 + s) to every log-ratio, so that each A/A comparison tells the smallest
    slowdown that it would have called *worse*.
    """
    medians = [statistics.median(trial.values) for trial in cell.trials]
    alarms = sum(trial.verdict in _ALARMS for trial in cell.trials)
    return EqualSidesFigures(
        alarms=alarms,
        bound=rate_bound(alarms, len(cell.trials)),
        bias=statistics.fmean(medians),
        spread=statistics.stdev(medians) if len(medians) > 1 else math.nan,
        thresholds=tuple(sorted(_threshold(trial, _FLOORS[cell.kind]) for trial in cell.trials)),
    )


_FLOORS = {"object": FLOOR, "copies": LAYOUT_FLOOR, "block": LAYOUT_FLOOR}


def _threshold(trial: Trial, floor: float) -> float:
    low = trial.low
    if low is None:
        interval = median_interval(trial.values)
        if interval is None:
            return math.inf
        low = interval.low
    return math.expm1(max(-low, math.log1p(floor) - statistics.median(trial.values)))


def resolved(thresholds: Sequence[float]) -> float:
    """Return the slowdown that this share, `POWER`, of the comparisons would have found."""
    return sorted(thresholds)[math.ceil(POWER * len(thresholds)) - 1]


def unit_scatter(cell: Condition) -> float:
    """Return what the ratio of one unit scatters, a fraction: the median over the comparisons of a cell."""
    return statistics.median(round_scatter(trial.values) for trial in cell.trials)


def table_rows(calibration: Calibration) -> list[tuple[str, ...]]:
    """Return the rows of the A/A cells, under `HEADERS`."""
    rows: list[tuple[str, ...]] = []
    for cell in _aa(calibration):
        figures = look_at(cell)
        rows.append(
            (
                cell.kind,
                quantity(cell.call_s, "s"),
                f"{len(cell.trials):,}",
                str(figures.alarms),
                f"{figures.bound:.2%}",
                f"{figures.bias:+.3%}",
                f"{figures.spread:.3%}",
                f"{unit_scatter(cell):.2%}",
                "-" if math.isinf(smallest := resolved(figures.thresholds)) else f"{smallest:.2%}",
                f"{calibration.overhead[str(cell.asked_s)]:.3%}",
            )
        )
    return rows


def planted_rows(calibration: Calibration) -> list[tuple[str, ...]]:
    """Return the rows of the cells with a planted slowdown, under `PLANTED_HEADERS`."""
    return [
        (
            cell.kind,
            quantity(cell.call_s, "s"),
            f"{cell.planted:+.2%}",
            f"{statistics.median(trial.ratio for trial in cell.trials) - 1:+.2%}",
            f"{unit_scatter(cell):.2%}",
            f"{len(cell.trials):,}",
            f"{_share_found(cell):.1%}",
        )
        for cell in calibration.cells
        if cell.planted
    ]


def _aa(calibration: Calibration) -> list[Condition]:
    return [cell for cell in calibration.cells if cell.planted == 0]


def _share_found(cell: Condition) -> float:
    return sum(trial.verdict == Verdict.WORSE.value for trial in cell.trials) / len(cell.trials)


def total_line(calibration: Calibration) -> str:
    """Return the false alarms of all A/A comparisons in one line."""
    trials = [trial for cell in _aa(calibration) for trial in cell.trials]
    alarms = sum(trial.verdict in _ALARMS for trial in trials)
    if not trials:
        return "no A/A comparison was made"
    bound = rate_bound(alarms, len(trials))
    return (
        f"{alarms} false alarms in {len(trials):,} A/A comparisons of {calibration.budget:g} s:"
        f" {alarms / len(trials):.2%}, at most {bound:.2%} (upper 95 % bound);"
        f" {calibration.load} bursty processes beside it"
    )


def document(path: Path) -> Document:
    """Return the document of the file of a calibration.

    Raises:
        UnreadableError: the file cannot be read, or is not a calibration.
    """
    calibration = read_calibration(path)
    name = f"accuracy{path.stem.removeprefix('calibration')}"
    return Document(
        "a calibration",
        {"markdown": lambda: calibration_markdown(calibration)},
        lambda: {f"{name}.md": calibration_markdown(calibration), f"{name}.svg": power_plot(calibration)},
    )


def calibration_markdown(calibration: Calibration) -> str:
    """Return the page of a calibration."""
    return "\n".join(
        [
            "# What this instrument resolves",
            "",
            *(f"{markdown(line)}  " for line in environment_lines(calibration.environment)),
            *([f"Measured by {code(calibration.command)}."] if calibration.command else []),
            "",
            total_line(calibration),
            "",
            markdown_table(HEADERS, table_rows(calibration)),
            "",
            "`alarms` are false ones, `upper` is the upper 95 % bound of their rate, `bias` and `sd` are",
            "the ratio's, `scatter` is that of one unit of a comparison: a layout of memory with its rounds,",
            f"or a round. `resolved` is the slowdown that {POWER:.0%} of the comparisons would have found; -",
            "where they would have found none. `object` are two bare callables on one object, `copies` two",
            "models built alike and moved to fresh memory while they are timed, `block` a reference and",
            f"{ARMS} copies judged as one family.",
            "",
            *(
                [markdown_table(PLANTED_HEADERS, planted_rows(calibration)), ""]
                if planted_rows(calibration)
                else []
            ),
        ]
    )


def calibration_text(calibration: Calibration) -> str:
    """Return the tables as plain text."""
    parts = [
        total_line(calibration),
        "",
        text_table(HEADERS[:-1], [row[:-1] for row in table_rows(calibration)]),  # the last has no room
    ]
    if planted_rows(calibration):
        parts += [
            "",
            text_table(PLANTED_HEADERS, planted_rows(calibration)),
        ]
    return "\n".join(parts)


def power_plot(calibration: Calibration) -> str:
    """Return an SVG: the share of comparisons that find a slowdown, against the slowdown."""
    with style():
        figure, axes = one_panel(4.2, width=7)
        axes.axhline(POWER, color=RULE, linewidth=1)
        for index, cell in enumerate(_aa(calibration)):
            thresholds = look_at(cell).thresholds
            axes.step(
                [100 * max(value, 1e-4) for value in thresholds],
                [(number + 1) / len(thresholds) for number in range(len(thresholds))],
                where="post",
                label=f"{cell.kind}, {quantity(cell.call_s, 's')}",
                **line_style(index),
            )
        planted = [cell for cell in calibration.cells if cell.planted]
        if planted:
            axes.plot(
                [100 * cell.planted for cell in planted],
                [_share_found(cell) for cell in planted],
                linestyle="none",
                marker="o",
                markerfacecolor="white",
                color=INK,
                label="really planted",
            )
        axes.set_xscale("log")
        axes.set_xlabel("slowdown of the arm (%)")
        axes.set_ylabel("share of comparisons that find it")
        axes.set_title(
            f"{calibration.budget:g} s a comparison, {calibration.load} bursty processes beside it"
        )
        axes.legend(fontsize="small")
        return svg_file(figure)
