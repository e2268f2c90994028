"""An independent count of what a call leaves allocated: a dispatch mode and weak references, nothing else.

It shares neither the profiler nor saved-tensor hooks with the product. It sees what operators make; what
torch makes outside of them (a generator's state, a wrapped Python number) it does not see.
"""

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten


class Storages(TorchDispatchMode):
    """Weak references to the storages that operators make while the mode is on."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[weakref.ref[torch.UntypedStorage]] = []

    def __torch_dispatch__(
        self, func: Any, _types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        known = {id(storage) for storage in _storages((args, named))}
        out = func(*args, **named)
        known |= {id(made) for reference in self.made if (made := reference()) is not None}
        for storage in _storages(out):
            if id(storage) not in known:
                known.add(id(storage))
                self.made.append(weakref.ref(storage))
        return out

    def alive(self) -> int:
        """Return the bytes of those that are still there."""
        return sum(storage.nbytes() for made in self.made if (storage := made()) is not None)


def _storages(nested: object) -> Iterator[torch.UntypedStorage]:
    for leaf in tree_flatten(nested)[0]:
        if isinstance(leaf, torch.Tensor) and leaf.layout is torch.strided:
            yield leaf.untyped_storage()


def held(call: Callable[[], object]) -> int:
    """Return the bytes that a call allocates and that are there while its result is held."""
    with Storages() as mode:
        result = call()
    gc.collect()
    alive = mode.alive()
    del result
    return alive


def spared(call: Callable[[], object]) -> int:
    """Return how many bytes fewer a call holds under `no_grad`; it runs once before."""
    call()
    with_graph = held(call)
    with torch.no_grad():
        return with_graph - held(call)
