"""What a calibration measures, from the words of the command line."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from harness.calibration.record import SidesKind
from harness.errors import HarnessError
from harness.measure.devices.registry import check_device


class Wanted(NamedTuple):
    """One cell of a plan."""

    kind: SidesKind  # "object": two bare callables on one object; "copies": two models; "block": seven
    call_s: float  # about how long a call takes, seconds
    planted: float  # the slowdown, as a fraction; 0 is the A/A comparison
    trials: int


@dataclass(frozen=True, slots=True)
class CalibrationPlan:
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


class PlanError(HarnessError):
    """A calibration that cannot be run, and what would have worked."""


_WARM_S = 0.1  # a comparison takes about so much more than its budget
_KINDS: tuple[SidesKind, ...] = ("object", "copies", "block")
_FEWEST_TRIALS = 4


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
) -> CalibrationPlan:
    """Make a plan of comma-separated microseconds, percents and kinds.

    Args:
        calls: lengths of a call, microseconds.
        planted: slowdowns, percent.
        kinds: "object", "copies" and "block".
        trials: comparisons of each cell; 0 for what the seconds allow.
        seconds: to spend in all.
        budget: seconds a comparison.
        load: bursty processes.
        cells: in place of the first four, KIND:MICROSECONDS:PERCENT:TRIALS with commas between.
        device: as torch names it.

    Raises:
        PlanError: something is not a number, out of range, or unknown.
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
    return CalibrationPlan(tuple(map(_cell, cells.split(","))) if cells else wanted, budget, load, device)


def _kind(name: str) -> SidesKind:
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
