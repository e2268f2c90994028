"""A model as the harness runs it: the module, its inputs, its loss, and where its head begins."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from random import Random

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from harness.errors import HarnessError
from harness.workload.layout import move, settle
from harness.workload.tensors import tensors_in


class WorkloadError(HarnessError, ValueError):
    """A workload that cannot be run, in one sentence that names what would have worked."""


class UnsupportedError(WorkloadError):
    """A workload that this torch or this device refuses."""


def mean_square(output: object) -> torch.Tensor:
    """Return the mean square of the output's first floating-point tensor: a scalar loss for any model.

    Raises:
        WorkloadError: the output holds no floating-point tensor.
    """
    for tensor in tensors_in(output):
        if tensor.is_floating_point():
            return tensor.square().mean()
    raise WorkloadError(
        f"the output holds no floating-point tensor to take a loss of: {type(output).__name__}"
    )


def materialize(model: "Model") -> bool:
    """Run a model once where its first call makes parameters (`nn.LazyLinear`); return whether it did."""
    tensors = (*model.module.parameters(), *model.module.buffers())
    if not any(isinstance(each, (UninitializedParameter, UninitializedBuffer)) for each in tensors):
        return False
    with torch.no_grad():
        model()
    return True


@dataclass(frozen=True, slots=True)
class Model:
    """A module with what a training step needs.

    Attributes:
        module: the module.
        inputs: a tuple of positional arguments, or a mapping of keyword arguments.
        loss: takes the module's output and returns a scalar.
        head: path of the submodule that is the head; by default the last one that owns parameters.
        autocast: the dtype of an autocast region around the forward pass; None for no region.
        blocks: paths of the submodules that are frozen one after the other in the freezing curve, in the
            order they run; by default the longest row of submodules of one class.
        surroundings: what else a call reads and may change, beside the module, the inputs and the loss, such
            as the variables of a callable.
    """

    module: nn.Module
    inputs: tuple[object, ...] | Mapping[str, object]
    loss: Callable[[object], torch.Tensor] = mean_square
    head: str = ""
    autocast: torch.dtype | None = None
    blocks: tuple[str, ...] = ()
    surroundings: tuple[object, ...] = ()

    def __call__(self) -> object:
        """Run the module on its inputs."""
        with self._region():
            if isinstance(self.inputs, Mapping):
                return self.module(**self.inputs)
            return self.module(*self.inputs)

    def relocate(self, rng: Random) -> object:
        """Move parameters, gradients, buffers and inputs to fresh addresses; return what holds the old."""
        old = move(self.lasting(), rng)
        settle(self.module)
        return old

    def lasting(self) -> Iterator[torch.Tensor]:
        """Yield the tensors that outlive a call: parameters, gradients, buffers, inputs."""
        for parameter in self.module.parameters():
            yield parameter
            if parameter.grad is not None:
                yield parameter.grad
        yield from self.module.buffers()
        yield from tensors_in(self.inputs)

    def loss_of_forward(self) -> torch.Tensor:
        """Run the module and take the loss of its output."""
        return self.loss(self())

    def _region(self) -> AbstractContextManager[object]:
        if self.autocast is None:
            return nullcontext()
        device = next((tensor.device.type for tensor in tensors_in(self.inputs)), "cpu")
        return torch.autocast(device, dtype=self.autocast)

    def head_module(self) -> nn.Module:
        """Return the head: the submodule at `head`, or the last one that owns parameters.

        Raises:
            WorkloadError: no such submodule, or no parameters at all.
        """
        if self.head:
            modules: dict[str, nn.Module] = dict(self.module.named_modules(remove_duplicate=False))
            if self.head not in modules:
                raise WorkloadError(f"the model has no submodule {self.head!r} to be its head")
            return modules[self.head]
        owners = [
            module for module in self.module.modules() if any(True for _ in module.parameters(recurse=False))
        ]
        if not owners:
            raise WorkloadError("the model has no parameters, so it has no head to tell from its trunk")
        return owners[-1]

    def head_parameters(self) -> list[nn.Parameter]:
        """Return the head's parameters; one that the trunk shares (tied weights) belongs to the head."""
        return list(self.head_module().parameters())

    def trunk_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that are not the head's."""
        head = {id(parameter) for parameter in self.head_parameters()}
        return [parameter for parameter in self.module.parameters() if id(parameter) not in head]
