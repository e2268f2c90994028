"""All arms of one case: exact numbers arm by arm, then the times of all of them in one block.

An arm that fails takes nothing with it: the others are measured, against the first arm that works. Where the
sides do not fit into memory together, they are timed in groups, each with the reference.
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

import msgspec

from harness.errors import HarnessError
from harness.judge.looks import Looks
from harness.judge.verdict import LAYOUT_FLOOR
from harness.measure.attribution import lasting_bytes
from harness.measure.block import TimingBlock
from harness.measure.clock import clock_for
from harness.measure.device_times import device_pass, facts_of
from harness.measure.devices.registry import backend_of, device_of, prepare
from harness.measure.inspection import is_out_of_memory
from harness.measure.meter import metered
from harness.measure.observe import Observation
from harness.measure.probes.rss import WITNESS, witness
from harness.measure.runner import Settings, arm_result, side
from harness.measure.sampling import Side
from harness.measure.shared_model import SharedModel, keeps_state
from harness.measure.throttle import watch_clock
from harness.record.schema import ArmResult, Case
from harness.workload.factory import first_line, raised_by_model
from harness.workload.hooks import forget_compiled
from harness.workload.model import Model, UnsupportedError
from harness.workload.models import Entry
from harness.workload.question import Question
from harness.workload.sources import build, resolve
from harness.workload.step import Step

# Seconds of timing a block: of so many arms, without the reference, and what the fewest rounds take that can
# decide something.
BlockSeconds = Callable[[int, float], float]

FREE_SHARE = 0.5  # of the memory that is free: what one side more may take while others are held


@dataclass(frozen=True, slots=True)
class Failure:
    """An arm that could not be measured."""

    arm: str
    error: Exception
    reason: str

    @property
    def result(self) -> ArmResult:
        """The arm as it is recorded."""
        skipped = isinstance(self.error, UnsupportedError)
        return ArmResult(arm=self.arm, status="skipped" if skipped else "failed", reason=self.reason)


@dataclass(frozen=True, slots=True)
class _Exact:
    """What the exact passes of an arm showed."""

    result: ArmResult
    grows: bool  # each call leaves something behind
    keeps_state: bool  # a call changes what the next one reads, other than running statistics


@dataclass(frozen=True, slots=True)
class _Arm:
    """An arm that waits to be timed."""

    name: str
    step: Step
    exact: ArmResult
    call_s: float  # seconds of its first call


@dataclass(slots=True)
class CaseMeasurement:
    """One case being measured.

    Attributes:
        question: builds the arms.
        case: the model and the setting.
        settings: the seed, and how much is kept.
        entry: the model.
        compiled: what an arm compiles is dropped after it, so that each is timed with a reference of its own.
        reference: the arm that all others are compared with; where it is not told, the first that works.
    """

    question: Question
    case: Case
    settings: Settings
    entry: Entry
    compiled: bool = False
    reference: str = ""
    model: SharedModel = field(init=False)
    _exact: dict[str, _Exact] = field(default_factory=dict, init=False)
    _standing: _Arm | None = field(default=None, init=False)  # the reference, once it was built to be timed
    _timed_model: Model | None = field(default=None, init=False)  # of arms that may share one while timed

    def __post_init__(self) -> None:
        self.model = SharedModel(self.entry, self.settings.seed)

    def measure(self, arms: Sequence[str], seconds: BlockSeconds | None) -> Iterator[ArmResult | Failure]:
        """Measure arms; yield each twice: with its exact numbers as soon as they are there, then with times.

        Args:
            arms: some of the question's, in its order.
            seconds: of timing a block; None for exact numbers alone.

        Yields:
            What was measured of an arm, or why it could not be.
        """
        yield from self.exact(arms)
        self.model.drop()
        if seconds is not None:
            yield from self.times(arms, seconds)

    def exact(self, arms: Sequence[str]) -> Iterator[ArmResult | Failure]:
        """Take the exact numbers of arms, all on one model; yield each as soon as they are there."""
        prepare(self.case.device)
        for name in arms:
            try:
                self._exact[name] = self._observed(name)
            except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever the model raises in this arm alone)
                yield self._failure(name, error)
                continue
            finally:
                gc.collect()  # what a finished arm left in reference cycles
                if self.compiled:
                    forget_compiled()
            yield self._exact[name].result

    def times(self, arms: Sequence[str], seconds: BlockSeconds) -> Iterator[ArmResult | Failure]:
        """Time those arms whose exact numbers are there; yield each with its times."""
        if self.reference and self.reference not in arms:
            self._built_to_time(self.reference)
        waiting: list[_Arm] = []
        for name in arms:
            if name not in self._exact:
                continue
            if waiting and (self.compiled or self._is_tight()):
                yield from self._timed(waiting, seconds)
                waiting = []
            try:
                arm = self._built_to_time(name)
            except (Exception, SystemExit) as error:  # noqa: BLE001 (such as memory for one model more)
                yield self._failure(name, error)
                continue
            finally:
                gc.collect()  # models of a finished arm that lie in reference cycles
            if self._exact[name].grows:  # a sample of many calls would hold what each leaves behind
                yield from self._timed([arm], seconds, most_rounds=1)
            else:
                waiting.append(arm)
        if waiting:
            yield from self._timed(waiting, seconds)

    def _observed(self, name: str) -> _Exact:
        """Take the exact numbers of an arm; the first that works is the reference."""
        is_reference = name == (self.reference or name)
        with self.model.arm(self.question, self.case, name) as prepared:
            step = metered(prepared.step, self.settings.meter, clock_for(self.case.device))
            seen = Observation(step, reference=prepared.reference, is_warm=prepared.is_warm).settled()
            result = arm_result(name, seen, self.settings, is_reference=is_reference)
            grows, keeps = bool(seen.growth), keeps_state(seen)
            if not result.varies:
                self.model.look_back_on(self.case, seen)
        if is_reference:
            self.reference = name
            if self.settings.rss:
                peak, timeline = witness(self.case, name, self.settings.seed, self.settings.threads)
                counts = {**result.counts, WITNESS.name: peak}
                result = msgspec.structs.replace(result, counts=counts, timeline=timeline)
        return _Exact(result, grows, keeps)

    def _built_to_time(self, name: str) -> _Arm:
        """Build an arm and run it once; all others are timed with the reference."""
        if name not in self._exact:  # a reference that is none of the arms
            self._exact[name] = self._observed(name)
        clock = clock_for(self.case.device)
        step = self._built(name, self._timed_model)
        before = clock()
        self._run(step)
        known = self._exact[name]
        arm = _Arm(name, step, known.result, clock() - before)
        if name == self.reference:
            self._standing = arm
            # An arm that leaves the model in another state would leave it to the next.
            shares = self.question.arms_share_model and not known.keeps_state
            self._timed_model = step.model if shares else None
        return arm

    def _is_tight(self) -> bool:
        """Return whether one side more would take too much of the memory that is free."""
        if self._standing is None:
            return False
        counts = self._standing.exact.counts
        one_more = lasting_bytes(self._standing.step) + counts.get("peak", 0)
        free = backend_of(self.case.device).free_bytes(self.case.device)
        return free is not None and one_more > FREE_SHARE * free

    def _failure(self, name: str, error: BaseException) -> Failure:
        reason = str(error) if isinstance(error, HarnessError) else first_line(error)
        if is_out_of_memory(error):
            reason = f"out of memory at batch size {self.case.batch_size}: {reason}"
        return Failure(name, raised_by_model(error), reason)

    def _timed(
        self, arms: Sequence[_Arm], seconds: BlockSeconds, most_rounds: int | None = None
    ) -> Iterator[ArmResult | Failure]:
        """Time arms in one block with the reference, and with it once more where it is one of them."""
        reference_s = arms[0].call_s if self._standing is None else self._standing.call_s
        costs = [reference_s, *(arm.call_s for arm in arms)]
        looks = Looks(sum(arm.name != self.reference for arm in arms), LAYOUT_FLOOR)
        fewest = looks.fewest_units + 1  # rounds may take longer than the first calls
        allowed = seconds(len(arms), fewest * sum(costs))
        if not allowed:
            return
        try:
            sides = self._sides(self._steps(arms))
            block = self._block(arms, sides, most_rounds)
            before = block.clock()
            if most_rounds is None:  # what grows with each call is not called more often than it is timed
                block.prepare(allowed, warmed=True, costs=costs)
            self.settings.meter.seconds += block.clock() - before
            block.run(block.enough(allowed, fewest), looks, self.reference)
            yield from self._timings(arms, block, allowed)
        except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever the reference raises: all of the block is lost)
            for arm in arms:
                yield self._failure(arm.name, error)
        finally:
            if self.compiled:
                # Code compiled for the next arm's model counts against one limit with this one's, and
                # past it torch runs what was not compiled.
                forget_compiled()

    def _steps(self, arms: Sequence[_Arm]) -> list[Step]:
        """Return the reference's step, then those of arms; where it is one of them, a control in its place.

        The side that was built first is a little slower than the one that was built last, wherever their
        tensors lie. Chance decides which of the two is the reference.
        """
        reference = self._reference_step(arms)
        if all(arm.name != self.reference for arm in arms):
            return [reference, *(arm.step for arm in arms)]
        control = self._control()
        if Random(f"{self.case.id}/{self.settings.seed}").random() < 0.5:  # noqa: PLR2004 (a coin)
            reference, control = control, reference
        return [reference, *(control if arm.name == self.reference else arm.step for arm in arms)]

    def _reference_step(self, arms: Sequence[_Arm]) -> Step:
        if self._standing is not None and (not self.compiled or arms[0].name == self.reference):
            return self._standing.step
        step = self._built(self.reference)
        self._run(step)
        return step

    def _control(self) -> Step:
        """Return the reference once more: with a model of its own, or with the one that all arms share.

        Its weights are then as warm in the caches as those of the arms. A copy, run once a round where they
        are run several times, would be slower for that alone.
        """
        step = self._built(self.reference, self._timed_model)
        if self._timed_model is None:  # on a model that has run already it is as warm as the others
            self._run(step)
        return step

    def _built(self, arm: str, model: Model | None = None) -> Step:
        """Return an arm with a model, by default one of its own."""
        model = model or build(self.case, self.settings.seed, self.entry)
        return self.question.build(self.case, arm, model)

    def _run(self, step: Step) -> None:
        """Run a step once: the first call is cold, and no sample."""
        metered(step, self.settings.meter, clock_for(self.case.device))()

    def _sides(self, steps: Sequence[Step]) -> list[Side]:
        """Return steps as sides; those of one model move it once."""
        sides: list[Side] = []
        movers: dict[int, Callable[[Random], object] | None] = {}
        for step in steps:
            one = side(step)
            if step.optimizer is None:
                one = Side(one.parts, movers.setdefault(id(step.model), one.relocate))
            sides.append(one)
        return sides

    def _block(self, arms: Sequence[_Arm], sides: Sequence[Side], most_rounds: int | None) -> TimingBlock:
        names = [arm.name for arm in arms]
        rng = Random(f"{self.case.id}/{'/'.join(names)}/{self.settings.seed}")
        clock = clock_for(self.case.device)
        return TimingBlock(sides[0], dict(zip(names, sides[1:], strict=True)), clock, rng, most_rounds)

    def _timings(
        self, arms: Sequence[_Arm], block: TimingBlock, seconds: float
    ) -> Iterator[ArmResult | Failure]:
        """Yield each arm with what a block has timed of it."""
        for arm in arms:
            if arm.name in block.failed:
                yield self._failure(arm.name, block.failed[arm.name])
                continue
            samples = block.samples(arm.name)
            self.settings.meter.seconds += samples[0].measured_s
            result = msgspec.structs.replace(arm.exact, timings=samples)
            yield self._on_device(result, block, arm.name, seconds / len(arms))

    def _on_device(self, result: ArmResult, block: TimingBlock, arm: str, seconds: float) -> ArmResult:
        """Add the times of a device with a queue, taken while its clock is watched; nothing on a CPU."""
        device = device_of(self.case.device)
        if device is None:
            return result
        watch = watch_clock(device)
        facts = facts_of(result, self._exact[self.reference].result)
        times = device_pass(block.pair(arm), device, block.rng, seconds, facts=facts, look=watch.look)
        return msgspec.structs.replace(
            result,
            timings=(*result.timings, *times.samples),
            notes=(*result.notes, *times.notes, *watch.notes(times.slowed)),
        )


def measure_arm(
    question: Question, case: Case, arm: str, settings: Settings, *, entry: Entry | None = None
) -> ArmResult:
    """Measure one arm of a case, in a block with the reference.

    Args:
        question: what is measured; it builds the steps.
        case: the model and the setting.
        arm: one of the question's arms; the first is the reference.
        settings: the seconds of timing an arm, the seed, and how much is kept.
        entry: the model, where it is at hand; by default what the case's name resolves to.

    Returns:
        The counts, the timings in seconds a call, and notes; with a budget of 0, no timings.

    Raises:
        Exception: what the arm raises; a `WorkloadError` where it did not do what its name says.
    """
    return measure_arms(question, case, (arm,), settings, entry=entry)[0]


def measure_arms(
    question: Question, case: Case, arms: Sequence[str], settings: Settings, *, entry: Entry | None = None
) -> tuple[ArmResult, ...]:
    """Measure some arms of a case together; see `measure_arm`."""
    entry = entry or resolve(case.model)
    measurement = CaseMeasurement(question, case, settings, entry, reference=question.arms(entry)[0])
    results: dict[str, ArmResult] = {}
    budget = settings.budget
    for result in measurement.measure(arms, (lambda number, _: budget * number) if budget > 0 else None):
        if isinstance(result, Failure):
            raise result.error
        results[result.arm] = result
    return tuple(results[arm] for arm in arms)
