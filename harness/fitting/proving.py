"""Shows by a run that a plan changes nothing but what it says: the same weights, bit for bit, or nearly."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from harness.fitting.accumulation import accumulating_step
from harness.fitting.levers.lever import TrainingSetup, apply_all
from harness.fitting.levers.micro_batches import MicroBatches, split
from harness.fitting.levers.updating import optimizer_of
from harness.fitting.workbench import Workbench
from harness.measure.inspection import refusing
from harness.record.fit import FitCandidate, Proof
from harness.workload.model import Model
from harness.workload.training import training_step

_RATE = 1e-3  # of learning: large enough that two steps show in the weights
_STEPS = 2
_NEAR = {torch.float64: 1e-9, torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.02}


@dataclass(frozen=True, slots=True)
class EndState:
    """What two steps left: tensors by name, and the state of the random numbers."""

    tensors: dict[str, torch.Tensor]
    random: torch.Tensor


def prove(bench: Workbench, candidate: FitCandidate) -> Proof:
    """Train two steps with a candidate's levers and without, from one start, and compare what is left.

    What a candidate gives up is given up on both sides. With micro-batches the gradients of one step are
    compared, in eval mode: dropout would draw other masks for each part.

    Raises:
        WorkloadError: one of the two cannot be run.
    """
    given_up = replace(candidate, checkpointed=(), micro_batches=1, update="")
    in_parts = candidate.micro_batches > 1
    run = _gradients if in_parts else _trained
    with refusing("proving the plan"):
        before, after = (run(bench, one) for one in (given_up, candidate))
    bench.passes += 2 * (1 if in_parts else _STEPS) * bench.cost(candidate)
    what = (
        "gradients of a step in eval mode" if in_parts else "weights, buffers and random state after 2 steps"
    )
    same = all(torch.equal(tensor, after.tensors[name]) for name, tensor in before.tensors.items())
    if same and torch.equal(before.random, after.random):
        return Proof(held=True, sentence=f"{what} equal the untouched step's bit for bit")
    worst, near = _difference(before.tensors, after.tensors)
    if not torch.equal(before.random, after.random) and not in_parts:
        return Proof(held=False, sentence=f"{what} differ: the random numbers went another way")
    return Proof(
        held=near,
        sentence=f"{what} equal the untouched step's up to {worst:.1e} of the largest"
        if near
        else f"{what} differ from the untouched step's by {worst:.1e} of the largest",
    )


def _difference(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> tuple[float, bool]:
    """Return the largest difference, relative to the largest number, and whether rounding explains it."""
    largest = difference = 0.0
    near = 1e-9
    for name, tensor in before.items():
        if not tensor.numel():
            continue
        largest = max(largest, float(tensor.abs().max()))
        difference = max(difference, float((tensor.double() - after[name].double()).abs().max()))
        near = max(near, _NEAR.get(tensor.dtype, 1e-9))
    worst = difference / largest if largest else difference
    return worst, worst <= near


def _start(bench: Workbench, candidate: FitCandidate) -> tuple[Model, TrainingSetup, Callable[[], None]]:
    model = bench.make()
    trainable = [parameter for parameter in model.module.parameters() if parameter.requires_grad]
    optimizer = optimizer_of(bench.optimizer, trainable, lr=_RATE, weight_decay=0.01)
    training = TrainingSetup(model.module, optimizer, model.autocast)
    undo = apply_all(bench.levers(candidate), training)
    return model, training, undo


def _trained(bench: Workbench, candidate: FitCandidate) -> EndState:
    model, training, _ = _start(bench, candidate)
    step = training_step(
        replace(model, inputs=bench.cast(model.inputs, training), autocast=training.autocast),
        training.optimizer,
    )
    torch.manual_seed(bench.seed)
    for _ in range(_STEPS):
        step()
    named = (*model.module.named_parameters(), *model.module.named_buffers())
    return EndState({name: tensor.detach() for name, tensor in named}, torch.get_rng_state())


def _gradients(bench: Workbench, candidate: FitCandidate) -> EndState:
    model, training, _ = _start(bench, candidate)
    model.module.eval()
    inputs = bench.cast(model.inputs, training)
    changed = replace(model, inputs=inputs, autocast=training.autocast)
    if candidate.micro_batches > 1:
        scale = next(one.scale for one in bench.levers(candidate) if isinstance(one, MicroBatches))
        parts = split(inputs, bench.dimensions, candidate.micro_batches)
        accumulating_step(changed, training, parts, scale).parts[0].call()
    else:
        changed.loss_of_forward().backward()  # type: ignore[no-untyped-call]
    gradients = {
        name: parameter.grad
        for name, parameter in model.module.named_parameters()
        if parameter.grad is not None
    }
    return EndState(gradients, torch.get_rng_state())
