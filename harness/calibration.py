"""What this instrument resolves on this machine: many pairs of known difference, timed and judged.

Pairs are timed by the very code that `compare` uses; a planted slowdown is real extra work.
"""

import itertools
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

import torch
from torch import nn

from harness.api import judge_samples, time_pair
from harness.errors import HarnessError
from harness.judge import interval
from harness.measure.clock import Clock, clock_for
from harness.measure.device import device_of, prepare
from harness.measure.environment import environment
from harness.measure.heap import keep_freed_memory
from harness.measure.pairing import SAMPLE_S, Side, sample, undisturbed
from harness.measure.torch_compat import check_device
from harness.record.calibration import Calibration, Cell, Kind, Trial
from harness.record.schema import Environment
from harness.workload.copied import CopiedModel
from harness.workload.model import Model

_WIDTH = 128
_SPINS_TIMED = 20_000  # as long as a sample


def build_work(seconds: float, seed: int, device: str = "cpu") -> Model:
    """Build a perceptron whose forward pass takes about so long here."""
    clock = clock_for(device)
    torch.manual_seed(seed)
    layers = 1 + int(min(seconds, 1e-4) / 2.5e-5)  # an operator costs some microseconds however small it is
    module = nn.Sequential(
        *(layer for _ in range(layers) for layer in (nn.Linear(_WIDTH, _WIDTH), nn.ReLU()))
    ).to(device)
    batch = 1
    while True:
        model = Model(module, (torch.randn(batch, _WIDTH, device=device),))
        took = typical_seconds(model, clock)
        if took >= seconds or batch > _LARGEST_BATCH:
            return model
        # Towards the goal, but never more than doubled: small batches cost mostly their operators.
        batch = max(batch + 1, min(2 * batch, int(batch * seconds / took)))


_LARGEST_BATCH = 1 << 20


def typical_seconds(call: Callable[[], object], clock: Clock = time.perf_counter, times: int = 9) -> float:
    """Return the median seconds of a call."""
    costs = []
    for _ in range(times):
        start = clock()
        call()
        costs.append(clock() - start)
    return statistics.median(costs)


def spin(count: int) -> None:
    """Do extra work of a known amount: count to a number."""
    for _ in itertools.repeat(None, count):
        pass


@dataclass(frozen=True, slots=True)
class Extra:
    """Work that is planted, in counts."""

    run: Callable[[int], object]
    seconds: Callable[[], float]  # a count, read anew
    least: int = 0  # both sides count so far, so that both do the same number of things

    def counts_in(self, work: Callable[[], object], clock: Clock) -> float:
        """Return what to count to for as long as the work takes; both are read in turns."""
        calls = max(1, round(SAMPLE_S / typical_seconds(work, clock)))
        side = Side((("work", work),))
        both = [(sample(side, calls, clock)[0], self.seconds()) for _ in range(_TIMES)]
        took, each = (interval.undisturbed(readings) for readings in zip(*both, strict=True))
        return took / each


def extra_work(device: str) -> Extra:
    """Return work of a known amount for a device; the host's would hide behind the queue of another."""
    queue = device_of(device)
    if queue is None:
        return Extra(spin, _seconds_a_spin)
    return Extra(queue.count, lambda: queue.seconds_a_count, _LEAST_COUNT)


def _seconds_a_spin() -> float:
    return typical_seconds(lambda: spin(_SPINS_TIMED), times=1) / _SPINS_TIMED


_LEAST_COUNT = 1024
_TIMES = 25
_Call = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Planted:
    """A forward pass with a count after it; both sides have one, so that only its length differs."""

    model: Model | CopiedModel
    extra: Extra
    count: int = 0

    def __call__(self) -> object:
        """Run the forward pass, then count."""
        left = self.model()
        self.extra.run(self.extra.least + self.count)
        return left

    def redraw(self, rng: Random) -> object:
        """Move what the model reads."""
        return self.model.redraw(rng)


KEEP_S = 60.0  # between two calls of `keep`


