"""One arm of one case: build it, time it in a pair, then take each exact metric -> ArmResult."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import msgspec
import torch

from harness.measure.attribution import attribute_peak, saved_shares
from harness.measure.clock import clock_for
from harness.measure.observe import Observation
from harness.measure.pairing import Pair, Side
from harness.measure.probes import PROBES
from harness.measure.probes.rss import WITNESS, witness
from harness.measure.probes.state import state_bytes
from harness.measure.timeline import allocated
from harness.record.schema import ArmResult, Case, Group, Samples
from harness.workload.models import Entry
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
    rss: bool = False  # witness the reference arm's resident memory in a fresh process
    threads: int = 1  # of that process
    detail: bool = False  # also keep the timeline, and what holds the memory of the reference arm


def run_in_process(pair: Pair) -> None:
    """Drive a pair's rounds in this process."""
    pair.run()


def measure_arm(
    question: Question,
    case: Case,
    arm: str,
    settings: Settings,
    drive: Drive = run_in_process,
    *,
    entry: Entry | None = None,
) -> ArmResult:
    """Measure one arm against its reference; the reference itself against an independent copy.

    Args:
        question: what is asked.
        case: of which model, in which setting.
        arm: one of the question's arms.
        settings: budget and seed.
        drive: runs the rounds of a prepared pair.
        entry: the model, where it is at hand; by default what the case's name resolves to.

    Raises:
        WorkloadError: the case cannot be built.
    """
    entry = entry or resolve(case.model)
    reference_name = question.arms(entry)[0]
    model = build(case, settings.seed, entry)
    step = question.build(case, arm, model)
    asked = arm == reference_name
    if settings.budget <= 0:
        return _witnessed(_exact(arm, step, settings, asked=asked), case, settings, asked=asked)
    shared = question.arms_share_model and arm != reference_name
    other = model if shared else build(case, settings.seed, entry)
    reference = question.build(case, reference_name, other)
    rng = Random(f"{case.id}/{arm}/{settings.seed}")
    pair = Pair(side(reference), side(step), clock_for(case.device), rng)
    pair.prepare(settings.budget)
    drive(pair)
    exact = _exact(arm, step, settings, pair.samples(), asked=asked)
    return _witnessed(exact, case, settings, asked=asked)


def _witnessed(result: ArmResult, case: Case, settings: Settings, *, asked: bool) -> ArmResult:
    """Add the witness's reading where it was asked for."""
    if not (settings.rss and asked):
        return result
    peak, timeline = witness(case, result.arm, settings.seed, settings.threads)
    return msgspec.structs.replace(result, counts={**result.counts, WITNESS.name: peak}, timeline=timeline)


def side(step: Step) -> Side:
    """Return a step as one side of a pair."""
    redraw = step.model.redraw if step.optimizer is None else step.redraw
    return Side(tuple((part.name, part.call) for part in step.parts), redraw)


def _exact(
    arm: str, step: Step, settings: Settings, timings: tuple[Samples, ...] = (), *, asked: bool
) -> ArmResult:
    """Return the exact result, with the timeline where a step begins with a forward pass."""
    seen = Observation(step)
    result = exact_result(arm, step, timings, seen)
    if not settings.detail or step.parts[0].name != "forward":
        return result
    result = msgspec.structs.replace(result, allocated=allocated(step, seen.whole))
    if not asked:
        return result
    return msgspec.structs.replace(
        result, saved=saved_shares(seen.graph, step.model.module), attribution=attribute_peak(step)
    )


def exact_result(
    arm: str, step: Step, timings: tuple[Samples, ...] = (), seen: Observation | None = None
) -> ArmResult:
    """Run every probe over a step and put what they found beside its timings."""
    seen = seen or Observation(step)
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
