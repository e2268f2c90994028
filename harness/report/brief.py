"""What one screen shows of a record: the columns in which its arms differ, and what its memory is made of."""

from dataclasses import replace

from harness.record.schema import ArmResult
from harness.report.attribution import tree
from harness.report.tables import TIME_COLUMNS, CaseTable, is_timed
from harness.report.text import percent
from harness.report.units import quantity

_WORTH_NAMING = 0.01  # of the whole, at least


def without_alike(table: CaseTable) -> CaseTable:
    """Return a table without the columns in which all arms are alike: a line below it has their values.

    One column of exact numbers always stays.
    """
    first = TIME_COLUMNS if is_timed(table) else 1
    values = {
        column: [row[column] for row in table.rows if row[column]]  # times of parts have rows without any
        for column in range(first, len(table.headers))
    }
    alike = [column for column, cells in values.items() if len(cells) > 1 and len(set(cells)) == 1]
    if len(alike) == len(values):
        alike = alike[1:]
    if not alike:
        return table
    line = ", ".join(f"{table.headers[column]} {values[column][0]}" for column in alike)
    columns = [column for column in range(len(table.headers)) if column not in alike]
    return replace(
        table,
        headers=tuple(table.headers[column] for column in columns),
        rows=tuple(tuple(row[column] for column in columns) for row in table.rows),
        lines=(f"alike in all arms: {line}", *table.lines),
    )


def peak_line(arm: ArmResult) -> str:
    """Return what an arm takes at its peak, parameters included, and what that is; "" where nobody looked."""
    attribution = arm.attribution
    if attribution is None or not attribution.peak:
        return ""
    told = [
        f"{percent(branch.share)} {branch.name}"
        for branch in tree(attribution)
        if branch.share >= _WORTH_NAMING
    ]
    whole = quantity(attribution.peak, "B")
    return f"{arm.arm} takes {whole} in all, in its {attribution.part} part: {', '.join(told)}"
