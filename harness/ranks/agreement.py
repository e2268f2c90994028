"""What all ranks have to have alike, and what one of them refuses for all."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from harness.errors import HarnessError
from harness.ranks.crew import Crew
from harness.ranks.place import RanksError

T = TypeVar("T")


def check_alike(of_ranks: Sequence[Mapping[str, str]], verb: str) -> None:
    """Check that all ranks have the same.

    Args:
        of_ranks: what each has, by name.
        verb: what a rank did with it, for the sentence.

    Raises:
        RanksError: one differs; the first such rank and the first difference are named.

    >>> check_alike([{"the seed": "0"}, {"the seed": "1"}], "was asked for")
    Traceback (most recent call last):
    ...
    harness.ranks.place.RanksError: rank 1 was asked for the seed 1, rank 0 for 0; start all ranks alike
    """
    for rank, other in enumerate(of_ranks):
        for name in dict.fromkeys((*of_ranks[0], *other)):
            first, second = of_ranks[0].get(name, "nothing"), other.get(name, "nothing")
            if first != second:
                preposition = verb.rpartition(" ")[2]
                raise RanksError(
                    f"rank {rank} {verb} {name} {second}, rank 0 {preposition} {first}; start all ranks alike"
                )


def raise_refusal(of_ranks: Sequence[str]) -> None:
    """Raise what ranks refuse with, if one does.

    Args:
        of_ranks: the sentence of each; "" where it does not refuse.

    Raises:
        RanksError: with the first sentence; the rank is named where not all say the same.
    """
    for rank, refusal in enumerate(of_ranks):
        if refusal:
            raise RanksError(refusal if len(set(of_ranks)) == 1 else f"rank {rank}: {refusal}")


def agreed(crew: Crew, make: Callable[[], T]) -> T:
    """Return what a rank makes, where all can make it.

    Raises:
        RanksError: one of them cannot.
    """
    made: list[T] = []
    refusal = ""
    try:
        made.append(make())
    except HarnessError as error:
        refusal = str(error)
    raise_refusal(crew.gathered(refusal))
    return made[0]
