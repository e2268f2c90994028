"""What a claim is, what it is given, and what it returns."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.claims.record import Check, ClaimResult, Number, Plot
from harness.errors import HarnessError
from harness.judge.interval import MIN_UNITS
from harness.workload.models import MODELS
from harness.workload.questions import grad_mode

SEEDS = 100


class LabError(HarnessError, ValueError):
    """A setting that claims cannot be measured with."""


@dataclass(frozen=True, slots=True)
class Lab:
    """How much work claims may do; the defaults are what the published results use."""

    budget: float = 0.6  # seconds of timing for a pair; a short one for cheap calls takes half
    seeds: int = SEEDS  # of every experiment with data
    seed: int = 0  # of everything random
    epochs: int = 150  # of the networks trained on few examples
    models: tuple[str, ...] = grad_mode.QUESTION.models  # targets for claims about every model
    timed: tuple[str, ...] = ("mlp-relu", "mlp-gelu")  # targets for claims that time training
    data_sets: tuple[str, ...] = ()  # that remedies for overfitting are tried on; all where none is named

    def __post_init__(self) -> None:
        """Refuse what no claim can work with.

        Raises:
            LabError: too few seeds for an interval, or no time to measure in.
        """
        if self.seeds < MIN_UNITS:
            raise LabError(f"{self.seeds} seeds have no 99 % interval; give {MIN_UNITS} or more")
        if not 0 < self.budget < math.inf:
            raise LabError(f"a budget of {self.budget} s cannot be spent; give more than 0 seconds")

    @property
    def own_models(self) -> tuple[str, ...]:
        """Return those of the models that come with the harness."""
        return tuple(name for name in self.models if name in MODELS)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a claim found; its verdict follows from the checks."""

    checks: tuple[Check, ...]
    numbers: tuple[Number, ...] = ()
    plots: tuple[Plot, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement and the function that puts it to the test.

    Attributes:
        id: a letter for the section and a number.
        statement: what is said.
        method: what is run to test it.
        test: takes a `Lab` and, where it is not the real torch, a world; returns the evidence.
        needs: packages, by import name, without which the test cannot be run.
        is_sampled: what was tried is a sample, such as a few data sets: true in all of it, the statement
            holds there, and nothing is said of what was not tried.
    """

    id: str
    statement: str
    method: str
    test: Callable[..., Evidence]
    needs: tuple[str, ...] = ()
    is_sampled: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Claims that belong together."""

    name: str
    claims: tuple[Claim, ...]
    overview: Callable[[Sequence[ClaimResult]], tuple[Plot, ...]] = lambda _results: ()  # of them together


def claim(
    name: str, statement: str, method: str, needs: tuple[str, ...] = (), *, is_sampled: bool = False
) -> Callable[[Callable[..., Evidence]], Claim]:
    """Make a claim of the function that tests it."""

    def made(test: Callable[..., Evidence]) -> Claim:
        return Claim(name, statement, method, test, needs, is_sampled)

    return made
