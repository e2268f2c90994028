"""One arm on all ranks: built and wrapped, timed together, counted on each -> ArmResult."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from harness.errors import HarnessError
from harness.measure.clock import clock_for
from harness.measure.collectives import RANK_PEAK, TRAINABLE, bytes_sent
from harness.measure.devices.registry import device_of
from harness.measure.inspection import refusing
from harness.measure.recording import trace
from harness.measure.sampling import Side
from harness.ranks.crew import Crew
from harness.ranks.rounds import Together, slowest
from harness.record.measured import Case
from harness.record.schema import ArmResult, Group, RankResult, Samples, Status
from harness.workload.model import Model, UnsupportedError
from harness.workload.models import Entry
from harness.workload.question import Question
from harness.workload.sources import build
from harness.workload.step import Step
from harness.workload.tensors import bytes_of, tensors_in
from harness.workload.wrapping import local_bytes, relocate

_TRACES = 3


@dataclass(frozen=True, slots=True)
class Job:
    """What is asked of which model, in which setting."""

    question: Question
    case: Case
    entry: Entry


@dataclass(frozen=True, slots=True)
class RankSettings:
    """How ranks measure."""

    budget: float  # seconds for both sides of a pair; 0 for no timing
    seed: int
    progress: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why one rank could not build an arm."""

    supported: bool
    text: str


def measure_arm_over_ranks(crew: Crew, job: Job, arm: str, settings: RankSettings) -> ArmResult:
    """Measure one arm against its reference on all ranks; the result is the same on all of them.

    What one rank refuses is refused by all.
    """

    def say(stage: str) -> None:
        settings.progress(f"{stage} ({job.case.variant}, {arm})")

    made: list[Step] = []
    reference = job.question.arms(job.entry)[0]
    for name in (arm,) if settings.budget <= 0 else (reference, arm):
        say(f"building {name!r}")
        step, refusal = _built(crew, job, name, settings.seed)
        refusals = [(rank, each) for rank, each in enumerate(crew.gathered(refusal)) if each is not None]
        if refusals or step is None:
            return _refused(arm, refusals, crew.place.ranks)
        made.append(step)
    timings: tuple[Samples, ...] = ()
    if settings.budget > 0:
        seed = f"{job.case.id}/{arm}/{settings.seed}"
        sides = [_side(step) for step in made]
        pair = Together(crew, sides[0], sides[1], clock_for(crew.device), seed, say)
        timings = pair.measure(settings.budget)
    step = made[-1]
    say("counting")
    mine = RankResult(
        rank=crew.place.rank,
        host=crew.place.host,
        device=crew.device,
        counts=_counts(crew, step, say),
        timings=timings,
    )
    ranks: list[RankResult] = crew.gathered(mine)
    return ArmResult(
        arm=arm,
        counts=_of_the_most(rank.counts for rank in ranks),
        timings=slowest([rank.timings for rank in ranks]),
        groups=_groups(step),
        warnings=_warnings(step),
        ranks=tuple(ranks),
    )


def _built(crew: Crew, job: Job, arm: str, seed: int) -> tuple[Step | None, _Refusal | None]:
    try:
        with refusing(f"building {arm!r}"):
            model = build(replace(job.case, device=crew.device), seed, job.entry)
            return job.question.build(job.case, arm, model), None
    except HarnessError as error:
        return None, _Refusal(not isinstance(error, UnsupportedError), str(error))


def _refused(arm: str, refusals: list[tuple[int, _Refusal]], ranks: int) -> ArmResult:
    rank, refusal = refusals[0]
    where = "" if len(refusals) == ranks else f"rank {rank}: "
    status: Status = "failed" if refusal.supported else "skipped"
    return ArmResult(arm=arm, status=status, reason=where + refusal.text)


def _side(step: Step) -> Side:
    return Side(tuple((part.name, part.call) for part in step.parts), partial(relocate, step))


def _counts(crew: Crew, step: Step, say: Callable[[str], None]) -> dict[str, int]:
    parameters = list(step.model.module.parameters())
    step()  # what outlives a step is there after the first
    counts = {
        TRAINABLE: sum(bytes_of(parameter) for parameter in parameters if parameter.requires_grad),
        "parameters": sum(local_bytes(parameter) for parameter in parameters),
    }
    for part in step.parts:
        part.call()
        if part.name == "backward":
            gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
            counts["gradients"] = sum(local_bytes(gradient) for gradient in gradients)
    if step.optimizer is not None:
        state = [tensor for each in step.optimizer.state.values() for tensor in tensors_in(each)]
        counts["optimizer state"] = sum(local_bytes(tensor) for tensor in state)
    say("counting what is sent")
    counts |= bytes_sent(step)
    say("tracing")
    counts[RANK_PEAK] = _peak(crew, step)
    return counts


def _peak(crew: Crew, step: Step) -> int:
    device = device_of(crew.device)
    if device is None:
        # Threads of gloo free buffers at moments of their own, some of them unseen, so that a trace reads
        # too high and never too low.
        return min(trace([step]).peak_bytes() for _ in range(_TRACES))
    device.synchronize()
    device.reset_peaks()
    before = device.memory().requested
    step()
    device.synchronize()
    return device.memory().requested_peak - before


def _of_the_most(of_ranks: Iterable[dict[str, int]]) -> dict[str, int]:
    """Return each count of the rank that has most of it: who holds most decides what fits."""
    most: dict[str, int] = {}
    for counts in of_ranks:
        for name, value in counts.items():
            most[name] = max(value, most.get(name, value))
    return most


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
            state_bytes=sum(
                local_bytes(tensor)
                for parameter in group.parameters
                for tensor in tensors_in(optimizer.state.get(parameter, {}))
            ),
        )
        for group in step.groups
    )


def _warnings(step: Step) -> tuple[str, ...]:
    if getattr(step.model.module, "find_unused_parameters", False):
        return ("some trainable parameters get no gradient, so that DDP looks for them in every step",)
    return ()


def digest(model: Model) -> dict[str, str]:
    """Return what has to be alike in the models of all ranks, by name: shapes, dtypes, what is trained."""
    results = {
        name: f"{tuple(value.shape)} {value.dtype}{'' if value.requires_grad else ' frozen'}"
        for name, value in model.module.named_parameters()
    }
    return results | {
        name: f"{tuple(value.shape)} {value.dtype}" for name, value in model.module.named_buffers()
    }
