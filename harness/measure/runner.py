"""One arm: what was observed of its step -> ArmResult; and a step as a side of a block."""

from dataclasses import dataclass, field
from random import Random

import msgspec

from harness.measure.attribution import attribute_peak, saved_shares
from harness.measure.calls import calls_of
from harness.measure.exact import exact_numbers
from harness.measure.meter import Meter
from harness.measure.observe import Observation
from harness.measure.probes.state import state_bytes
from harness.measure.sampling import Side
from harness.measure.timeline import allocated
from harness.record.names import NODES, OPERATORS, WAITS
from harness.record.schema import ArmResult, Group
from harness.workload.model import UnsupportedError
from harness.workload.state import ModelState
from harness.workload.step import Step


@dataclass(frozen=True, slots=True)
class Settings:
    """How a session measures."""

    budget: float  # seconds of timing an arm; 0 for exact numbers alone
    seed: int = 0
    rss: bool = False  # witness the reference arm's resident memory in a fresh process
    threads: int = 1  # of that process
    detail: bool = False  # also keep the timeline, and what holds the memory of the reference arm
    meter: Meter = field(default_factory=Meter)  # what the session's calls are added to


def side(step: Step) -> Side:
    """Return a step as one side of a pair; each layout begins in the state in which the step was built."""
    move = step.model.relocate if step.optimizer is None else step.relocate
    state = ModelState.of(step.model)

    def relocate(rng: Random) -> object:
        state.restore()
        return move(rng)

    return Side(tuple((part.name, part.call) for part in step.parts), relocate)


def arm_result(arm: str, seen: Observation, settings: Settings, *, is_reference: bool) -> ArmResult:
    """Return the exact result, with the timeline where a step begins with a forward pass.

    Raises:
        UnsupportedError: the arm did not do what its name says.
    """
    step = seen.step
    result = exact_result(arm, seen)
    _check_arm(arm, seen)
    if not settings.detail or step.parts[0].name != "forward":
        return result
    result = msgspec.structs.replace(result, allocated=allocated(step, seen.whole, seen.forward))
    if not is_reference:
        return result
    return msgspec.structs.replace(
        result,
        saved=saved_shares(seen.graph, step.model.module),
        # It has run before: a device alone pays more than once for what is taken the first time.
        attribution=attribute_peak(step, seen.device, runs=1 if seen.device is None else 2),
    )


def _check_arm(arm: str, seen: Observation) -> None:
    """Check that an arm did what its name says: only the parameters that it trains got a gradient.

    Raises:
        UnsupportedError: another one did.
    """
    trains = seen.step.trains
    trained = [name for name in seen.with_gradient if trains is not None and name not in trains]
    if trained:
        more = f" and {len(trained) - 1} more" if len(trained) > 1 else ""
        raise UnsupportedError(
            f"{arm!r} is not what it says here: {trained[0]}{more} got a gradient all the same"
        )


def exact_result(arm: str, seen: Observation) -> ArmResult:
    """Return every exact number of a step, each as a value, a range, or with why there is none."""
    exact = exact_numbers(seen)
    return ArmResult(
        arm=arm,
        counts=exact.counts,
        varies=exact.varies,
        unavailable=exact.unavailable,
        places={
            name: lines
            for name, lines in ((WAITS, seen.waits.places), (NODES, seen.forward_pass.outer))
            if lines
        },
        calls=calls_of(seen) if OPERATORS in exact.counts else (),
        groups=_groups(seen.step),
        books=exact.books,
        blocks=seen.unaccounted if exact.books else (),
        warnings=(*_warnings(seen), *seen.step.notes, *exact.notes),
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


def _warnings(seen: Observation) -> tuple[str, ...]:
    return (f"the model's output holds {defect}",) if (defect := seen.forward_pass.defect) else ()
