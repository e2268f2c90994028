"""What a call may change: the state of a model and its inputs, taken once and put back before each call."""

import collections
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from harness.workload.model import Model
from harness.workload.tensors import UNNAMED, attributes_of, bytes_of, objects_in, slots_of

_SMALL = 16 * 1024 * 1024  # bytes of a frozen parameter whose values are kept: the whole may be large
_PLAIN = (int, float, complex, str, bytes, bool)
_PARTS = (nn.Module, nn.Parameter)
_NORMALIZATION = "running_mean|running_var|num_batches_tracked"


@dataclass(frozen=True, slots=True)
class _Content:
    """The content of one container or object at one time, and how it is put back."""

    path: str
    read: Callable[[], dict[object, object]]
    write: Callable[[dict[object, object]], None]
    before: dict[object, object]

    def changes(self) -> Iterator[str]:
        """Yield the paths of what is not as it was."""
        after = self.read()
        for key in {**self.before, **after}:
            if key in self.before and key in after and _is_same(self.before[key], after[key]):
                continue
            if key in self.before or not _is_function(
                after.get(key)
            ):  # scripted modules make theirs when called
                yield f"{self.path}{_step(key)}"

    def built(self) -> Iterator[str]:
        """Yield the paths of modules and parameters where there were none."""
        for key, item in self.read().items():
            if isinstance(item, _PARTS) and not isinstance(self.before.get(key), _PARTS):
                yield f"{self.path}{_step(key)}"

    def restore(self) -> None:
        """Put the content back, where it changed."""
        if any(True for _ in self.changes()):
            self.write(self.before)


@dataclass(frozen=True, slots=True)
class _Values:
    """The values of one tensor at one time."""

    path: str
    tensor: torch.Tensor
    values: torch.Tensor | None  # None where they are not kept
    grad: torch.Tensor | None
    requires_grad: bool

    def is_changed(self, since: int | None) -> bool:
        """Return whether the tensor holds other values than it did; where none are kept, since a version."""
        if self.values is None:
            return since is not None and _version(self.tensor) != since
        return not _is_equal(self.tensor, self.values)

    def restore(self) -> None:
        """Put the values, the gradient and `requires_grad` back."""
        if self.values is not None and not _is_equal(self.tensor, self.values):
            with torch.no_grad():
                self.tensor.data.copy_(self.values)
        if not self.tensor.is_leaf:
            return
        if self.tensor.requires_grad != self.requires_grad:
            self.tensor.requires_grad_(self.requires_grad)
        if self.tensor.grad is not self.grad:
            self.tensor.grad = self.grad


@dataclass(frozen=True, slots=True)
class ModelState:
    """Everything that a model's call can read and change, as it was at one time.

    Parameters that are trained are not copied, because a forward pass leaves them alone: where one does
    not, that is told and its values stay.
    """

    contents: tuple[_Content, ...]
    tensors: tuple[_Values, ...]

    @staticmethod
    def of(model: Model) -> "ModelState":
        """Take the state of a model: its modules, inputs, loss, and what these reach."""
        contents: list[_Content] = []
        tensors: list[_Values] = []
        for path, value in reached_by(model):
            if isinstance(value, torch.Tensor):
                tensors.append(_values_of(path, value))
            elif _is_own(path):
                contents += _contents_of(path, value)
        return ModelState(tuple(contents), tuple(tensors))

    def versions(self) -> tuple[int | None, ...]:
        """Return how often each tensor was changed in place until now."""
        return tuple(_version(values.tensor) for values in self.tensors)

    def changes(self, since: tuple[int | None, ...]) -> tuple[str, ...]:
        """Return the paths of what is not as it was, each once.

        Args:
            since: the tensors' versions from which on a change counts, where no values are kept.
        """
        paths = [path for content in self.contents for path in content.changes()]
        paths += [
            values.path
            for values, version in zip(self.tensors, since, strict=True)
            if values.is_changed(version)
        ]
        return tuple(dict.fromkeys(readable(path) for path in paths))

    def has_gradients(self) -> bool:
        """Return whether a backward pass left gradients since."""
        return any(
            values.tensor.is_leaf and values.tensor.grad is not None and values.tensor.grad is not values.grad
            for values in self.tensors
        )

    def built(self) -> tuple[str, ...]:
        """Return the paths of modules and parameters that are there where there were none."""
        paths = (path for content in self.contents for path in content.built())
        return tuple(dict.fromkeys(readable(path) for path in paths))

    def restore(self) -> None:
        """Put everything back as it was."""
        for content in self.contents:
            content.restore()
        for values in self.tensors:
            values.restore()


def reached_by(model: Model) -> Iterator[tuple[str, object]]:
    """Yield what a model, its inputs and its loss reach, other than through a graph, by path."""
    roots: dict[str, object] = {"": model.module, "the inputs": model.inputs, "the loss": model.loss}
    roots |= {f"the call{index or ''}": value for index, value in enumerate(model.surroundings)}
    # Scripted modules keep theirs where no walk through Python objects comes.
    roots |= {f".{name}": buffer for name, buffer in model.module.named_buffers()}
    return objects_in(roots, enter_modules=True)


