"""What this instrument resolves on this machine: many pairs of known difference, timed and judged.

Pairs are timed by the very code that `compare` uses; a planted slowdown is real extra work.
"""

import copy
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

import torch
from torch import nn

from harness.api import judge_samples, time_pair
from harness.errors import HarnessError
from harness.judge.interval import log_ratios
from harness.measure.clock import clock_for
from harness.measure.environment import environment
from harness.measure.pairing import SAMPLE_S, Side, sample, undisturbed
from harness.record.calibration import Calibration, Cell, Trial
from harness.workload.model import Model

_WIDTH = 128
_SPINS_TIMED = 200_000


def build_work(seconds: float, seed: int) -> Model:
    """Build a perceptron whose forward pass takes about so long here: a few dozen operators, as models do."""
    torch.manual_seed(seed)
    layers = 1 + int(min(seconds, 1e-4) / 2e-5)  # an operator costs some microseconds however small it is
    module = nn.Sequential(
        *(layer for _ in range(layers) for layer in (nn.Linear(_WIDTH, _WIDTH), nn.ReLU()))
    )
    batch = 1
    while True:
        model = Model(module, (torch.randn(batch, _WIDTH),))
        took = typical_seconds(model)
        if took >= seconds or batch > _LARGEST_BATCH:
            return model
        # Towards the goal, but never more than doubled: small batches cost mostly their operators.
        batch = max(batch + 1, min(2 * batch, int(batch * seconds / took)))


_LARGEST_BATCH = 1 << 20


def typical_seconds(call: Callable[[], object], times: int = 9) -> float:
    """Return the median seconds of a call."""
    costs = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        costs.append(time.perf_counter() - start)
    return statistics.median(costs)


def spin(count: int) -> None:
    """Do extra work of a known amount: count to a number."""
    for _ in itertools.repeat(None, count):
        pass


def seconds_a_spin() -> float:
    """Return what one count costs here."""
    return typical_seconds(lambda: spin(_SPINS_TIMED)) / _SPINS_TIMED


@dataclass(frozen=True, slots=True)
class Planted:
    """A model's forward pass with a count after it; both sides have one, so that only its length differs."""

    model: Model
    count: int

    def __call__(self) -> object:
        """Run the forward pass, then count."""
        left = self.model()
        spin(self.count)
        return left

    def redraw(self, rng: Random) -> None:
        """Move what the model reads."""
        self.model.redraw(rng)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured.

    Attributes:
        calls_s: about how long the calls take, in seconds.
        planted: slowdowns, as fractions; 0 is the A/A comparison.
        kinds: "object" for two bare callables on one object, "copies" for two models built alike.
        trials: comparisons of every kind, call and slowdown.
        budget: seconds a comparison, both sides together.
        load: bursty processes that run beside it.
    """

    calls_s: tuple[float, ...]
    planted: tuple[float, ...]
    kinds: tuple[str, ...]
    trials: int
    budget: float
    load: int
    seed: int = 0

    def cells(self) -> tuple[tuple[str, float, float], ...]:
        """Return every kind, call and slowdown."""
        return tuple(itertools.product(self.kinds, self.calls_s, self.planted))


def calibrate(plan: Plan, step: Callable[[], None]) -> Calibration:
    """Run every trial of a plan; `step` is called after each.

    The trials of different cells take turns, so that a slow drift of the machine reaches all alike. An
    interrupt ends it; what was finished is returned.
    """
    each = seconds_a_spin()
    trials: dict[tuple[str, float, float], list[Trial]] = {cell: [] for cell in plan.cells()}
    works = {seconds: build_work(seconds, plan.seed) for seconds in plan.calls_s}
    with suppress(KeyboardInterrupt), bursty_load(plan.load):
        for number in range(plan.trials):
            for (kind, seconds, planted), found in trials.items():
                rng = Random(f"{plan.seed}/{kind}/{seconds}/{planted}/{number}")
                work = works[seconds]
                count = round(planted * typical_seconds(work) / each)
                found.append(_trial(kind, work, count, plan.budget, rng))
                step()
    cells = tuple(
        Cell(kind=kind, call_s=typical_seconds(works[seconds]), planted=planted, trials=tuple(found))
        for (kind, seconds, planted), found in trials.items()
        if found
    )
    return Calibration(
        environment=environment("cpu"),
        budget=plan.budget,
        load=plan.load,
        overhead={str(seconds): overhead_share(works[seconds]) for seconds in plan.calls_s},
        cells=cells,
    )


def _trial(kind: str, work: Model, count: int, budget: float, rng: Random) -> Trial:
    reference: Callable[[], object]
    arm: Callable[[], object]
    if kind == "object":
        reference, arm = Planted(work, 0).__call__, Planted(work, count).__call__
    else:
        reference, arm = Planted(copy.deepcopy(work), 0), Planted(copy.deepcopy(work), count)
    samples = time_pair(reference, arm, budget, rng, clock_for("cpu"))
    judged = judge_samples(samples)
    return Trial(
        verdict=judged.verdict.value,
        ratio=judged.ratio or 0.0,
        seconds=samples.pass_s,
        values=tuple(round(value, 7) for value in log_ratios(samples.reference, samples.arm, samples.unit)),
    )


def overhead_share(work: Callable[[], object]) -> float:
    """Return the share of a sample that is not the work: the loop, the call and the clock's two readings."""
    took = typical_seconds(work)
    calls = max(1, round(SAMPLE_S / took))
    with undisturbed():
        empty = [sample(Side((("empty", _nothing),)), calls, time.perf_counter)[0] for _ in range(201)]
    return statistics.median(empty) / took


def _nothing() -> None:
    pass


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
_KINDS = ("object", "copies")


def parse_plan(
    calls: str, planted: str, kinds: str, *, trials: int, seconds: float, budget: float, load: int
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

    Raises:
        PlanError: something is no number, out of range, or unknown.
    """
    lengths = tuple(value / 1e6 for value in _numbers(calls, "calls"))
    slowdowns = tuple(value / 100 for value in _numbers(planted, "planted"))
    sides = tuple(kinds.split(","))
    unknown = [side for side in sides if side not in _KINDS]
    if unknown:
        raise PlanError(f"no kind {unknown[0]!r}; there are {', '.join(_KINDS)}")
    for name, value in (("budget", budget), ("seconds", seconds)):
        if not 0 < value < math.inf:
            raise PlanError(f"--{name} is {value}; give a number of seconds above 0")
    if not lengths or min(lengths) <= 0:
        raise PlanError(f"--calls is {calls!r}; give lengths above 0 microseconds, as in 20,200,2000")
    if slowdowns and min(slowdowns) < 0:
        raise PlanError(f"--planted is {planted!r}; give slowdowns of 0 percent or more")
    if trials < 0 or load < 0:
        raise PlanError("--trials and --load are counts: give 0 or more")
    cells = len(lengths) * len(slowdowns) * len(sides)
    affordable = int(seconds / cells / (budget + _WARM_S))
    return Plan(lengths, slowdowns, sides, trials or max(_FEWEST_TRIALS, affordable), budget, load)


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
