"""One arm of one case: build it, time it in a pair, then take each exact metric -> ArmResult."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import torch

from harness.measure.clock import clock_for
from harness.measure.observe import Observation
from harness.measure.pairing import Pair, Side
from harness.measure.probes import PROBES
from harness.measure.probes.state import state_bytes
from harness.record.schema import ArmResult, Case, Group, Samples
from harness.workload.question import Question
from harness.workload.sources import build, resolve
from harness.workload.step import Step
from harness.workload.tensors import tensors_in

Drive = Callable[[Pair], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a session measures."""

    budget: float  # seconds for both sides of a pair; 0 for no timing
    seed: int = 0


def run_in_process(pair: Pair) -> None:
    """Drive a pair's rounds in this process."""
    pair.run()


def measure_arm(
    question: Question, case: Case, arm: str, settings: Settings, drive: Drive = run_in_process
) -> ArmResult:
    """Measure one arm against its reference; the reference itself against an independent copy.

    Args:
        question: what is asked.
        case: of which model, in which setting.
        arm: one of the question's arms.
        settings: budget and seed.
        drive: runs the rounds of a prepared pair.

    Raises:
        WorkloadError: the case cannot be built.
    """
    reference_name = question.arms(resolve(case.model))[0]
    model = build(case, settings.seed)
    step = question.build(case, arm, model)
    if settings.budget <= 0:
        return exact_result(arm, step)
    shared = question.arms_share_model and arm != reference_name
    other = model if shared else build(case, settings.seed)
    reference = question.build(case, reference_name, other)
    rng = Random(f"{case.id}/{arm}/{settings.seed}")
    pair = Pair(side(reference), side(step), clock_for(case.device), rng)
    pair.prepare(settings.budget)
    drive(pair)
    return exact_result(arm, step, pair.samples())


def side(step: Step) -> Side:
    """Return a step as one side of a pair."""
    return Side(tuple((part.name, part.call) for part in step.parts), step.redraw)


def exact_result(arm: str, step: Step, timings: tuple[Samples, ...] = ()) -> ArmResult:
    """Run every probe over a step and put what they found beside its timings."""
    seen = Observation(step)
    counts: dict[str, int] = {}
    for probe in PROBES:
        counts |= probe.read(seen)
    return ArmResult(
        arm=arm,
        counts=counts,
        timings=timings,
        groups=_groups(step),
        books=seen.books,
        blocks=seen.unaccounted,
        warnings=_warnings(step),
    )


def _groups(step: Step) -> tuple[Group, ...]:
    optimizer = step.optimizer
    if optimizer is None:
        return ()
    return tuple(
        Group(
            name=group.name,
            weight_decay=group.weight_decay,
            tensors=len(group.parameters),
            parameters=sum(parameter.numel() for parameter in group.parameters),
            state_bytes=sum(state_bytes(optimizer, parameter) for parameter in group.parameters),
        )
        for group in step.groups
    )


def _warnings(step: Step) -> tuple[str, ...]:
    with torch.no_grad():
        output = step.model()
    broken = [
        "NaN" if bool(tensor.isnan().any()) else "infinity"
        for tensor in tensors_in(output)
        if tensor.is_floating_point() and not bool(tensor.isfinite().all())
    ]
    return (f"the model's output holds {broken[0]}",) if broken else ()
