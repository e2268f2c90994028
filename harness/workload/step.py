"""A step: what an arm runs once, in named parts, and how it is moved in memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

import torch
from torch.optim import Optimizer

from harness.workload.layout import move, settle
from harness.workload.model import Model
from harness.workload.tensors import tensors_in


@dataclass(frozen=True, slots=True)
class Part:
    """One stretch of a step that is timed and counted by itself."""

    name: str  # "forward", "backward", "optimizer"
    call: Callable[[], object]
    keeps_forward: bool = False  # it calls the step's `forward`, and holds what that returns to its own end


@dataclass(frozen=True, slots=True)
class DecayGroup:
    """One parameter group and why it is one."""

    name: str
    weight_decay: float
    parameters: tuple[torch.nn.Parameter, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """What an arm runs once.

    Attributes:
        parts: what is run, in order.
        model: what it runs on.
        forward: the forward pass by itself, returning what it leaves to its caller; its books are kept.
        optimizer: what holds state, where there is one.
        groups: the parameter groups, where they are what the question is about.
        trains: names of the parameters that may get a gradient, where the arm's name promises that no
            other does; None where it promises nothing.
        notes: what a reader of its numbers should know.
    """

    parts: tuple[Part, ...]
    model: Model
    forward: Callable[[], object]
    optimizer: Optimizer | None = None
    groups: tuple[DecayGroup, ...] = ()
    trains: frozenset[str] | None = None
    notes: tuple[str, ...] = ()

    def __call__(self) -> None:
        """Run all parts in order."""
        for part in self.parts:
            part.call()

    def relocate(self, rng: Random) -> object:
        """Move all that the step reads and that outlives it to fresh addresses; return what holds the old."""
        old = move(self._lasting(), rng)
        settle(self.model.module)
        return old

    def _lasting(self) -> Iterator[torch.Tensor]:
        yield from self.model.lasting()
        if self.optimizer is not None:
            for state in self.optimizer.state.values():
                yield from tensors_in(state)
