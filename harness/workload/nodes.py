"""The autograd nodes behind a value, and the tensors that they lead to."""

from collections.abc import Iterator
from typing import Any

import torch

from harness.workload.tensors import tensors_in


def nodes_behind(value: object) -> Iterator[Any]:
    """Yield the autograd nodes behind the tensors of a value, each once, those that follow before others."""
    visited: set[Any] = set()
    waiting = [tensor.grad_fn for tensor in tensors_in(value) if tensor.grad_fn is not None]
    while waiting:
        node = waiting.pop()
        if node in visited:
            continue
        visited.add(node)
        waiting.extend(following for following, _ in node.next_functions if following is not None)
        yield node


def leaves_behind(value: object) -> Iterator[torch.Tensor]:
    """Yield the tensors whose gradients a backward pass from a value would give, each once."""
    for node in nodes_behind(value):
        leaf = getattr(node, "variable", None)
        if isinstance(leaf, torch.Tensor):
            yield leaf
