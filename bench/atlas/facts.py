"""What a chart says in numbers that can be compared: shares of bytes, and what freezing does."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bench.atlas.record import Chart, Mode, Reading
from harness.judge.knee import knee


@dataclass(frozen=True, slots=True)
class Fact:
    """One pass of one architecture whose bytes are the same in every call and were held against no_grad."""

    chart: Chart
    reading: Reading
    spared: int  # bytes

    @property
    def share(self) -> float:
        """What no_grad spares, of what is held when the pass has returned; 0 where nothing is held."""
        return self.spared / self.reading.retained if self.reading.retained else 0.0

    @property
    def times_without(self) -> float:
        """How many times as much is held as under no_grad; 0 where nothing is held there."""
        without = self.reading.retained_no_grad
        return self.reading.retained / without if without else 0.0

    @property
    def times_parameters(self) -> float:
        """Bytes that the graph saves for a byte of parameters; 0 where there are none."""
        return self.reading.saved / self.chart.size if self.chart.size else 0.0

    @property
    def times_held(self) -> float:
        """The peak over what is held in the end; 0 where nothing is held."""
        return self.reading.peak / self.reading.retained if self.reading.retained else 0.0

    @property
    def numbers(self) -> tuple[int, ...]:
        """What two architectures share that differ in their names alone."""
        read = self.reading
        return (self.chart.size, read.peak, read.retained, self.spared, read.nodes, read.operators)


def facts(charts: Iterable[Chart], mode: Mode) -> Iterator[Fact]:
    """Yield the passes of one mode that can be compared."""
    for chart in charts:
        fact = fact_of(chart, mode)
        if fact is not None:
            yield fact


def fact_of(chart: Chart, mode: Mode) -> Fact | None:
    """Return a chart's pass in a mode; None where it has none, varies, or does not run under no_grad."""
    for reading in chart.readings:
        if reading.mode == mode and not reading.reason and not reading.varies and reading.spared is not None:
            return Fact(chart, reading, reading.spared)
    return None


def trunk_bytes(chart: Chart) -> int | None:
    """Return what a pass saves less when all blocks are frozen; None where no curve was taken."""
    return chart.curve[0] - chart.curve[-1] if chart.curve else None


def knee_of(chart: Chart) -> str:
    """Return after how many frozen blocks more pay less, as "2 of 12"; "even" where all pay alike.

    >>> from bench.atlas.record import Subject
    >>> knee_of(Chart(subject=Subject("timm", "x"), curve=(100, 40, 30, 20, 10)))
    '1 of 4'
    """
    if not chart.curve:
        return "-"  # none was taken
    if chart.curve[-1] >= chart.curve[0]:
        return "saves nothing"
    bend = knee(range(len(chart.curve)), chart.curve)
    return "even" if bend is None else f"{bend} of {len(chart.curve) - 1}"
