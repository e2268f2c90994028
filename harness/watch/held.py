"""The bytes that a graph holds for backward, read from its nodes: nothing runs again, nothing is replaced."""

from collections.abc import Hashable
from functools import lru_cache
from typing import Any

import torch
from torch import nn

_MOST_NODES = 20_000  # a graph of more is not looked at: a suite is not slowed for a number in a list


@lru_cache(maxsize=1024)
def _fields(kind: Hashable) -> tuple[str, ...]:
    return tuple(name for name in dir(kind) if name.startswith("_saved_"))


def held_bytes(outputs: tuple[torch.Tensor, ...], module: nn.Module, inputs: object) -> int | None:
    """Return the bytes of unique storages that the graph behind some tensors saved; None where unknown.

    Parameters, buffers, inputs and the tensors themselves are left out, because they would be there
    without a graph.
    """
    from harness.workload.tensors import tensors_in

    outside = {
        _address(tensor)
        for tensor in (*module.parameters(), *module.buffers(), *tensors_in(inputs), *outputs)
    }
    sizes: dict[int, int] = {}
    seen: set[Any] = set()
    waiting: list[Any] = [tensor.grad_fn for tensor in outputs]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        if len(seen) >= _MOST_NODES:
            return None
        seen.add(node)
        waiting.extend(following for following, _ in node.next_functions)
        for tensor in _saved_by(node):
            try:
                sizes[_address(tensor)] = tensor.untyped_storage().nbytes()
            except (RuntimeError, NotImplementedError):  # sparse tensors and others have no storage
                continue
    return sum(size for address, size in sizes.items() if address not in outside)


def _saved_by(node: Any) -> list[torch.Tensor]:
    tensors: list[torch.Tensor] = []
    kind: Any = type(node)
    for name in (*_fields(kind), "saved_tensors"):
        try:
            value = getattr(node, name, None)
        except (RuntimeError, AttributeError):  # freed, or changed in place since
            continue
        values = value if isinstance(value, (tuple, list)) else (value,)
        tensors.extend(each for each in values if isinstance(each, torch.Tensor))
    return tensors


def _address(tensor: torch.Tensor) -> int:
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):
        return 0
