"""What a call leaves in memory, witnessed without the profiler and without saved-tensor hooks.

A dispatch mode sees every storage that an operator makes. A weak reference to each tells, when the call
has returned, which are alive. To find out who holds them, what the graph alone holds is let go: the
storages of the outputs are held, the tensors and with them the graph are dropped, and what is gone then
had been saved.

Two kinds of storage pass by every dispatch mode: tensors that torch makes without an operator, such as the
state of a random number generator, which Python's collector knows; and Python numbers that torch wraps,
which only the nodes of the graph hold.
"""

import gc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten


@dataclass(frozen=True, slots=True)
class Alive:
    """Bytes of storages that a call made and that are alive while its result is held.

    Attributes:
        retained: all of them.
        saved: those that the graph alone holds, without `scalars` and without `states`.
        scalars: Python numbers that torch wrapped, which the graph holds.
        states: tensors that no operator made, which the graph holds.
    """

    retained: int
    saved: int
    scalars: int
    states: int


def bytes_of(weak: StorageWeakRef) -> int:
    """Return the present size of a storage; 0 when it is gone. The one use of torch's weak pointers."""
    if weak.expired():
        return 0
    storage = torch.UntypedStorage._new_with_weak_ptr(weak.cdata)
    return 0 if storage is None else storage.nbytes()


class Makers(TorchDispatchMode):
    """Collects the storages that operators return and that were not there before."""

    def __init__(self, before: dict[int, StorageWeakRef]) -> None:
        super().__init__()
        self.before = before
        self.made: dict[int, StorageWeakRef] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for weak in storages(tree_flatten(result)[0]):
            if weak.cdata not in self.before:
                self.made.setdefault(weak.cdata, weak)
        return result


def storages(values: Iterable[object]) -> Iterator[StorageWeakRef]:
    """Yield a weak reference to the storage of each tensor among values: a live one keeps its address."""
    for value in values:
        if isinstance(value, torch.Tensor) and value.layout is torch.strided:
            yield StorageWeakRef(value.untyped_storage())


def tensors_of_python() -> list[torch.Tensor]:
    """Return every tensor that Python's collector knows."""
    # `isinstance` asks an object for its class, which may run code of its own; `type` does not.
    return [thing for thing in gc.get_objects() if issubclass(type(thing), torch.Tensor)]


def alive_after(call: Callable[[], object], outputs: Callable[[object], list[torch.Tensor]]) -> Alive:
    """Return what a call leaves alive while its result is held.

    Args:
        call: what is run, once, in the grad mode of the caller.
        outputs: returns the tensors in the call's result.
    """
    gc.collect()
    # Looking at older graphs makes what their nodes hold known to Python, so they are looked at first.
    before = wrapped_numbers(tensors_of_python(), set())
    before |= {weak.cdata: weak for weak in storages(tensors_of_python())}
    mode = Makers(before)
    with mode:
        result = call()
    gc.collect()
    tensors = tensors_of_python()
    scalars = wrapped_numbers(tensors, {*before, *mode.made})
    # One that an operation in place on a view saved lies in a node that no walk comes to; Python knows it.
    numbers_of_python = [tensor for tensor in tensors if tensor.dim() == 0]
    unmade = {weak.cdata: weak for weak in storages(numbers_of_python)}
    scalars |= {key: weak for key, weak in unmade.items() if key not in {*before, *mode.made}}
    known = {*before, *mode.made, *scalars}
    states = {weak.cdata: weak for weak in storages(tensors) if weak.cdata not in known}
    del tensors, numbers_of_python
    made, beside = list(mode.made.values()), list(states.values())
    numbers = sum(map(bytes_of, scalars.values()))
    retained_made, retained_beside = sum(map(bytes_of, made)), sum(map(bytes_of, beside))
    held = [tensor.untyped_storage() for tensor in outputs(result) if tensor.layout is torch.strided]
    del result
    gc.collect()
    after_made, after_beside = sum(map(bytes_of, made)), sum(map(bytes_of, beside))
    del held
    return Alive(
        retained=retained_made + retained_beside + numbers,
        saved=retained_made - after_made,
        scalars=numbers,
        states=retained_beside - after_beside,
    )


def wrapped_numbers(tensors: list[torch.Tensor], others: set[int]) -> dict[int, StorageWeakRef]:
    """Return the tensors of no dimension in the graph whose storages are not among `others`."""
    nodes: set[Any] = set()
    waiting = [tensor.grad_fn for tensor in tensors if tensor.grad_fn is not None]
    numbers: dict[int, StorageWeakRef] = {}
    while waiting:
        node = waiting.pop()
        if node in nodes:
            continue
        nodes.add(node)
        waiting.extend(edge for edge, _ in node.next_functions if edge is not None)
        for name in ("_saved_self", "_saved_other", "_saved_exponent", "_saved_weight", "_saved_end"):
            try:
                value = getattr(node, name, None)
            except RuntimeError:  # written to since: no number, which nobody writes to
                continue
            if isinstance(value, torch.Tensor) and value.dim() == 0:
                numbers |= {weak.cdata: weak for weak in storages([value]) if weak.cdata not in others}
    return numbers
