"""The autograd graph behind a value: its nodes, what they saved, and the hooks that are told of it."""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from harness.workload.hooks import hookable
from harness.workload.nodes import leaves_behind, nodes_behind

_HOOKED = "hooks have already been set"  # torch's words where a saved tensor was packed by a hook


@dataclass(frozen=True, slots=True)
class Saved:
    """One storage that a call allocated and its graph holds for backward."""

    bytes: int
    module: str  # path of the module whose forward pass saved it; "" for the model itself
    node: str  # the autograd node that holds it, as in "AddmmBackward0"; "" where none can be named
    operator: str = ""  # that saved it, as in "addmm"


@dataclass(frozen=True, slots=True)
class Graph:
    """What a forward pass recorded.

    Attributes:
        saved: the storages that the call allocated and that the graph holds, those of its output left out.
        scalar_bytes: Python numbers that the graph holds as tensors; hooks are not told of them.
        nodes: autograd nodes behind what the pass returns.
        leaves: the tensors whose gradients it would give, each once.
        elsewhere: bytes saved outside the memory that the books are kept of.
    """

    saved: tuple[Saved, ...]
    scalar_bytes: int
    nodes: int
    leaves: tuple[torch.Tensor, ...] = ()
    elsewhere: int = 0

    @property
    def saved_bytes(self) -> int:
        """The bytes of what is saved."""
        return sum(saved.bytes for saved in self.saved)


@dataclass(slots=True, weakref_slot=True)
class _Standing:
    """What stands in the graph for a tensor that it saved; it goes when the graph lets go of the tensor."""

    tensor: torch.Tensor


@dataclass(slots=True)
class SavedTensors:
    """Hooks that are told of every tensor that a graph saves, and hold none of them."""

    tell: Callable[[int, torch.Tensor], None]  # the tensor's number, and the tensor
    standing: list[weakref.ref[_Standing]] = field(default_factory=list)

    def hooks(self) -> saved_tensors_hooks:
        """Return the context in which graphs tell."""
        return saved_tensors_hooks(self._pack, _unpack)

    def held(self) -> frozenset[int]:
        """Return the numbers of those that graphs still hold: a checkpoint drops what it saved inside."""
        return frozenset(number for number, one in enumerate(self.standing) if one() is not None)

    def _pack(self, tensor: torch.Tensor) -> _Standing:
        # The tensor itself would make a cycle through its own node; `detach` would be one more operator.
        standing = _Standing(tensor.data)
        self.tell(len(self.standing), tensor)
        self.standing.append(weakref.ref(standing))
        return standing


def _unpack(standing: _Standing) -> torch.Tensor:
    return standing.tensor


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk through a graph found.

    Attributes:
        nodes: how many there are.
        leaves: the tensors whose gradients the graph would give.
        bare: tensors that the graph saved without a hook being told, each with its node's name.
        hooked: how many tensors it saved through hooks, whosever they are.
    """

    nodes: int
    leaves: tuple[torch.Tensor, ...]
    bare: tuple[tuple[torch.Tensor, str], ...]
    hooked: int


def walk(value: object) -> Walk:
    """Walk through the graph behind a value; it is of no use for a backward pass afterwards.

    Source: the attributes `_raw_saved_...` of nodes are those of torch's tutorial "Hooks for autograd saved
    tensors". What was packed by hooks is not unpacked: a checkpoint would compute its region anew.
    """
    bare: list[tuple[torch.Tensor, str]] = []
    nodes = hooked = 0
    for node in nodes_behind(value):
        nodes += 1
        for raw in _raw_of(node):
            told: list[torch.Tensor] = []
            try:
                raw.register_hooks(
                    lambda tensor, told=told: told.append(tensor) or tensor, lambda tensor: tensor
                )
            except RuntimeError as error:  # hooked already, let go already, or nothing was saved there
                hooked += _HOOKED in str(error)
                continue
            bare += [(tensor, node.name()) for tensor in told]
    return Walk(nodes, tuple(leaves_behind(value)), tuple(bare), hooked)


def holders(value: object) -> dict[int, str]:
    """Return which node holds each saved storage, by the storage's address; unpacks what hooks packed."""
    names: dict[int, str] = {}
    for node in nodes_behind(value):
        for tensor in _unpacked(node):
            # A node is visited after those that follow it: the one that saved it first wins.
            names[tensor.untyped_storage().data_ptr()] = node.name()
    return names


def _raw_of(node: Any) -> Iterator[Any]:
    for name in dir(node):
        if name.startswith("_raw_saved_"):
            try:
                value = getattr(node, name)
            except RuntimeError:  # the graph was used and let go of it
                continue
            yield from value if isinstance(value, (tuple, list)) else (value,)


def _unpacked(node: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors a node saved: its attributes named `_saved_...`, or a custom function's tensors."""
    for name in dir(node):
        if name.startswith("_saved_"):
            yield from _strided(getattr(node, name))
    yield from _strided(getattr(node, "saved_tensors", ()))


def _strided(value: object) -> Iterator[torch.Tensor]:
    for tensor in value if isinstance(value, (tuple, list)) else (value,):
        if isinstance(tensor, torch.Tensor) and tensor.layout is torch.strided and type(tensor) in _PLAIN:
            yield tensor


_PLAIN = (torch.Tensor, nn.Parameter)


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
