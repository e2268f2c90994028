"""Whether a batch comes apart: its parts have to give the loss of the whole, and leave the same state."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch

from harness.fitting.drawing import in_eval_mode
from harness.fitting.levers.lever import LeverError
from harness.fitting.levers.micro_batches import Dimensions, grown_dimensions, leading_dimensions, split
from harness.fitting.nearness import largest_difference
from harness.measure.inspection import is_out_of_memory, refusing
from harness.record.measured import Case
from harness.workload.copying import Copying
from harness.workload.model import Model
from harness.workload.models import Entry
from harness.workload.sources import build
from harness.workload.state import ModelState

# Relative, of sums in another order; float32 may be multiplied with 10 bits of a significand on a device.
_NEAR = {torch.float64: 1e-10, torch.float32: 1e-5, torch.bfloat16: 3e-2, torch.float16: 1e-2}
_TF32 = 1e-3


def dimensions_of(entry: Entry, case: Case, seed: int, inputs: object) -> Dimensions:
    """Return which dimension of each input tensor counts the examples; builds a smaller batch where it can.

    Raises:
        LeverError: the inputs do not show it.
        WorkloadError: a smaller batch cannot be built.
    """
    if not entry.sized or case.batch_size == 1:
        return leading_dimensions(inputs, case.batch_size)
    smaller = replace(case, batch_size=case.batch_size // 2)
    if isinstance(entry.build, Copying):  # what it hands out copies of stays the model of the whole batch
        entry = replace(entry, build=entry.build.build)
    with refusing("building a smaller batch"), torch.random.fork_rng(devices=[]):
        small = build(smaller, seed, entry).inputs
    return grown_dimensions(small, inputs)


def scale_of_parts(
    model: Model, dimensions: Dimensions, number: int, still: Sequence[str] = (), *, buffers: bool = True
) -> float | None:
    """Return what the loss of a part is multiplied by so that gradients add up; None for 1 / number.

    Args:
        model: as it trains; its state is put back.
        dimensions: which counts the examples.
        number: of parts.
        still: paths of modules in eval mode meanwhile, such as dropout.
        buffers: what the parts leave in them has to be what the whole leaves.

    Raises:
        LeverError: the loss of the whole is neither the mean nor the sum of the parts' losses, or the parts
            leave other buffers.
    """
    parts = [replace(model, inputs=part) for part in split(model.inputs, dimensions, number)]
    with in_eval_mode(model.module, still):
        state = ModelState.of(model)  # with those modes, which it puts back too
        try:
            whole = _loss(model)
            after = {name: buffer.clone() for name, buffer in model.module.named_buffers()}
            state.restore()
            losses = [_loss(part) for part in parts]
            worst = largest_difference(after, dict(model.module.named_buffers()))
        finally:
            state.restore()
    if buffers and not worst.is_rounding:
        raise LeverError(
            f"every forward pass changes {worst.name!r}, as it does running statistics, and {number} parts"
            " change it otherwise than the whole batch: allow batchnorm to run micro-batches all the same"
        )
    if math.isnan(whole):
        raise LeverError("the loss of a batch is NaN, so that it is not known whether its parts' make it up")
    first = next(model.module.parameters(), torch.empty(0))
    on_a_device = first.dtype == torch.float32 and first.device.type != "cpu"
    near = _TF32 if on_a_device else _NEAR.get(first.dtype, 1e-3)
    if abs(sum(losses) / number - whole) <= near * max(abs(whole), *map(abs, losses)):
        return None
    if abs(sum(losses) - whole) <= near * max(abs(whole), sum(map(abs, losses))):
        return 1.0
    raise LeverError(
        "the loss of a batch is neither the mean nor the sum of its parts' losses, so that their gradients do"
        " not add up to its own"
    )


def _loss(model: Model) -> float:
    """Return the loss, with a graph only where the model differentiates inside."""
    try:
        with torch.no_grad():
            return float(model.loss_of_forward())
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
    return float(model.loss_of_forward().detach())
