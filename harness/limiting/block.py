"""Measures a block while it runs once: allocations by the profiler, graphs by saved-tensor hooks."""

import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from sys import _getframe
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.autograd.profiler import profile
from torch.nn.modules import module as modules
from torch.overrides import TorchFunctionMode
from torch.profiler import record_function

from harness.errors import HarnessError
from harness.limiting.replay import PREFIX, replay
from harness.limiting.usage import BlockUsage
from harness.measure.callers import OuterCalls, calling_line, records_graph
from harness.measure.trace_file import exported_events
from harness.workload.hooks import is_compiling, register_forward_hook

_ALONE = threading.Lock()
_MARKED = "harness.counted"


def _note(text: str) -> None:
    with record_function(PREFIX + text):
        pass


@contextmanager
def measured(usage: BlockUsage) -> Iterator[None]:
    """Measure what runs inside, and write it into `usage` when it ends without an exception.

    Raises:
        HarnessError: another block is being measured.
    """
    if not _ALONE.acquire(blocking=False):
        raise HarnessError(
            "limits inside limits: torch has one profiler; measure the inner block alone, or take a limit off"
        )
    try:
        # `torch.profiler.profile` writes the same file, but imports torch's compiler when it first starts.
        with profile(profile_memory=True, use_kineto=True) as profiler:
            outer = OuterCalls()
            paths = _Paths(outer)
            nodes = _Nodes(paths, outer)
            with ExitStack() as stack:
                stack.enter_context(paths.followed(nodes.count))
                stack.enter_context(saved_tensors_hooks(_pack, lambda held: held.tensor))
                stack.enter_context(nodes)
                _note("mark")
                yield
            _note("mark")
        measured_now = replay(exported_events(profiler), nodes.counted)
    finally:
        _ALONE.release()
    measured_now.graphs = outer.lines()
    for name in BlockUsage.__slots__:
        setattr(usage, name, getattr(measured_now, name))


@dataclass(slots=True, weakref_slot=True)
class _Held:
    """What stands in the graph for a tensor that it saved."""

    tensor: torch.Tensor


def _pack(tensor: torch.Tensor) -> _Held:
    # The tensor itself would make a cycle through its own node; `detach` would be one more operator.
    held = _Held(tensor.data)
    address = tensor.untyped_storage().data_ptr()
    _note(f"saved {address}")
    weakref.finalize(held, _note, f"let-go {address}").atexit = False
    return held


@dataclass(slots=True)
class _Paths:
    """Which module runs, by its path below the outermost one and its class."""

    outer: OuterCalls
    running: list[str] = field(default_factory=list)
    _names: dict[int, str] = field(default_factory=dict)

    @property
    def here(self) -> str:
        return self.running[-1] if self.running else "outside modules"

    @contextmanager
    def followed(self, at_output: Callable[[object], None]) -> Iterator[None]:
        def enter(module: nn.Module, _inputs: object) -> None:
            if is_compiling():
                return
            if not self.running:
                self._names = {
                    id(child): f"{path} ({type(child).__name__})" if path else type(child).__name__
                    for path, child in module.named_modules()
                }
            self.running.append(self._names.get(id(module), type(module).__name__))
            _note(f"enter {self.running[-1]}")

        def leave(_module: nn.Module, _inputs: object, output: object) -> None:
            if is_compiling() or not self.running:
                return
            at_output(output)
            self.running.pop()
            if not self.running:
                self.outer.add(calling_line(_getframe(1)), graph=records_graph(output))
            _note("leave")

        handles = [
            modules.register_module_forward_pre_hook(enter),
            register_forward_hook(leave),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


class _Nodes(TorchFunctionMode):
    """Counts autograd nodes as functions of torch return them, each once; none is held."""

    def __init__(self, paths: _Paths, outer: OuterCalls) -> None:
        super().__init__()
        self.counted: dict[str, int] = defaultdict(int)
        self._paths = paths
        self._outer = outer

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Call a function, and count what it recorded."""
        returned = func(*args, **(kwargs or {}))
        outside = None if self._paths.running else self.counted[self._paths.here]
        self.count(returned)
        if outside is not None and self.counted[self._paths.here] > outside:
            self._outer.add(calling_line(_getframe(1)), graph=True)
        return returned

    def count(self, value: object) -> None:
        """Count the nodes behind a tensor, or behind those in a tuple or list, that were not counted."""
        if isinstance(value, torch.Tensor):
            with torch._C.DisableTorchFunctionSubclass():  # noqa: SLF001 (documented for overrides)
                self._walk(value.grad_fn)
        elif isinstance(value, (tuple, list)):
            for item in value:
                self.count(item)

    def _walk(self, start: Any) -> None:
        waiting = [start]
        while waiting:
            node = waiting.pop()
            if node is None or _MARKED in node.metadata:
                continue
            node.metadata[_MARKED] = True
            self.counted[self._paths.here] += 1
            waiting.extend(following for following, _ in node.next_functions)
