"""What each arm of a case needs and what it saves, as bars whose length is in proportion to their bytes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.record.schema import ArmResult, Metric, Record
from harness.report.tables import columns_of
from harness.report.text import percent
from harness.report.units import quantity

_WORTH_TELLING = 0.005  # of the reference, at least: less is 0 %
_MOST = 2  # metrics of a case that are drawn; its table has all


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its name, its length as a share of the longest, the bytes on it, and what is beside it."""

    name: str
    share: float
    bytes: str
    beside: str


@dataclass(frozen=True, slots=True)
class Bars:
    """The bars of one metric, one for each arm that has it."""

    caption: str
    rows: tuple[Bar, ...]


def bars_of(record: Record, metrics: Mapping[str, Metric]) -> tuple[Bars, ...]:
    """Return bars for the first metrics in bytes of a record's table in which its arms differ."""
    return tuple(
        Bars(f"{name}: {metrics[name].meaning}", tuple(_rows(record, name)))
        for name in _in_bytes(record, metrics)
        if len({_ends(arm, name) for arm in _with(record, name)}) > 1
    )[:_MOST]


def equal_in_all(record: Record, metrics: Mapping[str, Metric]) -> str:
    """Say which metrics in bytes of a record's table are the same in all of its arms; "" for none of them."""
    told = []
    for name in _in_bytes(record, metrics):
        arms = _with(record, name)
        ends = {_ends(arm, name) for arm in arms}
        if len(arms) > 1 and len(ends) == 1:
            ((_, high),) = ends
            told.append(f"{name} {quantity(high, 'B')}")
    return f"The same in all arms: {', '.join(told)}." if told else ""


def _in_bytes(record: Record, metrics: Mapping[str, Metric]) -> tuple[str, ...]:
    return tuple(name for name in columns_of(record, metrics) if metrics[name].unit == "B")


def _with(record: Record, name: str) -> Sequence[ArmResult]:
    return [arm for arm in record.arms if arm.status == "ok" and (name in arm.counts or name in arm.varies)]


def _ends(arm: ArmResult, name: str) -> tuple[int, int]:
    return arm.varies[name] if name in arm.varies else (arm.counts[name], arm.counts[name])


def _rows(record: Record, name: str) -> Iterator[Bar]:
    arms = _with(record, name)
    longest = max(1, *(_ends(arm, name)[1] for arm in arms))
    before = next((_ends(arm, name) for arm in arms if arm.arm == record.reference), None)
    for arm in arms:
        low, high = _ends(arm, name)
        shown = quantity(low, "B") if low == high else f"{quantity(low, 'B')} to {quantity(high, 'B')}"
        beside = "" if before is None or arm.arm == record.reference else _change(before, (low, high))
        yield Bar(arm.arm, max(0.0, high / longest), shown, beside)


def _change(before: tuple[int, int], after: tuple[int, int]) -> str:
    if before[0] != before[1] or after[0] != after[1]:
        return "varies from call to call"
    by = before[0] - after[0]
    if not by:
        return "the same"
    part = abs(by) / before[0] if before[0] > 0 else 0.0
    share = f", {percent(part)}" if part >= _WORTH_TELLING else ""
    return f"saves {quantity(by, 'B')}{share}" if by > 0 else f"{quantity(-by, 'B')} more{share}"
