"""What freezing the first blocks spares of what a pass saves, place by place."""

from collections.abc import Iterator

import torch

from bench.atlas.candidates import Running
from harness import Model, ledger
from harness.workload.blocks import find_blocks
from harness.workload.model import WorkloadError

_MOST_BLOCKS = 16  # a pass is read for each of them


def curve(found: Running) -> tuple[int, ...]:
    """Return the bytes that a pass in train mode saves with the first k blocks frozen, k = 0, 1, ...

    The last place is with all blocks frozen. With a block freezes all that runs before it. The module is left
    as it was.

    Raises:
        WorkloadError: there is no row of blocks, or it has too many, or no two calls save alike.
    """
    module = found.module
    module.train()
    blocks = find_blocks(Model(module, found.inputs))
    if len(blocks.paths) > _MOST_BLOCKS:
        raise WorkloadError(f"has {len(blocks.paths)} blocks, and {_MOST_BLOCKS} are the most here")
    before = {parameter: parameter.requires_grad for parameter in module.parameters()}
    try:
        return tuple(_saved(found, blocks.before))
    finally:
        for parameter, flag in before.items():
            parameter.requires_grad_(flag)


def _saved(found: Running, places: tuple[frozenset[str], ...]) -> Iterator[int]:
    named: dict[str, torch.nn.Parameter] = dict(found.module.named_parameters(remove_duplicate=False))
    for frozen in places:
        for name in frozen:
            named[name].requires_grad_(requires_grad=False)
        books = ledger(Model(found.module, found.inputs))
        if "saved_bytes" in books.varies:
            raise WorkloadError("no two calls save alike")
        yield books.saved_bytes
