"""What `harness measure` prints: a record at a time, then what belongs to the whole run."""

import shlex
from collections.abc import Sequence

import msgspec

from harness.record.names import PEAK
from harness.record.schema import ArmResult, Record, Run
from harness.report.attribution import memory_sentence, tree_lines
from harness.report.inert import visible
from harness.report.study import curve_section, fit_line, is_curve, scaling_sections, text_of_table
from harness.report.tables import CaseTable, case_tables, case_text, environment_lines, times_text
from harness.report.text import percent, wrapped_text
from harness.report.units import quantity


def environment_text(run: Run, width: int = 80) -> str:
    """Return where a run is measured."""
    return wrapped_text("\n".join(environment_lines(run.environment)), width)


def record_text(run: Run, record: Record, width: int = 80) -> str:
    """Return one record as text: its table, the sentence, and where its memory is."""
    run, table = _alone(run, record)
    parts = [record.asks, case_text(table, width)]
    if is_curve(record):
        parts = [record.asks, text_of_table(curve_section(run, record)).rstrip(), *table.time_lines]
        parts += [line for line in table.lines if line.startswith("books")] + [""]
    if told := memory_sentence(record):
        parts += [told, ""]
    reference = record.arm(record.reference)
    if reference is not None and reference.attribution is not None:
        parts += [f"Where the memory of {reference.arm} is:", *tree_lines(reference.attribution, width), ""]
    return wrapped_text("\n".join(parts), width)


def _alone(run: Run, record: Record) -> tuple[Run, CaseTable]:
    """Return a run of one record alone, and its table: the others need not be judged again to print it."""
    alone = msgspec.structs.replace(run, records=(record,))
    return alone, case_tables(alone)[0]


def times_text_of(run: Run, record: Record, width: int = 80) -> str:
    """Return the times of one record as text, for who has read its bytes; "" where nothing was timed."""
    run, table = _alone(run, record)
    text = times_text(table)
    if text and is_curve(record):
        text = "\n".join([text_of_table(curve_section(run, record)).rstrip(), *table.time_lines, ""])
    return wrapped_text(text, width)


def next_steps(run: Run, target: str, *, has_page: bool) -> tuple[str, ...]:
    """Return the commands that follow from a run: make it fit, look at it, and time what paid most.

    Args:
        run: what was measured.
        target: as it was named to the command line.
        has_page: a page was written.
    """
    peaks = [
        (arm.counts[PEAK], record, arm)
        for record in run.records
        for arm in record.arms
        if record.case.mode == "train" and PEAK in arm.counts and arm.status == "ok"
    ]
    steps = []
    if peaks:
        highest, record, _ = max(peaks, key=lambda item: item[0])
        steps.append(_fit_step(target, [arm for _, _, arm in peaks]))
        lowest, saving, arm = min(
            (each for each in peaks if each[1].case.question == record.case.question),
            key=lambda item: item[0],
        )
        if lowest < highest:
            steps.append(
                f"harness measure {shlex.quote(target)} --question {saving.case.question} --time 120\n"
                f"    ({visible(arm.arm)} saves most: {percent(1 - lowest / highest)} of the peak)"
            )
    if not has_page:
        steps.append(f"harness measure {shlex.quote(target)} --html page.html")
    return tuple(steps)


_FIT = 0.75  # of what a training step takes in all: what `harness fit` is asked to fit


def _fit_step(target: str, arms: Sequence[ArmResult]) -> str:
    """Return the command that makes training fit into less than the most that one of these arms takes."""
    most = max((arm.attribution.peak for arm in arms if arm.attribution is not None), default=0)
    if not most:
        return f"harness fit {shlex.quote(target)}"
    limit = quantity(_FIT * most, "B").replace(" ", "")
    return (
        f"harness fit {shlex.quote(target)} --in {limit}\n"
        f"    (training takes {quantity(most, 'B')} in all: parameters and optimizer state included)"
    )


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
