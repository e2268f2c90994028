"""The limits as code: a context manager that is a decorator too, and two assertions."""

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

import torch
from torch import nn

from harness.errors import HarnessError
from harness.limiting.amounts import parse_limits
from harness.limiting.block import measured
from harness.limiting.usage import BlockUsage, excesses

_Arguments = ParamSpec("_Arguments")
_Returned = TypeVar("_Returned")
_SHOWN = 5  # names in a message


class limits:  # noqa: N801 (a context manager that reads as one word, as `contextlib.suppress` does)
    """Measure a block, or each call of a function, and fail where it takes more than it may.

    The block runs once. Bytes are those of torch's allocators, of what was allocated inside; memory that was
    there before makes no room when it goes, so that equal blocks are equal. `saved` counts each storage once.

    Args:
        peak: bytes, or a size such as "64 MiB".
        saved: likewise: the most that graphs hold for backward at one time.
        nodes: autograd nodes.
        waits: values read back from tensors, as by `.item()`.

    Raises:
        HarnessError: a limit cannot be used, or the block stands inside another that is measured.
        AssertionError: the block takes more; the message says what, by how much, and which module holds most.
    """

    def __init__(
        self,
        *,
        peak: int | str | None = None,
        saved: int | str | None = None,
        nodes: int | None = None,
        waits: int | None = None,
    ) -> None:
        self._limits = parse_limits(peak=peak, saved=saved, nodes=nodes, waits=waits)
        self._running: list[tuple[Any, BlockUsage]] = []

    def __enter__(self) -> BlockUsage:
        """Begin; what is returned has its numbers when the block has ended."""
        usage = BlockUsage()
        running = measured(usage)
        running.__enter__()
        self._running.append((running, usage))
        return usage

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End, and hold what was used against the limits where the block did not raise."""
        running, usage = self._running.pop()
        running.__exit__(kind, error, trace)
        if kind is None:
            check(usage, self._limits)

    def __call__(self, function: Callable[_Arguments, _Returned]) -> Callable[_Arguments, _Returned]:
        """Return the function with each of its calls measured."""

        @functools.wraps(function)
        def limited(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Returned:
            with self:
                return function(*args, **kwargs)

        return limited


def check(usage: BlockUsage, allowed: Any) -> None:
    """Fail where a block took more than allowed.

    Raises:
        AssertionError: it did.
    """
    said = excesses(usage, allowed)
    if said:
        raise AssertionError("\n".join(said))


def assert_no_graph(call: Callable[[], _Returned]) -> _Returned:
    """Call a function, and fail where it recorded a graph; return what it returned.

    Raises:
        AssertionError: it recorded one; the message names the modules that recorded most.
    """
    usage = BlockUsage()
    with measured(usage):
        returned = call()
    if usage.nodes:
        most = ", ".join(list(usage.holders["nodes"])[:_SHOWN])
        lines = f", or in {usage.recorded_in}" if usage.recorded_in else ""
        raise AssertionError(
            f"{usage.nodes:,} autograd nodes recorded, {usage.saved:,} B held for backward, in {most};"
            f" put torch.no_grad() around the call{lines}"
        )
    return returned


@contextmanager
def assert_frozen(model: nn.Module, names: str | Iterable[str] | None = None) -> Iterator[None]:
    """Fail where a training step inside trains what is frozen.

    Args:
        model: whose parameters they are.
        names: patterns of parameters, such as "backbone.*"; by default those that do not require a gradient.

    Raises:
        HarnessError: no parameter is frozen, or a pattern names none.
        AssertionError: one requires or got a gradient, or changed; or a buffer beside them moved.
    """
    frozen = _frozen(model, (names,) if isinstance(names, str) else names)
    buffers = _buffers_beside(model, frozen)
    before = {name: each.detach().clone() for name, each in (*frozen.items(), *buffers.items())}
    gradients = {name: each.grad for name, each in frozen.items()}
    yield
    said = []
    now = dict(model.named_parameters(remove_duplicate=False))
    for name in frozen:
        parameter = now.get(name)
        if parameter is None:
            said.append(f"{name} is gone")
            continue
        faults = [
            "requires a gradient" if parameter.requires_grad else "",
            "got a gradient" if parameter.grad is not None and parameter.grad is not gradients[name] else "",
            "" if _same(parameter, before[name]) else "changed",
        ]
        if any(faults):
            said.append(f"{name} {', '.join(filter(None, faults))}")
    moved = dict(model.named_buffers(remove_duplicate=False))
    said += [f"buffer {name} moved" for name in buffers if not _same(moved[name], before[name])]
    if said:
        more = f"; and {len(said) - _SHOWN} more" if len(said) > _SHOWN else ""
        raise AssertionError(f"{len(said)} of what is frozen was trained: {'; '.join(said[:_SHOWN])}{more}")


def _frozen(model: nn.Module, patterns: Iterable[str] | None) -> dict[str, nn.Parameter]:
    parameters = dict(model.named_parameters(remove_duplicate=False))
    if patterns is None:
        frozen = {name: each for name, each in parameters.items() if not each.requires_grad}
        if not frozen:
            raise HarnessError(
                f"no parameter of {type(model).__name__} is frozen; freeze some, or give names, as in"
                f" names={next(iter(parameters), 'backbone.*')!r}"
            )
        return frozen
    frozen = {}
    for pattern in patterns:
        matches = {name: each for name, each in parameters.items() if fnmatch(name, pattern)}
        if not matches:
            raise HarnessError(
                f"no parameter of {type(model).__name__} is named {pattern!r}; there are"
                f" {', '.join(list(parameters)[:_SHOWN])}"
            )
        frozen |= matches
    return frozen


def _buffers_beside(model: nn.Module, frozen: dict[str, nn.Parameter]) -> dict[str, torch.Tensor]:
    """Return the buffers of modules whose own parameters are all among the frozen ones."""
    buffers: dict[str, torch.Tensor] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        begin = f"{path}." if path else ""
        own = [f"{begin}{name}" for name, _ in module.named_parameters(recurse=False)]
        if own and all(name in frozen for name in own):
            buffers |= {f"{begin}{name}": each for name, each in module.named_buffers(recurse=False)}
    return buffers


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    same = torch.eq(one.detach(), other) | (one.detach().isnan() & other.isnan())
    return one.shape == other.shape and bool(same.all())
