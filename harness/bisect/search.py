"""The search itself: what to measure next, and what is known when nothing is left; it runs nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Range:
    """Where the first bad candidate is.

    Attributes:
        low: index of the last candidate known to be good; -1 for the good end itself.
        high: index of the first known to be bad.
        suspects: indices that may be the first bad one, those that could not be measured included.
    """

    low: int
    high: int
    suspects: tuple[int, ...]


def narrowed(count: int, is_bad: Mapping[int, bool | None]) -> Range:
    """Return the range that is left.

    Args:
        count: of the candidates, in order; the last one is bad.
        is_bad: what is known of them, by index; None where one cannot be measured.
    """
    high = min((index for index, bad in is_bad.items() if bad), default=count - 1)
    low = max((index for index, bad in is_bad.items() if bad is False and index < high), default=-1)
    return Range(low, high, tuple(range(low + 1, high + 1)))


def next_index(count: int, is_bad: Mapping[int, bool | None]) -> int | None:
    """Return the candidate to measure next: the untried one nearest the middle; None where none is left.

    >>> next_index(32, {}), next_index(32, {15: True}), next_index(2, {0: None})
    (15, 7, None)
    """
    narrow = narrowed(count, is_bad)
    untried: Sequence[int] = [index for index in range(narrow.low + 1, narrow.high) if index not in is_bad]
    if not untried:
        return None
    middle = (narrow.low + narrow.high) / 2
    return min(untried, key=lambda index: (abs(index - middle), index))
