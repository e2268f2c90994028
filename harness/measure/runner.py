"""One arm of one case: build it, time it in a pair, then take each exact metric -> ArmResult."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

import msgspec

from harness.measure.attribution import attribute_peak, saved_shares
from harness.measure.clock import clock_for
from harness.measure.device_times import DevicePass, device_pass
from harness.measure.devices.registry import device_of, prepare
from harness.measure.exact import exact_numbers
from harness.measure.heap import keep_freed_memory
from harness.measure.meter import Meter, metered
from harness.measure.observe import Observation
from harness.measure.pairing import Pair
from harness.measure.probes.rss import WITNESS, witness
from harness.measure.probes.state import state_bytes
from harness.measure.sampling import Side
from harness.measure.shared_model import SharedModel, keeps_state
from harness.measure.throttle import watch_clock
from harness.measure.timeline import allocated
from harness.record.schema import ArmResult, Case, Group, Samples
from harness.workload.model import UnsupportedError
from harness.workload.models import Entry
from harness.workload.question import Question
from harness.workload.sources import build, resolve
from harness.workload.state import ModelState
from harness.workload.step import Step

Drive = Callable[[Pair], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a session measures."""

    budget: float  # seconds for both sides of a pair; 0 for no timing
    seed: int = 0
    rss: bool = False  # witness the reference arm's resident memory in a fresh process
    threads: int = 1  # of that process
    detail: bool = False  # also keep the timeline, and what holds the memory of the reference arm
    one_round: bool = False  # a call is so long that one round takes the budget, whatever trial calls say
    meter: Meter = field(default_factory=Meter)  # what the session's calls are added to


@dataclass(slots=True)
class ReferenceArm:
    """The reference of a record, built and warmed once: what all its other arms are timed against.

    It is empty until the reference itself is measured, which is the first arm of a record.
    """

    step: Step | None = None
    keeps_state: bool = False


@dataclass(frozen=True, slots=True)
class ExactArm:
    """What the exact passes of an arm showed.

    Attributes:
        result: the exact numbers.
        grows: each call leaves something behind.
        keeps_state: a call changes what the next one reads, other than running statistics.
    """

    result: ArmResult
    grows: bool
    keeps_state: bool


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
    shared: ReferenceArm | None = None,
    reference_name: str = "",
    exact: ExactArm | None = None,
) -> ArmResult:
    """Measure one arm: its exact numbers in passes of their own, then its time against the reference's.

    The arm that is the reference is timed against an independent copy of itself: the A/A control.

    Args:
        question: what is measured; it builds the steps.
        case: the model and the setting.
        arm: one of the question's arms.
        settings: the budget in seconds, the seed, and how much is kept.
        drive: runs the rounds of a prepared pair.
        entry: the model, where it is at hand; by default what the case's name resolves to.
        shared: the reference, for all arms of a record; filled when the arm is the reference. By default a
            reference is built for this arm alone.
        reference_name: the arm that others are compared with; by default the question's first.
        exact: what its exact passes showed, where they were run before.

    Returns:
        The counts, the timings in seconds a call, and notes; with a budget of 0, no timings.

    Raises:
        WorkloadError: the case cannot be built, or the arm did not do what its name says.
    """
    prepare(case.device)
    entry = entry or resolve(case.model)
    shared = shared or ReferenceArm()
    reference_name = reference_name or question.arms(entry)[0]
    is_reference = arm == reference_name
    standing = None if is_reference else shared.step
    # An arm that leaves the model in another state would leave it to the next.
    shares = question.arms_share_model and not shared.keeps_state
    model = standing.model if shares and standing else build(case, settings.seed, entry)
    step = question.build(case, arm, model)
    exact = exact or _exact(
        arm, Observation(metered(step, settings.meter, clock_for(case.device))), settings, is_reference=is_reference
    )
    if is_reference and (shares or settings.budget > 0):
        shared.step, shared.keeps_state = step, exact.keeps_state
    if settings.budget <= 0:
        return _witnessed(exact.result, case, settings, is_reference=is_reference)
    reference = standing
    if reference is None:
        other = (
            model
            if shares and not is_reference and not exact.keeps_state
            else build(case, settings.seed, entry)
        )
        reference = question.build(case, reference_name, other)
    rng = Random(f"{case.id}/{arm}/{settings.seed}")
    pair = Pair(side(reference), side(step), clock_for(case.device), rng)
    if exact.grows:
        # In one round each side is called twice: a sample of many calls would hold what each leaves behind.
        settings = replace(settings, one_round=True)
    timings = _timed(pair, (step,) if standing else (reference, step), (reference, step), settings, drive)
    on_device = _device_pass(pair, case, rng, settings.budget)
    timed = msgspec.structs.replace(
        exact.result,
        timings=(*timings, *on_device.samples),
        notes=(*exact.result.notes, *on_device.notes),
    )
    return _witnessed(timed, case, settings, is_reference=is_reference)


