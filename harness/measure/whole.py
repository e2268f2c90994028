"""All parts of a step under the profiler, and what they left behind."""

from dataclasses import dataclass
from itertools import pairwise

from harness.measure.devices.protocol import Device
from harness.measure.forward import Signature, signature_of
from harness.measure.recording import recording
from harness.measure.trace import Trace
from harness.workload.generators import seed_everything
from harness.workload.state import ModelState
from harness.workload.step import Step
from harness.workload.tensors import bytes_of


@dataclass(frozen=True, slots=True)
class Whole:
    """What all parts of a step did.

    Attributes:
        trace: with a mark after each part.
        is_repeatable: a run before, with other random numbers, did the same.
        signatures: of each part, of the first of the runs.
        gradient_bytes: of all gradients after the backward part; None where there is no such part.
        without_gradient: the trainable parameters that the backward part gave none, by name.
        with_gradient: those that it gave one.
    """

    trace: Trace
    is_repeatable: bool
    signatures: dict[str, Signature]
    gradient_bytes: int | None
    without_gradient: tuple[str, ...]
    with_gradient: tuple[str, ...]

    def is_part_of(self, other: "Whole") -> bool:
        """Return whether another step does all of this: the same forward pass, and each operator after it.

        What this does varies only where the other does. The optimizer is not looked at.
        """
        return all(
            name in other.signatures
            and (
                name == "optimizer"
                or one.operators == other.signatures[name].operators
                or (name == "backward" and one.calls() <= other.signatures[name].calls())
            )
            for name, one in self.signatures.items()
        )


@dataclass(frozen=True, slots=True)
class WholePlan:
    """What is run, from which state, and whose allocator counts; None for the CPU's."""

    step: Step
    state: ModelState
    device: Device | None


def run_whole(plan: WholePlan, *seeds: int) -> Whole:
    """Run all parts with one seed after the other, and look at the last time.

    Raises:
        Exception: whatever the step raises.
    """
    step = plan.step
    runs: list[list[int]] = []
    gradients: int | None = None
    names: dict[bool, tuple[str, ...]] = {True: (), False: ()}
    with recording(plan.device) as session:
        for seed in seeds:
            plan.state.restore()
            seed_everything(seed)
            marks = [session.mark()]
            try:
                for part in step.parts:
                    left = part.call()
                    if part.name == "backward":
                        gradients, names = _gradients(step)
                    marks.append(session.mark())
                    del left
            except RuntimeError:
                if seed == seeds[-1]:
                    raise
                # With random depth, other random numbers can leave nothing to train.
                step.model.module.zero_grad(set_to_none=True)
            runs.append(marks)
    seen = session.trace()
    first, last = ([seen.between(*pair) for pair in pairwise(marks)] for marks in (runs[0], runs[-1]))
    parts = [part.name for part in step.parts]
    earlier, later = (dict(zip(parts, map(signature_of, run), strict=False)) for run in (first, last))
    is_repeatable = len(first) == len(last) and all(
        # An optimizer's first step makes its state.
        name == "optimizer" or earlier[name] == later[name]
        for name in parts
    )
    whole = seen.between(runs[-1][0], runs[-1][-1])
    # Those of the first run: of other random numbers than the forward pass by itself.
    return Whole(whole, is_repeatable, later | earlier, gradients, names[False], names[True])


def _gradients(step: Step) -> tuple[int, dict[bool, tuple[str, ...]]]:
    """Return the bytes of all gradients, and the trainable parameters with one and without one."""
    named = dict(step.model.module.named_parameters())
    total = sum(bytes_of(each.grad) for each in named.values() if each.grad is not None)
    trainable = {name: each.grad is not None for name, each in named.items() if each.requires_grad}
    return total, {
        flag: tuple(name for name, has in trainable.items() if has is flag) for flag in (True, False)
    }


def has_foreign_state(step: Step, whole: Whole) -> bool:
    """Return whether a step's optimizer was given a state for a parameter that gets no gradient in it."""
    if step.optimizer is None:
        return False
    named = dict(step.model.module.named_parameters())
    return any(step.optimizer.state.get(named[name]) for name in whole.without_gradient)
