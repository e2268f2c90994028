"""A figure as SVG text that is the same bytes every time."""

import io

import matplotlib as mpl
from matplotlib.figure import Figure


def svg(figure: Figure) -> str:
    """Return a figure as SVG, without a date and with element names that do not change."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "autograd-harness"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
