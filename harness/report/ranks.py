"""What the ranks of one arm have apart, in words."""

from collections.abc import Iterator

from harness.judge.times import median_seconds
from harness.record.schema import ArmResult, RankResult
from harness.report.units import quantity

_FEW = 4  # ranks, each of which is named


def rank_lines(arm: ArmResult) -> Iterator[str]:
    """Yield how long a step took each rank, or the fastest and the slowest where there are many.

    The time of the arm itself is of the slowest rank of each round, and so above all of these.
    """
    timed = [(rank, median_seconds(rank.timings[0].arm)) for rank in arm.ranks if rank.timings]
    if not timed:
        return
    if len(timed) <= _FEW:
        told = ", ".join(f"{_name(rank)} {quantity(median, 's')}" for rank, median in timed)
    else:
        fastest, slowest = min(timed, key=lambda item: item[1]), max(timed, key=lambda item: item[1])
        told = (
            f"from {quantity(fastest[1], 's')} ({_name(fastest[0])})"
            f" to {quantity(slowest[1], 's')} ({_name(slowest[0])}) on {len(timed)} ranks"
        )
    yield f"{arm.arm}, {arm.ranks[0].timings[0].metric} of each rank, the slowest of a round counts: {told}"


def _name(rank: RankResult) -> str:
    return f"rank {rank.rank}"
