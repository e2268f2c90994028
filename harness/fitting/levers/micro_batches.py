"""Micro-batches: a batch is run in parts, one after the other, whose gradients add up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from harness.fitting.levers.checkpointing import normalises
from harness.fitting.levers.lever import LeverError, TrainingSetup, Undo, in_lines
from harness.workload.model import Model
from harness.workload.tensors import tensors_in

MOST_PARTS = 16  # that are tried
# relative, of sums in another order
_NEAR = {torch.float64: 1e-10, torch.float32: 1e-4, torch.bfloat16: 3e-2, torch.float16: 1e-2}


@dataclass(frozen=True, slots=True)
class MicroBatches:
    """Run a batch in equal parts.

    Attributes:
        number: of parts.
        with_batch_norm: run them also where batch normalisation would see the parts one by one.
        scale: what the loss of a part is multiplied by; None for 1 / number.
        dimension: of the first input, which counts the examples.
    """

    number: int
    with_batch_norm: bool = False
    scale: float | None = None
    dimension: int = 0

    @property
    def gives_up(self) -> str:
        """Nothing but time, unless statistics are taken over a batch."""
        return "batch normalisation over whole batches" if self.with_batch_norm else ""

    @property
    def lines(self) -> tuple[str, ...]:
        """A training step."""
        scaled = f" / {self.number}" if self.scale is None else ""
        along = f", dim={self.dimension}" if self.dimension else ""
        return (
            *in_lines(
                f"for part, target in zip(inputs.chunk({self.number}{along}), targets.chunk({self.number})):"
            ),
            f"    (loss_fn(model(part), target){scaled}).backward()",
            "optimizer.step()",
            "optimizer.zero_grad(set_to_none=True)",
        )

    def apply(self, training: TrainingSetup) -> Undo:
        """Note how many parts a step is to run."""
        if self.number > 1 and normalises(training.module) and not self.with_batch_norm:
            raise LeverError(
                "BatchNorm in train mode takes its statistics over a batch, and over parts of it they are"
                " others: allow batchnorm to run micro-batches all the same"
            )
        before = training.micro_batches
        training.micro_batches = self.number

        def undo() -> None:
            training.micro_batches = before

        return undo


def parts_of(batch_size: int) -> tuple[int, ...]:
    """Return the numbers of equal parts that a batch is tried in, each about twice the one before, or more.

    >>> parts_of(64), parts_of(12), parts_of(7), parts_of(1), parts_of(17)
    ((2, 4, 8, 16), (2, 4, 12), (7,), (), ())
    """
    numbers: list[int] = []
    for number in range(2, MOST_PARTS + 1):
        if batch_size % number == 0 and (not numbers or number >= 2 * numbers[-1]):
            numbers.append(number)
    return tuple(numbers)


Dimensions = tuple[int | None, ...]  # of each input tensor in order: which one counts the examples


def leading_dimensions(inputs: object, batch_size: int) -> Dimensions:
    """Return 0 for every tensor whose first dimension is the batch, None for the others."""
    return tuple(
        0 if tensor.dim() and tensor.shape[0] == batch_size else None for tensor in tensors_in(inputs)
    )


def grown_dimensions(small: object, large: object) -> Dimensions:
    """Return which dimension of each tensor grows from the inputs of one batch to those of a larger one.

    Raises:
        LeverError: more than one grows, or the inputs are not alike.
    """
    dimensions: list[int | None] = []
    for one, other in zip(tensors_in(small), tensors_in(large), strict=True):
        grown = [d for d, (a, b) in enumerate(zip(one.shape, other.shape, strict=True)) if a != b]
        if len(grown) > 1:
            raise LeverError(
                "an input grows with the batch in two dimensions, so it cannot be cut into parts"
            )
        dimensions.append(grown[0] if grown else None)
    return tuple(dimensions)


def split(inputs: Any, dimensions: Dimensions, number: int) -> list[Any]:
    """Return the inputs of each part; tensors without examples are in every part.

    Raises:
        LeverError: the examples cannot be divided into so many equal parts.
    """
    tensors = list(tensors_in(inputs))
    along = {id(tensor): dimension for tensor, dimension in zip(tensors, dimensions, strict=True)}
    if all(dimension is None for dimension in dimensions):
        raise LeverError("no input has a dimension that counts the examples")
    sizes = [t.shape[d] for t, d in zip(tensors, dimensions, strict=True) if d is not None]
    if any(size % number for size in sizes):
        raise LeverError(f"{sizes[0]} examples make no {number} equal parts")

    def part(index: int) -> Callable[[torch.Tensor], torch.Tensor]:
        def cut(tensor: torch.Tensor) -> torch.Tensor:
            dimension = along[id(tensor)]
            if dimension is None:
                return tensor
            length = tensor.shape[dimension] // number
            return tensor.narrow(dimension, index * length, length)

        return cut

    return [_mapped(inputs, part(index)) for index in range(number)]


def _mapped(value: Any, cut: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        return cut(value)
    if isinstance(value, Mapping):
        return {name: _mapped(item, cut) for name, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_mapped(item, cut) for item in value))
    if isinstance(value, (tuple, list)):
        return type(value)(_mapped(item, cut) for item in value)
    if any(True for _ in tensors_in(value)):
        raise LeverError(f"tensors inside a {type(value).__name__} cannot be cut into parts")
    return value


def scale_of_parts(model: Model, dimensions: Dimensions, number: int) -> float | None:
    """Return what the loss of a part is multiplied by so that gradients add up; None for 1 / number.

    Dropout is off while the losses are compared.

    Raises:
        LeverError: the loss of the whole is neither the mean nor the sum of the parts' losses.
    """
    modes = {child: child.training for child in model.module.modules()}
    try:
        model.module.eval()
        with torch.no_grad():
            whole = float(model.loss_of_forward())
            parts = [
                float(replace(model, inputs=part).loss_of_forward())
                for part in split(model.inputs, dimensions, number)
            ]
    finally:
        for child, mode in modes.items():
            child.training = mode
    near = _NEAR.get(next((p.dtype for p in model.module.parameters()), torch.float32), 1e-3)
    if abs(sum(parts) / number - whole) <= near * max(abs(whole), *map(abs, parts)):
        return None
    if abs(sum(parts) - whole) <= near * max(abs(whole), sum(map(abs, parts))):
        return 1.0
    raise LeverError(
        "the loss of a batch is neither the mean nor the sum of its parts' losses, so that their gradients do"
        " not add up to its own"
    )
