"""The exact numbers of a step: each metric as one value, as a range, or with why there is none."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.measure.notes import notes_of
from harness.measure.observe import Observation
from harness.measure.probes import PROBES
from harness.record.measured import Books

_MORE_SEEDS = (1, 2, 3)  # of passes that are run where two were not alike


@dataclass(frozen=True, slots=True)
class Exact:
    """The exact numbers of one step.

    Attributes:
        counts: what is the same in every pass, by metric.
        varies: the lowest and the highest value of what is not.
        unavailable: why a metric cannot be had.
        notes: what a reader of the numbers should know, a sentence each.
        books: what is held against what was saved; None where that cannot be said.
    """

    counts: dict[str, int]
    varies: dict[str, tuple[int, int]]
    unavailable: dict[str, str]
    notes: tuple[str, ...]
    books: Books | None


def exact_numbers(seen: Observation) -> Exact:
    """Read every metric of a step; where its passes were not alike, in more passes with other random numbers.

    Raises:
        Exception: whatever the step raises.
    """
    counts = _counts(seen)
    varies: dict[str, tuple[int, int]] = {}
    if not seen.is_repeatable:
        others = list(_other_counts(seen))
        for name in list(counts):
            values = [counts[name], *(other[name] for other in others if name in other)]
            if min(values) != max(values):
                varies[name] = (min(values), max(values))
                del counts[name]
    unavailable = {}
    if seen.no_grad_failure:
        unavailable["unaccounted"] = f"the model does not run under no_grad ({seen.no_grad_failure})"
    books = seen.books
    if varies and books is not None and books.unaccounted:
        counts.pop("unaccounted", None)
        varies.pop("unaccounted", None)
        books = None
        unavailable["unaccounted"] = "no two calls are alike, so a pass is not held against one under no_grad"
    return Exact(counts, varies, unavailable, notes_of(seen, tuple(varies)), books)


def _other_counts(seen: Observation) -> Iterator[dict[str, int]]:
    for seed in _MORE_SEEDS:
        try:
            yield _counts(seen.again(seed))
        except Exception:  # noqa: BLE001, S112 (with these random numbers the model does not run: no number of it)
            continue


def _counts(seen: Observation) -> dict[str, int]:
    counts: dict[str, int] = {}
    for probe in PROBES:
        counts |= probe.read(seen)
    return counts
