"""The distribution over the atlas, as elements of its page."""

import math
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from bench.atlas.facts import Fact
from harness.report.drawing import COLOURS, INK, legend_below, one_panel, style, svg_element

_BINS = 20
_TICKS = 6  # of an axis, at most


def distributions(each: Sequence[Fact]) -> tuple[tuple[str, str], ...]:
    """Return two histograms of ratios, stacked by library, on logarithmic axes, each with its caption.

    They are how many times as much a pass holds with a graph as without one, and how many bytes its graph
    keeps for a byte of parameters. One without anything to count is left out.
    """
    ratios = (
        (
            "How many times as much a pass in train mode holds in the end as under no_grad",
            lambda fact: fact.times_without,
        ),
        (
            "Bytes that its graph keeps for backward, for a byte of parameters",
            lambda fact: fact.times_parameters,
        ),
    )
    return tuple((caption, _histogram(each, of, caption)) for caption, of in ratios if any(map(of, each)))


def _histogram(each: Sequence[Fact], of: Callable[[Fact], float], caption: str) -> str:
    with style():
        figure, axes = one_panel(2.8)
        _draw(axes, each, of)
        axes.set_xlabel("times")
        axes.set_ylabel("architectures")
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        legend_below(figure, axes)
        return svg_element(figure, f"distribution {caption}")


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
