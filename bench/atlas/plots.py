"""The distribution over the atlas, as an element of its page."""

import math
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.atlas.facts import Fact
from harness.report.drawing import COLOURS, FIGURE_WIDTH, INK, legend_below, style, svg_element

_BINS = 20
_TICKS = 6  # of an axis, at most


def distribution(each: Sequence[Fact]) -> str:
    """Return two histograms of ratios, stacked by library, on logarithmic axes.

    They are how many times as much a pass holds with a graph as without one, and how many bytes its graph
    keeps for a byte of parameters. "" where there is nothing to count.
    """
    ratios = (
        ("held with a graph / held without one", _times_held),
        ("bytes saved / bytes of parameters", _times_parameters),
    )
    if not any(of(fact) for fact in each for _, of in ratios):
        return ""
    with style():
        figure = Figure(figsize=(FIGURE_WIDTH * 1.9, 2.9), layout="constrained")
        panels = figure.subplots(1, 2)
        for axes, (name, of) in zip(panels, ratios, strict=True):
            _draw(axes, each, of)
            axes.set_xlabel(name)
        panels[0].set_ylabel("architectures")
        legend_below(figure, panels[0])
        return svg_element(figure, "distribution over the atlas")


def _times_held(fact: Fact) -> float:
    without = fact.reading.retained_no_grad
    return fact.reading.retained / without if without else 0.0


def _times_parameters(fact: Fact) -> float:
    return fact.reading.saved / fact.chart.size if fact.chart.size else 0.0


def _draw(axes: Axes, each: Sequence[Fact], of: Callable[[Fact], float]) -> None:
    families = tuple(dict.fromkeys(fact.chart.subject.family for fact in each))
    values = [
        [math.log2(of(fact)) for fact in each if fact.chart.subject.family == family and of(fact) > 0]
        for family in families
    ]
    colours = [COLOURS[number % len(COLOURS)] for number in range(len(families))]
    axes.hist(values, bins=_BINS, stacked=True, label=families, color=colours, edgecolor=INK, linewidth=0.4)
    low, high = (math.floor(end) for end in axes.get_xlim())
    ticks = range(low, high + 1, max(1, -(-(high - low) // _TICKS)))
    axes.set_xticks(list(ticks), [f"{2**tick}" if tick >= 0 else f"1/{2**-tick}" for tick in ticks])
