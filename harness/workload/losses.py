"""The losses that a training step can be given by name."""

from collections.abc import Callable

import torch
from torch.nn import functional

from harness.workload.factory import attribute_of
from harness.workload.model import WorkloadError, mean_square
from harness.workload.tensors import tensors_in

Loss = Callable[[object], torch.Tensor]


def _first(output: object) -> torch.Tensor:
    for tensor in tensors_in(output):
        if tensor.is_floating_point():
            return tensor
    raise WorkloadError(f"the output holds no floating-point tensor: {type(output).__name__}")


def _sum(output: object) -> torch.Tensor:
    return _first(output).sum()


def _own(output: object) -> torch.Tensor:
    """Return the model's own loss: its field `loss`, or the first scalar it returns."""
    own = output.get("loss") if isinstance(output, dict) else getattr(output, "loss", None)
    candidates = [own] if isinstance(own, torch.Tensor) else list(tensors_in(output))
    for tensor in candidates:
        if tensor.numel() == 1 and tensor.is_floating_point():
            return tensor
    raise WorkloadError("the model returns no loss of its own: neither a field `loss` nor a scalar")


def _cross_entropy(output: object) -> torch.Tensor:
    """Return the cross entropy of logits (..., classes) against class 0."""
    logits = _first(output)
    if logits.dim() < 2:  # noqa: PLR2004 (examples and classes)
        raise WorkloadError(
            f"cross_entropy needs logits (..., classes), not a tensor of {logits.dim()} dimensions"
        )
    flat = logits.reshape(-1, logits.shape[-1])
    return functional.cross_entropy(flat, torch.zeros(len(flat), dtype=torch.long, device=flat.device))


LOSSES: dict[str, Loss] = {
    "mean_square": mean_square,
    "sum": _sum,
    "cross_entropy": _cross_entropy,
    "own": _own,
}


def find_loss(name: str) -> Loss:
    """Return a loss by its name, or the function that `package.module:function` names.

    Raises:
        WorkloadError: there is none of that name.
    """
    if name in LOSSES:
        return LOSSES[name]
    if ":" not in name:
        raise WorkloadError(f"no loss {name!r}; there are {', '.join(LOSSES)}, and package.module:function")
    value = attribute_of(name)
    if not callable(value):
        raise WorkloadError(
            f"{name} is a {type(value).__name__}; it has to be a function of the model's output"
        )
    loss: Loss = value
    return loss
