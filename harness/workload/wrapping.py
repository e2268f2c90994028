"""Models that several ranks train together: wrapped by DDP or sharded by FSDP2."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from harness.workload.blocks import find_blocks
from harness.workload.factory import first_line
from harness.workload.layout import move
from harness.workload.model import Model, UnsupportedError, WorkloadError
from harness.workload.state import ModelState
from harness.workload.step import Step
from harness.workload.tensors import bytes_of, tensors_in

# What torch raises where it refuses to wrap a module, each seen: scalar parameters, lazy modules, shared
# parameters in two shards, sparse gradients.
_REFUSALS = (ValueError, RuntimeError, NotImplementedError, TypeError, AssertionError, AttributeError)
_MOST_PADS = 64
_LARGEST_PAD = 65536  # bytes, as where tensors are moved one by one


def wrapped(model: Model, wrap: str) -> Model:
    """Return the model as all ranks train it together; frozen parameters have to be frozen before.

    Raises:
        UnsupportedError: this torch has no such wrap.
        WorkloadError: no such wrap, no ranks, nothing to train, or torch refuses the module.
    """
    check_wrap(wrap)
    if not distributed.is_initialized():
        raise WorkloadError(
            "several processes train this model together: start them with"
            f" torchrun --nproc-per-node 2 -m harness measure TARGET --wrap {wrap}"
        )
    parameters = list(model.module.parameters())
    if not parameters:
        raise WorkloadError(f"the model has no parameters, so that {wrap} has nothing to wrap")
    if not any(parameter.requires_grad for parameter in parameters):
        raise WorkloadError(f"no parameter is trainable, so that {wrap} has nothing to send")
    try:
        return replace(model, module=_WRAPS[wrap](model))
    except _REFUSALS as error:
        raise WorkloadError(f"{wrap} refuses the model: {first_line(error)}") from error


def check_wrap(wrap: str) -> None:
    """Check that a wrap is known and that this torch has it.

    Raises:
        UnsupportedError: torch does not have it.
        WorkloadError: no such wrap.
    """
    if wrap not in _WRAPS:
        raise WorkloadError(f"no wrap {wrap!r}; there are {', '.join(_WRAPS)}")
    if wrap == "fsdp2":
        _fully_shard()


def _ddp(model: Model) -> nn.Module:
    device = next(model.module.parameters()).device
    return DistributedDataParallel(
        model.module,
        device_ids=None if device.index is None else [device.index],
        find_unused_parameters=bool(unused_parameters(model)),
    )


def unused_parameters(model: Model) -> tuple[str, ...]:
    """Run one backward pass and return the trainable parameters that it gives no gradient.

    DDP waits for the gradient of every parameter unless it is told to look for those that get none.
    """
    state = ModelState.of(model)
    model.loss_of_forward().backward()  # type: ignore[no-untyped-call]
    unused = tuple(
        name
        for name, parameter in model.module.named_parameters()
        if parameter.requires_grad and parameter.grad is None
    )
    model.module.zero_grad(set_to_none=True)
    state.restore()
    return unused


def _fsdp2(model: Model) -> nn.Module:
    from torch.distributed.device_mesh import init_device_mesh

    fully_shard = _fully_shard()
    kind = next(model.module.parameters()).device.type
    mesh = init_device_mesh(kind, (distributed.get_world_size(),))
    for block in _blocks(model):
        fully_shard(block, mesh=mesh)
    fully_shard(model.module, mesh=mesh)
    return model.module


def _fully_shard() -> Callable[..., Any]:
    try:
        from torch.distributed.fsdp import fully_shard
    except ImportError as error:
        raise UnsupportedError(
            f"torch {torch.__version__} has no torch.distributed.fsdp.fully_shard (FSDP2), torch 2.6 has;"
            " --wrap ddp works here"
        ) from error
    return fully_shard


def _blocks(model: Model) -> Iterator[nn.Module]:
    """Yield the modules that are gathered one at a time: the blocks of the model that own parameters."""
    try:
        paths = find_blocks(model).paths
    except WorkloadError:
        return  # no row of blocks: the model is gathered as a whole
    for path in paths:
        block = model.module.get_submodule(path)
        if any(True for _ in block.parameters()):
            yield block


_WRAPS: dict[str, Callable[[Model], nn.Module]] = {"ddp": _ddp, "fsdp2": _fsdp2}
WRAPS = tuple(_WRAPS)


def local(tensor: torch.Tensor) -> torch.Tensor:
    """Return the part of a tensor that lies on this rank: all of it unless it is sharded."""
    to_local = getattr(tensor, "to_local", None)  # of a DTensor, which torch 2.0 does not have in public
    return tensor if to_local is None else to_local()


def local_bytes(tensor: torch.Tensor) -> int:
    """Return the bytes of the part of a tensor that lies on this rank."""
    return bytes_of(local(tensor))


def relocate(step: Step, rng: Random) -> object:
    """Move what a wrapped step reads and what outlives it to fresh addresses; return what holds the old."""
    tensors = [*step.model.lasting(), *_state(step)]
    sharded = [tensor for tensor in tensors if hasattr(tensor, "to_local")]
    old = move([tensor for tensor in tensors if not hasattr(tensor, "to_local")], rng)
    if not sharded:
        return old
    pads = [bytearray(rng.randrange(_LARGEST_PAD)) for _ in range(rng.randrange(_MOST_PADS))]
    for tensor in sharded:
        fresh = tensor.detach().clone()
        if isinstance(tensor, nn.Parameter):
            fresh = nn.Parameter(fresh, requires_grad=tensor.requires_grad)
        # A shard is a tensor inside a tensor, whose data cannot be set from outside.
        torch.utils.swap_tensors(tensor, fresh)  # type: ignore[no-untyped-call]
        old.append(fresh)
    # FSDP2 gathers from addresses that it took down; whenever a module is moved it takes them down anew.
    step.model.module.to(local(sharded[0]).device)
    del pads
    return old


def _state(step: Step) -> Iterator[torch.Tensor]:
    if step.optimizer is not None:
        for state in step.optimizer.state.values():
            yield from tensors_in(state)
