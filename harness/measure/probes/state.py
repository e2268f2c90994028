"""Bytes that training keeps between and after passes: gradients and optimizer state."""

import torch
from torch.optim import Optimizer

from harness.measure.observe import Observation
from harness.measure.probes.probe import Probe, exact
from harness.workload.tensors import bytes_of, tensors_in


def state_bytes(optimizer: Optimizer, parameter: torch.Tensor) -> int:
    """Return the bytes of what an optimizer keeps for one parameter."""
    return sum(bytes_of(tensor) for tensor in tensors_in(optimizer.state.get(parameter, {})))


def _read(seen: Observation) -> dict[str, int]:
    parameters = list(seen.step.model.module.parameters())
    counts = {"parameters": sum(bytes_of(parameter) for parameter in parameters)}
    if seen.gradient_bytes is not None:
        counts["gradients"] = seen.gradient_bytes
    optimizer = seen.step.optimizer
    if optimizer is not None:
        counts["optimizer state"] = sum(state_bytes(optimizer, parameter) for parameter in parameters)
    return counts


PROBE = Probe(
    (
        exact("parameters", "B", "the model's parameters"),
        exact("gradients", "B", "gradients after the backward part"),
        exact("optimizer state", "B", "what the optimizer keeps between steps"),
    ),
    _read,
)
