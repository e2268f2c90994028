"""The plots of one run, as inline SVG that takes the page's own text colour and reads in grey.

Lines differ by dash and marker as well as by colour; nothing here keeps state between plots.
"""

import io
import math
import re
from collections.abc import Sequence
from itertools import cycle
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from harness.judge.compare import Contrast
from harness.record.schema import Allocated
from harness.report.study import Point

INK = "#010203"  # stands for the page's text colour, and is nobody's choice of one
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a7500", "#56b4e9")  # Okabe and Ito, all mid-tone
_DASHES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
_MARKERS = ("o", "s", "^", "D", "v", "x")
_WIDTH = 4.2  # inches: text then has its size in a phone's width too
_MOST_STEPS = 2000  # of a line; more are thinner than it
SETTINGS: Any = {
    "svg.fonttype": "none",
    "font.size": 9,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def ratio_plot(contrasts: Sequence[Contrast], floor: float) -> str:
    """Return each arm's ratio to its reference with its interval; "" where no arm has a ratio."""
    shown = [found for found in contrasts if found.judgement.ratio and not found.control]
    if not shown:
        return ""
    with rc_context(SETTINGS):
        figure, axes = figure_of(0.9 + 0.28 * len(shown))
        axes.axvspan(1 - floor, 1 + floor, color="#888888", alpha=0.25, linewidth=0)
        axes.axvline(1, color=INK, linewidth=0.8)
        for row, found in enumerate(shown):
            judged = found.judgement
            if judged.low is not None and judged.high is not None:
                axes.plot([judged.low, judged.high], [row, row], color=COLOURS[0], linewidth=2)
            # Hollow where there is no interval: a first impression, not a result.
            inside = COLOURS[0] if judged.low is not None and judged.high is not None else "none"
            axes.plot(
                [judged.ratio or math.nan],
                [row],
                marker="o",
                color=COLOURS[0],
                markerfacecolor=inside,
                markersize=5,
            )
        axes.set_yticks(range(len(shown)), [found.arm for found in shown])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        # Of the figure, not of the axes, from under which it would stick out where arms have long names.
        figure.supxlabel("time / reference's time (median, 99 % interval)", fontsize=9)
        return svg_of(figure, f"ratio {shown[0].case}")


def curve_plot(points: Sequence[Point], name: str) -> str:
    """Return saved bytes, the step's peak and its time against the number of frozen blocks."""
    timed = [point for point in points if not math.isnan(point.seconds)]
    with rc_context(SETTINGS):
        figure = Figure(figsize=(_WIDTH, 4.2 if timed else 2.6), layout="constrained")
        above = figure.subplots(2 if timed else 1, 1, sharex=True, squeeze=False)[:, 0]
        frozen = [point.frozen for point in points]
        memory = above[0]
        scale, unit = scale_of(max(point.peak for point in points))
        for index, (label, values) in enumerate(
            (
                ("peak of a step", [point.peak for point in points]),
                ("saved", [point.saved for point in points]),
            )
        ):
            memory.plot(
                frozen,
                [value / scale for value in values],
                label=label,
                color=COLOURS[index],
                linestyle=_DASHES[index],
                marker=_MARKERS[index],
                markersize=4,
            )
        memory.set_ylabel(unit)
        memory.set_ylim(bottom=0)
        memory.legend(frameon=False)
        if timed:
            _draw_times(above[1], timed)
        above[-1].set_xlabel("first blocks frozen")
        above[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
        return svg_of(figure, f"curve {name}")


def _draw_times(axes: Axes, points: Sequence[Point]) -> None:
    reference = points[0].seconds
    axes.plot(
        [point.frozen for point in points],
        [1e3 * point.seconds if point.ratio is None else 1e3 * reference * point.ratio for point in points],
        color=COLOURS[2],
        marker="^",
        markersize=4,
    )
    for point in points:
        if point.low is not None and point.high is not None:
            ends = [1e3 * reference * point.low, 1e3 * reference * point.high]
            axes.plot([point.frozen, point.frozen], ends, color=INK, linewidth=1)
    axes.set_ylabel("ms a step")
    axes.set_ylim(bottom=0)


def timeline_plot(arms: Sequence[tuple[str, Allocated]], name: str) -> str:
    """Return allocated bytes over one step, the arms on one axis, the parts of the first arm marked."""
    with rc_context(SETTINGS):
        figure, axes = figure_of(3.0)
        scale, unit = scale_of(max((max(line.levels, default=0) for _, line in arms), default=0))
        for (label, line), colour, dash in zip(arms, cycle(COLOURS), cycle(_DASHES)):
            times, levels = _thinned(line)
            axes.step(
                [1e3 * time for time in times],
                [level / scale for level in levels],
                where="post",
                label=label,
                color=colour,
                linestyle=dash,
                linewidth=1.2,
            )
        first = arms[0][1]
        top = axes.get_ylim()[1]
        for start, part in zip(first.marks, first.parts, strict=False):
            axes.axvline(1e3 * start, color=INK, linewidth=0.6, linestyle=":")
            axes.text(1e3 * start, top, f" {part}", va="bottom", fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set_xlabel("ms under the profiler")
        axes.set_ylabel(f"{unit} above the step's start")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
        return svg_of(figure, f"timeline {name}")


def _thinned(line: Allocated) -> tuple[list[float], list[int]]:
    """Return a line's points; of many, the highest and the lowest of each stretch: no peak is lost."""
    times, levels = (
        [0.0, *line.times, line.marks[-1]],
        [0, *line.levels, line.levels[-1] if line.levels else 0],
    )
    if len(times) <= _MOST_STEPS:
        return times, levels
    width = -(-2 * len(times) // _MOST_STEPS)
    kept: set[int] = {0, len(times) - 1}
    for first in range(0, len(times), width):
        stretch = range(first, min(first + width, len(times)))
        kept |= {max(stretch, key=levels.__getitem__), min(stretch, key=levels.__getitem__)}
    chosen = sorted(kept)
    return [times[index] for index in chosen], [levels[index] for index in chosen]


def scaling_plot(series: Sequence[tuple[str, Sequence[tuple[int, int]]]], name: str) -> str:
    """Return peak bytes against batch size, a line an arm, each given as batch size and bytes."""
    with rc_context(SETTINGS):
        figure, axes = figure_of(2.8)
        scale, unit = scale_of(max(peak for _, line in series for _, peak in line))
        styles = zip(cycle(COLOURS), cycle(_DASHES), cycle(_MARKERS))
        for (label, line), (colour, dash, marker) in zip(series, styles):  # noqa: B905
            sizes, peaks = [size for size, _ in line], [peak / scale for _, peak in line]
            axes.plot(sizes, peaks, label=label, color=colour, linestyle=dash, marker=marker, markersize=4)
        axes.set_xlabel("batch size")
        axes.set_ylabel(f"peak, {unit}")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
        return svg_of(figure, f"scaling {name}")


def figure_of(height: float) -> tuple[Figure, Axes]:
    """Return a figure of the page's width, so many inches high, and its axes."""
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    return figure, figure.subplots()


def scale_of(largest: float) -> tuple[float, str]:
    """Return the unit for bytes up to a largest, and its size."""
    for power, unit in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if largest >= 1024**power:
            return float(1024**power), unit
    return 1.0, "B"


def svg_of(figure: Figure, salt: str) -> str:
    """Return a figure as an element to be put into a page; the salt keeps its ids apart from others'."""
    written = io.StringIO()
    with rc_context({"svg.hashsalt": salt}):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(written, format="svg", metadata=nothing)
    element = written.getvalue()
    element = element[element.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    # The figure's own white ground would stay white in a dark page.
    element = re.sub(r'(<g id="(?:patch_1|patch_2)">\s*<path [^>]*?style="fill: )#ffffff', r"\1none", element)
    element = re.sub(r' (?:width|height)="[\d.]+pt"', "", element, count=2)
    return element.replace(INK, "currentColor").replace(
        "<svg ", f'<svg role="img" aria-label="{salt.partition(" ")[0]}" ', 1
    )
