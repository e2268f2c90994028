"""What stands below the table of a case: how far to trust its times, and what is to be known of its arms."""

from collections.abc import Iterator, Mapping, Sequence

from harness.judge.contrasts import Contrast
from harness.judge.verdict import Judgement, Verdict
from harness.record.names import PART_TIMES, TIME
from harness.record.schema import ArmResult, Metric, Record
from harness.report.answer import answer_of
from harness.report.ranks import rank_lines
from harness.report.text import many, percent
from harness.report.units import quantity
from harness.report.witness import witness_line

_WHOLE = 0.9  # of a step's time, that its parts' times add up to at least where little interrupts it


def time_lines(record: Record, judged: Sequence[Contrast], floor: float) -> Iterator[str]:
    """Yield what the A/A control says, what is wrong with the times, and what is undecided."""
    unit = next((samples.unit_name for arm in record.arms for samples in arm.timings), "layout")
    for contrast in judged:
        if contrast.control and contrast.metric == judged[0].metric:
            judgement = contrast.judgement
            yield (
                f"A/A control ({contrast.arm} once more), {many(judgement.units, unit)}:"
                f" {_control_says(judgement, floor)}"
            )
    yield from _interruptions(judged)
    too_few = [
        contrast.judgement
        for contrast in judged
        if contrast.judgement.verdict is Verdict.UNDECIDED and contrast.judgement.low is None
    ]
    if too_few:
        needed = max(judgement.units_to_decide or 0 for judgement in too_few)
        yield f"undecided: at least {many(needed, unit)} would decide; give more time"


def _interruptions(judged: Sequence[Contrast]) -> Iterator[str]:
    """Yield a line where the parts of the reference's step take, in their medians, much less than it.

    What interrupts fewer than half of the calls of any one part may interrupt more than half of the steps.
    """
    times = {contrast.metric: contrast.value for contrast in judged if contrast.control}
    parts = [times[name] for name in PART_TIMES if name in times]
    if TIME in times and len(parts) > 1 and sum(parts) < _WHOLE * times[TIME]:
        yield (
            "most steps were interrupted in one of their parts: the parts' times add up to"
            f" {percent(sum(parts) / times[TIME])} of the whole;"
            " measure where less else runs (harness doctor)"
        )


def arm_lines(record: Record, metrics: Mapping[str, Metric]) -> tuple[str, ...]:
    """Return whether books balance, and what is to be known of each arm: failures, warnings, notes."""
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
