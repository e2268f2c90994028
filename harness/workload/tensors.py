"""Tensors inside what models take, return and keep: nested containers, and objects of any class."""

import collections
import dataclasses
import gc
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

UNNAMED = "~"  # in a path: what an object refers to without a name, such as that of a method
MOST_OBJECTS = 200_000  # that one walk visits: a value that reaches more is no output, but a whole program

# What a walk does not enter: what holds no tensor, and what leads from a value to the whole program.
_OPAQUE = (
    str,
    bytes,
    bytearray,
    int,
    float,
    complex,
    type,
    types.NoneType,
    types.ModuleType,
    types.CodeType,
    types.FrameType,
    types.TracebackType,
    types.BuiltinFunctionType,
    torch.dtype,
    torch.device,
    torch.Generator,
)
_OPAQUE_PACKAGES = frozenset(
    {"_thread", "concurrent", "importlib", "logging", "multiprocessing", "threading"}
)
_PLAIN_TENSORS = (torch.Tensor, nn.Parameter)
_ROWS = (tuple, list, collections.deque)
_WITHOUT_ATTRIBUTES = (dict, list, tuple, set)


def bytes_of(tensor: torch.Tensor) -> int:
    """Return the bytes that a tensor's elements take: of a sparse one those of its indices and values."""
    parts = _parts_of(tensor)
    if parts:
        return sum(bytes_of(part) for part in parts)
    return tensor.numel() * tensor.element_size()  # torch < 2.1 has no `nbytes`; drop with that tox factor


def storages_of(tensor: torch.Tensor) -> tuple[tuple[int, int], ...]:
    """Return the address and the bytes of each storage that a tensor lies in.

    One storage for a strided tensor; those of indices and values for a sparse one; none for a tensor
    that has no memory of its own, such as a wrapper around other tensors.
    """
    return tuple((storage.data_ptr(), storage.nbytes()) for storage in raw_storages_of(tensor))


def storages_in(value: object) -> Iterator[tuple[int, int]]:
    """Yield the address and the bytes of each storage that a value lies in, wrapped tensors among them."""
    yield from ((storage.data_ptr(), storage.nbytes()) for storage in raw_storages_in(value))


def raw_storages_in(value: object) -> Iterator[torch.UntypedStorage]:
    """Yield the storages that a value lies in; whoever holds one holds its memory, and no graph."""
    for _, item in objects_in({"": value}):
        if isinstance(item, torch.Tensor):
            yield from raw_storages_of(item)


def raw_storages_of(tensor: torch.Tensor) -> tuple[torch.UntypedStorage, ...]:
    """Return the storages that a tensor lies in by itself."""
    parts = _parts_of(tensor)
    if parts:
        return tuple(storage for part in parts for storage in raw_storages_of(part))
    try:
        storage = tensor.untyped_storage()
        storage.data_ptr()
    except (RuntimeError, NotImplementedError):
        return ()  # wrapper subclasses, and layouts whose memory torch does not show
    return (storage,)


