"""The plots of claims, drawn from data."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from matplotlib.transforms import Bbox, BboxBase

from harness.claims.record import Panel, Plot, Series
from harness.report.drawing import (
    COLOURS,
    HATCHES,
    INK,
    RULE,
    line_style,
    marked_style,
    style,
    svg_element,
    svg_file,
)

_PANEL = 4.1  # inches wide
_MOST_MARKED = 12  # points of a curve that each get a marker
_FEW_DECADES = 30.0  # a log axis shorter than this factor is labelled with plain numbers ...
_NEAR_ONE = 3.0  # ... and one shorter than this with evenly spaced ones


def plot_file(plot: Plot) -> str:
    """Return a plot as the text of an SVG file, the same bytes for the same data."""
    with style():
        return svg_file(_drawn(plot))


def plot_element(plot: Plot) -> str:
    """Return a plot as an element of a page."""
    with style():
        return svg_element(_drawn(plot), f"plot {plot.name}")


def _drawn(plot: Plot) -> Figure:
    rows = max(len(panel.ticks) for panel in plot.panels)
    height = max(2.9, 0.9 + 0.42 * rows)
    wide = _PANEL * (1.55 if len(plot.panels) == 1 and (rows or _labelled(plot)) else 1.0)
    figure = Figure(figsize=(wide * len(plot.panels), height), layout="constrained")
    names = dict.fromkeys(series.name for panel in plot.panels for series in panel.series)
    styles = {name: index for index, name in enumerate(names)}
    every = tuple(figure.subplots(1, len(plot.panels), squeeze=False)[0])
    for axes, panel in zip(every, plot.panels, strict=True):
        _draw_panel(axes, panel, styles)
    if plot.shared:
        _share_heights(every, plot.panels)
    handles = {
        name: handle for axes in every for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if len(handles) > 1:
        figure.legend(
            list(handles.values()), list(handles), loc="outside lower center", ncols=min(4, len(handles))
        )
    if _labelled(plot):
        figure.draw_without_rendering()  # settles the layout, which labels are placed in
        for axes, panel in zip(every, plot.panels, strict=True):
            place_labels(axes, [series for series in panel.series if series.labels])
    return figure


def _labelled(plot: Plot) -> bool:
    return any(series.labels for panel in plot.panels for series in panel.series)


def _share_heights(every: Sequence[Axes], panels: Sequence[Panel]) -> None:
    """Give panels that measure the same thing upwards the same range, and rows their names once."""
    kinds: dict[tuple[object, ...], list[Axes]] = {}
    for axes, panel in zip(every, panels, strict=True):
        kinds.setdefault((panel.y_label, panel.y_scale, panel.ticks), []).append(axes)
    for (_, _, ticks), alike in kinds.items():
        limits = [axes.get_ylim() for axes in alike]
        for number, axes in enumerate(alike):
            if ticks:
                axes.tick_params(labelleft=number == 0)
            else:
                axes.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


def _draw_panel(axes: Axes, panel: Panel, styles: Mapping[str, int]) -> None:
    """Draw a panel; a name has one style in all panels of a plot."""
    axes.set_xscale(panel.x_scale)
    axes.set_yscale(panel.y_scale)
    if panel.line is not None:
        axes.axvline(panel.line, color=RULE, linewidth=1, linestyle="--", zorder=0)
    if panel.level is not None:
        axes.axhline(panel.level, color=RULE, linewidth=1, linestyle="--", zorder=0)
    bars = [series for series in panel.series if series.mark == "bars"]
    for series in panel.series:
        index = styles[series.name]
        if series.mark == "bars":
            _draw_bars(axes, series, index, bars.index(series), len(bars))
        elif series.mark == "points":
            _draw_points(axes, series, index, across=bool(panel.ticks))
        else:
            _draw_line(axes, series, index)
    if panel.ticks:
        axes.set_yticks(range(len(panel.ticks)), panel.ticks)
        axes.set_ylim(len(panel.ticks) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
    axes.set_title(panel.title)
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    _plain_ticks(axes, panel)


def _plain_ticks(axes: Axes, panel: Panel) -> None:
    """Label a short log axis with plain numbers, where powers of ten would leave one label or none."""
    low, high = axes.get_xlim()
    if panel.x_scale != "log" or high / low >= _FEW_DECADES:
        return
    short = high / low < _NEAR_ONE
    axes.xaxis.set_major_locator(MaxNLocator(5) if short else LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _draw_line(axes: Axes, series: Series, index: int) -> None:
    look = marked_style(index) if len(series.x) <= _MOST_MARKED else line_style(index)
    axes.plot(series.x, series.y, label=series.name, linewidth=1.8, **look)
    if series.low and series.high:
        axes.fill_between(series.x, series.low, series.high, color=look["color"], alpha=0.2, linewidth=0)


def _draw_points(axes: Axes, series: Series, index: int, *, across: bool) -> None:
    spread = None
    if series.low and series.high:
        middle = series.x if across else series.y
        spread = [
            [max(0.0, value - low) for value, low in zip(middle, series.low, strict=True)],
            [max(0.0, high - value) for value, high in zip(middle, series.high, strict=True)],
        ]
    axes.errorbar(
        series.x,
        series.y,
        xerr=spread if across else None,
        yerr=None if across else spread,
        label=series.name,
        **{**marked_style(index), "linestyle": "none"},
        elinewidth=1.4,
        capsize=2,
    )
    if series.labels:
        axes.margins(x=0.25, y=0.1)


# Where a label may stand, in points from its point, with its alignment; the first is liked best.
_PLACES = (
    (7, 0, "left", "center"),
    (-7, 0, "right", "center"),
    (7, 9, "left", "center"),
    (7, -9, "left", "center"),
    (-7, 9, "right", "center"),
    (-7, -9, "right", "center"),
    (7, 20, "left", "center"),
    (7, -20, "left", "center"),
    (-7, 20, "right", "center"),
    (-7, -20, "right", "center"),
)


def place_labels(axes: Axes, labelled: Sequence[Series]) -> None:
    """Write the labels of points where each covers least of what stands there already."""
    taken: list[BboxBase] = [box for series in labelled for box in _marks_of(axes, series)]
    for series in labelled:
        for x, y, label in zip(series.x, series.y, series.labels, strict=True):
            tried: list[tuple[float, int, Annotation, BboxBase]] = []
            for across, up, horizontal, vertical in _PLACES:
                text = axes.annotate(
                    label,
                    (x, y),
                    xytext=(across, up),
                    textcoords="offset points",
                    fontsize=8.5,
                    ha=horizontal,
                    va=vertical,
                )
                box = text.get_window_extent()
                covered = sum(_overlap(box, other) for other in taken)
                tried.append((covered, len(tried), text, box))
            best = min(tried, key=lambda one: one[:2])
            for _, _, text, _ in tried:
                if text is not best[2]:
                    text.remove()
            taken.append(best[3])


def _marks_of(axes: Axes, series: Series) -> list[Bbox]:
    """Return what points and their bars cover, in pixels."""
    low, high = series.low or series.y, series.high or series.y
    boxes = []
    for x, bottom, top in zip(series.x, low, high, strict=True):
        (x_pixel, down), (_, up) = axes.transData.transform([(x, bottom), (x, top)])
        boxes.append(Bbox.from_extents(x_pixel - 4, down - 2, x_pixel + 4, up + 2))
    return boxes


def _overlap(one: BboxBase, other: BboxBase) -> float:
    both = Bbox.intersection(one, other)
    return 0.0 if both is None else float(both.width * both.height)


def _draw_bars(axes: Axes, series: Series, index: int, number: int, count: int) -> None:
    thick = 0.8 / count
    heights = [row + (number - (count - 1) / 2) * thick for row in series.y]
    axes.barh(
        heights,
        series.x,
        height=thick * 0.9,
        label=series.name,
        color=COLOURS[index % len(COLOURS)],
        hatch=HATCHES[index % len(HATCHES)],
        edgecolor="white",
        linewidth=0,
    )
    if series.low and series.high:
        for height, low, high in zip(heights, series.low, series.high, strict=True):
            axes.plot([low, high], [height, height], color=INK, linewidth=1.2)
