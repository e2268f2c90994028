"""The blocks of a model, also of one whose whole batch runs out of memory."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

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


def check_parts_stay(model: Model) -> None:
    """Check that a model that has run before consists of the same parts after another forward pass.

    Raises:
        WorkloadError: it does not; a plan names parts, and adds up what each of them did.
    """
    before = _parts_of(model.module)
    with refusing("a forward pass"):
        model()  # with a graph, for a model may differentiate inside
    if changed := sorted(before ^ _parts_of(model.module)):
        raise WorkloadError(
            f"each call of the model adds or removes parts, such as {changed[0]!r}; a plan needs a model"
            " whose parts stay"
        )


def check_graph_left(reason: str) -> None:
    """Check that it was not a graph that is gone, for which the step could not be run.

    Raises:
        WorkloadError: it was, in other words than torch's.
    """
    if "backward through the graph a second time" in reason:  # torch's words
        raise WorkloadError(
            "no step can be made of a call whose graph is gone: it runs a backward pass itself, or goes on"
            " with what a call before it left; hand over the model with its inputs, and the step is made here"
        )


def _parts_of(module: nn.Module) -> frozenset[str]:
    named = (*module.named_modules(), *module.named_parameters())
    return frozenset(name for name, _ in named)
