"""What optimizers of one kind keep for the parameters of one model, handed from one to the next."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.optim import Optimizer


@dataclass(slots=True)
class OptimizerStates:
    """The states that an optimizer left behind; never those of two kinds at once."""

    kind: tuple[object, ...] = ()
    parameters: list[torch.Tensor] = field(default_factory=list)  # with a state or without one
    states: dict[torch.Tensor, Any] = field(default_factory=dict)

    def hand_to(self, optimizer: Optimizer, trained: Collection[torch.Tensor] | None = None) -> bool:
        """Give a new optimizer the states of its parameters; drop all where it is of another kind.

        Args:
            optimizer: has none yet.
            trained: those of its parameters that may get a gradient; None for all.

        Returns:
            Whether it has now what its own first step would have made.
        """
        if _kind_of(optimizer) != self.kind:
            self.drop()
            return False
        own = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        trains = None if trained is None else {id(parameter) for parameter in trained}
        for parameter in own:
            if parameter in self.states and (trains is None or id(parameter) in trains):
                optimizer.state[parameter] = self.states[parameter]
        known = {id(parameter) for parameter in self.parameters}
        return all(id(parameter) in known for parameter in own)

    def take_from(self, optimizer: Optimizer) -> None:
        """Keep what an optimizer has, which has none of it afterwards."""
        if _kind_of(optimizer) != self.kind:
            self.drop()
            self.kind = _kind_of(optimizer)
        known = {id(parameter) for parameter in self.parameters}
        own = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self.parameters += [parameter for parameter in own if id(parameter) not in known]
        self.states.update(optimizer.state)
        optimizer.state.clear()

    def drop(self) -> None:
        """Keep nothing."""
        self.kind = ()
        self.parameters.clear()
        self.states.clear()


def _kind_of(optimizer: Optimizer) -> tuple[object, ...]:
    """Return what says which state it keeps: all but whether it goes over tensors one by one."""
    settings = {name: value for name, value in optimizer.defaults.items() if name != "foreach"}
    return type(optimizer), *sorted(settings.items(), key=lambda item: str(item[0]))
