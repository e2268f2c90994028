"""A history drawn: a panel a series that changed, environments that changed marked in all of them."""

from pathlib import Path

import matplotlib as mpl

from harness.errors import HarnessError
from harness.judge.trend import Series, Trend
from harness.report.verdict_text import visible

mpl.use("Agg")
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_PANELS = 12  # more are too small to read on one page
_SCALES = {"s": (1e-6, "us"), "B": (1024.0, "KiB"), "1": (1.0, "")}


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
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise PlotError(f"{path} cannot be written: {error.strerror}") from error
    except ValueError as error:
        raise PlotError(f"{path} cannot be drawn: {str(error).splitlines()[0]}") from error


def _panel(axes: Axes, series: Series, trend: Trend) -> None:
    scale, unit = _SCALES[series.unit]
    held = [(place, value / scale) for place, value in enumerate(series.values) if value is not None]
    axes.plot(*zip(*held, strict=True), marker=".", linewidth=0.8, color="#1565c0")
    for change in series.changes:
        axes.axvline(change.run - 0.5, color="#c62828", linewidth=1.2)
    for place, point in enumerate(trend.points):
        if point.differs:
            axes.axvline(place - 0.5, color="#888888", linestyle=":", linewidth=1)
    # "$" would begin a formula
    title = visible(f"{series.case}: {series.arm}: {series.metric}").replace("$", r"\$")
    axes.set_title(title, fontsize=8, loc="left")
    axes.set_ylabel(unit, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.margins(y=0.25)
