"""The frontier: peak against time, what gives something up marked."""

from matplotlib import rc_context

from harness.record.fit import Candidate, Search
from harness.report.fit import mark
from harness.report.plots import COLOURS, INK, SETTINGS, figure_of, scale_of, svg_of

_LOOKS = {
    "": ("o", COLOURS[0], "nothing given up"),
    "~": ("s", COLOURS[1], "gives something up"),
    "!": ("x", COLOURS[3], "over the limit"),
    "*": ("D", COLOURS[2], "the plan"),
}


def frontier_plot(found: Search) -> str:
    """Return peak against time for every trial that was timed, as an SVG element; "" where none was."""
    timed = [
        (trial, 1.0 if trial.candidate == Candidate() else trial.ratio)
        for trial in found.trials
        if trial.peak is not None
    ]
    shown = [(trial, ratio) for trial, ratio in timed if ratio is not None]
    if len(shown) < 2:  # noqa: PLR2004 (a frontier has two ends)
        return ""
    with rc_context(SETTINGS):
        figure, axes = figure_of(3.0)
        scale, unit = scale_of(max(trial.peak or 0 for trial, _ in shown))
        for sign, (marker, colour, label) in _LOOKS.items():
            mine = [(trial, ratio) for trial, ratio in shown if mark(trial, found) == sign]
            if mine:
                axes.plot(
                    [ratio for _, ratio in mine],
                    [(trial.peak or 0) / scale for trial, _ in mine],
                    linestyle="none",
                    marker=marker,
                    color=colour,
                    label=label,
                )
        for trial, _ in shown:
            if trial.low is not None and trial.high is not None:
                height = (trial.peak or 0) / scale
                axes.plot([trial.low, trial.high], [height, height], color=INK, linewidth=0.8)
        if found.limit is not None:
            axes.axhline(found.limit / scale, color=INK, linewidth=0.8, linestyle="--")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("time / untouched step's time")
        axes.set_ylabel(f"peak, {unit}")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
        return svg_of(figure, f"frontier {found.target}")
