"""All that is measured of one model: questions at each batch size, the freezing curve, the largest batch.

What goes wrong is told and kept in the record; what was finished before stays.
"""

import itertools
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import msgspec

from harness.errors import HarnessError
from harness.judge.looks import FIRST
from harness.measure.attribution import lasting_bytes
from harness.measure.case import CaseMeasurement, Failure
from harness.measure.clock import clock_for
from harness.measure.garbage import old_objects_set_aside, set_optimizers_aside
from harness.measure.guard import check_room, memory_guarded
from harness.measure.handover import changes, wanted
from harness.measure.history import write_history
from harness.measure.inspection import (
    COMPILED,
    OutOfMemoryError,
    inspection_of,
    is_out_of_memory,
    refusing,
)
from harness.measure.meter import Meter, metered
from harness.measure.observe import Observation
from harness.measure.plan import Plan, Price, RecordJob, choose, jobs_of
from harness.measure.processors import usable_threads
from harness.measure.runner import Settings
from harness.measure.scaling import expected_peak, largest_batch
from harness.measure.shared_model import SharedModel
from harness.measure.shared_time import SharedTime
from harness.record.names import PEAK
from harness.record.schema import ArmResult, Case, Fit, Record, Run
from harness.setting import HOST, RUN_TIME_S
from harness.workload.blocks import Blocks, find_blocks
from harness.workload.freezing_curve import NAME
from harness.workload.hooks import is_compiled
from harness.workload.model import Model, WorkloadError
from harness.workload.models import Entry
from harness.workload.sources import build
from harness.workload.step import Part, Step
from harness.workload.training import training_step

_CALL_OF_TRAINING = 2.5  # forward passes: a step takes three, and fewer with a part of the model frozen


class Watcher(Protocol):
    """Who is told how a study goes on."""

    def planned(self, arms: int) -> None:
        """So many more arms will be measured."""

    def measuring(self, case: Case, arm: str) -> None:
        """This arm is begun."""

    def kept(self, run: Run) -> None:
        """An arm was finished: the run so far."""

    def finished(self, record: Record) -> None:
        """All arms of a record were finished."""

    def note(self, line: str) -> None:
        """Say what a reader of the numbers should know."""

    def problem(self, line: str, error: BaseException | None = None) -> None:
        """Something could not be measured, or its numbers are none."""


