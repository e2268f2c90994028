"""Freezing: parameters that get no gradient, and so neither optimizer state nor a graph before them."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from harness.fitting.levers.lever import LeverError, TrainingSetup, Undo, in_lines
from harness.workload.questions.freezing import matching


@dataclass(frozen=True, slots=True)
class Freezing:
    """Freeze parameters by name.

    Attributes:
        names: of parameters.
        what: in words, such as "blocks 1 to 3 and what runs before them".
        condition: an expression in `name` that is true of these names alone; "" to list them.
    """

    names: frozenset[str]
    what: str
    condition: str = ""

    @property
    def gives_up(self) -> str:
        """These parameters are not trained."""
        return f"{self.what} not trained"

    @property
    def lines(self) -> tuple[str, ...]:
        """A loop over the parameters."""
        listed = f"name in {{{', '.join(map(repr, sorted(self.names)))}}}"
        return (
            "for name, parameter in model.named_parameters():",
            *in_lines(f"    if {self.condition or listed}:"),
            "        parameter.requires_grad_(False)",
            "        optimizer.state.pop(parameter, None)",
        )

    def apply(self, training: TrainingSetup) -> Undo:
        """Set `requires_grad` to False, and drop the optimizer's state of what is frozen."""
        parameters = dict(training.module.named_parameters())
        frozen = [
            parameter
            for name, parameter in parameters.items()
            if name in self.names and parameter.requires_grad
        ]
        if not any(p.requires_grad for name, p in parameters.items() if name not in self.names):
            raise LeverError(f"with {self.what} frozen, nothing is left to train")
        optimizer = training.optimizer
        states: dict[torch.Tensor, Any] = {p: optimizer.state.pop(p) for p in frozen if p in optimizer.state}
        gradients = {p: p.grad for p in frozen}
        for parameter in frozen:
            parameter.requires_grad_(False)  # noqa: FBT003 (torch's own argument)
            parameter.grad = None

        def undo() -> None:
            for parameter in frozen:
                parameter.requires_grad_(True)  # noqa: FBT003
                parameter.grad = gradients[parameter]
            optimizer.state.update(states)

        return undo


def first_blocks(before: frozenset[str], count: int, paths: tuple[str, ...], module: nn.Module) -> Freezing:
    """Return the lever that freezes the first blocks, and all that runs before them."""
    ends = paths[count - 1]
    what = f"block 1 ({ends})" if count == 1 else f"blocks 1 to {count} ({paths[0]} to {ends})"
    return Freezing(before, f"{what} and all that runs before", _prefixes(before, module))


def all_but_biases(module: nn.Module) -> Freezing:
    """Return the lever that trains only what is called a bias."""
    names = frozenset(name for name, _ in module.named_parameters() if "bias" not in name.rpartition(".")[2])
    return Freezing(names, "all but biases", "'bias' not in name.rpartition('.')[2]")


def all_but(patterns: tuple[str, ...], module: nn.Module) -> Freezing:
    """Return the lever that trains only the parameters whose names fit a pattern.

    Raises:
        WorkloadError: a pattern fits none.
    """
    every = [name for name, _ in module.named_parameters()]
    trained = set(matching(every, patterns))
    listed = ", ".join(map(repr, sorted(trained)))
    return Freezing(frozenset(every) - trained, f"all but {', '.join(patterns)}", f"name not in {{{listed}}}")


def _prefixes(names: frozenset[str], module: nn.Module) -> str:
    """Return a short expression that is true of these names alone: paths of whole modules, where they do."""
    every = [name for name, _ in module.named_parameters()]
    prefixes: list[str] = []
    rest = set(names)
    for path, _ in module.named_modules():
        inside = {name for name in every if path and name.startswith(f"{path}.")}
        if inside and inside <= names and inside & rest:
            prefixes.append(f"{path}.")
            rest -= inside
    prefixes += sorted(rest)
    # A name that stands alone may begin another's.
    if any(name.startswith(tuple(prefixes)) for name in every if name not in names):
        return ""
    return f"name.startswith(({', '.join(map(repr, prefixes))},))"
