"""What was measured of one block, and the sentence of a limit that it exceeds."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.limiting.amounts import BlockLimits

_UNITS = {"peak": "B", "saved": "B"}
_WHAT = {
    "peak": "allocated at the peak",
    "saved": "held for backward",
    "nodes": "autograd nodes recorded",
    "waits": "values read back from tensors",
}
_SHOWN = 3  # holders in a message


@dataclass(slots=True)
class BlockUsage:
    """What one block did; all is 0 until it has ended.

    Attributes:
        peak: highest allocated bytes above the start of the block.
        saved: most bytes that graphs held for backward at one time, of memory allocated in the block.
        nodes: autograd nodes recorded.
        waits: times that a value was read back from a tensor.
        operators: dispatched.
        holders: of each of these, which modules hold or did how much, most first.
        calls: of operators, by module and name.
    """

    peak: int = 0
    saved: int = 0
    nodes: int = 0
    waits: int = 0
    operators: int = 0
    holders: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    calls: Mapping[tuple[str, str], int] = field(default_factory=dict)


def excesses(usage: BlockUsage, limits: BlockLimits) -> list[str]:
    """Return a sentence for each limit that is exceeded: what, by how much, and who holds most."""
    return [
        _sentence(name, getattr(usage, name), limit, usage.holders.get(name, {}))
        for name, limit in limits.items()
        if getattr(usage, name) > limit
    ]


def _sentence(name: str, value: int, limit: int, holders: Mapping[str, int]) -> str:
    over = value - limit
    most = [f"{module} {_amount(name, size)}" for module, size in list(holders.items())[:_SHOWN]]
    where = f"; most of it: {', '.join(most)}" if most else ""
    return (
        f"{name}: {_amount(name, value)} {_WHAT[name]}, {_amount(name, over)} above the limit of"
        f" {_amount(name, limit)}{where}"
    )


def _amount(name: str, value: int) -> str:
    """Return an amount, bytes both exact and readable."""
    from harness.report.units import quantity

    if _UNITS.get(name) != "B":
        return f"{value:,}"
    readable = quantity(value, "B")
    return f"{value:,} B" if readable.endswith(" B") else f"{value:,} B ({readable})"
