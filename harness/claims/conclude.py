"""How checks become a verdict, and the ground on which a statement holds, does not, or is undecided."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.claims.record import Check, ClaimVerdict

_MOST_NAMES = 3  # places that are named; more are counted


@dataclass(frozen=True, slots=True)
class Ground:
    """One condition, and whether the statement is true under it.

    Attributes:
        where: the condition.
        holds: None where the samples do not decide.
        places: those places that answer so, where others answer otherwise; empty where all answer alike.
        of: how many places there are.
    """

    where: str
    holds: bool | None
    places: tuple[str, ...] = ()
    of: int = 0

    def words(self, some: str = "{count} of {of}") -> str:
        """Return the condition with its places.

        Args:
            some: says how many places of how many, where they are too many to name.

        >>> Ground("time", True, ("a", "b"), 3).words(), Ground("time", True, tuple("abcd"), 5).words()
        ('time (a, b)', 'time (4 of 5)')
        """
        if not self.places:
            return self.where
        few = len(self.places) <= _MOST_NAMES
        named = ", ".join(self.places) if few else some.format(count=len(self.places), of=self.of)
        return f"{self.where} ({named})"


def both(one: bool | None, other: bool | None) -> bool | None:  # noqa: FBT001 (answers, no switches)
    """Return whether both hold: no where one does not, and unknown where one is."""
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def grounds(checks: Sequence[Check]) -> tuple[Ground, ...]:
    """Return the conditions of checks, each once for every answer that its places give, in order.

    A check without a condition has none. In one place all checks have to be true.
    """
    answers: dict[str, dict[str, bool | None]] = {}
    for check in checks:
        if check.where:
            places = answers.setdefault(check.where, {})
            places[check.place] = both(places.get(check.place, True), check.holds)
    return tuple(ground for where, places in answers.items() for ground in _of_condition(where, places))


def _of_condition(where: str, places: dict[str, bool | None]) -> list[Ground]:
    given = dict.fromkeys(places.values())
    if len(given) == 1:
        return [Ground(where, next(iter(given)), of=len(places))]
    return [
        Ground(where, answer, tuple(place for place, holds in places.items() if holds is answer), len(places))
        for answer in given
    ]


def conclude(checks: Sequence[Check], *, is_sampled: bool = False) -> tuple[ClaimVerdict, str]:
    """Return the verdict that checks amount to, and the condition in words.

    A check without a condition is one that the statement cannot do without. The others divide the
    ground: true in all places, the statement holds; true in some, it holds there.

    Args:
        checks: at least one.
        is_sampled: what was tried is a sample: true in all of it, the statement holds there.

    >>> conclude([Check(says="a", holds=True, where="SGD"), Check(says="b", holds=False, where="AdamW")])
    ('holds when', 'SGD; not: AdamW')
    """
    if not checks:
        raise ValueError("a verdict needs at least one check")
    needed: bool | None = True
    for check in checks:
        needed = needed if check.where else both(needed, check.holds)
    if needed is False:
        return "refuted", ""
    if needed is None:
        return "undecided", ""
    every = grounds(checks)
    true, false, unknown = (
        [ground.words() for ground in every if ground.holds is value] for value in (True, False, None)
    )
    if not false and not unknown and not (is_sampled and true):
        return "holds", ""
    said = [
        f"{word}{together(conditions)}"
        for word, conditions in (("", true), ("not: ", false), ("undecided: ", unknown))
        if conditions
    ]
    if true:
        return "holds when", "; ".join(said)
    return ("undecided", "; ".join(said)) if unknown else ("refuted", "")


def together(conditions: Sequence[str]) -> str:
    """Say conditions in one line; those that begin alike, up to a colon, are said together.

    >>> together(["head: time", "head: bytes", "trunk"])
    'head: time, bytes; trunk'
    """
    return "; ".join(gathered(conditions))


def gathered(conditions: Sequence[str]) -> list[str]:
    """Return conditions, those that begin alike, up to a colon, as one."""
    heads: dict[str, list[str]] = {}
    for condition in conditions:
        head, colon, rest = condition.partition(": ")
        heads.setdefault(head, []).extend([rest] if colon else [])
    return [f"{head}: {', '.join(rest)}" if rest else head for head, rest in heads.items()]
