"""What `harness measure` prints: a record at a time, then what belongs to the whole run."""

import shlex
from collections.abc import Sequence

import msgspec

from harness.record.names import GRADIENT_BYTES, LASTING, PEAK
from harness.record.schema import ArmResult, Record, Run
from harness.report.attribution import memory_sentence, tree_lines
from harness.report.brief import peak_line, without_alike
from harness.report.headline import run_headline
from harness.report.inert import visible
from harness.report.study import curve_section, fit_line, is_curve, scaling_sections, text_of_table
from harness.report.tables import CaseTable, case_tables, case_text, environment_lines, times_text
from harness.report.text import percent, wrapped_text
from harness.report.units import quantity


def environment_text(run: Run, width: int = 80) -> str:
    """Return where a run is measured."""
    return wrapped_text("\n".join(environment_lines(run.environment)), width)


def record_text(run: Run, record: Record, width: int = 80, *, verbose: bool = False) -> str:
    """Return one record as text: its table, the sentence, and where its memory is.

    Args:
        run: that it belongs to.
        record: of one case.
        width: in characters.
        verbose: show all columns, and the memory by module.
    """
    run, table = _alone(run, record)
    if not verbose:
        table = without_alike(table)
    parts = [record.asks, case_text(table, width)]
    if is_curve(record):
        parts = [record.asks, text_of_table(curve_section(run, record)).rstrip(), *table.time_lines]
        parts += [line for line in table.lines if line.startswith("books")] + [""]
    reference = record.arm(record.reference)
    attribution = None if reference is None else reference.attribution
    told = [memory_sentence(record)]
    if reference is not None and not verbose:
        told.append(peak_line(reference))
    if any(told):
        parts += [*filter(None, told), ""]
    if reference is not None and attribution is not None and verbose:
        parts += [f"Where the memory of {reference.arm} is:", *tree_lines(attribution, width), ""]
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


def next_steps(run: Run, target: str, page: str = "") -> tuple[str, ...]:
    """Return what follows from a run: make it fit, look at it, and time what paid most.

    Args:
        run: what was measured.
        target: as it was named to the command line.
        page: the file of the page that was written; "" for none.
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
        question = saving.case.question
        if lowest < highest and any(record.case.question != question for record in run.records):
            steps.append(
                f"harness measure {shlex.quote(target)} --question {question} --time 120\n"
                f"    ({visible(arm.arm)} saves most: {percent(1 - lowest / highest)} of the peak)"
            )
    steps.append(f"look at {page}" if page else f"harness measure {shlex.quote(target)} --html page.html")
    return tuple(steps)


_FIT = 0.75  # of what a training step takes in all: what `harness fit` is asked to fit
_ROOM = 0.1  # of it, that a step needs at least beside what always lasts


def _fit_step(target: str, arms: Sequence[ArmResult]) -> str:
    """Return the command that makes training fit, with a limit where what lasts leaves room for one."""
    whole = [
        arm.attribution for arm in arms if arm.attribution is not None and arm.counts.get(GRADIENT_BYTES)
    ]
    if not whole:
        return f"harness fit {shlex.quote(target)}"
    most = max(whole, key=lambda attribution: attribution.peak)
    lasting = sum(share.bytes for share in most.shares if share.category in LASTING)
    has_room = _FIT * most.peak >= lasting + _ROOM * most.peak
    limit = f" --in {quantity(_FIT * most.peak, 'B').replace(' ', '')}" if has_room else ""
    return (
        f"harness fit {shlex.quote(target)}{limit}\n"
        f"    (training takes {quantity(most.peak, 'B')} in all: parameters and optimizer state included)"
    )


def headline_text(run: Run, width: int = 80) -> str:
    """Return what a run found, in a sentence or two."""
    return wrapped_text(visible(run_headline(run)), width)


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
    parts = [headline_text(run, width), "", *(record_text(run, record, width) for record in run.records)]
    parts += [closing_text(run, width), environment_text(run, width), wrapped_text(took_line(run), width)]
    return "\n".join(parts)
