"""The run: every pair of a plan, timed by the very code that `compare` uses, and judged."""

import math
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from random import Random

from harness.calibration.load import bursty_load
from harness.calibration.plan import CalibrationPlan, PlanError
from harness.calibration.record import ARMS, Calibration, Condition, SidesKind, Trial
from harness.calibration.work import Extra, Planted, build_work, extra_work, typical_seconds
from harness.judge.contrasts import judge_samples, unit_medians
from harness.judge.looks import Looks
from harness.judge.times import median_seconds
from harness.judge.verdict import Verdict
from harness.measure.block import TimingBlock
from harness.measure.callables import as_side, time_pair
from harness.measure.clock import Clock, clock_for
from harness.measure.devices.registry import prepare
from harness.measure.environment import environment
from harness.measure.heap import keep_freed_memory
from harness.measure.sampling import Side, calls_a_sample, quiet, sample
from harness.record.schema import Environment
from harness.workload.copied import CopiedModel
from harness.workload.model import Model

_Call = Callable[[], object]
KEEP_S = 60.0  # between two calls of `keep`


def calibrate(
    plan: CalibrationPlan,
    step: Callable[[], None],
    earlier: Calibration | None = None,
    keep: Callable[[Calibration], None] | None = None,
    command: str = "",
) -> Calibration:
    """Run every trial of a plan.

    An interrupt ends it; what was finished is returned.

    Args:
        plan: what is measured.
        step: called after each comparison.
        earlier: what was found before, with the same budget and load; its comparisons count.
        keep: called with what was measured so far, once in `KEEP_S`.
        command: that measures it, to be kept with it.

    Raises:
        PlanError: the earlier calibration had another budget or load, or was made in another place.
    """
    here = environment(plan.device)
    if earlier is not None:
        _check_alike(plan, here, earlier)
    prepare(plan.device)
    keep_freed_memory()  # before the work is sized: it takes twice as long without
    clock, extra = clock_for(plan.device), extra_work(plan.device)
    works = {
        seconds: build_work(seconds, plan.seed, plan.device)
        for seconds in dict.fromkeys(cell.call_s for cell in plan.cells)
    }
    overhead = {str(seconds): overhead_share(typical_seconds(work, clock)) for seconds, work in works.items()}
    results: dict[tuple[SidesKind, float, float], list[Trial]] = {cell[:3]: [] for cell in plan.cells}
    for cell in earlier.cells if earlier else ():
        results.setdefault((cell.kind, cell.asked_s, cell.planted), []).extend(cell.trials)

    def so_far() -> Calibration:
        return Calibration(
            environment=here,
            command=command,
            budget=plan.budget,
            load=plan.load,
            overhead=(earlier.overhead if earlier else {}) | overhead,
            cells=tuple(
                Condition(kind=kind, asked_s=seconds, planted=planted, trials=tuple(trials))
                for (kind, seconds, planted), trials in results.items()
                if trials
            ),
        )

    # Of one reading a comparison the median counts: neighbours lengthen one more than the other for a while.
    counts: dict[tuple[SidesKind, float], list[float]] = {cell[:2]: [] for cell in plan.cells}
    last_kept = time.monotonic()
    with suppress(KeyboardInterrupt), bursty_load(plan.load):
        for kind, seconds, planted, wanted in plan.turns():
            trials = results[kind, seconds, planted]
            if len(trials) < wanted:
                rng = Random(f"{plan.seed}/{kind}/{seconds}/{planted}/{len(trials)}")
                count = 0
                if planted:
                    read = counts[kind, seconds]
                    # A copy may be faster than the original for good, by the place where either lies.
                    alike = works[seconds] if kind == "object" else CopiedModel(works[seconds])
                    read.append(extra.counts_in(alike, clock))
                    count = round(planted * statistics.median(read))
                if kind == "block":
                    trials.append(_block_trial(works[seconds], extra, count, plan.budget, rng, clock))
                else:
                    sides = _sides(kind, works[seconds], extra, count)
                    trials.append(_trial(*sides, plan.budget, rng, clock))
            step()
            if keep is not None and time.monotonic() - last_kept > KEEP_S:
                keep(so_far())
                last_kept = time.monotonic()
    return so_far()


def _check_alike(plan: CalibrationPlan, here: Environment, earlier: Calibration) -> None:
    there = earlier.environment
    for name, now, then in (
        ("budget", plan.budget, earlier.budget),
        ("load", plan.load, earlier.load),
        ("torch", here.torch, there.torch),
        ("device", here.device, there.device),
        ("processor", here.processor, there.processor),
        ("threads", here.threads, there.threads),
    ):
        if now != then:
            raise PlanError(
                f"the earlier calibration has {name} {then}, this one {now}; give another --json file"
            )


def _sides(kind: str, work: Model, extra: Extra, count: int) -> tuple[_Call, _Call]:
    """Return the reference and the arm: bare callables on one object, or two copies that can be moved."""
    if kind == "object":
        return Planted(work, extra).__call__, Planted(work, extra, count).__call__
    return Planted(CopiedModel(work), extra), Planted(CopiedModel(work), extra, count)


def _trial(reference: _Call, arm: _Call, budget: float, rng: Random, clock: Clock) -> Trial:
    samples = time_pair(reference, arm, budget, rng, clock)
    judged = judge_samples(samples)
    return Trial(
        verdict=judged.verdict.value,
        ratio=judged.ratio or 0.0,
        seconds=samples.pass_s,
        values=tuple(round(value, 7) for value in unit_medians(samples)),
        low=None if judged.low is None else math.log(judged.low),
        high=None if judged.high is None else math.log(judged.high),
        call_s=median_seconds(samples.reference),
    )


def _block_trial(  # noqa: PLR0917 (what a trial is made of)
    work: Model, extra: Extra, count: int, budget: float, rng: Random, clock: Clock
) -> Trial:
    """Time a reference and copies of it in one block; what is planted is in the first of them.

    The verdict is that of the first. Where nothing is planted in that one either, a difference of any of the
    others counts: it is a false alarm of the family.
    """
    # What is built first reads a little slower: the order is chance's.
    reference, *copies = rng.sample([CopiedModel(work) for _ in range(ARMS + 1)], ARMS + 1)
    arms = {
        f"copy {number}": as_side(Planted(copy, extra, 0 if number else count))
        for number, copy in enumerate(copies)
    }
    block = TimingBlock(as_side(Planted(reference, extra)), arms, clock, rng)
    block.prepare(budget)
    block.run(budget, Looks(ARMS))
    judged = [judge_samples(block.samples(name)[0]) for name in arms]
    first = judged[0]
    alarms = [one.verdict for one in judged[1:] if one.verdict in (Verdict.BETTER, Verdict.WORSE)]
    samples = block.samples("copy 0")[0]
    return Trial(
        verdict=(alarms[0] if alarms and not count else first.verdict).value,
        ratio=first.ratio or 0.0,
        seconds=sum(block.samples(name)[0].pass_s for name in arms),
        values=tuple(round(value, 7) for value in unit_medians(samples)),
        low=None if first.low is None else math.log(first.low),
        high=None if first.high is None else math.log(first.high),
        call_s=median_seconds(samples.reference),
    )


def overhead_share(took: float) -> float:
    """Return the share of a sample that is not the work.

    That is the loop, the clock's two readings, and the least that a call costs: one of a built-in method.

    Args:
        took: seconds of a call.
    """
    calls = calls_a_sample(took)
    with quiet():
        empty = [sample(Side((("empty", ().__len__),)), calls, time.perf_counter)[0] for _ in range(201)]
    return statistics.median(empty) / took
