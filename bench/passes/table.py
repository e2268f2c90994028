"""The benchmark of exact passes as a table."""

from collections.abc import Iterator
from pathlib import Path

from bench.passes.record import Passes, Timed, load_passes
from harness.report.document import Document, one_table
from harness.report.inert import code, markdown
from harness.report.tables import environment_lines
from harness.report.text import markdown_table, percent
from harness.report.units import quantity

START_UP_S = 12.0
DEFAULT_S = 75.0  # start-up, a minute, and its end
_COLUMNS = (
    "model",
    "batch",
    "plain step",
    "first table",
    "in steps beyond start-up",
    "whole",
    "in steps beyond start-up",
    "processor, in steps",
    "in calls",
    "peak over the plain loop's",
    "arms",
)
_COLUMNS_OF_DEFAULT = (
    "model",
    "whole",
    f"in steps beyond {DEFAULT_S:g} s",
    "in calls",
    "arms",
    "with times",
)


def document(path: Path) -> Document:
    """Return the document of a file that `python -m bench.passes --json` wrote.

    Raises:
        HarnessError: it cannot be read, or is none.
    """
    passes = load_passes(path)
    return one_table("exact numbers in plain steps", "passes", lambda: passes_markdown(passes))


def steps_beyond(seconds: float, step: float, given: float = START_UP_S) -> float:
    """Return how many plain steps a time holds beside the seconds that are given to other things.

    >>> steps_beyond(42.0, 3.0)
    10.0
    """
    return max(0.0, seconds - given) / step


def _rows(timed: tuple[Timed, ...]) -> Iterator[tuple[str, ...]]:
    for one in timed:
        yield (
            one.model,
            str(one.batch_size),
            quantity(one.step, "s"),
            quantity(one.first_table, "s"),
            f"{steps_beyond(one.first_table, one.step):.1f}",
            quantity(one.whole, "s"),
            f"{steps_beyond(one.whole, one.step):.1f}",
            f"{one.whole_cpu / one.step_cpu:.1f}",
            percent(one.calls / one.whole),
            f"{one.peak / one.plain_peak:.2f}",
            str(one.arms),
        )


def _rows_of_default(timed: tuple[Timed, ...]) -> Iterator[tuple[str, ...]]:
    for one in timed:
        yield (
            one.model,
            quantity(one.default, "s"),
            f"{steps_beyond(one.default, one.step, DEFAULT_S):.1f}",
            percent(one.default_calls / one.default),
            str(one.default_arms),
            str(one.default_timed),
        )


def passes_markdown(passes: Passes) -> str:
    """Return the table, and where it comes from."""
    where = "  \n".join(
        [*map(markdown, environment_lines(passes.environment)), f"Measured by {code(passes.command)}."]
    )
    told = (
        "`harness measure MODEL --time 0`, one thread, beside a training loop of torch alone in the same"
        f" run. *Start-up* are {START_UP_S:g} s, which torch's and transformers' imports and building the"
        " model are given; *processor* is all that the command used of it, start-up included, over that of a"
        " plain step."
    )
    table = markdown_table(_COLUMNS, list(_rows(passes.timed)))
    default = markdown_table(_COLUMNS_OF_DEFAULT, list(_rows_of_default(passes.timed)))
    return (
        f"# Exact numbers, in plain training steps\n\n{where}\n\n{told}\n\n{table}\n\n"
        "`harness measure MODEL` as it is by default, with times. What it has no time for, it names with the"
        f" option that brings it.\n\n{default}\n"
    )
