"""Updating: how the optimizer steps, which costs temporaries, and which optimizer it is."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from harness.fitting.levers.lever import LeverError, TrainingSetup, Undo, in_lines

OPTIMIZERS: dict[str, tuple[type[Optimizer], dict[str, Any]]] = {
    "AdamW": (AdamW, {}),
    "SGD with momentum": (SGD, {"momentum": 0.9}),
    "SGD": (SGD, {}),
}
UPDATE_IMPLEMENTATIONS: dict[str, dict[str, bool]] = {
    "for-loop": {"foreach": False, "fused": False},
    "foreach": {"foreach": True, "fused": False},
    "fused": {"foreach": False, "fused": True},
}


@dataclass(frozen=True, slots=True)
class Implementation:
    """Step by a loop over parameters, by operators over lists of them, or by one fused kernel."""

    name: str

    @property
    def gives_up(self) -> str:
        """Nothing: the same formula, in another order of operations at most."""
        return ""

    @property
    def lines(self) -> tuple[str, ...]:
        """A loop over the parameter groups."""
        options = ", ".join(f"{name}={value}" for name, value in UPDATE_IMPLEMENTATIONS[self.name].items())
        return ("for group in optimizer.param_groups:", f"    group.update({options})")

    def apply(self, training: TrainingSetup) -> Undo:
        """Set the options of all parameter groups."""
        optimizer = training.optimizer
        options = UPDATE_IMPLEMENTATIONS[self.name]
        if any(name not in optimizer.defaults for name in options):
            raise LeverError(f"{type(optimizer).__name__} has no implementation {self.name!r} in this torch")
        before = [{name: group.get(name) for name in options} for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group.update(options)

        def undo() -> None:
            for group, old in zip(optimizer.param_groups, before, strict=True):
                group.update(old)

        return undo


@dataclass(frozen=True, slots=True)
class InBackward:
    """Step each parameter as soon as its gradient is there, and free the gradient."""

    @property
    def gives_up(self) -> str:
        """Nothing; but gradients are gone when backward returns: they cannot be clipped by their norm."""
        return ""

    @property
    def lines(self) -> tuple[str, ...]:
        """A hook; the loop's own step and zero_grad then find nothing to do."""
        return (
            "def step_now(parameter):  # gradients are gone when backward returns",
            "    optimizer.step()",
            "    parameter.grad = None",
            "for parameter in model.parameters():",
            "    if parameter.requires_grad:",
            "        parameter.register_post_accumulate_grad_hook(step_now)",
        )

    def apply(self, training: TrainingSetup) -> Undo:
        """Hook every trainable parameter; all others have no gradient then, and are skipped."""
        optimizer = training.optimizer

        def step_now(parameter: torch.Tensor) -> None:
            optimizer.step()
            parameter.grad = None

        if not hasattr(torch.Tensor, "register_post_accumulate_grad_hook"):
            raise LeverError("stepping in the backward pass needs torch 2.1 or later")
        handles = [
            parameter.register_post_accumulate_grad_hook(step_now)  # type: ignore[no-untyped-call]
            for parameter in training.module.parameters()
            if parameter.requires_grad
        ]

        def undo() -> None:
            for handle in handles:
                handle.remove()

        return undo


@dataclass(frozen=True, slots=True)
class OptimizerKind:
    """Train with another optimizer, of the same rates and decays, group by group."""

    name: str

    @property
    def gives_up(self) -> str:
        """The optimizer that was asked for."""
        return f"{self.name} in its place"

    @property
    def lines(self) -> tuple[str, ...]:
        """A new optimizer."""
        of, options = OPTIMIZERS[self.name]
        more = "".join(f", {name}={value}" for name, value in options.items())
        return (
            "parameters = [p for p in model.parameters() if p.requires_grad]",
            *in_lines(
                f"optimizer = torch.optim.{of.__name__}(parameters, lr=lr, weight_decay=weight_decay{more})"
            ),
        )

    def apply(self, training: TrainingSetup) -> Undo:
        """Put another optimizer in the place of the one there is."""
        before = training.optimizer
        defaults = before.defaults
        own = ("params", "lr", "weight_decay")
        groups = [{name: group[name] for name in own if name in group} for group in before.param_groups]
        training.optimizer = optimizer_of(
            self.name, groups, lr=defaults["lr"], weight_decay=defaults.get("weight_decay", 0.0)
        )

        def undo() -> None:
            training.optimizer = before

        return undo


def optimizer_of(
    name: str, parameters: list[nn.Parameter] | list[dict[str, Any]], *, lr: float, weight_decay: float
) -> Optimizer:
    """Return an optimizer by its name, of parameters or of groups of them, which may have rates of their own.

    Raises:
        LeverError: there is none of that name.
    """
    if name not in OPTIMIZERS:
        raise LeverError(f"no optimizer {name!r}; there are {', '.join(OPTIMIZERS)}")
    of, options = OPTIMIZERS[name]
    make: Any = of
    made: Optimizer = make(parameters, lr=lr, weight_decay=weight_decay, **options)
    return made
