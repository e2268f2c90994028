"""The plots of one run, as elements of its page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from harness.judge.contrasts import Contrast
from harness.record.names import PEAK
from harness.record.schema import Allocated, ArmResult
from harness.report.drawing import (
    COLOURS,
    FIGURE_WIDTH,
    INK,
    RULE,
    legend_below,
    line_style,
    marked_style,
    one_panel,
    style,
    svg_element,
    svg_file,
)
from harness.report.holders import share_of_step, thinned
from harness.report.study import CurvePoint, bend_of
from harness.report.units import axis, quantity

_PICTURE_WIDTH = 7.0  # inches
_PANEL_HEIGHT = 2.5  # inches
_LEFT, _ABOVE = -0.09, 1.08  # of the axes: where a panel's title begins, over the names of the parts
MOST_LINES = 6  # of a timeline, told apart by dash and colour
_MOST_STEPS = 2000  # of a line; more are thinner than it


def ratio_plot(contrasts: Sequence[Contrast], floor: float) -> str:
    """Return each arm's ratio to its reference with its interval; "" where no arm has a ratio."""
    shown = [contrast for contrast in contrasts if contrast.judgement.ratio and not contrast.control]
    if not shown:
        return ""
    with style():
        figure, axes = one_panel(0.9 + 0.28 * len(shown))
        axes.axvspan(1 - floor, 1 + floor, color=RULE, alpha=0.25, linewidth=0)
        axes.axvline(1, color=INK, linewidth=0.8)
        for row, contrast in enumerate(shown):
            judged = contrast.judgement
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
        axes.set_yticks(range(len(shown)), [contrast.arm for contrast in shown])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        # Of the figure, not of the axes, from under which it would stick out where arms have long names.
        figure.supxlabel("time / reference's time (median, with its interval)", fontsize=9)
        return svg_element(figure, f"ratio {shown[0].case}")


def curve_plot(points: Sequence[CurvePoint], name: str) -> str:
    """Return saved bytes, the step's peak and its time against the number of frozen blocks."""
    timed = [point for point in points if not math.isnan(point.seconds)]
    with style():
        figure = Figure(figsize=(FIGURE_WIDTH, 4.2 if timed else 2.6), layout="constrained")
        above = figure.subplots(2 if timed else 1, 1, sharex=True, squeeze=False)[:, 0]
        frozen = [point.frozen for point in points]
        memory = above[0]
        scale, unit = axis(max(point.peak for point in points), "B")
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
                **marked_style(index),
            )
        bend = bend_of(points)
        if bend is not None:
            point = points[bend]
            for panel in above:
                panel.axvline(point.frozen, color=INK, linewidth=0.8, linestyle=":")
            memory.annotate(
                f"knee: {point.frozen} frozen, {quantity(point.peak, 'B')}",
                (point.frozen, point.peak / scale),
                (6, 14),
                textcoords="offset points",
                arrowprops={"arrowstyle": "->", "color": INK},
            )
        memory.set_ylabel(unit)
        memory.set_ylim(bottom=0)
        legend_below(figure, memory)
        if timed:
            _draw_times(above[1], timed)
        above[-1].set_xlabel("first blocks frozen")
        above[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
        return svg_element(figure, f"curve {name}")


def _draw_times(axes: Axes, points: Sequence[CurvePoint]) -> None:
    scale, unit = axis(max(point.seconds for point in points), "s")
    axes.plot(
        [point.frozen for point in points],
        [point.seconds / scale for point in points],
        **marked_style(2),
    )
    for point in points:
        if point.ratio and point.low is not None and point.high is not None:
            ends = [point.seconds * end / point.ratio / scale for end in (point.low, point.high)]
            axes.plot([point.frozen, point.frozen], ends, color=INK, linewidth=1)
    axes.set_ylabel(f"{unit} a step")
    axes.set_ylim(bottom=0)


@dataclass(frozen=True, slots=True)
class Timeline:
    """What the arms of one case hold over a step.

    Attributes:
        title: what is shown.
        arms: names and lines.
        seconds: that each arm's step takes without the profiler, to which its line is drawn; () where that
            was not measured: each line is then drawn over its share of its step.
    """

    title: str
    arms: Sequence[tuple[str, Allocated]]
    seconds: Sequence[float]


def timeline_picture(timelines: Sequence[Timeline]) -> str:
    """Return allocated bytes over one step, a panel a case, as an SVG file."""
    with style():
        figure = Figure(figsize=(_PICTURE_WIDTH, _PANEL_HEIGHT * len(timelines)), layout="constrained")
        for axes, timeline in zip(
            figure.subplots(len(timelines), squeeze=False)[:, 0], timelines, strict=True
        ):
            _draw_timeline(axes, timeline)
            axes.set_title(timeline.title, loc="left", x=_LEFT, y=_ABOVE, fontsize=9)
        return svg_file(figure)


def _draw_timeline(axes: Axes, timeline: Timeline) -> None:
    arms, seconds = timeline.arms, timeline.seconds
    scale, unit = axis(max((max(line.levels, default=0) for _, line in arms), default=0), "B")
    of_time, time_unit = axis(max(seconds), "s") if seconds else (0.01, "%")
    lengths = [length / of_time for length in seconds or [1.0] * len(arms)]
    for index, ((label, line), length) in enumerate(zip(arms, lengths, strict=True)):
        times, levels = _thinned(line)
        axes.step(
            [length * share_of_step(line, time) for time in times],
            [level / scale for level in levels],
            where="post",
            label=label,
            linewidth=1.2,
            **line_style(index),
        )
    first = arms[0][1]
    top = axes.get_ylim()[1]
    for start, part in zip(first.marks, first.parts, strict=False):
        place = lengths[0] * share_of_step(first, start)
        axes.axvline(place, color=INK, linewidth=0.6, linestyle=":")
        axes.text(place, top, f" {part}", va="bottom", fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel(f"{time_unit} of a step" if seconds else "% of the step, as it ran under the profiler")
    axes.set_ylabel(f"{unit} above its start")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))


