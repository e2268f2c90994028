"""What training does to what was frozen: thawed parameters, and buffers that move beside frozen ones."""

import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.modules import batchnorm
from torch.optim import Optimizer

from harness.watch.finding import WatchFinding
from harness.watch.frames import CallSite


@dataclass(slots=True)
class _Frozen:
    """The parameters that were frozen when one optimizer was made."""

    optimizer: weakref.ref[Optimizer]
    parameters: list[weakref.ref[torch.Tensor]]


@dataclass(slots=True)
class Training:
    """Keeps which parameters exist, which were frozen when an optimizer was made, and what became of them.

    Attributes:
        place: says from where an optimizer or a module is called; None where it is nobody's call.
    """

    place: Callable[[], CallSite | None]
    test: str = ""
    _owners: "weakref.WeakKeyDictionary[nn.Module, None]" = field(default_factory=weakref.WeakKeyDictionary)
    _frozen: dict[int, _Frozen] = field(default_factory=dict)
    _roots: "weakref.WeakKeyDictionary[nn.Module, None]" = field(default_factory=weakref.WeakKeyDictionary)
    _seen: dict[tuple[str, str, int, str], WatchFinding] = field(default_factory=dict)
    _moving: dict[int, tuple[weakref.ref[nn.Module], str]] = field(default_factory=dict)

    def registered(self, module: nn.Module, _name: str, _parameter: object) -> None:
        """Remember a module that owns parameters: a global registration hook."""
        self._owners[module] = None

    def entered(self, module: nn.Module) -> None:
        """Remember what holds the parameters of a module that was not built here: a copy, or unpickled."""
        for child in module.modules():
            if child._parameters and child not in self._owners:  # noqa: SLF001 (named_parameters is slow)
                self._owners[child] = None

    def made(self, optimizer: Optimizer) -> None:
        """Remember what is frozen when an optimizer is made or is given another group."""
        frozen: dict[int, torch.Tensor] = {}
        for parameter in (*self._parameters(), *_of_groups(optimizer)):
            if not parameter.requires_grad:
                frozen[id(parameter)] = parameter
        self._frozen[id(optimizer)] = _Frozen(
            weakref.ref(optimizer),
            [weakref.ref(each) for each in frozen.values()],
        )
        # A second optimizer, made after a layer was thawed, is where it was thawed for.
        theirs = {id(each) for each in _of_groups(optimizer) if each.requires_grad}
        for other in self._frozen.values():
            other.parameters = [held for held in other.parameters if id(held()) not in theirs]

    def before_step(self, optimizer: Optimizer, *_: object) -> None:
        """See which frozen parameters have a gradient: a global optimizer hook."""
        frozen = self._frozen.get(id(optimizer))
        if frozen is None or frozen.optimizer() is not optimizer or not frozen.parameters:
            return
        mine = {id(each) for each in _of_groups(optimizer)}
        names = []
        for held in frozen.parameters:
            parameter = held()
            if parameter is None or parameter.grad is None:
                continue
            if parameter.requires_grad or id(parameter) in mine:
                names.append(self._name(parameter))
        if names:
            self._add("thawed", names)

    def ran(self, module: nn.Module) -> None:
        """Note a frozen batch normalization that runs in training mode."""
        if (
            isinstance(module, batchnorm._BatchNorm)  # noqa: SLF001 (the public classes' one parent)
            and module.training
            and module.track_running_stats
            and module.weight is not None
            and module.running_mean is not None
            and not module.weight.requires_grad
        ):
            self._moving[id(module)] = (weakref.ref(module), type(module).__name__)

    def take_moving(self) -> tuple[tuple[weakref.ref[nn.Module], str], ...]:
        """Return, and forget, the frozen normalizations that ran in the pass that just ended."""
        if not self._moving:
            return ()
        taken = tuple(self._moving.values())
        self._moving.clear()
        return taken

    def trained(self, noted: object) -> None:
        """Call it a finding: the pass in which frozen buffers moved is trained on."""
        moving: Any = noted
        names = [name for name in (self._path(held()) for held, _ in moving or ()) if name]
        if names:
            self._add("moving", names, str(moving[0][1]))

    def _add(self, kind: Any, names: list[str], module: str = "") -> None:
        place = self.place()
        if place is None:
            return
        key = (kind, place.file, place.line, self.test)
        other = self._seen.get(key)
        self._seen[key] = WatchFinding(
            kind=kind,
            test=self.test,
            file=place.file,
            line=place.line,
            function=place.function,
            module=module,
            times=1 if other is None else other.times + 1,
            names=tuple(dict.fromkeys((*(other.names if other else ()), *names))),
        )

    def findings(self) -> Iterator[WatchFinding]:
        """Yield what was seen."""
        yield from self._seen.values()

    def _parameters(self) -> Iterator[torch.Tensor]:
        for module in list(self._owners):
            for parameter in module._parameters.values():  # noqa: SLF001 (named_parameters is slow)
                if parameter is not None:
                    yield parameter

    def _name(self, parameter: torch.Tensor) -> str:
        for module in list(self._owners):
            for name, each in module._parameters.items():  # noqa: SLF001
                if each is parameter:
                    path = self._path(module)
                    return f"{path}.{name}" if path else f"{type(module).__name__}.{name}"
        return f"a parameter of shape {tuple(parameter.shape)}"

    def _path(self, module: nn.Module | None) -> str:
        """Return the path of a module below the largest one that was called."""
        if module is None:
            return ""
        for root in sorted(self._roots, key=lambda each: -sum(1 for _ in each.modules())):
            for path, child in root.named_modules():
                if child is module:
                    return path or type(module).__name__
        return type(module).__name__

    def called(self, module: nn.Module) -> None:
        """Remember an outermost module, below which parameters are named."""
        if module not in self._roots:
            self._roots[module] = None
            self.entered(module)


def _of_groups(optimizer: Optimizer) -> Iterable[torch.Tensor]:
    for group in optimizer.param_groups:
        for each in group["params"]:
            if isinstance(each, torch.Tensor):
                yield each
