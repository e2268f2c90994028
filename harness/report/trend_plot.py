"""A history drawn: a panel a series that changed, environments that changed marked in all of them."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.errors import HarnessError
from harness.judge.trend import MetricHistory, Trend
from harness.report.drawing import COLOURS, RULE, line_style, make_inert, style, svg_file
from harness.report.inert import visible
from harness.report.units import axis

_PANELS = 12  # more are too small to read on one page


class PlotError(HarnessError, ValueError):
    """A plot that cannot be drawn or written, in one sentence."""


def draw_trend(trend: Trend, path: Path) -> None:
    """Draw the series that changed last, at most twelve; the first ones where none changed.

    Raises:
        PlotError: the format is unknown, or the file cannot be written.
    """
    chosen = (trend.changed or trend.series)[:_PANELS]
    if not chosen:
        raise PlotError("the runs hold no series to draw")
    with style():
        _write(_drawn(trend, chosen), path)


def _drawn(trend: Trend, chosen: Sequence[MetricHistory]) -> Figure:
    figure = Figure(figsize=(9, 1.9 * len(chosen) + 0.6), layout="constrained")
    panels = figure.subplots(len(chosen), 1, sharex=True, squeeze=False)
    for axes, series in zip(panels[:, 0], chosen, strict=True):
        _panel(axes, series, trend)
    last: Axes = panels[-1, 0]
    dates = [point.started[:10] for point in trend.points]
    step = max(1, len(dates) // 10)
    last.set_xticks(range(0, len(dates), step), dates[::step], fontsize=7)
    left_out = len(trend.changed) - len(chosen)
    if left_out > 0:
        figure.supxlabel(f"{left_out:,} more series changed", fontsize=8)
    return figure


def _write(figure: Figure, path: Path) -> None:
    try:
        if path.suffix == ".svg":
            path.write_text(svg_file(figure), encoding="utf-8")
        else:
            make_inert(figure)
            figure.savefig(path, dpi=120)
    except OSError as error:
        raise PlotError(f"{path} cannot be written: {error.strerror}") from error
    except ValueError as error:
        raise PlotError(f"{path} cannot be drawn: {str(error).splitlines()[0]}") from error


def _panel(axes: Axes, series: MetricHistory, trend: Trend) -> None:
    scale, unit = axis(max((value for value in series.values if value is not None), default=0.0), series.unit)
    held = [(number, value / scale) for number, value in enumerate(series.values) if value is not None]
    axes.plot(*zip(*held, strict=True), marker=".", linewidth=0.8, **line_style(0))
    for change in series.changes:
        axes.axvline(change.run - 0.5, color=COLOURS[1], linewidth=1.2)
    for number, point in enumerate(trend.points):
        if point.differs:
            axes.axvline(number - 0.5, color=RULE, linestyle=":", linewidth=1)
    title = visible(f"{series.case}: {series.arm}: {series.metric}")
    axes.set_title(title, fontsize=8, loc="left")
    axes.set_ylabel(unit, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.margins(y=0.25)
