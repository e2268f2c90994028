"""Shows by a run that a plan changes nothing but what it says: the same weights, bit for bit, or nearly."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch

from harness.fitting.accumulation import accumulating_step, as_cast
from harness.fitting.drawing import in_eval_mode
from harness.fitting.levers.lever import TrainingSetup, apply_all
from harness.fitting.levers.micro_batches import MicroBatches, split
from harness.fitting.levers.updating import optimizer_of
from harness.fitting.nearness import Difference, drift, largest_difference
from harness.fitting.workbench import Workbench
from harness.measure.inspection import refusing
from harness.record.fit import FitCandidate, Proof
from harness.workload.model import Model
from harness.workload.training import training_step

_RATE = 1e-3  # of learning: large enough that two steps show in the weights
_STEPS = 2


@dataclass(frozen=True, slots=True)
class EndState:
    """The state at the end of a run: tensors by name, and the state of the random numbers.

    Attributes:
        random: of torch's generator on the CPU.
        gradients: of the first step.
        buffers: at the end.
        weights: at the end; empty where no optimizer stepped.
        start: the weights before the first step.
    """

    random: torch.Tensor
    gradients: dict[str, torch.Tensor]
    buffers: dict[str, torch.Tensor]
    weights: dict[str, torch.Tensor] = field(default_factory=dict)
    start: dict[str, torch.Tensor] = field(default_factory=dict)

    def is_same(self, other: "EndState") -> bool:
        """Return whether every bit is the same."""
        rows = (
            (self.gradients, other.gradients),
            (self.buffers, other.buffers),
            (self.weights, other.weights),
        )
        return torch.equal(self.random, other.random) and all(
            one.keys() == another.keys() and all(_is_same(one[name], another[name]) for name in one)
            for one, another in rows
        )

    def difference(self, other: "EndState") -> Difference:
        """Return how far what another run left is from this, and whether rounding explains it.

        Gradients and buffers are held against their own largest numbers, weights against how far they went.
        """
        return max(
            largest_difference(self.gradients, other.gradients, cancel=True),
            largest_difference(self.buffers, other.buffers),
            drift(self.start, self.weights, other.weights),
        )


def prove(bench: Workbench, candidate: FitCandidate) -> Proof:
    """Train two steps with a candidate's levers and without, from one start, and compare what is left.

    What a candidate gives up is given up on both sides. With micro-batches the gradients and buffers of one
    step are compared, without what draws random numbers: dropout would draw other masks for each part. What
    checkpoints do to that is then compared with the batch in one part.

    Raises:
        WorkloadError: one of the two cannot be run.
    """
    if candidate.micro_batches > 1 and candidate.checkpointed and bench.still:
        whole = prove(bench, replace(candidate, micro_batches=1))
        if not whole.held:
            return whole
    given_up = replace(candidate, checkpointed=(), micro_batches=1, update="")
    in_parts = candidate.micro_batches > 1
    run = _gradients if in_parts else _trained
    with refusing("proving the plan"):
        before, after = (run(bench, one) for one in (given_up, candidate))
    bench.passes += 2 * (1 if in_parts else _STEPS) * bench.cost(candidate)
    what = _compared(bench) if in_parts else "weights, buffers and random state after 2 steps"
    if before.is_same(after):
        return Proof(held=True, sentence=f"{what} equal the untouched step's bit for bit")
    if not torch.equal(before.random, after.random) and not in_parts:
        return Proof(held=False, sentence=f"{what} differ: the random numbers went another way")
    worst = before.difference(after)
    return Proof(
        held=worst.is_rounding,
        sentence=f"{what} equal the untouched step's up to {worst.relative:.1e} of the largest"
        if worst.is_rounding
        else f"{worst.name} differs by {worst.relative:.1e} of the largest number; compared were {what}",
    )


def _compared(bench: Workbench) -> str:
    """Return what is compared of a step in parts."""
    what = "gradients" if bench.with_batch_norm else "gradients and buffers"
    still = (
        f", with what draws random numbers{' and BatchNorm' if bench.with_batch_norm else ''} in eval mode"
    )
    return f"{what} after a step{still if bench.still else ''}"


def _is_same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Return whether the numbers are the same, NaN in the same places too."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if not (one.is_floating_point() or one.is_complex()):
        return torch.equal(one, other)
    return bool(((one == other) | (one.isnan() & other.isnan())).all())


def _start(bench: Workbench, candidate: FitCandidate) -> tuple[Model, TrainingSetup, Callable[[], None]]:
    model = bench.make()
    trainable = [parameter for parameter in model.module.parameters() if parameter.requires_grad]
    optimizer = optimizer_of(bench.optimizer, trainable, lr=_RATE, weight_decay=0.01)
    training = TrainingSetup(model.module, optimizer, model.autocast)
    undo = apply_all(bench.levers(candidate), training)
    return model, training, undo


@contextmanager
def _gathering_gradients(model: Model) -> Iterator[dict[str, torch.Tensor]]:
    """Give what arrives at each parameter, added up: gradients may be gone when backward returns."""
    gradients: dict[str, torch.Tensor] = {}

    def hook(name: str) -> Callable[[torch.Tensor], None]:
        def arrives(gradient: torch.Tensor) -> None:
            before = gradients.get(name)
            gradients[name] = gradient.detach().clone() if before is None else before + gradient.detach()

        return arrives

    handles = [
        parameter.register_hook(hook(name))  # type: ignore[no-untyped-call]
        for name, parameter in model.module.named_parameters()
        if parameter.requires_grad
    ]
    try:
        yield gradients
    finally:
        for handle in handles:
            handle.remove()


def _trained(bench: Workbench, candidate: FitCandidate) -> EndState:
    model, training, _ = _start(bench, candidate)
    step = training_step(
        replace(model, inputs=as_cast(model.inputs, training), autocast=training.autocast),
        training.optimizer,
    )
    start = {name: parameter.detach().clone() for name, parameter in model.module.named_parameters()}
    torch.manual_seed(bench.seed)
    with _gathering_gradients(model) as gradients:
        step()
    for _ in range(_STEPS - 1):
        step()
    weights = {name: parameter.detach() for name, parameter in model.module.named_parameters()}
    return EndState(torch.get_rng_state(), gradients, dict(model.module.named_buffers()), weights, start)


def _gradients(bench: Workbench, candidate: FitCandidate) -> EndState:
    model, training, _ = _start(bench, candidate)
    inputs = as_cast(model.inputs, training)
    changed = replace(model, inputs=inputs, autocast=training.autocast)
    with in_eval_mode(model.module, bench.still), _gathering_gradients(model) as gradients:
        if candidate.micro_batches > 1:
            scale = next(one.scale for one in bench.levers(candidate) if isinstance(one, MicroBatches))
            parts = split(inputs, bench.dimensions, candidate.micro_batches)
            accumulating_step(changed, training, parts, scale).parts[0].call()
        else:
            changed.loss_of_forward().backward()  # type: ignore[no-untyped-call]
    buffers = {} if bench.with_batch_norm else dict(model.module.named_buffers())
    return EndState(torch.get_rng_state(), gradients, buffers)
