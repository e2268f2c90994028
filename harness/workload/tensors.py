"""Tensors inside the nested values that models take and return."""

import dataclasses
from collections.abc import Iterator, Mapping

import torch


def bytes_of(tensor: torch.Tensor) -> int:
    """Return the bytes of a tensor's elements (torch < 2.1 has no `nbytes`; drop with that tox factor)."""
    return tensor.numel() * tensor.element_size()


def items_in(value: object) -> Iterator[tuple[str, object]]:
    """Yield what a tuple, list, mapping or dataclass holds, by place, key or field; nothing of others."""
    if isinstance(value, Mapping):
        yield from ((str(key), item) for key, item in value.items())
    elif isinstance(value, (tuple, list)):
        yield from ((str(place), item) for place, item in enumerate(value))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))


def tensors_in(value: object) -> Iterator[torch.Tensor]:
    """Yield every tensor in nested tuples, lists, mappings and dataclasses, in order."""
    if isinstance(value, torch.Tensor):
        yield value
        return
    for _, item in items_in(value):
        yield from tensors_in(item)
