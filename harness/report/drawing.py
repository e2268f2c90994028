"""How every plot looks, and the one way from a figure to SVG.

Lines differ by dash and marker as well as by colour, so that they can be told apart in grey and by readers
who do not see all colours. Nothing here keeps state between plots.
"""

import io
import re
from contextlib import AbstractContextManager
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator

from harness.report.inert import printable

INK = "#010203"  # of text and axes; in a page it becomes the page's own text colour
# A file has no page around it: it has a ground of its own, and text that can be read on it, light and dark.
_SCHEMES = (
    "<style>svg{color:#1f2328}@media (prefers-color-scheme: dark){svg{color:#e6edf3}"
    "#patch_1>path{fill:#0d1117!important}}</style>"
)
RULE = "#888888"  # of lines that mark a value, mid-tone for a light and a dark page alike
# Okabe and Ito, "Color Universal Design" (2008), all of them mid-tone
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a7500", "#56b4e9")
DASHES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P")
HATCHES = ("", "////", "\\\\\\\\", "xxxx")
_LONGEST_TEXT = 200  # characters; more go beyond any picture
FIGURE_WIDTH = 4.2  # inches: text then has its size in a phone's width too
_GROWS = 4 / 3
_SETTINGS: Any = {  # matplotlib's stubs take each key as a literal of its own
    "font.family": "DejaVu Sans",  # ships with matplotlib, so that files are the same everywhere
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "hatch.linewidth": 0.6,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def style() -> AbstractContextManager[None]:
    """Return the settings of a plot as a context, in which its figure is made and written."""
    return rc_context(_SETTINGS)


def line_style(index: int) -> dict[str, Any]:
    """Return colour and dash of the line of this number."""
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": DASHES[index % len(DASHES)]}


def marked_style(index: int) -> dict[str, Any]:
    """Return colour, dash and marker of the line of this number."""
    return {**line_style(index), "marker": MARKERS[index % len(MARKERS)], "markersize": 4}


def one_panel(height: float, width: float = FIGURE_WIDTH) -> tuple[Figure, Axes]:
    """Return a figure with one pair of axes, of a size in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def legend_below(figure: Figure, axes: Axes) -> None:
    """Name the lines of a panel under it, where they cover nothing."""
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)


def make_inert(figure: Figure) -> None:
    """Let the texts of a figure be shown as they are: "$" begins no formula, and none is endless."""
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if isinstance(axis.get_major_locator(), FixedLocator):  # names, where others write numbers
            axis.set_ticks(axis.get_ticklocs(), [_drawn(label.get_text()) for label in axis.get_ticklabels()])
            for label in axis.get_ticklabels():
                label.set_parse_math(False)
    numbers = {
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for label in axis.get_ticklabels(which="both")
    }
    for text in figure.findobj(Text):
        if isinstance(text, Text) and text not in numbers and text.get_text():
            text.set_text(_drawn(text.get_text()))
            text.set_parse_math(False)


def _drawn(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= _LONGEST_TEXT else f"{shown[: _LONGEST_TEXT - 3]}..."


def svg_file(figure: Figure) -> str:
    """Return a figure as the text of an SVG file, light and dark, the same bytes for the same data."""
    for axes in figure.axes:
        axes.patch.set_visible(False)  # so that the figure's ground is the one there is
    text = _written(figure, "autograd-harness", {"svg.fonttype": "path"}, {"Date": None})
    head, end, body = text.partition("<metadata>")
    return head + _SCHEMES + "\n " + end + body.replace(INK, "currentColor")


_GROUNDS = re.compile(
    r'(<g id="(?:patch_1|axes_\d+">\s*<g id="patch_\d+)">\s*<path [^>]*?style="fill: )#ffffff'
)


def svg_element(figure: Figure, name: str) -> str:
    """Return a figure as an element of a page, in the page's own text colour and font.

    Args:
        figure: what is drawn.
        name: of the plot, other than that of any other in the page, for it keeps the elements' ids apart;
            its first word is what a reader hears who does not see it.
    """
    settings = {"svg.fonttype": "none", "font.family": "sans-serif"}
    text = _written(figure, name, settings, dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    # The white ground of the figure and of each of its axes would stay white in a dark page.
    text = re.sub(_GROUNDS, r"\1none", text)
    # As wide as there is room, up to a third above its own size.
    text = re.sub(
        r' width="([\d.]+)pt"',
        lambda own: f' style="max-width: {_GROWS * float(own[1]):.0f}pt"',
        text,
        count=1,
    )
    text = re.sub(r' height="[\d.]+pt"', "", text, count=1)
    label = f'<svg role="img" aria-label="{name.partition(" ")[0]}" '
    return text.replace(INK, "currentColor").replace("<svg ", label, 1)


def _written(figure: Figure, salt: str, settings: dict[Any, Any], metadata: dict[str, Any]) -> str:
    make_inert(figure)
    buffer = io.StringIO()
    with rc_context({**settings, "svg.hashsalt": salt}):
        figure.savefig(buffer, format="svg", metadata=metadata)
    return buffer.getvalue()
