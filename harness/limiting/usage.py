"""What was measured of one block, and the sentence of a limit that it exceeds."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.limiting.amounts import BlockLimits
from harness.record.measured import Calls, CodeLine

_UNITS = {"peak": "B", "saved": "B"}
_WHAT = {
    "peak": "allocated at the peak",
    "saved": "held for backward",
    "nodes": "autograd nodes recorded",
    "waits": "values read back from tensors",
}
_OF_GRAPHS = frozenset({"saved", "nodes"})
_SHOWN = 3  # holders, or lines, in a message


@dataclass(slots=True)
class BlockUsage:
    """What one block did; all is 0 until it has ended.

    Attributes:
        peak: most bytes at one time of what the block allocated.
        saved: most bytes that graphs held for backward at one time, of memory allocated in the block.
        nodes: autograd nodes recorded.
        waits: times that a value was read back from a tensor.
        operators: dispatched.
        holders: of each of these, which modules hold or did how much, most first.
        calls: of operators, by module and name.
        own_calls: of them, those that modules make themselves.
        graphs: the lines that call modules, and torch outside them, with how many calls recorded a graph.
    """

    peak: int = 0
    saved: int = 0
    nodes: int = 0
    waits: int = 0
    operators: int = 0
    holders: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    calls: Mapping[tuple[str, str], int] = field(default_factory=dict)
    own_calls: tuple[Calls, ...] = ()
    graphs: tuple[CodeLine, ...] = ()

    @property
    def recorded_in(self) -> str:
        """Where graphs are recorded, in words: "evaluate (nets.py:41)"; "" where none is."""
        lines = [line.named for line in self.graphs if line.count]
        more = f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
        return f"{', '.join(lines[:_SHOWN])}{more}"


def excesses(usage: BlockUsage, limits: BlockLimits) -> list[str]:
    """Return a sentence for each limit that is exceeded: what, by how much, and who holds most."""
    return [
        _sentence(name, getattr(usage, name), limit, usage.holders.get(name, {})) + _place(name, limit, usage)
        for name, limit in limits.items()
        if getattr(usage, name) > limit
    ]


def _place(name: str, limit: int, usage: BlockUsage) -> str:
    """Return where the graph is recorded that there should not be."""
    lines = usage.recorded_in if name in _OF_GRAPHS and not limit else ""
    return f"; recorded in {lines}" if lines else ""


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