def witness_plot(arms: Sequence[ArmResult], name: str) -> str:
    """Return resident bytes over one step as they were sampled, and the exact bytes of the same arms.

    Both are above the start of their step: they were taken in two processes, so that neither the moments
    nor the starts are the same. The exact curve is shown where it was measured, else the exact peak.
    """
    with style():
        figure, axes = one_panel(3.0)
        highest = [resident for arm in arms for _, resident in arm.timeline]
        exact = [arm.counts.get(PEAK, 0) for arm in arms]
        scale, unit = axis(max((*highest, *exact, 0)), "B")
        for index, arm in enumerate(arms):
            seconds, resident = zip(*arm.timeline, strict=True)
            axes.plot(
                [1e3 * at for at in seconds],
                [level / scale for level in resident],
                label=f"{arm.arm}, sampled",
                marker=".",
                markersize=3,
                linewidth=0.8,
                color=COLOURS[index % len(COLOURS)],
            )
            if arm.allocated is not None:
                times, levels = _thinned(arm.allocated)
                axes.step(
                    [1e3 * time for time in times],
                    [level / scale for level in levels],
                    where="post",
                    label=f"{arm.arm}, exact",
                    linewidth=1.2,
                    linestyle="--",
                    color=COLOURS[index % len(COLOURS)],
                )
            elif PEAK in arm.counts:
                axes.axhline(
                    arm.counts[PEAK] / scale,
                    label=f"{arm.arm}, exact peak",
                    linewidth=1.2,
                    linestyle="--",
                    color=COLOURS[index % len(COLOURS)],
                )
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set_xlabel("ms")
        axes.set_ylabel(f"{unit} above the step's start")
        legend_below(figure, axes)
        return svg_element(figure, f"witness {name}")


def _thinned(line: Allocated) -> tuple[list[float], list[int]]:
    """Return a line's points; of many, the highest and the lowest of each stretch: no peak is lost."""
    times, levels = (
        [0.0, *line.times, line.marks[-1]],
        [0, *line.levels, line.levels[-1] if line.levels else 0],
    )
    chosen = thinned(levels, _MOST_STEPS)
    return [times[index] for index in chosen], [levels[index] for index in chosen]


def scaling_plot(series: Sequence[tuple[str, Sequence[tuple[int, int]]]], name: str) -> str:
    """Return peak bytes against batch size, a line an arm, each given as batch size and bytes."""
    with style():
        figure, axes = one_panel(2.8)
        scale, unit = axis(max(peak for _, line in series for _, peak in line), "B")
        for index, (label, line) in enumerate(series):
            sizes, peaks = [size for size, _ in line], [peak / scale for _, peak in line]
            axes.plot(sizes, peaks, label=label, **marked_style(index))
        axes.set_xlabel("batch size")
        axes.set_ylabel(f"peak, {unit}")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        legend_below(figure, axes)
        return svg_element(figure, f"scaling {name}")