def _timed(
    pair: Pair, cold: tuple[Step, ...], steps: tuple[Step, Step], settings: Settings, drive: Drive
) -> tuple[Samples, ...]:
    """Warm and time a pair; the calls of both sides are added to the meter.

    Args:
        pair: of the two steps, bare.
        cold: the steps that have not run before.
        steps: the reference and the arm.
        settings: budget and meter.
        drive: runs the rounds.
    """
    started = pair.clock()
    bare = pair.reference, pair.arm
    if settings.one_round:
        keep_freed_memory()
        for step in cold:
            metered(step, settings.meter, pair.clock)()
    else:
        # Only in trial calls does a meter look on, never in a sample.
        pair.reference, pair.arm = (side(metered(step, settings.meter, pair.clock)) for step in steps)
        pair.prepare(settings.budget)
        pair.reference, pair.arm = bare
    drive(pair)
    samples = pair.samples()
    settings.meter.seconds += samples[0].measured_s
    took = pair.clock() - started
    return tuple(msgspec.structs.replace(each, pass_s=took) for each in samples)


def _device_pass(pair: Pair, case: Case, rng: Random, budget: float) -> DevicePass:
    """Take the times of a device with a queue while its clock is watched; an empty pass on a CPU."""
    device = device_of(case.device)
    if device is None:
        return DevicePass((), ())
    watch = watch_clock(device)
    times = device_pass(pair, device, rng, budget, look=watch.look)
    return DevicePass(times.samples, (*times.notes, *watch.notes()))


def _witnessed(result: ArmResult, case: Case, settings: Settings, *, is_reference: bool) -> ArmResult:
    """Add the resident memory of a fresh process, of the reference alone, where the settings want it."""
    if not (settings.rss and is_reference):
        return result
    peak, timeline = witness(case, result.arm, settings.seed, settings.threads)
    return msgspec.structs.replace(result, counts={**result.counts, WITNESS.name: peak}, timeline=timeline)


def side(step: Step) -> Side:
    """Return a step as one side of a pair; each layout begins in the state in which the step was built."""
    move = step.model.relocate if step.optimizer is None else step.relocate
    state = ModelState.of(step.model)

    def relocate(rng: Random) -> object:
        state.restore()
        return move(rng)

    return Side(tuple((part.name, part.call) for part in step.parts), relocate)


def exact_arm(
    question: Question, case: Case, arm: str, settings: Settings, model: SharedModel, *, is_reference: bool
) -> ExactArm:
    """Take the exact numbers of an arm on a model that all arms share.

    Raises:
        WorkloadError: the case cannot be built, or the arm did not do what its name says.
    """
    prepare(case.device)
    with model.arm(question, case, arm) as prepared:
        step = metered(prepared.step, settings.meter, clock_for(case.device))
        seen = Observation(step, reference=prepared.reference, is_warm=prepared.is_warm).settled()
        exact = _exact(arm, seen, settings, is_reference=is_reference)
        if not exact.result.varies:
            model.look_back_on(case, seen)
    return exact


def _exact(arm: str, seen: Observation, settings: Settings, *, is_reference: bool) -> ExactArm:
    """Return the exact numbers, with the timeline where a step begins with a forward pass."""
    step = seen.step
    result = exact_result(arm, seen)
    _check_arm(arm, seen)
    if settings.detail and step.parts[0].name == "forward":
        result = msgspec.structs.replace(result, allocated=allocated(step, seen.whole))
        if is_reference:
            result = msgspec.structs.replace(
                result,
                saved=saved_shares(seen.graph, step.model.module),
                attribution=attribute_peak(step, seen.device, runs=1 if seen.device is None else 2),
            )
    return ExactArm(result, bool(seen.growth), keeps_state(seen))


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
    return (f"the model's output holds {seen.defect}",) if seen.defect else ()
