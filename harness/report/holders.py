"""Who holds the memory of a step over its time: the levels of a timeline, divided among a few holders."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.record.names import BEFORE, GRADIENTS, OPTIMIZER, TEMPORARIES
from harness.record.schema import Allocated
from harness.report.attribution import block_of

ALL = "allocated"
OUTSIDE = "other modules"
WHOLE = "the model itself"
_MOST_BLOCKS = 6  # bands that an eye tells apart; blocks side by side share one where there are more
_MOST_MODULES = 7  # of blocks and what is outside of them, together
_FEWEST_OUTSIDE = 2
_NO_MODULE = {  # in the order in which they lie on top of the modules
    holder: holder.strip("()") for holder in (BEFORE, GRADIENTS, OPTIMIZER, TEMPORARIES)
}
OUTSIDE_OF_MODULES = tuple(_NO_MODULE.values())
_MOST_MOMENTS = 240  # of a picture; more are thinner than a line


@dataclass(frozen=True, slots=True)
class Moments:
    """A timeline as it is drawn.

    Attributes:
        names: of the holders, the first of them the lowest.
        times: as shares of the step's time.
        levels: bytes above the step's start, `levels[moment][holder]`; a row adds up to the level then.
        parts: where the parts of the step begin, as shares of its time, with their names.
    """

    names: tuple[str, ...]
    times: tuple[float, ...]
    levels: tuple[tuple[int, ...], ...]
    parts: tuple[tuple[float, str], ...]

    @property
    def highest(self) -> int:
        """The highest level, in bytes."""
        return max((sum(row) for row in self.levels), default=0)


def has_holders(line: Allocated) -> bool:
    """Tell whether a timeline says of its bytes who holds them."""
    return bool(line.holders) and len(line.of) == len(line.levels)


def all_moments(lines: Sequence[Allocated]) -> tuple[Moments, ...]:
    """Return timelines by their holders, which have the same names in all of them.

    They are thinned: of each stretch its highest and its lowest level stay. Where one of them does not say
    who holds its bytes, there is one holder in all.
    """
    holders = dict.fromkeys(name for line in lines for name in line.holders)
    bands = _bands(tuple(holders)) if all(map(has_holders, lines)) else {}
    return tuple(_moments(line, bands) for line in lines)


def _moments(line: Allocated, bands: Mapping[str, str]) -> Moments:
    whole = line.marks[-1] or 1.0
    names = tuple(dict.fromkeys(bands.values())) or (ALL,)
    place = {name: number for number, name in enumerate(names)}
    of = [place[bands[line.holders[each]]] for each in line.of] if bands else [0] * len(line.levels)
    rows: list[tuple[int, ...]] = [(0,) * len(names)]
    now, before = [0] * len(names), 0
    for holder, level in zip(of, line.levels, strict=True):
        now[holder] += level - before
        before = level
        rows.append(tuple(now))
    times = [0.0, *line.times, line.marks[-1]]
    rows.append(rows[-1])
    chosen = thinned([sum(row) for row in rows], _MOST_MOMENTS)
    return Moments(
        names,
        tuple(times[index] / whole for index in chosen),
        tuple(rows[index] for index in chosen),
        tuple((mark / whole, part) for mark, part in zip(line.marks, line.parts, strict=False)),
    )


def thinned(levels: Sequence[int], most: int) -> list[int]:
    """Return about `most` places of a row of levels: both ends, and of each stretch the extremes."""
    if len(levels) <= most:
        return list(range(len(levels)))
    width = -(-2 * len(levels) // most)
    shown = {0, len(levels) - 1}
    for first in range(0, len(levels), width):
        stretch = range(first, min(first + width, len(levels)))
        shown |= {max(stretch, key=levels.__getitem__), min(stretch, key=levels.__getitem__)}
    return sorted(shown)


def _bands(holders: Sequence[str]) -> dict[str, str]:
    """Return the band of each holder, from the lowest to the highest.

    The blocks of a model are bands of their own, neighbours together where there are many; modules outside
    of them have theirs by as much of their paths as there is room for.
    """
    rows: dict[str, set[int]] = defaultdict(set)
    for prefix, number in map(block_of, holders):
        if number is not None:
            rows[prefix].add(number)
    width = _width([len(row) for row in rows.values()])
    named = {holder: _block_name(holder, rows, width) for holder in holders}
    outside = [holder for holder, name in named.items() if not name and holder not in _NO_MODULE]
    room = max(_FEWEST_OUTSIDE, _MOST_MODULES - len(set(named.values()) - {""}))
    named |= _shortened(outside, room)
    modules = {holder: name for holder, name in named.items() if holder not in _NO_MODULE}
    return modules | {holder: said for holder, said in _NO_MODULE.items() if holder in named}


def _width(rows: Sequence[int]) -> int:
    """Return how many neighbours share a band, so that all rows of blocks together have few."""
    width = 1
    while sum(-(-row // width) for row in rows) > max(_MOST_BLOCKS, len(rows)):
        width += 1
    return width


def _block_name(holder: str, rows: Mapping[str, set[int]], width: int) -> str:
    """Return the name of the block that a holder is in, or of `width` neighbours; "" outside of blocks."""
    prefix, number = block_of(holder)
    if number is None:
        return ""
    numbers = sorted(rows[prefix])
    first = numbers.index(number) // width * width
    group = numbers[first : first + width]
    span = f"{group[0]}" if len(group) == 1 else f"{group[0]} to {group[-1]}"
    return f"{prefix} {span}".strip()


def _shortened(paths: Sequence[str], room: int) -> dict[str, str]:
    """Return names of modules that are few: paths, cut where they would be too many; else one for all."""
    deepest = max((path.count(".") + 1 for path in paths), default=1)
    for depth in range(deepest, 0, -1):
        names = {path: ".".join(path.split(".")[:depth]) or WHOLE for path in paths}
        if len(set(names.values())) <= room:
            return names
    return dict.fromkeys(paths, OUTSIDE)
