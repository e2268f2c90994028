"""Which candidates there are, and which of them are worth a run: by what their pieces add up to."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations, pairwise

from harness.fitting.pieces import Pieces, Row, predicted_peak, predicted_seconds
from harness.fitting.segments import BACKWARD, FORWARD
from harness.record.fit import FitCandidate

MOST_SUBSETS = 8  # blocks of which every set is looked at; 256 of them
_A_LEVER = 0.01  # of a step's time: what one more lever has to bring, for a plan is read by people
_A_PART = 0.03  # of a step's time: what one more part of a batch takes, about, in calls of small operators


@dataclass(frozen=True, slots=True)
class Prospect:
    """A candidate with what is expected of it: bytes, and seconds under the profiler."""

    candidate: FitCandidate
    peak: int
    seconds: float

    @property
    def kind(self) -> tuple[int, bool, bool]:
        """What kind of levers it pulls, whatever the blocks."""
        candidate = self.candidate
        return (candidate.micro_batches, candidate.update == "in backward", bool(candidate.checkpointed))

    @property
    def rank(self) -> tuple[tuple[int, int, bool, int], float]:
        """What sorts: that which gives up least, then that which is quickest."""
        candidate = self.candidate
        blocks = candidate.checkpointed
        gaps = sum(after != before + 1 for before, after in pairwise(blocks))
        pulled = (candidate.micro_batches > 1) + bool(blocks) + bool(candidate.update) + gaps
        return (candidate.sacrifice, self.seconds * (1 + _A_LEVER * pulled))


def prospects(pieces: Pieces, base: FitCandidate, depths: Sequence[int]) -> list[Prospect]:
    """Return every candidate that the pieces say something of, the best first.

    Args:
        pieces: of one precision and optimizer.
        base: with that precision and optimizer.
        depths: how many blocks may be frozen.
    """
    updates = _updates(pieces)
    pool = []
    for depth in depths:
        for blocks in _sets(pieces, depth):
            for number in pieces.passes:
                for update in updates if number == 1 else [name for name in updates if name != "in backward"]:
                    candidate = replace(
                        base, frozen=depth, checkpointed=blocks, micro_batches=number, update=update
                    )
                    peak = predicted_peak(pieces, candidate)
                    seconds = predicted_seconds(pieces, candidate)
                    if peak is not None and seconds is not None:
                        pool.append(Prospect(candidate, peak, seconds))
    return sorted(pool, key=lambda one: (one.rank, one.candidate))


def _updates(pieces: Pieces) -> list[str]:
    """Return the implementations worth a look: torch's own choice is one of the others under no name."""
    own = pieces.updates[""]
    names = [name for name, one in pieces.updates.items() if not name or one.high != own.high]
    return [*names, "in backward"]


def best_of_each_kind(pool: Iterable[Prospect], limit: float, most: int) -> list[Prospect]:
    """Return the first of each kind that is expected within a limit, of those that give up least."""
    first: dict[tuple[int, bool, bool], Prospect] = {}
    least = None
    for one in pool:
        if one.peak > limit:
            continue
        if least is None:
            least = one.candidate.sacrifice
        if one.candidate.sacrifice != least:
            break
        first.setdefault(one.kind, one)
    return list(first.values())[:most]


def repeated_work(candidate: FitCandidate, blocks: int) -> float:
    """Return about what share of a step a candidate does twice: its forward passes once more, its calls anew.

    No clock is read: on a busy machine one traced pass says too little of what differs by so little.

    >>> [repeated_work(FitCandidate(micro_batches=number), 4) for number in (1, 2)]
    [0.0, 0.03]
    >>> repeated_work(FitCandidate(checkpointed=(0, 1, 2)), 4)
    0.25
    """
    forward = len(candidate.checkpointed) / max(1, blocks) / 3
    return forward + _A_PART * (candidate.micro_batches - 1)


def _sets(pieces: Pieces, depth: int) -> Iterator[tuple[int, ...]]:
    """Yield the sets of blocks to checkpoint, of those that are not frozen."""
    blocks = range(depth, pieces.blocks)
    rows = pieces.passes.get(1) or next(iter(pieces.passes.values()), None)
    if rows is None or rows.checkpointed is None:
        yield ()
        return
    if len(blocks) <= MOST_SUBSETS:
        yield from chain.from_iterable(combinations(blocks, size) for size in range(len(blocks) + 1))
        return
    sets: dict[tuple[int, ...], None] = {(): None}
    for size in range(1, len(blocks) + 1):
        sets[tuple(blocks[:size])] = None
        sets[tuple(blocks[-size:])] = None
        sets[tuple(blocks[::size])] = None
        sets[tuple(blocks[size - 1 :: size])] = None
    worth = sorted(blocks, key=lambda block: -_worth(pieces, block))
    for size in range(1, len(worth) + 1):
        sets[tuple(sorted(worth[:size]))] = None
    yield from sets


def _worth(pieces: Pieces, block: int) -> float:
    """Return the bytes that checkpointing a block spares, for each second that it costs."""
    rows = pieces.passes.get(1) or next(iter(pieces.passes.values()))

    def of(row: Row, phase: str) -> tuple[int, float]:
        mine = [one for one in row if (one.phase, one.block) == (phase, block)]
        return sum(one.net for one in mine), sum(one.seconds for one in mine)

    again = rows.checkpointed or rows.plain
    spared = of(rows.plain, FORWARD)[0] - of(again, FORWARD)[0]
    cost = max(1e-9, of(again, BACKWARD)[1] - of(rows.plain, BACKWARD)[1], of(rows.plain, FORWARD)[1])
    return spared / cost
