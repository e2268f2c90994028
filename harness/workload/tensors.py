"""Tensors inside the nested values that models take and return."""

import dataclasses
from collections.abc import Iterator, Mapping

import torch


def bytes_of(tensor: torch.Tensor) -> int:
    """Return the bytes of a tensor's elements (torch < 2.1 has no `nbytes`; drop with that tox factor)."""
    return tensor.numel() * tensor.element_size()


def tensors_in(value: object) -> Iterator[torch.Tensor]:
    """Yield every tensor in nested tuples, lists, mappings and dataclasses, in order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors_in(item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from tensors_in(getattr(value, field.name))
