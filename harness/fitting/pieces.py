"""The pieces of a step that were measured one by one, and the peak that a candidate's pieces add up to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.fitting.segments import BACKWARD, FORWARD, Segment
from harness.record.fit import FitCandidate

Row = tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Update:
    """What one implementation of the optimizer's step costs.

    Attributes:
        high: bytes of temporaries with everything trainable.
        grows: they grow with the bytes of all gradients, and not with those of the largest.
        seconds: of a step, under the profiler.
    """

    high: int
    grows: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class BlockPasses:
    """The forward and backward pass of one part of a batch, cut into segments.

    Attributes:
        plain: as the model is.
        checkpointed: with every block checkpointed; None where that cannot be done.
        frozen: with all blocks but the last frozen; None where that cannot be done.
        all_frozen: with every block frozen; None where nothing is left to train then.
        in_backward: with steps in the backward pass; None where that was not measured.
    """

    plain: Row
    checkpointed: Row | None
    frozen: Row | None
    all_frozen: Row | None = None
    in_backward: Row | None = None


@dataclass(frozen=True, slots=True)
class Pieces:
    """What was measured of one model in one precision.

    Attributes:
        passes: by number of micro-batches.
        updates: by implementation.
        fixed: bytes of parameters, buffers and inputs.
        gradients: bytes of each trainable parameter's gradient, by name.
        states: bytes of each trainable parameter's optimizer state, by name.
        before: the names of the parameters that are used before each block, and before the end of the last.
    """

    passes: Mapping[int, BlockPasses]
    updates: Mapping[str, Update]
    fixed: int
    gradients: Mapping[str, int]
    states: Mapping[str, int]
    before: Sequence[frozenset[str]]

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return len(self.before) - 1

    def trained(self, candidate: FitCandidate) -> dict[str, int]:
        """Return the gradients' bytes of what a candidate trains."""
        frozen = self.before[candidate.frozen]
        return {name: size for name, size in self.gradients.items() if name not in frozen}


def predicted_peak(pieces: Pieces, candidate: FitCandidate) -> int | None:
    """Return the bytes that a candidate's pieces add up to; None where there are no such pieces."""
    row = _row(pieces, candidate)
    update = pieces.updates.get(candidate.update)
    if row is None or (update is None and candidate.update != "in backward"):
        return None
    trained = pieces.trained(candidate)
    gradients = sum(trained.values())
    lasting = pieces.fixed + sum(size for name, size in pieces.states.items() if name in trained)
    # Parts after the first find the gradients of those before.
    level = gradients if candidate.micro_batches > 1 else 0
    highest = level
    for segment in row:
        highest = max(highest, level + segment.high)
        level += segment.net
    if update is not None and trained:
        unit = max(1, sum(pieces.gradients.values()) if update.grows else max(pieces.gradients.values()))
        mine = gradients if update.grows else max(trained.values())
        highest = max(highest, gradients + round(update.high * mine / unit))
    return lasting + highest


def predicted_seconds(pieces: Pieces, candidate: FitCandidate) -> float | None:
    """Return about how long a step takes under the profiler; None where there are no such pieces."""
    row = _row(pieces, candidate)
    if row is None:
        return None
    update = pieces.updates.get(candidate.update) or pieces.updates.get("")
    share = sum(pieces.trained(candidate).values()) / max(1, sum(pieces.gradients.values()))
    stepping = update.seconds * share if update is not None else 0.0
    return candidate.micro_batches * sum(segment.seconds for segment in row) + stepping


def no_quicker(again: Row, plain: Row) -> Row:
    """Return the segments of blocks that are computed again, none quicker than its two passes without.

    Both were traced once, and on a busy machine the one with less work may have taken longer. Left so, a
    checkpoint would look like a gain of time.
    """
    first = {one.block: one.seconds for one in plain if one.phase == FORWARD}
    last = max(first)  # it stands for what runs after all blocks, which is never computed again
    segments = []
    for after, before in zip(again, plain, strict=True):
        repeated = first.get(after.block, 0.0) if after.phase == BACKWARD and 0 <= after.block < last else 0.0
        segments.append(replace(after, seconds=max(after.seconds, before.seconds + repeated)))
    return tuple(segments)


def _row(pieces: Pieces, candidate: FitCandidate) -> Row | None:
    """Return the segments of one part of a candidate's batch, each from the pass that was like it."""
    passes = pieces.passes.get(candidate.micro_batches)
    if passes is None:
        return None
    if candidate.update == "in backward":
        return _stepping(passes, candidate, pieces.blocks)
    return _mixed(passes, candidate, pieces.blocks)


def _mixed(passes: BlockPasses, candidate: FitCandidate, blocks: int) -> Row | None:
    wanted = set(candidate.checkpointed)
    if wanted and passes.checkpointed is None:
        return None
    if candidate.frozen:
        frozen = passes.all_frozen if candidate.frozen == blocks else passes.frozen
        return None if frozen is None else _partly_frozen(passes, frozen, candidate, blocks)
    if passes.checkpointed is None:
        return passes.plain
    rows = zip(passes.plain, passes.checkpointed, strict=True)
    return tuple(again if plain.block in wanted else plain for plain, again in rows)


def _partly_frozen(passes: BlockPasses, frozen: Row, candidate: FitCandidate, blocks: int) -> Row:
    """Return the segments where the first blocks are frozen.

    What runs after the last block may be frozen in part too, where its parameters are used before.
    """
    row = []
    for index, plain in enumerate(passes.plain):
        if plain.block < candidate.frozen:
            if plain.phase == FORWARD:
                row.append(_same(frozen, plain) or plain)
        elif plain.block == blocks:
            row.append(_same(frozen, plain) or plain)
        elif plain.block in candidate.checkpointed and passes.checkpointed is not None:
            row.append(passes.checkpointed[index])
        else:
            row.append(plain)
    return tuple(row)


def _stepping(passes: BlockPasses, candidate: FitCandidate, blocks: int) -> Row | None:
    """Return the segments with steps in the backward pass: those differ as they do without checkpoints."""
    row = _mixed(passes, candidate, blocks)
    if row is None or passes.in_backward is None:
        return None
    segments = []
    for segment in row:
        plain, stepping = (_same(each, segment) for each in (passes.plain, passes.in_backward))
        if segment.phase == BACKWARD and plain is not None and stepping is not None:
            segment = Segment(  # noqa: PLW2901 (the same segment, as it is when it steps)
                segment.phase,
                segment.block,
                segment.net + stepping.net - plain.net,
                max(0, segment.high + stepping.high - plain.high),
                segment.seconds + max(0.0, stepping.seconds - plain.seconds),
            )
        segments.append(segment)
    return tuple(segments)


def _same(row: Row, like: Segment) -> Segment | None:
    """Return the segment of the same block and phase in another pass."""
    return next((one for one in row if (one.phase, one.block) == (like.phase, like.block)), None)
