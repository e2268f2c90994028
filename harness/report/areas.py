"""What each arm holds over a step as stacked areas, an SVG element an arm, all on the same axes.

They are written by hand: whole coordinates and steps of one letter take a tenth of what a plotting library
writes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape
from matplotlib.ticker import MaxNLocator

from harness.record.names import PEAK, TIME
from harness.record.schema import ArmResult, Record
from harness.report.holders import ALL, OUTSIDE_OF_MODULES, Moments, all_moments
from harness.report.units import axis, quantity

_WIDTH, _HEIGHT = 360, 230  # of an element, in its own units
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 18, 40  # of the axes, from its edges
_ACROSS, _DOWN = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
_LETTER = 6.2  # units, the width of one at the size of a label
_COLOURS = 14  # of the style sheet, for modules; the next are for what is in no module


@dataclass(frozen=True, slots=True)
class ArmAreas:
    """One arm: its name and peak, and its picture."""

    title: str
    svg: Markup


@dataclass(frozen=True, slots=True)
class Areas:
    """The arms of a case side by side.

    Attributes:
        panels: one an arm.
        legend: class of the style sheet and name of each band, the highest first.
        caption: says what the axes are.
    """

    panels: tuple[ArmAreas, ...]
    legend: tuple[tuple[str, str], ...]
    caption: str


@dataclass(frozen=True, slots=True)
class _Axes:
    """What all panels have in common: the largest time, in seconds or as a share, and the levels."""

    longest: float
    unit: str  # of time: "s", or "" for a share of the step
    lowest: float
    highest: float

    def x(self, time: float) -> int:
        """Return where a time is, from the left."""
        return round(_LEFT + _ACROSS * time / self.longest)

    def y(self, level: float) -> int:
        """Return where a level is, from the top."""
        return round(_TOP + _DOWN * (self.highest - level) / (self.highest - self.lowest))


def areas(record: Record, seconds: Mapping[tuple[str, str], float], most: int) -> Areas | None:
    """Return the memory of a step of each arm; None where the record holds none.

    The time that the profiler takes is left out: a step under it is drawn as long as the step that was
    measured without it, or as a share of itself where no step was measured.

    Args:
        record: of a case.
        seconds: of all arms that were timed, by arm and metric.
        most: arms that are drawn.
    """
    arms = [arm for arm in record.arms if arm.allocated is not None and arm.allocated.marks][:most]
    if not arms:
        return None
    each = all_moments([arm.allocated for arm in arms if arm.allocated is not None])
    timed = all(seconds.get((arm.arm, TIME), 0.0) > 0 for arm in arms)
    steps = [seconds[arm.arm, TIME] if timed else 1.0 for arm in arms]
    lowest = min(0, *(sum(row) for one in each for row in one.levels))
    highest = max(1, *(one.highest for one in each))
    axes = _Axes(max(steps), "s" if timed else "", lowest, highest * 1.04)
    panels = tuple(
        ArmAreas(_title(arm, step if timed else None), _picture(one, step, axes))
        for arm, one, step in zip(arms, each, steps, strict=True)
    )
    names = each[0].names
    legend = tuple((_colour(names, name), name) for name in reversed(names)) if names != (ALL,) else ()
    return Areas(panels, legend, _caption(timed=timed, by_holder=bool(legend)))


def _caption(*, timed: bool, by_holder: bool) -> str:
    time = (
        "The time axis is that of the step as it was timed, without the profiler; inside it, things are"
        " where they were under the profiler."
        if timed
        else "No step was timed here, so the time axis is a share of each step, as it ran under the profiler."
    )
    who = (
        "Bytes above the step's start, stacked: what stays after the forward pass by the module that made it."
        if by_holder
        else "Bytes above the step's start. Which block holds them is not in this record; a new measurement"
        " keeps it."
    )
    return f"{who} {time}"


def _title(arm: ArmResult, step: float | None) -> str:
    peak = f"peak {quantity(arm.counts[PEAK], 'B')}" if PEAK in arm.counts else "peak varies"
    return f"{arm.arm}: {peak}" + ("" if step is None else f", {quantity(step, 's')}")


def _colour(names: Sequence[str], name: str) -> str:
    if name in OUTSIDE_OF_MODULES:
        return f"a{_COLOURS + OUTSIDE_OF_MODULES.index(name)}"
    return f"a{names.index(name) % _COLOURS}"


def _picture(one: Moments, step: float, axes: _Axes) -> Markup:
    inside = "".join((*_levels(axes), *_bands(one, step, axes), *_parts(one, step, axes), *_times(axes)))
    label = escape(f"stacked bytes of {', '.join(one.names)}")
    return Markup(  # noqa: S704 (numbers, and names that are escaped)
        f'<svg class="areas" role="img" aria-label="{label}" viewBox="0 0 {_WIDTH} {_HEIGHT}">{inside}</svg>'
    )


def _levels(axes: _Axes) -> Iterator[str]:
    scale, unit = axis(max(axes.highest, -axes.lowest), "B")
    for level in _ticks(axes.lowest / scale, axes.highest / scale):
        if axes.lowest <= level * scale <= axes.highest:
            y = axes.y(level * scale)
            yield f'<path class="rule" d="M{_LEFT} {y}h{_ACROSS}"/>'
            yield f'<text x="{_LEFT - 5}" y="{y + 4}" text-anchor="end">{level:g}</text>'
    yield f'<text x="0" y="11">{unit}</text>'


def _bands(one: Moments, step: float, axes: _Axes) -> Iterator[str]:
    """Yield the areas, the highest first: each goes down to zero, and the next one covers it."""
    zero = axes.y(0)
    for number in reversed(range(len(one.names))):
        heights = [axes.y(sum(row[: number + 1])) for row in one.levels]
        if any(row[number] for row in one.levels):
            places = [axes.x(time * step) for time in one.times]
            name = one.names[number]
            line = f"M{places[0]} {zero}{_steps(places, heights, zero)}z"
            colour = _colour(one.names, name)
            yield f'<path class="{colour}" d="{line}"><title>{escape(name)}</title></path>'


def _steps(places: Sequence[int], heights: Sequence[int], zero: int) -> str:
    """Return a line of steps as moves across and up or down; of those in one place the highest stays."""
    columns: dict[int, list[int]] = {}
    for place, height in zip(places, heights, strict=True):
        columns.setdefault(place, []).append(height)
    moves, x, y = "", places[0], zero
    for place, met in columns.items():
        moves += f"h{place - x}" if place != x else ""
        for height in (min(met), met[-1]):
            moves += f"v{height - y}" if height != y else ""
            y = height
        x = place
    return f"{moves}V{zero}"


def _parts(one: Moments, step: float, axes: _Axes) -> Iterator[str]:
    """Yield a mark where each part begins, with its name where there is room for it."""
    ends = [*(begin for begin, _ in one.parts[1:]), 1.0]
    free = 0
    for (begin, part), end in zip(one.parts, ends, strict=False):
        x = axes.x(begin * step)
        width = round(_LETTER * len(part))
        yield f'<path class="mark" d="M{x} {_TOP}v{_DOWN}"/>' if begin else ""
        if x >= free and (x + width <= axes.x(end * step) + _LETTER or part == one.parts[-1][1]):
            left = min(x + 3, _WIDTH - width)
            yield f'<text x="{left}" y="{_TOP - 4}">{escape(part)}</text>'
            free = left + width


def _times(axes: _Axes) -> Iterator[str]:
    scale, unit = axis(axes.longest, "s") if axes.unit else (0.01, "%")
    y = _TOP + _DOWN
    yield f'<path class="line" d="M{_LEFT} {_TOP}v{_DOWN}h{_ACROSS}"/>'
    for time in _ticks(0, axes.longest / scale):
        if time * scale <= axes.longest * 1.001:
            x = axes.x(time * scale)
            yield f'<path class="line" d="M{x} {y}v4"/>'
            yield f'<text x="{x}" y="{y + 17}" text-anchor="middle">{time:g}</text>'
    said = f"{unit} of a step" if axes.unit else "% of the step"
    yield f'<text x="{_LEFT + _ACROSS / 2:.0f}" y="{_HEIGHT - 5}" text-anchor="middle">{said}</text>'


def _ticks(low: float, high: float) -> list[float]:
    return [float(tick) for tick in MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)]
