"""The exact values of an arm, as integers by name, and how two of them compare."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from harness.judge.callers import CallersChange, callers_change
from harness.judge.finding import FindingState
from harness.record.callers import Callers
from harness.record.measured import Calls, CodeLine
from harness.record.names import NODES, OPERATORS, WAITS
from harness.record.schema import Better, Group, Metric, Unit


class Counted(Protocol):
    """What an arm counted."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Exact and witness metrics by name."""

    @property
    def groups(self) -> tuple[Group, ...]:
        """Its parameter groups."""


def exact_values(arm: Counted, metrics: Mapping[str, Metric]) -> dict[str, int]:
    """Return what of an arm is exact: its exact metrics, and the size of each of its parameter groups."""
    values = {name: value for name, value in arm.counts.items() if metrics[name].kind == "exact"}
    for group in arm.groups:
        name = f"parameters in group {group.name!r}, weight decay {group.weight_decay:g}"
        values[name] = values.get(name, 0) + group.parameters
    return values


def unit_of(name: str, metrics: Mapping[str, Metric]) -> Unit:
    """Return the unit of an exact value; what is not a metric is a count."""
    return metrics[name].unit if name in metrics else "1"


def meaning_of(name: str, metrics: Mapping[str, Metric]) -> str:
    """Return what an exact value is, in words."""
    return metrics[name].meaning if name in metrics else ""


def direction(base: float, head: float, better: Better | None) -> FindingState:
    """Return what a change is; a value without a better side has only changed.

    >>> direction(3, 4, "lower"), direction(3, 4, "higher"), direction(3, 4, None)
    (<FindingState.WORSE: 'worse'>, <FindingState.BETTER: 'better'>, <FindingState.CHANGED: 'changed'>)
    """
    if better is None:
        return FindingState.CHANGED
    return FindingState.WORSE if (head > base) == (better == "lower") else FindingState.BETTER


def more_than_counts(
    before: Mapping[str, int], after: Mapping[str, int], metrics: Mapping[str, Metric]
) -> bool:
    """Return whether more than counts changed: bytes, values read back, or a graph where there was none."""
    return any(
        name not in metrics
        or unit_of(name, metrics) != "1"
        or name == WAITS
        or (name == NODES and not before.get(name))
        for name in {*before, *after}
        if before.get(name) != after.get(name)
    )


def values_change(
    key: tuple[str, str],
    before: Callers,
    after: tuple[Iterable[Calls], Iterable[CodeLine]],
    values: tuple[Mapping[str, int], Mapping[str, int]],
    metrics: Mapping[str, Metric],
) -> CallersChange:
    """Return what is known of the cause of a difference between the exact values of an arm.

    Args:
        key: as `callers_change` takes it, as the next two.
        before: what the other side holds.
        after: who calls which operators now, and which lines call modules.
        values: the exact values before and after, by name.
        metrics: of these, by name.
    """
    known, measured = values
    return callers_change(
        key,
        before,
        after,
        operators_differ=OPERATORS in known and known[OPERATORS] != measured.get(OPERATORS),
        recorded_none=known.get(NODES) == 0,
        is_free=not more_than_counts(known, measured, metrics),
    )
