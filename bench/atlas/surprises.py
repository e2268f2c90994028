"""The cases of the atlas that one would not expect, each with the reason that its record gives."""

import shlex
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from bench.atlas.facts import Fact, fact_of, facts
from bench.atlas.record import Chart, Reading
from harness.record.spared import why_nothing_is_spared
from harness.report.text import many, percent
from harness.report.units import quantity, two_digits

MOST = 10
_ODD = 4.0  # times the median, or that part of it: less is no surprise
_TWO_MODES = 1.5  # times as much in one mode as in the other


@dataclass(frozen=True, slots=True)
class Surprise:
    """One case: what is odd about it, why, and what makes it again."""

    chart: Chart
    what: str
    why: str

    @property
    def again(self) -> str:
        """The command that charts it alone, into files of its own."""
        family, name = (shlex.quote(part) for part in (self.chart.subject.family, self.chart.subject.name))
        return (
            f"python -m bench.atlas --family {family} --only {name} --json surprise.json"
            " --markdown surprise.md"
        )


def surprises(charts: Sequence[Chart]) -> tuple[Surprise, ...]:
    """Return the most surprising cases: the first of each kind, then the second of each, and so on.

    Of architectures with the same numbers in all, one is told.
    """
    train = tuple(facts(charts, "train"))
    kinds = [list(kind(train)) for kind in _BY_PASS] + [list(_in_two_modes(train)), list(_unbalanced(charts))]
    told: dict[tuple[int, ...] | str, Surprise] = {}
    names: set[str] = set()
    for surprise in (each for row in zip_longest(*kinds) for each in row if each is not None):
        fact = fact_of(surprise.chart, "train")
        key = fact.numbers if fact else surprise.chart.subject.name
        if key not in told and surprise.chart.subject.name not in names:
            told[key] = surprise
            names.add(surprise.chart.subject.name)
    return tuple(told.values())[:MOST]


def _spares_nothing(train: Sequence[Fact]) -> Iterator[Surprise]:
    for fact in sorted(train, key=lambda fact: -fact.reading.retained):
        if fact.spared <= 0 < fact.reading.retained:
            yield Surprise(
                fact.chart,
                f"no_grad spares nothing of the {quantity(fact.reading.retained, 'B')} that a pass holds",
                _why_nothing(fact.reading),
            )


def _why_nothing(reading: Reading) -> str:
    said = next((note for note in reading.notes if note.startswith("no_grad saves nothing")), "")
    return said.partition(": ")[2] or why_nothing_is_spared(reading.nodes, reading.saved, 0)


def _spares_little(train: Sequence[Fact]) -> Iterator[Surprise]:
    usual = _median(1 - fact.share for fact in train)
    for fact in sorted(train, key=lambda fact: fact.share):
        held = fact.reading.retained_no_grad
        if 0 < fact.share < 1 - _ODD * usual and held is not None:
            yield Surprise(
                fact.chart,
                f"no_grad spares {percent(fact.share, '.1%')} of what a pass holds; the median is"
                f" {percent(1 - usual, '.1%')}",
                f"{quantity(held, 'B')} of {quantity(fact.reading.retained, 'B')} are there without a graph"
                " too: what the pass returns, and what the model keeps",
            )


def _much_for_its_parameters(train: Sequence[Fact]) -> Iterator[Surprise]:
    usual = _median(fact.times_parameters for fact in train)
    for fact in sorted(train, key=lambda fact: -fact.times_parameters):
        if fact.times_parameters > _ODD * usual:
            yield _against_parameters(fact, usual)


def _little_for_its_parameters(train: Sequence[Fact]) -> Iterator[Surprise]:
    usual = _median(fact.times_parameters for fact in train)
    for fact in sorted(train, key=lambda fact: fact.times_parameters):
        if 0 < fact.times_parameters < usual / _ODD:
            yield _against_parameters(fact, usual)


def _against_parameters(fact: Fact, usual: float) -> Surprise:
    return Surprise(
        fact.chart,
        f"the graph keeps {two_digits(fact.times_parameters)} bytes for a byte of parameters; the median is"
        f" {two_digits(usual)}",
        f"{quantity(fact.reading.saved, 'B')} are saved by {many(fact.reading.nodes, 'node')} for"
        f" {quantity(fact.chart.size, 'B')} of parameters, on {_inputs(fact.chart)}",
    )


def _peak_above_held(train: Sequence[Fact]) -> Iterator[Surprise]:
    compared = [fact for fact in train if fact.spared > 0]
    usual = _median(fact.times_held for fact in compared)
    for fact in sorted(compared, key=lambda fact: -fact.times_held):
        if fact.times_held > _ODD * usual:
            gone = fact.reading.peak - fact.reading.retained
            yield Surprise(
                fact.chart,
                f"a pass needs {two_digits(fact.times_held)} times what it holds in the end; the median is"
                f" {two_digits(usual)}",
                f"of {quantity(fact.reading.peak, 'B')} at its peak, {quantity(gone, 'B')} are gone when it"
                " returns: temporaries, which do not wait for backward",
            )


def _median(values: Iterable[float]) -> float:
    return statistics.median([*values] or [0.0])


_BY_PASS: tuple[Callable[[Sequence[Fact]], Iterator[Surprise]], ...] = (
    _spares_nothing,
    _spares_little,
    _much_for_its_parameters,
    _little_for_its_parameters,
    _peak_above_held,
)


def _in_two_modes(train: Sequence[Fact]) -> Iterator[Surprise]:
    pairs = [(fact, other) for fact in train if (other := fact_of(fact.chart, "eval")) is not None]
    compared = [(fact, other) for fact, other in pairs if fact.spared > 0 and other.spared > 0]
    for fact, other in sorted(compared, key=lambda pair: -_factor(*pair)):
        more, less = (fact, other) if fact.spared > other.spared else (other, fact)
        if _factor(fact, other) > _TWO_MODES:
            yield Surprise(
                fact.chart,
                f"no_grad spares {two_digits(_factor(fact, other))} times as much in {more.reading.mode} mode"
                f" as in {less.reading.mode} mode",
                f"{quantity(more.spared, 'B')} by {many(more.reading.nodes, 'node')} against"
                f" {quantity(less.spared, 'B')} by {many(less.reading.nodes, 'node')}: the two modes do"
                " different work",
            )


def _factor(fact: Fact, other: Fact) -> float:
    return max(fact.spared / other.spared, other.spared / fact.spared)


def _unbalanced(charts: Sequence[Chart]) -> Iterator[Surprise]:
    read = [(chart, reading) for chart in charts for reading in chart.readings]
    for chart, reading in sorted(read, key=lambda pair: -(pair[1].leaked + abs(pair[1].unaccounted or 0))):
        said = "; ".join(reading.notes) or "the record does not say more"
        if reading.leaked:
            yield Surprise(
                chart, f"each call leaves {reading.leaked:,} B behind, in {reading.mode} mode", said
            )
        elif reading.unaccounted:
            yield Surprise(chart, f"the books leave {reading.unaccounted:+,} B, in {reading.mode} mode", said)


def _inputs(chart: Chart) -> str:
    """Return the inputs' shapes: "input_ids 2 x 7, pixel_values 2 x 3 x 64 x 64"."""
    shapes = [f"{name} {' x '.join(map(str, shape)) or 'one number'}" for name, shape in chart.inputs.items()]
    return ", ".join(shapes) or "inputs whose shapes are not in the record"
