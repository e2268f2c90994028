"""What a claim is, what it is given, what it returns, and how its checks become a verdict."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.claims.record import Check, ClaimResult, ClaimVerdict, Number, Plot
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
    """

    id: str
    statement: str
    method: str
    test: Callable[..., Evidence]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """Claims that belong together."""

    name: str
    claims: tuple[Claim, ...]
    overview: Callable[[Sequence[ClaimResult]], tuple[Plot, ...]] = lambda _results: ()  # of them together


def claim(
    name: str, statement: str, method: str, needs: tuple[str, ...] = ()
) -> Callable[[Callable[..., Evidence]], Claim]:
    """Make a claim of the function that tests it."""

    def made(test: Callable[..., Evidence]) -> Claim:
        return Claim(name, statement, method, test, needs)

    return made


def conclude(checks: Sequence[Check]) -> tuple[ClaimVerdict, str]:
    """Return the verdict that checks amount to, and the condition in words.

    A check without a condition is one that the statement cannot do without. The others divide the
    ground: true in all places, the statement holds; true in some, it holds there. In one place all checks
    have to be true.

    >>> conclude([Check(says="a", holds=True, where="SGD"), Check(says="b", holds=False, where="AdamW")])
    ('holds when', 'SGD; not: AdamW')
    """
    if not checks:
        raise ValueError("a verdict needs at least one check")
    answers: dict[str, bool | None] = {}
    for check in checks:
        answers[check.where] = _both(answers.get(check.where, True), check.holds)
    needed = answers.pop("", True)
    if needed is False:
        return "refuted", ""
    if needed is None:
        return "undecided", ""
    true, false, unknown = (
        tuple(where for where, holds in answers.items() if holds is value) for value in (True, False, None)
    )
    if not false and not unknown:
        return "holds", ""
    said = [
        f"{word}{_together(conditions)}"
        for word, conditions in (("", true), ("not: ", false), ("undecided: ", unknown))
        if conditions
    ]
    if true:
        return "holds when", "; ".join(said)
    return ("undecided", "; ".join(said)) if unknown else ("refuted", "")


def _both(one: bool | None, other: bool | None) -> bool | None:  # noqa: FBT001 (answers, no switches)
    """Return whether both hold: no where one does not, and unknown where one is."""
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _together(conditions: Sequence[str]) -> str:
    """Say places in one line; those that begin alike, up to a colon, are said together.

    >>> _together(["head: time", "head: bytes", "trunk"])
    'head: time, bytes; trunk'
    """
    heads: dict[str, list[str]] = {}
    for condition in conditions:
        head, colon, rest = condition.partition(": ")
        heads.setdefault(head, []).extend([rest] if colon else [])
    return "; ".join(f"{head}: {', '.join(rest)}" if rest else head for head, rest in heads.items())


def by_place(rows_by_place: Iterable[tuple[str, str, bool | None, str]]) -> tuple[Check, ...]:
    """Make checks of the same thing seen at several places, one condition where all places agree.

    Args:
        rows_by_place: (condition, place, whether it holds there, what was seen).
    """
    rows = list(rows_by_place)
    answers: dict[str, dict[bool | None, list[str]]] = {}
    for where, place, holds, _ in rows:
        answers.setdefault(where, {}).setdefault(holds, []).append(place)
    return tuple(
        Check(
            where=where if len(answers[where]) == 1 else f"{where} ({', '.join(answers[where][holds])})",
            says=says,
            holds=holds,
        )
        for where, _, holds, says in rows
    )
