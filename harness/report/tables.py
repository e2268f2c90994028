"""Comparison tables: a case at a time, for a terminal or in markdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.judge.contrasts import Contrast, contrasts
from harness.judge.noise import scatter_of_run
from harness.judge.verdict import Judgement, Verdict
from harness.record.schema import ArmResult, Environment, Metric, Record, Run
from harness.report.answer import answer_of
from harness.report.inert import code, markdown
from harness.report.ranks import rank_lines
from harness.report.text import many, markdown_table, percent, tables_in_width, text_table, width_of
from harness.report.units import quantity, ratio, two_digits, whole
from harness.report.witness import WITNESS_HEADERS, witness_line, witness_rows


@dataclass(frozen=True, slots=True)
class CaseTable:
    """One case as text: a title, one table, and the lines below it."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[str, ...]  # of the exact numbers, and of what is to be known of an arm
    groups: tuple[tuple[str, ...], ...]  # rows of the parameter groups, where there are any
    witnessed: tuple[tuple[str, ...], ...] = ()  # rows of sampled resident memory, where it was sampled
    time_lines: tuple[str, ...] = ()  # of the times: the control, and what is undecided


GROUP_HEADERS = ("arm", "group", "weight decay", "tensors", "parameters", "state")
TIME_COLUMNS = 4  # arm, time, ratio with interval, verdict


def environment_lines(environment: Environment) -> tuple[str, ...]:
    """Return the environment in two lines."""
    threads = many(environment.threads, "thread")
    packages = "".join(f", {name} {version}" for name, version in environment.packages.items())
    world = environment.world
    ranks = f"; {world.ranks} ranks ({world.backend}) on {', '.join(world.nodes)}" if world else ""
    return (
        (
            f"torch {environment.torch} ({environment.build}), Python {environment.python}{packages}; "
            f"{threads}, {environment.cpu_capability}{ranks}"
        ),
        (
            f"{environment.device}; {environment.platform}; load {environment.load} at the start; "
            f"commit {environment.commit or 'unknown'}; {environment.started}"
        ),
    )


def header_lines(run: Run) -> tuple[str, ...]:
    """Return where a run was measured, and how noisy that place was."""
    noise = scatter_of_run(run)
    scattered = (
        ()
        if noise is None
        else (f"a round scatters by {two_digits(100 * noise)} %, in the median of the A/A controls",)
    )
    return (*environment_lines(run.environment), *scattered)


def case_tables(run: Run) -> tuple[CaseTable, ...]:
    """Return the table of every case of a run, in its order."""
    metrics = {metric.name: metric for metric in run.metrics}
    judged = contrasts(run)
    return tuple(_case_table(record, judged[record.case.id], metrics, run.floor) for record in run.records)


def _case_table(
    record: Record, judged: Sequence[Contrast], metrics: Mapping[str, Metric], floor: float
) -> CaseTable:
    case = record.case
    title = case.title
    columns = columns_of(record, metrics)
    rows: list[tuple[str, ...]] = []
    for arm in record.arms:
        rows.extend(
            _rows(arm, [contrast for contrast in judged if contrast.arm == arm.arm], columns, metrics, floor)
        )
    groups = tuple(
        (
            arm.arm,
            group.name,
            f"{group.weight_decay:g}",
            f"{group.tensors:,}",
            f"{group.parameters:,}",
            quantity(group.state_bytes, "B"),
        )
        for arm in record.arms
        if len(arm.groups) <= _MOST_GROUPS
        for group in arm.groups
    )
    timed = next((metric.name for metric in metrics.values() if metric.kind == "noisy"), "-")
    headers = ("arm", timed, "ratio", "verdict", *columns)
    witnessed = tuple(row for arm in record.arms for row in witness_rows(arm))
    if not judged:  # nothing was timed
        headers, rows = (headers[0], *columns), [(row[0], *row[TIME_COLUMNS:]) for row in rows]
    return CaseTable(
        title,
        headers,
        tuple(rows),
        _lines(record, metrics),
        groups,
        witnessed,
        tuple(_time_lines(record, judged, floor)),
    )


def columns_of(record: Record, metrics: Mapping[str, Metric]) -> tuple[str, ...]:
    """Return the exact metrics that a record's table shows.

    First come those that its question lists, in that order, then those that say of themselves that they
    belong in every table; a metric that no arm has is left out.
    """
    everywhere = (metric.name for metric in metrics.values() if metric.kind == "exact" and metric.everywhere)
    names = dict.fromkeys((*record.columns, *everywhere))
    return tuple(name for name in names if any(name in {**arm.counts, **arm.varies} for arm in record.arms))