class Wanted(NamedTuple):
    """One cell of a plan."""

    kind: Kind  # "object" for two bare callables on one object, "copies" for two models built alike
    call_s: float  # about how long a call takes, seconds
    planted: float  # the slowdown, as a fraction; 0 is the A/A comparison
    trials: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured.

    Attributes:
        cells: what is compared, and how many times.
        budget: seconds a comparison, both sides together.
        load: bursty processes that run beside it.
    """

    cells: tuple[Wanted, ...]
    budget: float
    load: int
    device: str = "cpu"
    seed: int = 0

    @property
    def trials(self) -> int:
        """Return the comparisons of all cells."""
        return sum(cell.trials for cell in self.cells)

    def turns(self) -> Iterator[Wanted]:
        """Yield each cell as often as it is wanted, all in turn, those with more trials more often.

        A slow drift of the machine so reaches all of them alike.
        """
        rounds = max((cell.trials for cell in self.cells), default=0)
        for number in range(rounds):
            for cell in self.cells:
                if (number + 1) * cell.trials // rounds > number * cell.trials // rounds:
                    yield cell


def calibrate(
    plan: Plan,
    step: Callable[[], None],
    earlier: Calibration | None = None,
    keep: Callable[[Calibration], None] | None = None,
) -> Calibration:
    """Run every trial of a plan.

    An interrupt ends it; what was finished is returned.

    Args:
        plan: what is measured.
        step: called after each comparison.
        earlier: what was found before, with the same budget and load; its comparisons count.
        keep: called with what was found so far, once in `KEEP_S`.

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
    found: dict[tuple[Kind, float, float], list[Trial]] = {cell[:3]: [] for cell in plan.cells}
    for cell in earlier.cells if earlier else ():
        found.setdefault((cell.kind, cell.asked_s, cell.planted), []).extend(cell.trials)

    def so_far() -> Calibration:
        return Calibration(
            environment=here,
            budget=plan.budget,
            load=plan.load,
            overhead=(earlier.overhead if earlier else {}) | overhead,
            cells=tuple(
                Cell(kind=kind, asked_s=seconds, planted=planted, trials=tuple(trials))
                for (kind, seconds, planted), trials in found.items()
                if trials
            ),
        )

    # Of one reading a comparison the median counts: neighbours lengthen one more than the other for a while.
    counts: dict[tuple[Kind, float], list[float]] = {cell[:2]: [] for cell in plan.cells}
    kept = time.monotonic()
    with suppress(KeyboardInterrupt), bursty_load(plan.load):
        for kind, seconds, planted, wanted in plan.turns():
            trials = found[kind, seconds, planted]
            if len(trials) < wanted:
                rng = Random(f"{plan.seed}/{kind}/{seconds}/{planted}/{len(trials)}")
                read = counts[kind, seconds]
                # A copy may be faster than the original for good, by the place where either lies.
                alike = works[seconds] if kind == "object" else CopiedModel(works[seconds])
                read.append(extra.counts_in(alike, clock))
                count = round(planted * statistics.median(read))
                sides = _sides(kind, works[seconds], extra, count)
                trials.append(_trial(*sides, plan.budget, rng, clock))
            step()
            if keep is not None and time.monotonic() - kept > KEEP_S:
                keep(so_far())
                kept = time.monotonic()
    return so_far()


def _check_alike(plan: Plan, here: Environment, earlier: Calibration) -> None:
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
        values=tuple(
            round(value, 7) for value in interval.log_ratios(samples.reference, samples.arm, samples.unit)
        ),
        call_s=statistics.median(itertools.chain.from_iterable(samples.reference)),
    )


def overhead_share(took: float) -> float:
    """Return the share of a sample that is not the work.

    That is the loop, the clock's two readings, and the least that a call costs: one of a built-in method.

    Args:
        took: seconds of a call.
    """
    calls = max(1, round(SAMPLE_S / took))
    with undisturbed():
        empty = [sample(Side((("empty", ().__len__),)), calls, time.perf_counter)[0] for _ in range(201)]
    return statistics.median(empty) / took


