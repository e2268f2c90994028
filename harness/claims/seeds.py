"""Statistics over the seeds of an experiment: medians with distribution-free intervals, and bands."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from harness.claims.record import Number
from harness.judge.interval import median_interval
from harness.judge.rates import rate_interval

CONFIDENCE = 0.99
SMALLEST_GAIN = 0.01  # a change of test error within 1 % counts as equal


@dataclass(frozen=True, slots=True)
class Estimate:
    """A median over seeds with its interval, which is infinite where seeds are too few."""

    value: float
    low: float
    high: float
    seeds: int


def estimate(values: torch.Tensor | Sequence[float]) -> Estimate:
    """Return the median of one value a seed with its 99 % distribution-free interval."""
    numbers = torch.as_tensor(values, dtype=torch.float64).flatten()
    interval = median_interval(numbers.tolist(), CONFIDENCE)
    low, high = (-math.inf, math.inf) if interval is None else (interval.low, interval.high)
    return Estimate(float(numbers.median()), low, high, len(numbers))


def seed_ratio(arm: torch.Tensor, reference: torch.Tensor) -> Estimate:
    """Return the median over seeds of arm / reference, paired by seed."""
    logs = estimate(arm.double().log() - reference.double().log())
    return Estimate(math.exp(logs.value), math.exp(logs.low), math.exp(min(logs.high, 700.0)), logs.seeds)


def is_lower(change: Estimate) -> bool | None:
    """Return whether a ratio is below 1, by more than the smallest gain; None where seeds do not decide."""
    if change.high < 1 and change.value < 1 - SMALLEST_GAIN:
        return True
    inside = change.low >= 1 - SMALLEST_GAIN
    return False if change.low > 1 or inside else None


def share_at_least(successes: int, count: int) -> float:
    """Return the lower 99 % bound of a share (Clopper and Pearson)."""
    return rate_interval(successes, count, CONFIDENCE)[0]


def all_hold(answers: Sequence[bool | None]) -> bool | None:
    """Return whether all hold: no where one does not, and unknown where one is."""
    return False if False in answers else None if None in answers else True


def band(values: torch.Tensor) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Return 5 %, 50 % and 95 % over the seeds, the first dimension, at each place of the second."""
    levels = torch.quantile(values.double(), torch.tensor([0.05, 0.5, 0.95], dtype=torch.float64), dim=0)
    low, middle, high = (tuple(level.tolist()) for level in levels)
    return low, middle, high


def number(name: str, estimated: Estimate, unit: str = "") -> Number:
    """Return an estimate as a number with its interval."""
    return Number(name=name, value=estimated.value, low=estimated.low, high=estimated.high, unit=unit)


def words(estimated: Estimate) -> str:
    """Return an estimate with its interval, as in "0.50 [0.45, 0.55]"."""
    return f"{estimated.value:.3g} [{estimated.low:.3g}, {estimated.high:.3g}]"
