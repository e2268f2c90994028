"""The blocks of a model, also of one whose whole batch runs out of memory."""

from collections.abc import Iterable
from dataclasses import dataclass

from harness.measure.inspection import OutOfMemoryError, refusing
from harness.workload.blocks import find_blocks
from harness.workload.model import Model, WorkloadError


@dataclass(frozen=True, slots=True)
class Names:
    """The blocks of a model, and the parameters that are used before each.

    Attributes:
        paths: of blocks, in the order they run; empty where there are none.
        before: one set of names more than there are paths.
    """

    paths: tuple[str, ...] = ()
    before: tuple[frozenset[str], ...] = (frozenset(),)


def names_of(models: Iterable[Model]) -> Names:
    """Return the blocks of a model; none where it has no row of them.

    Args:
        models: the model with a whole batch, and with smaller ones, for where the whole is too large to run.

    Raises:
        WorkloadError: the model cannot be run, for another reason than too little memory.
    """
    whole: Model | None = None
    try:
        for model in models:
            whole = whole or model
            try:
                with refusing("a forward pass"):
                    blocks = find_blocks(model)
            except OutOfMemoryError:
                continue
            return Names(blocks.paths, blocks.before)
    except WorkloadError:
        pass  # it has no row of blocks, or its batch cannot be cut
    try:
        with refusing("a forward pass"):
            if whole is not None:
                whole()  # a model that cannot run at all is refused here
    except OutOfMemoryError:
        pass  # the candidates will say so
    return Names()
