"""What freezing the first blocks spares of what a pass saves, place by place."""

import time
from collections.abc import Iterator

import torch

from bench.atlas.candidates import Running
from harness import Model
from harness.measure.observe import Observation
from harness.workload.blocks import find_blocks
from harness.workload.model import WorkloadError
from harness.workload.step import Part, Step

_MOST_BLOCKS = 16  # a pass is read for each of them
_MOST_SECONDS = 15.0  # of the processor: less than a chart may take in all


def curve(found: Running) -> tuple[int, ...]:
    """Return the bytes that a pass in train mode saves with the first k blocks frozen, k = 0, 1, ...

    The last place is with all blocks frozen. With a block freezes all that runs before it. The module is left
    as it was.

    Raises:
        WorkloadError: there is no row of blocks, or it has too many, no two calls save alike, or the
            time is up.
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
    began = time.process_time()
    for frozen in places:
        if time.process_time() - began > _MOST_SECONDS:
            raise WorkloadError(f"its curve would take longer than {_MOST_SECONDS:g} s")
        for name in frozen:
            named[name].requires_grad_(requires_grad=False)
        model = Model(found.module, found.inputs)
        passed = Observation(Step((Part("forward", model.__call__),), model, model.__call__)).forward_pass
        if not passed.is_repeatable:
            raise WorkloadError("no two calls save alike")
        yield passed.graph.saved_bytes
