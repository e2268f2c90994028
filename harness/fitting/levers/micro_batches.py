"""Micro-batches: a batch is run in parts, one after the other, whose gradients add up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from harness.fitting.levers.checkpointing import normalises
from harness.fitting.levers.lever import LeverError, TrainingSetup, Undo, in_lines
from harness.workload.tensors import tensors_in

MOST_PARTS = 16  # that are tried


Dimensions = tuple[int | None, ...]  # of each input tensor in order: which one counts the examples


@dataclass(frozen=True, slots=True)
class MicroBatches:
    """Run a batch in equal parts.

    Attributes:
        number: of parts.
        with_batch_norm: run them also where batch normalisation would see the parts one by one.
        scale: what the loss of a part is multiplied by; None for 1 / number.
        dimensions: of each input tensor, which counts the examples.
        part: what makes the inputs of part `i` from `inputs`, as code; "" where `inputs` is one tensor.
    """

    number: int
    with_batch_norm: bool = False
    scale: float | None = None
    dimensions: Dimensions = ()
    part: str = ""

    @property
    def gives_up(self) -> str:
        """Nothing but time, unless statistics are taken over a batch."""
        return "batch normalisation over whole batches" if self.with_batch_norm else ""

    @property
    def lines(self) -> tuple[str, ...]:
        """A training step."""
        scaled = f" / {self.number}" if self.scale is None else ""
        if self.part:
            unpacked = "**part" if self.part.startswith("{") else "*part"
            loop: tuple[str, ...] = (
                f"for i in range({self.number}):  # targets, if there are any, are cut likewise",
                *in_lines(f"    part = {self.part}"),
                f"    (loss_fn(model({unpacked})){scaled}).backward()",
            )
        else:
            one = _chunks(
                "inputs", next((each for each in self.dimensions if each is not None), 0), self.number
            )
            loop = (
                *in_lines(f"for part, target in zip({one}, targets.chunk({self.number})):"),
                f"    (loss_fn(model(part), target){scaled}).backward()",
            )
        return (*loop, "optimizer.step()", "optimizer.zero_grad(set_to_none=True)")

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
    pair = list(tensors_in(small)), list(tensors_in(large))
    if [tensor.dim() for tensor in pair[0]] != [tensor.dim() for tensor in pair[1]]:
        raise LeverError(
            "the inputs of a smaller batch are other tensors, as in a list of examples, and not the same ones"
            " with fewer rows, so that the batch cannot be cut into parts"
        )
    for one, other in zip(*pair, strict=True):
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


def part_in_code(inputs: Any, dimensions: Dimensions, number: int) -> str:
    """Return what makes the inputs of part `i` from `inputs`, as code; "" where there is one tensor alone.

    Raises:
        LeverError: a tensor is inside of something that cannot be cut.

    >>> part_in_code({"ids": torch.zeros(4, 2), "scale": 2.0}, (0,), 2)
    "{'ids': inputs['ids'].chunk(2)[i], 'scale': inputs['scale']}"
    >>> part_in_code((torch.zeros(3, 4), torch.zeros(3)), (1, None), 2)
    '(inputs[0].chunk(2, dim=1)[i], inputs[1],)'
    """
    if isinstance(inputs, tuple) and len(inputs) == 1 and isinstance(inputs[0], torch.Tensor):
        return ""
    along = {id(tensor): d for tensor, d in zip(tensors_in(inputs), dimensions, strict=True)}

    def code(value: Any, name: str) -> str:
        if isinstance(value, torch.Tensor):
            dimension = along[id(value)]
            return name if dimension is None else f"{_chunks(name, dimension, number)}[i]"
        if not any(True for _ in tensors_in(value)):
            return name
        if isinstance(value, Mapping):
            items = (f"{key!r}: {code(item, f'{name}[{key!r}]')}" for key, item in value.items())
            return f"{{{', '.join(items)}}}"
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            fields = (f"{key}={code(getattr(value, key), f'{name}.{key}')}" for key in value._fields)
            return f"{name}._replace({', '.join(fields)})"
        if not isinstance(value, (tuple, list)):
            raise LeverError(_uncut(value))
        rows = [code(item, f"{name}[{index}]") for index, item in enumerate(value)]
        return f"({', '.join(rows)},)" if isinstance(value, tuple) else f"[{', '.join(rows)}]"

    return code(inputs, "inputs")


def _chunks(name: str, dimension: int, number: int) -> str:
    return f"{name}.chunk({number}{f', dim={dimension}' if dimension else ''})"


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
        raise LeverError(_uncut(value))
    return value


def _uncut(value: object) -> str:
    return f"tensors inside a {type(value).__name__} cannot be cut into parts"