def _is_own(path: str) -> bool:
    """Return whether what lies at a path belongs to the model, so that its content may be put back.

    A function that the model calls closes over containers of the model's, and over whatever else its
    author's program holds: of that, only containers are the model's, and no object's attributes.

    >>> _is_own("._modules['0'].cache.keys"), _is_own("._forward_hooks[7] of kept[0]")
    (True, True)
    >>> _is_own("._forward_hooks[7] of trainer.log"), _is_own("._forward_hooks[7]~.log")
    (False, False)
    """
    outside = path.partition(" of ")[2]
    return UNNAMED not in path and "." not in outside


def is_bookkeeping(path: str) -> bool:
    """Return whether a path is of a normalization's running statistics, which change in train mode by design.

    >>> is_bookkeeping("norm.running_mean"), is_bookkeeping("hidden")
    (True, False)
    """
    return re.fullmatch(rf"(?:.*\.)?(?:{_NORMALIZATION})", path) is not None


def _contents_of(path: str, value: object) -> Iterator[_Content]:
    """Yield what an object holds that can be put back: items and attributes."""
    pairs: list[tuple[Callable[[], dict[object, object]], Callable[[dict[object, object]], None]]] = []
    kind: Any = type(value)
    container: Any = value
    if issubclass(kind, dict):
        pairs.append((lambda: dict(dict.items(container)), lambda items: _set_mapping(container, items)))
    elif issubclass(kind, (list, collections.deque)):
        pairs.append((lambda: dict(enumerate(container)), lambda items: _set_row(container, items)))
    elif issubclass(kind, set):
        pairs.append((lambda: dict.fromkeys(container), lambda items: _set_set(container, items)))
    if attributes_of(value) and " of " not in path:
        pairs.append((lambda: _attributes(container), lambda items: _set_attributes(container, items)))
    yield from (_Content(path, read, write, read()) for read, write in pairs)


def _attributes(value: object) -> dict[object, object]:
    return dict(attributes_of(value).items())


def _set_mapping(container: dict[object, object], items: dict[object, object]) -> None:
    # An ordered dictionary keeps its order beside its items: dict's own methods would leave it behind.
    kind: Any = collections.OrderedDict if isinstance(container, collections.OrderedDict) else dict
    kind.clear(container)
    for key, item in items.items():
        kind.__setitem__(container, key, item)


def _set_row(container: Any, items: dict[object, object]) -> None:
    container.clear()
    container.extend(items.values())


def _set_set(container: set[object], items: dict[object, object]) -> None:
    container.clear()
    container.update(items)


def _set_attributes(value: object, items: dict[object, object]) -> None:
    slots = slots_of(type(value))
    for name, slot in slots.items():
        if name in items:
            slot.__set__(value, items[name])
        elif name in attributes_of(value):
            slot.__delete__(value)
    try:
        own: dict[str, object] = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return
    if type(own) is dict:
        rest = {name: item for name, item in items.items() if name not in slots}
        own.clear()
        own.update({str(name): item for name, item in rest.items()})


def _values_of(path: str, tensor: torch.Tensor) -> _Values:
    copied = None
    # Of other layouts and of wrappers the version tells; what wrappers hold is reached by itself.
    is_plain = tensor.layout is torch.strided and tensor.device.type != "meta"
    if is_plain and (type(tensor) is torch.Tensor or _may_follow(tensor)):
        copied = tensor.detach().clone()
    grad = tensor.grad if tensor.is_leaf else None
    return _Values(path, tensor, copied, grad, tensor.requires_grad)


def _may_follow(tensor: torch.Tensor) -> bool:
    """Return whether a parameter is small and frozen, as one that a call moves after another may be."""
    return type(tensor) is nn.Parameter and not tensor.requires_grad and bytes_of(tensor) <= _SMALL


def _version(tensor: torch.Tensor) -> int | None:
    """Return how often a tensor was changed in place; None where torch does not count."""
    try:
        return tensor._version  # noqa: SLF001 (the only door; torch's notes on in-place checks name it)
    except RuntimeError:
        return None  # a tensor made in inference mode


def _is_equal(tensor: torch.Tensor, values: torch.Tensor) -> bool:
    if tensor.shape != values.shape or tensor.dtype != values.dtype:
        return False
    with torch.no_grad():
        if torch.equal(tensor, values):
            return True
        if not (tensor.is_floating_point() or tensor.is_complex()):
            return False
        return bool(((tensor == values) | (tensor.isnan() & values.isnan())).all())


def _is_same(before: object, after: object) -> bool:
    """Return whether a slot holds what it held: the same object, or an equal number, text or function."""
    if before is after:
        return True
    if type(before) is not type(after):
        return False
    if isinstance(before, _PLAIN):
        return before == after
    return _is_function(before)


def _is_function(value: object) -> bool:
    return callable(value) and not isinstance(value, (nn.Module, torch.Tensor))


def _step(key: object) -> str:
    if isinstance(key, str):
        return f".{key}" if key.isidentifier() else f"[{key!r}]"
    return f"[{key}]" if isinstance(key, int) else ""


def readable(path: str) -> str:
    """Return a path as its owner would write it.

    >>> readable("._modules['0']._buffers['mean']"), readable("._modules['0']._forward_hooks[7] of kept[0]")
    ('0.mean', 'kept[0]')
    >>> readable("the inputs[0]")
    'the inputs[0]'
    """
    path = re.sub(r"\._(?:modules|buffers|parameters)(?:\['([^']*)'\]|\.)", r".\1", path)
    path = path.replace(UNNAMED, "")
    path = re.sub(r"^.*hooks(?:\[\d+\]|\.\w+)* of ", "", path)
    return path.replace("..", ".").lstrip(".")
