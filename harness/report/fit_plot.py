"""The frontier: peak against time, what gives something up marked."""

from harness.record.fit import FitCandidate, FitSearch
from harness.report.drawing import COLOURS, INK, MARKERS, legend_below, one_panel, style, svg_element
from harness.report.fit import mark
from harness.report.units import axis

_LABELS = {
    "": "nothing given up",
    "~": "gives something up",
    "*": "the plan",
    "x": "thrown out",
    "!": "over the limit",
}


def frontier_plot(search: FitSearch) -> str:
    """Return peak against time for every trial that was timed, as an SVG element; "" where none was."""
    timed = [
        (trial, 1.0 if trial.candidate == FitCandidate() else trial.ratio)
        for trial in search.trials
        if trial.peak is not None
    ]
    shown = [(trial, ratio) for trial, ratio in timed if ratio is not None]
    if len(shown) < 2:  # noqa: PLR2004 (a frontier has two ends)
        return ""
    with style():
        figure, axes = one_panel(3.0)
        scale, unit = axis(max(trial.peak or 0 for trial, _ in shown), "B")
        for index, (sign, label) in enumerate(_LABELS.items()):
            mine = [(trial, ratio) for trial, ratio in shown if mark(trial, search) == sign]
            if mine:
                axes.plot(
                    [ratio for _, ratio in mine],
                    [(trial.peak or 0) / scale for trial, _ in mine],
                    linestyle="none",
                    marker=MARKERS[index],
                    color=COLOURS[index],
                    label=label,
                )
        for trial, _ in shown:
            if trial.low is not None and trial.high is not None:
                height = (trial.peak or 0) / scale
                axes.plot([trial.low, trial.high], [height, height], color=INK, linewidth=0.8)
        if search.limit is not None:
            axes.axhline(search.limit / scale, color=INK, linewidth=0.8, linestyle="--")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("time / untouched step's time")
        axes.set_ylabel(f"peak, {unit}")
        legend_below(figure, axes)
        return svg_element(figure, f"frontier {search.target}")
