"""Where a falling curve bends: from there on, more of the same buys less."""

import itertools
from collections.abc import Sequence

STRAIGHT = 0.1  # a curve whose bend is flatter than this share of its fall is called straight


def knee(positions: Sequence[float], values: Sequence[float]) -> int | None:
    """Return the index of the point that lies furthest below the chord from the first point to the last.

    None for fewer than three points, for a curve that does not fall, and for one that is straight to
    within `STRAIGHT` of its fall.

    Source: V. Satopaa et al., Finding a "Kneedle" in a Haystack, ICDCSW (2011) 166-171.

    Raises:
        ValueError: the two differ in length, or the positions do not rise.

    >>> knee([0, 1, 2, 3, 4], [100, 40, 30, 20, 10])
    1
    """
    if len(positions) != len(values):
        raise ValueError(f"there are {len(positions)} positions and {len(values)} values")
    if any(after <= before for before, after in itertools.pairwise(positions)):
        raise ValueError("the positions of a curve rise")
    if len(positions) < 3 or values[-1] >= values[0]:  # noqa: PLR2004 (two points are a straight line)
        return None
    fall = values[0] - values[-1]
    span = positions[-1] - positions[0]
    depths = [
        1 - (position - positions[0]) / span - (value - values[-1]) / fall
        for position, value in zip(positions, values, strict=True)
    ]
    deepest = max(range(len(depths)), key=depths.__getitem__)
    return deepest if depths[deepest] > STRAIGHT else None
