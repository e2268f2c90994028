"""The benchmark of readers as a table."""

from collections.abc import Iterator
from pathlib import Path

from bench.readers.record import Reading, Readings, load_readings
from harness.report.document import Document, one_table
from harness.report.inert import code, markdown
from harness.report.tables import environment_lines
from harness.report.text import markdown_table
from harness.report.units import quantity

_COLUMNS = (
    "command",
    "records",
    "processor",
    "per 1,000 more records",
    "peak",
    "per 1,000 more records",
    "exit status",
)


def document(path: Path) -> Document:
    """Return the document of a file that `python -m bench.readers --json` wrote.

    Raises:
        HarnessError: it cannot be read, or is none.
    """
    readings = load_readings(path)
    return one_table("how readers grow with records", "readers", lambda: readers_markdown(readings))


def per_thousand(before: float, after: float, more: int) -> float:
    """Return by how much something grows with a thousand records.

    >>> per_thousand(1.5, 4.0, 25_000)
    0.1
    """
    return 1000 * (after - before) / more


def _rows(readings: tuple[Reading, ...]) -> Iterator[tuple[str, ...]]:
    before: Reading | None = None
    for one in readings:
        grown = ("", "")
        if before is not None and before.command == one.command and one.records > before.records:
            more = one.records - before.records
            grown = (
                quantity(per_thousand(before.processor, one.processor, more), "s"),
                quantity(per_thousand(before.peak, one.peak, more), "B"),
            )
        yield (
            one.command,
            f"{one.records:,}",
            quantity(one.processor, "s"),
            grown[0],
            quantity(one.peak, "B"),
            grown[1],
            str(one.status),
        )
        before = one


def readers_markdown(readings: Readings) -> str:
    """Return the table, and where it comes from."""
    where = "  \n".join(
        [*map(markdown, environment_lines(readings.environment)), f"Measured by {code(readings.command)}."]
    )
    told = (
        "Whole commands on stored runs of so many records, two arms and three exact metrics each; `compare`,"
        " `gate` and `trend` read two such runs, or a run and a baseline, in which one record of a thousand"
        " differs. *Processor* is all that a command used of it, its start included: a clock would tell what"
        " else ran meanwhile. What a thousand more records take is alike in both rows where the cost is"
        " linear."
    )
    table = markdown_table(_COLUMNS, list(_rows(readings.readings)))
    return f"# Readers of many records\n\n{where}\n\n{told}\n\n{table}\n"
