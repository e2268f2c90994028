"""The watcher of one process: puts its hooks into torch, takes them out, and never raises in a test."""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules import batchnorm
from torch.nn.modules import module as modules
from torch.optim import Optimizer
from torch.optim import optimizer as optimizers

from harness.watch.finding import WatchFinding, merge
from harness.watch.frames import CallSite, find_call_site
from harness.watch.passes import Passes
from harness.watch.torch_doors import hide_from_compile
from harness.watch.training import Training
from harness.workload.hooks import is_compiling, register_forward_hook

_TORCH = str(Path(torch.__file__).parent) + "/"


class SuiteWatcher:
    """Watches the tests of one process.

    Attributes:
        stopped: why it stopped watching, in words; "" while it watches.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stopped = ""
        self._passes = Passes(str(root))
        self._training = Training(self._place)
        self._passes.noted = self._training.take_moving
        self._passes.on_backward = self._training.trained
        self._handles: list[Any] = []
        self._undo: list[Callable[[], None]] = []

    def start(self) -> None:
        """Put the hooks into torch."""
        guard = self._guarded

        # These two run at every call of every module: an inner one costs a count, and no call of ours.
        here, compiling, batch_norm = self._passes.here, is_compiling, batchnorm._BatchNorm  # noqa: SLF001

        def enter(_module: nn.Module, _inputs: object) -> None:
            if not compiling():
                here.depth += 1

        def leave(module: nn.Module, inputs: object, output: object) -> None:
            if compiling():
                return
            here.depth = depth = max(0, here.depth - 1)
            if not depth:
                guard(self._leave, module, inputs, output)
            elif isinstance(module, batch_norm):
                guard(self._training.ran, module)

        def registered(module: nn.Module, name: str, parameter: object) -> None:
            if not is_compiling():
                guard(self._training.registered, module, name, parameter)

        self._handles = [
            modules.register_module_forward_pre_hook(enter),
            register_forward_hook(leave),
            modules.register_module_parameter_registration_hook(registered),
            optimizers.register_optimizer_step_pre_hook(
                lambda optimizer, *_: guard(self._training.before_step, optimizer)
            ),
        ]
        self._undo.append(hide_from_compile({handle.id for handle in self._handles}))
        self._watch_optimizers()

    def _watch_optimizers(self) -> None:
        """Be told when an optimizer is made or is given a group; torch has hooks for its steps alone."""
        guard, made = self._guarded, self._training.made
        for name in ("__init__", "add_param_group"):
            original = getattr(Optimizer, name)

            @functools.wraps(original)
            def noting(optimizer: Optimizer, *args: Any, _original: Any = original, **kwargs: Any) -> Any:
                returned = _original(optimizer, *args, **kwargs)
                guard(made, optimizer)
                return returned

            setattr(Optimizer, name, noting)
            self._undo.append(functools.partial(setattr, Optimizer, name, original))

    def stop(self) -> None:
        """Take the hooks out again."""
        for handle in self._handles:
            handle.remove()
        for undo in self._undo:
            undo()
        self._handles, self._undo = [], []

    def _leave(self, module: nn.Module, inputs: object, output: object) -> None:
        self._training.ran(module)
        self._passes.leave(module, inputs, output)
        self._training.take_moving()
        if torch.is_grad_enabled():
            self._training.called(module)

    def _guarded(self, call: Callable[..., object], *arguments: object) -> None:
        """Call something of the watcher's own; where it fails, the watcher stops, and the test goes on."""
        if self.stopped:
            return
        try:
            call(*arguments)
        except Exception as error:  # noqa: BLE001 (a stranger's test must not fail for it; it is said at the end)
            self.stopped = f"{type(error).__name__}: {error}"

    def _place(self) -> CallSite | None:
        return find_call_site(sys._getframe(1), _TORCH, str(self.root))  # noqa: SLF001 (as quick as it gets)

    def begin(self, test: str) -> None:
        """A test begins."""
        self._passes.test = self._training.test = test
        self._passes.reset()

    def end(self, test: str) -> int:
        """Return how many lines of a test that has ended are at fault, as far as can be said by now."""
        if self.stopped:
            return 0
        return self._passes.settle(test) + sum(each.test == test for each in self._training.findings())

    def findings(self) -> tuple[WatchFinding, ...]:
        """Return all that was found, worst first."""
        of_training = [self._relative_finding(each) for each in self._training.findings()]
        return merge((*self._passes.findings(self._relative), *of_training))

    def _relative_finding(self, finding: WatchFinding) -> WatchFinding:
        from dataclasses import replace

        return replace(finding, file=self._relative(finding.file))

    def _relative(self, file: str) -> str:
        try:
            return str(Path(file).relative_to(self.root))
        except ValueError:
            return file