def all_exact(record: Record, metrics: Mapping[str, Metric]) -> tuple[tuple[str, ...], ...]:
    """Return every exact metric of a record, its name and each arm's value, but those that are 0 in all."""
    return tuple(
        (metric.name, *(_exact_cell(arm, metric) for arm in record.arms))
        for metric in metrics.values()
        if metric.kind == "exact"
        and any(arm.counts.get(metric.name) or metric.name in arm.varies for arm in record.arms)
    )


def _exact_cell(arm: ArmResult, metric: Metric) -> str:
    if metric.name in arm.varies:
        low, high = arm.varies[metric.name]
        return f"{whole(low, metric.unit)} to {whole(high, metric.unit)}"
    return whole(arm.counts.get(metric.name), metric.unit)


_MOST_GROUPS = 4  # an arm with more has one for each parameter, which is said by its name


def _rows(
    arm: ArmResult,
    judged: Sequence[Contrast],
    columns: Sequence[str],
    metrics: Mapping[str, Metric],
    floor: float,
) -> list[tuple[str, ...]]:
    if arm.status != "ok":
        return [(arm.arm, "-", "-", arm.status, *("-" for _ in columns))]
    exact = tuple(_value(arm, metrics[name]) for name in columns)
    if not judged:
        return [(arm.arm, "-", "-", "-", *exact)]
    rows = []
    for index, contrast in enumerate(judged):
        name = arm.arm if index == 0 else f". {contrast.metric}"
        time = quantity(contrast.value, metrics[contrast.metric].unit)
        compared = (
            ("1", "reference")
            if contrast.control
            else (ratio(contrast.judgement.ratio), answer_of(contrast.judgement, floor))
        )
        rows.append((name, time, *compared, *(exact if index == 0 else ("",) * len(exact))))
    return rows


def _value(arm: ArmResult, metric: Metric) -> str:
    """Return an exact number of an arm; a range where it varies from call to call."""
    if metric.name in arm.varies:
        low, high = arm.varies[metric.name]
        return f"{quantity(low, metric.unit)} to {quantity(high, metric.unit)}"
    return quantity(arm.counts[metric.name], metric.unit) if metric.name in arm.counts else "-"


def _time_lines(record: Record, judged: Sequence[Contrast], floor: float) -> Iterator[str]:
    unit = next((samples.unit_name for arm in record.arms for samples in arm.timings), "layout")
    for contrast in judged:
        if contrast.control and contrast.metric == judged[0].metric:
            judgement = contrast.judgement
            yield (
                f"A/A control ({contrast.arm} once more), {many(judgement.units, unit)}:"
                f" {_control_says(judgement, floor)}"
            )
    too_few = [
        contrast.judgement
        for contrast in judged
        if contrast.judgement.verdict is Verdict.UNDECIDED and contrast.judgement.low is None
    ]
    if too_few:
        needed = max(judgement.units_to_decide or 0 for judgement in too_few)
        yield f"undecided: at least {many(needed, unit)} would decide; give more time"


def _lines(record: Record, metrics: Mapping[str, Metric]) -> tuple[str, ...]:
    lines = _books(record)
    common = _said_of_all(record)
    lines.extend(common)
    for arm in record.arms:
        if arm.status != "ok":
            lines.append(f"{arm.arm} {arm.status}: {arm.reason}")
        lines.extend(f"{arm.arm}: {name} is not available: {why}" for name, why in arm.unavailable.items())
        lines.extend(
            f"{arm.arm}: {said}"
            for said in (*arm.warnings, *(note for note in arm.notes if note not in common))
        )
        lines.extend(rank_lines(arm))
        lines.extend(_witnesses(arm, metrics))
        lines.extend(line for line in [witness_line(arm)] if line)
        lines.extend(
            f"{arm.arm}: {block.bytes:,} B held by {block.operator or 'no operator'}"
            f" in {block.module or 'the model itself'}, unaccounted for"
            for block in arm.blocks
        )
    return tuple(lines)


def _said_of_all(record: Record) -> tuple[str, ...]:
    """Return the notes that all arms have which were timed and have notes, where there are several."""
    noted = [arm.notes for arm in record.arms if arm.status == "ok" and arm.timings and arm.notes]
    if len(noted) < 2:  # noqa: PLR2004 (a note of one arm says which)
        return ()
    return tuple(note for note in dict.fromkeys(noted[0]) if all(note in notes for notes in noted))


