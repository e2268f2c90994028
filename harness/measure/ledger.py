"""The books of one forward pass: what is held for backward, by whom, and what cannot be accounted for."""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from harness.measure.device import Device
from harness.measure.trace import Trace, trace
from harness.record.measured import Block
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
    elsewhere: int = 0  # bytes saved outside the memory that the books are kept of


def _storage(tensor: torch.Tensor) -> tuple[int, int]:
    storage = tensor.untyped_storage()
    return storage.data_ptr(), storage.nbytes()


def _any_memory(_tensor: torch.Tensor) -> bool:
    return True


def record_graph(
    forward: Callable[[], object],
    module: nn.Module,
    inputs: object,
    holds: Callable[[torch.Tensor], bool] = _any_memory,
) -> Graph:
    """Run a forward pass and list the storages that it saved for backward and holds when it returns.

    Each unique storage counts once, at its full size; those of parameters, buffers, inputs and of
    what the forward pass returns are left out, because they would be there without a graph.

    Args:
        forward: the pass; what it returns is what its caller keeps.
        module: whose parameters, buffers and submodules they are.
        inputs: nested tensors that the pass takes.
        holds: tells whether a tensor lies in the memory that the books are kept of: where that is a
            device's, what a pass saves on the host is none of it.
    """
    return _graph_of(_recorded(forward, module), module, inputs, holds)


@dataclass(slots=True, weakref_slot=True)
class _Packed:
    """What stands in the graph for a tensor that it saved; it goes when the graph lets go of the tensor."""

    tensor: torch.Tensor


@dataclass(frozen=True, slots=True)
class _Recorded:
    left: object  # what the forward pass returned
    packed: tuple[tuple[torch.Tensor, str], ...]  # tensors that the graph holds, and the modules' paths


def _recorded(forward: Callable[[], object], module: nn.Module) -> _Recorded:
    """Run a forward pass, and keep what its graph saved until it returns.

    What was saved by a node that is gone by then is let go: a checkpointed region saves its inputs, and
    drops them where nothing in it is trained.
    """
    packed: list[tuple[weakref.ref[_Packed], torch.Tensor, str]] = []
    path: list[str] = [""]

    def pack(tensor: torch.Tensor) -> _Packed:
        # The tensor itself would make a reference cycle through its grad_fn, and the graph would
        # outlive this function. Until the pass has returned every storage is held here too, because
        # addresses are used again.
        standing = _Packed(tensor.detach())
        packed.append((weakref.ref(standing), standing.tensor, path[-1]))
        return standing

    with running_paths(module, path), saved_tensors_hooks(pack, lambda standing: standing.tensor):
        left = forward()
    kept = tuple((tensor, where) for held, tensor, where in packed if held() is not None)
    packed.clear()  # the graph holds this hook, and the hook the list
    return _Recorded(left, kept)


def _graph_of(
    recorded: _Recorded, module: nn.Module, inputs: object, holds: Callable[[torch.Tensor], bool]
) -> Graph:
    left, packed = recorded.left, recorded.packed
    outside = {
        _storage(tensor)[0] for tensor in (*module.parameters(), *module.buffers(), *tensors_in(inputs))
    }
    outside |= {_storage(tensor)[0] for tensor in tensors_in(left)}
    holders, scalars, nodes = _walk(left, {_storage(tensor)[0] for tensor, _ in packed}, holds)
    saved: dict[int, Saved] = {}
    others: dict[int, int] = {}
    for tensor, where in packed:
        address, size = _storage(tensor)
        if not size or address in outside:
            continue
        if not holds(tensor):
            others[address] = size
        elif address not in saved:
            saved[address] = Saved(address, size, where, holders.get(address, ""))
    return Graph(
        tuple(saved.values()),
        _SCALAR_BYTES * len(scalars),
        nodes,
        frozenset(scalars),
        sum(others.values()),
    )


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


def _walk(
    left: object, known: set[int], holds: Callable[[torch.Tensor], bool]
) -> tuple[dict[int, str], set[int], int]:
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
            if address not in known and tensor.dim() == 0 and size == _SCALAR_BYTES and holds(tensor):
                scalars.add(address)
    return holders, scalars, len(seen)


def _held_by(node: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors a node saved: its attributes named `_saved_...`, or a custom function's tensors."""
    for name in dir(node):
        if name.startswith("_saved_"):
            yield from tensors_in(getattr(node, name))
    yield from tensors_in(getattr(node, "saved_tensors", ()))


def _maker(size: int) -> str:
    """Return what made a block outside every operator, where its size tells."""
    # A checkpointed region keeps the generator's state, which no hook is told of, to draw the same again.
    return "torch.get_rng_state" if size == torch.get_rng_state().numel() else ""


def unaccounted_blocks(
    forward: Callable[[], object], module: nn.Module, inputs: object, device: Device | None = None
) -> tuple[Block, ...]:
    """Name the blocks that a forward pass leaves behind and that no hook was told of.

    Largest first. A block that the pass holds with or without a graph is among them. A device's blocks
    have the sizes that its allocator rounds them to.
    """
    runs: list[_Recorded] = []

    def run() -> None:
        runs.clear()
        runs.append(_recorded(forward, module))

    # The graph is looked at when the trace has ended: looking at what a checkpoint saved computes it anew.
    seen: Trace = trace([run], follow=module, device=device)
    graph = _graph_of(runs[0], module, inputs, _any_memory)
    returned = {_storage(tensor)[0] for tensor in tensors_in(runs[0].left)}
    accounted = {saved.address for saved in graph.saved} | returned | graph.scalars
    blocks = [
        Block(
            bytes=event.bytes,
            operator=seen.running(seen.operators, event.time, outermost=True) or _maker(event.bytes),
            module=seen.running(seen.modules, event.time),
        )
        for event in seen.live_blocks()
        if event.address not in accounted
    ]
    return tuple(sorted(blocks, key=lambda block: -block.bytes))
