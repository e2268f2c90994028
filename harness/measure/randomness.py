"""Whether a value that a pass reads back on the host depends on random numbers, as random depth does."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

# The only door to each operator that is called: torch's notes "Extending PyTorch" show it by this name.
from torch.utils._python_dispatch import TorchDispatchMode


def reads_random_values(forward: Callable[[], object]) -> bool:
    """Run a pass once, and return whether a number that it reads from a tensor depends on what it draws.

    What an operator that draws returns is followed, by storage, through all that is computed from it. What
    Python's and numpy's generators give is not.

    Raises:
        Exception: whatever the pass raises where its operators are looked on.
    """
    follower = _Follower()
    with follower:
        forward()
    return follower.has_read


def draws_random(operator: Any) -> bool:
    """Return whether torch says of an overload of an operator that it draws random numbers."""
    return torch.Tag.nondeterministic_seeded in operator.tags


class _Follower(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Keeps the storages that hold what was drawn, or what was computed from it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.has_read = False
        self._drawn: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, _types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given: dict[object, Any] = {}
        given.update(enumerate(args))
        given.update(kwargs or {})
        is_drawn = draws_random(func) or any(
            address in self._drawn for value in given.values() for address in _addresses(value)
        )
        result = func(*args, **(kwargs or {}))
        if is_drawn and _is_number(result):
            self.has_read = True
        written = [value for name, value in given.items() if _is_written(func, name)] if is_drawn else []
        for address in (each for value in (result, written) for each in _addresses(value)):
            # An address that was freed may be used again, for what does not depend on anything drawn.
            (self._drawn.add if is_drawn else self._drawn.discard)(address)
        return result


def _is_number(result: object) -> bool:
    """Return whether an operator's result is on the host: a Python number."""
    return isinstance(result, (bool, int, float, complex))


def _is_written(func: Any, name: object) -> bool:
    """Return whether an operator writes into an argument, by its place or name."""
    for place, argument in enumerate(func._schema.arguments):  # noqa: SLF001 (as torch's own modes read it)
        if name in {place, argument.name}:
            return argument.alias_info is not None and bool(argument.alias_info.is_write)
    return False


def _addresses(value: object) -> Iterator[int]:
    """Yield the addresses of the storages in an argument or a result."""
    if isinstance(value, torch.Tensor):
        try:
            yield value.untyped_storage().data_ptr()
        except (RuntimeError, NotImplementedError):
            return  # without memory of its own
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _addresses(item)
