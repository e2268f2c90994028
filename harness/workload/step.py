"""A step: what an arm runs once, in named parts, and how it is drawn again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

import torch
from torch.optim import Optimizer

from harness.workload.model import Model
from harness.workload.tensors import tensors_in


@dataclass(frozen=True, slots=True)
class Part:
    """One stretch of a step that is timed and counted by itself."""

    name: str  # "forward", "backward", "optimizer"
    call: Callable[[], object]


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
    """

    parts: tuple[Part, ...]
    model: Model
    forward: Callable[[], object]
    optimizer: Optimizer | None = None
    groups: tuple[DecayGroup, ...] = ()

    def __call__(self) -> None:
        """Run all parts in order."""
        for part in self.parts:
            part.call()

    def redraw(self, rng: Random) -> None:
        """Move everything that the step reads and that outlives it to fresh addresses.

        Where parameters and inputs lie in memory is worth up to 1 % of the time, so a comparison
        that is meant to hold for the code has to be taken over several layouts.
        """
        old = []
        pads = []
        for tensor in self._lasting():
            old.append(tensor.data)
            pads.append(torch.empty(rng.randrange(64, 65536, 64), dtype=torch.uint8))
            tensor.data = tensor.data.clone()
        # Until here the old blocks were held, so that no new one could take an old one's place.
        del old, pads

    def _lasting(self) -> Iterator[torch.Tensor]:
        for parameter in self.model.module.parameters():
            yield parameter
            if parameter.grad is not None:
                yield parameter.grad
        yield from self.model.module.buffers()
        yield from tensors_in(self.model.inputs)
        if self.optimizer is not None:
            for state in self.optimizer.state.values():
                yield from tensors_in(state)
