"""What a kind of operation is: what it takes, and how one is drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import torch
from measure.layers import Constant

Layer = Callable[..., object]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of operation.

    Attributes:
        draw: returns an operation for a tensor like this one; `plain` says where it may put its tensors.
        takes: tells whether it can work on a tensor.
        operands: how many tensors of one dtype it takes.
        writes: it writes into its first operand.
        sized: the sizes of what it makes depend on the values of its operands.
        hidden: what it leaves in the graph is not told to saved-tensor hooks.
    """

    draw: Callable[[Random, torch.Tensor, bool], Layer]
    takes: Callable[[torch.Tensor], bool]
    operands: int = 1
    writes: bool = False
    hidden: bool = False
    sized: bool = False


def real(dimensions: int = 1) -> Callable[[torch.Tensor], bool]:
    """Return what accepts real floating-point tensors of at least so many dimensions."""
    return lambda x: x.is_floating_point() and x.dim() >= dimensions


def number(dimensions: int = 1) -> Callable[[torch.Tensor], bool]:
    """Return what accepts real and complex tensors of at least so many dimensions."""
    return lambda x: (x.is_floating_point() or x.is_complex()) and x.dim() >= dimensions


def single_or_double(dimensions: int = 1) -> Callable[[torch.Tensor], bool]:
    """Return what accepts tensors of the two dtypes that every kernel knows."""
    return lambda x: x.dtype in {torch.float32, torch.float64} and x.dim() >= dimensions


def is_complex(x: torch.Tensor) -> bool:
    return x.is_complex()


def is_whole(x: torch.Tensor) -> bool:
    return x.dtype == torch.int64


def anything(x: torch.Tensor) -> bool:
    return x.dim() >= 1


def always(function: Layer) -> Callable[[Random, torch.Tensor, bool], Layer]:
    """Draw one and the same function."""
    return lambda _rng, _x, _plain: function


def one_of(*functions: Layer) -> Callable[[Random, torch.Tensor, bool], Layer]:
    """Draw one of some functions."""
    return lambda rng, _x, _plain: rng.choice(functions)


def amounts(function: Callable[[torch.Tensor, float], object], *numbers: complex) -> Kind:
    """Return a kind that combines its operand with a Python number."""

    def draw(rng: Random, x: torch.Tensor, _plain: bool) -> Layer:  # noqa: FBT001 - one of the table's columns
        options = [value for value in numbers if x.is_complex() or not isinstance(value, complex)]
        amount = rng.choice(options)
        return lambda values: function(values, amount)

    return Kind(draw, number())


def constant(combine: Layer, make: Callable[[torch.Tensor], torch.Tensor]) -> Kind:
    """Return a kind that combines its operand with a tensor that is made before the call."""
    return Kind(lambda _rng, x, plain: Constant(make(x), combine, plain=plain), number())
