"""Resident memory as memory_profiler sampled it, beside the exact bytes: a witness, not exact."""

from collections.abc import Sequence

from harness.record.names import PEAK
from harness.record.schema import ArmResult
from harness.report.text import many, percent
from harness.report.units import quantity

WITNESS_HEADERS = ("arm", "after", "resident above the start", "of the exact peak")
_ROWS = 10  # of an arm; a step of 0.1 s has a hundred samples

Sample = tuple[float, float]  # seconds from the start of the step, bytes above what was resident then


def witness_line(arm: ArmResult) -> str:
    """Return what was sampled of an arm in one line, with the exact peak; "" where nothing was sampled."""
    if not arm.timeline:
        return ""
    last, highest = arm.timeline[-1][0], max(resident for _, resident in arm.timeline)
    exact = f"; exact peak {quantity(arm.counts[PEAK], 'B')}" if PEAK in arm.counts else ""
    return (
        f"{arm.arm}, sampled by memory_profiler (a witness, not exact): {many(len(arm.timeline), 'sample')}"
        f" over {quantity(last, 's')}, highest {quantity(highest, 'B')} resident above the start{exact}"
    )


def witness_rows(arm: ArmResult) -> tuple[tuple[str, ...], ...]:
    """Return the samples of an arm under `WITNESS_HEADERS`; of many, evenly spaced ones and the highest."""
    peak = arm.counts.get(PEAK)
    return tuple(
        (
            arm.arm,
            quantity(seconds, "s"),
            quantity(resident, "B"),
            percent(resident / peak) if peak else "-",
        )
        for seconds, resident in thinned_samples(arm.timeline)
    )


def thinned_samples(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """Return at most ten samples and the highest one, in order of time; the first and the last are in it.

    >>> thinned_samples([(float(number), -float(number)) for number in range(19)])[-2:]
    ((16.0, -16.0), (18.0, -18.0))
    """
    if not samples:
        return ()
    step = max(1.0, (len(samples) - 1) / (_ROWS - 1))
    numbers = {round(number * step) for number in range(min(_ROWS, len(samples)))}
    numbers.add(max(range(len(samples)), key=lambda number: samples[number][1]))
    return tuple(samples[number] for number in sorted(numbers))