def _parts_of(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the tensors that a sparse tensor is made of; nothing for other layouts."""
    if tensor.layout is torch.sparse_coo:
        return (tensor._indices(), tensor._values())  # noqa: SLF001 (documented, for tensors that are not coalesced)
    if tensor.layout in {torch.sparse_csr, torch.sparse_bsr}:
        return (tensor.crow_indices(), tensor.col_indices(), tensor.values())
    if tensor.layout in {torch.sparse_csc, torch.sparse_bsc}:
        return (tensor.ccol_indices(), tensor.row_indices(), tensor.values())
    return ()


def items_in(value: object) -> Iterator[tuple[str, object]]:
    """Yield what a tuple, list, mapping or dataclass holds, by place, key or field; nothing of others."""
    if isinstance(value, Mapping):
        yield from ((str(key), item) for key, item in value.items())
    elif isinstance(value, (tuple, list)):
        yield from ((str(index), item) for index, item in enumerate(value))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))


def tensors_in(value: object) -> Iterator[torch.Tensor]:
    """Yield every tensor that a value holds, once, in the order of containers and attributes.

    Objects of any class are looked into, and no code of theirs is called. Modules, classes, the globals of
    functions and tensors that wrap others are not entered. At most `MOST_OBJECTS` objects are visited.
    """
    if isinstance(value, torch.Tensor):
        yield value
        return
    for _, item in objects_in({"": value}, enter_tensors=False):
        if isinstance(item, torch.Tensor):
            yield item


def objects_in(
    roots: Mapping[str, object], *, enter_modules: bool = False, enter_tensors: bool = True
) -> Iterator[tuple[str, object]]:
    """Yield the objects that are reached from some roots, the roots among them, each once, by path.

    Args:
        roots: where the walk begins, by name.
        enter_modules: whether to go into `nn.Module`s that are reached.
        enter_tensors: whether to go into tensors that wrap others, such as jagged ones.
    """
    visited: dict[int, object] = {}  # holds what it visits: an address could be used again
    opaque: dict[
        int, bool
    ] = {}  # by the class, which lives as long as what is visited; not all can be hashed

    def is_ahead(item: object) -> bool:
        kind = type(item)
        if id(kind) not in opaque:
            opaque[id(kind)] = _is_opaque(kind)
        return not opaque[id(kind)] and id(item) not in visited

    waiting = [(path, value) for path, value in roots.items() if is_ahead(value)][::-1]
    while waiting and len(visited) < MOST_OBJECTS:
        path, value = waiting.pop()
        if id(value) in visited:
            continue
        visited[id(value)] = value
        if issubclass(type(value), nn.Module) and not enter_modules:
            continue
        yield path, value
        if issubclass(type(value), torch.Tensor) and not enter_tensors:
            continue
        waiting += [(path + step, item) for step, item in _inside(value) if is_ahead(item)][::-1]


def _is_opaque(kind: type) -> bool:
    if issubclass(kind, (torch.Tensor, nn.Module)):
        return False
    home = kind.__module__
    # "torch._": what the compiler and torch's own machinery keep about a program is no state of a model.
    return (
        issubclass(kind, _OPAQUE) or home.startswith("torch._") or home.partition(".")[0] in _OPAQUE_PACKAGES
    )


def _inside(value: object) -> Iterator[tuple[str, object]]:
    """Yield what an object refers to, by the rest of its path: first what has a name or a place."""
    kind = type(value)
    if kind in _PLAIN_TENSORS:
        yield "", _wrapper_of(value)  # type: ignore[arg-type]
        return
    if issubclass(kind, types.FunctionType):
        yield from _inside_function(value)  # type: ignore[arg-type]
        return
    if issubclass(kind, dict):
        items: Iterable[tuple[object, object]] = dict.items(value)  # type: ignore[arg-type]
        yield from ((f"[{key!r}]" if type(key) in {str, int} else "[...]", item) for key, item in items)
    for row in _ROWS:
        if issubclass(kind, row):
            places: Iterable[tuple[int, object]] = enumerate(row.__iter__(value))  # type: ignore[arg-type]
            yield from ((f"[{index}]", item) for index, item in places)
    yield from _inside_array(value)
    yield from ((f".{name}", item) for name, item in attributes_of(value).items())
    yield from ((UNNAMED, item) for item in gc.get_referents(value))


def _wrapper_of(tensor: torch.Tensor) -> torch.Tensor | None:
    """Return the wrapper of tensors that a plain tensor is a view of, such as a jagged one."""
    base = tensor._base  # noqa: SLF001 (the only door; torch's documentation of views names it)
    return base if base is not None and type(base) not in _PLAIN_TENSORS else None


def _inside_array(value: object) -> Iterator[tuple[str, object]]:
    """Yield what an array of numpy shares its memory with, and the items of an array of objects."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not issubclass(type(value), numpy.ndarray):
        return
    array: Any = value
    yield "", array.base
    if array.dtype == object:
        yield from ((f"[{index}]", item) for index, item in enumerate(array.flat))


def attributes_of(value: object) -> dict[str, object]:
    """Return an object's own attributes, those in slots among them, by name; no code of its class runs."""
    if type(value) in _WITHOUT_ATTRIBUTES:  # most of what a walk visits
        return {}
    try:
        attributes = dict(object.__getattribute__(value, "__dict__"))
    except (AttributeError, TypeError, ValueError):
        attributes = {}
    for name, slot in slots_of(type(value)).items():
        try:
            attributes[name] = slot.__get__(value)
        except AttributeError:  # a slot that holds nothing yet
            continue
    return attributes


def slots_of(kind: type) -> dict[str, types.MemberDescriptorType]:
    """Return the slots that a class and its bases declare in Python, by name."""
    return {
        name: slot
        for base in kind.__mro__
        if "__slots__" in base.__dict__
        for name, slot in base.__dict__.items()
        if isinstance(slot, types.MemberDescriptorType)
    }


def _inside_function(function: types.FunctionType) -> Iterator[tuple[str, object]]:
    """Yield what a function keeps: the variables it closes over, its defaults, its attributes."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            yield f" of {name}", cell.cell_contents
        except ValueError:  # a variable that is not set yet
            continue
    yield from (("", item) for item in function.__defaults__ or ())
    yield from ((f" of {name}", item) for name, item in (function.__kwdefaults__ or {}).items())
    yield from function.__dict__.items()