def _witnesses(arm: ArmResult, metrics: Mapping[str, Metric]) -> list[str]:
    witnesses = [metrics[name] for name in arm.counts if metrics[name].kind == "witness"]
    if len(witnesses) == 1:
        value = quantity(arm.counts[witnesses[0].name], witnesses[0].unit)
        return [f"{arm.arm}, {witnesses[0].meaning} (a witness, not exact): {value}"]
    values = ", ".join(
        f"{metric.name} {quantity(arm.counts[metric.name], metric.unit)}" for metric in witnesses
    )
    return [f"{arm.arm}, witnesses, not exact: {values}"] if witnesses else []


def _control_says(judgement: Judgement, floor: float) -> str:
    if judgement.verdict in (Verdict.BETTER, Verdict.WORSE):
        return f"{answer_of(judgement, floor)} where nothing differs, so distrust what is smaller here"
    return answer_of(judgement, floor)


def _books(record: Record) -> list[str]:
    open_books = [
        (arm.arm, arm.books.unaccounted) for arm in record.arms if arm.books and arm.books.unaccounted
    ]
    if open_books:
        return [f"books do not balance: {arm} leaves {rest:+,} B unaccounted" for arm, rest in open_books]
    return ["books balance: 0 B unaccounted"] if any(arm.books for arm in record.arms) else []


def case_text(table: CaseTable, width: int = 80) -> str:
    """Return a case as plain text; what is too wide for the terminal is split in two tables."""
    whole = text_table(table.headers, table.rows)
    parts = [table.title, whole]
    if width_of(whole) > width and not is_timed(table):
        parts = [table.title, *tables_in_width(table.headers, table.rows, width)]
    elif width_of(whole) > width:
        times = [row[:TIME_COLUMNS] for row in table.rows]
        exact = [(row[0], *row[TIME_COLUMNS:]) for row in table.rows if any(row[TIME_COLUMNS:])]
        parts = [
            table.title,
            text_table(table.headers[:TIME_COLUMNS], times),
        ]
        if exact:
            headers = (table.headers[0], *table.headers[TIME_COLUMNS:])
            parts += tables_in_width(headers, exact, width)
    return "\n".join([*parts, *table.time_lines, *table.lines, ""])


def times_text(table: CaseTable) -> str:
    """Return the times of a case alone as plain text; "" where nothing was timed."""
    if not is_timed(table):
        return ""
    rows = [row[:TIME_COLUMNS] for row in table.rows]
    return "\n".join([table.title, text_table(table.headers[:TIME_COLUMNS], rows), *table.time_lines, ""])


def is_timed(table: CaseTable) -> bool:
    """Return whether a table has times."""
    return "ratio" in table.headers


def share_inside_samples(run: Run) -> float | None:
    """Return which share of the timing passes was spent in the timed calls; None where nothing was timed."""
    timed = [arm.timings[0] for record in run.records for arm in record.arms if arm.timings]
    whole = sum(samples.pass_s for samples in timed)
    return sum(samples.measured_s for samples in timed) / whole if whole else None


def question_pages(run: Run) -> dict[str, str]:
    """Return the markdown page of every question of a run."""
    questions = dict.fromkeys(record.case.question for record in run.records)
    return {question: question_page(run, question) for question in questions}


def question_page(run: Run, question: str) -> str:
    """Return the page of one question: the environment, and every case's table."""
    sections = [
        (record, table)
        for record, table in zip(run.records, case_tables(run), strict=True)
        if record.case.question == question
    ]
    lines = [f"# {markdown(sections[0][0].asks)}", ""]
    lines += [f"{markdown(line)}  " for line in header_lines(run)]
    lines += [
        (
            f"Measured by {code(run.command)}. A ratio is an arm's time over its reference's, the median over"
            " rounds, and the time of an arm is that of its reference times the ratio. The intervals in"
            " brackets hold at once for all arms of a case, at 99 %; differences within"
            f" {percent(run.floor, '.1%')} count as equal."
        ),
        "",
    ]
    for _, table in sections:
        lines += [f"## {markdown(table.title)}", "", markdown_table(table.headers, table.rows), ""]
        lines += [f"- {markdown(line)}" for line in (*table.time_lines, *table.lines)]
        if table.groups:
            lines += ["", markdown_table(GROUP_HEADERS, table.groups)]
        if table.witnessed:
            lines += ["", markdown_table(WITNESS_HEADERS, table.witnessed)]
        lines.append("")
    return "\n".join(lines)
