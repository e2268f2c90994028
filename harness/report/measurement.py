"""What `harness measure` prints: a record at a time, then what belongs to the whole run."""

from harness.record.schema import Record, Run
from harness.report.attribution import memory_sentence, tree_lines
from harness.report.study import curve_section, fit_line, is_curve, scaling_sections, text_of_table
from harness.report.tables import case_tables, case_text, environment_lines
from harness.report.text import percent, wrapped_text
from harness.report.units import quantity


def environment_text(run: Run, width: int = 80) -> str:
    """Return where a run is measured."""
    return wrapped_text("\n".join(environment_lines(run.environment)), width)


def record_text(run: Run, record: Record, width: int = 80) -> str:
    """Return one record as text: its table, the sentence, and where its memory is."""
    table = next(
        table
        for each, table in zip(run.records, case_tables(run), strict=True)
        if each.case.id == record.case.id
    )
    parts = [record.asks, case_text(table, width)]
    if is_curve(record):
        parts = [record.asks, text_of_table(curve_section(run, record))]
        parts += [line for line in table.lines if line.startswith(("books", "undecided"))]
    if told := memory_sentence(record):
        parts += [told, ""]
    reference = record.arm(record.reference)
    if reference is not None and reference.attribution is not None:
        parts += [f"Where the memory of {reference.arm} is:", *tree_lines(reference.attribution, width), ""]
    return wrapped_text("\n".join(parts), width)


def closing_text(run: Run, width: int = 80) -> str:
    """Return what is said of all records together: batch sizes side by side, and the largest batch."""
    parts = [text_of_table(section) for section in scaling_sections(run)]
    parts += [fit_line(fit) for fit in run.fits]
    return wrapped_text("\n".join(parts), width)


def took_line(run: Run) -> str:
    """Return how long it took, and which share of that the measured calls were; "" where nobody looked."""
    if not run.wall_s:
        return ""
    return (
        f"took {quantity(run.wall_s, 's')}, {percent(run.calls_s / run.wall_s)} of it inside measured calls"
        " (warm-up, samples, exact passes)"
    )


def measurement_text(run: Run, width: int = 80) -> str:
    """Return a whole run as text."""
    parts = [environment_text(run, width), ""]
    parts += [record_text(run, record, width) for record in run.records]
    return "\n".join([*parts, closing_text(run, width), wrapped_text(took_line(run), width)])
