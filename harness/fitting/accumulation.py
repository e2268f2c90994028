"""A step that runs a batch in parts, and inputs in another dtype."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from harness.fitting.levers.lever import TrainingSetup
from harness.workload.model import Model
from harness.workload.step import Part, Step


def accumulating_step(
    model: Model, training: TrainingSetup, inputs: Sequence[Any], scale: float | None
) -> Step:
    """Build a step that runs the parts of a batch one by one and adds up their gradients."""
    optimizer = training.optimizer
    factor = 1 / len(inputs) if scale is None else scale
    parts = [replace(model, inputs=each) for each in inputs]

    def accumulate() -> None:
        for part in parts:
            (part.loss_of_forward() * factor).backward()  # type: ignore[no-untyped-call]

    def update() -> None:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return Step(
        (Part("micro-batches", accumulate), Part("optimizer", update)),
        model,
        model.loss_of_forward,
        optimizer,
    )


def as_cast(inputs: Any, training: TrainingSetup) -> Any:
    """Return inputs in the dtype that a training step asks for."""
    return inputs if training.casts_inputs is None else in_dtype(inputs, training.casts_inputs)


def in_dtype(inputs: Any, dtype: torch.dtype) -> Any:
    """Return inputs whose floating-point tensors are of another dtype."""
    if isinstance(inputs, dict):
        return {name: in_dtype(item, dtype) for name, item in inputs.items()}
    if isinstance(inputs, (tuple, list)) and not hasattr(inputs, "_fields"):
        return type(inputs)(in_dtype(item, dtype) for item in inputs)
    if isinstance(inputs, torch.Tensor) and inputs.is_floating_point():
        return inputs.to(dtype)
    return inputs
