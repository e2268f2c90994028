"""Ways to regularize any model: penalties, dropout, DropConnect, augmentation, an ensemble."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional

from harness.workload.factory import first_line
from harness.workload.model import Model, UnsupportedError, WorkloadError
from harness.workload.tensors import tensors_in

RATE = 0.5  # of dropout and DropConnect
JITTER = 0.1  # standard deviation of the noise that augmentation adds to the inputs
MEMBERS = 3  # of an ensemble


class WithPenalty(nn.Module):
    """A module whose output comes with a penalty of its weights.

    Args:
        module: the module.
        penalty: takes one weight, returns a scalar.
    """

    def __init__(self, module: nn.Module, penalty: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.module = module
        self.penalty = penalty

    def forward(self, *args: object, **kwargs: object) -> tuple[object, torch.Tensor]:
        """Return the module's output and the penalty, a scalar."""
        output = self.module(*args, **kwargs)
        return output, torch.stack([self.penalty(weight) for weight in weights_of(self.module)]).sum()


class DropConnect(nn.Module):
    """A module whose weights are dropped one by one, afresh at every call.

    Source: L. Wan and others, Regularization of neural networks using DropConnect, ICML 2013.
    """

    def __init__(self, module: nn.Module, rate: float = RATE) -> None:
        super().__init__()
        self.module = module
        self.rate = rate

    def forward(self, *args: object, **kwargs: object) -> object:
        """Run the module on thinned weights; in eval mode, on the weights as they are."""
        thinned = {
            name: functional.dropout(weight, self.rate, self.training) if weight.dim() > 1 else weight
            for name, weight in self.module.named_parameters()
        }
        return torch.func.functional_call(self.module, thinned, args, kwargs)


class WithJitter(nn.Module):
    """A module whose floating-point inputs get fresh noise at every call in train mode."""

    def __init__(self, module: nn.Module, jitter: float = JITTER) -> None:
        super().__init__()
        self.module = module
        self.jitter = jitter

    def forward(self, *args: object, **kwargs: object) -> object:
        """Run the module on noisy inputs."""
        return self.module(
            *(self._noisy(value) for value in args),
            **{key: self._noisy(value) for key, value in kwargs.items()},
        )

    def _noisy(self, value: object) -> object:
        if self.training and isinstance(value, torch.Tensor) and value.is_floating_point():
            return value + self.jitter * torch.randn_like(value)
        return value


class Ensemble(nn.Module):
    """Copies of a module, each with initial weights of its own; the output is the list of theirs."""

    def __init__(self, module: nn.Module, members: int = MEMBERS) -> None:
        super().__init__()
        self.members = nn.ModuleList([module, *(_fresh(module) for _ in range(members - 1))])

    def forward(self, *args: object, **kwargs: object) -> list[object]:
        """Run every member."""
        return [member(*args, **kwargs) for member in self.members]


def _fresh(module: nn.Module) -> nn.Module:
    try:
        copied = copy.deepcopy(module)
    except RuntimeError as error:  # a module that keeps a tensor with history, as the old weight_norm does
        raise UnsupportedError(f"the model cannot be copied: {first_line(error)}") from error
    for child in copied.modules():
        reset = getattr(child, "reset_parameters", None)
        if callable(reset):
            reset()
    return copied


def weights_of(module: nn.Module) -> list[nn.Parameter]:
    """Return the trainable parameters that are not biases: what penalties are of."""
    return [
        parameter
        for name, parameter in module.named_parameters()
        if parameter.requires_grad and "bias" not in name.rpartition(".")[2]
    ]


def penalized(model: Model, penalty: Callable[[torch.Tensor], torch.Tensor]) -> Model:
    """Return a model whose loss has a penalty, the sum over its weights."""

    def loss(output: object) -> torch.Tensor:
        if not isinstance(output, tuple):
            raise TypeError(f"a pair of output and penalty is expected, not {type(output).__name__}")
        original, extra = output
        total: torch.Tensor = model.loss(original) + extra
        return total

    return replace(model, module=WithPenalty(model.module, penalty), loss=loss, head="")


def with_dropout(model: Model, rate: float = RATE) -> Model:
    """Return the model with dropout on the input of every linear layer but the first.

    Raises:
        WorkloadError: the model has no second linear layer.
    """
    layers = [child for child in model.module.modules() if isinstance(child, nn.Linear)][1:]
    if not layers:
        raise WorkloadError("dropout stands before every linear layer but the first; the model has no second")
    for layer in layers:
        layer.register_forward_pre_hook(
            lambda module, inputs: (functional.dropout(inputs[0], rate, module.training), *inputs[1:])
        )
    return model


def with_dropconnect(model: Model, rate: float = RATE) -> Model:
    """Return the model with its weights dropped one by one."""
    return replace(model, module=DropConnect(model.module, rate), head="")


def with_jitter(model: Model, jitter: float = JITTER) -> Model:
    """Return the model with noise on its floating-point inputs.

    Raises:
        UnsupportedError: it has no such inputs.
    """
    inputs = model.inputs.values() if isinstance(model.inputs, Mapping) else model.inputs
    if not any(tensor.is_floating_point() for value in inputs for tensor in tensors_in(value)):
        raise UnsupportedError(
            "the model's inputs hold no floating-point tensor that noise could be added to"
        )
    return replace(model, module=WithJitter(model.module, jitter), head="")


def ensemble(model: Model, members: int = MEMBERS) -> Model:
    """Return an ensemble of the model, whose loss is the sum of its members' losses."""

    def loss(outputs: object) -> torch.Tensor:
        if not isinstance(outputs, list):
            raise TypeError(f"the members' outputs are expected, not {type(outputs).__name__}")
        return torch.stack([model.loss(output) for output in outputs]).sum()

    return replace(model, module=Ensemble(model.module, members), loss=loss, head="")


def l2(strength: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the penalty strength / 2 times the sum of squares."""
    return lambda weight: strength / 2 * weight.square().sum()


def l1(strength: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the penalty strength times the sum of magnitudes."""
    return lambda weight: strength * weight.abs().sum()
