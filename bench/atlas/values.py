"""Whole numbers in the nested values of a configuration. Nothing here knows what they mean."""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

Tree = Mapping[str, Any]


def is_part(value: Any) -> bool:
    """Return whether a value is the configuration of a part of the model, and no other setting."""
    return isinstance(value, Mapping) and "model_type" in value


def leaves(tree: Tree) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a tree and of its parts that are no parts themselves."""
    for name, value in tree.items():
        if is_part(value):
            yield from leaves(value)
        else:
            yield name, value


def numbers(value: Any) -> Iterator[int]:
    """Yield the whole numbers of a value: itself, or those of nested rows and settings."""
    if type(value) is int:
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from numbers(item)


def each(value: Any, change: Callable[[int], Any]) -> Any:
    """Return a value with every whole number in it changed."""
    if type(value) is int:
        return change(value)
    if isinstance(value, (list, tuple)):
        return type(value)(each(item, change) for item in value)
    if isinstance(value, Mapping):
        return {key: each(item, change) for key, item in value.items()}
    return value


def is_row(value: Any) -> bool:
    """Return whether a value is a list or tuple that is not empty."""
    return isinstance(value, (list, tuple)) and len(value) > 0


def is_row_of_ints(value: Any) -> bool:
    """Return whether a value is a row of whole numbers."""
    return is_row(value) and all(type(item) is int for item in value)


def is_rising(value: Any) -> bool:
    """Return whether a row holds numbers of layers, and no item a layer."""
    return is_row_of_ints(value) and all(a < b for a, b in pairwise(value)) and len(value) > 1
