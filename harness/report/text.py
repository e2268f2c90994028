"""Counts with their nouns, percent, tables in columns, lines of a width."""

import textwrap
from collections.abc import Iterable, Sequence

from tabulate import tabulate

from harness.report.inert import markdown_cell, printable

_NARROWEST = 20  # characters of a folded column


def many(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> many(1, "case"), many(1200, "case")
    ('1 case', '1,200 cases')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def percent(share: float, form: str = ".0%") -> str:
    """Return a share in percent, with a space before the sign.

    >>> percent(0.125), percent(0.125, "+.1%")
    ('12 %', '+12.5 %')
    """
    return format(share, form).replace("%", " %")


def ranges(numbers: Iterable[int]) -> str:
    """Return whole numbers as ranges.

    >>> ranges([0, 1, 2, 3]), ranges([3, 0, 2, 2])
    ('0 to 3', '0, 2 to 3')
    """
    parts: list[list[int]] = []
    for number in sorted(set(numbers)):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(f"{part[0]} to {part[-1]}" if len(part) > 1 else f"{part[0]}" for part in parts)


def text_table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    form: str = "simple",
    widths: int | Sequence[int | None] | None = None,
) -> str:
    """Return a table as plain text.

    Args:
        headers: one a column.
        rows: cells, as they are shown.
        form: tabulate's: "simple" with a rule under the headers, "plain" without.
        widths: of columns, in which cells are folded; None for as wide as they are. One number is for all.
    """
    if isinstance(widths, int):
        widths = [widths] * len(headers)
    limits = None if widths is None else [width and max(width, _NARROWEST) for width in widths]
    shown = [[printable(cell) for cell in row] for row in rows]
    names = [printable(name) for name in headers]
    return tabulate(shown, names, tablefmt=form, disable_numparse=True, maxcolwidths=limits)


def width_of(text: str) -> int:
    """Return how wide the widest line is."""
    return max(map(len, text.splitlines()), default=0)


def tables_in_width(headers: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return a table as few tables, each with the first column and as many others as fit."""
    tables: list[str] = []
    columns, table = [0], ""
    for column in range(1, len(headers)):
        wider = _chosen(headers, rows, [*columns, column])
        if len(columns) > 1 and width_of(wider) > width:
            tables.append(table)
            columns = [0]
            wider = _chosen(headers, rows, [0, column])
        columns.append(column)
        table = wider
    return [*tables, table]


def _chosen(headers: Sequence[str], rows: Sequence[Sequence[str]], columns: Sequence[int]) -> str:
    return text_table([headers[column] for column in columns], [[row[at] for at in columns] for row in rows])


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a markdown table of numbers, to the right; the first column is to the left.

    Text from anywhere is shown as it is.
    """
    alignment = ["left", *("right" for _ in headers[1:])]
    # The format "github" pads a column to its side but leaves out the marks that make a reader's page do so.
    names = _escaped([headers])[0]
    return tabulate(_escaped(rows), names, tablefmt="pipe", disable_numparse=True, colalign=alignment)


def markdown_text_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a markdown table of sentences, all columns to the left; text is shown as it is."""
    return tabulate(_escaped(rows), _escaped([headers])[0], tablefmt="github", disable_numparse=True)


def _escaped(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[markdown_cell(cell) for cell in row] for row in rows]


def folded(line: str, width: int) -> str:
    """Return one line broken to a width at its spaces, indented from the second line on."""
    if len(line) <= width:
        return line
    return textwrap.fill(line, width, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False)


def wrapped_text(text: str, width: int) -> str:
    """Return text with its sentences broken to a width; rows of tables, with their gaps, stay as they are."""
    return "\n".join(line if "  " in line else folded(line, width) for line in text.split("\n"))
