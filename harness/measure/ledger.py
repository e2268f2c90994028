"""The books of one forward pass: what is held for backward, by whom, and what cannot be accounted for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from harness.measure.trace import Trace, trace
from harness.record.schema import Block
from harness.workload.hooks import hookable
from harness.workload.tensors import tensors_in

_SCALAR_BYTES = 8


@dataclass(frozen=True, slots=True)
class Saved:
    """One storage that the graph holds for backward."""

    address: int
    bytes: int
    module: str  # path of the module whose forward pass saved it; "" for the model itself
    node: str  # the autograd node that holds it, as in "AddmmBackward0"


@dataclass(frozen=True, slots=True)
class Graph:
    """What a forward pass recorded."""

    saved: tuple[Saved, ...]
    scalar_bytes: int  # wrapped Python numbers, 8 bytes each, which the hooks are not told of
    nodes: int
    scalars: frozenset[int]  # their addresses


def _storage(tensor: torch.Tensor) -> tuple[int, int]:
    storage = tensor.untyped_storage()
    return storage.data_ptr(), storage.nbytes()


def record_graph(forward: Callable[[], object], module: nn.Module, inputs: object) -> Graph:
    """Run a forward pass and list the storages that it saved for backward.

    Each unique storage counts once, at its full size; those of parameters, buffers, inputs and of
    what the forward pass returns are left out, because they would be there without a graph.

    Args:
        forward: the pass; what it returns is what its caller keeps.
        module: whose parameters, buffers and submodules they are.
        inputs: nested tensors that the pass takes.
    """
    packed: list[tuple[torch.Tensor, str]] = []
    path: list[str] = [""]

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        # Returning the tensor itself would make a reference cycle through its grad_fn, and the
        # graph would outlive this function.
        detached = tensor.detach()
        packed.append((detached, path[-1]))
        return detached

    with running_paths(module, path), saved_tensors_hooks(pack, lambda tensor: tensor):
        left = forward()
    outside = {
        _storage(tensor)[0] for tensor in (*module.parameters(), *module.buffers(), *tensors_in(inputs))
    }
    outside |= {_storage(tensor)[0] for tensor in tensors_in(left)}
    holders, scalars, nodes = _walk(left, {_storage(tensor)[0] for tensor, _ in packed})
    saved: dict[int, Saved] = {}
    for tensor, where in packed:
        address, size = _storage(tensor)
        if size and address not in outside and address not in saved:
            saved[address] = Saved(address, size, where, holders.get(address, ""))
    return Graph(tuple(saved.values()), _SCALAR_BYTES * len(scalars), nodes, frozenset(scalars))


@contextmanager
def running_paths(module: nn.Module, path: list[str]) -> Iterator[None]:
    """Keep the path of the module that is running at the end of `path`."""
    handles = []
    for name, child in hookable(module):
        handles.append(child.register_forward_pre_hook(lambda _module, _inputs, name=name: path.append(name)))
        handles.append(child.register_forward_hook(lambda _module, _inputs, _output: void(path.pop())))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def void(_value: object) -> None:
    """Drop a value, where a hook must not return one."""


def _walk(left: object, known: set[int]) -> tuple[dict[int, str], set[int], int]:
    """Visit the graph behind what a forward pass left.

    Returns:
        The name of the node that holds each saved storage, the addresses of scalars that the hooks
        were not told of, and the number of nodes.
    """
    holders: dict[int, str] = {}
    scalars: set[int] = set()
    seen: set[Any] = set()
    waiting = [tensor.grad_fn for tensor in tensors_in(left) if tensor.grad_fn is not None]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        waiting.extend(following for following, _ in node.next_functions if following is not None)
        for tensor in _held_by(node):
            address, size = _storage(tensor)
            holders[address] = node.name()  # a node is visited after those that follow it: the first wins
            if address not in known and tensor.dim() == 0 and size == _SCALAR_BYTES:
                scalars.add(address)
    return holders, scalars, len(seen)


def _held_by(node: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors a node saved: its attributes named `_saved_...`, or a custom function's tensors."""
    for name in dir(node):
        if name.startswith("_saved_"):
            yield from tensors_in(getattr(node, name))
    yield from tensors_in(getattr(node, "saved_tensors", ()))


def unaccounted_blocks(forward: Callable[[], object], module: nn.Module, inputs: object) -> tuple[Block, ...]:
    """Name the blocks that a forward pass leaves behind and that no hook was told of.

    Largest first. A block that the pass holds with or without a graph is among them.
    """
    graphs: list[Graph] = []
    kept: list[set[int]] = []

    def recorded() -> object:
        left: list[object] = []

        def keep() -> object:
            left.append(forward())
            return left[0]

        graphs.append(record_graph(keep, module, inputs))
        kept.append({_storage(tensor)[0] for tensor in tensors_in(left)})
        return left

    seen: Trace = trace([recorded], follow=module)
    graph = graphs[-1]
    accounted = {saved.address for saved in graph.saved} | kept[-1] | graph.scalars
    blocks = [
        Block(
            bytes=event.bytes,
            operator=seen.running(seen.operators, event.time, outermost=True),
            module=seen.running(seen.modules, event.time),
        )
        for event in seen.live_blocks()
        if event.address not in accounted
    ]
    return tuple(sorted(blocks, key=lambda block: -block.bytes))
