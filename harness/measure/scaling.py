"""The largest batch under a memory limit: extrapolated from two batches, then checked by runs."""

from collections.abc import Callable, Mapping

from harness.workload.model import WorkloadError

MOST_RUNS = 24  # memory grows nearly linearly, so that three or four runs do
_MOST_GROWTH = 8  # a peak that hardly grows yet, as one in the optimizer's part, draws a line to far too many
_LINE_RUNS = 6  # where so many after one that does not fit have not found it, the space between is halved


def largest_batch(
    peak_at: Callable[[int], int | None],
    start: int,
    limit: int,
    check: Callable[[int, int], None] = lambda _batch, _expected: None,
) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Find the largest batch whose peak stays within a limit.

    Two batches give a straight line; the batch where it crosses the limit is run, and the line is drawn
    anew until a batch fits and the next larger one, run too, does not.

    Args:
        peak_at: peak bytes at a batch size; None where it ran out of memory.
        start: a batch size to begin with.
        limit: bytes.
        check: told of each batch but the first, with the peak to expect; may raise before it is run.

    Returns:
        The batch size, 0 where not even one example fits, and every run: batch size and peak bytes, 0
        where memory ran out.

    Raises:
        WorkloadError: the peak does not grow with the batch, or `MOST_RUNS` runs did not settle it.

    >>> largest_batch(lambda batch: 100 + 10 * batch, start=2, limit=155)
    (5, ((2, 120), (4, 140), (5, 150), (6, 160)))
    """
    runs: dict[int, int | None] = {}

    def fits(batch: int) -> bool:
        if batch not in runs:
            if len(runs) >= MOST_RUNS:
                raise WorkloadError(f"{MOST_RUNS} runs did not find the largest batch in {limit:,} bytes")
            if runs:
                check(batch, expected_peak(batch, runs))
            runs[batch] = peak_at(batch)
        peak = runs[batch]
        return peak is not None and peak <= limit

    fitting, failing = 0, 0  # 0: none known yet
    proposal = start
    while not (failing and failing - fitting == 1):
        if fits(proposal):
            fitting = max(fitting, proposal)
        else:
            failing = min(failing or proposal, proposal)
        if not (failing and failing - fitting == 1):
            proposal = _propose(runs, fitting, failing, limit)
    return fitting, tuple((batch, peak or 0) for batch, peak in runs.items())


def expected_peak(batch: int, runs: Mapping[int, int | None]) -> int:
    """Return the peak to expect of a batch: on the line through the largest two that are known.

    Where one is known, it is taken to grow with the batch; 0 where none is.

    >>> expected_peak(8, {2: 120, 4: 140}), expected_peak(8, {2: 120})
    (180, 480)
    """
    known = sorted((size, peak) for size, peak in runs.items() if peak)
    if not known:
        return 0
    (low, low_peak), (high, high_peak) = (known[-2:] * 2)[:2] if len(known) == 1 else known[-2:]
    if low == high:
        return high_peak * max(batch, high) // high
    return high_peak + (batch - high) * (high_peak - low_peak) // (high - low)


def _propose(runs: dict[int, int | None], fitting: int, failing: int, limit: int) -> int:
    """Return the next batch to run: between what fits and what does not, where the line says, and near."""
    known = sorted((batch, peak) for batch, peak in runs.items() if peak is not None)
    if len(known) < 2:  # noqa: PLR2004 (a line goes through two points)
        return fitting * 2 if fitting and not failing else max(fitting + 1, (fitting + failing) // 2)
    if failing and len(runs) - _first_failing(runs, limit) >= _LINE_RUNS:
        return (fitting + failing) // 2 or 1
    # The two points nearest to the limit: the line is only as straight as the allocator's algorithms are.
    (low, low_peak), (high, high_peak) = sorted(sorted(known, key=lambda point: abs(point[1] - limit))[:2])
    if high_peak <= low_peak:
        raise WorkloadError(
            f"a batch of {high} needs no more memory than one of {low}, so no batch is the largest that fits"
        )
    guess = low + int((limit - low_peak) * (high - low) / (high_peak - low_peak))
    # Where the line points at what is known already, the neighbour decides.
    lowest = fitting + 1
    highest = failing - 1 if failing else max(min(guess, _MOST_GROWTH * fitting), lowest)
    return min(max(guess, lowest), highest)


def _first_failing(runs: dict[int, int | None], limit: int) -> int:
    """Return how many runs there were before the first that did not fit."""
    return next(at for at, peak in enumerate(runs.values()) if peak is None or peak > limit)