@dataclass(slots=True)
class Study:
    """One model being measured; `run` holds what is finished."""

    entry: Entry
    plan: Plan
    watch: Watcher
    run: Run
    began: float = field(default_factory=time.perf_counter)  # on that clock; what came before counts too
    meter: Meter = field(default_factory=Meter, init=False)
    forward_s: float = field(default=0.0, init=False)  # seconds of a forward pass among exact ones, roughly
    trains: bool = field(default=True, init=False)
    compiled: bool = field(default=False, init=False)
    shares: SharedTime = field(init=False)
    shared: SharedModel = field(init=False)  # by all exact passes of a batch size
    _open: dict[str, str] = field(default_factory=dict, init=False)  # what is planned and not finished
    # by batch size: case and arm
    _plans: dict[int, tuple[tuple[str, str], ...]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        setting = self.plan.setting
        self.shares = SharedTime(setting.budget, setting.run_time(RUN_TIME_S), self.began)

    def measure(self) -> Run:
        """Measure everything that is planned.

        Raises:
            WorkloadError: the model cannot be built or run at all.
        """
        with memory_guarded(self.plan.setting.device):
            return self._measured()

    def _measured(self) -> Run:
        self.entry = wanted(self.entry, self.plan)
        self.shared = SharedModel(self.entry, self.plan.setting.seed)
        for note in self.entry.notes:
            self.watch.note(note)
        sizes = self.plan.setting.batch_sizes or (self.entry.batch_size,)
        for index, batch_size in enumerate(sizes):
            try:
                self._check_room(batch_size)
                self._inspect(batch_size)
            except WorkloadError as error:
                if index == 0 and not isinstance(error, OutOfMemoryError):
                    raise
                self._give_up(batch_size, error)
                continue
            if index == 0:
                self._check_search(batch_size)
            if not self._plans:
                for size in sizes:
                    self._note_plan(size, jobs_of(self.plan, self.entry, size, trains=self.trains))
            with old_objects_set_aside():
                self._batch(batch_size, curve=self.plan.setting.curve and index == 0)
        if self.shares.untimed:
            self._say_untimed()
        if self.plan.setting.memory_limit is not None:
            self._fit(sizes[0], self.plan.setting.memory_limit)
        self._note_down(complete=not self.run.missing)
        return self.run

    def _check_room(self, batch_size: int) -> None:
        """Check that a batch is not expected to take more than there is, where smaller ones were measured.

        Raises:
            OutOfMemoryError: it is.
        """
        peaks: dict[int, int | None] = {}
        for record in self.run.records:
            size = record.case.batch_size
            for arm in record.arms:
                peaks[size] = max(peaks.get(size) or 0, arm.counts.get(PEAK, 0))
        expected = expected_peak(batch_size, peaks)
        what = f"a batch of {batch_size}, which would need about {expected:,} B,"
        check_room(expected, self.plan.setting.device, what)

    def _check_search(self, start: int) -> None:
        """Check, before minutes are spent, that the largest batch within a limit can be looked for.

        Raises:
            WorkloadError: not even one example fits.
        """
        limit = self.plan.setting.memory_limit
        if limit is None:
            return
        with refusing("a batch of 1, for which there has to be memory,"):
            peak = self._peak(replace(self._step_case(start), batch_size=1))
        if peak > limit:
            raise WorkloadError(f"not even a batch of 1 fits in {limit:,} B: it needs {peak:,} B")

    def _step_case(self, batch_size: int) -> Case:
        name = "training step" if self.trains else "forward pass"
        return self._case(name, "train" if self.trains else "eval", batch_size)

    def _say_untimed(self) -> None:
        arms = self.shares.untimed
        rounds = FIRST * self.forward_s * _CALL_OF_TRAINING * arms
        self.watch.note(
            f"{arms} arm{'s' * (arms != 1)} not timed: the exact numbers took the time of the run;"
            f" --time {self.shares.needed + rounds:.0f} would do"
        )

    def _note_down(self, **changes: object) -> None:
        """Change the run, and have it kept with the seconds until now."""
        took = time.perf_counter() - self.began
        self.run = msgspec.structs.replace(self.run, wall_s=took, calls_s=self.meter.seconds, **changes)
        self.watch.kept(self.run)

    def _case(self, question: str, mode: str, batch_size: int) -> Case:
        return self.plan.setting.case(question, self.entry, mode, batch_size=batch_size)

    def _inspect(self, batch_size: int) -> None:
        case = self._case("", self.entry.mode or "eval", batch_size)
        with refusing(f"building {self.entry.name}"):
            model = self.shared.model_for(case)
        with refusing(f"looking at {self.entry.name}"):
            seen = inspection_of(model, clock_for(self.plan.setting.device), trains=self.plan.trains)
        self.forward_s = seen.forward_s
        for warning in seen.warnings:
            self.watch.problem(warning)
        self.compiled = is_compiled(model.module)
        if self.compiled:
            self.watch.note(COMPILED)
        if self.trains and seen.no_training:
            self.watch.note(f"nothing is asked of training: {seen.no_training}")
        self.trains = not seen.no_training
        for line in changes(self.entry, self.plan, model.module, trains=self.trains):
            self.watch.note(line)

    def _batch(self, batch_size: int, *, curve: bool) -> None:
        jobs = self._planned(batch_size, curve=curve)
        self._note_plan(batch_size, jobs)
        arms = sum(len(job.arms) for job in jobs)
        self.watch.planned(arms)
        self.shares.plan(arms)
        kinds = ("bytes",) if self.shares.exact_only else ("bytes", "times")
        self._open = {
            f"{kind} of {job.case.id}": f"{kind} of {job.case.question}, {job.case.variant or job.case.mode}"
            for kind in kinds
            for job in jobs
        }
        measured: list[tuple[RecordJob, CaseMeasurement]] = []
        for job in jobs:
            if job.trains and not any(earlier.trains for earlier, _ in measured):
                set_optimizers_aside()
            measured.append((job, self._exact(job)))
        self.shared.drop()
        if not self.shares.exact_only:
            for job, measurement in measured:
                self._time(job, measurement)

    def _note_plan(self, batch_size: int, jobs: Iterable[RecordJob]) -> None:
        """Write down which arms of a batch size are to come, in place of what was planned of it before."""
        self._plans[batch_size] = tuple((job.case.id, arm) for job in jobs for arm in job.arms)
        self._note_down(planned=tuple(itertools.chain.from_iterable(self._plans.values())))

    def _planned(self, batch_size: int, *, curve: bool) -> list[RecordJob]:
        """Return what there is to measure at a batch size, as far as its exact numbers fit into the time."""
        jobs = list(jobs_of(self.plan, self.entry, batch_size, trains=self.trains))
        blocks = self._blocks(batch_size) if curve and self.trains else None
        whole = None if blocks is None else (self._case(NAME, "train", batch_size), blocks)
        price = Price(self.forward_s, math.inf if self.plan.setting.full else self.plan.exact_s)
        choice = choose(jobs, whole, price, may_omit=self.plan.may_omit)
        timed = not self.shares.exact_only
        threads = usable_threads()
        is_spare = self.run.environment.threads < threads and self.plan.setting.device == HOST
        if line := price.line(choice, is_timed=timed, more_threads=threads if is_spare else 0):
            self.watch.note(line)
        return list(choice.jobs)

    def _blocks(self, batch_size: int) -> Blocks | None:
        """Return the blocks that a freezing curve freezes; where there are none, say why."""
        try:
            return find_blocks(self.shared.model_for(self._case(NAME, "train", batch_size)))
        except WorkloadError as error:
            self.watch.note(f"no freezing curve: {error}")
            return None

    def _exact(self, job: RecordJob) -> CaseMeasurement:
        """Take the exact numbers of a record's arms, and have them printed."""
        settings = Settings(0.0, self.plan.setting.seed, detail=not job.axis, meter=self.meter)
        measurement = CaseMeasurement(job.question, job.case, settings, self.entry, compiled=self.compiled)
        measurement.model = self.shared
        self.watch.measuring(job.case, job.arms[0])
        record = Record(
            case=job.case, asks=job.question.asks, reference=job.arms[0], columns=job.question.columns
        )
        for result in measurement.exact(job.arms):
            arm = self._result_of(job, result)
            self.shares.measured()
            self._told(job, arm.arm, measurement.reference)
            record = record.with_arm(msgspec.structs.replace(arm, axis=job.axis.get(arm.arm)))
            record = msgspec.structs.replace(record, reference=measurement.reference or job.arms[0])
            self._keep(record)
        self._open.pop(f"bytes of {job.case.id}", None)
        self.watch.finished(record)
        return measurement

    def _time(self, job: RecordJob, measurement: CaseMeasurement) -> None:
        """Time the arms of a record whose exact numbers are there."""
        round_s = self.forward_s * (_CALL_OF_TRAINING if job.trains else 1.0) * (len(job.arms) + 1)
        if self.shares.is_spent(2 * round_s):  # each side's first call, and one sample; said once for all
            self.shares.untimed += len(job.arms)
            self._open.pop(f"times of {job.case.id}", None)
            return
        record = next(each for each in self.run.records if each.case.id == job.case.id)
        self.watch.measuring(job.case, job.arms[0])
        for result in measurement.times(job.arms, self.shares.seconds):
            arm = self._result_of(job, result)
            before = record.arm(arm.arm)
            if isinstance(result, Failure) and before is not None:  # its exact numbers stay
                arm = msgspec.structs.replace(before, notes=(*before.notes, f"not timed: {result.reason}"))
            record = record.with_arm(msgspec.structs.replace(arm, axis=job.axis.get(arm.arm)))
            self._keep(record)
        self._open.pop(f"times of {job.case.id}", None)
        self.watch.finished(record)

    def missing(self) -> tuple[str, ...]:
        """Return what is planned and not finished."""
        sizes = self.plan.setting.batch_sizes
        begun = {record.case.batch_size for record in self.run.records}
        gaps = {case for case, _ in self.run.missing}
        # An interrupt can come when the last arm of a record was kept and nobody was told so yet.
        whole = {f"bytes of {each.case.id}" for each in self.run.records if each.case.id not in gaps}
        still_open = (words for name, words in self._open.items() if name not in whole)
        return (*still_open, *(f"batch size {size}" for size in sizes if size not in begun))

    def _result_of(self, job: RecordJob, result: ArmResult | Failure) -> ArmResult:
        """Return what there is to record of an arm; what went wrong is told."""
        if not isinstance(result, Failure):
            return result
        arm = result.result
        if arm.status != "skipped":  # which is no problem: the arm does not apply to this model
            self.watch.problem(f"{job.case.id}, {result.arm}: {result.reason}", result.error)
        return arm

    def _told(self, job: RecordJob, arm: str, reference: str) -> None:
        """Say what is begun after an arm, and with what arms are compared if not with the first."""
        if arm == reference != job.arms[0]:
            self.watch.note(f"{job.case.id}: compared with {arm!r}, because {job.arms[0]!r} failed")
        following = job.arms[job.arms.index(arm) + 1 :]
        if following:
            self.watch.measuring(job.case, following[0])

    def _keep(self, record: Record) -> None:
        others = tuple(each for each in self.run.records if each.case.id != record.case.id)
        self._note_down(records=(*others, record))

    def _give_up(self, batch_size: int, error: HarnessError) -> None:
        """Keep a batch size that could not be run at all, with its reason."""
        self.watch.problem(f"batch size {batch_size}: {error}", error)
        every = jobs_of(self.plan, self.entry, batch_size, trains=self.trains)
        jobs = [replace(job, arms=job.arms[:1]) for job in every]
        self._note_plan(batch_size, jobs)
        for job in jobs:
            failed = ArmResult(arm=job.arms[0], status="failed", reason=str(error))
            record = Record(case=job.case, asks=job.question.asks, reference=job.arms[0])
            self._keep(record.with_arm(failed))

    def _fit(self, start: int, limit: int) -> None:
        case = self._step_case(start)

        def check(batch_size: int, expected: int) -> None:
            what = f"a batch of {batch_size}, which would need about {expected:,} B,"
            check_room(expected, case.device, what)

        def peak_at(batch_size: int) -> int | None:
            self.watch.measuring(replace(case, batch_size=batch_size), "peak")
            try:
                return self._peak(replace(case, batch_size=batch_size))
            except Exception as error:  # whatever the model raises; only one kind is an answer
                if is_out_of_memory(error):
                    return None
                raise

        try:
            with refusing("looking for the largest batch"):
                batch_size, runs = largest_batch(peak_at, start, limit, check)
        except WorkloadError as error:
            self.watch.problem(str(error), error)
            return
        fit = Fit(case=replace(case, batch_size=batch_size), limit=limit, runs=runs)
        self._note_down(fits=(*self.run.fits, fit))

    def _peak(self, case: Case) -> int:
        """Return the highest allocated bytes of one step, what outlives the step included."""
        step = metered(self._one_step(case), self.meter, clock_for(case.device))
        above_start = Observation(step).whole.peak_bytes()
        return lasting_bytes(step) + above_start

    def _one_step(self, case: Case) -> Step:
        model = build(case, self.plan.setting.seed, self.entry)
        return training_step(model) if self.trains else _forward_step(model)

    def write_memory_history(self, path: Path) -> None:
        """Write the memory history of one step, at the first batch size, on the plan's CUDA device."""
        batch_size = (*self.plan.setting.batch_sizes, self.entry.batch_size)[0]
        case = self._case("", "train" if self.trains else "eval", batch_size)
        with refusing("the step whose memory history was asked for"):
            write_history(self._one_step(case), case.device, path)


def _forward_step(model: Model) -> Step:
    return Step((Part("forward", model.loss_of_forward),), model, model.loss_of_forward)