_HOG = """
import os, random, sys, time
parent = os.getppid()
while os.getppid() == parent:
    end = time.perf_counter() + random.uniform(0.005, 0.05)
    while time.perf_counter() < end:
        pass
    time.sleep(random.uniform(0.005, 0.05))
"""


@contextmanager
def bursty_load(processes: int) -> Iterator[None]:
    """Run so many processes that work and rest in bursts of 5 to 50 ms; stop them whatever happens."""
    hogs: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(processes):
            hogs.append(subprocess.Popen([sys.executable, "-c", _HOG]))  # noqa: S603, PERF401 (own code; each is to be stopped even if the next cannot start)
        yield
    finally:
        for hog in hogs:
            hog.kill()
        for hog in hogs:
            hog.wait()


class PlanError(HarnessError):
    """A calibration that cannot be run, and what would have worked."""


_WARM_S = 0.1  # a comparison takes about so much more than its budget
_KINDS: tuple[Kind, ...] = ("object", "copies")


def parse_plan(
    calls: str,
    planted: str,
    kinds: str,
    *,
    trials: int,
    seconds: float,
    budget: float,
    load: int,
    cells: str = "",
    device: str = "cpu",
) -> Plan:
    """Make a plan of comma-separated microseconds, percents and kinds.

    Args:
        calls: lengths of a call, microseconds.
        planted: slowdowns, percent.
        kinds: "object" and "copies".
        trials: comparisons of each cell; 0 for what the seconds allow.
        seconds: to spend in all.
        budget: seconds a comparison.
        load: bursty processes.
        cells: in place of the first four, KIND:MICROSECONDS:PERCENT:TRIALS with commas between.
        device: as torch names it.

    Raises:
        PlanError: something is no number, out of range, or unknown.
        WorkloadError: there is no such device here.
    """
    check_device(device)
    lengths = tuple(value / 1e6 for value in _numbers(calls, "calls"))
    slowdowns = tuple(value / 100 for value in _numbers(planted, "planted"))
    sides = tuple(map(_kind, kinds.split(",")))
    for name, value in (("budget", budget), ("seconds", seconds)):
        if not 0 < value < math.inf:
            raise PlanError(f"--{name} is {value}; give a number of seconds above 0")
    if not lengths or min(lengths) <= 0:
        raise PlanError(f"--calls is {calls!r}; give lengths above 0 microseconds, as in 20,200,2000")
    if slowdowns and min(slowdowns) < 0:
        raise PlanError(f"--planted is {planted!r}; give slowdowns of 0 percent or more")
    if trials < 0 or load < 0:
        raise PlanError("--trials and --load are counts: give 0 or more")
    product = tuple(itertools.product(sides, lengths, slowdowns))
    each = trials or max(_FEWEST_TRIALS, int(seconds / len(product) / (budget + _WARM_S)))
    wanted = tuple(Wanted(*cell, each) for cell in product)
    return Plan(tuple(map(_cell, cells.split(","))) if cells else wanted, budget, load, device)


def _kind(name: str) -> Kind:
    for kind in _KINDS:
        if kind == name:
            return kind
    raise PlanError(f"no kind {name!r}; there are {', '.join(_KINDS)}")


def _cell(text: str) -> Wanted:
    parts = text.split(":")
    if len(parts) != len(Wanted._fields):
        raise PlanError(f"--cells has {text!r}; give KIND:MICROSECONDS:PERCENT:TRIALS, as in copies:70:0:200")
    (call,), (planted,), (trials,) = (_numbers(part, "cells") for part in parts[1:])
    if call <= 0 or planted < 0 or trials < 1 or trials != int(trials):
        raise PlanError(f"--cells has {text!r}; a call is above 0, a slowdown at least 0, trials a count")
    return Wanted(_kind(parts[0]), call / 1e6, planted / 100, int(trials))


_FEWEST_TRIALS = 4


def _numbers(text: str, name: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise PlanError(
            f"--{name} is {text!r}; give numbers with commas between, as in 20,200,2000"
        ) from error
    if not all(map(math.isfinite, values)):
        raise PlanError(f"--{name} is {text!r}; give finite numbers")
    return values
